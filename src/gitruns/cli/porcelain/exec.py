"""`git runs exec`"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT, PAIR
from gitruns.cli.commands import WRITING, RunsCommand, command
from gitruns.cli.exitcodes import NO_COMMAND, NOT_EXECUTABLE
from gitruns.cli.times import duration
from gitruns.errors import AccessDeniedError, GitRunsError, InvalidInputError

if TYPE_CHECKING:
    from gitruns.entities.run import RunStatus
    from gitruns.entities.values import Scalar
    from gitruns.repo import RunLog

_SIGNALLED = 128

if TYPE_CHECKING:  # click made it generic after 8.1
    SizeBase = click.ParamType[int]
else:
    SizeBase = click.ParamType

LIVE_OPTION = "--live"
CONSOLE_ARTIFACT = "console.log"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_ENDED_BY_OTHERS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGXCPU")


class SizeType(SizeBase):
    """A number of bytes: `500k`, `8M`, `0`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number of bytes."""
        match = re.fullmatch(r"(\d{1,9})([kmg]?)(i?b)?", str(value).lower())
        if match is None:
            self.fail(f"'{value}' is no size, as 500k or 8M", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class ExecCommand(RunsCommand):
    """The command, whose `--live` may stand with `=SECONDS` or alone, as git's options may."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Says the default after a bare `--live`: click would take the next word for its value."""
        return super().parse_args(ctx, self._with_default(list(args)))

    def _with_default(self, args: list[str]) -> list[str]:
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        valued = {name for option in options for name in option.opts} - {LIVE_OPTION}
        place = 0
        while place < len(args) and args[place].startswith("-") and args[place] != "--":
            if args[place] == LIVE_OPTION:
                args[place] = f"{LIVE_OPTION}=on"
            place += 2 if args[place] in valued else 1
        return args


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the end of a command makes of its run. `exit_code` is as a shell gives it."""

    status: RunStatus
    exit_code: int
    error: str | None


@command(
    "exec",
    cls=ExecCommand,
    exits=(*WRITING, NOT_EXECUTABLE, NO_COMMAND),
    examples=[
        "git runs exec -- python train.py",
        "git runs exec -P lr=0.1 -P model=cnn -- python train.py --lr 0.1",
        "git runs exec -e digits --name baseline -t why=first -- ./train.sh",
        "git runs exec --max-output 1M --quiet -- sh train.sh",
        "git runs exec --live=60 -- python train.py",
    ],
    context_settings={"allow_interspersed_args": False},
)
@click.option("-P", "--param", "params", metavar="KEY=VALUE", type=PAIR, multiple=True, help="A param; again for more.")
@click.option("-t", "--tag", "tags", metavar="KEY=VALUE", type=PAIR, multiple=True, help="A tag; again for more.")
@click.option("-e", "--experiment", type=EXPERIMENT, help="The run's experiment, made where it is missing.")
@click.option("--name", help="The run's name; one is made up where none is given.")
@click.option("-m", "--message", "note", metavar="TEXT", help="The run's note.")
@click.option("--max-output", type=SizeType(), default="8M", show_default=True, help="Keep so much console output.")
@click.option(LIVE_OPTION, metavar="[=SECONDS]", help="Let others watch: push how it stands every SECONDS (30).")
@click.option("-q", "--quiet", is_flag=True, help="Do not say which run it was.")
@click.argument("words", metavar="[--] COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_app
def exec_command(
    app: App,
    params: Sequence[tuple[str, str]],
    tags: Sequence[tuple[str, str]],
    experiment: str | None,
    name: str | None,
    note: str | None,
    max_output: int,
    live: str | None,
    quiet: bool,
    words: Sequence[str],
) -> int:
    """Run a command and track it as a run

    The command runs as it would without us: same input, output, terminal and signals. Its exit code is ours (as in a
    shell: 127 no such command, 126 not executable, 128 and more for a signal) and decides the run's status. What it
    prints is kept as the artifact console.log: all of it up to --max-output, else its beginning and end; 0 keeps none.
    A command that logs with gitruns itself logs into this run (GITRUNS_RUN_ID). Params that read as a number or as
    true or false are kept as such. With --live a process beside it pushes checkpoints to the remote, until the end:
    others see them with `git runs watch --remote`.
    """
    _check_command(words[0], app.environ)
    log = _start(app, words, _typed(params), tags, experiment, name, note, live)
    if log is None:
        return _run(words, app.environ, max_output)[0].exit_code
    ending, console = _run(words, {**app.environ, "GITRUNS_RUN_ID": log.run_id}, max_output)
    ended_ms = app.now_ms
    if console and max_output:
        log.add_bytes(console, CONSOLE_ARTIFACT)
    log.end(ending.status, end_time_ms=ended_ms, exit_code=ending.exit_code, error=ending.error)
    app.session().place.close()
    if not quiet:
        took = duration(ended_ms - log.info.start_time_ms)
        why = f" ({ending.error})" if ending.error else ""
        app.out.talk(f"run {log.run_id[:8]} {log.info.name}: {ending.status.value.lower()} after {took}{why}")
    return ending.exit_code


def _check_command(word: str, environ: Mapping[str, str]) -> None:
    """Raises what a shell would say of a command that cannot be run: no run is made for a slip of the finger."""
    if shutil.which(word, path=environ.get("PATH")) is not None:
        return
    if "/" in word and Path(word).exists():
        raise AccessDeniedError(f"cannot run '{word}': it is not executable", kind="command-not-executable")
    raise InvalidInputError(f"cannot run '{word}': there is no such command", kind="command-not-found")


def _start(
    app: App,
    words: Sequence[str],
    params: Mapping[str, Scalar],
    tags: Sequence[tuple[str, str]],
    experiment: str | None,
    name: str | None,
    note: str | None,
    live: str | None,
) -> RunLog | None:
    """Starts the run; with GITRUNS_ON_ERROR=warn the command runs even where that is not possible."""
    from gitruns.entities import names

    checked = dict(names.check_param(key, value) for key, value in params.items())
    try:
        log = app.session().start(
            experiment_name=experiment,
            run_name=name,
            tags=dict(tags),
            description=note,
            parent_run_id=app.environ.get("GITRUNS_RUN_ID") or None,
            command=words,
            live=live,
        )
        log.log_params(checked)
    except GitRunsError as error:
        if app.environ.get("GITRUNS_ON_ERROR") != "warn":
            raise
        app.out.talk(f"warning: this run is not recorded: {error}")
        return None
    return log


def _run(words: Sequence[str], environ: Mapping[str, str], max_output: int) -> tuple[Ending, bytes]:
    from gitruns.cli.console import Console, run_shown
    from gitruns.entities.run import RunStatus

    console = Console(max_output)
    try:
        code = run_shown(words, environ, console)
    except OSError as error:
        text = f"cannot run '{words[0]}': {(error.strerror or str(error)).lower()}"
        exit_code = NO_COMMAND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return Ending(status=RunStatus.FAILED, exit_code=exit_code, error=text), console.text()
    return _ending(code), console.text()


def _ending(code: int) -> Ending:
    from gitruns.entities.run import RunStatus

    if code == 0:
        return Ending(status=RunStatus.FINISHED, exit_code=0, error=None)
    # A shell that ran the command tells of a signal by its exit code.
    number = -code if code < 0 else code - _SIGNALLED
    name = next((known.name for known in signal.Signals if known == number), None)
    if name in _ENDED_BY_OTHERS:
        return Ending(status=RunStatus.KILLED, exit_code=_SIGNALLED + number, error=name)
    if code < 0:
        return Ending(status=RunStatus.FAILED, exit_code=_SIGNALLED + number, error=name or f"signal {number}")
    return Ending(status=RunStatus.FAILED, exit_code=code, error=f"exit code {code}")


def _typed(pairs: Sequence[tuple[str, str]]) -> dict[str, Scalar]:
    typed: dict[str, Scalar] = {}
    for key, text in pairs:
        if key in typed:
            raise InvalidInputError(f"param '{key}' is given twice", kind="usage")
        typed[key] = typed_value(text)
    return typed


_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,5999})\Z", re.ASCII)
_FLOAT = re.compile(r"-?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?\Z", re.ASCII)
_WORDS: Mapping[str, bool] = {"true": True, "True": True, "false": False, "False": False}


def typed_value(text: str) -> Scalar:
    """Returns the number or truth value that a text is the usual spelling of, else the text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text) and text != "-0":
        from gitruns.entities.values import int_from_text

        return int_from_text(text)
    return float(text) if _FLOAT.match(text) else text


COMMAND = exec_command
