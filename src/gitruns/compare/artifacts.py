"""How the artifacts of two runs differ: text as a diff, tables and images by what can be said of them, else by size.

Content is only looked at where it is on hand and small; everything else is told from the manifests.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gitruns.compare.changes import Change, changes
from gitruns.compare.pictures import picture_size
from gitruns.entities.artifact import Artifact
from gitruns.entities.showing import size

Read = Callable[[str], "bytes | None"]
"""Returns the first bytes of an artifact by path, None when they are not on hand."""

MAX_LOOKED_AT = 20
MAX_TEXT_BYTES = 256 * 1024
MAX_DIFF_LINES = 200

_TABLES = (".csv", ".tsv")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactDiff:
    """One artifact that differs. `summary` says how in a few words, `diff` is a unified diff of text, or empty."""

    change: Change[Artifact]
    summary: str
    diff: str = ""

    @property
    def path(self) -> str:
        """Where it is in both runs."""
        return self.change.key


def diff_artifacts(
    before: Iterable[Artifact], after: Iterable[Artifact], read_before: Read, read_after: Read
) -> tuple[ArtifactDiff, ...]:
    """Returns the artifacts that differ, by path; the content of the first few that changed is looked at."""
    found = changes(
        {artifact.path: artifact for artifact in before},
        {artifact.path: artifact for artifact in after},
        lambda one, other: one.digest == other.digest,
    )
    looked_at = 0
    diffs = []
    for change in found:
        look = change.kind == "changed" and looked_at < MAX_LOOKED_AT
        looked_at += look
        diffs.append(_diff_one(change, read_before, read_after) if look else _told(change))
    return tuple(diffs)


def _told(change: Change[Artifact]) -> ArtifactDiff:
    sizes = [size(side.size_bytes) for side in (change.before, change.after) if side is not None]
    return ArtifactDiff(change=change, summary=" → ".join(dict.fromkeys(sizes)))


def _diff_one(change: Change[Artifact], read_before: Read, read_after: Read) -> ArtifactDiff:
    told = _told(change)
    assert change.before is not None and change.after is not None  # noqa: S101  it has changed
    name = change.key.lower()
    if max(change.before.size_bytes, change.after.size_bytes) > MAX_TEXT_BYTES and not name.endswith(_PICTURES):
        return told
    old, new = read_before(change.key), read_after(change.key)
    if old is None or new is None:
        return ArtifactDiff(change=change, summary=f"{told.summary}, not on this machine")
    if name.endswith(_PICTURES):
        return ArtifactDiff(change=change, summary=_pictures(old, new, told.summary))
    texts = _text(old), _text(new)
    if texts[0] is None or texts[1] is None:
        return told
    if name.endswith(_TABLES):
        return ArtifactDiff(change=change, summary=_tables(texts[0], texts[1], "\t" if name.endswith(".tsv") else ","))
    return ArtifactDiff(change=change, summary=told.summary, diff=_unified(texts[0], texts[1], change.key))


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _unified(old: str, new: str, path: str) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm=""))
    if len(lines) > MAX_DIFF_LINES:
        lines = [*lines[:MAX_DIFF_LINES], f"… {len(lines) - MAX_DIFF_LINES} more lines"]
    return "".join(f"{line}\n" for line in lines)


def _tables(old: str, new: str, delimiter: str) -> str:
    try:
        (old_head, old_rows), (new_head, new_rows) = _shape(old, delimiter), _shape(new, delimiter)
    except csv.Error:
        return "a table that cannot be read"
    words = [
        _counted_change(old_rows, new_rows, "rows"),
        _counted_change(len(old_head), len(new_head), "columns"),
        *(f"+{name}" for name in new_head if name not in old_head),
        *(f"-{name}" for name in old_head if name not in new_head),
    ]
    return ", ".join(words)


def _shape(text: str, delimiter: str) -> tuple[list[str], int]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    head = next(rows, [])
    return head, sum(1 for row in rows if row)


def _counted_change(old: int, new: int, noun: str) -> str:
    return f"{new} {noun}" if old == new else f"{old} → {new} {noun}"


def _pictures(old: bytes, new: bytes, sizes: str) -> str:
    shapes = [f"{width} × {height}" for width, height in filter(None, (picture_size(old), picture_size(new)))]
    return f"{' → '.join(dict.fromkeys(shapes))}, {sizes}" if shapes else sizes
