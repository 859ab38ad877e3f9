"""Registered models in git: one ref each, edited by a child commit, found by id or by name.

What versions, aliases and stages mean is `registry`'s; this is how they are stored, and how their git tags come into
being. A version of a run that is still live gets its git tag when the run is sealed; a note beside the repository says
that there is such a one, so that nobody looks for it in vain.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gitruns.entities.content import artifacts_at, digest_of
from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId, WriterId
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, VersionId
from gitruns.entities.run import Identity
from gitruns.entities.stamp import Stamp
from gitruns.errors import ConflictError, GitRunsError, LockedError, NotFoundError
from gitruns.gitstore import ChainEntry, GitStore
from gitruns.gitstore.git_tags import VersionTag
from gitruns.gitstore.refs import model_id_candidate
from gitruns.repo.formats import refuse_newer_format
from gitruns.repo.private_lock import only_one
from gitruns.repo.runlog import now_ms
from gitruns.repo.writer_id import stamp_edit

_TURN_S = 5.0
PATIENCE_S = 120.0
"""So long an edit is tried again while others move the model's ref."""

Edit = tuple[RegisteredModel, tuple[str, ...], str]
"""What a change makes of a model: the new state, the fields that were edited, and what happened, for the message."""


class Models:
    """The registered models of one repository. `folder` is where the note of versions without a git tag is."""

    def __init__(self, store: GitStore, writer: WriterId, identity: Callable[[], Identity], folder: Path) -> None:
        self._store = store
        self._trees = store.models
        self._writer = writer
        self._note = folder / "untagged"
        self._locks = folder / "models"
        self.identity = identity

    def all(self) -> list[RegisteredModel]:
        """Returns all models, deleted ones too, by name; of two that bear one name the older keeps it."""
        found = [self._trees.read(tip) for tip in self._trees.tips().values()]
        found.sort(key=lambda model: (model.name, model.creation_time_ms, model.id))
        shown, before = [], ""
        for model in found:
            shown.append(replace(model, name=f"{model.name}~{model.id}") if model.name == before else model)
            before = model.name
        return shown

    def find(self, name: str) -> RegisteredModel | None:
        """Returns the model of that name, deleted or not, or None."""
        tip = self._trees.tip(model_id_candidate(name))
        likely = None if tip is None else self._trees.read(tip)
        if likely is not None and likely.name == name:
            return likely
        return next((model for model in self.all() if model.name == name), None)

    def get(self, model_id: ModelId) -> RegisteredModel:
        """Returns the model of that id; raises `NotFoundError` (kind `model-not-found`)."""
        tip = self._trees.tip(model_id)
        if tip is None:
            raise model_not_found(model_id)
        return self._trees.read(tip)

    def history(self, model_id: ModelId) -> list[ChainEntry]:
        """Returns the commits of a model, newest first."""
        tip = self._trees.tip(model_id)
        if tip is None:
            raise model_not_found(model_id)
        return self._trees.history(tip)

    def create(self, name: str, make: Callable[[ModelId, int], RegisteredModel], reason: str = "") -> RegisteredModel:
        """Writes a new model under the first free id for its name; `make` is given the id and the time."""
        attempt = 0
        while True:
            model_id = model_id_candidate(name, attempt)
            attempt += 1
            if self._trees.tip(model_id) is not None:
                continue
            time_ms = now_ms()
            model = make(model_id, time_ms)
            commit = self._write(model, None, time_ms, "register", reason)
            if self._moved(model_id, commit, None):
                self._trees.sync(model_id, commit)
                return self._trees.read(commit)
            if self.find(name) is not None:  # another process was first
                raise ConflictError(f"model '{name}' has just come into being", kind="ref-moved")

    def edit(
        self,
        model_id: ModelId,
        change: Callable[[RegisteredModel, int], Edit | None],
        *,
        reason: str = "",
    ) -> RegisteredModel:
        """Changes a model by compare-and-set, as often as it takes, and returns its new state; durable on return.

        `change` is given the present state and the time, and returns None when there is nothing to do. Fields that it
        names get one stamp. Raises `ConflictError`.
        """
        with self._turn(model_id):
            before, after = self._edit(model_id, change, reason)
        if after != before:
            self._trees.sync(model_id, after)
        return self._trees.read(after)

    @contextmanager
    def _turn(self, model_id: ModelId) -> Iterator[None]:
        """Waits a while until no other process of this machine is editing the model: they would undo each other's work.

        Only for speed: the compare-and-set decides, and who has waited long enough goes on without.
        """
        until = time.monotonic() + _TURN_S
        while True:
            with only_one(self._locks / f"{model_id}.lock") as ours:
                if ours or time.monotonic() > until:
                    yield
                    return
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311  no secret

    def _edit(
        self, model_id: ModelId, change: Callable[[RegisteredModel, int], Edit | None], reason: str
    ) -> tuple[ObjectId, ObjectId]:
        """Moves the model's ref and returns where it was and is."""
        deadline, pause_s = time.monotonic() + PATIENCE_S, 0.002
        while True:
            tip = self._trees.tip(model_id)
            if tip is None:
                raise model_not_found(model_id)
            old = self._trees.read(tip)
            refuse_newer_format("model", old.name, old.format_version)
            time_ms = max(now_ms(), old.last_update_time_ms)
            edit = change(old, time_ms)
            if edit is None:
                return tip, tip
            new, fields, subject = edit
            stamp = stamp_edit(self._store.paths.common_dir / "gitruns", self._writer, old.stamps, fields, now_ms())
            stamped: dict[str, Stamp] = {**old.stamps, **dict.fromkeys(fields, stamp)}
            new = replace(new, last_update_time_ms=time_ms, stamps=read_only(stamped))
            commit = self._write(new, tip, time_ms, subject, reason)
            if self._moved(model_id, commit, tip):
                return tip, commit
            if time.monotonic() > deadline:
                raise ConflictError(f"cannot change model '{old.name}': others keep changing it", kind="ref-moved")
            # Whoever comes second waits a random while, so that many processes do not keep meeting.
            time.sleep(random.uniform(0, pause_s))  # noqa: S311  no secret
            pause_s = min(pause_s * 2, 0.1)

    # Git tags

    def decider(self) -> str | None:
        """Returns the remote that decides on numbers; None in a repository without remotes, which decides itself.

        It is empty where there are several and none was chosen: then nobody can decide yet.
        """
        names = self._store.git.run("remote").decode(errors="surrogateescape").splitlines()
        chosen = self._store.config("runs.remote")
        if chosen:
            return chosen
        if not names:
            return None
        return "origin" if "origin" in names else names[0] if len(names) == 1 else ""

    def tag_object(
        self, model: RegisteredModel, version: ModelVersion, number: int, *, sign: bool | None = None
    ) -> ObjectId | None:
        """Writes the object of a version's git tag, and no ref; None while its run is not in git yet."""
        tags = self._store.version_tags
        if version.run_id is None:
            files = {"format": b"gitruns 1\n", "source": version.source.encode() + b"\n"}
            target = tags.record_commit(files, version.creation_time_ms)
        elif version.run_commit is None:
            return None
        else:
            target = tags.release_commit(version.run_commit)
        says = VersionTag(
            model_id=model.id,
            model=model.name,
            number=number,
            version_id=version.id,
            run_id=version.run_id,
            path=version.path,
            digest=version.digest,
            source=version.source,
            target=target,
            note=version.description,
        )
        return tags.write(says, self.identity(), version.creation_time_ms, sign=sign)

    def remember_untagged(self) -> None:
        """Notes that some version waits for its git tag until its run is sealed."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.touch()

    def settle(self) -> None:
        """Makes the git tags that are due because a run has been sealed; what fails is tried again the next time."""
        if not self._note.exists():
            return
        waiting = False
        for model_id in self._trees.tips():
            try:
                waiting |= self.settle_model(model_id)
            except (GitRunsError, OSError):
                waiting = True
        if not waiting:
            self._note.unlink(missing_ok=True)

    def settle_model(self, model_id: ModelId) -> bool:
        """Makes the git tags that are due for one model, also any that a crash left out.

        Returns whether one must still wait for its run.
        """
        waiting = False
        for version in self.get(model_id).versions.values():
            waiting |= self._settle_version(model_id, version)
        return waiting

    def _settle_version(self, model_id: ModelId, version: ModelVersion) -> bool:
        if version.run_id is not None and version.run_commit is None:
            tip = self._store.run_tip(version.run_id)
            if tip is None or not self._store.read_run(tip).info.status.ended:
                return True
            self._set_tag(model_id, version.id, tip)
        elif version.number is not None and version.git_tag is None:
            self._set_tag(model_id, version.id, version.run_commit)
        elif version.number is not None and version.git_tag is not None:
            self._make_ref(model_id, version.number, version.git_tag)
        return False

    def _make_ref(self, model_id: ModelId, number: int, git_tag: ObjectId) -> None:
        if self._store.version_tags.at(model_id, number) is None and self._store.backend.has_object(git_tag):
            self._store.version_tags.set(model_id, number, git_tag)

    def _set_tag(self, model_id: ModelId, version_id: VersionId, tip: ObjectId | None) -> None:
        def change(old: RegisteredModel, time_ms: int) -> Edit | None:
            before = old.versions[version_id]
            version = before if before.run_commit is not None or tip is None else self._of_sealed_run(before, tip)
            if version.number is not None and version.git_tag is None:
                version = replace(version, git_tag=self.tag_object(old, version, version.number))
            if version == before:
                return None
            versions = read_only({**old.versions, version_id: version})
            return replace(old, versions=versions), (), f"tag {version.label}"

        model = self.edit(model_id, change)
        version = model.versions[version_id]
        if version.number is not None and version.git_tag is not None:
            self._make_ref(model_id, version.number, version.git_tag)

    def _of_sealed_run(self, version: ModelVersion, tip: ObjectId) -> ModelVersion:
        """Returns a version as its run was sealed: files that came after it was registered belong to it too."""
        run = self._store.read_run(tip)
        if version.path is None or run.manifest is not None:
            return replace(version, run_commit=tip)
        chosen = artifacts_at(run.artifacts, version.path)
        size_bytes = sum(artifact.size_bytes for artifact in chosen)
        return replace(version, run_commit=tip, digest=digest_of(chosen, version.path), size_bytes=size_bytes)

    # Inside

    def _write(
        self, model: RegisteredModel, parent: ObjectId | None, time_ms: int, subject: str, reason: str
    ) -> ObjectId:
        return self._trees.write(
            model,
            parents=() if parent is None else (parent,),
            identity=self.identity(),
            time_ms=time_ms,
            subject=subject,
            reason=reason,
        )

    def _moved(self, model_id: ModelId, commit: ObjectId, before: ObjectId | None) -> bool:
        try:
            self._trees.set_tip(model_id, commit, before)
        except (ConflictError, LockedError):
            return False
        return True


def model_not_found(name: str) -> NotFoundError:
    """Returns the error for a model that is not here."""
    return NotFoundError(
        f"there is no registered model '{name}'",
        kind="model-not-found",
        hint="see what is there: git runs model list --all",
        model=name,
    )
