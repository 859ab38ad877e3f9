"""The git tags of model versions: what they say, and the release commits that they stand at.

A release commit has the tree of the source that the run ran, and two parents: that source, and the run. So a checkout
of the tag is the exact code, `v3^2` is the run, CI finds its workflow in it, and the same run gives the same commit.
Source: docs/format.md, "Registered models".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitruns.entities.ids import Digest, ObjectId, RunId, is_digest, is_run_id
from gitruns.entities.model import ModelId, VersionId, is_version_id
from gitruns.entities.run import Identity
from gitruns.errors import ConflictError, CorruptDataError, NotFoundError
from gitruns.gitstore import refs
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import walk_chain
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.commits import message, reason_in
from gitruns.gitstore.objects import Author, Commit, Tag, decode_commit, decode_tag, encode_commit, hash_object
from gitruns.gitstore.signatures import Signer
from gitruns.gitstore.tree_reader import TreeReader
from gitruns.gitstore.trees import write_tree

RELEASER = Identity(name="gitruns", email="gitruns@localhost")
"""Who makes a release commit: nobody, so that all clones make the same one."""

MAX_TAG_BYTES = 1024 * 1024
_TRAILER = re.compile(r"^([A-Z][A-Za-z-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTag:
    """What the git tag of a version says. `subject` and `note` are for people; `target` is what it stands at."""

    model_id: ModelId
    model: str
    number: int
    version_id: VersionId
    run_id: RunId | None = None
    path: str | None = None
    digest: Digest | None = None
    source: str = ""
    target: ObjectId
    subject: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTag:
    """A git tag that was read: what it says, who made it when, and its bytes."""

    oid: ObjectId
    says: VersionTag
    tagger: Author
    data: bytes


class VersionTags:
    """Makes and reads the git tags of versions."""

    def __init__(self, backend: Backend, signer: Signer) -> None:
        self._backend = backend
        self._signer = signer
        self._reader = TreeReader(backend)

    # What a tag stands at

    def release_commit(self, run_tip: ObjectId, *, write: bool = True) -> ObjectId:
        """Returns the release commit of a run, writing it; the run's own commit when the run has no source.

        Without `write` it is only worked out what its id is. Raises `NotFoundError` (kind `object-missing`) when the
        source is not in this clone.
        """
        source = self.source_of(run_tip)
        if source is None:
            return run_tip
        try:
            code = decode_commit(self._reader.read_commit(source), source)
        except NotFoundError as error:
            raise NotFoundError(
                f"cannot make a release of run '{run_tip[:10]}': its source {source[:12]} is not in this clone",
                kind="object-missing",
                hint=f"git fetch origin {source}",
            ) from error
        run = decode_commit(self._reader.read_commit(run_tip), run_tip)
        author = Author(RELEASER, max(run.committer.time_ms, code.committer.time_ms))
        text = message("code and run of a release", {"Source": source, "Run": run_tip})
        commit = Commit(tree=code.tree, parents=(source, run_tip), author=author, committer=author, message=text)
        data = encode_commit(commit)
        if write:
            return self._backend.write_object("commit", data)
        return hash_object("commit", data, self._backend.object_format)

    def source_of(self, run_tip: ObjectId) -> ObjectId | None:
        """Returns the source commit of a run: the parent of its first commit, None when that has none.

        Where a shallow clone does not have the first commit, the run's own facts say it.
        """
        commits = dict(walk_chain(self._reader, run_tip))
        firsts = [
            (commit.author.time_ms, oid) for oid, commit in commits.items() if not commits.keys() & set(commit.parents)
        ]
        parents = commits[min(firsts)[1]].parents
        if not parents or self._backend.has_object(parents[0]):
            return parents[0] if parents else None
        with self._reader.at(run_tip) as tree:
            data = tree.file(RUN_FILE)
        return parents[0] if data is None else decode_info(data, strict=False).source.commit

    def record_commit(self, files: Mapping[str, bytes], time_ms: int) -> ObjectId:
        """Writes a commit without parents for a version that no run made, and returns it."""
        author = Author(RELEASER, time_ms)
        tree = write_tree(self._backend, files)
        commit = Commit(tree=tree, parents=(), author=author, committer=author, message="a version without a run\n")
        return self._backend.write_object("commit", encode_commit(commit))

    # Tags

    def write(self, tag: VersionTag, identity: Identity, time_ms: int, *, sign: bool | None = None) -> ObjectId:
        """Writes the git tag's object and no ref; `sign` None: as the user has set up."""
        kind, _ = self._backend.object_header(tag.target)
        return self._signer.write_tag(
            Tag(
                target=tag.target,
                target_kind=kind,
                name=refs.version_tag(tag.model_id, tag.number),
                tagger=Author(identity, time_ms),
                message=_tag_message(tag),
            ),
            sign=sign,
        )

    def set(self, model_id: ModelId, number: int, tag: ObjectId) -> bool:
        """Makes the ref of a git tag; returns False when it is there already, with whatever it holds."""
        try:
            self._backend.update_ref(refs.version_tag_ref(model_id, number), tag, None)
        except ConflictError:
            return False
        return True

    def at(self, model_id: ModelId, number: int) -> ObjectId | None:
        """Returns what the ref of a version's git tag holds, None when it is not there."""
        return self._backend.read_ref(refs.version_tag_ref(model_id, number))

    def all(self) -> dict[tuple[ModelId, int], ObjectId]:
        """Returns all git tags of versions, by model and number."""
        found = self._backend.list_refs(refs.VERSION_TAGS).items()
        return {named: oid for ref, oid in found if (named := refs.version_of_tag(ref)) is not None}

    def of_model(self, model_id: ModelId) -> dict[int, ObjectId]:
        """Returns the git tags of a model's versions, by number."""
        found = self._backend.list_refs(f"{refs.VERSION_TAGS}{model_id}/").items()
        named = {ref: refs.version_of_tag(ref) for ref, _ in found}
        return {place[1]: oid for ref, oid in found if (place := named[ref]) is not None}

    def read(self, oid: ObjectId) -> ReadTag:
        """Returns what a git tag says; raises `CorruptDataError` (kind `bad-git-tag`) when it is none of ours."""
        kind, data = self._backend.read_object(oid, max_bytes=MAX_TAG_BYTES)
        if kind != "tag":
            raise bad_tag(oid, f"it is a {kind}, not an annotated git tag")
        tag = decode_tag(data, oid)
        return ReadTag(oid=oid, says=_said(oid, tag), tagger=tag.tagger, data=data)


