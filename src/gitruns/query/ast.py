"""A query as a tree: what a text means, without its spaces, aliases and quotes.

`column` (0-based) says where a part stood in the text; it takes no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias


class Entity(str, Enum):
    """What a field is a field of."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "param"
    TAG = "tag"
    DATASET = "dataset"
    BARE = "bare"
    """A name without a prefix: compared with a number the metric, else the param, else the tag of that name;
    compared with text the param, else the tag."""

    def __str__(self) -> str:
        return self.value


# Values


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the run: `acc`, `params.lr`, `start_time`. Attributes bear their canonical name (`fields`)."""

    entity: Entity
    key: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the points of a metric come to: `min(loss)`. Functions: first, last, min, max, mean, count."""

    function: str
    metric: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AtStep:
    """A metric's value at one step: `loss@100`; of several points there the greatest (time, value), NaN lowest."""

    metric: str
    step: int
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """Text; beside a commit a revision."""

    value: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number: an integer of any size or a float, never NaN."""

    value: int | float
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time: `90m`. Beside a time, negative: that long ago (`-7d`)."""

    amount: int | float
    unit: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a point in time, as written in its canonical form: `2024-05-01`, `2024-05-01T12:30Z`, `today`."""

    text: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus a value."""

    value: Value
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * /` of two values. What is no number gives no number; so does a division by zero."""

    operator: str
    left: Value
    right: Value
    column: int = field(default=0, compare=False)


Literal: TypeAlias = "Text | Number | Truth | Length | Moment"
Value: TypeAlias = "Field | Summary | AtStep | Literal | Negative | Arithmetic"

# Conditions: true or false of every run. What compares a value that the run does not have is false.


@dataclass(frozen=True, slots=True)
class Comparison:
    """`= != < <= > >=`; a literal stands on the right. `!=` holds where the value is there and not equal."""

    operator: str
    left: Value
    right: Value
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """`IN` and `NOT IN`."""

    value: Value
    items: tuple[Literal, ...]
    negated: bool = False
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    """`BETWEEN low AND high`, both included."""

    value: Value
    low: Value
    high: Value
    negated: bool = False
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Match:
    """`LIKE` (`%` any characters, `_` one), `ILIKE` (the same, letters of any case), `REGEXP` (found anywhere)."""

    operator: str
    value: Value
    pattern: str
    negated: bool = False
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Is:
    """`IS NULL` (the run does not have it) and `IS NAN`; `what` is `null` or `nan`."""

    value: Value
    what: str
    negated: bool = False
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class InRange:
    """`in main..feature`: runs whose source commit lies in a range of commits."""

    range: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AncestorOf:
    """`ancestor of v1.2`: runs whose source commit is that commit or one before it."""

    revision: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SameCode:
    """`same code as bold-otter`: runs of equal tracked files, or of an equal snapshot."""

    run: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Touched:
    """`touched src/model.py`: runs whose source commit changed the path."""

    path: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AsOf:
    """`as of 2024-05-01` or `as of v1.2`: runs that had started by then."""

    when: Moment | Length | Text
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """True where the condition is false, so also where a value that it compares is not there."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All of some conditions; of none: true of every run."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of some conditions."""

    conditions: tuple[Condition, ...]


GitTerm: TypeAlias = "InRange | AncestorOf | SameCode | Touched | AsOf"
Condition: TypeAlias = "Comparison | Among | Between | Match | Is | GitTerm | Not | And | Or"

VALUES = (Field, Summary, AtStep, Text, Number, Truth, Length, Moment, Negative, Arithmetic)
LITERALS = (Text, Number, Truth, Length, Moment)

EVERYTHING = And(())


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One thing to order by; what a run does not have comes last either way, NaN just before it."""

    value: Value
    descending: bool = False
