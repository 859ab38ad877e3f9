"""Whether the `git push` that runs above us was told only to try: git does not tell its hooks.

The command lines of the processes above are read, from /proc on Linux and through `ps` elsewhere, up to the first git
that pushes. Where they cannot be read the answer is no.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_MAX_ANCESTORS = 16
_PS_TIMEOUT_S = 2
_PROC = Path("/proc")

# Options that take the next word, of git itself and of git push. Source: git's git.c and builtin/push.c.
_GIT_VALUES = frozenset(
    "-c -C --git-dir --work-tree --namespace --exec-path --super-prefix --config-env --attr-source".split()
)
_PUSH_VALUES = frozenset("--repo --receive-pack --exec --push-option --recurse-submodules -o".split())
_PUSH_OPTIONS = (
    "all",
    "branches",
    "mirror",
    "delete",
    "tags",
    "dry-run",
    "porcelain",
    "force",
    "force-with-lease",
    "force-if-includes",
    "recurse-submodules",
    "thin",
    "receive-pack",
    "exec",
    "set-upstream",
    "progress",
    "prune",
    "verify",
    "follow-tags",
    "signed",
    "atomic",
    "push-option",
    "ipv4",
    "ipv6",
    "repo",
    "verbose",
    "quiet",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A process: who is above it, and its command line."""

    parent: int
    words: tuple[str, ...]


def only_tries(start: int | None = None) -> bool:
    """Returns whether the nearest `git push` above process `start` (by default ours) was given `--dry-run`."""
    pid = os.getppid() if start is None else start
    look: Callable[[int], Ancestor | None] = _from_proc if (_PROC / "self" / "stat").exists() else _from_ps
    for _ in range(_MAX_ANCESTORS):
        found = look(pid) if pid > 1 else None
        if found is None:
            return False
        options = push_options(found.words)
        if options is not None:
            return is_dry_run(options)
        pid = found.parent
    return False


def push_options(words: Sequence[str]) -> Sequence[str] | None:
    """Returns what stands behind `push` on a command line of git, None for any other command."""
    if not words or os.path.basename(words[0]) not in ("git", "git.exe", "git-push"):  # noqa: PTH119  a word
        return None
    if words[0].endswith("git-push"):
        return words[1:]
    place = 1
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in _GIT_VALUES else 1
    return words[place + 1 :] if place < len(words) and words[place] == "push" else None


def is_dry_run(options: Sequence[str]) -> bool:
    """Returns whether options of git push ask for a dry run: the last word of `-n`, `--dry-run`, `--no-dry-run`."""
    dry = False
    rest = iter(options)
    for word in rest:
        if word == "--":
            break
        if word in _PUSH_VALUES:
            next(rest, None)
        elif word.startswith("--"):
            dry = _long(word, dry)
        elif word.startswith("-"):
            dry = dry or "n" in word[1:].partition("o")[0]
            if word.endswith("o") and "o" not in word[1:-1]:
                next(rest, None)
    return dry


def _long(word: str, dry: bool) -> bool:
    """git takes any beginning of an option that means only one."""
    negated = word.startswith("--no-")
    name = word.removeprefix("--no-" if negated else "--")
    meant = [option for option in _PUSH_OPTIONS if option.startswith(name)]
    return not negated if name and (name == "dry-run" or meant == ["dry-run"]) else dry


def _from_proc(pid: int) -> Ancestor | None:
    try:
        words = os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).split("\0")[:-1]
        # The name in parentheses may hold anything, a parenthesis too.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return Ancestor(parent=int(fields[1]), words=tuple(words))
    except (OSError, ValueError, IndexError):
        return None


def _from_ps(pid: int) -> Ancestor | None:
    """`ps` prints words without their borders: a word with a space in it counts as two."""
    try:
        done = subprocess.run(
            ["ps", "-ww", "-o", "ppid=,command=", "-p", str(pid)],
            capture_output=True,
            timeout=_PS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = os.fsdecode(done.stdout).split()
    return Ancestor(parent=int(fields[0]), words=tuple(fields[1:])) if fields and fields[0].isdigit() else None
