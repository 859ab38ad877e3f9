"""Reads metadata files: the canonical form fast, what people wrote through a safe YAML loader.

Duplicate keys, aliases, deep nesting and oversize files are refused with path and line, before anything is built.
"""

from __future__ import annotations

from typing import Any

from gitruns.entities.canonical import NotCanonicalError, Value, corrupt, encode_text, parse_list, parse_mapping

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No metadata file is larger; sizes are checked before content is read."""

MAX_HAND_WRITTEN_BYTES = 1024 * 1024
"""Above it the slow path does not look: nobody wrote that by hand, and a YAML parser needs seconds."""


def read_mapping(data: bytes, path: str) -> dict[str, Value]:
    """Returns the mapping in a metadata file; raises `CorruptDataError` (kind `bad-yaml`) naming path and line."""
    try:
        return parse_mapping(data)
    except NotCanonicalError:
        value = _read_slowly(data, path, aliases=False)
    return _as_mapping(value, path)


def read_list(data: bytes, path: str) -> list[Value]:
    """Returns the list in a metadata file; raises `CorruptDataError` (kind `bad-yaml`) naming path and line."""
    try:
        return parse_list(data)
    except NotCanonicalError:
        value = _read_slowly(data, path, aliases=False)
    if value is None:
        return []
    if not isinstance(value, list):
        raise corrupt(path, 1, "it is not a list")
    return value


def read_config(data: bytes, path: str) -> dict[str, Value]:
    """Returns the mapping in a configuration file, ordinary YAML; empty for an empty file.

    Raises `CorruptDataError` (kind `bad-yaml`) naming path and line.
    """
    return _as_mapping(_read_slowly(data, path, aliases=True), path)


def line_of(data: bytes, key: str) -> int | None:
    """Returns the line (1-based) where a key of a mapping stands, None when it is written in some other way."""
    start = (encode_text(key) + ":").encode()
    plain = f"{key}:".encode()
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith((start, plain)):
            return number
    return None


def _as_mapping(value: Value, path: str) -> dict[str, Value]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise corrupt(path, 1, "it is not a mapping")
    return value


def _read_slowly(data: bytes, path: str, *, aliases: bool) -> Any:
    from gitruns.gitstore.yaml_nodes import load  # the YAML parser takes a while to load

    if len(data) > MAX_HAND_WRITTEN_BYTES:
        raise corrupt(path, None, f"{len(data)} bytes that are not in canonical form, at most {MAX_HAND_WRITTEN_BYTES}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise corrupt(path, line, "it is not UTF-8") from error
    return load(text, path, aliases=aliases)
