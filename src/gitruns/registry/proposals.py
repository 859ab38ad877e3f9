"""Promotion by two people: a small file says which alias shall name which version; a review merges it; then it counts.

The file holds what the alias named when it was written, so a promotion that somebody overtook is refused and not done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.artifacts import safe_join
from gitruns.entities.canonical import encode_mapping
from gitruns.entities.model import is_version_id
from gitruns.errors import ConflictError, InvalidInputError, NotFoundError
from gitruns.gitstore.refs import encode_model_name
from gitruns.gitstore.yaml_text import read_config
from gitruns.registry import names

if TYPE_CHECKING:
    from gitruns.registry.registered import RegisteredVersion
    from gitruns.registry.registry import Registry

FOLDER = "promotions"
_KEYS = frozenset(("alias", "digest", "model", "reason", "version", "version_id", "was"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a file proposes. `was` is the number that the alias named when it was written, None for none."""

    model: str
    alias: str
    version: int
    version_id: str
    was: int | None = None
    reason: str = ""
    digest: str | None = None


def propose(
    registry: Registry, name: str, alias: str, version: int | str, *, reason: str = ""
) -> tuple[Path, Proposal]:
    """Writes a proposal into the work tree, below `promotions/`, and returns where and what; nothing is promoted.

    Raises `InvalidInputError` (kind `no-work-tree`) in a bare repository.
    """
    alias = names.check_alias(alias)
    target = registry.get_version(name, version)
    before = target.model.versions.get(target.model.aliases.get(alias, target.version.id))
    was = before.shown_number if alias in target.model.aliases and before is not None else None
    proposal = Proposal(
        model=name,
        alias=alias,
        version=target.version.shown_number,
        version_id=target.version.id,
        was=was,
        reason=reason,
        digest=target.version.digest,
    )
    work_tree = registry.repo.store.paths.work_tree
    if work_tree is None:
        raise InvalidInputError("cannot write a proposal: a bare repository has no work tree", kind="no-work-tree")
    # The name comes from outside, so it is encoded as for a ref, and joined by the one function that stays inside.
    file = safe_join(work_tree, f"{FOLDER}/{target.model.id}.{encode_model_name(alias)}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_encode(proposal))
    return file, proposal


def _encode(proposal: Proposal) -> bytes:
    fields = {
        "alias": proposal.alias,
        "digest": proposal.digest,
        "model": proposal.model,
        "reason": proposal.reason or None,
        "version": proposal.version,
        "version_id": proposal.version_id,
        "was": proposal.was,
    }
    return encode_mapping({key: value for key, value in fields.items() if value is not None})


def read_proposal(file: Path) -> Proposal:
    """Returns what a file proposes; raises `InvalidInputError` (kind `bad-proposal`) or `NotFoundError`."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"there is no file '{file}'", kind="file-not-found") from error
    found = read_config(data, file.name)
    unknown = sorted(set(found) - _KEYS)
    if unknown:
        raise _bad(file, f"'{unknown[0]}' is no key of a proposal")
    version, was = found.get("version"), found.get("was")
    texts = {key: found.get(key) for key in ("model", "alias", "version_id")}
    if any(not isinstance(text, str) for text in texts.values()) or not is_version_id(str(texts["version_id"])):
        raise _bad(file, "it must name model, alias, version and version_id")
    if type(version) is not int or version < 1 or (was is not None and (type(was) is not int or was < 1)):
        raise _bad(file, "'version' and 'was' must be numbers of versions")
    reason, digest = found.get("reason", ""), found.get("digest")
    if not isinstance(reason, str) or not (digest is None or isinstance(digest, str)):
        raise _bad(file, "'reason' and 'digest' must be text")
    return Proposal(
        model=names.check_name(texts["model"]),
        alias=names.check_alias(texts["alias"]),
        version=version,
        version_id=str(texts["version_id"]),
        was=was,
        reason=reason,
        digest=digest,
    )


def _bad(file: Path, why: str) -> InvalidInputError:
    return InvalidInputError(f"cannot read proposal '{file}': {why}", kind="bad-proposal")


def apply_proposal(registry: Registry, proposal: Proposal, *, reason: str = "") -> RegisteredVersion:
    """Does what was proposed; when it is done already, nothing.

    Raises `ConflictError`: kind `alias-moved` when the alias names another version than it did, `version-changed`
    when the number names another version, or other bytes, than the proposal says.
    """
    target = registry.get_version(proposal.model, proposal.version)
    same_bytes = proposal.digest is None or proposal.digest == target.version.digest
    if target.version.id != proposal.version_id or not same_bytes:
        raise ConflictError(
            f"v{proposal.version} of '{proposal.model}' is not the version that was proposed",
            kind="version-changed",
            hint=f"propose it again: git runs model promote {proposal.model}@{proposal.alias} N --propose",
        )
    if target.model.aliases.get(proposal.alias) == target.version.id:
        return target
    return registry.set_alias(
        proposal.model, proposal.alias, proposal.version, expected=proposal.was, reason=reason or proposal.reason
    )
