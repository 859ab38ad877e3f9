"""No name leaves its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.artifacts import safe_join
from gitruns.errors import InvalidInputError


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "...", "a b", "größe", "two\nlines", "-rf", "back\\slash", "C:x", "~", "$HOME"]
)
def test_plain_names_are_joined(tmp_path: Path, name: str) -> None:
    assert safe_join(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "./a",
        ".",
        "a//b",
        "a/",
        "nul\0",
        "\ud800",
        "x" * 5000 + "\0",
    ],
)
def test_others_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        safe_join(tmp_path, name)
    assert caught.value.kind == "unsafe-path"
    assert str(caught.value).isprintable()


def test_symlinks_are_no_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "folder-not").mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "sibling").symlink_to(tmp_path / "folder-not")
    (folder / "self").symlink_to(folder)
    (folder / "file").symlink_to("/etc/passwd")
    (folder / "in").symlink_to("inner")
    (folder / "loop").symlink_to("loop")
    for name in ("out/x", "out", "sibling/x", "self", "file", "in/../../x"):
        with pytest.raises(InvalidInputError):
            safe_join(folder, name)
    assert safe_join(folder, "in/x") == folder / "inner" / "x"
    assert safe_join(folder, "self/x") == folder / "x"


def test_the_folder_itself_may_be_reached_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert safe_join(tmp_path / "link", "x") == tmp_path / "real" / "x"


@given(st.text(alphabet=st.sampled_from("./a\\\0~\n "), max_size=12))
def test_what_is_joined_is_below(name: str) -> None:
    try:
        joined = safe_join(Path("/nowhere"), name)
    except InvalidInputError:
        return
    assert joined.relative_to("/nowhere").parts == tuple(name.split("/"))
