"""Which runs a command is about: a query, and the options that say the same with fewer words.

QUERY is a condition in the query language (docs/query.md), a range of commits (`main..feature`: runs whose source lies
in it), or `@name`, a query saved in gitruns.yaml; several of them must all hold.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gitruns.cli.app import App
from gitruns.cli.arguments import EXPERIMENT, offered
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.entities.ids import RunId
    from gitruns.entities.run import Lifecycle, Run
    from gitruns.query.ast import Condition

F = TypeVar("F", bound=Callable[..., Any])

STATUSES = ("running", "scheduled", "finished", "failed", "killed")
if TYPE_CHECKING:  # click made it generic after 8.1
    StatusBase = click.ParamType[frozenset[str]]
    QueryBase = click.ParamType[str]
else:
    StatusBase = QueryBase = click.ParamType

_PIECE = 1000
"""So many runs are read at once where all are wanted: what is printed need not be held."""

_RANGE = re.compile(r"(?=[^.]|\.{2,3}[^.])[^\s=<>!()'\"`,*]*?\.{2,3}[^\s=<>!()'\"`,*]*\Z")


class StatusType(StatusBase):
    """One status, or some with commas between them."""

    name = "status"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """Returns the words in lower case."""
        words = frozenset(word.strip().lower() for word in str(value).split(","))
        for word in words - frozenset(STATUSES):
            self.fail(f"'{word}' is not one of {', '.join(STATUSES)}", param, ctx)
        return words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers the words."""
        return [CompletionItem(word) for word in STATUSES if word.startswith(incomplete.lower())]


class QueryType(QueryBase):
    """A condition, a range of commits, or a saved query."""

    name = "query"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers saved queries, and the keys that runs have."""

        def offer(app: App) -> Iterator[CompletionItem]:
            repo = app.open_repo(recover=False)
            if incomplete.startswith("@"):
                for name, text in repo.config.queries.items():
                    if name.startswith(incomplete[1:]) and name.isprintable():
                        yield CompletionItem("@" + name, help=text)
            elif incomplete:
                yield from keys_beginning(app, incomplete)

        return offered(offer)


def keys_beginning(app: App, incomplete: str, kinds: Sequence[str] = ("metric", "param", "tag")) -> Iterator[Any]:
    """Yields the keys of runs that begin with a text, those of most runs first."""
    for known in app.open_repo(recover=False).known_keys():
        if known.kind in kinds and known.name.startswith(incomplete) and known.name.isprintable():
            yield CompletionItem(known.name, help=f"{known.kind} of {known.runs} run{'' if known.runs == 1 else 's'}")


class MetricType(QueryBase):
    """The name of a metric."""

    name = "metric"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers the metrics that runs have."""
        return offered(lambda app: keys_beginning(app, incomplete, ("metric",)))


METRIC = MetricType()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked for, as they wrote it."""

    words: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    statuses: frozenset[str] = frozenset()
    everything: bool = False
    deleted: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether anything was asked for but all runs."""
        return bool(self.words or self.experiments or self.statuses or self.deleted)


def search_options(function: F) -> F:
    """Takes QUERY and the options that go with it, and passes them on as one `asked`."""

    @functools.wraps(function)
    def call(
        *arguments: Any,
        words: tuple[str, ...],
        experiments: tuple[str, ...],
        statuses: tuple[frozenset[str], ...],
        everything: bool,
        deleted: bool,
        **others: Any,
    ) -> Any:
        asked = Asked(
            words=words,
            experiments=experiments,
            statuses=frozenset().union(*statuses),
            everything=everything,
            deleted=deleted,
        )
        return function(*arguments, asked=asked, **others)

    made: Any = call
    for add in reversed(
        (
            click.argument("words", metavar="[QUERY]...", nargs=-1, type=QueryType()),
            click.option(
                "-e",
                "--experiment",
                "experiments",
                multiple=True,
                type=EXPERIMENT,
                help="Only runs of this experiment; may be given again.",
            ),
            click.option(
                "-s",
                "--status",
                "statuses",
                multiple=True,
                type=StatusType(),
                help="Only runs that stand so: running, scheduled, finished, failed, killed; several with commas.",
            ),
            click.option("-a", "--all", "everything", is_flag=True, help="Also runs that were taken out of sight."),
            click.option("--deleted", is_flag=True, help="Only runs that were taken out of sight."),
        )
    ):
        made = add(made)
    return made  # type: ignore[no-any-return]  # click's decorators give back what they get


