"""Which way a metric is better."""

from __future__ import annotations

import pytest

from gitruns.compare.directions import Direction, Directions, direction_by_name
from gitruns.errors import InvalidInputError


@pytest.mark.parametrize(
    "key",
    "loss val_loss val/RMSE valRmse test-mae perplexity latency_ms error_rate cross_entropy brier_score"
    " mean_squared_error training_time wer eval/nll trainLoss false_positives".split(),
)
def test_lower_is_better(key: str) -> None:
    assert direction_by_name(key) is Direction.LOWER


@pytest.mark.parametrize(
    "key",
    "acc val_acc Accuracy test/f1 f1_macro roc_auc AUC bleu r2 R2 mAP val/mAP50 ndcg@10 score"
    " tokens_per_second top5_acc neg_mean_squared_error log_likelihood episode_reward exact_match".split(),
)
def test_higher_is_better(key: str) -> None:
    assert direction_by_name(key) is Direction.HIGHER


@pytest.mark.parametrize("key", "lr step epoch x glossary accent loss_of_accuracy grad_norm".split())
def test_what_no_name_says_nobody_knows(key: str) -> None:
    assert direction_by_name(key) is Direction.UNKNOWN


def test_what_is_set_goes_first() -> None:
    directions = Directions({"gain": "lower", "val_*": "max", "val_loss": "minimize"})
    assert directions.of("gain") is Direction.LOWER
    assert directions.of("val_x") is Direction.HIGHER
    assert directions.of("val_loss") is Direction.LOWER, "a name before a pattern"
    assert directions.of("acc") is Direction.HIGHER


def test_a_word_that_is_no_direction_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'sideways', not 'lower' or 'higher'") as caught:
        Directions({"loss": "sideways"})
    assert caught.value.kind == "bad-setting"


def test_any_number_is_better_than_nan() -> None:
    nan = float("nan")
    assert Direction.LOWER.is_better(1e9, nan)
    assert not Direction.LOWER.is_better(nan, 1e9)
    assert not Direction.UNKNOWN.is_better(1, 2)
