"""From an address to the bucket behind it."""

from __future__ import annotations

from pathlib import Path

from gitruns.artifacts.bucket import Bucket
from gitruns.artifacts.folder_bucket import FolderBucket
from gitruns.artifacts.multipart import UploadNotes
from gitruns.artifacts.store_url import StoreUrl


def open_bucket(url: StoreUrl, state: Path | None = None) -> Bucket:
    """Returns the bucket; `state` is a private folder of this clone where unfinished uploads are noted.

    Nothing is asked of the store yet. Raises `InvalidInputError`, kind `extra-missing`, where a package is needed.
    """
    if url.is_folder:
        return FolderBucket(Path(url.path))
    if url.protocol == "s3":
        from gitruns.artifacts.s3_bucket import S3Bucket

        return S3Bucket(url, UploadNotes(state / "uploads" if state is not None else None))
    from gitruns.artifacts.fsspec_bucket import FsspecBucket

    return FsspecBucket(url)
