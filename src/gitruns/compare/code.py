"""How the code of two runs differs: git says, about the two commits that their sources are.

Every call of git is a list of arguments; no external diff program and no text conversion runs, whatever attributes a
repository sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.entities.source import Source

if TYPE_CHECKING:
    from gitruns.repo import Repo

_PLAIN = tuple(
    "--no-ext-diff --no-textconv --no-color -M --src-prefix=a/ --dst-prefix=b/ --diff-algorithm=myers"
    " --indent-heuristic -O/dev/null --inter-hunk-context=0 --submodule=short --no-relative".split()
)
_SETTINGS = ("-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false")
"""What a person has configured must not change what two commits differ in: a report has the same bytes everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file that differs. `added` and `removed` count lines, None for what is no text. `old_path` was its name."""

    path: str
    added: int | None
    removed: int | None
    old_path: str | None = None

    @property
    def lines(self) -> int:
        """How many lines differ."""
        return (self.added or 0) + (self.removed or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDiff:
    """What differs between two sources.

    `before` and `after` are their commits. `unavailable` says why git cannot compare them; `files` is empty then.
    `patch` is git's unified diff, where it was asked for.
    """

    before: ObjectId | None
    after: ObjectId | None
    files: tuple[FileChange, ...] = ()
    patch: str = ""
    unavailable: str | None = None
    hint: str | None = None

    def __bool__(self) -> bool:
        return bool(self.files) or self.unavailable is not None

    @property
    def added(self) -> int:
        """Lines that came."""
        return sum(file.added or 0 for file in self.files)

    @property
    def removed(self) -> int:
        """Lines that went."""
        return sum(file.removed or 0 for file in self.files)


def diff_sources(
    repo: Repo, before: Source, after: Source, *, paths: Sequence[str] = (), patch: bool = False
) -> CodeDiff:
    """Returns how two sources differ, below `paths` where some are named."""
    if same_code(before, after) and before.commit == after.commit:
        return CodeDiff(before=before.commit, after=after.commit)
    for source, which in ((before, "first"), (after, "second")):
        reason, hint = _missing(repo, source, which)
        if reason:
            return CodeDiff(before=before.commit, after=after.commit, unavailable=reason, hint=hint)
    assert before.commit is not None and after.commit is not None  # noqa: S101  else it is missing
    return diff_commits(repo, before.commit, after.commit, paths=paths, patch=patch)


def diff_commits(
    repo: Repo, before: ObjectId, after: ObjectId, *, paths: Sequence[str] = (), patch: bool = False
) -> CodeDiff:
    """Returns how two commits (or trees) that are here differ, below `paths` where some are named."""
    files = _parse_numstat(_git_diff(repo, ("--numstat", "-z"), before, after, paths))
    text = git_diff_text(repo, before, after, paths) if patch and files else ""
    return CodeDiff(before=before, after=after, files=files, patch=text)


def git_diff_text(
    repo: Repo, before: ObjectId, after: ObjectId, paths: Sequence[str] = (), *, context_lines: int = 3
) -> str:
    """Returns git's unified diff of two commits as text; bytes that are no UTF-8 are replaced."""
    return _git_diff(repo, ("-p", f"-U{context_lines}"), before, after, paths).decode(errors="replace")


def without_object_ids(patch: str) -> str:
    """Returns a diff without its `index` lines: how far ids are shortened depends on what else a clone holds."""
    kept, in_head = [], True
    for line in patch.split("\n"):
        in_head = line.startswith("diff --git ") or (in_head and not line.startswith("@@"))
        if not (in_head and line.startswith("index ")):
            kept.append(line)
    return "\n".join(kept)


def same_code(one: Source, other: Source) -> bool:
    """Returns whether two sources are the same code: equal tracked files, or equal snapshots."""
    trees = {tree for tree in (one.code_tree, one.snapshot_tree) if tree}
    if trees & {other.code_tree, other.snapshot_tree}:
        return True
    return one.commit is not None and one.commit == other.commit


def _missing(repo: Repo, source: Source, which: str) -> tuple[str | None, str | None]:
    if source.commit is None:
        return f"the {which} run has no source: none was captured", None
    if not repo.store.backend.has_object(source.commit):
        return f"the source of the {which} run is not in this clone", f"git fetch origin {source.commit}"
    return None, None


def _git_diff(repo: Repo, options: Sequence[str], before: str, after: str, paths: Sequence[str]) -> bytes:
    return repo.store.git.run(*_SETTINGS, "diff", *_PLAIN, *options, "--end-of-options", before, after, "--", *paths)


def _parse_numstat(data: bytes) -> tuple[FileChange, ...]:
    """Reads `git diff --numstat -z`: `added<TAB>removed<TAB>path NUL`, or for a rename an empty path and two more."""
    fields = iter(data.decode(errors="backslashreplace").split("\0"))
    files = []
    for field in fields:
        if not field:
            continue
        added, removed, path = field.split("\t", 2)
        old_path = None
        if not path:
            old_path, path = next(fields), next(fields)
        files.append(FileChange(path=path, added=_count(added), removed=_count(removed), old_path=old_path))
    return tuple(files)


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)
