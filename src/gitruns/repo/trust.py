"""Who signed what: runs, registered models and versions, by what git says of their signatures.

The signature of a commit covers its whole history, so a run is trusted as its newest commit is. A merge is made by
nobody and cannot be signed: it counts as its parents do, when making it again from them gives the same commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId, RunId
from gitruns.errors import GitRunsError
from gitruns.gitstore.objects import decode_commit
from gitruns.gitstore.signatures import Signature, Trust, check_commits, check_tags, is_signed_commit
from gitruns.repo.verify import Problem

if TYPE_CHECKING:
    from gitruns.repo.repo import Repo

_WORST_FIRST = (Trust.BAD, Trust.UNSIGNED, Trust.UNKNOWN, Trust.EXPIRED, Trust.GOOD)
_WHY = {
    Trust.BAD: "its signature is wrong: it was changed after it was signed",
    Trust.UNSIGNED: "it is not signed",
    Trust.UNKNOWN: "it is signed with a key that is not known here",
    Trust.EXPIRED: "its signature or key has expired, or the key was revoked",
    Trust.GOOD: "it is signed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One thing and its signature: a run, or a registered model, or one git tag of it (`place`)."""

    run_id: RunId | None
    model: str | None
    place: str
    signature: Signature

    def as_problem(self) -> Problem:
        """Returns it as what is wrong with it."""
        said = _WHY[self.signature.trust]
        by = self.signature.signer or self.signature.key
        return Problem(
            run_id=self.run_id,
            model=self.model,
            place=self.place,
            message=f"{said} ({by})" if by else said,
            kind=self.signature.trust.value,
        )


def check_signatures(repo: Repo, run_ids: Collection[RunId] | None = None) -> Iterator[Signed]:
    """Yields the signature of each run (all by default, and then of each model and git tag of a version too)."""
    tips = repo.store.run_tips()
    chosen = {run_id: tip for run_id, tip in sorted(tips.items()) if run_ids is None or run_id in run_ids}
    models = repo.store.models.tips() if run_ids is None else {}
    grades = _grades(repo, [*chosen.values(), *models.values()])
    for run_id, tip in chosen.items():
        if tip in grades:
            yield Signed(run_id=run_id, model=None, place="commit", signature=grades[tip])
    for model_id, tip in sorted(models.items()):
        if tip in grades:
            yield Signed(run_id=None, model=model_id, place="commit", signature=grades[tip])
    if run_ids is None:
        yield from _tags(repo)


def _tags(repo: Repo) -> Iterator[Signed]:
    named = repo.store.version_tags.all()
    read: dict[ObjectId, bytes] = {}
    for oid in named.values():
        try:
            read[oid] = repo.store.version_tags.read(oid).data
        except GitRunsError:  # what is damaged is said by the other checks
            continue
    grades = check_tags(repo.store.git, read.items())
    for (model_id, number), oid in sorted(named.items()):
        if oid in grades:
            place = f"git tag models/{model_id}/v{number}"
            yield Signed(run_id=None, model=model_id, place=place, signature=grades[oid])


def _grades(repo: Repo, tips: Collection[ObjectId]) -> dict[ObjectId, Signature]:
    """Returns the signature of each commit; of a merge that can be made again, the worst of what was merged."""
    signed: dict[ObjectId, bool] = {}
    merged: dict[ObjectId, tuple[ObjectId, ...]] = {}
    waiting = list(dict.fromkeys(tips))
    while waiting:
        tip = waiting.pop()
        if tip in signed or tip in merged:
            continue
        try:
            commit = decode_commit(repo.store.backend.read_object(tip)[1], tip)
            has_signature = is_signed_commit(commit)
            if not has_signature and len(commit.parents) > 1 and repo.store.recomputes_merge(tip):
                merged[tip] = commit.parents
                waiting += commit.parents
                continue
        except GitRunsError:
            continue
        signed[tip] = has_signature
    grades = check_commits(repo.store.git, signed)
    for tip in reversed(list(merged)):  # what was merged first was found last
        found = [grades[parent] for parent in merged[tip] if parent in grades]
        if found:
            grades[tip] = min(found, key=lambda one: _WORST_FIRST.index(one.trust))
    return grades
