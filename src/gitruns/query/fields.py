"""The attributes of runs and of experiments: their names, what they hold, who may ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gitruns.query.ast import Entity


class Holds(Enum):
    """What an attribute holds, which decides what it can be compared with."""

    TEXT = auto()
    NUMBER = auto()
    TIME = auto()
    TRUTH = auto()
    COMMIT = auto()
    """A commit: compared with a revision, by what the revision names now."""
    AUTHOR = auto()
    """Who wrote a commit: `Ada Lovelace <ada@example.org>`; equal to the whole, the name, or the address."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: canonical name, what it holds, its other names.

    `words` are the only texts that it can be; `bare` says whether it can be named without `attributes.` before it.
    """

    name: str
    holds: Holds
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    bare: bool = True


STATUS_WORDS = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
LIFECYCLE_WORDS = ("active", "deleted")
STAGE_WORDS = ("None", "Staging", "Production", "Archived")

RUN_ATTRIBUTES = (
    Attribute("run_id", Holds.TEXT, ("id",)),
    Attribute("run_name", Holds.TEXT, ("name", "run name", "Run name", "Run Name")),
    Attribute("status", Holds.TEXT, words=STATUS_WORDS),
    Attribute("user_id", Holds.TEXT, ("user",)),
    Attribute("start_time", Holds.TIME, ("started", "created", "Created")),
    Attribute("end_time", Holds.TIME, ("ended",)),
    Attribute("artifact_uri", Holds.TEXT),
    Attribute("experiment_id", Holds.TEXT),
    Attribute("experiment", Holds.TEXT, ("experiment_name",)),
    Attribute("lifecycle_stage", Holds.TEXT, ("lifecycle",), words=LIFECYCLE_WORDS),
    Attribute("parent_run_id", Holds.TEXT, ("parent",)),
    Attribute("duration", Holds.NUMBER),
    Attribute("host", Holds.TEXT),
    Attribute("entry_point", Holds.TEXT),
    Attribute("command", Holds.TEXT),
    Attribute("note", Holds.TEXT),
    Attribute("exit_code", Holds.NUMBER),
    Attribute("dropped", Holds.NUMBER),
    Attribute("error", Holds.TEXT, bare=False),  # the likeliest name of a metric
    Attribute("live", Holds.TRUTH),
    Attribute("commit", Holds.COMMIT),
    Attribute("branch", Holds.TEXT),
    Attribute("author", Holds.AUTHOR),
    Attribute("dirty", Holds.TRUTH),
    Attribute("incomplete", Holds.TRUTH),
    Attribute("remote_url", Holds.TEXT, ("remote",)),
)

EXPERIMENT_ATTRIBUTES = (
    Attribute("name", Holds.TEXT),
    Attribute("experiment_id", Holds.TEXT, ("id",)),
    Attribute("creation_time", Holds.TIME, ("created",)),
    Attribute("last_update_time", Holds.TIME, ("updated",)),
    Attribute("lifecycle_stage", Holds.TEXT, ("lifecycle",), words=LIFECYCLE_WORDS),
)

MODEL_ATTRIBUTES = (
    Attribute("name", Holds.TEXT),
    Attribute("creation_timestamp", Holds.TIME, ("created", "timestamp", "creation_time")),
    Attribute("last_updated_timestamp", Holds.TIME, ("updated", "last_update_time")),
    Attribute("lifecycle_stage", Holds.TEXT, ("lifecycle",), words=LIFECYCLE_WORDS),
    Attribute("description", Holds.TEXT),
    Attribute("versions", Holds.NUMBER),
)

MODEL_VERSION_ATTRIBUTES = (
    Attribute("name", Holds.TEXT, ("model",)),
    Attribute("version_number", Holds.NUMBER, ("version", "number")),
    Attribute("run_id", Holds.TEXT, ("run",)),
    Attribute("source_path", Holds.TEXT, ("source",)),
    Attribute("creation_timestamp", Holds.TIME, ("created", "creation_time")),
    Attribute("last_updated_timestamp", Holds.TIME, ("updated", "last_update_time")),
    Attribute("lifecycle_stage", Holds.TEXT, ("lifecycle",), words=LIFECYCLE_WORDS),
    Attribute("stage", Holds.TEXT, ("current_stage",), words=STAGE_WORDS),
    Attribute("alias", Holds.TEXT),  # of several it is enough when one fits
    Attribute("user_id", Holds.TEXT, ("user",)),
    Attribute("digest", Holds.TEXT),
    Attribute("description", Holds.TEXT),
    Attribute("confirmed", Holds.TRUTH),
)

LOGGED_MODEL_ATTRIBUTES = (
    Attribute("name", Holds.TEXT),
    Attribute("model_id", Holds.TEXT),
    Attribute("model_type", Holds.TEXT),
    Attribute("source_run_id", Holds.TEXT),
    Attribute("status", Holds.TEXT),
    Attribute("experiment_id", Holds.TEXT),
    Attribute("creation_timestamp", Holds.TIME, ("creation_time", "creation_timestamp_ms")),
    Attribute("last_updated_timestamp", Holds.TIME, ("last_updated_timestamp_ms",)),
)

DATASET_KEYS = ("name", "digest", "context")
SUMMARY_FUNCTIONS = ("first", "last", "min", "max", "mean", "count")

_ENTITY_WORDS = {
    **dict.fromkeys(("metric", "metrics"), Entity.METRIC),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), Entity.PARAM),
    **dict.fromkeys(("tag", "tags"), Entity.TAG),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), Entity.ATTRIBUTE),
    **dict.fromkeys(("dataset", "datasets"), Entity.DATASET),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is searched: which entities and attributes its queries can name.

    `attributes` maps every name to its attribute; `mlflow_filter` and `mlflow_order` are the names that MLflow knows.
    """

    word: str
    entities: Mapping[str, Entity]
    mlflow_entities: frozenset[str]
    attributes: Mapping[str, Attribute]
    mlflow_filter: frozenset[str]
    mlflow_order: frozenset[str]
    mlflow_lists: frozenset[str]

    def attribute(self, name: str) -> Attribute | None:
        """Returns the attribute of that name or alias, or None."""
        return self.attributes.get(name)

    def bare_names(self) -> list[str]:
        """Returns the names that need no prefix, canonical ones first."""
        return [name for name, attribute in self.attributes.items() if attribute.bare]


