"""Where artifacts are: an address that a store names, and whether that may be opened.

A store can name any address. What lies below the store itself is opened, and what lies below a folder that the person
who imports has named; all else is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitruns.exchange.fitting import without_credentials
from gitruns.exchange.folders import artifacts_below
from gitruns.exchange.foreign import Damage, ForeignFile

_RUN_ARTIFACTS = re.compile(r"(?:.*/)?(?P<run>[A-Za-z0-9][\w-]{0,255})/artifacts(?:/(?P<path>.*))?\Z", re.DOTALL)
_MODEL_ARTIFACTS = re.compile(r"(?:.*/)?models/(?P<model>m-[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?\Z", re.DOTALL)

_CARRIED = ("", "file", "mlflow-artifacts")


@dataclass(frozen=True, slots=True)
class ArtifactFolders:
    """Folders whose files may be taken, links on the way resolved; the first is the store's own."""

    roots: Sequence[Path]

    def files(self, uri: str, own: Path | None, usual: str, of: str) -> Iterator[ForeignFile | Damage]:
        """Yields the artifacts that an address names.

        `own` is the folder where they are when the store is as MLflow lays it out, `usual` the end of such an address:
        both are tried where the address leads elsewhere, because stores are moved and copied.
        """
        if own is not None and _has_entries(own):
            yield from artifacts_below(own, of)
            return
        named = local_path(uri)
        candidates = [] if named is None else [named]
        candidates += [root / usual for root in self.roots]
        for folder in candidates:
            if self._may_open(folder) and folder.is_dir():
                yield from artifacts_below(Path(os.path.realpath(folder)), of)
                return
        if named is not None and not named.exists():
            return  # MLflow makes the folder with the first artifact
        if uri:
            where = "is not on this machine" if named is None else "is not below the store: --artifacts DIR takes it"
            yield Damage(f"artifacts of {of}", f"they are at '{without_credentials(uri):.200}', which {where}")

    def _may_open(self, folder: Path) -> bool:
        real = Path(os.path.realpath(folder))
        return any(real.is_relative_to(root) for root in self.roots)


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:
        return False


def local_path(uri: str) -> Path | None:
    """Returns the path that an address names on this machine, None for one that is elsewhere."""
    if not uri or "\0" in uri:
        return None
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") and parts.path else None
    return Path(uri) if not parts.scheme else None


def meaning_of(source: str, run: str | None, storage: str = "") -> str:
    """Returns the address of a version's artifacts in words that hold wherever the store is: `runs:/…`, `models:/m-…`.

    `source` is what MLflow says; one that is neither of its run nor of a logged model, or in a bucket, stays as it is.
    """
    if source.startswith(("runs:/", "models:/")):
        return source
    for address in (source, storage):
        if urlsplit(address).scheme not in _CARRIED:
            continue
        text = unquote(address) if address.startswith("file:") else address
        logged = _MODEL_ARTIFACTS.match(text)
        if logged is not None:
            below = (logged["path"] or "").strip("/")
            return f"models:/{logged['model']}" + (f"/{below}" if below else "")
        named = _RUN_ARTIFACTS.match(text)
        if named is not None and run is not None and named["run"] == run:
            below = (named["path"] or "").strip("/")
            return f"runs:/{run}/{below}" if below else f"runs:/{run}"
    return source
