"""A store in S3, or in what speaks its language (MinIO, Ceph, R2 …), through s3fs.

s3fs keeps the client, its connections and the user's credentials; what it asks is said here, because its own upload
does not go on after a kill, and because every answer is checked: what was sent is compared with the MD5 that the store
computed of what it got.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitruns.artifacts.bucket import Entry, OnBytes
from gitruns.artifacts.fsspec_bucket import FsspecBucket, open_file_system
from gitruns.artifacts.multipart import PART_BYTES, UploadNotes, part_ranges
from gitruns.artifacts.remote_retry import WrongAnswerError
from gitruns.artifacts.store_url import StoreUrl, parse_store_url
from gitruns.errors import NotFoundError

_MD5 = re.compile(r"[0-9a-f]{32}(?:-\d+)?\Z")
_REMOVED_AT_ONCE = 1000


class S3Bucket(FsspecBucket):
    """Keys of a bucket. `notes` remembers unfinished uploads."""

    jobs = 8

    def __init__(self, url: StoreUrl, notes: UploadNotes) -> None:
        plain = parse_store_url(f"s3://{url.path}", Path())
        options: dict[str, Any] = {
            "config_kwargs": {
                "connect_timeout": 10,
                "read_timeout": 60,
                "max_pool_connections": 2 * self.jobs,
                "retries": {"mode": "standard", "max_attempts": 1},  # `with_retries` does that
            },
            "client_kwargs": {},
            "use_listings_cache": False,
            "skip_instance_cache": True,
        }
        if "endpoint_url" in url.options:
            options["endpoint_url"] = url.options["endpoint_url"]
            # Others than AWS have often not learned the newer checksums. The MD5 is compared in any case.
            options["config_kwargs"]["request_checksum_calculation"] = "when_required"
        if "region" in url.options:
            options["client_kwargs"]["region_name"] = url.options["region"]
        if "profile" in url.options:
            options["profile"] = url.options["profile"]
        file_system, prefix = open_file_system(plain, **options)
        file_system.retries = 1
        super().__init__(url, file_system, prefix)
        self._notes = notes
        self._bucket, _, key_prefix = self._prefix.partition("/")
        self._key_prefix = f"{key_prefix}/" if key_prefix else ""
        self._md5_is_told: bool | None = None
        self._parts: Executor | None = None

    def stat(self, key: str) -> Entry | None:
        """Returns size and time of a key."""
        head = self._head(key)
        if head is None:
            return None
        return Entry(key=key, size_bytes=head["ContentLength"], modified_s=head["LastModified"].timestamp())

    def read(self, key: str, start: int, end: int) -> bytes:
        """Returns some bytes of a key."""

        def ask() -> bytes:
            try:
                data: bytes = self._fs.cat_file(self._path(key), start=start, end=end)
            except OSError as error:
                if _code(error) == "InvalidRange":  # nothing stands from there on
                    return b""
                raise
            return data

        return b"" if start >= end else self._try(ask, f"read '{key}'")

    def write(self, key: str, data: bytes, *, create: bool = False) -> None:
        """Puts some bytes with one request."""
        sum_ = hashlib.md5(data, usedforsecurity=False)
        md5 = sum_.hexdigest()
        condition = {"ContentMD5": base64.b64encode(sum_.digest()).decode()} | ({"IfNoneMatch": "*"} if create else {})

        def put() -> None:
            answer = self._ask("put_object", Key=self._key(key), Body=data, **condition)
            self._compare(answer, md5, lambda: self._is(key, data))
            self._check_size(key, len(data))

        try:
            self._try_in_bucket(put, f"write '{key}'")
        except FileExistsError:
            if not self._is(key, data):  # else it was written before, and the answer was lost on the way
                raise

    def write_file(self, key: str, path: Path, size: int, on_bytes: OnBytes) -> None:
        """Puts the bytes of a file, in parts where it is long, several at a time."""
        if size <= PART_BYTES:
            self.write(key, path.read_bytes())
            on_bytes(size)
            return
        try:
            self._write_parts(key, path, size, on_bytes)
        except FileNotFoundError:  # somebody has dropped the upload that we went on with: begin anew, once
            self._notes.forget(key)
            self._write_parts(key, path, size, on_bytes)

    def _write_parts(self, key: str, path: Path, size: int, on_bytes: OnBytes) -> None:
        upload, there = self._begin(key)
        try:
            self._send(key, upload, there, path, size, on_bytes)
        except BaseException:
            if not self._notes.can_note:
                self._abort(key, upload)
            raise
        self._notes.forget(key)

    def holds(self, key: str, path: Path, size: int) -> bool:
        """Returns whether a key has these bytes, by the MD5 that the store tells where it was put as we put it."""
        head = self._head(key)
        if head is None or head["ContentLength"] != size:
            return False
        try:
            self._compare(head, _md5_of(path, size, str(head.get("ETag", ""))), lambda: False)
        except WrongAnswerError:
            return False
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yields what is below a prefix, a page at a time."""
        start = len(self._key_prefix)
        token: dict[str, str] = {}
        while True:
            page = self._try_in_bucket(
                lambda: self._ask("list_objects_v2", Prefix=self._key_prefix + prefix, **token),  # noqa: B023
                f"list '{prefix}'",
            )
            for item in page.get("Contents", ()):
                yield Entry(
                    key=item["Key"][start:], size_bytes=item["Size"], modified_s=item["LastModified"].timestamp()
                )
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, keys: Iterable[str]) -> None:
        """Removes keys, a thousand at a time."""
        listed = [{"Key": self._key(key)} for key in keys]
        for first in range(0, len(listed), _REMOVED_AT_ONCE):
            chosen = {"Objects": listed[first : first + _REMOVED_AT_ONCE], "Quiet": True}

            def ask(chosen: dict[str, Any] = chosen) -> None:
                answer = self._ask("delete_objects", Delete=chosen)
                if answer.get("Errors"):
                    raise WrongAnswerError(str(answer["Errors"][0].get("Message")))

            self._try_in_bucket(ask, "remove objects")

    def leftovers(self, older_than_s: float) -> Iterator[str]:
        """Yields the uploads in parts that were begun so long ago, and not finished."""
        latest = time.time() - older_than_s
        marker: dict[str, str] = {}
        while True:
            page = self._try_in_bucket(
                lambda: self._ask("list_multipart_uploads", Prefix=self._key_prefix, **marker),  # noqa: B023
                "list unfinished uploads",
            )
            for item in page.get("Uploads", ()):
                if item["Initiated"].timestamp() <= latest:
                    yield f"{item['Key'][len(self._key_prefix) :]} {item['UploadId']}"
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def remove_leftover(self, name: str) -> None:
        """Drops one unfinished upload."""
        key, _, upload = name.partition(" ")
        self._abort(key, upload)

    # Uploads in parts

    def _begin(self, key: str) -> tuple[str, dict[int, str]]:
        """Returns the id of an upload, and the MD5 of each part that is there already."""
        noted = self._notes.get(key)
        if noted is not None:
            with suppress(FileNotFoundError, _GoneError):
                return noted, self._parts_there(key, noted)
        answer = self._try_in_bucket(lambda: self._ask("create_multipart_upload", Key=self._key(key)), f"write '{key}'")
        self._notes.put(key, answer["UploadId"])
        return answer["UploadId"], {}

    def _parts_there(self, key: str, upload: str) -> dict[int, str]:
        found: dict[int, str] = {}
        marker: dict[str, int] = {}
        while True:
            page = self._try_in_bucket(
                lambda: self._ask("list_parts", Key=self._key(key), UploadId=upload, **marker),  # noqa: B023
                f"list the parts of '{key}'",
            )
            found |= {part["PartNumber"]: part["ETag"].strip('"') for part in page.get("Parts", ())}
            if not page.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    def _send(self, key: str, upload: str, there: dict[int, str], path: Path, size: int, on_bytes: OnBytes) -> None:
        sums: dict[int, bytes] = {}
        tags: dict[int, str] = {}

        def send(number: int, start: int, end: int) -> None:
            with path.open("rb", buffering=0) as file:
                file.seek(start)
                data = file.read(end - start)
            md5 = hashlib.md5(data, usedforsecurity=False)
            sums[number] = md5.digest()
            if there.get(number) == md5.hexdigest():
                tags[number] = there[number]
            else:
                tags[number] = self._send_part(key, upload, number, data, md5.hexdigest())
            on_bytes(end - start)

        pool = self._part_pool()
        jobs = [pool.submit(send, number, *part) for number, part in enumerate(part_ranges(size), 1)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
        whole = hashlib.md5(b"".join(sums[number] for number in sorted(sums)), usedforsecurity=False).hexdigest()
        self._finish(key, upload, tags, f"{whole}-{len(sums)}", size)

    def _send_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
        def put() -> str:
            answer = self._ask("upload_part", Key=self._key(key), UploadId=upload, PartNumber=number, Body=data)
            self._compare(answer, md5, lambda: False)
            tag: str = answer["ETag"]
            return tag

        return str(self._try_in_bucket(put, f"write part {number} of '{key}'"))

    def _finish(self, key: str, upload: str, tags: dict[int, str], md5: str, size: int) -> None:
        parts = [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]

        def ask() -> None:
            try:
                self._ask(
                    "complete_multipart_upload",
                    Key=self._key(key),
                    UploadId=upload,
                    MultipartUpload={"Parts": parts},
                )
            except (FileNotFoundError, _GoneError):  # done before, and the answer was lost; or dropped by somebody
                self._notes.forget(key)
            head = self._head(key)
            if head is None or head["ContentLength"] != size:
                raise WrongAnswerError("it does not have all bytes after the write")
            self._compare(head, md5, lambda: True)

        self._try_in_bucket(ask, f"write '{key}'")

    def _abort(self, key: str, upload: str) -> None:
        with suppress(FileNotFoundError, _GoneError):
            self._try_in_bucket(
                lambda: self._ask("abort_multipart_upload", Key=self._key(key), UploadId=upload), "drop an upload"
            )

    def _part_pool(self) -> Executor:
        if self._parts is None:
            self._parts = ThreadPoolExecutor(self.jobs, thread_name_prefix="gitruns-part")
        return self._parts

    # Questions and answers

    def _ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._fs.call_s3(method, Bucket=self._bucket, **arguments)
        except OSError as error:
            code = _code(error)
            if code == "NoSuchBucket":
                raise self._no_bucket() from error
            if code in ("NoSuchUpload", "NoSuchKey"):
                raise _GoneError from error
            if code in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise FileExistsError(str(arguments.get("Key"))) from error
            raise
        return answer

    def _try_in_bucket(self, do: Any, what: str) -> Any:
        try:
            return self._try(do, what)
        except _GoneError as error:
            raise FileNotFoundError(what) from error

    def _key(self, key: str) -> str:
        return self._path(key)[len(self._bucket) + 1 :]

    def _head(self, key: str) -> dict[str, Any] | None:
        def ask() -> dict[str, Any] | None:
            try:
                return self._ask("head_object", Key=self._key(key))
            except (FileNotFoundError, _GoneError):
                return None

        found: dict[str, Any] | None = self._try(ask, f"look for '{key}'")
        return found

    def _check_size(self, key: str, size: int) -> None:
        head = self._head(key)
        if head is None or head["ContentLength"] != size:
            raise WrongAnswerError("it does not have all bytes after the write")

    def _compare(self, answer: dict[str, Any], md5: str, is_right: Any) -> None:
        """Compares the MD5 that the store computed with ours, unless this store is known to tell something else."""
        told = str(answer.get("ETag", "")).strip('"')
        if "kms" in str(answer.get("ServerSideEncryption", "")) or "SSECustomerAlgorithm" in answer:
            return
        if self._md5_is_told is False or not _MD5.match(told):
            return
        if told == md5:
            self._md5_is_told = True
        elif self._md5_is_told is None and is_right():
            self._md5_is_told = False
        else:
            raise WrongAnswerError("it got other bytes than were sent")

    def _is(self, key: str, data: bytes) -> bool:
        head = self._head(key)
        return head is not None and head["ContentLength"] == len(data) and self.read(key, 0, len(data)) == data

    def _no_bucket(self) -> NotFoundError:
        return NotFoundError(
            f"cannot find the store '{self.shown}': there is no such bucket",
            kind="store-not-found",
            hint=f"make it with your own tools: aws s3 mb s3://{self._bucket}",
        )


def _md5_of(path: Path, size: int, tag: str) -> str:
    """Returns what a store tells of a file that was put as its tag says: with one request, or in our parts."""
    parts = part_ranges(size)
    with path.open("rb", buffering=0) as file:
        if "-" not in tag:
            whole = hashlib.md5(usedforsecurity=False)
            while block := file.read(PART_BYTES):
                whole.update(block)
            return whole.hexdigest()
        if f"-{len(parts)}" != tag.strip('"')[32:]:
            return tag.strip('"')  # other parts than ours: the length has to do
        sums = [hashlib.md5(file.read(end - start), usedforsecurity=False).digest() for start, end in parts]
    return f"{hashlib.md5(b''.join(sums), usedforsecurity=False).hexdigest()}-{len(sums)}"


class _GoneError(FileNotFoundError):
    """The upload or the key is not there."""


def _code(error: BaseException | None) -> str:
    """Returns the store's own code of what went wrong: s3fs keeps it in the cause."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""
