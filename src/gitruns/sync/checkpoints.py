"""Checkpoints of running runs: what a run has logged so far, on the remote, so that others can watch it.

A checkpoint is one commit without parent at `refs/runs/live/<run id>`, replaced under a lease and deleted once the run
is sealed; it is never merged. It is made and pushed by a process of its own (`start_checkpoints`): a training run is
neither slowed nor ended by anything that goes wrong here. Its objects are made in a small repository beside the real
one, which goes with the process, so days of checkpoints leave nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gitruns.entities.ids import ObjectId, RunId, is_run_id
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, GitRunsWarning, InvalidInputError, RemoteError
from gitruns.gitstore import GitStore, open_store, refs
from gitruns.gitstore.program import GitProgram
from gitruns.gitstore.transport import Moved, Transport
from gitruns.journal import LiveRun
from gitruns.repo import Repo
from gitruns.sync.remotes import choose_remote

DEFAULT_EVERY_S = 30.0
LEAST_EVERY_S = 1.0
MOST_EVERY_S = 600.0
"""Less often, others would take the run for dead (`repo.elsewhere`)."""

FOLDER = "checkpoints"
_PUSH_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.5
_BEAT_S = 300.0
_FRESH_AFTER = 200
"""So many checkpoints the private repository takes before it is made anew."""


def interval_of(text: str) -> float | None:
    """Returns the seconds between checkpoints that a setting names; None where it says off.

    Raises `InvalidInputError` for what is neither a number nor yes or no.
    """
    word = text.strip().lower()
    if word in ("", "0", "false", "no", "off"):
        return None
    if word in ("true", "yes", "on"):
        return DEFAULT_EVERY_S
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not LEAST_EVERY_S <= seconds <= MOST_EVERY_S:
        raise InvalidInputError(
            f"'{text}' is no time between checkpoints: {LEAST_EVERY_S:g} to {MOST_EVERY_S:g} seconds",
            kind="bad-setting",
        )
    return seconds


# The process that logs


def start_checkpoints(repo: Repo, run_id: RunId, every_s: float, environ: Mapping[str, str]) -> None:
    """Starts the process that pushes checkpoints of a run, and returns at once.

    The process ends by itself, after the run. What it cannot do is warned of once; nothing is raised.
    """
    paths = repo.store.paths
    command = [sys.executable, "-m", __name__, str(paths.git_dir), run_id, f"{every_s:g}"]
    own = {name: value for name, value in environ.items() if name not in ("GITRUNS_LIVE", "GITRUNS_RUN_ID")}
    heard, said = os.pipe()
    try:
        helper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=own,
            cwd=paths.work_tree or paths.git_dir,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(heard)
        warnings.warn(f"gitruns: no checkpoints of this run are pushed: {error}", GitRunsWarning, stacklevel=3)
        return
    finally:
        os.close(said)
    helper.returncode = 0  # it may outlive us, and that is no fault: `_listen` waits for it as long as we are there
    threading.Thread(target=_listen, args=(helper.pid, heard), name="gitruns-checkpoints", daemon=True).start()


def _listen(pid: int, heard: int) -> None:
    """Passes on what the helper says; it is asleep the rest of the time."""
    with contextlib.suppress(OSError):
        while text := os.read(heard, 4096):
            with contextlib.suppress(Exception):
                warnings.warn(f"gitruns: {text.decode(errors='replace').strip()}", GitRunsWarning, stacklevel=2)
        os.close(heard)
        os.waitpid(pid, 0)


# The process beside it


class Checkpointer:
    """Pushes checkpoints of one run to the remote that runs are shared through."""

    def __init__(self, repo: Repo, run_id: RunId, environ: Mapping[str, str]) -> None:
        self._repo = repo
        self._run_id = run_id
        self._environ = environ
        self._remote = choose_remote(repo)
        self._folder = repo.folder / FOLDER / run_id
        self._made = 0
        self._store: GitStore | None = None
        self._pushed: ObjectId | None = None
        self._content: Run | None = None
        self._pushed_at = 0.0

    def push(self, run: Run) -> None:
        """Puts a checkpoint of the run on the remote, unless it says what the last one said not long ago."""
        now = time.monotonic()
        if run == self._content and now - self._pushed_at < _BEAT_S:
            return
        store = self._private_store()
        commit = store.write_run_commit(
            run,
            parents=(),
            identity=self._repo.identity(),
            time_ms=time.time_ns() // 1_000_000,
            subject="running",
        )
        self._made += 1
        self._move(store, commit)
        self._content, self._pushed_at = run, now

    def delete(self) -> None:
        """Takes the checkpoint off the remote, and all that was needed for it off this machine."""
        if self._pushed is not None:
            self._move(self._private_store(), None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _move(self, store: GitStore, new: ObjectId | None) -> None:
        ref = refs.LIVE + self._run_id
        transport = Transport(
            store.git,
            self._repo.store.config,
            self._remote.address,
            interactive=False,
            deadline=time.monotonic() + _PUSH_TIMEOUT_S,
        )
        answer = transport.push([Moved(ref=ref, new=new, old=self._pushed)])
        if ref in answer.stale:  # an answer was lost, or the ref: nobody else writes it
            there = transport.list_refs(ref).get(ref)
            answer = transport.push([Moved(ref=ref, new=new, old=there)]) if there != new else answer
            answer.stale.pop(ref, None)
        if ref in answer.refused or ref in answer.stale:
            why = {**answer.stale, **answer.refused}[ref]
            raise RemoteError(f"'{self._remote.shown}' did not take '{ref}': {why}", kind="remote-refused")
        self._pushed = new
        self._note()

    def _note(self) -> None:
        """Keeps what is on the remote, for whoever has to tidy up after a kill."""
        text = json.dumps({"remote": self._remote.address, "commit": self._pushed})
        with contextlib.suppress(OSError):
            (self._folder / "pushed.json").write_text(text, encoding="utf-8")

    def _private_store(self) -> GitStore:
        """Returns a repository that knows our remotes, and that nobody else looks into."""
        if self._store is None or self._made >= _FRESH_AFTER:
            self._store = private_store(self._repo, self._folder, self._environ)
            self._made = 0
        return self._store


def private_store(repo: Repo, folder: Path, environ: Mapping[str, str]) -> GitStore:
    """Makes an empty repository in `folder` that has the real one's configuration: its remotes and credentials.

    Refs and objects are its own, so that a push updates nothing in the real one.
    """
    place = folder / "git"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    paths = repo.store.paths
    form = f"--object-format={repo.store.backend.object_format}"
    GitProgram(None, None, environ).run("init", "--bare", "--quiet", "--template=", form, str(place))
    config = place / "config"
    own = config.read_text(encoding="utf-8")
    quoted = str(paths.common_dir.resolve() / "config").replace("\\", "\\\\").replace('"', '\\"')
    config.write_text(f'[include]\n\tpath = "{quoted}"\n{own}', encoding="utf-8")
    store = open_store(place, repo=place, environ=environ)
    # Relative addresses of remotes are read from where the real repository's git would read them.
    store.git = GitProgram(place, paths.work_tree or paths.git_dir, environ)
    return store


def follow(repo: Repo, run_id: RunId, every_s: float, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Pushes checkpoints of a run until nobody writes it any more, then takes them off the remote.

    What goes wrong is said once, and tried again after the next interval.
    """
    checkpointer: Checkpointer | None = None
    said = False
    due = time.monotonic()  # the first at once: whoever waits for the run sees that it has begun
    while True:
        live = repo.live(run_id)
        if live is None or not live.alive:
            break
        if time.monotonic() >= due:
            try:
                checkpointer = checkpointer or Checkpointer(repo, run_id, environ)
                checkpointer.push(_as_it_stands(repo, live))
            except (GitRunsError, OSError) as error:
                if not said:
                    say(f"cannot push a checkpoint of this run, it goes on without: {error}")
                said = True
            due = time.monotonic() + every_s
        time.sleep(min(_LOOK_EVERY_S, every_s))
    with contextlib.suppress(GitRunsError, OSError):
        repo.recover()
    if checkpointer is not None:
        with contextlib.suppress(GitRunsError, OSError):
            checkpointer.delete()


