"""The smaller files of a run: params, tags, inputs, environment, stamps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from gitruns.entities.canonical import corrupt, encode_list, encode_mapping
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment, read_only
from gitruns.entities.ids import WriterId
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import Scalar
from gitruns.gitstore.codec.fields import Fields, texts
from gitruns.gitstore.yaml_text import read_list

PARAMS_FILE = "params.yaml"
TAGS_FILE = "tags.yaml"
INPUTS_FILE = "inputs.yaml"
ENVIRONMENT_FILE = "env.yaml"
STAMPS_FILE = "stamps.yaml"

_SCALARS = frozenset((str, int, float, bool, type(None)))


def decode_params(data: bytes) -> dict[str, Scalar]:
    """Returns the params by key, each of the type that was logged."""
    fields = Fields.read(data, PARAMS_FILE)
    for key, value in fields.values.items():
        if type(value) not in _SCALARS:
            raise fields.wrong(key, "is neither text, number, truth value nor null")
    return dict(fields.values)


def decode_tags(data: bytes) -> dict[str, str]:
    """Returns the tags by key."""
    return texts(Fields.read(data, TAGS_FILE))


def encode_inputs(inputs: Iterable[DatasetInput]) -> bytes:
    """Returns the file of datasets, by name, digest and context."""
    return encode_list(_input_entry(one) for one in sorted(inputs, key=_input_order))


def _input_order(one: DatasetInput) -> tuple[str, str, bool, str]:
    return (one.name, one.digest, one.context is not None, one.context or "")


def _input_entry(one: DatasetInput) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "context": one.context,
        "digest": one.digest,
        "name": one.name,
        "profile": one.profile,
        "schema": one.schema,
        "source": one.source,
        "source_type": one.source_type,
        "tags": dict(one.tags) or None,
    }
    return {key: value for key, value in entry.items() if value is not None}


def decode_inputs(data: bytes) -> tuple[DatasetInput, ...]:
    """Returns the datasets, by name, digest and context."""
    found = []
    for line, item in enumerate(read_list(data, INPUTS_FILE), 1):
        if not isinstance(item, dict):
            raise corrupt(INPUTS_FILE, line, "it is not a mapping")
        found.append(_input(Fields(item, INPUTS_FILE, line=line)))
    found.sort(key=_input_order)
    for before, after in pairwise(found):
        if _input_order(before) == _input_order(after):
            raise corrupt(INPUTS_FILE, None, f"'{after.name[:60]}' stands there twice")
    return tuple(found)


def _input(fields: Fields) -> DatasetInput:
    fields.check_known(("context", "digest", "name", "profile", "schema", "source", "source_type", "tags"))
    tags = texts(fields.below("tags")) if "tags" in fields.values else {}
    return DatasetInput(
        name=fields.required("name", fields.text),
        digest=fields.required("digest", fields.text),
        source=fields.required("source", fields.text),
        source_type=fields.required("source_type", fields.text),
        schema=fields.text("schema"),
        profile=fields.text("profile"),
        context=fields.text("context"),
        tags=tuple(sorted(tags.items())),
    )


_GROUPS = (("package/", "packages"), ("hardware/", "hardware"), ("variable/", "variables"))


def encode_environment(environment: Environment) -> bytes:
    """Returns the environment as one flat file."""
    flat = {"python": environment.python, "platform": environment.platform}
    for prefix, group in _GROUPS:
        flat.update((prefix + key, value) for key, value in getattr(environment, group).items())
    return encode_mapping(flat)


def decode_environment(data: bytes) -> Environment:
    """Returns the environment that a file describes."""
    fields = Fields.read(data, ENVIRONMENT_FILE)
    fields.check_known(("python", "platform"), [prefix for prefix, _ in _GROUPS])
    flat = texts(fields)
    groups = {
        group: read_only({key[len(prefix) :]: value for key, value in flat.items() if key.startswith(prefix)})
        for prefix, group in _GROUPS
    }
    return Environment(
        python=fields.required("python", fields.text), platform=fields.required("platform", fields.text), **groups
    )


def encode_stamps(stamps: Mapping[str, Stamp]) -> bytes:
    """Returns the file of logical times by field."""
    return encode_mapping({field: [stamp.time_ms, stamp.counter, stamp.writer] for field, stamp in stamps.items()})


def decode_stamps(data: bytes) -> dict[str, Stamp]:
    """Returns the logical times by field."""
    fields = Fields.read(data, STAMPS_FILE)
    return {field: _stamp(field, fields) for field in fields.values}


def _stamp(field: str, fields: Fields) -> Stamp:
    value = fields.values[field]
    if isinstance(value, list) and [type(item) for item in value] == [int, int, str]:
        time_ms, counter, writer = value
        if 0 <= counter < 2**63 and -(2**63) <= time_ms < 2**63:
            return Stamp(time_ms, counter, WriterId(writer))
    raise fields.wrong(field, "is no stamp: [time, counter, writer]")
