"""What a command works with: the repository, the terminal, the environment and the clock, each found once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.output import Output
from gitruns.cli.progress import ProgressBar, make_bar
from gitruns.cli.terminal import Terminal, find_terminal
from gitruns.errors import GitRunsError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from gitruns.capture import SnapshotRules
    from gitruns.entities.artifact import Artifact
    from gitruns.entities.experiment import Experiment
    from gitruns.entities.ids import ExperimentId, ObjectId
    from gitruns.entities.run import Run
    from gitruns.registry import Registry
    from gitruns.repo import Repo
    from gitruns.tracking.session import Session


class App:
    """One invocation. `terminal` is given by tests; else it is found when something is shown."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        terminal: Terminal | None = None,
        now_ms: int | None = None,
        quiet: bool = False,
    ) -> None:
        """`quiet`: no progress is shown."""
        self.environ = environ
        self._quiet = quiet
        self._bars: list[ProgressBar] = []
        self.colour: str | None = None
        self.use_pager = True
        self._terminal = terminal
        self._now_ms = now_ms
        self._repo: Repo | None = None
        self._session: Session | None = None

    @property
    def now_ms(self) -> int:
        """The wall clock in milliseconds UTC."""
        return time.time_ns() // 1_000_000 if self._now_ms is None else self._now_ms

    def open_repo(self, *, recover: bool = True) -> Repo:
        """Returns the repository around us, opened once; runs whose processes are gone are sealed first.

        Sealing needs the right to write; where that is missing, what is there is shown all the same.
        """
        if self._repo is None:
            from gitruns.repo import Repo

            self._repo = self._find(Repo)
            self._repo.on_index_progress = self.bar("indexing", "runs")
            if recover:
                self._recover(self._repo)
        return self._repo

    def _find(self, kind: type[Repo]) -> Repo:
        try:
            return kind.open(environ=self.environ)
        except NotFoundError as error:
            if error.kind == "not-a-repository" and self.environ.get("GITRUNS_JOURNAL"):
                folder = self.environ["GITRUNS_JOURNAL"]
                error.hint = (
                    f"runs are logged into GITRUNS_JOURNAL; in a clone, bring them in: git runs collect {folder}"
                )
            raise

    def bar(self, title: str, unit: str) -> ProgressBar:
        """Returns a progress bar, which goes away by itself when its work or the command is done."""
        self._bars.append(make_bar(title, unit, self.environ, quiet=self._quiet))
        return self._bars[-1]

    def end_progress(self) -> None:
        """Takes all progress bars away, so that something else can be said."""
        for bar in self._bars:
            bar.close()

    def session(self) -> Session:
        """Returns the place to log into: the repository, or the folder that GITRUNS_JOURNAL names."""
        if self._session is None:
            from gitruns.tracking.session import Session
            from gitruns.tracking.settings import settings_from

            settings = settings_from(self.environ)
            if settings.journal is not None:
                self._session = Session.open(environ=self.environ)
            else:
                self._session = Session(self.open_repo(), settings, self.environ)
        return self._session

    def _recover(self, repo: Repo) -> None:
        try:
            repo.recover()
        except (GitRunsError, OSError) as error:
            self.out.talk(f"warning: cannot seal runs that are over: {error}")

    def read_config(self, key: str) -> str | None:
        """Returns what git's configuration says; None outside a repository or for what is not set."""
        from gitruns.repo.git_facts import git_setting

        try:
            return git_setting(self.open_repo(recover=False), key)
        except GitRunsError:
            return None

    @cached_property
    def out(self) -> Output:
        """Where output goes."""

        def find() -> Terminal:
            return self._terminal or find_terminal(self.environ, self.read_config, self.colour)

        return Output(find, self.environ, self.read_config, use_pager=self.use_pager)

    # What git says

    def subject_of(self, commit: ObjectId | None) -> str | None:
        """Returns the first line of a commit's message, or None when it is not here."""
        from gitruns.repo.git_facts import commit_subject

        return None if commit is None else commit_subject(self.open_repo(), commit)

    def editor(self) -> str:
        """Returns the editor that git would open."""
        from gitruns.repo.git_facts import editor

        return editor(self.open_repo())

    def snapshot_rules(self) -> SnapshotRules:
        """Returns what a snapshot of this work tree holds, as configured."""
        from gitruns.capture import SnapshotRules

        config = self.open_repo().config
        return SnapshotRules(mode=config.snapshot, paths=config.snapshot_paths)

    # What a person named

    def run(self, text: str) -> Run:
        """Returns the run that an id, a unique prefix of one, a name, `latest`, or an address of artifacts means."""
        return self.place(text)[0]

    def place(self, text: str, path: str = "") -> tuple[Run, str]:
        """Returns a run and a path among its artifacts; `text` may be an address: `models:/digits@champion`."""
        repo = self.open_repo()
        if not text.startswith(("runs:/", "models:/")):
            return repo.get_run(repo.resolve_run(text)), path
        from gitruns.registry import find_place

        found = find_place(self.registry(), text)
        return repo.get_run(found.run_id), "/".join(part for part in (found.path, path.strip("/")) if part)

    def registry(self) -> Registry:
        """Returns the registered models of the repository."""
        from gitruns.registry import Registry

        return Registry(self.open_repo())

    def digest_of(self, text: str) -> str:
        """Returns the SHA-256 of the file that a text names, or the digest, or beginning of one, that it is."""
        import hashlib

        file = Path(text)
        if file.is_file():
            with file.open("rb") as stream:
                state = hashlib.sha256()
                while chunk := stream.read(1 << 20):
                    state.update(chunk)
                return state.hexdigest()
        digits = text.lower().removeprefix("sha256:")
        if len(digits) >= 8 and all(digit in "0123456789abcdef" for digit in digits):
            return digits
        raise NotFoundError(
            f"there is no file '{text}', and it is no digest",
            kind="file-not-found",
            hint="a digest is 8 to 64 hex digits, as git runs artifacts ls RUN shows",
        )

    def artifacts_of(self, run: Run) -> tuple[Artifact, ...]:
        """Returns the artifacts of a run; none, and a warning, when their list is not on this machine."""
        try:
            return self.open_repo().artifacts_of(run)
        except NotFoundError as error:
            self.out.talk(f"warning: cannot list the artifacts of run '{run.info.name}': {error}")
            return ()

    def experiment(self, text: str) -> Experiment:
        """Returns the experiment that a name or an id means, deleted or not; a name goes first."""
        from gitruns.entities import names
        from gitruns.entities.ids import ExperimentId

        repo = self.open_repo()
        names.check_text("experiment name", text, names.MAX_NAME_LENGTH)
        found = repo.find_experiment(text)
        return found if found is not None else repo.get_experiment(ExperimentId(text))

    def experiment_names(self) -> dict[ExperimentId, str]:
        """Returns the name of every experiment, deleted ones too."""
        return {experiment.id: experiment.name for experiment in self.open_repo().list_experiments(lifecycle=None)}

    def confirm(self, question: str, *, default: bool) -> bool:
        """Asks on the terminal; raises `InvalidInputError` where there is nobody to ask."""
        import sys

        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise InvalidInputError(
                f"cannot ask '{question}': this is no terminal", kind="no-terminal", hint="add --yes"
            )
        return click.confirm(question, default=default, err=True)


pass_app = click.make_pass_decorator(App)
