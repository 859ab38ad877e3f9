"""The messages of our commits: a line for people, then trailers for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitruns.entities.experiment import Experiment
from gitruns.entities.model import RegisteredModel
from gitruns.entities.run import Run, RunStatus
from gitruns.entities.values import MetricSummary

MAX_SUBJECT_LENGTH = 120
_SHOWN_METRICS = 2
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def start_subject(run: Run) -> str:
    """Returns the first line of the commit that begins a run."""
    return f"run {run.info.name}: start{_entry_point(run)}"


def end_subject(run: Run) -> str:
    """Returns the first line of the commit that ends a run: how, and its first metrics."""
    words = [run.info.status.value.lower()]
    if run.info.status is RunStatus.FAILED and run.info.error:
        words.append(_clipped(run.info.error, 40))
    words += _shown_metrics(run.metrics)
    return f"run {run.info.name}: {', '.join(words)}{_entry_point(run)}"


def _entry_point(run: Run) -> str:
    return f" ({run.info.entry_point})" if run.info.entry_point else ""


def _shown_metrics(metrics: Mapping[str, MetricSummary]) -> list[str]:
    """Returns `key value` of the metrics that say most: validation and test before training, the system's own last."""
    keys = sorted((key for key in metrics if not key.startswith("system/")), key=lambda key: (_rank(key), key))
    return [f"{_clipped(key, 30)} {metrics[key].last:.4g}" for key in keys[:_SHOWN_METRICS]]


def _rank(key: str) -> int:
    words = set(re.split(r"[^a-z]+", key.lower()))
    if words & {"val", "valid", "validation", "test", "eval"}:
        return 0
    return 2 if words & {"epoch", "lr", "time", "step"} else 1


def run_message(run: Run, subject: str) -> str:
    """Returns the message of a commit of a run."""
    trailers = {"Run-Id": run.info.id, "Experiment": run.info.experiment_id, "Source": run.info.source.commit}
    return message(subject, trailers)


def experiment_message(experiment: Experiment, subject: str) -> str:
    """Returns the message of a commit of an experiment."""
    return message(subject, {"Experiment": experiment.id})


def model_message(model: RegisteredModel, subject: str, reason: str = "") -> str:
    """Returns the message of a commit of a registered model, with the reason that somebody gave."""
    return message(f"model {model.name}: {subject}", {"Model": model.name, "Model-Id": model.id}, reason)


def message(subject: str, trailers: Mapping[str, str | None], body: str = "") -> str:
    """Returns subject, body and trailers as git expects them: nothing in one that starts another."""
    lines = [f"{key}: {_one_line(value)}" for key, value in trailers.items() if value]
    told = "".join(f"{line}\n" for line in _body_lines(body))
    return _clipped(subject, MAX_SUBJECT_LENGTH) + "\n\n" + (told + "\n" if told else "") + "\n".join(lines) + "\n"


def _body_lines(body: str) -> list[str]:
    return [_CONTROL.sub(" ", line).rstrip() for line in body.strip().splitlines()]


def reason_in(message: str) -> str:
    """Returns what stands in a message between its first line and its trailers."""
    paragraphs = message.rstrip("\n").partition("\n\n")[2].split("\n\n")
    return "\n\n".join(paragraphs[:-1]).strip()


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _clipped(text: str, length: int) -> str:
    text = _one_line(text)
    return text if len(text) <= length else text[: length - 1] + "…"
