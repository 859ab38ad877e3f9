"""Rules of a review: what must hold for a change to pass, as people write them in `gitruns.yaml`.

    review:
      val_loss: no worse than 1%
      acc: [at least 0.9, better]
      latency_ms: max at most 20

A rule may begin with the statistic it is about (`last`, `best`, `min`, `max`, `mean`, `first`); without one it is the
last value. Of seeds the mean counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gitruns.errors import InvalidInputError

STATISTICS = ("last", "best", "min", "max", "mean", "first")


class Demand(str, Enum):
    """What a rule asks for."""

    NO_WORSE = "no worse"
    BETTER = "better"
    AT_LEAST = "at least"
    AT_MOST = "at most"
    NOT_SIGNIFICANTLY_WORSE = "not significantly worse"
    SIGNED = "signed"


RELATIVE = (Demand.NO_WORSE, Demand.BETTER, Demand.NOT_SIGNIFICANTLY_WORSE)
"""What needs a base and a direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `amount` is in percent of the base's value where `percent`, else in the metric's own unit."""

    metric: str
    text: str
    demand: Demand
    amount: float = 0.0
    percent: bool = False
    statistic: str = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """What `review:` says. `code` are the paths that matter, `nearest` lets a run of other code be judged.

    `metrics` limits what is shown, in this order; `experiment` which runs are looked at. `signed` asks for runs that
    are signed with a key that git knows.
    """

    rules: tuple[Rule, ...] = ()
    code: tuple[str, ...] = ()
    nearest: bool = False
    metrics: tuple[str, ...] = ()
    experiment: str | None = None
    signed: bool = False


SIGNED_RULE = Rule(metric="runs", text="signed with a known key", demand=Demand.SIGNED)
"""What `signed: true` asks for."""

_OPTIONS = ("rules", "code", "nearest", "metrics", "experiment", "signed")
_NUMBER = r"(?P<amount>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_FORMS: tuple[tuple[Demand, re.Pattern[str]], ...] = (
    (Demand.NOT_SIGNIFICANTLY_WORSE, re.compile(r"not significantly worse")),
    (Demand.NO_WORSE, re.compile(rf"(?:no|not) worse(?: than (?:by )?{_NUMBER} ?(?P<unit>%)?)?")),
    (Demand.BETTER, re.compile(rf"better(?: (?:by|than) (?:at least )?{_NUMBER} ?(?P<unit>%)?)?")),
    (Demand.AT_LEAST, re.compile(rf"(?:at least|>=) ?{_NUMBER}")),
    (Demand.AT_MOST, re.compile(rf"(?:at most|<=) ?{_NUMBER}")),
)
_HINT = "as in: no worse than 1%, better, better by 0.01, at least 0.9, at most 20, not significantly worse"


def parse_rule(metric: str, text: object) -> Rule:
    """Returns the rule that a text spells; raises `InvalidInputError` (kind `bad-rule`)."""
    words = " ".join(str(text).lower().split())
    first, _, rest = words.partition(" ")
    statistic, demand = (first, rest) if first in STATISTICS else ("last", words)
    for kind, form in _FORMS:
        match = form.fullmatch(demand)
        if match is None:
            continue
        found = match.groupdict()
        amount = float(found.get("amount") or 0.0)
        if kind in RELATIVE and amount < 0:
            break
        return Rule(
            metric=metric,
            text=" ".join(str(text).split()),
            demand=kind,
            amount=amount,
            percent=found.get("unit") is not None,
            statistic=statistic,
        )
    raise InvalidInputError(f"cannot read the rule '{text}' of metric '{metric}'", kind="bad-rule", hint=_HINT)


def parse_review(section: Mapping[str, Any]) -> ReviewSettings:
    """Returns what `review:` says; raises `InvalidInputError` (kinds `bad-rule`, `bad-setting`).

    Keys that are none of ours are metrics with their rules; a metric that is named as one of ours goes into `rules:`.
    """
    rules = section.get("rules") or {}
    if not isinstance(rules, Mapping):
        raise _bad("rules", rules, "a mapping of metrics to rules")
    written = {**{key: value for key, value in section.items() if key not in _OPTIONS}, **rules}
    nearest, experiment = _truth(section, "nearest"), section.get("experiment")
    if experiment is not None and not isinstance(experiment, str):
        raise _bad("experiment", experiment, "text")
    return ReviewSettings(
        rules=tuple(rule for metric, texts in written.items() for rule in _rules(str(metric), texts)),
        code=tuple(_path(path) for path in _texts("code", section.get("code", ()))),
        nearest=nearest,
        metrics=_texts("metrics", section.get("metrics", ())),
        experiment=experiment,
        signed=_truth(section, "signed"),
    )


def _truth(section: Mapping[str, Any], key: str) -> bool:
    value = section.get(key, False)
    if not isinstance(value, bool):
        raise _bad(key, value, "true or false")
    return value


def _rules(metric: str, texts: object) -> list[Rule]:
    if isinstance(texts, (list, tuple)):
        return [parse_rule(metric, text) for text in texts]
    return [parse_rule(metric, texts)]


def _texts(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise _bad(key, value, "a list of texts")


def _path(path: str) -> str:
    plain = path.strip("/").removeprefix("./")
    if not plain or "\n" in plain or "\0" in plain:
        raise _bad("code", path, "a list of paths")
    return plain


def _bad(key: str, value: object, wanted: str) -> InvalidInputError:
    return InvalidInputError(f"'review: {key}' must be {wanted}, not {value!r}", kind="bad-setting")
