"""The one door to everything stored: runs, experiments and artifacts of a repository, and the logs of live runs.

`Repo` joins git, the journals and the artifact cache and shows one state: what is live laid over what is sealed.
`RunLog` is an open run that takes log calls. `JournalFolder` is the place to log where there is no repository.
Every write of the tool passes through here; faces and tracking see nothing of what lies below.
"""

from gitruns.index import ListedRun, Search
from gitruns.repo.edit import Transaction
from gitruns.repo.journal_folder import JournalFolder, open_journal_folder
from gitruns.repo.place import LogPlace
from gitruns.repo.repo import Repo
from gitruns.repo.runlog import RunLog, now_ms, points_at
from gitruns.repo.served_log import LogClosedError, ServedLog
from gitruns.repo.status import RepoStatus
from gitruns.repo.trust import Signed
from gitruns.repo.upkeep import CollectReport
from gitruns.repo.verify import Problem

__all__ = [
    "CollectReport",
    "JournalFolder",
    "ListedRun",
    "LogClosedError",
    "LogPlace",
    "Problem",
    "Repo",
    "RepoStatus",
    "RunLog",
    "Search",
    "ServedLog",
    "Signed",
    "Transaction",
    "now_ms",
    "open_journal_folder",
    "points_at",
]
