"""How the data of two runs differs: by name and context, the digests tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitruns.compare.changes import Change, changes
from gitruns.entities.dataset import DatasetInput


def diff_datasets(before: Iterable[DatasetInput], after: Iterable[DatasetInput]) -> tuple[Change[str], ...]:
    """Returns the datasets whose bytes differ: `digits (training)`, and the digest on each side."""
    return changes(digests_of(before), digests_of(after))


def digests_of(inputs: Iterable[DatasetInput]) -> Mapping[str, str]:
    """Returns the digest of each dataset by name and context; more than one with commas between."""
    found: dict[str, set[str]] = {}
    for data in inputs:
        name = f"{data.name} ({data.context})" if data.context else data.name
        found.setdefault(name, set()).add(data.digest)
    return {name: ", ".join(sorted(digests)) for name, digests in found.items()}
