"""What a hook must know before it does anything: settings, and whether something has changed since it ran last.

Most pushes have no run to send. Three short calls of git and one small file tell, without loading anything else of
gitruns: the hook with nothing to do is in everybody's way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODES = ("warn", "strict", "after", "off")
DEFAULT_TIMEOUT_S = 20.0
RECORD_FILE = "hook.json"

_RUNS = "refs/runs/"
_NOT_OURS = ("refs/runs/", "refs/runs-local/", "refs/runs-remotes/")
_CHECKPOINTS = b" refs/runs/live/"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """Settings of one clone: `runs.*` by their lower-case names, and the address of each remote."""

    runs: Mapping[str, str]
    urls: Mapping[str, tuple[str, ...]]

    @property
    def mode(self) -> str:
        """What a push that cannot send runs means: `warn`, `strict`, `after` (like warn), or `off`."""
        named = self.runs.get("hook", "warn").lower()
        return {"false": "off", "no": "off", "true": "warn", "yes": "warn"}.get(named, named)

    @property
    def auto_fetch(self) -> bool:
        """Whether the hooks after git pull and git switch fetch runs."""
        return self.runs.get("autofetch", "false").lower() in ("true", "yes", "on", "1")

    @property
    def timeout_s(self) -> float:
        """How long a hook may take, in seconds."""
        try:
            seconds = float(self.runs.get("hooktimeout", ""))
        except ValueError:
            return DEFAULT_TIMEOUT_S
        return seconds if 0 < seconds < 86_400 else DEFAULT_TIMEOUT_S

    @property
    def home(self) -> str | None:
        """The remote that code is shared through: `origin`, else the only one."""
        if "origin" in self.urls:
            return "origin"
        return next(iter(self.urls)) if len(self.urls) == 1 else None

    def target(self, remote: str, url: str) -> str | None:
        """Returns where runs go when code is pushed to `remote` at `url`; None when that has nothing to do with runs.

        Runs are shared through `runs.remote`, else through home; a push to a place to deploy to sends none.
        """
        shared = self.runs.get("remote") or None
        for name in (shared, self.home):
            if name is not None and (remote == name or url in (name, *self.urls.get(name, ()))):
                return shared or name
        return None


def read_settings() -> HookSettings:
    """Returns the settings in force around the working directory."""
    runs: dict[str, str] = {}
    urls: dict[str, tuple[str, ...]] = {}
    for entry in _git("config", "-z", "--get-regexp", r"^(runs\.|remote\..*\.(url|pushurl)$)").split(b"\0"):
        key, _, value = os.fsdecode(entry).partition("\n")
        if key.startswith("runs."):
            runs[key[len("runs.") :]] = value
        elif key:
            name = key[len("remote.") :].rpartition(".")[0]
            urls[name] = (*urls.get(name, ()), value)
    return HookSettings(runs=runs, urls=urls)


def private_folder() -> Path:
    """Returns where this clone keeps what is gitruns' own."""
    if "GIT_DIR" not in os.environ and Path(".git").is_dir():
        return Path(".git", "gitruns")  # at the top of a clone, where git calls its hooks
    return Path(os.fsdecode(_git("rev-parse", "--git-common-dir")).removesuffix("\n")) / "gitruns"


def state_key(settings: HookSettings, folder: Path, remote: str, published: Sequence[str], *, waits: bool) -> str:
    """Returns what changes whenever there may be something new to send, empty when there is nothing to send at all.

    With `waits` some runs wait for their code, so it changes also with what the remote has and is given now.
    """
    listed = _git("for-each-ref", "--format=%(objectname) %(refname)", _RUNS, *_tracking(remote, waits))
    lines = [line for line in listed.splitlines() if _CHECKPOINTS not in line]
    live = sorted([*_names(folder / "live"), *_sizes(folder / "records" / "open")])
    if not live and not any(b" refs/runs/" in line for line in lines):
        return ""
    parts = [*lines, *(os.fsencode(name) for name in live), repr(sorted(settings.runs.items())).encode()]
    parts += [repr(settings.urls.get(remote)).encode(), _read(Path("gitruns.yaml"))]
    parts += [text.encode() for text in published] if waits else []
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _tracking(remote: str, waits: bool) -> list[str]:
    return [f"refs/remotes/{remote}/"] if waits and remote and remote[0] != "-" and ":" not in remote else []


def code_refs(lines: str) -> list[tuple[str, str, str, str]]:
    """Returns what git is about to push, as it tells a pre-push hook, without refs of runs.

    Each is a local ref, its object id, a remote ref and its object id there.
    """
    found = []
    for line in lines.splitlines():
        words = line.split(" ")
        if len(words) == 4 and not words[2].startswith(_NOT_OURS):
            found.append((words[0], words[1], words[2], words[3]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """How a hook has left things: at `key` there was no more to do. `said` are the runs that were said to wait."""

    key: str = ""
    waits: bool = False
    said: tuple[str, ...] = ()


def recall(folder: Path, what: str) -> Remembered:
    """Returns what was remembered of a remote; nothing when there is no record or it makes no sense."""
    found: Any = _records(folder).get(what)
    try:
        return Remembered(key=str(found["key"]), waits=found["waits"] is True, said=tuple(map(str, found["said"])))
    except (KeyError, TypeError):
        return Remembered()


def remember(folder: Path, what: str, how: Remembered) -> None:
    """Notes how things were left; a hook that cannot note it does its work again next time."""
    records = {**_records(folder), what: {"key": how.key, "waits": how.waits, "said": list(how.said)}}
    temporary = folder / f"{RECORD_FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(records), encoding="utf-8")
        temporary.replace(folder / RECORD_FILE)
    except OSError:
        temporary.unlink(missing_ok=True)


def _records(folder: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(_read(folder / RECORD_FILE) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names are wanted
    except OSError:
        return []


def _sizes(folder: Path) -> list[str]:
    """Returns the names of the journals of records, with how much is in them."""
    found = []
    for name in _names(folder):
        with contextlib.suppress(OSError):
            found.append(f"{name} {(folder / name).stat().st_size}")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _git(*words: str) -> bytes:
    """Returns what git prints, nothing when it fails: a hook that cannot know does its work."""
    try:
        done = subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return b""
    return done.stdout
