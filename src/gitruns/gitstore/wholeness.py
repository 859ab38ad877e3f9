"""Whether all of a run's objects are really here: a power cut leaves empty files of those that were never synced."""

from __future__ import annotations

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError, NotFoundError
from gitruns.gitstore.backend import Backend
from gitruns.gitstore.chain import own_lineage, own_objects
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.tree_reader import TreeReader


def is_whole(backend: Backend, tip: ObjectId, *, shallow: bool) -> bool:
    """Returns whether each object of the run at `tip` can be read, those of its earlier commits too.

    Those damaged ones that are loose are taken away on the way, because what seems to be here is not written again.
    So ask only of what can be made again. In a shallow clone earlier commits need not be here.
    """
    reader = TreeReader(backend)  # a fresh one: nothing is remembered from before the damage
    try:
        found = own_objects(backend, reader, tip)
        damaged = [oid for oid in found if not _is_readable(backend, oid)]
        return not damaged and (shallow or not _lost_before(backend, reader, tip))
    except NotFoundError:
        return False
    except CorruptDataError as error:
        oid = error.facts.get("oid")
        if isinstance(oid, str):
            backend.drop_damaged(ObjectId(oid))
        return False


def _is_readable(backend: Backend, oid: ObjectId) -> bool:
    try:
        backend.read_object(oid)
    except NotFoundError:
        return False
    except CorruptDataError:
        backend.drop_damaged(oid)
        return False
    return True


def _lost_before(backend: Backend, reader: TreeReader, tip: ObjectId) -> bool:
    """Returns whether a commit of the chain is lost, which looks as if the chain ended behind it."""
    commits = own_lineage(reader, tip).commits
    ends = {parent for commit in commits.values() for parent in commit.parents} - commits.keys()
    with reader.at(tip) as tree:
        data = tree.file(RUN_FILE)
    source = None if data is None else decode_info(data, strict=False).source.commit
    # One that is readable is code that the run names nowhere, unless its tree is damaged: then it only seems to be none
    # of the run's. Each is looked at, so that all that is damaged goes.
    whole = {oid: _is_readable(backend, oid) and is_whole(backend, oid, shallow=True) for oid in ends - {source}}
    return not all(whole.values())
