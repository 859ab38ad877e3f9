"""What git's hooks do with runs: send those whose code is being published, or fetch quietly.

Nothing here asks, and nothing is raised: a hook is in the way of other work. What went wrong is said in one line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.showing import size
from gitruns.errors import GitRunsError
from gitruns.sync.fetch import fetch
from gitruns.sync.push import push
from gitruns.sync.report import Held, PushReport

if TYPE_CHECKING:
    from gitruns.repo import Repo

UNPUBLISHED = "unpublished-commit"

_WHY_HELD = {
    UNPUBLISHED: "{runs} until the code is pushed, too (git runs status lists such runs)",
    "snapshot-undecided": "{runs}: made with changes that are in no commit (git runs push --dry-run lists them)",
    "not-merged": "{runs}: what the remote has could not be merged (git runs fetch says why)",
}
_ELSE = "{runs}: git runs push --dry-run says why"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOutcome:
    """What a push by a hook came to.

    `lines` are what a person should read, none when nothing was done. `held` are the runs that stay home, `waits` says
    that some of them wait for their code. `failed` says that something could not be sent that should have been,
    `settled` that trying again is of no use before something changes here.
    """

    lines: tuple[str, ...] = ()
    held: tuple[RunId, ...] = ()
    waits: bool = False
    failed: bool = False
    settled: bool = False


def push_published(
    repo: Repo, remote: str, publishing: Sequence[str], *, said: Collection[str] = (), deadline_s: float
) -> HookOutcome:
    """Sends the runs whose code `remote` has, or gets now with `publishing`, and says what came of it.

    Runs in `said` were said to be held back before, and are not said again.
    """
    try:
        report = push(
            repo,
            remote,
            publishing=tuple(ObjectId(oid) for oid in publishing),
            interactive=False,
            deadline_s=deadline_s,
        )
    except GitRunsError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return HookOutcome(lines=(f"runs were not sent: {error.message}{hint}",), failed=True)
    held = tuple(one.run_id for one in report.held)
    failed = bool(report.refused)
    return HookOutcome(
        lines=(*_done(report), *_failed(report), *_held([one for one in report.held if one.run_id not in said])),
        held=held,
        waits=any(one.reason == UNPUBLISHED for one in report.held),
        failed=failed,
        # Without a store, or with one that nobody has confirmed, trying again is of no use either.
        settled=not failed and not (report.artifacts.pending and report.artifacts.why),
    )


def _done(report: PushReport) -> Iterator[str]:
    parts = [_count(len(report.runs), "run"), _count(len(report.purged), "deletion")]
    parts += [_count(report.models, "model"), _count(report.artifacts.uploaded, "artifact")]
    sent = [part for part in (*parts, "records" * bool(report.records)) if part]
    if sent:
        yield f"sent {', '.join(sent)} to {report.remote}"


def _failed(report: PushReport) -> Iterator[str]:
    if report.refused:
        ref, why = next(iter(report.refused.items()))
        more = f" (and {len(report.refused) - 1} more)" if len(report.refused) > 1 else ""
        yield f"{report.remote} did not take '{ref}'{more}: {why}"
    artifacts = report.artifacts
    if artifacts.pending:
        hint = f" ({artifacts.hint})" if artifacts.hint else ""
        count = _count(len(artifacts.pending), "artifact")
        yield f"{count}, {size(artifacts.pending_bytes)}, only here: {artifacts.why or 'no store took them'}{hint}"
    if artifacts.missing:
        yield f"{_count(len(artifacts.missing), 'artifact')} not on this machine: git runs verify names them"


def _held(held: Sequence[Held]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for one in held:
        counts[one.reason] = counts.get(one.reason, 0) + 1
    for reason, count in counts.items():
        runs = "1 run stays here" if count == 1 else f"{count} runs stay here"
        yield _WHY_HELD.get(reason, _ELSE).format(runs=runs)


def fetch_quietly(repo: Repo, remote: str) -> Iterator[str]:
    """Fetches the runs of a remote and yields what a person should read."""
    try:
        report = fetch(repo, remote)
    except GitRunsError as error:
        yield f"runs were not fetched: {error.message}"
        return
    parts = [_count(len(report.new), "new run"), _count(len(report.changed), "changed run")]
    brought = [part for part in (*parts, "records" * bool(report.records)) if part]
    if brought:
        yield f"fetched {', '.join(brought)} from {report.remote}"
    if report.quarantined:
        yield f"{_count(len(report.quarantined), 'ref')} not taken: git runs fetch says why"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""
