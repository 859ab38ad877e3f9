"""Arguments and options that many commands share, and what a shell offers to complete them with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gitruns.cli.app import App
from gitruns.cli.output import Form
from gitruns.cli.template import Template
from gitruns.errors import GitRunsError, InvalidInputError

if TYPE_CHECKING:  # click made it generic after 8.1
    TextType = click.ParamType[str]
    PairBase = click.ParamType[tuple[str, str]]
else:
    TextType = PairBase = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])

_MANY = 500
"""A shell that offers more than this helps nobody."""


def offered(offer: Callable[[App], Iterator[CompletionItem]]) -> list[CompletionItem]:
    """Returns what to offer; a completion that fails offers nothing, because it has nowhere to complain."""
    try:
        return list(offer(App(os.environ, quiet=True)))
    except (GitRunsError, OSError):
        return []


class RunType(TextType):
    """A run as a person names it: an id, a unique prefix of one, a name, or `latest`."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers names, ids where something that looks like one was begun, and `latest`."""

        def offer(app: App) -> Iterator[CompletionItem]:
            runs = app.open_repo(recover=False).search_runs(lifecycle=None, max_results=_MANY).runs
            yield from (CompletionItem(word) for word in ("latest",) if runs and word.startswith(incomplete))
            for run in runs:
                words = [run.info.name] + ([run.info.id] if incomplete else [])
                for word in words:
                    if word.startswith(incomplete) and word.isprintable():
                        yield CompletionItem(word, help=run.info.status.value.lower())

        return offered(offer)


class ExperimentType(TextType):
    """An experiment by name or id."""

    name = "experiment"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers names."""

        def offer(app: App) -> Iterator[CompletionItem]:
            for experiment in app.open_repo(recover=False).list_experiments(lifecycle=None)[:_MANY]:
                if experiment.name.startswith(incomplete) and experiment.name.isprintable():
                    yield CompletionItem(experiment.name)

        return offered(offer)


class PairType(PairBase):
    """`key=value`; the value may be empty, the key may not."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Returns key and value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            raise click.BadParameter(f"'{value}' is not key=value", ctx, param)
        return key, text


RUN = RunType()
EXPERIMENT = ExperimentType()
PAIR = PairType()


def run_argument(function: F) -> F:
    """Takes one RUN."""
    return click.argument("run", type=RUN)(function)


def latest_argument(function: F) -> F:
    """Takes one RUN, the latest when none is named."""
    return click.argument("run", type=RUN, required=False, default="latest")(function)


def runs_argument(function: F) -> F:
    """Takes one or more RUNs."""
    return click.argument("runs", metavar="RUN...", type=RUN, nargs=-1, required=True)(function)


def yes_options(function: F) -> F:
    """Takes `--yes`, without which nothing is done, and `--dry-run`, which says so aloud."""

    def check(ctx: click.Context, param: click.Parameter, yes: bool) -> bool:
        if yes and ctx.params.pop("dry_run", False):
            raise InvalidInputError("--dry-run and --yes cannot both be", kind="usage", hint="leave one of them out")
        ctx.params.pop("dry_run", None)
        return yes

    function = click.option(
        "-n", "--dry-run", is_flag=True, is_eager=True, help="Only say what would be done, as without --yes."
    )(function)
    return click.option("-y", "--yes", is_flag=True, callback=check, help="Do it; else only say what would be done.")(
        function
    )


def output_options(known: frozenset[str]) -> Callable[[F], F]:
    """Takes `--json`, `--format` and `-z`, and passes them on as one `form`; `known` are the fields there are."""

    def decorate(function: F) -> F:
        def callback(ctx: click.Context, param: click.Parameter, text: str | None) -> Template | None:
            return None if text is None else Template(text, known)

        add = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
        function = click.option("-z", "zero", is_flag=True, help="End records with NUL instead of newline.")(function)
        function = click.option(
            "--format", "template", metavar="TEMPLATE", callback=callback, help="Print fields, as '{id} {params.lr}'."
        )(function)
        return add(function)

    return decorate


def form_of(as_json: bool, template: Template | None, zero: bool) -> Form:
    """Returns the form that the options ask for; raises `InvalidInputError` when they contradict each other."""
    if as_json and template is not None:
        raise InvalidInputError("--json and --format cannot both be", kind="usage", hint="leave one of them out")
    if zero and not as_json and template is None:
        raise InvalidInputError("-z goes with --json or --format", kind="usage", hint="as in -z --format '{id}'")
    return Form(json=as_json, template=template, zero=zero)
