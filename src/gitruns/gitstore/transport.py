"""Moves objects and refs between this repository and others: `git ls-remote`, `fetch`, `push` and `bundle`.

git itself does it, so credentials, ssh, proxies and partial clones work as the user has them; what a repository's
configuration could change about what is moved is off: hooks, submodules, tags, pruning, opportunistic updates. Nothing
is ever forced but under a lease, and each command line stays short, however many refs there are.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from gitruns.entities.ids import ObjectId, is_object_id
from gitruns.errors import RemoteError
from gitruns.gitstore.program import GitProgram
from gitruns.gitstore.transport_errors import remote_failed, without_credentials

Progress = Callable[[str, int, "int | None"], None]
"""Called with what git is at (`receiving objects`), how many are done, and of how many, where that is known."""

ReadConfig = Callable[[str], "str | None"]

MAX_ARGUMENT_BYTES = 60_000
"""Of refspecs and leases on one command line: half of what the smallest system takes."""

_LOOK_S = 0.1
STALL_S = 600.0
"""A git that says nothing for so long is taken for hung."""

_PROTOCOLS = ("git", "http", "https", "ssh")
_QUIET_FETCH = (
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
    "--no-show-forced-updates",
    "--no-prune",
    "--no-prune-tags",
    "--no-filter",
    "--refmap=",
    "--progress",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One ref to move on a remote, from `old` (None: absent) to `new` (None: deleted). `old` is the lease."""

    ref: str
    new: ObjectId | None
    old: ObjectId | None

    def arguments(self) -> tuple[str, str]:
        """Returns the lease and the refspec."""
        return f"--force-with-lease={self.ref}:{self.old or ''}", f"{self.new or ''}:{self.ref}"


