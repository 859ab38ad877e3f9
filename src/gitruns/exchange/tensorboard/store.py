"""A folder of TensorBoard's: each folder in it that has event files is a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError, GitRunsError, InvalidInputError
from gitruns.exchange.folders import real_folder
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignModel, ForeignRun, held_file
from gitruns.exchange.tensorboard.events import HPARAMS, Session, Value, read_session, read_values
from gitruns.exchange.tensorboard.framing import read_records

_EVENTS = "events.out.tfevents."
_STATUSES = {1: RunStatus.FINISHED, 2: RunStatus.FAILED, 3: RunStatus.RUNNING}
_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}
_ODD = re.compile(r"[^\w.\-+ =]+")
_DEEPEST = 20


@dataclass(slots=True)
class _Found:
    """What the files of one run hold."""

    points: list[Point] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    session: Session = field(default_factory=Session)
    first_s: float | None = None
    last_s: float | None = None
    others: int = 0


class TensorBoardFolder:
    """Reads one folder. A run's id is made from its path in the folder and the name of its first file."""

    namespace = "tensorboard"

    def __init__(self, root: Path) -> None:
        self._root = real_folder(root)
        self._runs = {self._id(folder, files): (folder, files) for folder, files in _folders(self._root, 0)}
        self._others = 0
        if not self._runs:
            raise InvalidInputError(f"there are no event files in '{root}'", kind="bad-source")

    def _id(self, folder: Path, files: Sequence[Path]) -> str:
        return f"{self._path(folder)}@{files[0].name}"

    def _path(self, folder: Path) -> str:
        relative = folder.relative_to(self._root).as_posix()
        return self._root.name if relative == "." else relative

    def close(self) -> None:
        """There is nothing open."""

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields one experiment, of the folder's name."""
        yield ForeignExperiment(id=self._root.name, name=self._root.name or "tensorboard")

    def run_ids(self) -> Sequence[str]:
        """Returns the ids of all runs."""
        return list(self._runs)

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs in order, or why one cannot be read."""
        for one in ids:
            try:
                yield self._run(one)
            except (GitRunsError, OSError) as error:
                yield Damage(f"run {one.partition('@')[0]:.60}", str(error))

    def _run(self, run_id: str) -> ForeignRun:
        folder, files = self._runs[run_id]
        found = _Found()
        for path in files:
            for record in read_records(path):
                time_s, values = read_values(record)
                found.first_s = time_s if found.first_s is None else min(found.first_s, time_s)
                found.last_s = time_s if found.last_s is None else max(found.last_s, time_s)
                for value in values:
                    _take(value, found)
        if found.first_s is None or found.last_s is None:
            raise CorruptDataError("its event files are empty", kind="bad-source")
        self._others += found.others
        session = found.session
        return ForeignRun(
            id=run_id,
            name=self._path(folder),
            experiment=self._root.name,
            status=_STATUSES.get(session.status or 1, RunStatus.FINISHED),
            start_time_ms=_ms(found.first_s if session.started_s is None else session.started_s),
            end_time_ms=_ms(found.last_s if session.ended_s is None else session.ended_s),
            params=session.params,
            points=lambda: found.points,
            artifacts=lambda: [held_file(path, data) for path, data in found.files.items()],
        )

    def models(self) -> Iterator[ForeignModel | Damage]:
        """There are no models."""
        yield from ()

    def left_out(self) -> Mapping[str, int]:
        """Returns how many histograms, sounds, graphs and so on there are."""
        return {"values that are no scalar, text or image": self._others}


def _take(value: Value, found: _Found) -> None:
    if value.plugin == HPARAMS:
        read_session(value.content, found.session)
    elif value.number is not None:
        found.points.append(Point(value.tag, value.step, _ms(value.time_s), value.number))
    elif value.image:
        suffix = next((name for head, name in _SUFFIXES.items() if value.image.startswith(head)), "")
        found.files[f"images/{_plain(value.tag)}/{value.step}{suffix}"] = value.image
    elif value.text is not None:
        found.files[f"text/{_plain(value.tag)}/{value.step}.md"] = value.text.encode()
    elif value.tag:
        found.others += 1


def _plain(tag: str) -> str:
    """Returns a tag as a path of plain parts."""
    parts = [_ODD.sub("_", part) for part in tag.split("/")]
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "_"


def _ms(time_s: float) -> int:
    if not 0 <= time_s < 2**42:
        raise CorruptDataError(f"{time_s} is no time", kind="bad-source")
    return round(time_s * 1000)


def _folders(folder: Path, depth: int) -> Iterator[tuple[Path, list[Path]]]:
    """Yields the folders that have event files, with these, oldest first; nothing is followed."""
    entries = sorted(folder.iterdir())
    files = [one for one in entries if _EVENTS in one.name and one.is_file() and not one.is_symlink()]
    if files:
        yield folder, files
    for one in entries:
        if depth < _DEEPEST and one.is_dir() and not one.is_symlink():
            yield from _folders(one, depth + 1)
