"""The append logs of live runs: what a log call acknowledged survives the death of the process at any instant.

Each process that writes into a run has a file of its own, `<root>/<run id>/<random>.log`, and appends one record a
call with one `write(2)`. Readers fold the files of a run into its state, and spool its points for the seal. Nothing
here knows git: `repo` seals a journal into a commit. Source: docs/format.md, "The journal".
"""

from gitruns.journal.changes import ChangeJournal, change_journal, is_done, journal_sizes, read_changes
from gitruns.journal.fold import RunEnd
from gitruns.journal.live import LiveRun, WriterFile
from gitruns.journal.liveness import ProcessMark, WriterState, current_process_mark, writer_state
from gitruns.journal.logfile import NeedsReopenError
from gitruns.journal.points import PointSpool, points_between, read_points, spool_points, unsealed_from
from gitruns.journal.reader import JournalReader
from gitruns.journal.record import Opening, OpeningKind
from gitruns.journal.sealed import (
    list_live,
    mark_sealed,
    remove,
    sealed_commit,
    sweep,
    unclosed_openings,
    unmark_sealed,
)
from gitruns.journal.writer import JournalWriter

__all__ = [
    "ChangeJournal",
    "JournalReader",
    "JournalWriter",
    "LiveRun",
    "NeedsReopenError",
    "Opening",
    "OpeningKind",
    "PointSpool",
    "ProcessMark",
    "RunEnd",
    "WriterFile",
    "WriterState",
    "change_journal",
    "current_process_mark",
    "is_done",
    "journal_sizes",
    "list_live",
    "mark_sealed",
    "points_between",
    "read_changes",
    "read_points",
    "remove",
    "sealed_commit",
    "spool_points",
    "sweep",
    "unclosed_openings",
    "unmark_sealed",
    "unsealed_from",
    "writer_state",
]
