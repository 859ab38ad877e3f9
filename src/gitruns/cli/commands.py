"""How a command of ours is made: a click command with examples that the tests run, and its exit codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from gitruns.cli.exitcodes import (
    ACCESS,
    CONFLICT,
    CORRUPT,
    DONE,
    INTERRUPTED,
    LOCKED,
    MEANINGS,
    NO,
    NO_REPOSITORY,
    NOT_FOUND,
    USAGE,
)

READING = (DONE, USAGE, NO_REPOSITORY, NOT_FOUND, ACCESS, CORRUPT, INTERRUPTED)
"""What a command that looks at runs may exit with."""

WRITING = (*READING[:3], LOCKED, NOT_FOUND, CONFLICT, *READING[4:])
"""What a command that changes runs may exit with."""

CHECKING = (DONE, NO, *READING[1:])
"""What a command that answers yes or no may exit with."""

Callback = Callable[..., Any]


class Documented:
    """What our commands and groups of commands have more than click's: examples and exit codes in their help."""

    examples: tuple[str, ...] = ()
    exits: tuple[int, ...] = ()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, then examples, then exit codes."""
        super().format_options(ctx, formatter)  # type: ignore[misc]  # a mixin before click's class
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in self.examples))
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), MEANINGS[code]) for code in sorted(self.exits)])


class RunsCommand(Documented, click.Command):
    """One command."""


BEHIND_DASHES = "gitruns.behind_dashes"


class DashedCommand(RunsCommand):
    """A command that wants to know what stood behind `--`: paths, or another command. It is in `ctx.meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes away what stands behind the first `--`."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[BEHIND_DASHES] = tuple(args[place + 1 :])
        return super().parse_args(ctx, args[:place])


class RunsGroup(Documented, click.Group):
    """A command with commands below it. What names none of them goes to `default`, where there is one."""

    default: str | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command where none is named."""
        own = ctx.resilient_parsing if not args else args[0] in self.commands or args[0] in ctx.help_option_names
        if self.default is not None and not own:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offers commands, and what the default one takes first."""
        found = super().shell_complete(ctx, incomplete)
        if self.default is not None:
            default = self.commands[self.default]
            arguments = [param for param in default.params if isinstance(param, click.Argument)]
            found += [item for first in arguments[:1] for item in first.shell_complete(ctx, incomplete)]
        return found


def command(
    name: str,
    *,
    examples: Sequence[str] = (),
    exits: Sequence[int] = READING,
    cls: type[RunsCommand] = RunsCommand,
    **settings: Any,
) -> Callable[[Callback], RunsCommand]:
    """Makes a function a command; its docstring is the help."""

    def make(function: Callback) -> RunsCommand:
        made = click.command(name, cls=cls, **settings)(function)
        made.examples, made.exits = tuple(examples), tuple(exits)
        return made

    return make


def group(name: str, *, default: str, examples: Sequence[str] = (), **settings: Any) -> Callable[[Callback], RunsGroup]:
    """Makes a function a group of commands with a default one."""

    def make(function: Callback) -> RunsGroup:
        made = click.group(name, cls=RunsGroup, **settings)(function)
        made.default, made.examples = default, tuple(examples)
        return made

    return make
