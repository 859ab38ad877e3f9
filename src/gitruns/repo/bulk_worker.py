"""The child of `bulk_pool`: a line of commits in, the rows of their runs out, until there is nothing more to read.

It is started by the path of this file, so the folder of this file stands first among those where modules are looked
for: the folder of the package takes its place before anything else is imported.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[0] = __file__.rsplit("gitruns", 1)[0].rstrip("/\\")

import gc
import marshal
import os
from pathlib import Path
from typing import IO

from gitruns.entities.ids import ObjectId
from gitruns.errors import GitRunsError
from gitruns.gitstore import GitStore, open_store
from gitruns.index import rows_of

_LENGTH_BYTES = 8


def answer(store: GitStore, lines: IO[bytes], answers: IO[bytes]) -> None:
    """Answers each line: a list of commit and rows, or of commit and why the run cannot be read."""
    for line in lines:
        commits = [ObjectId(word) for word in line.decode().split()]
        found = [
            (commit, error_or_run.message if isinstance(error_or_run, GitRunsError) else tuple(rows_of(error_or_run)))
            for commit, error_or_run in zip(commits, store.read_listed(commits), strict=True)
        ]
        data = marshal.dumps(found)
        answers.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        answers.flush()


def main() -> None:
    """Serves standard input, of the repository that the one argument names."""
    gc.disable()  # nothing here is in a cycle, and looking for some takes a tenth of the time
    store = open_store(Path.cwd(), repo=Path(sys.argv[1]), environ=os.environ)
    answer(store, sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
