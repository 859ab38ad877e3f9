"""What a sync did, as values: for a face to show, and for tests to compare."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from gitruns.entities.ids import Digest, ObjectId, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which runs a sync is about; without a selection it is about all, and about everything that belongs to them."""

    run_ids: frozenset[RunId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that stays home, and why.

    `reason` is a stable word: `unpublished-commit`, `snapshot-undecided`, `snapshot-never`, `snapshot-untracked`,
    `lost` (the remote had it and has it no more), `rewritten` (the remote's is no successor of what it was),
    `not-merged` (what the remote has could not be merged here), `unreadable` (it is damaged here). `commit` is the
    source, where that is the reason.
    """

    run_id: RunId
    reason: str
    commit: ObjectId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFile:
    """A file of a snapshot that becomes public with a run: `change` is `added`, `modified` or `deleted`.

    `untracked` says that git did not track it. `allowed` says that the runs with this snapshot are pushed.
    """

    path: str
    change: str
    size_bytes: int
    untracked: bool
    snapshot: ObjectId
    allowed: bool


@dataclass(slots=True, kw_only=True)
class ArtifactsReport:
    """What became of the artifacts: how many went up, were there, wait for a store, are not on this machine."""

    uploaded: int = 0
    present: int = 0
    uploaded_bytes: int = 0
    pending: dict[Digest, int] = field(default_factory=dict)
    missing: tuple[Digest, ...] = ()
    why: str | None = None
    hint: str | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes that exist only here, as far as is known."""
        return sum(self.pending.values())


@dataclass(slots=True, kw_only=True)
class PushReport:
    """What a push did, or with `dry_run` would do.

    `runs` are those that the remote has now and had not, or had in an older state; `purged` those that it is told to
    forget. `refused` are refs that the remote did not take, each with its reason. `rejections` counts how often
    somebody else was quicker. `folded` counts refs taken off the remote because a segment has their runs. `numbers`
    says which numbers of model versions the remote has decided on, a line each, and which stay open. `records` counts
    the clones whose records were sent.
    """

    remote: str
    dry_run: bool = False
    runs: tuple[RunId, ...] = ()
    purged: tuple[RunId, ...] = ()
    experiments: int = 0
    models: int = 0
    records: int = 0
    segments: int = 0
    folded: int = 0
    held: tuple[Held, ...] = ()
    files: tuple[PublicFile, ...] = ()
    artifacts: ArtifactsReport = field(default_factory=ArtifactsReport)
    refused: dict[str, str] = field(default_factory=dict)
    rejections: int = 0
    numbers: tuple[str, ...] = ()
    fetched: FetchReport | None = None

    @property
    def is_up_to_date(self) -> bool:
        """Whether there was nothing to do."""
        counts = (self.experiments, self.models, self.records, self.segments, self.folded, self.artifacts.uploaded)
        return not (self.runs or self.purged or self.refused or any(counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A ref that was not taken: what is wrong with it, or until when it waits (milliseconds UTC)."""

    ref: str
    oid: ObjectId
    reason: str
    kind: str
    until_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class FetchReport:
    """What a fetch brought.

    `new` runs were not here, `changed` ones were in an older state, `purged` ones are hidden from now on. `quarantined`
    refs are not what they must be, `waiting` ones have a stamp from the future or a newer format. `lost` runs were on
    the remote and are there no more, `rewritten` ones are there in a state that does not follow from the one before;
    of both nothing was changed here. `records` counts pieces of records; `rewritten_records` are refs of records that
    have lost some there, which are kept here.
    """

    remote: str
    new: tuple[RunId, ...] = ()
    changed: tuple[RunId, ...] = ()
    purged: tuple[RunId, ...] = ()
    segments: int = 0
    experiments: int = 0
    models: int = 0
    records: int = 0
    quarantined: tuple[Bad, ...] = ()
    waiting: tuple[Bad, ...] = ()
    lost: tuple[RunId, ...] = ()
    rewritten: tuple[RunId, ...] = ()
    lost_others: tuple[str, ...] = ()
    rewritten_records: tuple[str, ...] = ()
    taken: tuple[tuple[RunId, ObjectId], ...] = ()

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing came."""
        counts = (self.segments, self.experiments, self.models, self.records)
        return not (self.new or self.changed or self.purged or self.taken or any(counts))


def wants(selection: Selection | None, run_id: RunId) -> bool:
    """Returns whether a run is in a selection."""
    return selection is None or run_id in selection.run_ids


def select(run_ids: Collection[RunId]) -> Selection:
    """Returns the selection of these runs."""
    return Selection(run_ids=frozenset(run_ids))
