"""What a command measures runs by, and how it groups them: METRIC and `--by` on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gitruns.errors import InvalidInputError
from gitruns.query import format_order, format_query, nearest, parse_order
from gitruns.query.ast import And, AtStep, Entity, Field, Is, OrderItem, Summary, Value
from gitruns.query.fields import RUNS
from gitruns.query.walk import leaves_of

if TYPE_CHECKING:
    from gitruns.cli.app import App
    from gitruns.compare import Direction

GROUPS = ("experiment", "status", "user_id", "host", "branch", "commit", "entry_point", "parent_run_id")
"""Facts of a run that it can be grouped by, beside params and tags; aliases of the query language count too."""


class KnownKey(Protocol):
    """A key that runs have, as `Repo.known_keys` gives it."""

    @property
    def kind(self) -> str:
        """`metric`, `param` or `tag`."""

    @property
    def name(self) -> str:
        """What it is called."""


_METRICS = (Entity.METRIC, Entity.BARE)


@dataclass(frozen=True, slots=True)
class Measure:
    """A value of runs: a metric's last one, another of its summary, or what is calculated from some."""

    value: Value
    title: str

    @property
    def text(self) -> str:
        """The value as a query names it, and a table's field where it is not calculated."""
        return format_order([OrderItem(self.value)])[0].removesuffix(" ASC")

    @property
    def metrics(self) -> list[str]:
        """The metrics that it is made of, by name."""
        leaves = list(leaves_of(self.value))
        named = [one.metric for one in leaves if isinstance(one, (Summary, AtStep))]
        return named + [one.key for one in leaves if isinstance(one, Field) and one.entity in _METRICS]

    @property
    def is_there(self) -> str:
        """The query that holds for runs that have it, and a number."""
        return format_query(And((Is(self.value, "null", True), Is(self.value, "nan", True))))


def measure_of(text: str, known: Sequence[KnownKey]) -> Measure:
    """Returns what a person measures by: a metric as it is called, or a value in the query language.

    Raises `InvalidInputError` (kind `bad-query`) for what is no value, and pointing at a metric that no run has.
    """
    metrics = {key.name for key in known if key.kind == "metric"}
    if text in metrics:
        return Measure(Field(Entity.METRIC, text), text)
    items = parse_order([text])
    if len(items) != 1 or items[0].descending:
        raise InvalidInputError(f"'{text}' is not one value", kind="bad-query", hint="name a metric, as val_loss")
    value = items[0].value
    if isinstance(value, Field) and value.entity is Entity.BARE and not any(key.name == value.key for key in known):
        raise _unknown_metric(value.key, metrics)
    return Measure(value, text)


def column_measure(measure: Measure, known: Sequence[KnownKey]) -> Measure:
    """Returns a measure that can be read as a column; raises `InvalidInputError` for one that is calculated."""
    value = measure.value
    if isinstance(value, Field) and value.entity is Entity.BARE:
        raise _unknown_metric(value.key, {key.name for key in known if key.kind == "metric"})
    if not isinstance(value, Summary) and not (isinstance(value, Field) and value.entity is Entity.METRIC):
        raise InvalidInputError(
            f"'{measure.title}' is calculated, and this takes a metric",
            kind="bad-query",
            hint="as val_loss, min(val_loss)",
        )
    return measure


def _unknown_metric(name: str, metrics: Iterable[str]) -> InvalidInputError:
    near = nearest(name, metrics)
    hint = f"did you mean {near}?" if near else "see what there is: git runs list"
    return InvalidInputError(f"no run has a metric '{name}'", kind="bad-query", hint=hint)


def group_field(name: str, known: Sequence[KnownKey]) -> str:
    """Returns the field that `--by` names: `experiment` and other facts, else a param, else a tag.

    Raises `InvalidInputError` (kind `bad-group`).
    """
    attribute = RUNS.attribute(name)
    if attribute is not None and attribute.name in GROUPS:
        return attribute.name
    for entity, prefix in ((Entity.PARAM, "params."), (Entity.TAG, "tags.")):
        keys = {key.name for key in known if key.kind == entity.value}
        for key in (name, name.removeprefix(prefix)):
            if key in keys:
                return format_order([OrderItem(Field(entity, key))])[0].removesuffix(" ASC")
    names = [*GROUPS, *(key.name for key in known if key.kind != "metric")]
    near = nearest(name, names)
    raise InvalidInputError(
        f"cannot group by '{name}': no run has such a param or tag",
        kind="bad-group",
        hint=f"did you mean {near}?" if near else f"{', '.join(GROUPS)}, or a param or tag",
    )


def direction_of(app: App, measure: Measure, *, least: bool, greatest: bool) -> Direction:
    """Returns which value is the better one: as was said, else as gitruns.yaml says, else by the metric's name.

    What was not said is told on stderr. Raises `InvalidInputError` (kind `no-direction`) when nobody knows.
    """
    from gitruns.compare import Direction
    from gitruns.compare.settings import read_settings

    if least and greatest:
        raise InvalidInputError("--min and --max cannot both be", kind="usage", hint="leave one of them out")
    if least or greatest:
        return Direction.LOWER if least else Direction.HIGHER
    directions = {read_settings(app.open_repo()).directions.of(key) for key in measure.metrics}
    is_plain = isinstance(measure.value, (Field, Summary))
    if not is_plain or len(directions) != 1 or Direction.UNKNOWN in directions:
        raise InvalidInputError(
            f"nobody knows whether a lower or a higher '{measure.title}' is better",
            kind="no-direction",
            hint="say --min or --max"
            + (f", or in gitruns.yaml: metrics: {{{measure.metrics[0]}: lower}}" if is_plain else ""),
        )
    found = directions.pop()
    words = ("least", "--max") if found is Direction.LOWER else ("greatest", "--min")
    app.out.talk(f"the {words[0]} {measure.title} is the best; {words[1]} says otherwise")
    return found