def bad_tag(oid: ObjectId, why: str) -> CorruptDataError:
    """Returns the error for a git tag that is not what the git tag of a version is."""
    return CorruptDataError(f"cannot read git tag '{oid[:12]}': {why}", kind="bad-git-tag", oid=oid)


def _tag_message(tag: VersionTag) -> str:
    trailers = {
        "Model": tag.model,
        "Version": str(tag.number),
        "Version-Id": tag.version_id,
        "Run-Id": tag.run_id,
        "Artifact": tag.path or ("." if tag.path is not None else None),
        "Artifact-Digest": tag.digest,
        "Source-Address": tag.source or None,
    }
    return message(tag.subject or f"{tag.model} v{tag.number}", trailers, tag.note)


def _said(oid: ObjectId, tag: Tag) -> VersionTag:
    named = refs.version_of_tag(f"refs/tags/{tag.name}")
    text = tag.message.partition("\n-----BEGIN ")[0].rstrip("\n") + "\n"
    trailers = dict(_TRAILER.findall(text.rpartition("\n\n")[2]))
    version_id, run_id, digest = (trailers.get(key, "") for key in ("Version-Id", "Run-Id", "Artifact-Digest"))
    if named is None or trailers.get("Version") != str(named[1]) or not is_version_id(version_id):
        raise bad_tag(oid, "its message does not name the version that its name does")
    if (run_id and not is_run_id(run_id)) or (digest and not is_digest(digest)):
        raise bad_tag(oid, "its message names a run or digest that is none")
    path = trailers.get("Artifact")
    return VersionTag(
        model_id=named[0],
        model=trailers.get("Model", named[0]),
        number=named[1],
        version_id=VersionId(version_id),
        run_id=RunId(run_id) if run_id else None,
        path="" if path == "." else path,
        digest=Digest(digest) if digest else None,
        source=trailers.get("Source-Address", ""),
        target=tag.target,
        subject=text.partition("\n")[0],
        note=reason_in(text),
    )
