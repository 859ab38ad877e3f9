"""Reads runs for the index in processes of their own, ahead of what is asked for.

Reading a run is mostly parsing, which one Python process does one run after the other. So for many runs some children
read and turn them into rows while the parent writes rows into the index. A child is a plain Python process that gets
commits by a pipe and answers by another; when one fails, the parent reads its share itself.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gitruns.entities.ids import ObjectId
from gitruns.index import RunRows

MANY = 4000
"""From so many runs on children are worth their start of a fifth of a second."""

_MOST_CHILDREN = 8
_CHUNK = 64
_LENGTH_BYTES = 8


class BulkPool:
    """Some children that read runs of one repository; `close` ends them, and so does the end of this process."""

    def __init__(self, repository: Path, environ: Mapping[str, str]) -> None:
        self._children = [_Child(repository, environ) for _ in range(_child_count())]
        self._asked: dict[ObjectId, tuple[_Child, int]] = {}
        self._turn = 0

    def expect(self, commits: Sequence[ObjectId]) -> None:
        """Has the children read commits that nobody has asked them for yet."""
        fresh = [commit for commit in commits if commit not in self._asked]
        for start in range(0, len(fresh), _CHUNK):
            chunk = fresh[start : start + _CHUNK]
            child = self._children[self._turn % len(self._children)]
            self._turn += 1
            number = child.ask(chunk)
            if number is not None:
                self._asked.update(dict.fromkeys(chunk, (child, number)))

    def take(self, commits: Sequence[ObjectId]) -> Iterator[tuple[ObjectId, RunRows | str]]:
        """Yields the rows of those commits that the children were asked for, or why one cannot be read.

        What a child that failed has not answered is not among them.
        """
        wanted = set(commits)
        places = dict.fromkeys(self._asked[commit] for commit in commits if commit in self._asked)
        for child, number in places:
            for commit, found in child.answer(number):
                self._asked.pop(commit, None)
                if commit in wanted:
                    yield commit, found if isinstance(found, str) else RunRows(*found)

    def close(self) -> None:
        """Ends the children; what they were asked for and nobody took is lost."""
        for child in self._children:
            child.close()
        self._asked.clear()


class _Child:
    """One process, and a thread that keeps its answers until somebody wants them."""

    def __init__(self, repository: Path, environ: Mapping[str, str]) -> None:
        # By the path of the file: `-m` would look for modules in the working directory, which may be anybody's.
        worker = Path(__file__).with_name("bulk_worker.py")
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: dict[int, bytes] = {}
        self._arrived = threading.Condition()
        self._ended = False
        self._asked = 0
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, str(worker), str(repository)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environ),
            )
        if self._process is None or self._process.stdout is None:
            self._ended = True
            return
        threading.Thread(target=self._keep, args=(self._process.stdout,), daemon=True).start()

    def ask(self, commits: Sequence[ObjectId]) -> int | None:
        """Sends commits and returns the number of the answer to come, None when the child has failed."""
        if self._ended or self._process is None or self._process.stdin is None:
            return None
        try:
            self._process.stdin.write(" ".join(commits).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return None
        self._asked += 1
        return self._asked

    def answer(self, number: int) -> list[tuple[ObjectId, tuple[Any, ...] | str]]:
        """Waits for an answer and returns it; it is empty when the child failed first."""
        with self._arrived:
            self._arrived.wait_for(lambda: number in self._answers or self._ended)
            data = self._answers.pop(number, None)
        found: list[tuple[ObjectId, tuple[Any, ...] | str]] = [] if data is None else marshal.loads(data)  # noqa: S302  from our own child
        return found

    def _keep(self, answers: IO[bytes]) -> None:
        number = 0
        try:
            while len(head := answers.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
                length = int.from_bytes(head, "big")
                data = answers.read(length)
                if len(data) < length:
                    break
                number += 1
                with self._arrived:
                    self._answers[number] = data
                    self._arrived.notify_all()
        except (OSError, ValueError):
            pass
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def close(self) -> None:
        """Ends the process."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()


def _child_count() -> int:
    """As many as there are processors for us; the parent, which writes, waits for them most of the time."""
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        processors = os.cpu_count() or 1
    return max(1, min(processors, _MOST_CHILDREN))
