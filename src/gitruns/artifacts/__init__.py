"""Content-addressed bytes: what runs made, kept once under the digest of what it is.

An `ArtifactStore` holds objects, named by the SHA-256 of their bytes and by nothing else, so no name from outside
becomes a path, equal bytes are kept once, and every read can be checked. `ArtifactCache` is the store on this disk:
an object appears under its name only when it is whole and on disk, and is never changed after. `RemoteStore` is the
store that a team shares, a folder or a bucket; no library for it is loaded before it is used. `ingest_file` and
`ingest_folder` turn what a user names into objects and manifest entries; `safe_join` is the one function that puts
a name from outside below a folder.
"""

from gitruns.artifacts.batch import Batch
from gitruns.artifacts.cache import ArtifactCache
from gitruns.artifacts.ingest import ingest_file, ingest_folder
from gitruns.artifacts.paths import safe_join
from gitruns.artifacts.remote import RemoteStore
from gitruns.artifacts.store import ArtifactStore
from gitruns.artifacts.transfer import OnProgress, TransferProgress

__all__ = [
    "ArtifactCache",
    "ArtifactStore",
    "Batch",
    "OnProgress",
    "RemoteStore",
    "TransferProgress",
    "ingest_file",
    "ingest_folder",
    "safe_join",
]
