"""What push and fetch say they did: a line each thing that a person should know, with the next thing to type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gitruns.cli.cells import printable
from gitruns.cli.progress import BYTES, ProgressBar, make_bar
from gitruns.cli.times import duration, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitruns.sync import Bad, FetchReport, Held, PublicFile, PushReport
    from gitruns.sync.waiting import Waiting

MAX_SHOWN = 10


class SyncProgress:
    """Bars for the phases of a sync, one after the other; called as `(phase, done, total)`."""

    def __init__(self, environ: Mapping[str, str], *, quiet: bool) -> None:
        self._environ = environ
        self._quiet = quiet
        self._phase = ""
        self._bar: ProgressBar | None = None

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Says how far a phase is."""
        if phase != self._phase or self._bar is None:
            self.close()
            unit = BYTES if phase.startswith(("upload", "download")) else ""
            self._phase, self._bar = phase, make_bar(phase, unit, self._environ, quiet=self._quiet)
        self._bar(done, total)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> SyncProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


# Push


def push_lines(report: PushReport) -> Iterator[str]:
    """Yields what a push did, or would do."""
    would = report.dry_run
    done = list(_sent(report))
    if done:
        yield f"{'would push' if would else 'pushed'} {_listed(done)} to {printable(report.remote)}"
    elif not report.held and not report.refused:
        yield f"{printable(report.remote)} has everything"
    else:
        yield f"nothing {'would be' if would else 'was'} pushed to {printable(report.remote)}"
    if report.folded:
        yield f"removed {_count(report.folded, 'ref')} there whose runs are in the archive"
    yield from map(printable, report.numbers)
    yield from _artifact_lines(report)
    yield from _refused_lines(report.refused)
    yield from held_lines(report.held)
    yield from _file_lines(report)


def _sent(report: PushReport) -> Iterator[str]:
    if report.runs:
        into = f" ({_count(report.segments, 'segment')})" if report.segments else ""
        yield _count(len(report.runs), "run") + into
    elif report.segments:
        yield _count(report.segments, "segment")
    for count, noun in (
        (len(report.purged), "tombstone"),
        (report.experiments, "experiment"),
        (report.models, "model"),
    ):
        if count:
            yield _count(count, noun)
    if report.records:
        yield "records"


def _artifact_lines(report: PushReport) -> Iterator[str]:
    artifacts = report.artifacts
    if artifacts.uploaded:
        yield f"uploaded {_count(artifacts.uploaded, 'artifact')}, {size(artifacts.uploaded_bytes)}"
    if artifacts.pending and report.dry_run:
        what = f"{_count(len(artifacts.pending), 'artifact')} ({size(artifacts.pending_bytes)})"
        yield f"would see to it that the store has {what}"
    elif artifacts.pending:
        yield f"pending: {_count(len(artifacts.pending), 'artifact')}, {size(artifacts.pending_bytes)}, exist only here"
        if artifacts.why:
            yield f"  {printable(artifacts.why)}"
        if artifacts.hint:
            yield f"  ({printable(artifacts.hint)})"
    if artifacts.missing:
        yield f"missing: {_count(len(artifacts.missing), 'artifact')}, neither in the store nor on this machine"


def _refused_lines(refused: Mapping[str, str]) -> Iterator[str]:
    for ref, why in list(refused.items())[:MAX_SHOWN]:
        yield f"refused: {printable(ref)}: {printable(why)}"
    if len(refused) > MAX_SHOWN:
        yield f"  … and {len(refused) - MAX_SHOWN} more"


_HELD = {
    "unpublished-commit": (
        "their commits are on no remote",
        "git push, then push again; or --with-source sends the commits too",
    ),
    "snapshot-undecided": (
        "they ran with changes that are in no commit",
        "see them: git runs push --dry-run; send them: git config runs.publishSnapshots tracked",
    ),
    "snapshot-never": ("they ran with changes, and runs.publishSnapshots is never", "--snapshots tracked sends them"),
    "snapshot-untracked": (
        "they ran with untracked files, and runs.publishSnapshots is tracked",
        "see which: git runs push --dry-run; --snapshots all sends them",
    ),
    "lost": ("the remote had them and has them no more", "git runs push --restore, or git runs fetch --take"),
    "rewritten": ("the remote rewrote them", "keep ours: git runs push --restore; take theirs: git runs fetch --take"),
    "unreadable": ("they are damaged here", "git runs verify says what is wrong"),
    "not-merged": ("the remote has states of them that could not be merged", "git runs fetch says why"),
}


