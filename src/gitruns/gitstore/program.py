"""Runs the `git` program: always an argument list, never a shell, never a question on the terminal.

What git itself must do (filters, snapshots, transport, gc) goes through here. Hooks, fsmonitor and whatever else a
repository's configuration could start are off unless a caller wants them (`safe=False`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gitruns.errors import AccessDeniedError, GitRunsError, NotFoundError

_SAFE_OPTIONS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "submodule.recurse=false",
)
_SAFE_ENVIRON = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}

# What a calling git (a hook, an alias) says about its own repository and must not leak into ours.
# Source: `git rev-parse --local-env-vars`, without the variables that carry the user's `git -c`.
_OF_ANOTHER_REPOSITORY = frozenset(
    "GIT_DIR GIT_WORK_TREE GIT_COMMON_DIR GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_QUARANTINE_PATH "
    "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_GRAFT_FILE GIT_SHALLOW_FILE GIT_REPLACE_REF_BASE GIT_NAMESPACE "
    "GIT_IMPLICIT_WORK_TREE GIT_CONFIG GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS "
    "GIT_ICASE_PATHSPECS GIT_EXTERNAL_DIFF GIT_DIFF_OPTS".split()
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s']+@")
_DUBIOUS = re.compile(r"dubious ownership in repository at '(.*?)'$|unsafe repository \('(.*?)' is owned", re.MULTILINE)


class GitProgram:
    """The `git` program on one repository (`git_dir`, and `work_tree` where there is one), or on none.

    `environ` is the whole environment that git gets, PATH included.
    """

    def __init__(self, git_dir: Path | None, work_tree: Path | None, environ: Mapping[str, str]) -> None:
        self.git_dir = git_dir
        self.work_tree = work_tree
        self._environ = {name: value for name, value in environ.items() if name not in _OF_ANOTHER_REPOSITORY}
        if git_dir is not None:
            self._environ["GIT_DIR"] = str(git_dir)
        if work_tree is not None:
            self._environ["GIT_WORK_TREE"] = str(work_tree)

    def run(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002  subprocess names it so
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ok: Collection[int] = (0,),
        safe: bool = True,
    ) -> bytes:
        """Returns what `git <args>` prints.

        Raises a `GitRunsError` with git's own words when the exit code is not in `ok`: kind `git-failed`, or
        `git-not-found`, `dubious-ownership`.
        """
        code, out, stderr = self.run_raw(*args, input=input, env=env, cwd=cwd, safe=safe)
        if code not in ok:
            raise git_failed(args, code, stderr)
        return out

    def run_raw(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002  subprocess names it so
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        safe: bool = True,
    ) -> tuple[int, bytes, str]:
        """Returns exit code, output, and what git says on standard error, whatever the exit code is."""
        with _starting():
            done = subprocess.run(
                self._command(args, safe),
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                env=self._full_environ(env, safe),
                cwd=self._folder(cwd),
                check=False,
            )
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()

    @contextmanager
    def stream(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002  subprocess names it so
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ok: Collection[int] = (0,),
        safe: bool = True,
    ) -> Iterator[IO[bytes]]:
        """Gives the output of `git <args>` as a file while git runs: for output too big to hold.

        The exit code is checked when the block ends; leaving the block early ends git and is no error.
        """
        with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as said:
            if input is not None:
                fed.write(input)
                fed.seek(0)
            with _starting():
                process = subprocess.Popen(
                    self._command(args, safe),
                    stdin=subprocess.DEVNULL if input is None else fed,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=self._full_environ(env, safe),
                    cwd=self._folder(cwd),
                )
            assert process.stdout is not None  # noqa: S101  it was asked for
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                code = process.wait()
            if code not in ok and code != -signal.SIGPIPE:
                said.seek(0)
                raise git_failed(args, code, said.read().decode(errors="replace").strip())

    @contextmanager
    def started(
        self,
        *args: str,
        stdin: IO[bytes] | int,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        env: Mapping[str, str] | None = None,
        own_session: bool = False,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Gives `git <args>` while it runs; leaving the block early ends it, and its children in a session of its own.

        In a session of its own git has no terminal, so nothing that it starts (ssh, a helper) can ask there.
        """
        with _starting():
            process = subprocess.Popen(
                self._command(args, safe=True),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._full_environ(env, safe=True),
                cwd=self._folder(None),
                start_new_session=own_session,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                _end(process, whole_session=own_session)

    def _command(self, args: tuple[str, ...], safe: bool) -> list[str]:
        return ["git", *(_SAFE_OPTIONS if safe else ()), *args]

    def _full_environ(self, extra: Mapping[str, str] | None, safe: bool) -> dict[str, str]:
        return {**self._environ, **(_SAFE_ENVIRON if safe else {}), **(extra or {})}

    def _folder(self, cwd: Path | None) -> Path | None:
        return cwd or self.work_tree or self.git_dir


def _end(process: subprocess.Popen[bytes], *, whole_session: bool) -> None:
    """Ends a git that still runs: politely, so that it removes its temporary files, then for sure."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            if whole_session:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            return


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != "git":
            raise NotFoundError(f"there is no folder '{error.filename}'", kind="folder-not-found") from error
        raise NotFoundError(
            "cannot find the program 'git' on PATH",
            kind="git-not-found",
            hint="install git, or add its folder to PATH; without git, log with GITRUNS_JOURNAL=<folder>",
        ) from error
    except OSError as error:
        raise AccessDeniedError(
            f"cannot run git in '{error.filename}': {error.strerror or error}", kind="git-not-started"
        ) from error


def git_failed(args: tuple[str, ...], code: int, stderr: str) -> GitRunsError:
    """Returns the error for a git that failed: its own words, without credentials in addresses."""
    stderr = _CREDENTIALS.sub("", stderr)
    dubious = _DUBIOUS.search(stderr)
    if dubious is not None:
        path = dubious.group(1) or dubious.group(2)
        return AccessDeniedError(
            f"git does not trust the repository at '{path}': it belongs to another user",
            kind="dubious-ownership",
            hint=f"git config --global --add safe.directory {path}",
            path=path,
        )
    before = ("", *args)  # the word behind `-c` is a setting, not the command
    command = next((word for word, last in zip(args, before, strict=False) if word[:1] != "-" and last != "-c"), "")
    return GitRunsError(
        f"git {command} failed: {_main_line(stderr) or f'exit code {code}'}",
        kind="git-failed",
        exit_code=code,
        stderr=stderr,
    )


def _main_line(stderr: str) -> str:
    lines = stderr.splitlines()
    for word in ("fatal: ", "error: "):
        for line in lines:
            if line.startswith(word):
                return line.removeprefix(word)
    return lines[-1] if lines else ""
