"""Temporary files: nobody else's are touched, nobody's stay for long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gitruns.artifacts import area
from gitruns.artifacts.area import TemporaryArea, sweep

LONG_AGO = time.time() - 30 * 24 * 3600


def abandon(made: TemporaryArea) -> Path:
    """Lets go of an area as a killed process does: the lock goes, the files stay."""
    fd, _ = made.new_file()
    os.close(fd)
    os.close(made._lock_fd)
    return made.path


def age(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_held_area_is_left_alone(tmp_path: Path) -> None:
    held = TemporaryArea.create(tmp_path)
    fd, path = held.new_file()
    os.close(fd)
    age(held.path)
    assert sweep(tmp_path) == 0
    TemporaryArea.create(tmp_path).remove()
    assert path.exists()
    held.remove()
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_area_goes_when_the_next_is_made(tmp_path: Path) -> None:
    path = abandon(TemporaryArea.create(tmp_path))
    made = TemporaryArea.create(tmp_path)
    assert not path.exists()
    made.remove()


def test_another_host_s_area_goes_only_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setattr(area, "_host_tag", lambda: "0badcafe")
        path = abandon(TemporaryArea.create(tmp_path))
    assert sweep(tmp_path) == 0
    assert path.exists()
    age(path)
    assert sweep(tmp_path) == 1


def test_without_locks_only_old_areas_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(area.fcntl, "flock", no_locks)
    made = TemporaryArea.create(tmp_path)
    assert sweep(tmp_path) == 0
    path = abandon(made)
    age(path)
    assert sweep(tmp_path) == 1


def test_a_folder_without_lock_goes_when_it_stays_so(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert sweep(tmp_path) == 0
    age(tmp_path / "new")
    assert sweep(tmp_path) == 1


def test_an_area_swept_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = area._lock
    swept: list[Path] = []

    def sweep_first(fd: int, *, wait: bool) -> bool | None:
        if wait and not swept:
            swept.extend(tmp_path.iterdir())
            assert sweep(tmp_path) == 1
        return real(fd, wait=wait)

    monkeypatch.setattr(area, "_lock", sweep_first)
    made = TemporaryArea.create(tmp_path)
    assert swept != [made.path]
    assert made.path.exists()
    made.remove()


def test_a_symlink_among_the_areas_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    age(precious)
    (tmp_path / "areas").mkdir()
    (tmp_path / "areas" / "link").symlink_to(precious)
    sweep(tmp_path / "areas")
    assert (precious / "file").exists()
