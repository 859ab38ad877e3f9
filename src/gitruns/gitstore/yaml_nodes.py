"""The slow path of reading YAML: PyYAML's parser, with what it lets pass refused.

PyYAML keeps the last of two equal keys, recurses as deep as the text nests, and reads no integer of over 4,300 digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from gitruns.entities.canonical import corrupt
from gitruns.entities.values import int_from_text

MAX_DEPTH = 20

MAX_EXPANDED = 4 * 1024 * 1024
"""A text with aliases is no larger than this once each stands for what it names: nine of nine of nine… grow quickly."""

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DECIMAL = re.compile(r"-?[1-9][0-9]*\Z")
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def load(text: str, path: str, *, aliases: bool) -> Any:
    """Returns the value of the only document in a text, None when there is none.

    Raises `CorruptDataError` (kind `bad-yaml`) naming path and line.
    """
    try:
        node = _NodeBuilder(path, aliases).build(yaml.parse(text, Loader=_PARSER))
        return None if node is None else _Constructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise corrupt(path, mark.line + 1 if mark else None, error.problem or "it is not YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise corrupt(path, line, "it holds a character that YAML does not") from error
    except (ValueError, OverflowError) as error:  # a number or a date that is none
        raise corrupt(path, None, str(error)) from error


class _Constructor(yaml.constructor.SafeConstructor):
    """Makes values of nodes; integers of any size, as the fast path does."""

    def construct_yaml_int(self, node: Any) -> int:
        """Returns the integer that a scalar spells."""
        if _DECIMAL.match(node.value):
            return int_from_text(node.value)
        return int(super().construct_yaml_int(node))


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)  # type: ignore[type-var]  # typeshed


class _NodeBuilder:
    """Builds nodes from the parser's events without recursion, so that hostile nesting cannot exhaust the stack."""

    def __init__(self, path: str, aliases: bool) -> None:
        self._path = path
        self._aliases = aliases
        self._resolver: Any = yaml.resolver.Resolver()
        self._anchors: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}

    def build(self, events: Iterator[Any]) -> Any:
        """Returns the node of the only document, None when there is none."""
        root: Any = None
        open_nodes: list[tuple[Any, list[Any], str | None]] = []
        event: Any
        for event in events:
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._close(*open_nodes.pop())
                continue
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise corrupt(self._path, line, "there is a second document")
            if not isinstance(event, yaml.NodeEvent):
                continue
            node = self._node(event)
            if open_nodes:
                open_nodes[-1][1].append(node)
            else:
                root = node
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((node, [], event.anchor))
                if len(open_nodes) > MAX_DEPTH:
                    raise corrupt(self._path, line, "it is nested too deep")
        return root

    def _node(self, event: Any) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if not self._aliases or event.anchor not in self._anchors:
                raise corrupt(self._path, line, f"alias '{event.anchor}' is not allowed here")
            return self._anchors[event.anchor]
        marks = {"start_mark": event.start_mark, "end_mark": event.end_mark}
        if isinstance(event, yaml.ScalarEvent):
            tag = self._tag(event, yaml.ScalarNode, event.value)
            node = yaml.ScalarNode(tag, event.value, style=event.style, **marks)
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            return node
        kind: Any = yaml.SequenceNode if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingNode
        return kind(self._tag(event, kind, None), [], flow_style=event.flow_style, **marks)

    def _tag(self, event: Any, kind: Any, value: str | None) -> Any:
        if event.tag is None or event.tag == "!":
            return self._resolver.resolve(kind, value, event.implicit)
        return event.tag

    def _close(self, node: Any, children: list[Any], anchor: str | None) -> None:
        if anchor is not None:  # only now, so that nothing can hold itself
            self._anchors[anchor] = node
        if self._aliases:
            self._check_size(node, children)
        if isinstance(node, yaml.SequenceNode):
            node.value = children
            return
        node.value = list(zip(children[::2], children[1::2], strict=True))
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE and self._aliases:
                continue
            if key.tag != _TEXT:
                raise corrupt(self._path, line, "a key is not text: put it in double quotes")
            if key.value in seen:
                raise corrupt(self._path, line, f"key '{key.value[:60]}' stands there twice")
            seen.add(key.value)

    def _check_size(self, node: Any, children: list[Any]) -> None:
        """Adds up how large a node is with all that its aliases stand for; the nodes live as long as this does."""
        size = 1 + sum(
            1 + len(child.value) if isinstance(child, yaml.ScalarNode) else self._sizes[id(child)] for child in children
        )
        if size > MAX_EXPANDED:
            raise corrupt(self._path, node.start_mark.line + 1, "its aliases stand for too much")
        self._sizes[id(node)] = size
