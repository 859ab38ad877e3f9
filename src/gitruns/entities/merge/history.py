"""Merges metric histories: the union of the parts, and their summaries folded. No point is looked at.

A part never changes and is named by its content, so two states that have one part say the same of it, unless one is
damaged or keeps the points elsewhere. A merge moves no part between tree and store: the budget of the tree is for
those who add points, and is exceeded by a merge of several that are each within it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from gitruns.entities.canonical import encode_value
from gitruns.entities.ids import Digest
from gitruns.entities.merge.fields import greatest
from gitruns.entities.merge.state import RunState
from gitruns.entities.run import Part
from gitruns.entities.values import MetricSummary, fold_summaries


class _Kept(NamedTuple):
    """How one state keeps a part."""

    part: Part
    points: bytes


def merge_histories(
    states: Sequence[RunState],
) -> tuple[tuple[Part, ...], dict[Digest, bytes], dict[Digest, Mapping[str, MetricSummary]]]:
    """Returns parts by digest, the file of each, and the summaries of each."""
    kept: dict[Digest, list[_Kept]] = {}
    said: dict[Digest, list[Mapping[str, MetricSummary]]] = {}
    for state in states:
        for part in state.run.parts:
            kept.setdefault(part.digest, []).append(_Kept(part, state.points.get(part.digest, b"")))
            if part.digest in state.summaries:
                said.setdefault(part.digest, []).append(state.summaries[part.digest])
    best = {digest: _best(kept[digest]) for digest in sorted(kept)}
    return (
        tuple(one.part for one in best.values()),
        {digest: one.points for digest, one in best.items()},
        {digest: greatest(said[digest], _summaries_text) for digest in sorted(said)},
    )


def fold_parts(parts: Iterable[Mapping[str, MetricSummary]]) -> dict[str, MetricSummary]:
    """Returns the summaries of a whole history, from those of its parts."""
    by_metric: dict[str, list[MetricSummary]] = {}
    for part in parts:
        for metric, summary in part.items():
            by_metric.setdefault(metric, []).append(summary)
    return {metric: fold_summaries(by_metric[metric]) for metric in sorted(by_metric)}


def _best(candidates: Sequence[_Kept]) -> _Kept:
    """Returns the whole part rather than the curve of a stored one, and either rather than bytes that are neither."""
    first = candidates[0]
    return first if all(one == first for one in candidates) else greatest(candidates, _order)


def _order(one: _Kept) -> tuple[Any, ...]:
    stored = one.part.stored_as
    if stored is not None:
        return (1, stored.digest, stored.size_bytes, one.part.size_bytes, one.points)
    whole = hashlib.sha256(one.points).hexdigest() == one.part.digest
    return (2 if whole else 0, "", 0, one.part.size_bytes, one.points)


def _summaries_text(summaries: Mapping[str, MetricSummary]) -> str:
    return encode_value({metric: _as_stored(summary) for metric, summary in summaries.items()})


def _as_stored(summary: MetricSummary) -> dict[str, Any]:
    values = {key.removesuffix("_ms"): value for key, value in asdict(summary).items()}
    return values if summary.nan else {key: value for key, value in values.items() if key != "nan"}
