"""The index: a disposable SQLite file that finds any run among 100,000 in milliseconds.

Git is the truth and never the query path. The index is fed with entities by whoever joins it with git and journals
(`Source`), asks what revisions mean (`Revisions`) and what points were (`Points`), and answers queries of `query` as a
scan over all runs would. It may be deleted at any time: what is in it is read again.
"""

from gitruns.index.columns import KnownKey
from gitruns.index.index import Index, IndexStats
from gitruns.index.marks import mark_of
from gitruns.index.place import index_path
from gitruns.index.reading import ListedRun
from gitruns.index.record_refresh import RecordSource
from gitruns.index.record_rows import blobs_of
from gitruns.index.records import RecordIndex
from gitruns.index.refresh import Progress, RefreshReport
from gitruns.index.request import MAX_RESULTS, ExperimentPage, RunPage, Search, TablePage
from gitruns.index.rows import RunRows, rows_of
from gitruns.index.source import EXPERIMENTS_PLACE, UNSETTLED, Points, Revisions, Source, Unreadable
from gitruns.index.verify import Difference

__all__ = [
    "EXPERIMENTS_PLACE",
    "MAX_RESULTS",
    "UNSETTLED",
    "Difference",
    "ExperimentPage",
    "Index",
    "IndexStats",
    "KnownKey",
    "ListedRun",
    "Points",
    "Progress",
    "RecordIndex",
    "RecordSource",
    "RefreshReport",
    "Revisions",
    "RunPage",
    "RunRows",
    "Search",
    "Source",
    "TablePage",
    "Unreadable",
    "blobs_of",
    "index_path",
    "mark_of",
    "rows_of",
]
