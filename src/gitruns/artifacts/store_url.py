"""The address of a store: a folder, or a URL that fsspec knows.

Addresses may come from a committed file, which is to say from anybody: they are checked here, before any library sees
them, and are shown without their password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from gitruns.artifacts.failures import shown
from gitruns.errors import InvalidInputError

FOLDER = "file"

S3_OPTIONS = ("endpoint_url", "profile", "region")
"""What may stand behind the `?` of an `s3://` URL. None of them is a secret."""

_PROTOCOL = re.compile(r"([a-z][a-z0-9+.-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z")
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az", "ssh": "sftp", "local": FOLDER}
_READ_ONLY = {"http", "https", "git", "github", "data", "zip", "tar", "libarchive", "reference", "jupyter", "dask"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """A checked address. `text` is all of it, secrets too: for libraries only, people see `shown`.

    `path` is the folder of a `file` store, or the bucket and what stands before each key of an S3 one.
    """

    protocol: str
    path: str
    text: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_folder(self) -> bool:
        """Whether the store is a folder of this machine, or one that is mounted here."""
        return self.protocol == FOLDER

    @property
    def has_password(self) -> bool:
        """Whether a password stands in the address."""
        return not self.is_folder and urlsplit(self.text).password is not None

    @property
    def shown(self) -> str:
        """The address as people may see it."""
        return shown(self.path if self.is_folder else without_password(self.text))


def parse_store_url(text: str, base: Path) -> StoreUrl:
    """Returns the address that a text names; folders that are not absolute are below `base`.

    Raises `InvalidInputError`, kind `bad-store-url`.
    """
    if not text.strip() or not text.isprintable():
        raise _bad(text, "it is empty" if not text.strip() else "it holds characters that cannot be seen")
    if "::" in text:
        raise _bad(text, "chained addresses are not opened")
    match = _PROTOCOL.match(text)
    if match is None:
        return _folder(text, base)
    protocol = _ALIASES.get(match[1], match[1])
    if protocol in _READ_ONLY:
        raise _bad(text, f"'{protocol}' cannot be written to")
    if protocol == FOLDER:
        host, slash, path = text[match.end() :].partition("/")
        if host not in ("", "localhost") or not slash:
            raise _bad(text, "write file:///absolute/path")
        return _folder("/" + path, base)
    if protocol == "s3":
        return _s3(text)
    return StoreUrl(protocol=protocol, path=text[match.end() :], text=text)


def without_password(text: str) -> str:
    """Returns a URL without its password, and the text of a broken one without all that could be one."""
    try:
        parts = urlsplit(text)
        secret = parts.password is not None
    except ValueError:
        return re.sub(r"//[^/]*@", "//", text)
    if not secret:
        return text
    login, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}@{host}"))


def _folder(text: str, base: Path) -> StoreUrl:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise _bad(text, "there is no such home folder") from error
    absolute = os.path.realpath(base / path)
    return StoreUrl(protocol=FOLDER, path=absolute, text=absolute)


def _s3(text: str) -> StoreUrl:
    try:
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _bad(text, str(error)) from error
    if "@" in parts.netloc or not _BUCKET.match(parts.netloc):
        raise _bad(text, "write s3://bucket/prefix; credentials come from your environment")
    unknown = sorted(set(options).difference(S3_OPTIONS))
    if unknown or parts.fragment:
        raise _bad(text, f"'{(unknown or ['#' + parts.fragment])[0]}' is not one of {', '.join(S3_OPTIONS)}")
    prefix = "/".join(part for part in parts.path.split("/") if part)
    if any(part in (".", "..") for part in prefix.split("/")):
        raise _bad(text, "'.' and '..' are no folders of a bucket")
    path = f"{parts.netloc}/{prefix}" if prefix else parts.netloc
    return StoreUrl(protocol="s3", path=path, text=text, options=MappingProxyType(options))


def _bad(text: str, why: str) -> InvalidInputError:
    address = shown(without_password(text))
    return InvalidInputError(
        f"cannot use '{address}' as store: {why}",
        kind="bad-store-url",
        hint="a folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or sftp://host/folder",
    )
