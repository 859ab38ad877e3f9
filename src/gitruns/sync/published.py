"""Which runs may travel: those whose code is published, and snapshots as far as the person has said so.

A commit is published when any ref last seen on the remote reaches it, run refs included, or when the push that goes on
around us is about to publish it. A snapshot of a dirty tree is nobody's branch: it becomes public only by
`git config runs.publishSnapshots`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.source import Source
from gitruns.errors import GitRunsError, InvalidInputError
from gitruns.gitstore.objects import decode_commit
from gitruns.sync.report import Held, PublicFile

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.repo import Repo
    from gitruns.sync.remotes import Remote

SNAPSHOT_KEY = "runs.publishSnapshots"
POLICIES = ("tracked", "all", "never")
_SNAPSHOT_MESSAGE = "source of a run\n"
_CHANGES = {"A": "added", "D": "deleted"}


@dataclass(slots=True)
class Verdict:
    """Which runs stay home, and the files that the snapshots of the others (and of some of these) would publish."""

    held: dict[RunId, Held] = field(default_factory=dict)
    files: list[PublicFile] = field(default_factory=list)


def snapshot_policy(repo: Repo, said: str | None = None) -> str | None:
    """Returns what may be published of dirty trees, None while nobody has decided; raises `InvalidInputError`."""
    policy = said or repo.store.config(SNAPSHOT_KEY)
    if policy is not None and policy not in POLICIES:
        raise InvalidInputError(
            f"'{SNAPSHOT_KEY}' is '{policy}', not one of {', '.join(POLICIES)}",
            kind="bad-setting",
            hint=f"git config {SNAPSHOT_KEY} tracked",
        )
    return policy


class Publishing:
    """What is published on one remote, as last seen; `publishing` are commits that are just about to be."""

    def __init__(self, repo: Repo, remote: Remote, publishing: Collection[ObjectId] = ()) -> None:
        self._store = repo.store
        self._remote = remote
        self._publishing = tuple(publishing)

    def judge(self, sources: Mapping[RunId, Source], *, with_source: bool, policy: str | None) -> Verdict:
        """Returns which of these runs stay home; a run without code, or without its code here, may always go."""
        verdict = Verdict()
        commits = {run_id: one.commit for run_id, one in sources.items() if one.commit is not None}
        unpublished = self._unpublished(set(commits.values()))
        by_commit: dict[ObjectId, list[RunId]] = {}
        for run_id, commit in commits.items():
            if commit in unpublished:
                by_commit.setdefault(commit, []).append(run_id)
        snapshots = {commit: base for commit in by_commit if (base := self._base_of(commit)) is not _NO_SNAPSHOT}
        bases = {ObjectId(base) for base in snapshots.values() if base}
        unpublished_bases = self._unpublished(bases) if bases and not with_source else set()
        for commit, runs in by_commit.items():
            if commit not in snapshots:
                reason = None if with_source else "unpublished-commit"
            elif snapshots[commit] in unpublished_bases:
                reason = "unpublished-commit"
            else:
                reason = self._judge_snapshot(commit, snapshots[commit], sources[runs[0]], policy, verdict)
            if reason is not None:
                shown = ObjectId(snapshots[commit]) if snapshots.get(commit) in unpublished_bases else commit
                verdict.held.update({one: Held(run_id=one, reason=reason, commit=shown) for one in runs})
        return verdict

    def _judge_snapshot(
        self, commit: ObjectId, base: str, source: Source, policy: str | None, verdict: Verdict
    ) -> str | None:
        files = snapshot_files(self._store, commit, base, source)
        reason = None
        if policy is None:
            reason = "snapshot-undecided"
        elif policy == "never":
            reason = "snapshot-never"
        elif policy == "tracked" and any(one.untracked for one in files):
            reason = "snapshot-untracked"
        verdict.files += [_with_verdict(one, reason is None) for one in files]
        return reason

    def _base_of(self, commit: ObjectId) -> str:
        """Returns the parent of a snapshot, empty where it has none, or `_NO_SNAPSHOT` for a commit of somebody's."""
        found = decode_commit(self._store.backend.read_object(commit)[1], commit)
        if not found.message.startswith(_SNAPSHOT_MESSAGE) or len(found.parents) > 1:
            return _NO_SNAPSHOT
        return found.parents[0] if found.parents else ""

    # What is reachable

    def is_published(self, commit: ObjectId) -> bool:
        """Returns whether a commit is published, as far as is known here."""
        return not self._unpublished((commit,))

    def _unpublished(self, commits: Iterable[ObjectId]) -> set[ObjectId]:
        """Returns those commits that nothing published reaches; the refs of runs are asked last, they are many."""
        here = {commit for commit in commits if self._store.backend.has_object(commit)} - set(self._publishing)
        left = self._beyond(here, [f"--glob={prefix}*" for prefix in self._remote.tracking])
        return self._beyond(left, [f"--glob={self._remote.prefix}*"])

    def _beyond(self, commits: Collection[ObjectId], published: Collection[str]) -> set[ObjectId]:
        if not commits:
            return set()
        known = [f"^{oid}" for oid in self._publishing if self._store.backend.has_object(oid)]
        lines = "\n".join([*sorted(commits), *known, ""])
        try:
            out = self._store.git.run("rev-list", "--stdin", "--not", *published, input=lines.encode())
        except GitRunsError:
            return set(commits)  # what cannot be told to be public is not
        return {commit for commit in map(ObjectId, out.decode().split()) if commit in commits}


_NO_SNAPSHOT = "-"


def snapshot_files(store: GitStore, commit: ObjectId, base: str, source: Source) -> list[PublicFile]:
    """Returns the files by which a snapshot differs from its parent, each as it would become public."""
    against = (base, commit) if base else (commit,)
    out = store.git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--root", "--no-commit-id", *against)
    untracked = _untracked(store, commit, source)
    files = []
    words = iter(out.decode(errors="surrogateescape").split("\0"))
    for facts in words:
        if not facts.startswith(":"):
            continue
        path = next(words, "")
        _, _, _, oid, letter = facts.split(" ")
        files.append(
            PublicFile(
                path=path,
                change=_CHANGES.get(letter, "modified"),
                size_bytes=0 if letter == "D" else _size(store, ObjectId(oid)),
                untracked=letter == "A" and (untracked is None or path in untracked),
                snapshot=commit,
                allowed=False,
            )
        )
    return files


def _untracked(store: GitStore, commit: ObjectId, source: Source) -> set[str] | None:
    """Returns the files of a snapshot that git did not track, None when that is not known any more."""
    code = source.code_tree
    if code is None:
        return None
    if code == source.snapshot_tree:
        return set()
    try:
        out = store.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", code, f"{commit}^{{tree}}")
    except GitRunsError:
        return None
    return set(out.decode(errors="surrogateescape").split("\0")) - {""}


def _size(store: GitStore, oid: ObjectId) -> int:
    try:
        return store.backend.object_header(oid)[1]
    except GitRunsError:
        return 0


def _with_verdict(file: PublicFile, allowed: bool) -> PublicFile:
    return PublicFile(
        path=file.path,
        change=file.change,
        size_bytes=file.size_bytes,
        untracked=file.untracked,
        snapshot=file.snapshot,
        allowed=allowed,
    )