class Query:
    """A search as a command makes it: the same for the page that is shown, the count, and all that is printed."""

    LARGEST_PAGE = 50_000

    def __init__(self, app: App, asked: Asked, order_by: Sequence[str] = ()) -> None:
        """Reads the words; raises `InvalidInputError` (kind `bad-query`) for what is no query."""
        self._app = app
        self._repo = app.open_repo()
        self.text = query_text(asked, self._repo.config.queries)
        self.order_by = tuple(order_by)
        ids = [app.experiment(name).id for name in asked.experiments]
        self.how: dict[str, Any] = {
            "experiment_ids": ids or None,
            "lifecycle": _lifecycle(asked),
            "now": _local_time(app.now_ms),
        }

    @property
    def tree(self) -> Condition:
        """The query, parsed."""
        from gitruns.query import parse

        return parse(self.text)

    def ids(self, limit: int | None = None) -> tuple[list[RunId], int]:
        """Returns the ids of the runs, in order, `limit` at most, and how many more there are."""
        if limit is not None and limit <= self.LARGEST_PAGE:
            found, token = self._repo.search_run_ids(self.text, order_by=self.order_by, max_results=limit, **self.how)
            return found, self._repo.count_runs(self.text, **self.how) - len(found) if token else 0
        found, _ = self._repo.search_run_ids(self.text, order_by=self.order_by, **self.how)
        return found[:limit], 0 if limit is None else max(len(found) - limit, 0)

    def runs(self, ids: Sequence[RunId]) -> Iterator[Run]:
        """Yields runs as the index has them, some at a time."""
        for start in range(0, len(ids), _PIECE):
            yield from (listed.run for listed in self._repo.index.runs(ids[start : start + _PIECE]))


def order_of(app: App, sorts: Sequence[str]) -> tuple[str, ...]:
    """Returns what to order by, in the query language, for `--sort`."""
    if not sorts:
        return ()
    from gitruns.cli.sorting import order_texts
    from gitruns.query.ast import Entity

    known: dict[Entity, set[str]] = {}
    for key in app.open_repo().known_keys():
        known.setdefault(Entity(key.kind), set()).add(key.name)
    return order_texts(sorts, known)


def _local_time(now_ms: int) -> datetime:
    """Returns the time that `-7d` counts from; its zone is that of dates without one."""
    return datetime.fromtimestamp(now_ms / 1000, timezone.utc).astimezone()


def _lifecycle(asked: Asked) -> Lifecycle | None:
    from gitruns.entities.run import Lifecycle

    if asked.everything:
        return None
    return Lifecycle.DELETED if asked.deleted else Lifecycle.ACTIVE


def query_text(asked: Asked, saved: Mapping[str, str]) -> str:
    """Returns the one query that the words and the statuses come to."""
    from gitruns.query import parse

    pieces = _pieces(asked.words, saved)
    for piece in pieces:
        parse(piece)  # said of the words as they were written, before they are joined with others
    if asked.statuses:
        pieces.append(f"status in ({', '.join(sorted(asked.statuses))})")
    return joined(pieces)


def joined(pieces: Sequence[str]) -> str:
    """Returns the query that holds where all of some queries hold."""
    from gitruns.query import parse
    from gitruns.query.ast import Or

    if len(pieces) == 1:
        return pieces[0]
    return " and ".join(f"({piece})" if isinstance(parse(piece), Or) else piece for piece in pieces if piece.strip())


def _pieces(words: Sequence[str], saved: Mapping[str, str]) -> list[str]:
    """Returns the conditions that words on the command line are: ranges, saved queries, and all between as one text."""
    pieces: list[str] = []
    plain: list[str] = []

    def end_plain() -> None:
        if plain:
            pieces.extend([" ".join(plain)] if any(map(_is_part, plain)) else plain)
            plain.clear()

    for word in words:
        if word.startswith("@") and word[1:]:
            end_plain()
            pieces.append(_saved(word[1:], saved))
        elif is_range(word) and plain[-1:] != ["in"]:
            end_plain()
            pieces.append(f"in {word}")
        else:
            plain.append(word)
    end_plain()
    return pieces


def _is_part(word: str) -> bool:
    """Returns whether a word is no query by itself, so that it was typed without quotes: `acc '>' 0.9`."""
    from gitruns.query import parse

    try:
        parse(word)
    except InvalidInputError:
        return True
    return False


def is_range(word: str) -> bool:
    """Returns whether a word is a range of commits: `main..feature`, `v1...`, `..HEAD`, and no condition."""
    return _RANGE.match(word) is not None


def _saved(name: str, saved: Mapping[str, str]) -> str:
    if name not in saved:
        from gitruns.query import nearest

        near = nearest(name, saved)
        known = ", ".join("@" + one for one in saved)
        raise InvalidInputError(
            f"there is no saved query '{name}'",
            kind="no-such-query",
            hint=f"did you mean @{near}?"
            if near
            else f"saved are {known}"
            if known
            else "save one in gitruns.yaml, as in: queries: {good: acc > 0.9}",
        )
    return saved[name]