def _by_name(attributes: tuple[Attribute, ...]) -> dict[str, Attribute]:
    named = {attribute.name: attribute for attribute in attributes}
    return named | {alias: attribute for attribute in attributes for alias in attribute.aliases}


_MLFLOW_RUN_ORDER = frozenset("run_id run_name status user_id start_time end_time artifact_uri created Created".split())
_EXPERIMENT_NAMES = frozenset({"name", "experiment_id", "creation_time", "last_update_time"})

RUNS = Subject(
    word="run",
    entities=_ENTITY_WORDS,
    mlflow_entities=frozenset(_ENTITY_WORDS),
    attributes=_by_name(RUN_ATTRIBUTES),
    mlflow_filter=_MLFLOW_RUN_ORDER | {"run name", "Run name", "Run Name"},
    mlflow_order=_MLFLOW_RUN_ORDER,
    mlflow_lists=frozenset({"run_id"}),
)

EXPERIMENTS = Subject(
    word="experiment",
    entities={word: entity for word, entity in _ENTITY_WORDS.items() if entity in (Entity.TAG, Entity.ATTRIBUTE)},
    mlflow_entities=frozenset({"attribute", "tag", "tags"}),
    attributes=_by_name(EXPERIMENT_ATTRIBUTES),
    mlflow_filter=_EXPERIMENT_NAMES,
    mlflow_order=_EXPERIMENT_NAMES,
    mlflow_lists=frozenset({"experiment_id"}),
)

_OF_REGISTRY = {word: entity for word, entity in _ENTITY_WORDS.items() if entity in (Entity.TAG, Entity.ATTRIBUTE)}

MODELS = Subject(
    word="model",
    entities=_OF_REGISTRY,
    mlflow_entities=frozenset({"attribute", "tag", "tags"}),
    attributes=_by_name(MODEL_ATTRIBUTES),
    mlflow_filter=frozenset({"name"}),
    mlflow_order=frozenset({"name", "timestamp", "creation_timestamp", "last_updated_timestamp"}),
    mlflow_lists=frozenset({"name"}),
)

MODEL_VERSIONS = Subject(
    word="version",
    entities=_OF_REGISTRY,
    mlflow_entities=frozenset({"attribute", "tag", "tags"}),
    attributes=_by_name(MODEL_VERSION_ATTRIBUTES),
    mlflow_filter=frozenset({"name", "version_number", "run_id", "source_path"}),
    mlflow_order=frozenset({"name", "version_number", "creation_timestamp", "last_updated_timestamp"}),
    mlflow_lists=frozenset({"name", "run_id"}),
)

_OF_LOGGED_MODELS = {
    word: entity for word, entity in _ENTITY_WORDS.items() if entity not in (Entity.DATASET, Entity.BARE)
}
_LOGGED_MODEL_NAMES = frozenset(_by_name(LOGGED_MODEL_ATTRIBUTES))

LOGGED_MODELS = Subject(
    word="logged model",
    entities=_OF_LOGGED_MODELS,
    mlflow_entities=frozenset({"attributes", "metrics", "params", "tags"}),
    attributes=_by_name(LOGGED_MODEL_ATTRIBUTES),
    mlflow_filter=_LOGGED_MODEL_NAMES,
    mlflow_order=_LOGGED_MODEL_NAMES,
    mlflow_lists=_LOGGED_MODEL_NAMES,
)
