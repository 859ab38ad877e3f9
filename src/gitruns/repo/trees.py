"""What a new commit of a run carries over from the one before it: points and small texts, as they are."""

from __future__ import annotations

from gitruns.entities.ids import ObjectId
from gitruns.gitstore import GitStore

CARRIED = ("metrics/", "artifacts/")


def carried_files(store: GitStore, commit: ObjectId) -> dict[str, bytes]:
    """Returns the files of a run's tree that its entities do not hold: metric parts and text artifacts, by path."""
    found: dict[str, bytes] = {}
    for path in store.list_tree_files(commit):
        if path.startswith(CARRIED):
            data = store.read_file(commit, path)
            if data is not None:
                found[path] = data
    return found
