"""What git says when it cannot talk to a remote, as an error that says whether a retry helps and what to type next."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from gitruns.errors import GitRunsError, RemoteError
from gitruns.gitstore.program import git_failed

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s']+@")


@dataclass(frozen=True, slots=True)
class _Cause:
    pattern: re.Pattern[str]
    kind: str
    retryable: bool
    hint: str


def _cause(*words: str, kind: str, hint: str, retryable: bool = False) -> _Cause:
    return _Cause(re.compile("|".join(words), re.IGNORECASE), kind, retryable, hint)


# The first that fits counts, so the surer ones stand first. The words are git's own, in the C locale, and those of ssh
# and curl, which git passes on.
_CAUSES = (
    _cause(
        r"couldn't find remote ref",
        r"not our ref",
        kind="remote-ref-moved",
        hint="type it again",
        retryable=True,
    ),
    _cause(
        r"transport '.*?' not allowed",
        kind="protocol-refused",
        hint="allow it, if you trust the address: git config protocol.<name>.allow always",
    ),
    _cause(
        r"authentication failed",
        r"could not read (username|password)",
        r"terminal prompts disabled",
        r"permission denied \(",
        r"host key verification failed",
        r"returned error: 40[13]",
        r"permission to .* denied",
        r"(invalid|incorrect) (username|credentials)",
        r"denied to ",
        kind="auth-failed",
        hint="see that 'git fetch {remote}' works here; in a hook or CI nothing can be asked",
    ),
    _cause(
        r"does not appear to be a git repository",
        r"repository .*not found",
        r"repository '.*' does not exist",
        r"returned error: 404",
        r"no such remote",
        r"no such file or directory",
        kind="remote-not-found",
        hint="see the address: git remote get-url {remote}",
    ),
    _cause(
        r"exceeds maximum allowed size",
        r"returned error: 413",
        r"file size limit",
        kind="remote-too-large",
        hint="push less at a time: git runs push {remote} RUN…",
    ),
    _cause(
        r"could not resolve",
        r"connection (refused|timed out|reset|closed|was reset|aborted)",
        r"(network is unreachable|no route to host)",
        r"(operation|connection) timed out",
        r"failed to connect",
        r"could(n't| not) connect",
        r"unable to connect",
        r"early eof",
        r"remote end hung up",
        r"unexpected disconnect",
        r"rpc failed",
        r"returned error: (429|5[0-9][0-9])",
        r"transfer closed",
        r"broken pipe",
        r"recv error",
        r"empty reply",
        r"operation too slow",
        r"unexpected flush packet",
        r"protocol error",
        r"expected .*got",
        r"expected (flush|response end|no other sections|'[a-z-]+', received)",  # cut between two packets
        r"error (reading|processing) (section header|packfile|acks|shallow|wanted)",
        r"invalid (server )?response",
        r"index-pack (failed|died)",
        r"unpack-objects (failed|died)",
        r"read error",
        r"could not read from remote repository",  # and nothing else: the other side went away
        kind="remote-unreachable",
        hint="nothing is lost: type it again when the network is back",
        retryable=True,
    ),
)

_BAD_OBJECTS = re.compile(
    r"fsck error|error in object|repository corruption|did not send all necessary objects"
    r"|bad object|missing (blob|tree|commit|necessary)"
    r"|remote did not send|bad tree|hasDot|pack has \d+ unresolved|SHA1 COLLISION|is corrupt",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Returns a text in which addresses carry no user and no password."""
    return _CREDENTIALS.sub("", text)


def remote_failed(verb: str, remote: str, code: int, said: str) -> GitRunsError:
    """Returns the error for a git that could not `verb` (`push to`, `fetch from`, `list`) a remote."""
    said = without_credentials(said)
    shown = without_credentials(remote)
    other = git_failed((verb,), code, said)
    if other.kind == "dubious-ownership":
        return other
    if code == -signal.SIGPIPE and not said:  # without a word: the other side went away while git wrote
        said = "fatal: the remote end hung up unexpectedly"
    line = _telling_line(said) or f"git ended with exit code {code}"
    if "no space left on device" in said.lower():
        return GitRunsError(
            f"cannot {verb} '{shown}': {line}", kind="disk-full", hint="free some space, then try again"
        )
    if _BAD_OBJECTS.search(said):
        return RemoteError(
            f"cannot {verb} '{shown}': {line}",
            kind="remote-bad-objects",
            hint="somebody with the rights should run 'git fsck' there",
            stderr=said,
        )
    for cause in _CAUSES:
        if cause.pattern.search(said):
            return RemoteError(
                f"cannot {verb} '{shown}': {line}",
                kind=cause.kind,
                retryable=cause.retryable,
                hint=cause.hint.format(remote=shown),
                stderr=said,
            )
    return RemoteError(f"cannot {verb} '{shown}': {line}", kind="remote-refused", stderr=said, exit_code=code)


_NOISE = re.compile(
    r"please make sure you have the correct access rights|and the repository exists|could not read from remote "
    r"repository|the remote end hung up|^hint:|error: failed to push some refs",
    re.IGNORECASE,
)


def _telling_line(said: str) -> str:
    """Returns the line that says most: git ends with what follows from it, and ssh begins without a prefix."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.search(line)] or lines
    for prefix in ("fatal: ", "error: ", "remote: fatal: ", "remote: error: "):
        for line in telling:
            if line.startswith(prefix):
                return line.removeprefix(prefix).removeprefix("remote: ").rstrip(".")
    return telling[0].removeprefix("remote: ").rstrip(".") if telling else ""
