"""`--sort`."""

from __future__ import annotations

import pytest

from cli.made_runs import Cli
from gitruns.cli.sorting import order_texts
from gitruns.query import parse_order
from gitruns.query.ast import Entity

KNOWN = {
    Entity.METRIC: {"loss", "val_loss", "a b", "loss.min", "error", "train/loss"},
    Entity.PARAM: {"lr", "odd `key`", "1st"},
    Entity.TAG: {"team"},
}


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("acc", "acc"),
        ("-val_loss", "-val_loss"),
        ("started desc", "started desc"),
        ("acc - loss", "acc - loss"),
        ("-metrics.loss", "metrics.loss DESC"),
        ("metrics.val_loss.max", "max(metrics.val_loss) ASC"),
        ("metrics.loss.min", "metrics.loss.min ASC"),  # somebody's metric of that very name
        ("params.lr", "params.lr ASC"),
        ("duration_ms", "duration"),
        ("-start_time_ms", "-start_time"),
        ("error", "error"),  # a metric here
        ("a b", "`a b` ASC"),
        ("-metrics.a b", "metrics.`a b` DESC"),
        ("odd `key`", '"odd `key`" ASC'),
        ("-1st", "`1st` DESC"),
        ("train/loss", "train/loss ASC"),
    ],
)
def test_a_field_is_what_the_query_language_orders_by(field: str, order: str) -> None:
    assert order_texts([field], KNOWN) == (order,)
    parse_order([order])


def test_json_s_word_for_the_error_of_a_run() -> None:
    assert order_texts(["error"], {}) == ("attributes.error",)


def _names(cli: Cli, *arguments: str) -> str:
    return " ".join(cli("list", "--format", "{id:.2}", *arguments).out.split())


def test_what_is_missing_or_nan_comes_last_either_way(cli: Cli, shared_runs: object) -> None:
    assert _names(cli, "--sort", "loss") == "3f 91 c0 aa"
    assert _names(cli, "--sort", "-loss") == "c0 91 3f aa"
    assert _names(cli, "--sort", "-acc") == "3f 91 c0 aa"
    assert _names(cli, "--sort", "model", "--sort", "-params.lr") == "3f aa 91 c0"
    assert _names(cli, "--sort", "duration_ms") == "aa 3f 91 c0"


def test_an_unknown_field_is_refused_with_what_was_meant(cli: Cli, shared_runs: object) -> None:
    result = cli("list", "--sort", "-los")
    assert result.code == 2
    assert result.err == (
        "error: cannot read query: no run has 'los' (column 2)\n    -los\n     ^\nhint: did you mean loss?\n"
    )
