"""Points of a run that were measured on a logged model: they are that model's metrics too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitruns.entities.logged_model import series_of
from gitruns.entities.run import Run
from gitruns.entities.values import Point
from gitruns.protocol.hub import Hub
from gitruns.protocol.logged_model import model_named


def log_points_on_models(hub: Hub, run_id: str, metrics: Sequence[Any]) -> None:
    """Logs those of some points of a run that were measured on a logged model to that model too."""
    by_model: dict[str, list[Any]] = {}
    for metric in metrics:
        model_id = getattr(metric, "model_id", None)
        if model_id:
            by_model.setdefault(model_id, []).append(metric)
    for model_id, some in by_model.items():
        _log_on_model(hub, model_named(hub, model_id), run_id, some)


def _log_on_model(hub: Hub, model: Run, run_id: str, metrics: Sequence[Any]) -> None:
    points, series = [], {}
    run = None if model.info.parent_run_id == run_id else run_id
    for metric in metrics:
        digest, dataset = getattr(metric, "dataset_digest", None), getattr(metric, "dataset_name", None)
        name, tag, told = series_of(metric.key, digest or None, dataset or None, run)
        points.append(Point(name, int(metric.step or 0), int(metric.timestamp), float(metric.value)))
        if tag is not None and tag not in model.tags:
            series[tag] = told
    if series:
        hub.logs.write(model.info.id, lambda log: log.write_tags(series))
    hub.logs.write(model.info.id, lambda log: log.log_points(points))
