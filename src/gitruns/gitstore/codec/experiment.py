"""An experiment as the files of its tree, and back."""

from __future__ import annotations

from collections.abc import Mapping

from gitruns.entities.canonical import corrupt, encode_mapping
from gitruns.entities.environment import read_only
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId, ObjectId
from gitruns.entities.run import Lifecycle
from gitruns.gitstore.codec.fields import Fields
from gitruns.gitstore.codec.parts import STAMPS_FILE, TAGS_FILE, decode_stamps, decode_tags, encode_stamps
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version

EXPERIMENT_FILE = "experiment.yaml"

_KNOWN = frozenset((FORMAT_FILE, EXPERIMENT_FILE, TAGS_FILE, STAMPS_FILE))
_KEYS = ("creation_time", "id", "last_update_time", "lifecycle", "name")
_LIFECYCLES = {lifecycle.value: lifecycle for lifecycle in Lifecycle}


def encode_experiment(experiment: Experiment) -> dict[str, bytes]:
    """Returns the files of an experiment's tree, by path; a file with nothing in it is left out."""
    files = {
        FORMAT_FILE: FORMAT_BYTES,
        EXPERIMENT_FILE: encode_mapping(
            {
                "creation_time": experiment.creation_time_ms,
                "id": experiment.id,
                "last_update_time": experiment.last_update_time_ms,
                "lifecycle": experiment.lifecycle.value,
                "name": experiment.name,
            }
        ),
    }
    if experiment.tags:
        files[TAGS_FILE] = encode_mapping(experiment.tags)
    if experiment.stamps:
        files[STAMPS_FILE] = encode_stamps(experiment.stamps)
    return files | dict(experiment.unknown)


def decode_experiment(files: Mapping[str, bytes], commit: ObjectId | None = None) -> Experiment:
    """Returns the experiment that a tree's files describe; raises `CorruptDataError` naming path and line."""
    version = decode_version(files)
    data = files.get(EXPERIMENT_FILE)
    if data is None:
        raise corrupt(EXPERIMENT_FILE, None, "it is missing")
    fields = Fields.read(data, EXPERIMENT_FILE)
    if version <= FORMAT_VERSION:
        fields.check_known(_KEYS)
    lifecycle = fields.matching("lifecycle", _LIFECYCLES.__contains__, f"one of {', '.join(_LIFECYCLES)}")
    return Experiment(
        id=ExperimentId(fields.required("id", fields.text)),
        name=fields.required("name", fields.text),
        creation_time_ms=fields.required("creation_time", fields.integer),
        last_update_time_ms=fields.required("last_update_time", fields.integer),
        lifecycle=_LIFECYCLES[fields.required("lifecycle", lambda _: lifecycle)],
        tags=read_only(decode_tags(files[TAGS_FILE]) if TAGS_FILE in files else {}),
        stamps=read_only(decode_stamps(files[STAMPS_FILE]) if STAMPS_FILE in files else {}),
        commit=commit,
        format_version=version,
        unknown=read_only({path: files[path] for path in files if path not in _KNOWN}),
    )
