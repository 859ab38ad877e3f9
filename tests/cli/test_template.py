"""`--format` templates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.cli.template import Template, lookup
from gitruns.errors import InvalidInputError

RECORD: dict[str, Any] = {
    "id": "3f2a9c1e" * 4,
    "name": "bold-otter",
    "live": True,
    "error": None,
    "params": {"lr": 0.1, "model.depth": 3, "model": {"depth": 4}},
    "metrics": {"acc": {"last": 0.91239, "min": 0.1, "max": 0.95}, "val.acc": {"last": 0.5, "max": 0.6}},
    "tags": {"a": "b"},
    "command": ["python", "träin.py"],
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{name} {params.lr}", "bold-otter 0.1"),
        ("{id:.8}|{name:<12}|{name:>12}|", "3f2a9c1e|bold-otter  |  bold-otter|"),
        ("{metrics.acc:.2f} {metrics.acc.max} {metrics.val.acc} {metrics.val.acc.max}", "0.91 0.95 0.5 0.6"),
        ("{params.model.depth}", "3"),
        ("{params.missing}|{metrics.missing.max}|{error}", "||"),
        ("{metrics.missing:8.3f}|", "        |"),
        ("{live}", "true"),
        ("{tags}", '{"a": "b"}'),
        ("{command}", '["python", "träin.py"]'),
        ("{{{name}}}", "{bold-otter}"),
        (r"{name}\t{live}\n\0\\", "bold-otter\ttrue\n\0\\"),
        ("", ""),
    ],
)
def test_fields_are_put_into_text(text: str, shown: str) -> None:
    assert Template(text).render(RECORD) == shown


@pytest.mark.parametrize("text", ["{", "}", "{}", "{name", "{name:99999999}", "{name:{id}}", "{name!r}{"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Template(text)
    assert caught.value.kind == "bad-format"
    assert caught.value.hint


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match="there is no field 'nme'") as caught:
        Template("{nme}", frozenset({"name", "id"}))
    assert caught.value.hint == "fields: id name"


def test_attributes_of_python_objects_are_out_of_reach() -> None:
    assert Template("{name.__class__}{params.__class__.__mro__}").render(RECORD) == ""


@given(st.text())
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        Template(text).render(RECORD)
    except InvalidInputError:
        return


@given(st.text(st.characters(exclude_characters="{}\\")))
def test_text_without_braces_is_itself(text: str) -> None:
    assert Template(text).render(RECORD) == text


def test_lookup_finds_keys_with_dots() -> None:
    assert lookup(RECORD, "metrics.acc.min") == 0.1
    assert lookup(RECORD, "metrics.acc") == 0.91239
    assert lookup(RECORD, "name.x") is None