def _as_it_stands(repo: Repo, live: LiveRun) -> Run:
    """Returns the run with what it had before, where it is one that goes on; points and artifacts stay here."""
    whole = repo.find_run(live.run.info.id) or live.run
    return replace(live.run, live=False, info=whole.info, params=whole.params, tags=whole.tags, metrics=whole.metrics)


def tidy(repo: Repo, environ: Mapping[str, str]) -> None:
    """Takes checkpoints off the remote whose process was killed before it could: of runs that are over."""
    folder = repo.folder / FOLDER
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        live = repo.live(RunId(place.name)) if is_run_id(place.name) else None
        if live is None or not live.alive:
            with contextlib.suppress(GitRunsError, OSError, ValueError, KeyError, TypeError):
                _tidy_one(repo, place, environ)


def _tidy_one(repo: Repo, place: Path, environ: Mapping[str, str]) -> None:
    ref = refs.LIVE + place.name
    noted = json.loads((place / "pushed.json").read_text(encoding="utf-8"))
    if noted["commit"] is not None:
        store = private_store(repo, place, environ)
        deadline = time.monotonic() + _PUSH_TIMEOUT_S
        transport = Transport(store.git, repo.store.config, str(noted["remote"]), interactive=False, deadline=deadline)
        transport.push([Moved(ref=ref, new=None, old=ObjectId(noted["commit"]))])
    shutil.rmtree(place, ignore_errors=True)


def main(words: list[str]) -> int:
    """What the process beside a run does: `python -m gitruns.sync.checkpoints GIT-DIR RUN SECONDS`."""
    git_dir, run_id, every_s = words
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never", "GITRUNS_HOOK": "1"}
    environ.setdefault("GIT_ASKPASS", "")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def say(text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(" ".join(text.split()), flush=True)  # noqa: T201  the process that logs reads it

    try:
        repo = Repo.open(Path.cwd(), environ={**environ, "GIT_DIR": git_dir})
        tidy(repo, environ)
        follow(repo, RunId(run_id), float(every_s), environ, say)
    except GitRunsError as error:
        say(f"no checkpoints of this run are pushed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
