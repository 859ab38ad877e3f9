"""Brings the artifacts of runs to this machine, so that they can be used without a network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.artifacts import TransferProgress
from gitruns.entities.artifact import Artifact
from gitruns.entities.ids import Digest, RunId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError, NotFoundError
from gitruns.gitstore.transport import Progress

if TYPE_CHECKING:
    from gitruns.repo import Repo


@dataclass(slots=True, kw_only=True)
class PullReport:
    """How many artifacts came (or with a dry run would), and those that could not be had."""

    artifacts: int = 0
    bytes: int = 0
    absent: tuple[Digest, ...] = ()
    problem: str | None = None
    hint: str | None = None


def bring_artifacts(
    repo: Repo,
    run_ids: Collection[RunId],
    *,
    records: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PullReport:
    """Brings what runs name and this machine has not, and with `records` what records do.

    One's fault keeps no other's artifacts away.
    """
    report = PullReport()
    absent: set[Digest] = set()

    def tell(at: TransferProgress) -> None:
        if progress is not None:
            progress("downloading artifacts", at.bytes_done, at.bytes)

    for run_id in run_ids:
        try:
            run = repo.get_run(run_id)
        except NotFoundError:  # purged since
            continue
        wanted = {one.digest: one for one in _named(repo, run) if not repo.cache.has(one.digest)}
        if not dry_run and wanted:
            try:
                repo.stores.bring(run, tuple(wanted.values()), tell)
            except GitRunsError as error:
                report.problem, report.hint = error.message, error.hint
        came = [one for one in wanted.values() if dry_run or repo.cache.has(one.digest) or _shared(repo, one.digest)]
        report.artifacts += len(came)
        report.bytes += sum(one.size_bytes for one in came)
        absent |= wanted.keys() - {one.digest for one in came}
    if records:
        absent |= _bring_blobs(repo, report, dry_run=dry_run)
    report.absent = tuple(sorted(absent))
    if absent and report.problem is None:
        report.hint = repo.stores.where_else()
    return report


def _bring_blobs(repo: Repo, report: PullReport, *, dry_run: bool) -> set[Digest]:
    """Brings the large content of records and returns what could not be had."""
    absent: set[Digest] = set()
    for digest, size in repo.records.needed_digests().items():
        if repo.cache.has(digest) or _shared(repo, digest):
            continue
        try:
            if not dry_run:
                repo.stores.beyond(digest)
        except GitRunsError as error:
            report.problem, report.hint = error.message, error.hint
            absent.add(digest)
        else:
            report.artifacts += 1
            report.bytes += size
    return absent


def _shared(repo: Repo, digest: Digest) -> bool:
    shared = repo.stores.shared_cache
    return shared is not None and shared.has(digest)


def _named(repo: Repo, run: Run) -> list[Artifact]:
    try:
        listed = list(repo.artifacts_of(run))
    except NotFoundError:
        listed = list(run.artifacts)
    return [*listed, *(part.stored_as for part in run.parts if part.stored_as is not None)]
