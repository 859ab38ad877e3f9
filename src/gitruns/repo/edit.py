"""Changes of a run after its end: each transaction is one commit on top of the run, with a stamp for each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from gitruns.entities import names
from gitruns.entities.artifact import Artifact
from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Lifecycle, Run
from gitruns.entities.stamp import Stamp
from gitruns.errors import ConflictError, InvalidInputError, NotFoundError
from gitruns.gitstore.refs import run_ref
from gitruns.repo.elsewhere import not_to_change
from gitruns.repo.formats import refuse_newer_format
from gitruns.repo.manifest import packed, unpacked
from gitruns.repo.runlog import now_ms
from gitruns.repo.trees import carried_files
from gitruns.repo.writer_id import stamp_edit

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

_ATTEMPTS = 20


class Transaction:
    """Collects changes of one run; they are written together when the block ends without an exception.

    On a live run they become records of its journal, on an ended one a commit. Raises `ConflictError` when others
    keep changing the run.
    """

    def __init__(self, repo: Repo, run_id: RunId) -> None:
        self._repo = repo
        self._run_id = run_id
        self._run = repo.get_run(run_id)
        self._tags: dict[str, str | None] = {}
        self._fields: dict[str, str] = {}
        self._artifacts: list[Artifact] = []
        self._removed: list[str] = []

    def set_tag(self, key: str, value: object) -> None:
        """Sets one tag."""
        key, text = names.check_tag(key, value)
        self._tags[key] = text

    def delete_tag(self, key: str) -> None:
        """Takes one tag away; raises `NotFoundError` (kind `tag-not-found`) when the run has none of that key."""
        if self._tags.get(key, self._run.tags.get(key)) is None:
            raise NotFoundError(f"run '{self._run_id[:8]}' has no tag '{key}'", kind="tag-not-found")
        self._tags[key] = None

    def rename(self, name: str) -> None:
        """Gives the run another name."""
        self._fields["name"] = names.check_text("run name", name, names.MAX_NAME_LENGTH, empty=False)

    def set_lifecycle(self, lifecycle: Lifecycle) -> None:
        """Deletes the run reversibly, or restores it."""
        self._fields["lifecycle"] = lifecycle.value

    def add_artifacts(self, artifacts: Sequence[Artifact]) -> None:
        """Adds artifacts whose bytes are in the cache already; the same path again replaces."""
        self._artifacts.extend(artifacts)

    def remove_artifacts(self, paths: Sequence[str]) -> None:
        """Takes artifacts of an ended run away; raises `InvalidInputError` (kind `run-is-live`) on a live one."""
        live = self._repo.live(self._run_id)
        if live is not None and live.alive:
            raise InvalidInputError(
                f"cannot take artifacts of run '{self._run_id[:8]}' away: it is being written", kind="run-is-live"
            )
        self._removed.extend(paths)

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and (self._tags or self._fields or self._artifacts or self._removed):
            self._write()

    def _write(self) -> None:
        live = self._repo.live(self._run_id)
        if live is not None and live.alive:
            self._write_to_journal(on_behalf=live.opening.on_behalf)
            return
        self._repo.seal(self._run_id)
        for _ in range(_ATTEMPTS):
            if self._commit():
                return
        raise ConflictError(f"cannot change run '{self._run_id[:8]}': others keep changing it", kind="ref-moved")

    def _write_to_journal(self, *, on_behalf: bool) -> None:
        log = self._repo.open_log(self._run_id, on_behalf=on_behalf)
        if self._tags:
            log.write_tags(self._tags)
        if self._fields:
            log.set_fields(self._fields)
        if self._artifacts:
            log.add_artifacts(self._artifacts)
        log.detach()

    def _commit(self) -> bool:
        store = self._repo.store
        tip = store.run_tip(self._run_id)
        if tip is None:
            raise not_to_change(self._repo, self._run_id)
        old = store.read_run(tip)
        refuse_newer_format("run", old.info.name, old.format_version)
        if self._artifacts or self._removed:
            old = unpacked(self._repo.cache, old)
        time_ms = now_ms()
        stamp = stamp_edit(self._repo.folder, self._repo.writer, old.stamps, self._stamped_fields(), time_ms)
        new = self._applied(old, stamp)
        commit = store.write_run_commit(
            packed(self._repo.cache, new),
            parents=[tip],
            identity=self._repo.identity(),
            time_ms=time_ms,
            subject=f"run {new.info.name}: {self._subject()}",
            files=carried_files(store, tip),
        )
        if not moved(self._repo, self._run_id, commit, tip):
            return False
        # The ref names this commit now: a power cut must not leave it without its objects.
        store.sync_edit(run_ref(self._run_id), commit)
        return True

    def _applied(self, old: Run, stamp: Stamp) -> Run:
        tags = {**old.tags, **self._tags}
        info = old.info
        if "name" in self._fields:
            info = replace(info, name=self._fields["name"])
        if "lifecycle" in self._fields:
            info = replace(info, lifecycle=Lifecycle(self._fields["lifecycle"]))
        artifacts = {artifact.path: artifact for artifact in (*old.artifacts, *self._artifacts)}
        artifacts = {path: one for path, one in artifacts.items() if path not in self._removed}
        stamps = {**old.stamps, **dict.fromkeys(self._stamped_fields(), stamp)}
        return replace(
            old,
            info=info,
            tags=read_only({key: value for key, value in tags.items() if value is not None}),
            artifacts=tuple(artifacts[path] for path in sorted(artifacts)),
            stamps=read_only(stamps),
        )

    def _stamped_fields(self) -> list[str]:
        artifacts = [f"artifacts/{path}" for path in (*(one.path for one in self._artifacts), *self._removed)]
        return [*(f"tags/{key}" for key in self._tags), *(f"run/{key}" for key in self._fields), *artifacts]

    def _subject(self) -> str:
        parts = []
        if "name" in self._fields:
            parts.append("rename")
        if "lifecycle" in self._fields:
            parts.append("delete" if self._fields["lifecycle"] == Lifecycle.DELETED.value else "restore")
        if self._tags:
            parts.append("edit tags " + ", ".join(sorted(self._tags))[:60])
        if self._artifacts:
            parts.append(f"add {len(self._artifacts)} artifacts")
        if self._removed:
            parts.append(f"remove {len(self._removed)} artifacts")
        return "; ".join(parts)


def moved(repo: Repo, run_id: RunId, commit: ObjectId, tip: ObjectId | None) -> bool:
    """Moves a run's ref when nobody did so since it was read; returns whether it moved."""
    try:
        repo.store.set_run_tip(run_id, commit, tip)
    except ConflictError:
        return False
    return True
