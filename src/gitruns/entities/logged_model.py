"""How what MLflow knows of logged models is kept in tags: reserved ones, which no view of tags shows.

A logged model is a record of its own (`MODEL_KIND`). A point of it that was measured by another run, or on a dataset,
is kept under a name of its own, `<metric>@<number>`, and the reserved tag of that number says what it is of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from gitruns.entities.run import MODEL_TAGS

MODEL_PREFIX = "m-"
TYPE_TAG = MODEL_TAGS + "type"
MESSAGE_TAG = MODEL_TAGS + "status_message"
SOURCE_RUN_TAG = MODEL_TAGS + "source_run"
SERIES_TAGS = MODEL_TAGS + "series."
OUTPUT_TAGS = MODEL_TAGS + "output."
"""Of a run: the logged models that it made, each with its step as value."""
INPUT_TAGS = MODEL_TAGS + "input."
"""Of a run: the logged models that it read."""

VERSION_RUN_TAG = MODEL_TAGS + "run"
"""Of a registered version: the run that its maker named, where that is not the one that its source says."""
VERSION_LINK_TAG = MODEL_TAGS + "run_link"

_SERIES = "@"  # in no name of a metric that MLflow takes


def series_of(metric: str, digest: str | None, dataset: str | None, run: str | None) -> tuple[str, str | None, str]:
    """Returns the name of a model's metric, and key and text of the reserved tag that tells what it is of.

    `run` is None where it is the run that made the model. The key is None where there is nothing to tell.
    """
    told = {key: text for key, text in (("digest", digest), ("name", dataset), ("run", run)) if text is not None}
    if not told:
        return metric, None, ""
    text = json.dumps(told, sort_keys=True, ensure_ascii=False)
    number = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{metric}{_SERIES}{number}", SERIES_TAGS + number, text


def told_by_series(metric: str, tags: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Returns the plain name of a model's metric, and what is told of it: `digest`, `name`, `run`."""
    key, _, number = metric.partition(_SERIES)
    try:
        told = json.loads(tags.get(SERIES_TAGS + number, "{}")) if number else {}
    except ValueError:
        told = {}
    return key, {str(name): str(text) for name, text in told.items()} if isinstance(told, dict) else {}
