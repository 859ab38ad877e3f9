"""Reads a run's points back, from its tree, from the artifact cache, and from its journal while it is live."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitruns.entities.history import decode_points
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Part
from gitruns.entities.values import Point
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.journal import read_points
from gitruns.repo.place import run_not_found

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo


def iter_points(repo: Repo, run_id: RunId) -> Iterator[Point]:
    """Yields the points of a run: part by part, by metric, in logged order; then those not sealed yet."""
    tip = repo.store.run_tip(run_id)
    live = repo.live(run_id)
    if tip is None and live is None:
        raise run_not_found(run_id)
    if tip is not None:
        for part in repo.store.read_run(tip).parts:
            yield from _part_points(repo, tip, part)
    if live is not None:
        yield from read_points(repo.live_root / run_id)


def _part_points(repo: Repo, tip: ObjectId, part: Part) -> Iterator[Point]:
    path = f"metrics/{part.digest}.tsv"
    try:
        yield from decode_points(_tree_lines(repo, tip, path) if part.stored_as is None else stored_lines(repo, part))
    except (ValueError, EOFError) as error:
        raise CorruptDataError(f"cannot read '{path}': {error}", kind="bad-part", path=path) from error


def _tree_lines(repo: Repo, tip: ObjectId, path: str) -> Iterator[str]:
    data = repo.store.read_file(tip, path)
    if data is None:
        raise CorruptDataError(f"cannot read '{path}' of '{tip[:10]}': it is missing", kind="part-missing", path=path)
    yield from io.StringIO(data.decode(), newline="\n")


def stored_lines(repo: Repo, part: Part) -> Iterator[str]:
    """Yields the lines of a part whose points are too many for the tree; raises `NotFoundError` where they are not."""
    stored = part.stored_as
    assert stored is not None  # noqa: S101  who calls us has looked
    try:
        opened = repo.cache.open(stored.digest)
    except NotFoundError as error:
        raise NotFoundError(
            f"the points of part '{part.digest[:12]}' are not on this machine",
            kind="points-not-here",
            hint=repo.stores.where_else(),
            part=part.digest,
        ) from error
    with opened as file, gzip.open(file) as packed:
        yield from io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