@dataclass(slots=True, kw_only=True)
class Answer:
    """What a remote did with a push: `done` refs, `stale` ones (somebody else moved them), `refused` ones and why."""

    done: set[str] = field(default_factory=set)
    stale: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Transport:
    """The ways to one remote, named as git knows it or by address.

    Without `interactive` nothing asks on the terminal. After `deadline` (of `time.monotonic`) git is ended.
    """

    def __init__(
        self,
        git: GitProgram,
        config: ReadConfig,
        remote: str,
        *,
        interactive: bool = True,
        deadline: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.remote = remote
        self._git = git
        self._config = config
        self._interactive = interactive
        self._deadline = deadline
        self._progress = progress

    # Reading

    def list_refs(self, *patterns: str) -> dict[str, ObjectId]:
        """Returns the refs of the remote whose names match (`refs/runs/*`), by name; symbolic and peeled ones not."""
        out = self._run("ls-remote", "--refs", "--quiet", "--end-of-options", self.remote, *patterns)
        found: dict[str, ObjectId] = {}
        for line in out.decode(errors="surrogateescape").splitlines():
            oid, tab, name = line.partition("\t")
            if tab and is_object_id(oid):
                found[name] = ObjectId(oid)
        return found

    def fetch(self, refspecs: Collection[str], *, depth: int | None = None) -> None:
        """Fetches by refspecs, as many as there are, in one conversation.

        `depth` cuts history; it is for clones that are shallow already, because it makes any clone shallow.
        """
        if refspecs:
            cut = () if depth is None else (f"--depth={depth}",)
            lines = "".join(f"{spec}\n" for spec in refspecs)
            self._run("fetch", *_QUIET_FETCH, *cut, "--stdin", "--end-of-options", self.remote, input=lines.encode())

    def fetch_objects(self, oids: Collection[ObjectId], *, depth: int | None = None) -> None:
        """Brings objects by their ids and all that they reach; no ref is moved."""
        self.fetch(sorted(oids), depth=depth)

    def fetch_missing(self, oids: Collection[ObjectId]) -> None:
        """Brings single objects that a partial clone left out, as git does when it misses them: only those."""
        if oids:
            lines = "".join(f"{oid}\n" for oid in sorted(oids))
            options = [option for option in _QUIET_FETCH if option != "--no-filter"]
            self._run(
                *("-c", "fetch.negotiationAlgorithm=noop"),
                *("fetch", *options, "--filter=blob:none", "--stdin", "--end-of-options", self.remote),
                input=lines.encode(),
            )

    # Writing

    def push(self, moves: Sequence[Moved], *, atomic: bool = False) -> Answer:
        """Moves refs of the remote, each under its lease; raises `RemoteError` when the remote cannot be talked to.

        A remote that takes some refs and not others is no error: see the answer. `atomic` asks for all or none, and
        holds for one command line's worth.
        """
        answer = Answer()
        for batch in _batches(moves):
            self._push_batch(batch, answer, atomic=atomic)
        return answer

    def _push_batch(self, moves: Sequence[Moved], answer: Answer, *, atomic: bool) -> None:
        leases, refspecs = zip(*(move.arguments() for move in moves), strict=True)
        options = ["--porcelain", "--progress", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
        options += ["--atomic"] if atomic else []
        code, out, said = self._try(
            *("-c", f"remote.{self.remote}.mirror=false") if "=" not in self.remote else (),
            *("push", *options, *leases, "--end-of-options", self.remote, *refspecs),
        )
        told = _read_porcelain(out.decode(errors="surrogateescape"), answer, {move.ref for move in moves})
        if code != 0 and not told:
            raise remote_failed("push to", self.remote, code, said)

    # Running git

    def _run(self, *args: str, input: bytes | None = None) -> bytes:  # noqa: A002  subprocess names it so
        code, out, said = self._try(*args, input=input)
        if code != 0:
            verb = {"ls-remote": "list", "bundle": "write"}.get(_command(args), "fetch from")
            raise remote_failed(verb, self.remote, code, said)
        return out

    def _try(self, *args: str, input: bytes | None = None) -> tuple[int, bytes, str]:  # noqa: A002
        """Returns exit code, output and the lines of standard error that are no progress."""
        with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out:
            fed.write(input or b"")
            fed.seek(0)
            listener = None
            try:
                with self._git.started(
                    *self._settings(),
                    *args,
                    stdin=fed,
                    stdout=out,
                    stderr=subprocess.PIPE,
                    env=self._environ(),
                    own_session=not self._interactive,
                ) as process:
                    assert process.stderr is not None  # noqa: S101  it was asked for
                    listener = _Listener(process.stderr, self._progress)
                    self._wait(process, listener)
            finally:
                if listener is not None:
                    listener.close()
            out.seek(0)
            return process.returncode, out.read(), listener.said()

    def _wait(self, process: subprocess.Popen[bytes], listener: _Listener) -> None:
        while True:
            patience = listener.heard_at + STALL_S
            until = patience if self._deadline is None else min(patience, self._deadline)
            # The end of what git says comes with its exit: to wait for that is quicker than Python's own asking.
            listener.wait(min(max(until - time.monotonic(), 0), _LOOK_S))
            try:
                process.wait(timeout=0 if listener.hears else max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                if self._deadline is not None and now >= self._deadline:
                    raise RemoteError(
                        f"gave up on '{without_credentials(self.remote)}': the time for it is over",
                        kind="remote-timeout",
                        retryable=True,
                        hint="what was sent stays; type it again to go on",
                    ) from None
                if now >= listener.heard_at + STALL_S:
                    raise RemoteError(
                        f"gave up on '{without_credentials(self.remote)}': it said nothing for {STALL_S:.0f} seconds",
                        kind="remote-timeout",
                        retryable=True,
                    ) from None
                continue
            return

    def _settings(self) -> Iterator[str]:
        """What is allowed: git's own protocols, unless the user has said otherwise about one."""
        yield from ("-c", "protocol.allow=never")
        for name in _PROTOCOLS:
            if self._config(f"protocol.{name}.allow") is None:
                yield from ("-c", f"protocol.{name}.allow=always")
        if self._config("protocol.file.allow") is None:
            yield from ("-c", "protocol.file.allow=user")
        if self._config("http.lowSpeedLimit") is None:
            yield from ("-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=120")

    def _environ(self) -> Mapping[str, str]:
        if self._interactive:
            return {"GIT_TERMINAL_PROMPT": "1"}
        return {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "SSH_ASKPASS_REQUIRE": "never"}


def _command(args: Sequence[str]) -> str:
    return next((word for word in args if word[:1] != "-"), "")


def _batches(moves: Sequence[Moved]) -> Iterator[Sequence[Moved]]:
    batch: list[Moved] = []
    length = 0
    for move in moves:
        needed = sum(len(word) + 1 for word in move.arguments())
        if batch and length + needed > MAX_ARGUMENT_BYTES:
            yield batch
            batch, length = [], 0
        batch.append(move)
        length += needed
    if batch:
        yield batch


_STALE = ("stale info", "fetch first", "non-fast-forward", "needs force", "already exists", "atomic push failed")
_STALE_THERE = (
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "reference already exists",
    "failed to lock",
)


def _read_porcelain(out: str, answer: Answer, asked: Collection[str]) -> bool:
    """Notes what `git push --porcelain` says of each ref; returns whether it says anything of what was asked."""
    told = False
    for line in out.splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        ref = names.rpartition(":")[2]
        if len(flag) != 1 or ref not in asked:
            continue
        told = True
        if flag != "!":
            answer.done.add(ref)
            continue
        answer.done.discard(ref)
        why = summary.partition("(")[2].rpartition(")")[0] or summary
        moved = why in _STALE if summary.startswith("[rejected]") else any(word in why for word in _STALE_THERE)
        (answer.stale if moved else answer.refused)[ref] = why
    answer.done -= answer.stale.keys() | answer.refused.keys()
    return told


_PROGRESS = re.compile(
    r"(?:remote: )?([A-Z][a-z]+(?: [a-z]+){0,3}): +(?:[0-9]+% \(([0-9]+)/([0-9]+)\)|([0-9]+)(?:, done\.?)?$)"
)
_TOTALS = re.compile(r"(?:remote: )?Total [0-9]+ |(?:remote: )?Delta compression using|POST git-|To |From ")


class _Listener:
    """Reads what git says while it works: progress is passed on, the rest is kept for an error message."""

    _KEPT = 400

    def __init__(self, stream: IO[bytes], progress: Progress | None) -> None:
        self.heard_at = time.monotonic()
        self._stream = stream
        self._progress = progress
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits until all is read, but not for a helper that git left behind with the other end still open."""
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            self._stream.close()

    @property
    def hears(self) -> bool:
        """Whether the other end is still open: by git, or by a helper that it left behind."""
        return self._thread.is_alive()

    def wait(self, timeout_s: float) -> None:
        """Returns when the other end is closed, or after that time."""
        self._thread.join(timeout_s)

    def said(self) -> str:
        """Returns the lines that are no progress."""
        return "\n".join(self._lines)

    def _listen(self) -> None:
        rest = b""
        while chunk := self._stream.read1(1 << 16):  # type: ignore[attr-defined]  # a buffered reader
            self.heard_at = time.monotonic()
            *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace").strip())
        self._take(rest.decode(errors="replace").strip())

    def _take(self, line: str) -> None:
        if not line:
            return
        match = _PROGRESS.match(line)
        if match is not None:
            if self._progress is not None:
                done, total = match[2] or match[4], match[3]
                self._progress(match[1].lower(), int(done), int(total) if total else None)
            return
        if len(self._lines) < self._KEPT and not _TOTALS.match(line):
            self._lines.append(line)
