"""A registered model as the files of its tree, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitruns.entities.canonical import corrupt, encode_mapping
from gitruns.entities.environment import read_only
from gitruns.entities.ids import Digest, ObjectId, RunId, is_run_id
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, Stage, VersionId, is_version_id
from gitruns.entities.status import Lifecycle
from gitruns.gitstore.codec.fields import Fields, texts
from gitruns.gitstore.codec.parts import STAMPS_FILE, TAGS_FILE, decode_stamps, decode_tags, encode_stamps
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE, FORMAT_VERSION, decode_version

MODEL_FILE = "model.yaml"
ALIASES_FILE = "aliases.yaml"
VERSIONS_FOLDER = "versions/"

_KNOWN = frozenset((FORMAT_FILE, MODEL_FILE, TAGS_FILE, ALIASES_FILE, STAMPS_FILE))
_KEYS = ("creation_time", "description", "id", "last_update_time", "lifecycle", "name")
_VERSION_KEYS = frozenset(
    "claim creation_time description digest git_tag id last_update_time lifecycle number path run_commit run_id size"
    " source stage user".split()
)
_TAG = "tag/"
_LIFECYCLES = {lifecycle.value: lifecycle for lifecycle in Lifecycle}
_STAGES = {stage.value: stage for stage in Stage}


def version_path(version_id: VersionId) -> str:
    """Returns the path of a version's file in the tree of its model."""
    return f"{VERSIONS_FOLDER}{version_id}.yaml"


def version_id_of(path: str) -> VersionId | None:
    """Returns the version that a file of a model's tree describes, None for another file."""
    text = path.removeprefix(VERSIONS_FOLDER).removesuffix(".yaml")
    return VersionId(text) if path == f"{VERSIONS_FOLDER}{text}.yaml" and is_version_id(text) else None


def encode_model_files(model: RegisteredModel) -> dict[str, bytes]:
    """Returns the files of a model's tree without those of its versions, by path; an empty one is left out."""
    files = {
        FORMAT_FILE: FORMAT_BYTES,
        MODEL_FILE: encode_mapping(
            _present(
                {
                    "creation_time": model.creation_time_ms,
                    "description": model.description or None,
                    "id": model.id,
                    "last_update_time": model.last_update_time_ms,
                    "lifecycle": model.lifecycle.value,
                    "name": model.name,
                }
            )
        ),
    }
    if model.tags:
        files[TAGS_FILE] = encode_mapping(model.tags)
    if model.aliases:
        files[ALIASES_FILE] = encode_mapping(model.aliases)
    if model.stamps:
        files[STAMPS_FILE] = encode_stamps(model.stamps)
    return files | dict(model.unknown)


def encode_model(model: RegisteredModel) -> dict[str, bytes]:
    """Returns the files of a model's tree, by path."""
    versions = {version_path(one.id): encode_model_version(one) for one in model.versions.values()}
    return encode_model_files(model) | versions


def encode_model_version(version: ModelVersion) -> bytes:
    """Returns the file of one version."""
    fields: dict[str, Any] = {
        "claim": version.claim,
        "creation_time": version.creation_time_ms,
        "description": version.description or None,
        "digest": version.digest,
        "git_tag": version.git_tag,
        "id": version.id,
        "last_update_time": version.last_update_time_ms,
        "lifecycle": version.lifecycle.value,
        "number": version.number,
        "path": version.path,
        "run_commit": version.run_commit,
        "run_id": version.run_id,
        "size": version.size_bytes,
        "source": version.source,
        "stage": version.stage.value,
        "user": version.user,
    }
    return encode_mapping(_present(fields) | {_TAG + key: text for key, text in version.tags.items()})


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def decode_model(files: Mapping[str, bytes], commit: ObjectId | None = None) -> RegisteredModel:
    """Returns the model that a tree's files describe; raises `CorruptDataError` naming path and line."""
    strict = decode_version(files) <= FORMAT_VERSION
    found = {
        one: decode_model_version(files[path], path, strict=strict) for path in files if (one := version_id_of(path))
    }
    return assemble_model(files, found, commit)


