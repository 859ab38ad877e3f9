"""Which way a metric is better: as `gitruns.yaml` says, else as its name says, else nobody knows.

A name is read as words: `val/RMSE`, `valRmse` and `val_rmse` all hold the word `rmse`. Two words that contradict each
other say nothing, so that no one is told a change is good when it may be bad.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase
from itertools import pairwise

from gitruns.errors import InvalidInputError


class Direction(str, Enum):
    """Which of two values is the better one."""

    LOWER = "lower"
    HIGHER = "higher"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    def is_better(self, value: float, than: float) -> bool:
        """Returns whether a value is better than another; any number is better than NaN. False when unknown."""
        if self is Direction.UNKNOWN or value != value:
            return False
        if than != than:
            return True
        return value < than if self is Direction.LOWER else value > than


_LOWER = frozenset(
    """
    loss error err errors rmse mse mae mape smape rmsle msle perplexity ppl latency nll bpc bpb bpd wer cer per ter fid
    kid regret mistakes misclassified divergence kl kld brier ece hinge logloss crossentropy entropy distance
    deviance fpr fnr eer crps pinball residual violations toxicity lpips cost memory runtime
    """.split()
)
_HIGHER = frozenset(
    """
    acc accuracy auc auroc auprc roc prauc aucpr f1 f2 fbeta fscore bleu chrf rouge rouge1 rouge2 rougel meteor
    cider spice precision recall sensitivity specificity tpr tnr r2 iou miou dice jaccard kappa mcc correlation pearson
    spearman kendall psnr ssim ndcg map map50 map75 mrr reward return throughput elbo likelihood gain lift silhouette
    ari nmi top1 top5 pass winrate elo
    """.split()
)
_WEAKLY_LOWER = frozenset("time duration seconds ms bytes".split())
_WEAKLY_HIGHER = frozenset("score hits".split())
_TURNED = frozenset("neg negative".split())
"""scikit-learn's scorers are the greater the better: `neg_mean_squared_error`."""

_SAME_AS_ONE = {
    ("log", "likelihood"): "likelihood",
    ("squared", "error"): "error",
    ("cross", "entropy"): "crossentropy",
    ("exact", "match"): "accuracy",
    ("false", "positives"): "err",
    ("false", "negatives"): "err",
    ("per", "second"): "throughput",
    ("per", "sec"): "throughput",
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SEGMENT = re.compile(r"[a-zA-Z0-9]+")


def direction_by_name(key: str) -> Direction:
    """Returns what the name of a metric says of its direction."""
    words = _words(key)
    named = set(words)
    for pair, word in _SAME_AS_ONE.items():
        if pair in set(pairwise(words)):
            named -= {*pair}
            named.add(word)
    for lower, higher in ((_LOWER, _HIGHER), (_WEAKLY_LOWER, _WEAKLY_HIGHER)):
        down, up = not named.isdisjoint(lower), not named.isdisjoint(higher)
        if down and up:
            return Direction.UNKNOWN
        if down or up:
            turned = not named.isdisjoint(_TURNED)
            return Direction.LOWER if down is not turned else Direction.HIGHER
    return Direction.UNKNOWN


def _words(key: str) -> list[str]:
    segments = [segment.lower() for segment in _SEGMENT.findall(key)]  # `f1`, `mAP`
    return [word.lower() for word in _WORD.findall(key)] + segments


_SPELLINGS = {
    **dict.fromkeys(("lower", "lower is better", "min", "minimize", "down"), Direction.LOWER),
    **dict.fromkeys(("higher", "higher is better", "max", "maximize", "up"), Direction.HIGHER),
    **dict.fromkeys(("unknown", "none", "neither"), Direction.UNKNOWN),
}


class Directions:
    """The directions in force: names and patterns (`val_*`) that were set, in their order, then what names say."""

    def __init__(self, configured: Mapping[str, object] | None = None) -> None:
        """Checks what `metrics:` of `gitruns.yaml` says; raises `InvalidInputError` (kind `bad-setting`)."""
        self._set = {str(key): parse_direction(value, str(key)) for key, value in (configured or {}).items()}

    def of(self, key: str) -> Direction:
        """Returns the direction of a metric."""
        if key in self._set:
            return self._set[key]
        for pattern, direction in self._set.items():
            if fnmatchcase(key, pattern):
                return direction
        return direction_by_name(key)


def parse_direction(value: object, key: str) -> Direction:
    """Returns the direction that a word names; raises `InvalidInputError` (kind `bad-setting`)."""
    found = _SPELLINGS.get(str(value).strip().lower())
    if found is None:
        raise InvalidInputError(
            f"the direction of metric '{key}' is '{value}', not 'lower' or 'higher'",
            kind="bad-setting",
            hint=f"in gitruns.yaml, metrics: {{{key}: lower}}",
        )
    return found