def held_lines(held: Sequence[Held]) -> Iterator[str]:
    """Yields a line for each reason why runs stay home, and the runs."""
    for reason, runs in _by_reason(held).items():
        why, hint = _HELD.get(reason, (reason, ""))
        yield f"held back {_count(len(runs), 'run')}: {why}"
        if hint:
            yield f"  ({hint})"
        names = ", ".join(one.run_id[:8] for one in runs[:MAX_SHOWN])
        yield f"  {names}" + (f" … and {len(runs) - MAX_SHOWN} more" if len(runs) > MAX_SHOWN else "")


def _by_reason(held: Sequence[Held]) -> dict[str, list[Held]]:
    found: dict[str, list[Held]] = {}
    for one in held:
        found.setdefault(one.reason, []).append(one)
    return found


def _file_lines(report: PushReport) -> Iterator[str]:
    if not report.dry_run:
        return
    for allowed, title in ((True, "would become public with these runs"), (False, "would become public if they went")):
        files = _once(one for one in report.files if one.allowed is allowed)
        if not files:
            continue
        total = sum(one.size_bytes for one in files)
        yield f"{_count(len(files), 'file')}, {size(total)}, {title}:"
        for one in files:
            untracked = ", untracked" if one.untracked else ""
            yield f"  {printable(one.path)}  ({one.change}{untracked}, {size(one.size_bytes)})"


def _once(files: Iterator[PublicFile]) -> list[PublicFile]:
    return sorted({(one.path, one.size_bytes, one.change): one for one in files}.values(), key=lambda one: one.path)


def waiting_lines(waiting: Waiting) -> Iterator[str]:
    """Yields what stands between a clone and its remote."""
    remote = printable(waiting.remote)
    if waiting.to_push:
        also = " and records" if waiting.records else ""
        yield f"{_count(len(waiting.to_push), 'run')}{also} to push to {remote}"
        yield "  (git runs push)"
    elif waiting.records:
        yield f"records to push to {remote}"
        yield "  (git runs push)"
    yield from held_lines(waiting.held)
    if waiting.pending:
        yield f"pending: {_count(waiting.pending, 'artifact')}, {size(waiting.pending_bytes)}, exist only here"
        yield "  (git runs push sends them once there is a store: git runs store set URL)"
    for refs, what in ((waiting.quarantined, "not what it should be"), (waiting.ahead, "from the future, or newer")):
        if refs:
            yield f"not taken from {remote}: {_count(len(refs), 'ref')}, {what}"
            yield "  (git runs fetch says why)"
    if not (waiting.to_push or waiting.held or waiting.pending or waiting.records):
        yield f"{remote} has everything, as last seen"


# Fetch


def fetch_lines(report: FetchReport, now_ms: int) -> Iterator[str]:
    """Yields what a fetch brought, and what a person should look at."""
    brought = [
        _count(count, noun)
        for count, noun in (
            (len(report.new), "new run"),
            (len(report.changed), "changed run"),
            (len(report.purged), "purged run"),
            (report.segments, "segment"),
            (report.experiments, "experiment"),
            (report.models, "model"),
        )
        if count
    ]
    if report.records:
        brought.append("records")
    yield (
        f"fetched {_listed(brought)} from {printable(report.remote)}"
        if brought
        else (f"nothing new on {printable(report.remote)}")
    )
    if len(report.purged) > 1:
        yield f"warning: {len(report.purged)} runs were purged by others and are hidden now"
        yield "  (while their bytes are here: git runs keep RUN)"
    yield from _bad_lines(report.quarantined)
    yield from _waiting_lines(report.waiting, now_ms)
    yield from _changed_there(report)
    for run_id, tip in report.taken:
        yield f"took the remote's state of {run_id[:8]}; it was at {tip[:12]} here"


def _bad_lines(bad: Sequence[Bad]) -> Iterator[str]:
    if not bad:
        return
    yield f"warning: {_count(len(bad), 'ref')} {'is' if len(bad) == 1 else 'are'} not what it should be, and not taken:"
    for one in bad[:MAX_SHOWN]:
        yield f"  {_short(one.ref)}: {printable(one.reason)}"
    if len(bad) > MAX_SHOWN:
        yield f"  … and {len(bad) - MAX_SHOWN} more (--json lists them)"


def _waiting_lines(waiting: Sequence[Bad], now_ms: int) -> Iterator[str]:
    for one in waiting[:MAX_SHOWN]:
        until = f"; it is taken in {duration(one.until_ms - now_ms)}" if one.until_ms else ""
        yield f"waiting: {_short(one.ref)}: {printable(one.reason)}{until}"
    if len(waiting) > MAX_SHOWN:
        yield f"  … and {len(waiting) - MAX_SHOWN} more waiting"


