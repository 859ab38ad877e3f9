"""The bytes of an archive segment: which runs it holds, at which commits.

A segment is one commit. Its parents are the tips of the runs, by run id; its tree holds `format` and `runs`, a line
`<run-id> <commit id>` for each run in that order. Everything about it follows from its runs, so two clones that fold
the same runs make the same commit. Pure. Source: docs/format.md, "Segments".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitruns.entities.ids import ObjectId, RunId, SegmentId
from gitruns.entities.run import Identity
from gitruns.errors import CorruptDataError
from gitruns.gitstore.objects import Author, Commit

MAX_RUNS = 1000
"""No segment holds more: a commit of more parents is slow for git to walk."""

RUNS_FILE = "runs"
_RUN_ID_LENGTH = 32
_IDENTITY = Identity(name="gitruns", email="gitruns@localhost")


class Segment(Mapping[RunId, ObjectId]):
    """The tips of the runs of one segment, in order of run id; one run is found without reading the others."""

    __slots__ = ("_data", "_width", "id")

    def __init__(self, segment_id: SegmentId, data: bytes) -> None:
        self.id = segment_id
        self._data = data
        self._width = _RUN_ID_LENGTH + len(segment_id) + 2

    def __getitem__(self, run_id: RunId) -> ObjectId:
        tip = self.find(run_id)
        if tip is None:
            raise KeyError(run_id)
        return tip

    def __iter__(self) -> Iterator[RunId]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self._data) // self._width

    def find(self, run_id: RunId) -> ObjectId | None:
        """Returns the tip that the segment has for a run, None when it has none."""
        wanted, data, width = run_id.encode(), self._data, self._width
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if data[middle * width : middle * width + _RUN_ID_LENGTH] < wanted:
                low = middle + 1
            else:
                high = middle
        line = data[low * width : (low + 1) * width - 1]
        return ObjectId(line[_RUN_ID_LENGTH + 1 :].decode()) if line[:_RUN_ID_LENGTH] == wanted else None

    def as_dict(self) -> dict[RunId, ObjectId]:
        """Returns all runs and their tips at once."""
        words = self._data.decode().split()
        return dict(zip(map(RunId, words[::2]), map(ObjectId, words[1::2]), strict=True))


def encode_runs(tips: Mapping[RunId, ObjectId]) -> bytes:
    """Returns the `runs` file of a segment."""
    return "".join(f"{run_id} {tips[run_id]}\n" for run_id in sorted(tips)).encode()


def decode_runs(data: bytes, segment_id: SegmentId) -> Segment:
    """Returns the segment whose `runs` file this is.

    Raises `CorruptDataError` (kind `bad-segment`) unless every line is as it must be, run ids ascend, no commit stands
    twice and the number of runs is allowed.
    """
    width = _RUN_ID_LENGTH + len(segment_id) + 2
    count, rest = divmod(len(data), width)
    if rest or not 0 < count <= MAX_RUNS:
        raise bad_segment(segment_id, f"its file 'runs' has {len(data)} bytes, which is no whole number of runs")
    # Nothing but digits, and one space and one line end a line, each in its place: a regular expression is slower.
    ends = data[_RUN_ID_LENGTH::width] + data[width - 1 :: width]
    if ends != b" " * count + b"\n" * count or len(data.translate(None, b"0123456789abcdef")) != 2 * count:
        raise bad_segment(segment_id, "its file 'runs' has a line that is not '<run id> <commit id>'")
    words = data.decode().split()
    run_ids, tips = words[::2], words[1::2]
    if len(set(run_ids)) < count or run_ids != sorted(run_ids):
        raise bad_segment(segment_id, "its file 'runs' is not in order of run ids")
    if len(set(tips)) < count:
        raise bad_segment(segment_id, "its file 'runs' names a commit twice")
    return Segment(segment_id, data)


def encode_segment(tips: Mapping[RunId, ObjectId], tree: ObjectId, newest_s: int) -> Commit:
    """Returns the commit of a segment; `newest_s` is the time of its newest tip, seconds UTC."""
    author = Author(_IDENTITY, newest_s * 1000)
    noun = "run" if len(tips) == 1 else "runs"
    return Commit(
        tree=tree,
        parents=tuple(tips[run_id] for run_id in sorted(tips)),
        author=author,
        committer=author,
        message=f"archive of {len(tips)} {noun}\n",
    )


def has_parents(commit: bytes, segment: Segment) -> bool:
    """Returns whether the bytes of a segment's commit name its runs' tips as parents, in their order."""
    start = len("tree ") + len(segment.id) + 1
    tips = "\nparent ".join(segment.as_dict().values())
    return commit.startswith(f"parent {tips}\nauthor ".encode(), start)


def bad_segment(segment_id: SegmentId, why: str) -> CorruptDataError:
    """Returns the error for a segment that is not what it must be."""
    return CorruptDataError(
        f"cannot read archive segment '{segment_id[:12]}': {why}", kind="bad-segment", segment=segment_id
    )
