"""A process that uses an index of a source in a file: started, and sometimes killed, by the tests."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gitruns.index import Index, Search
from index.sources import varied_source

COUNT = 400


def main(folder: Path, what: str, seed: int) -> None:
    """Refreshes, rebuilds or asks for a while."""
    source = varied_source(COUNT)
    index = Index(folder / "index.db", source)
    (folder / f"ready-{seed}").touch()
    if what == "rebuild":
        for _ in range(20):
            index.rebuild()
    elif what == "refresh":
        for _ in range(20):
            for place in ("live", "refs"):
                for one, (state, run) in getattr(source, place).items():
                    getattr(source, place)[one] = (f"{state}x{seed}", run)
                source.touch(place)
            index.refresh()
    else:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            found = index.search_runs(Search(filter="acc >= 0.5"))
            assert len(found.run_ids) == sum(run.metrics["acc"].last >= 0.5 for run in source.runs()), "wrong answer"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
