"""Seeds: params that only choose among random numbers, known by their names."""

from __future__ import annotations

import re

_SEED = re.compile(r"(?:^|[^a-z])(?:seeds?|rng|random_?state)(?:$|[^a-z])", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_seed(key: str) -> bool:
    """Returns whether a param is a seed by its name: `seed`, `random_seed`, `dataSeed`, `random_state`."""
    return _SEED.search(_CAMEL.sub("_", key)) is not None
