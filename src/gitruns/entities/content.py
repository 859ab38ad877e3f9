"""What a path among a run's artifacts names, and the one digest that it has: of a file, or of all files in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from gitruns.entities.artifact import Artifact
from gitruns.entities.canonical import encode_list
from gitruns.entities.ids import Digest


def artifacts_at(artifacts: Iterable[Artifact], path: str) -> list[Artifact]:
    """Returns the artifact of that path, or those in the folder of that path; all of them for an empty one."""
    prefix = f"{path}/" if path else ""
    return [one for one in artifacts if one.path == path or one.path.startswith(prefix)]


def digest_of(artifacts: Iterable[Artifact], path: str) -> Digest:
    """Returns the digest of what a path names: of the file, or of the canonical list of the files in a folder.

    Paths in the list are relative to the folder, so that equal models have equal digests wherever they are.
    """
    listed = sorted(artifacts, key=lambda one: one.path)
    if len(listed) == 1 and listed[0].path == path:
        return listed[0].digest
    start = len(path) + 1 if path else 0
    items = ({"path": one.path[start:], "sha256": one.digest, "size": one.size_bytes} for one in listed)
    return Digest(sha256(encode_list(items)).hexdigest())
