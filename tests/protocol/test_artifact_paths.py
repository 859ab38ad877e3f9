"""Paths of artifacts as they come in: whatever a client sends, it names a file below its run or is refused."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitruns.protocol.artifact_paths import check_folder, check_path, target_of
from gitruns.protocol.errors import ProtocolError

RUN = "0123456789abcdef" * 2
_PARTS = st.sampled_from(
    ["..", ".", "", "a", "b c", "ü", "%2e%2e", "%252e", "%2f", "/", "\\", "%5c", "\0", "%00", "file:", "C:", ".gitruns"]
)
_PATHS = st.one_of(st.text(max_size=30), st.lists(_PARTS, max_size=6).map("/".join), st.lists(_PARTS).map("".join))


def _decodings(text: str) -> list[str]:
    found = [text]
    while (plain := unquote(found[-1])) != found[-1]:
        found.append(plain)
    return found


@given(_PATHS)
@example("%25252e%25252e%25252fx")
@example("a/%2e%2e")
@example("%" + "25" * 40 + "2e%2e")
def test_what_is_let_in_stays_below_however_often_it_is_decoded(text: str) -> None:
    try:
        path = check_path(text)
    except ProtocolError as error:
        assert error.code == "INVALID_PARAMETER_VALUE"
        return
    for plain in _decodings(path):
        assert not plain.startswith("/")
        assert ".." not in plain.split("/")
        assert "\\" not in plain
        assert "\0" not in plain
    assert check_path(path) == path
    assert check_folder(path + "/") == path


@given(st.lists(st.sampled_from(["a", "ü", "b c", "x.y", "1%", "a%20b", "[1]", "#", "?"]), min_size=1, max_size=4))
def test_ordinary_names_are_let_in(parts: list[str]) -> None:
    path = "/".join(parts)
    assert check_path(path) == path
    assert target_of(f"{RUN}/artifacts/{path}").path == path
    assert target_of(f"17/{RUN}/artifacts/{path}").record == RUN


@pytest.mark.parametrize(
    ("address", "record", "trace", "path"),
    [
        (f"{RUN}/artifacts", RUN, None, ""),
        (f"{RUN}/artifacts/", RUN, None, ""),
        (f"{RUN}/artifacts/a/b", RUN, None, "a/b"),
        (f"0/{RUN}/artifacts/a", RUN, None, "a"),
        (f"models/m-{RUN}/artifacts/a", RUN, None, "a"),
        (f"12/models/m-{RUN}/artifacts/a", RUN, None, "a"),
        ("traces/tr-1/artifacts/spans.json", None, "tr-1", "spans.json"),
    ],
)
def test_addresses(address: str, record: str | None, trace: str | None, path: str) -> None:
    found = target_of(address)
    assert (found.record, found.trace, found.path) == (record, trace, path)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        RUN,
        f"{RUN}/x",
        f"{RUN.upper()}/artifacts/a",
        f"x/{RUN}/artifacts/a",
        f"1/2/{RUN}/artifacts/a",
        f"m-{RUN}/artifacts/a",
        f"/{RUN}/artifacts/a",
        f"{RUN}/artifacts//etc/passwd",
        f"{RUN}/artifacts/../x",
        f"{quote(RUN + '/../x', safe='')}/artifacts/a",
        f"{RUN}/artifacts/.gitruns/x",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ProtocolError):
        target_of(address)
