"""What we think of the terminal, and which pager is started."""

from __future__ import annotations

import sys

import pytest

from gitruns.cli.pager import find_pager
from gitruns.cli.terminal import find_terminal


class _Tty:
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _colour(monkeypatch: pytest.MonkeyPatch, *, tty: bool, option: str | None = None, **facts: str) -> bool:
    config = {key.replace("_", "."): value for key, value in facts.items() if key.islower()}
    environ = {"TERM": "xterm", **{key: value for key, value in facts.items() if key.isupper()}}
    with monkeypatch.context() as patch:
        if tty:
            patch.setattr(sys, "stdout", _Tty())
        return find_terminal(environ, config.get, option).colour


def test_colour_is_decided_as_git_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _colour(monkeypatch, tty=True)
    assert not _colour(monkeypatch, tty=False)
    assert not _colour(monkeypatch, tty=True, NO_COLOR="1")
    assert _colour(monkeypatch, tty=True, NO_COLOR="")
    assert not _colour(monkeypatch, tty=True, TERM="dumb")
    assert not _colour(monkeypatch, tty=True, color_ui="never")
    assert not _colour(monkeypatch, tty=True, color_ui="false")
    assert _colour(monkeypatch, tty=False, color_ui="always")
    assert _colour(monkeypatch, tty=True, color_ui="never", color_runs="auto")
    assert _colour(monkeypatch, tty=False, option="always", NO_COLOR="1")
    assert not _colour(monkeypatch, tty=True, option="never", color_ui="always")
    assert _colour(monkeypatch, tty=False, GIT_PAGER_IN_USE="true")
    assert not _colour(monkeypatch, tty=False, GIT_PAGER_IN_USE="true", color_pager="false")


def test_the_width_can_be_said() -> None:
    assert find_terminal({"COLUMNS": "132"}, lambda key: None).width == 132
    assert find_terminal({"COLUMNS": "wide"}, lambda key: None).width > 0


def test_the_pager_is_gits() -> None:
    path = {"PATH": "/usr/bin:/bin"}
    core = {"core.pager": "delta --dark"}
    assert find_pager({"GIT_PAGER": "more", "PAGER": "most"}, core.get) == "more"
    assert find_pager({"PAGER": "most"}, core.get) == "delta --dark"
    assert find_pager({"PAGER": "most"}, {}.get) == "most"
    assert find_pager({"PAGER": "cat"}, {}.get) is None
    assert find_pager({"GIT_PAGER": "cat"}, core.get) is None
    assert find_pager({"GIT_PAGER": ""}, core.get) is None
    assert find_pager({"PAGER": "most"}, {"pager.runs": "false"}.get) is None
    assert find_pager({"PATH": "/nowhere"}, {}.get) is None
    assert find_pager({"GIT_PAGER": "more", "GIT_PAGER_IN_USE": "true"}, {}.get) is None, "git has started one"
    assert find_pager(path, {}.get) in ("less", None)
