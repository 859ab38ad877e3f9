"""What counts as the same code: equal trees, or equal in the paths that matter (`review: code:` of `gitruns.yaml`).

With `code: [train.py, src]` a change of the documentation is no other code, so a run of before still stands for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId

if TYPE_CHECKING:
    from gitruns.entities.run import Run
    from gitruns.repo import Repo

Key = tuple[str, ...]


class CodeKeys:
    """Gives each tree a key; equal keys are the same code. Trees that are not here are only equal to themselves."""

    def __init__(self, repo: Repo, paths: Sequence[str] = ()) -> None:
        self._repo = repo
        self._paths = tuple(paths)
        self._known: dict[ObjectId, Key] = {}

    def learn(self, trees: Iterable[ObjectId]) -> None:
        """Looks many trees up with one call of git."""
        new = [tree for tree in dict.fromkeys(trees) if tree not in self._known]
        if not self._paths:
            self._known |= {tree: (tree,) for tree in new}
            return
        asked = "".join(f"{tree}:{path}\n" for tree in new for path in self._paths).encode()
        answers = iter(self._repo.store.git.run("cat-file", "--batch-check=%(objectname)", input=asked).split(b"\n"))
        for tree in new:
            found = tuple(_object(next(answers)) for _ in self._paths)
            self._known[tree] = found if any(found) else (tree,)

    def of(self, tree: ObjectId) -> Key:
        """Returns the key of a tree."""
        if tree not in self._known:
            self.learn([tree])
        return self._known[tree]

    def of_run(self, run: Run) -> Collection[Key]:
        """Returns the keys that a run's source stands for: its tracked files, and its snapshot."""
        source = run.info.source
        return {self.of(tree) for tree in (source.code_tree, source.snapshot_tree) if tree is not None}


def _object(answer: bytes) -> str:
    """The id of an object, or nothing where git says that there is none (`… missing`)."""
    text = answer.decode(errors="replace")
    return "" if " " in text else text
