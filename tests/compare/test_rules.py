"""Rules as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gitruns.compare.review.rules import Demand, parse_review, parse_rule
from gitruns.compare.seeds import is_seed
from gitruns.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "demand", "amount", "percent", "statistic"),
    [
        ("no worse", Demand.NO_WORSE, 0, False, "last"),
        ("no worse than 1%", Demand.NO_WORSE, 1, True, "last"),
        ("Not worse than 0.5", Demand.NO_WORSE, 0.5, False, "last"),
        ("no worse than by 2 %", Demand.NO_WORSE, 2, True, "last"),
        ("better", Demand.BETTER, 0, False, "last"),
        ("better by at least 3%", Demand.BETTER, 3, True, "last"),
        ("  best   at least .9 ", Demand.AT_LEAST, 0.9, False, "best"),
        (">= 0.9", Demand.AT_LEAST, 0.9, False, "last"),
        ("max <=1e-3", Demand.AT_MOST, 1e-3, False, "max"),
        ("at most -2", Demand.AT_MOST, -2, False, "last"),
        ("not significantly worse", Demand.NOT_SIGNIFICANTLY_WORSE, 0, False, "last"),
    ],
)
def test_what_a_rule_says(text: str, demand: Demand, amount: float, percent: bool, statistic: str) -> None:
    rule = parse_rule("m", text)
    assert (rule.demand, rule.amount, rule.percent, rule.statistic) == (demand, amount, percent, statistic)


@pytest.mark.parametrize(
    "text", ["", "good", "at least", "at least 5%", "no worse than -1%", "worse", "better by", 3, None]
)
def test_what_is_no_rule_is_refused(text: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_rule("m", text)
    assert caught.value.kind == "bad-rule" and "no worse than 1%" in str(caught.value.hint)


def test_a_section_of_rules() -> None:
    found = parse_review(
        {"val_loss": "no worse than 1%", "acc": ["at least 0.9", "better"], "code": ["./src/", "a.py"]}
    )
    assert [(rule.metric, rule.text) for rule in found.rules] == [
        ("val_loss", "no worse than 1%"),
        ("acc", "at least 0.9"),
        ("acc", "better"),
    ]
    assert found.code == ("src", "a.py")
    assert [rule.metric for rule in parse_review({"rules": {"code": "better"}}).rules] == ["code"]


@pytest.mark.parametrize(
    "section",
    [
        {"rules": 3},
        {"code": 3},
        {"code": ["a\nb"]},
        {"nearest": "yes"},
        {"signed": 1},
        {"experiment": 3},
        {"metrics": {}},
    ],
)
def test_a_bad_setting_is_refused(section: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_review(section)
    assert caught.value.kind == "bad-setting"


@pytest.mark.parametrize(
    "key", ["seed", "SEED", "random_seed", "dataSeed", "seed_2", "random_state", "train/seed", "rng"]
)
def test_seeds(key: str) -> None:
    assert is_seed(key)


@pytest.mark.parametrize("key", ["lr", "seedling", "proceed", "state", "linseed_oil_x"])
def test_no_seeds(key: str) -> None:
    assert not is_seed(key)
