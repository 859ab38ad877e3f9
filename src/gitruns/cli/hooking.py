"""What git's hooks call for: `run_hook`.

The module loads next to nothing: most pushes have no run to send, and nobody shall wait to learn that.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.cli import hook_state

if TYPE_CHECKING:
    from gitruns.repo import Repo

HOOKS = ("pre-push", "post-merge", "post-checkout")
DONE = 0
REFUSED = 14
"""The exit code that stops git, one of `exitcodes`, which would load all errors."""

GUARD = "GITRUNS_HOOK"
"""Set for all that a hook starts: a push of ours, or a git command that it leads to, never comes back here."""

FETCH_EVERY_S = 300
_MARGIN_S = 0.5
_ZERO = frozenset("0")
_BRANCH_CHECKOUT = "1"
_FETCH_STAMP = "fetched-by-hook"


def run_hook(environ: Mapping[str, str], name: str, words: Sequence[str]) -> int:
    """Does what the hook of that name is for, and returns the exit code: not 0 only when git shall stop."""
    if environ.get(GUARD):
        return DONE
    settings = hook_state.read_settings()
    if settings.mode == "off":
        return DONE
    if name == "pre-push":
        return _pre_push(environ, settings, words)
    if settings.auto_fetch and (name == "post-merge" or [*words[2:3]] == [_BRANCH_CHECKOUT]):
        _fetch(environ, settings)
    return DONE


# Push


def _pre_push(environ: Mapping[str, str], settings: hook_state.HookSettings, words: Sequence[str]) -> int:
    remote, url, lines = _what_is_pushed(environ, words)
    target = settings.target(remote, url) if remote else None
    if target is None:
        return DONE
    if settings.mode not in hook_state.MODES:
        _say(f"runs.hook is '{settings.mode}', not one of {', '.join(hook_state.MODES)}: taken as warn")
    code = hook_state.code_refs(lines)
    given = [oid for _, oid, _, _ in code if not _ZERO.issuperset(oid)]
    folder = hook_state.private_folder()
    before = hook_state.recall(folder, target)
    key = hook_state.state_key(settings, folder, target, given, waits=before.waits)
    if not key or key == before.key or _only_tries():
        return DONE
    publishing = [] if settings.mode == "after" else given
    return _push(environ, settings, folder, target, publishing)


def _what_is_pushed(environ: Mapping[str, str], words: Sequence[str]) -> tuple[str, str, str]:
    """Returns remote, address and the lines that git tells a hook; the pre-commit framework tells by variables."""
    if words:
        return words[0], words[-1], "" if _nobody_writes() else os.fsdecode(sys.stdin.buffer.read())
    remote, url = environ.get("PRE_COMMIT_REMOTE_NAME", ""), environ.get("PRE_COMMIT_REMOTE_URL", "")
    local, there = environ.get("PRE_COMMIT_LOCAL_BRANCH", ""), environ.get("PRE_COMMIT_REMOTE_BRANCH", "")
    given = environ.get("PRE_COMMIT_TO_REF", "")
    if local and there and given:
        return remote, url, f"{local} {given} {there} {environ.get('PRE_COMMIT_FROM_REF', '0')}\n"
    return remote, url, ""


def _nobody_writes() -> bool:
    """Returns whether nothing comes from standard input: typed at a terminal, or nothing there at all."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return True
    return stat.S_ISCHR(mode)


def _only_tries() -> bool:
    from gitruns.cli.parents import only_tries

    return only_tries()


def _push(
    environ: Mapping[str, str], settings: hook_state.HookSettings, folder: Path, target: str, publishing: Sequence[str]
) -> int:
    from gitruns.cli.bounded import CRASHED, run_bounded

    timeout_s = settings.timeout_s
    started = time.monotonic()

    def work() -> int:
        # From here on in a child of our own: it has no terminal to ask on.
        from gitruns.errors import GitRunsError
        from gitruns.sync.hook import push_published

        try:
            repo = _open(environ)
        except GitRunsError as error:
            _say(f"runs were not sent: {error}")
            return REFUSED
        before = hook_state.recall(folder, target)
        # What is sealed meanwhile is for the next time, so the state is that from before.
        keys = [hook_state.state_key(settings, folder, target, publishing, waits=waits) for waits in (False, True)]
        left_s = timeout_s - (time.monotonic() - started)
        outcome = push_published(
            repo, target, publishing, said=before.said, deadline_s=max(left_s - _MARGIN_S, left_s / 2)
        )
        for line in outcome.lines:
            _say(line)
        key = keys[outcome.waits] if outcome.settled else ""
        hook_state.remember(folder, target, hook_state.Remembered(key=key, waits=outcome.waits, said=outcome.held))
        return REFUSED if outcome.failed else DONE

    code = run_bounded(work, timeout_s)
    if code is None:
        _say(f"stopped after {timeout_s:g} s: what is left goes with the next push, or now: git runs push {target}")
    elif code not in (DONE, REFUSED, CRASHED):
        _say(f"runs were not sent: what sends them was ended (exit code {code})")
    if code == DONE or settings.mode != "strict":
        return DONE
    _say("nothing was pushed: runs.hook is strict; push without: git push --no-verify")
    return REFUSED


# Fetch


def _fetch(environ: Mapping[str, str], settings: hook_state.HookSettings) -> None:
    remote = settings.runs.get("remote") or settings.home
    stamp = hook_state.private_folder() / _FETCH_STAMP
    if remote is None or _age_s(stamp) < FETCH_EVERY_S:
        return
    from gitruns.cli.bounded import run_bounded

    def work() -> int:
        from gitruns.sync.hook import fetch_quietly

        repo = _open(environ)
        stamp.touch()
        for line in fetch_quietly(repo, remote):
            _say(line)
        return DONE

    if run_bounded(work, settings.timeout_s) is None:
        _say(f"fetching runs was stopped after {settings.timeout_s:g} s; to fetch them: git runs fetch {remote}")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


# Both


def _open(environ: Mapping[str, str]) -> Repo:
    """Opens the repository that git works on, for a process that nobody can answer."""
    from gitruns.errors import GitRunsError
    from gitruns.repo import Repo

    quiet = {
        name: value for name, value in environ.items() if name not in ("GITRUNS_REPO", "GITRUNS_JOURNAL", "SSH_ASKPASS")
    }
    quiet |= {GUARD: "1", "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}
    quiet.setdefault("GIT_ASKPASS", "")
    repo = Repo.open(environ=quiet)
    try:
        repo.recover()
    except (GitRunsError, OSError) as error:
        _say(f"cannot seal runs that are over: {error}")
    return repo


def _say(text: str) -> None:
    from gitruns.cli.cells import printable

    print(f"gitruns: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201  git shows it among its own
