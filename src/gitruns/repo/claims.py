"""Numbers that were claimed without the remote, and how it decides on them.

A version made in a clone claims a number. The number is given when the version's git tag comes into being on the
remote: pushed as an object, under the lease that there is no such tag yet. Who comes second takes the next free number,
and says so. Only then is the git tag made here. Source: docs/format.md, "Registered models".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.model import ModelId, ModelVersion, RegisteredModel, VersionId, in_order
from gitruns.errors import CorruptDataError, GitRunsError, NotFoundError
from gitruns.gitstore.refs import VERSION_TAGS, version_of_tag, version_tag_ref
from gitruns.gitstore.transport import Moved, Transport

if TYPE_CHECKING:
    from gitruns.repo.models import Edit
    from gitruns.repo.repo import Repo

_ROUNDS = 50
"""So often a clone may lose every number that it asks for before it gives up until the next sync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """One version whose number is given now, and the number that it was claimed as."""

    model: str
    model_id: ModelId
    version_id: VersionId
    number: int
    claim: int

    @property
    def renumbered(self) -> bool:
        """Whether somebody else had taken the number that was claimed."""
        return self.number != self.claim


@dataclass(slots=True, kw_only=True)
class ClaimReport:
    """What became of claims: given numbers, versions that wait (and for what), and what the remote refused.

    `versions` in `waiting` and `refused` are `name vN` by text to show, each with the reason.
    """

    remote: str
    confirmed: list[Confirmed] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Returns what a person should read, loudest first."""
        said = [
            f"{one.model} v{one.claim} became v{one.number}: somebody else had published v{one.claim} to {self.remote}"
            for one in self.confirmed
            if one.renumbered
        ]
        said += [
            f"{one.model} v{one.number} is confirmed by {self.remote}" for one in self.confirmed if not one.renumbered
        ]
        said += [f"{what} stays unconfirmed: {why}" for what, why in self.waiting.items()]
        said += [f"{self.remote} did not take the git tag of {what}: {why}" for what, why in self.refused.items()]
        return said


@dataclass(slots=True, kw_only=True)
class _Claim:
    model: RegisteredModel
    version: ModelVersion
    number: int

    @property
    def ref(self) -> str:
        return version_tag_ref(self.model.id, self.number)

    @property
    def shown(self) -> str:
        return f"{self.model.name} v{self.version.claim}"


def confirm_claims(
    repo: Repo,
    remote: str | None = None,
    *,
    transport: Transport | None = None,
    may_publish: Callable[[ObjectId], bool] | None = None,
    sign: bool | None = None,
) -> ClaimReport:
    """Lets the remote decide on every number that is claimed here, makes the git tags, and says what came of it.

    A push of a git tag brings the run and its source with it: `may_publish` is asked for each source commit whether
    that may be (default: yes). Raises `RemoteError` when the remote cannot be reached; what was confirmed before stays.
    """
    named = remote or repo.models.decider()
    if not named:
        raise NotFoundError(
            "there is no remote that decides on numbers of versions",
            kind="no-remote",
            hint="name one, or choose for good: git config runs.remote NAME",
        )
    report = ClaimReport(remote=named)
    waiting = _claims(repo, report, may_publish)
    if not waiting:
        return report
    way = transport or Transport(repo.store.git, repo.store.config, named)
    for _ in range(_ROUNDS):
        waiting = _round(repo, way, waiting, report, sign)
        if not waiting:
            return report
    report.waiting |= {claim.shown: "others keep taking the numbers that it asks for" for claim in waiting}
    return report


def fetch_version_tags(repo: Repo, remote: str | None = None, *, transport: Transport | None = None) -> list[str]:
    """Brings the git tags of versions that are confirmed and not here yet; returns their names without `refs/tags/`.

    git itself fetches a tag only with a branch that holds its commit, and no branch holds a release commit. A git tag
    that is here is never moved; a shallow clone gets the code and the run, not the history behind them.
    """
    missing = {
        version_tag_ref(model.id, version.number): version.git_tag
        for model in repo.models.all()
        for version in model.versions.values()
        if version.number is not None
        and version.git_tag is not None
        and repo.store.version_tags.at(model.id, version.number) is None
    }
    named = remote or repo.models.decider()
    if not missing or not named:
        return []
    way = transport or Transport(repo.store.git, repo.store.config, named)
    there = way.list_refs(VERSION_TAGS + "*")
    wanted = sorted(ref for ref, oid in missing.items() if there.get(ref) == oid)
    depth = 2 if repo.store.paths.shallow else None
    way.fetch([f"{ref}:{ref}" for ref in wanted], depth=depth)
    return [ref.removeprefix("refs/tags/") for ref in wanted]


def _claims(repo: Repo, report: ClaimReport, may_publish: Callable[[ObjectId], bool] | None) -> list[_Claim]:
    found = []
    for model in repo.models.all():
        repo.models.settle_model(model.id)
        present = repo.models.get(model.id)
        for version in in_order(one for one in present.versions.values() if not one.confirmed):
            claim = _Claim(model=present, version=version, number=version.claim or 1)
            why = _hindrance(repo, version, may_publish)
            if why is None:
                found.append(claim)
            else:
                report.waiting[claim.shown] = why
    return found


def _hindrance(repo: Repo, version: ModelVersion, may_publish: Callable[[ObjectId], bool] | None) -> str | None:
    if version.run_id is None:
        return None
    if version.run_commit is None:
        return "its run is still live"
    try:
        source = repo.store.version_tags.source_of(version.run_commit)
    except GitRunsError as error:
        return str(error)
    if source is not None and may_publish is not None and not may_publish(source):
        return f"its source {source[:12]} is not published"
    return None


def _round(repo: Repo, way: Transport, claims: list[_Claim], report: ClaimReport, sign: bool | None) -> list[_Claim]:
    """Asks for one number for each claim at once; returns those that lost theirs."""
    there = way.list_refs(VERSION_TAGS + "*")
    known = _ours_already(repo, way, claims, there)
    _choose_numbers(claims, known, there)
    objects: dict[str, ObjectId] = {}
    by_ref: dict[str, _Claim] = {}
    for claim in claims:
        by_ref[claim.ref] = claim
        objects[claim.ref] = known.get(claim.version.id) or _tag_object(repo, claim, report, sign)
    asked = [ref for ref, oid in objects.items() if oid and by_ref[ref].version.id not in known]
    answer = way.push([Moved(ref=ref, new=objects[ref], old=None) for ref in asked])
    won = answer.done | {claim.ref for claim in claims if claim.version.id in known}
    for ref in sorted(won):
        report.confirmed.append(_confirm(repo, by_ref[ref], objects[ref]))
    report.refused |= {by_ref[ref].shown: why for ref, why in answer.refused.items()}
    return [by_ref[ref] for ref in sorted(answer.stale)]


def _choose_numbers(claims: list[_Claim], known: Mapping[VersionId, ObjectId], there: Mapping[str, ObjectId]) -> None:
    """Gives each claim the number that it claimed if that is free on the remote, else the next that is."""
    taken: dict[ModelId, set[int]] = {}
    for ref in there:
        named = version_of_tag(ref)
        if named is not None:
            taken.setdefault(named[0], set()).add(named[1])
    for claim in claims:
        if claim.version.id in known:
            continue
        used = taken.setdefault(claim.model.id, set())
        used |= {one.number for one in claim.model.versions.values() if one.number is not None}
        if claim.number in used:
            claim.number = max(used) + 1
        used.add(claim.number)


def _ours_already(
    repo: Repo, way: Transport, claims: list[_Claim], there: Mapping[str, ObjectId]
) -> dict[VersionId, ObjectId]:
    """Finds git tags on the remote that name versions of ours: an answer was lost, or another clone was quicker."""
    models = {claim.model.id for claim in claims}
    candidates = {ref: oid for ref, oid in there.items() if (named := version_of_tag(ref)) and named[0] in models}
    local = {oid for model_id in models for oid in repo.store.version_tags.of_model(model_id).values()}
    unknown = [oid for oid in candidates.values() if oid not in local]
    missing = [oid for oid in unknown if not repo.store.backend.has_object(oid)]
    if missing:
        way.fetch_objects(missing)
    wanted = {claim.version.id: claim for claim in claims}
    found: dict[VersionId, ObjectId] = {}
    for ref, oid in candidates.items():
        if oid not in unknown:
            continue
        try:
            says = repo.store.version_tags.read(oid).says
        except (CorruptDataError, NotFoundError):
            continue
        claim = wanted.get(says.version_id)
        if claim is not None and version_tag_ref(says.model_id, says.number) == ref:
            claim.number = says.number
            found[says.version_id] = oid
    return found


def _tag_object(repo: Repo, claim: _Claim, report: ClaimReport, sign: bool | None) -> ObjectId:
    try:
        return repo.models.tag_object(claim.model, claim.version, claim.number, sign=sign) or ObjectId("")
    except GitRunsError as error:
        report.waiting[claim.shown] = str(error)
        return ObjectId("")


def _confirm(repo: Repo, claim: _Claim, git_tag: ObjectId) -> Confirmed:
    """Writes down that a number is given, and makes the git tag here."""
    claimed = claim.version.claim or claim.number

    def change(old: RegisteredModel, time_ms: int) -> Edit | None:
        before = old.versions[claim.version.id]
        if before.number is not None:
            return None
        after = replace(before, number=claim.number, git_tag=git_tag)
        told = f"confirm v{claim.number}" + (f", was claimed as v{claimed}" if claim.number != claimed else "")
        return replace(old, versions=read_only({**old.versions, after.id: after})), (), told

    repo.models.edit(claim.model.id, change)
    tags = repo.store.version_tags
    if not tags.set(claim.model.id, claim.number, git_tag) and tags.at(claim.model.id, claim.number) != git_tag:
        # A git tag of this number that no remote knows: ours is what is published, so ours it is.
        repo.store.backend.update_ref(claim.ref, git_tag, tags.at(claim.model.id, claim.number))
    repo.store.models.sync_tag(claim.model.id, claim.number)
    return Confirmed(
        model=claim.model.name,
        model_id=claim.model.id,
        version_id=claim.version.id,
        number=claim.number,
        claim=claimed,
    )
