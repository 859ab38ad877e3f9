"""Where this process logs, and how a run begins there: joins what capture finds with what repo keeps."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitruns.capture import (
    SnapshotRules,
    capture_environment,
    capture_source,
    describe_job,
    describe_process,
)
from gitruns.entities import names
from gitruns.entities.ids import ObjectId, RunId, is_object_id, is_run_id, new_run_id
from gitruns.entities.run import NOTE_TAG, Identity, RunInfo
from gitruns.entities.source import Source
from gitruns.errors import GitRunsWarning, InvalidInputError
from gitruns.repo import JournalFolder, Repo, RunLog, now_ms, open_journal_folder
from gitruns.tracking.settings import Settings, settings_from

RUN_NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"


class Session:
    """One place to log into: a repository, or a folder of journals on a node that has none."""

    def __init__(self, place: Repo | JournalFolder, settings: Settings, environ: Mapping[str, str]) -> None:
        self.place = place
        self.settings = settings
        self._environ = environ

    @classmethod
    def open(cls, repo: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Session:
        """Opens the place that the arguments and the environment name, by default the repository around us.

        Raises `NotFoundError` (kind `not-a-repository`) when there is none, with the ways out.
        """
        environment = os.environ if environ is None else environ
        settings = settings_from(environment)
        if settings.journal is not None and repo is None:
            return cls(open_journal_folder(settings.journal), settings, environment)
        return cls(Repo.open(repo or settings.repo, environ=environment), settings, environment)

    @classmethod
    def throwaway(cls, environ: Mapping[str, str]) -> Session:
        """Opens a folder that nobody will read: for a script that shall run on though it cannot log."""
        folder = Path(tempfile.mkdtemp(prefix="gitruns-unlogged-"))
        return cls(open_journal_folder(folder), settings_from(environ), environ)

    @property
    def repo(self) -> Repo:
        """The repository; raises `InvalidInputError` where there are only journals."""
        if isinstance(self.place, JournalFolder):
            raise InvalidInputError(
                "cannot read runs here: this node only keeps journals (GITRUNS_JOURNAL is set)",
                kind="journal-only",
                hint="collect them in a repository: git runs collect <folder>",
            )
        return self.place

    def start(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        run_name: str | None = None,
        parent_run_id: str | None = None,
        tags: Mapping[str, object] | None = None,
        description: str | None = None,
        start_time_ms: int | None = None,
        command: Sequence[str] | None = None,
        live: float | bool | str | None = None,
    ) -> RunLog:
        """Begins a run: its source is captured, its journal opened.

        `command` is the command line to record instead of this process's own, for one that runs on behalf of it.
        `live` is how often, in seconds, others see on the remote how it stands (True: every half minute; None: as
        `GITRUNS_LIVE` says).
        """
        every_s = self._checkpoint_interval(live)
        first_tags = _first_tags({**describe_job(self._environ), **(tags or {})}, description)
        name, parent = _reserved(first_tags, run_name, parent_run_id)
        place = self.place
        experiment = place.experiment_for_start(
            experiment_id, experiment_name or (None if experiment_id else self.settings.experiment)
        )
        repo = place if isinstance(place, Repo) else None
        facts = describe_process(
            repo.store if repo else None, self._environ, repo.config.redact if repo else (), arguments=command
        )
        info = RunInfo(
            id=new_run_id(),
            name=name,
            experiment_id=experiment.id,
            writer=place.writer,
            start_time_ms=now_ms() if start_time_ms is None else start_time_ms,
            user=facts.user,
            host=facts.host,
            entry_point=facts.entry_point,
            command=facts.command,
            source=self._source(repo),
            parent_run_id=parent,
        )
        log = place.start_run(
            info,
            environment=capture_environment(self._environ),
            identity=repo.identity() if repo else _process_identity(facts.user, facts.host),
            tags=first_tags,
            experiment_name=experiment.name,
            lenient=self.settings.lenient,
        )
        if repo is None and self.settings.source is None:
            _keep_script(log)
        if every_s is not None:
            self._start_checkpoints(repo, log.run_id, every_s)
        return log

    def _checkpoint_interval(self, live: float | bool | str | None) -> float | None:
        wanted = self.settings.live if live is None else str(live)
        if wanted is None:
            return None
        from gitruns.sync.checkpoints import interval_of

        return interval_of(wanted)

    def _start_checkpoints(self, repo: Repo | None, run_id: RunId, every_s: float) -> None:
        from gitruns.sync.checkpoints import start_checkpoints

        if repo is None:
            text = "gitruns: no checkpoints of this run are pushed: this node only keeps journals"
            warnings.warn(text, GitRunsWarning, stacklevel=4)
            return
        start_checkpoints(repo, run_id, every_s, self._environ)

    def resume(self, run_id: str, *, set_running: bool = True, live: float | bool | None = None) -> RunLog:
        """Opens a run again, live or ended; `set_running` says it is running again, as `start_run(run_id=…)` does.

        `live` is as for `start`; a process that only joins a run leaves its checkpoints to the one that it joins.
        """
        every_s = self._checkpoint_interval(live) if set_running else None
        if not is_run_id(run_id):
            run_id = self.repo.resolve_run(run_id)
        log = self.place.open_log(RunId(run_id), set_running=set_running, lenient=self.settings.lenient)
        if every_s is not None and log.owned_here:
            self._start_checkpoints(self.place if isinstance(self.place, Repo) else None, log.run_id, every_s)
        return log

    def _source(self, repo: Repo | None) -> Source:
        named = self.settings.source
        if repo is None:
            return Source(commit=_commit_id(named) if named else None)
        if named:
            return Source(commit=repo.resolve_commit(named))
        rules = SnapshotRules(mode=repo.config.snapshot, paths=repo.config.snapshot_paths)
        return capture_source(repo.store, rules)


def _commit_id(text: str) -> ObjectId:
    if not is_object_id(text):
        raise InvalidInputError(
            f"GITRUNS_SOURCE is '{text}', not a whole commit id",
            kind="bad-setting",
            hint="set it with: export GITRUNS_SOURCE=$(git rev-parse HEAD)",
        )
    return ObjectId(text)


def _first_tags(tags: Mapping[str, object], description: str | None) -> dict[str, str]:
    checked = dict(names.check_tag(key, value) for key, value in tags.items())
    if description is not None:
        if checked.get(NOTE_TAG, description) != description:
            raise InvalidInputError(
                f"description and tag '{NOTE_TAG}' differ: they are one thing", kind="description-twice"
            )
        checked |= dict([names.check_tag(NOTE_TAG, description)])
    return checked


def _reserved(tags: dict[str, str], run_name: str | None, parent_run_id: str | None) -> tuple[str, RunId | None]:
    """Takes out the tags that MLflow keeps facts of a run in: name and parent are fields here."""
    tagged_name, tagged_parent = tags.pop(RUN_NAME_TAG, None), tags.pop(PARENT_TAG, None)
    if run_name and tagged_name and run_name != tagged_name:
        raise InvalidInputError(
            f"run_name is '{run_name}' and tag '{RUN_NAME_TAG}' is '{tagged_name}': they are one thing",
            kind="run-name-twice",
        )
    name = run_name or tagged_name or names.new_run_name()
    parent = parent_run_id or tagged_parent
    if parent is not None and not is_run_id(parent):
        raise InvalidInputError(f"parent run id '{parent[:40]}' is not 32 hex digits", kind="bad-run-id")
    return names.check_text("run name", name, names.MAX_NAME_LENGTH), RunId(parent) if parent else None


def _process_identity(user: str | None, host: str | None) -> Identity:
    return Identity(name=user or "unknown", email=f"{user or 'unknown'}@{host or 'localhost'}")


def _keep_script(log: RunLog) -> None:
    """Keeps the script itself, the only source at hand where there is neither git nor a commit id."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script and Path(script).is_file():
        log.add_path(Path(script), "source")
