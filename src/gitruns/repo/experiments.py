"""Experiments in git: one ref each, edited by a child commit, found by id or by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gitruns.entities import names
from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import (
    DEFAULT_EXPERIMENT_ID,
    DEFAULT_EXPERIMENT_NAME,
    ExperimentId,
    ObjectId,
    WriterId,
    experiment_id_candidate,
)
from gitruns.entities.run import Identity, Lifecycle
from gitruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from gitruns.gitstore import GitStore
from gitruns.gitstore.refs import experiment_ref
from gitruns.repo.formats import refuse_newer_format
from gitruns.repo.runlog import now_ms
from gitruns.repo.writer_id import stamp_edit

_ATTEMPTS = 20


class Experiments:
    """The experiments of one repository. What was read is kept by commit, which never changes."""

    def __init__(self, store: GitStore, writer: WriterId, identity: Callable[[], Identity]) -> None:
        self._store = store
        self._folder = store.paths.common_dir / "gitruns"
        self._writer = writer
        self._identity = identity
        self._read: dict[ObjectId, Experiment] = {}

    def list(self, lifecycle: Lifecycle | None = Lifecycle.ACTIVE) -> list[Experiment]:
        """Returns the experiments, the one created last first; the Default one is always there."""
        found = {experiment_id: self._at(tip) for experiment_id, tip in self._store.experiment_tips().items()}
        found.setdefault(DEFAULT_EXPERIMENT_ID, _default())
        chosen = [experiment for experiment in found.values() if lifecycle in (None, experiment.lifecycle)]
        return sorted(chosen, key=lambda experiment: (-experiment.creation_time_ms, experiment.id))

    def get(self, experiment_id: ExperimentId) -> Experiment:
        """Returns the experiment of that id; raises `NotFoundError` (kind `experiment-not-found`)."""
        tip = self._store.experiment_tip(experiment_id) if experiment_id.isdigit() else None
        if tip is not None:
            return self._at(tip)
        if experiment_id == DEFAULT_EXPERIMENT_ID:
            return _default()
        raise NotFoundError(
            f"there is no experiment '{experiment_id}'",
            kind="experiment-not-found",
            hint="see what is there: git runs experiments",
        )

    def find(self, name: str) -> Experiment | None:
        """Returns the experiment of that name, deleted or not, or None."""
        likely = self._store.experiment_tip(experiment_id_candidate(name))
        if likely is not None and self._at(likely).name == name:
            return self._at(likely)
        bearers = [experiment for experiment in self.list(None) if experiment.name == name]
        return min(bearers, key=lambda experiment: (experiment.creation_time_ms, experiment.id), default=None)

    def create(self, name: str, tags: Mapping[str, object]) -> ExperimentId:
        """Creates an experiment; raises `AlreadyExistsError` when the name is borne, also by a deleted one."""
        _check_name(name)
        checked = dict(
            names.check_tag(key, value, limit=names.MAX_EXPERIMENT_TAG_LENGTH) for key, value in tags.items()
        )
        if self.find(name) is not None:
            raise _name_taken(name)
        now = now_ms()
        for attempt in range(_ATTEMPTS):
            experiment = Experiment(
                id=experiment_id_candidate(name, attempt),
                name=name,
                creation_time_ms=now,
                last_update_time_ms=now,
                tags=read_only(checked),
            )
            if self._store.experiment_tip(experiment.id) is None and self._write(experiment, None, f"create {name}"):
                return experiment.id
            if self.get(experiment.id).name == name:  # another process was first
                raise _name_taken(name)
        raise AlreadyExistsError(f"cannot find a free id for experiment '{name}'", kind="experiment-id-taken")

    def ensure(self, name: str) -> Experiment:
        """Returns the experiment of that name, creating it when there is none."""
        found = self.find(name)
        if found is not None:
            return found
        try:
            return self.get(self.create(name, {}))
        except AlreadyExistsError:
            created = self.find(name)
            if created is None:
                raise
            return created

    def rename(self, experiment_id: ExperimentId, name: str) -> None:
        """Gives the experiment another name."""
        _check_name(name)
        bearer = self.find(name)
        if bearer is not None and bearer.id != experiment_id:
            raise _name_taken(name)
        self._edit(experiment_id, "experiment/name", f"rename to {name}", lambda old: replace(old, name=name))

    def set_lifecycle(self, experiment_id: ExperimentId, lifecycle: Lifecycle) -> None:
        """Deletes the experiment reversibly, or restores it."""
        verb = "delete" if lifecycle is Lifecycle.DELETED else "restore"
        self._edit(experiment_id, "experiment/lifecycle", verb, lambda old: replace(old, lifecycle=lifecycle))

    def set_tag(self, experiment_id: ExperimentId, key: str, value: object) -> None:
        """Sets one tag."""
        key, text = names.check_tag(key, value, limit=names.MAX_EXPERIMENT_TAG_LENGTH)
        self._edit(
            experiment_id,
            f"tags/{key}",
            f"tag {key}",
            lambda old: replace(old, tags=read_only({**old.tags, key: text})),
        )

    def delete_tag(self, experiment_id: ExperimentId, key: str) -> None:
        """Takes one tag away; raises `NotFoundError` (kind `tag-not-found`) when there is none of that key."""
        if key not in self.get(experiment_id).tags:
            raise NotFoundError(f"experiment '{experiment_id}' has no tag '{key}'", kind="tag-not-found")
        self._edit(
            experiment_id,
            f"tags/{key}",
            f"untag {key}",
            lambda old: replace(old, tags=read_only({k: v for k, v in old.tags.items() if k != key})),
        )

    def _edit(
        self, experiment_id: ExperimentId, field: str, subject: str, change: Callable[[Experiment], Experiment]
    ) -> None:
        for _ in range(_ATTEMPTS):
            old = self.get(experiment_id)
            refuse_newer_format("experiment", old.name, old.format_version)
            stamp = stamp_edit(self._folder, self._writer, old.stamps, [field], now_ms())
            new = replace(
                change(old),
                last_update_time_ms=max(now_ms(), old.last_update_time_ms),
                stamps=read_only({**old.stamps, field: stamp}),
            )
            if self._write(new, old.commit, subject):
                return
        raise ConflictError(f"cannot change experiment '{experiment_id}': others keep changing it", kind="ref-moved")

    def _write(self, experiment: Experiment, parent: ObjectId | None, subject: str) -> bool:
        commit = self._store.write_experiment(
            experiment,
            parent=parent,
            identity=self._identity(),
            time_ms=experiment.last_update_time_ms,
            subject=f"experiment {experiment.name}: {subject}",
        )
        try:
            self._store.set_experiment_tip(experiment.id, commit, parent)
        except ConflictError:
            return False
        self._store.sync_edit(experiment_ref(experiment.id), commit)
        return True

    def _at(self, commit: ObjectId) -> Experiment:
        if commit not in self._read:
            self._read[commit] = self._store.read_experiment(commit)
        return self._read[commit]


def _default() -> Experiment:
    return Experiment(id=DEFAULT_EXPERIMENT_ID, name=DEFAULT_EXPERIMENT_NAME, creation_time_ms=0, last_update_time_ms=0)


def _check_name(name: str) -> None:
    names.check_text("experiment name", name, names.MAX_NAME_LENGTH, empty=False)
    if not name.strip():
        raise InvalidInputError("experiment name must not be blank", kind="empty-name")


def _name_taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"there is an experiment '{name}' already",
        kind="experiment-exists",
        hint="see it, deleted or not: git runs experiments --all",
    )
