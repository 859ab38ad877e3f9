"""Reads metadata files: the canonical form fast, what people wrote through a safe YAML loader.

Duplicate keys, aliases, deep nesting and oversize files are refused with path and line, before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitruns.entities.canonical import NotCanonicalError, Value, corrupt, parse_list, parse_mapping

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No metadata file is larger; sizes are checked before content is read."""

MAX_HAND_WRITTEN_BYTES = 1024 * 1024
"""Above it the slow path does not look: nobody wrote that by hand, and a YAML parser needs seconds."""

MAX_DEPTH = 20


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
    from gitruns.entities.canonical import encode_text

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
    import yaml

    if len(data) > MAX_HAND_WRITTEN_BYTES:
        raise corrupt(path, None, f"{len(data)} bytes that are not in canonical form, at most {MAX_HAND_WRITTEN_BYTES}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise corrupt(path, line, "it is not UTF-8") from error
    try:
        node = _NodeBuilder(path, aliases).build(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        return None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise corrupt(path, mark.line + 1 if mark else None, error.problem or "it is not YAML") from error
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise corrupt(path, at, f"it holds a character that YAML does not: U+{_code(error.character):04X}") from error
    except (ValueError, OverflowError) as error:  # a number or a date that is none
        raise corrupt(path, None, str(error)) from error


def _code(character: object) -> int:
    return ord(character[:1]) if isinstance(character, (str, bytes)) else int(str(character))


class _NodeBuilder:
    """Builds YAML nodes from events without recursion, so that hostile nesting cannot exhaust the stack."""

    def __init__(self, path: str, aliases: bool) -> None:
        import yaml

        self._yaml = yaml
        self._path = path
        self._aliases = aliases
        self._resolver: Any = yaml.resolver.Resolver()
        self._anchors: dict[str, Any] = {}

    def build(self, events: Iterator[Any]) -> Any:
        """Returns the node of the only document, None when there is none."""
        yaml = self._yaml
        root: Any = None
        stack: list[tuple[Any, list[Any], str | None]] = []
        for event in events:
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._close(*stack.pop())
                continue
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise corrupt(self._path, event.start_mark.line + 1, "there is a second document")
            if not isinstance(event, yaml.NodeEvent):
                continue
            node = self._node(event)
            if stack:
                stack[-1][1].append(node)
            else:
                root = node
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append((node, [], event.anchor))
                if len(stack) > MAX_DEPTH:
                    raise corrupt(self._path, event.start_mark.line + 1, "it is nested too deep")
        return root

    def _node(self, event: Any) -> Any:
        yaml = self._yaml
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if not self._aliases or event.anchor not in self._anchors:
                raise corrupt(self._path, line, f"alias '{event.anchor}' is not allowed here")
            return self._anchors[event.anchor]
        marks = {"start_mark": event.start_mark, "end_mark": event.end_mark}
        if isinstance(event, yaml.ScalarEvent):
            tag = event.tag
            if tag is None or tag == "!":
                tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
            node = yaml.ScalarNode(tag, event.value, style=event.style, **marks)
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            return node
        kind = yaml.SequenceNode if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingNode
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(kind, None, event.implicit)
        return kind(tag, [], flow_style=event.flow_style, **marks)

    def _close(self, node: Any, children: list[Any], anchor: str | None) -> None:
        if anchor is not None:  # only now, so that nothing can hold itself
            self._anchors[anchor] = node
        if isinstance(node, self._yaml.SequenceNode):
            node.value = children
            return
        node.value = list(zip(children[::2], children[1::2], strict=True))
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge" and self._aliases:
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise corrupt(self._path, line, "a key is not text: put it in double quotes")
            if key.value in seen:
                raise corrupt(self._path, line, f"key '{key.value[:60]}' stands there twice")
            seen.add(key.value)