def assemble_model(
    files: Mapping[str, bytes], versions: Mapping[VersionId, ModelVersion], commit: ObjectId | None
) -> RegisteredModel:
    """Returns the model of a tree whose versions are decoded already; raises as `decode_model` does."""
    version = decode_version(files)
    data = files.get(MODEL_FILE)
    if data is None:
        raise corrupt(MODEL_FILE, None, "it is missing")
    fields = Fields.read(data, MODEL_FILE)
    if version <= FORMAT_VERSION:
        fields.check_known(_KEYS)
    return RegisteredModel(
        id=ModelId(fields.required("id", fields.text)),
        name=fields.required("name", fields.text),
        creation_time_ms=fields.required("creation_time", fields.integer),
        last_update_time_ms=fields.required("last_update_time", fields.integer),
        lifecycle=_word(fields, "lifecycle", _LIFECYCLES),
        description=fields.text("description") or "",
        tags=read_only(decode_tags(files[TAGS_FILE]) if TAGS_FILE in files else {}),
        aliases=read_only(_aliases(files[ALIASES_FILE], versions) if ALIASES_FILE in files else {}),
        versions=read_only({one: versions[one] for one in sorted(versions)}),
        stamps=read_only(decode_stamps(files[STAMPS_FILE]) if STAMPS_FILE in files else {}),
        commit=commit,
        format_version=version,
        unknown=read_only({path: files[path] for path in files if path not in _KNOWN and not version_id_of(path)}),
    )


def _word(fields: Fields, key: str, words: Mapping[str, Any]) -> Any:
    found = fields.matching(key, words.__contains__, f"one of {', '.join(words)}")
    return words[fields.required(key, lambda _: found)]


def _aliases(data: bytes, versions: Mapping[VersionId, ModelVersion]) -> dict[str, VersionId]:
    fields = Fields.read(data, ALIASES_FILE)
    found = {}
    for alias, version_id in texts(fields).items():
        if version_id not in versions:
            raise fields.wrong(alias, "names no version of this model")
        found[alias] = VersionId(version_id)
    return found


def decode_model_version(data: bytes, path: str, *, strict: bool = True) -> ModelVersion:
    """Returns the version that a file describes; raises `CorruptDataError` naming path and line."""
    fields = Fields.read(data, path)
    if strict:
        fields.check_known(_VERSION_KEYS, (_TAG,))
    version_id = version_id_of(path)
    if version_id is None or fields.text("id") != version_id:
        raise fields.wrong("id", "is not what the file's name says")
    number, claim = _number(fields, "number"), _number(fields, "claim")
    if number is None and claim is None:
        raise fields.wrong("number", "is missing, and so is 'claim'")
    run_id = fields.matching("run_id", is_run_id, "a run id")
    return ModelVersion(
        id=version_id,
        number=number,
        claim=claim,
        git_tag=fields.object_id("git_tag"),
        creation_time_ms=fields.required("creation_time", fields.integer),
        last_update_time_ms=fields.required("last_update_time", fields.integer),
        source=fields.required("source", fields.text),
        run_id=None if run_id is None else RunId(run_id),
        run_commit=fields.object_id("run_commit"),
        path=fields.text("path"),
        digest=Digest(fields.digest("digest")) if "digest" in fields.values else None,
        size_bytes=fields.size("size") if "size" in fields.values else None,
        user=fields.text("user"),
        stage=_word(fields, "stage", _STAGES),
        lifecycle=_word(fields, "lifecycle", _LIFECYCLES),
        description=fields.text("description") or "",
        tags=read_only({key[len(_TAG) :]: text for key, text in _tags(fields)}),
    )


def _tags(fields: Fields) -> list[tuple[str, str]]:
    return [(key, fields.required(key, fields.text)) for key in fields.values if key.startswith(_TAG)]


def _number(fields: Fields, key: str) -> int | None:
    number = fields.integer(key)
    if number is not None and number < 1:
        raise fields.wrong(key, "is no number of a version: they begin at 1")
    return number
