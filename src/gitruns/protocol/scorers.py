"""Calls for scorers: what judges traces, registered in an experiment by name, in versions that count up.

A scorer's text is kept and given back, and never run here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from gitruns.protocol.errors import missing, refused
from gitruns.protocol.experiments import active_experiment
from gitruns.protocol.record_fields import erased, put, value_of
from gitruns.repo import now_ms

if TYPE_CHECKING:
    from gitruns.protocol.hub import Hub
    from gitruns.repo.records import Record

KIND = "scorer"
_GATEWAY = "gateway:/"
_WITHIN = ("instructions_judge_pydantic_data", "builtin_scorer_pydantic_data", "third_party_scorer_data")


@dataclass(frozen=True, slots=True)
class Scorer:
    """One version of a scorer; `text` is its JSON."""

    experiment_id: str
    name: str
    version: int
    text: str
    created_ms: int
    record_id: str

    @property
    def id(self) -> str:
        """The id of the scorer, which all its versions share and all clones agree on."""
        return str(uuid5(NAMESPACE_URL, f"gitruns:scorer:{self.experiment_id}/{self.name}"))


def register_scorer(hub: Hub, experiment_id: str, name: Any, text: str) -> Scorer:
    """Adds a version, the first one of a new scorer is 1."""
    if not isinstance(name, str):
        raise refused(
            "Scorer name cannot be None."
            if name is None
            else f"Scorer name must be a string, got {type(name).__name__}."
        )
    if not name.strip():
        raise refused("Scorer name cannot be empty or contain only whitespace.")
    experiment = active_experiment(hub, experiment_id)
    _check_text(text)
    known = _versions(hub, str(experiment.id), name)
    fields: dict[str, Any] = {
        "experiment_id": str(experiment.id),
        "name": name,
        "version": max((one.version for one in known), default=0) + 1,
        "text": text,
        "created_ms": now_ms(),
    }
    record_id = uuid4().hex
    put(hub.repo.records, KIND, record_id, fields)
    return Scorer(fields["experiment_id"], name, fields["version"], text, fields["created_ms"], record_id)


def _check_text(text: str) -> None:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise refused("serialized_scorer must be valid JSON") from None
    model = _model_of(found, 0)
    if model is None:
        return
    if not isinstance(model, str):
        raise refused(f"Scorer model must be a string, got {type(model).__name__}.")
    if not model.strip():
        raise refused("Scorer model cannot be empty or contain only whitespace.")
    if model.startswith(_GATEWAY):
        raise missing(f"GatewayEndpoint not found ({model}): there is no AI gateway here")


def _model_of(found: Any, depth: int) -> Any:
    if not isinstance(found, dict) or depth > 8:
        return None
    for key in _WITHIN:
        if isinstance(found.get(key), dict):
            return found[key].get("model")
    within = found.get("memory_augmented_judge_data")
    return _model_of(within.get("base_judge"), depth + 1) if isinstance(within, dict) else None


def list_scorers(hub: Hub, experiment_id: str) -> list[Scorer]:
    """Returns the latest version of each scorer of an experiment, by name."""
    return list_scorers_of(hub, [str(active_experiment(hub, experiment_id).id)])


def list_scorers_of(hub: Hub, experiment_ids: Collection[str]) -> list[Scorer]:
    """Returns the latest version of each scorer of some experiments, by experiment and name."""
    latest: dict[tuple[str, str], Scorer] = {}
    for experiment_id in dict.fromkeys(map(str, experiment_ids)):
        for one in _versions(hub, experiment_id):
            latest[one.experiment_id, one.name] = one
    return [latest[key] for key in sorted(latest, key=lambda key: (key[0].zfill(20), key[1]))]


def list_scorer_versions(hub: Hub, experiment_id: str, name: str) -> list[Scorer]:
    """Returns all versions of a scorer, the first first."""
    found = _versions(hub, str(active_experiment(hub, experiment_id).id), name)
    if not found:
        raise missing(f"Scorer with name '{name}' not found for experiment {experiment_id}.")
    return found


def get_scorer(hub: Hub, experiment_id: str, name: str, version: int | None = None) -> Scorer:
    """Returns a version of a scorer, the latest one unless it is said which."""
    found = list_scorer_versions(hub, experiment_id, name)
    if version is None:
        return found[-1]
    wanted = [one for one in found if one.version == version]
    if not wanted:
        raise missing(f"Scorer with name '{name}' and version {version} not found for experiment {experiment_id}.")
    return wanted[0]


def delete_scorer(hub: Hub, experiment_id: str, name: str, version: int | None = None) -> None:
    """Deletes a version of a scorer, or the scorer."""
    found = list_scorer_versions(hub, experiment_id, name)
    gone = found if version is None else [get_scorer(hub, experiment_id, name, version)]
    records = hub.repo.records
    known = [(one.record_id, records.get(KIND, one.record_id)) for one in gone]
    records.put_many([(KIND, record_id, erased(record)) for record_id, record in known if record is not None])


def _versions(hub: Hub, experiment_id: str, name: str | None = None) -> list[Scorer]:
    """Returns versions in order; of two that clones have made with one number the later one gets the next."""
    where = {"experiment_id": experiment_id} if name is None else {"experiment_id": experiment_id, "name": name}
    found = [_read(hub, record) for record in hub.repo.records.select(KIND, where)]
    return _numbered(one for one in found if one is not None)


def _numbered(scorers: Iterable[Scorer]) -> list[Scorer]:
    highest: dict[str, int] = {}
    numbered = []
    for one in sorted(scorers, key=lambda one: (one.name, one.version, one.created_ms, one.record_id)):
        number = max(one.version, highest.get(one.name, 0) + 1)
        highest[one.name] = number
        numbered.append(Scorer(one.experiment_id, one.name, number, one.text, one.created_ms, one.record_id))
    return numbered


def _read(hub: Hub, record: Record) -> Scorer | None:
    fields = record.fields
    text = value_of(hub.repo.records, record, "text")
    name, version, created_ms = fields.get("name"), fields.get("version"), fields.get("created_ms")
    if (
        not isinstance(text, str)
        or not isinstance(name, str)
        or type(version) is not int
        or type(created_ms) is not int
    ):
        return None
    return Scorer(str(fields.get("experiment_id")), name, version, text, created_ms, record.id)