def _changed_there(report: FetchReport) -> Iterator[str]:
    remote = printable(report.remote)
    gone = len(report.lost) + len(report.lost_others)
    if gone:
        what = _count(len(report.lost), "run") if report.lost else _count(len(report.lost_others), "ref")
        yield f"warning: {remote} has lost {what} that it had; here nothing was changed"
        yield f"  {_ids(report.lost) or ', '.join(map(_short, report.lost_others[:MAX_SHOWN]))}"
        yield f"  (put back: git runs push {remote} --restore; drop here too: git runs fetch {remote} --take)"
    if report.rewritten_records:
        yield f"warning: {remote} has lost records that it had; here they are kept"
        yield f"  {', '.join(map(_short, report.rewritten_records[:MAX_SHOWN]))}"
        yield f"  (put back: git runs push {remote} --restore; drop here too: git runs fetch {remote} --take)"
    if report.rewritten:
        yield f"warning: {remote} has rewritten {_count(len(report.rewritten), 'run')}; here nothing was changed"
        yield f"  {_ids(report.rewritten)}"
        yield f"  (keep ours: git runs push {remote} --restore; take theirs: git runs fetch {remote} --take)"


def _ids(runs: Sequence[str]) -> str:
    more = f" … and {len(runs) - MAX_SHOWN} more" if len(runs) > MAX_SHOWN else ""
    return ", ".join(run_id[:8] for run_id in runs[:MAX_SHOWN]) + more


def _short(ref: str) -> str:
    name = printable(ref.removeprefix("refs/runs/"))
    return f"run {name[:8]}" if len(name) == 32 and "/" not in name else name


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# JSON


def push_record(report: PushReport) -> dict[str, Any]:
    """Returns a push as JSON has it."""
    artifacts = report.artifacts
    return {
        "remote": report.remote,
        "dry_run": report.dry_run,
        "runs": list(report.runs),
        "purged": list(report.purged),
        "experiments": report.experiments,
        "models": report.models,
        "records": report.records,
        "numbers": list(report.numbers),
        "segments": report.segments,
        "removed_refs": report.folded,
        "held": [{"id": one.run_id, "reason": one.reason, "commit": one.commit} for one in report.held],
        "files": [
            {
                "path": one.path,
                "change": one.change,
                "size": one.size_bytes,
                "untracked": one.untracked,
                "snapshot": one.snapshot,
                "pushed": one.allowed,
            }
            for one in report.files
        ],
        "artifacts": {
            "uploaded": artifacts.uploaded,
            "uploaded_bytes": artifacts.uploaded_bytes,
            "pending": len(artifacts.pending),
            "pending_bytes": artifacts.pending_bytes,
            "missing": list(artifacts.missing),
            "problem": artifacts.why,
        },
        "refused": dict(report.refused),
        "rejections": report.rejections,
    }


def fetch_record(report: FetchReport) -> dict[str, Any]:
    """Returns a fetch as JSON has it."""

    def bad(found: Sequence[Bad]) -> list[dict[str, Any]]:
        return [
            {"ref": one.ref, "commit": one.oid or None, "kind": one.kind, "reason": one.reason, "until": one.until_ms}
            for one in found
        ]

    return {
        "remote": report.remote,
        "new": list(report.new),
        "changed": list(report.changed),
        "purged": list(report.purged),
        "segments": report.segments,
        "experiments": report.experiments,
        "models": report.models,
        "records": report.records,
        "quarantined": bad(report.quarantined),
        "waiting": bad(report.waiting),
        "lost": list(report.lost),
        "lost_refs": list(report.lost_others),
        "rewritten_records": list(report.rewritten_records),
        "rewritten": list(report.rewritten),
        "taken": [{"id": run_id, "was": tip} for run_id, tip in report.taken],
    }


def waiting_record(waiting: Waiting) -> dict[str, Any]:
    """Returns what waits as JSON has it."""
    return {
        "name": waiting.remote,
        "to_push": list(waiting.to_push),
        "held": [{"id": one.run_id, "reason": one.reason, "commit": one.commit} for one in waiting.held],
        "records": waiting.records,
        "lost": list(waiting.lost),
        "rewritten": list(waiting.rewritten),
        "quarantined": list(waiting.quarantined),
        "waiting": list(waiting.ahead),
        "pending_artifacts": waiting.pending,
        "pending_bytes": waiting.pending_bytes,
    }
