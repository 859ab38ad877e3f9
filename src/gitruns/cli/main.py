"""The `git-runs` program: finds the command, runs it, and turns what it raises into an exit code.

git runs it for `git runs …`. Commands are imported when they are called: the table below is all that `-h` needs.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence

import click

from gitruns.cli.app import App
from gitruns.cli.commands import Documented, RunsCommand
from gitruns.cli.exitcodes import BROKEN_PIPE, INTERRUPTED
from gitruns.cli.failures import asks_for_json, report, show_warnings

PROGRAM = "git runs"

# Group of commands -> command -> first line of its help. A test holds the lines against the commands themselves.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Log": {
        "exec": "Run a command and track it as a run",
        "collect": "Bring in runs that were logged without a repository",
        "recover": "Seal runs whose processes are gone",
    },
    "Look": {
        "list": "List runs, the latest first",
        "show": "Show one run: what went in, what came out, what code it was",
        "watch": "Follow runs while they are running",
        "artifacts": "List, fetch and check the files that a run kept",
        "source": "Print the commit that a run ran, or bring its code back",
        "log": "Show how a run came to be what it is",
        "status": "Show what is running and what is only here",
        "traces": "Look at traces: what an application did with each request",
    },
    "Find": {
        "best": "Find the best run by a metric, of all or of each group",
        "stats": "Sum up a metric over runs: count, mean, spread, median",
        "plot": "Draw a metric of some runs",
        "whence": "Say which run, code and data made a file",
        "export": "Write runs into a file: parquet, CSV, JSON lines, SQLite",
    },
    "Compare and review": {
        "diff": "Show what differs between two runs: results, params, code",
        "compare": "Show runs side by side",
        "review": "Review a change by the runs of its code",
        "blame": "Show which changes set the records of a metric",
        "bisect": "Find the commit that made a metric worse",
    },
    "Change": {
        "tag": "Show, set or delete tags of a run",
        "note": "Show or write the note of a run",
        "rename": "Give a run another name",
        "rm": "Take runs out of sight",
        "restore": "Bring back runs that were taken out of sight",
        "experiments": "List and change experiments",
    },
    "Models": {
        "model": "Register models: numbered versions, aliases, stages",
    },
    "Share": {
        "push": "Send runs to a remote, their artifacts first",
        "fetch": "Bring the runs of others, and merge them with those here",
        "pull": "Fetch runs, and bring their artifacts to this machine",
        "sync": "Fetch, then push",
        "store": "Show, set and check the store that artifacts go through",
        "bundle": "Write runs into a file, to carry them where no network goes",
        "unbundle": "Take in runs from a file that bundle has written",
    },
    "Move": {
        "import": "Bring in runs from MLflow and other trackers",
    },
    "Serve": {
        "server": "Serve runs over HTTP: MLflow's protocol, for clients in any language",
        "ui": "Serve runs over HTTP: another name of `git runs server`",
    },
    "Keep house": {
        "verify": "Check that stored runs, models and signatures are right",
        "archive": "Put many finished runs under one git ref",
        "gc": "Remove what no run in this clone needs any more",
        "purge": "Delete runs for good, everywhere that hears of it",
        "keep": "Keep runs in this clone, whatever others purge",
        "unkeep": "Keep runs in this clone no longer",
        "index": "Bring the index up to date, check it, or make it anew",
    },
    "Set up": {
        "init": "Set up git for runs in this clone",
        "deinit": "Undo what init set up",
        "completion": "Print a script that completes commands in your shell",
        "hook": "Do what git's hooks call for",
    },
    "For scripts": {
        "ls-runs": "List runs, one line each, in a form that does not change",
        "cat-run": "Print all that is known of a run as JSON, or its points",
        "resolve": "Print the whole id of the run that a word means",
        "hash-artifact": "Print the address that files have as artifacts",
        "rebuild-index": "Make the index anew, and print how many runs it has",
        "complete": "Print what may come next on a command line",
    },
}
HIDDEN = frozenset({"complete"})
_NAME_WIDTH = max(len(name) for commands in SECTIONS.values() for name in commands)
_PLUMBING = "For scripts"


def load_command(name: str) -> click.Command | None:
    """Imports the command of that name, or returns None."""
    for section, commands in SECTIONS.items():
        if name in commands:
            folder = "plumbing" if section == _PLUMBING else "porcelain"
            module = importlib.import_module(f"gitruns.cli.{folder}.{name.replace('-', '_')}")
            found: click.Command = module.COMMAND
            return found
    return None


class Program(Documented, click.Group):
    """The top of the tree: commands by section, loaded on call; without a command it lists runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands."""
        return [name for commands in SECTIONS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads a command."""
        return load_command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that is called; names the nearest one when there is none."""
        if load_command(args[0]) is None and not args[0].startswith("-"):
            raise _unknown_command(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, section by section, without importing them."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(
                    [(name.ljust(_NAME_WIDTH), text) for name, text in commands.items() if name not in HIDDEN]
                )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes commands before options: they are what is looked for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples))


def _unknown_command(name: str, ctx: click.Context) -> click.UsageError:
    error = click.UsageError(f"'{name}' is not a {PROGRAM} command", ctx)
    names = [known for commands in SECTIONS.values() for known in commands if known not in HIDDEN]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    means = " or ".join(f"'{PROGRAM} {word}'" for word in near)
    if any(character in "=<>() " for character in name) or name.startswith("@"):
        means, near = f"{PROGRAM} list {shlex.quote(name)}", [name]
    error.hint = f"did you mean {means}?" if near else f"see {PROGRAM} -h"  # type: ignore[attr-defined]  # read by failures
    return error


def _print_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"git-runs version {version('gitruns')}")
        ctx.exit()


@click.group(
    PROGRAM,
    cls=Program,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-C", "folder", metavar="PATH", type=click.Path(exists=True, file_okay=False), help="Start in PATH.")
@click.option("--color", "colour", type=click.Choice(["always", "auto", "never"]), help="When to use colours.")
@click.option("--no-pager", is_flag=True, help="Do not send output through a pager.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def program(ctx: click.Context, folder: str | None, colour: str | None, no_pager: bool) -> object:
    """Track experiments in git: each run a commit, a child of the code it ran

    Runs are logged by `import gitruns` in a script, or by `git runs exec -- COMMAND` without touching it, and shared
    with git push. A RUN is named by its id, any unique beginning of it (4 digits or more), its name, or `latest`.
    Without a command, runs are listed.
    """
    if folder is not None:
        os.chdir(folder)
    app: App = ctx.obj or App(os.environ)
    ctx.obj = app
    app.colour, app.use_pager = colour or app.colour, app.use_pager and not no_pager
    if ctx.invoked_subcommand is not None:
        return None
    listing = load_command("list")
    assert isinstance(listing, RunsCommand)  # noqa: S101  it is one of ours
    with listing.make_context("list", [], parent=ctx) as inner:
        return listing.invoke(inner)


program.examples = (
    "git runs",
    "git runs exec -P lr=0.1 -- python train.py --lr 0.1",
    "git runs show latest",
    "git runs list 'acc > 0.9' --sort -acc -n 5",
    "git runs diff 91bc latest",
)


def main(arguments: Sequence[str] | None = None, app: App | None = None) -> int:
    """Runs the command line and returns the exit code; `git-runs` begins here. Tests give their own `app`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    app = app or App(os.environ)
    try:
        with warnings.catch_warnings():
            show_warnings(environ=app.environ)
            answer = _run(words, app)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except (click.Abort, KeyboardInterrupt):
        app.end_progress()
        with contextlib.suppress(OSError):
            sys.stderr.write("\n")
        return INTERRUPTED
    except Exception as error:
        app.end_progress()
        return report(error, as_json=asks_for_json(words), environ=app.environ)
    return answer if isinstance(answer, int) else 0


def _run(words: list[str], app: App) -> object:
    """Parses and calls, as click's own `main` does, which would take a closed pipe and Ctrl-C for its own business."""
    try:
        with program.make_context(PROGRAM, words, obj=app) as context:
            return program.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code


def _reader_gone() -> int:
    """Ends as git does when the reader of a pipe has seen enough: quietly."""
    # The interpreter flushes stdout once more on its way out; there must be something that takes it.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
