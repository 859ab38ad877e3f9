"""The work tree that capture looks at, and the folder in which it keeps what is its own.

`<common dir>/gitruns/snapshots/<work tree>/` holds the last snapshot's key, what was found exact, and git's memory of
the files where the user's index was out of date. All of it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitruns.capture.attributes import ATTRIBUTES_FILE, Conversions, find_conversions
from gitruns.capture.index_file import GITLINK_MODE, IndexReader
from gitruns.capture.private_index import PrivateIndex
from gitruns.gitstore.program import GitProgram

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore

_ABANDONED_S = 24 * 3600
"""A temporary folder this old belongs to nobody any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFacts:
    """What an index says beside its content: files that git was told not to look at, submodules, attributes.

    `assumed` are the files that are `assume-unchanged`, `skipped` those that are `skip-worktree`.
    """

    assumed: tuple[bytes, ...]
    skipped: tuple[bytes, ...]
    has_submodules: bool
    attribute_files: tuple[bytes, ...]
    split: bool

    @classmethod
    def of(cls, index: IndexReader) -> IndexFacts:
        """Returns the facts of an index."""
        assumed: list[bytes] = []
        skipped: list[bytes] = []
        attribute_files: list[bytes] = []
        has_submodules = False
        for entry in index:
            if entry.assume_unchanged:
                assumed.append(entry.path)
            if entry.skip_worktree:
                skipped.append(entry.path)
            if entry.path.endswith(ATTRIBUTES_FILE):
                attribute_files.append(entry.path)
            has_submodules = has_submodules or entry.mode == GITLINK_MODE
        return cls(
            assumed=tuple(assumed),
            skipped=tuple(skipped),
            has_submodules=has_submodules,
            attribute_files=tuple(path for path in attribute_files if path.rpartition(b"/")[2] == ATTRIBUTES_FILE),
            split=index.split,
        )


_facts_kept: dict[Path, tuple[str, IndexFacts]] = {}


class Workspace:
    """A repository's work tree, with its index, and capture's private folder for it."""

    def __init__(self, store: GitStore, work_tree: Path, environ: Mapping[str, str]) -> None:
        self.store = store
        self.work_tree = work_tree
        self.environ = environ
        self.users_index = store.paths.git_dir / "index"
        name = hashlib.sha256(os.fsencode(store.paths.git_dir)).hexdigest()[:16]
        self.folder = store.paths.common_dir / "gitruns" / "snapshots" / name
        self.last_file = self.folder / "last.json"

    @property
    def oid_bytes(self) -> int:
        """The length of an object id: 20, or 32 in a SHA-256 repository."""
        return 32 if self.store.backend.object_format == "sha256" else 20

    @property
    def outside(self) -> GitProgram:
        """git on no repository, for those that lie inside the work tree."""
        return GitProgram(None, None, self.environ)

    def index_signature(self) -> str | None:
        """Returns what changes whenever the user's index is written; None when there is none."""
        try:
            found = self.users_index.stat()
        except OSError:
            return None
        return f"{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_size}-{found.st_ino}"

    def index_facts(self) -> IndexFacts | None:
        """Returns the facts of the user's index, read again only when it was written; None when there is none."""
        signature = self.index_signature()
        if signature is None:
            return None
        kept = _facts_kept.get(self.users_index)
        if kept is not None and kept[0] == signature:
            return kept[1]
        facts = IndexFacts.of(self.read_index(self.users_index))
        _facts_kept[self.users_index] = (signature, facts)
        return facts

    def read_index(self, path: Path) -> IndexReader:
        """Returns a reader of an index file; an absent one has no entries."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        return IndexReader(data, oid_bytes=self.oid_bytes)

    def conversions(self, attribute_files: tuple[bytes, ...]) -> Conversions:
        """Returns what git may convert in this work tree."""
        return find_conversions(
            self.store.config, self.work_tree, self.store.paths.common_dir, attribute_files, self.environ
        )

    def configuration(self) -> list[tuple[str, int, int]]:
        """Returns what changes when somebody changes git's configuration, a filter's command for one."""
        home = self.environ.get("HOME", "")
        users = Path(self.environ.get("XDG_CONFIG_HOME") or home + "/.config") / "git"
        paths = self.store.paths
        places = [
            paths.common_dir / "config",
            paths.git_dir / "config.worktree",
            paths.common_dir / "info/exclude",
            paths.common_dir / "info/sparse-checkout",
            Path(self.environ.get("GIT_CONFIG_GLOBAL") or home + "/.gitconfig"),
            users / "config",
            users / "ignore",
        ]
        found = []
        for place in places:
            with suppress(OSError):
                facts = place.stat()
                found.append((str(place), facts.st_mtime_ns, facts.st_size))
        return found

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Gives a folder for one look; in a repository that cannot be written it lies elsewhere."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            name = tempfile.mkdtemp(prefix="tmp-", dir=self.folder)
        except OSError:
            name = tempfile.mkdtemp(prefix="gitruns-snapshot-")
        try:
            yield Path(name)
        finally:
            shutil.rmtree(name, ignore_errors=True)

    def _sweep(self) -> None:
        """Removes what killed processes left."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith("tmp-"):
                    with suppress(OSError):
                        if time.time() - entry.stat().st_mtime > _ABANDONED_S:
                            shutil.rmtree(entry.path, ignore_errors=True)

    # git's memory of the files

    def kept_index(self, signature: str | None) -> Path | None:
        """Returns the copy of the user's index whose stat data git has brought up to date, None when there is none."""
        kept = self._refreshed(signature)
        return kept if kept is not None and kept.exists() else None

    def keep_refreshed(self, index: PrivateIndex, signature: str | None) -> None:
        """Keeps a private index that git refreshed, for as long as the user's stays as it is.

        Else every start on a copied tree, whose index knows no file's times, would read every file again.
        """
        target = self._refreshed(signature)
        if target is None:
            return
        with suppress(OSError):
            spare = target.with_name(f"tmp-{os.urandom(8).hex()}")
            os.link(index.path, spare)  # git never writes an index in place
            spare.replace(target)
            for old in self.folder.glob("index-*"):
                if old != target:
                    old.unlink(missing_ok=True)

    def _refreshed(self, signature: str | None) -> Path | None:
        if signature is None:
            return None
        return self.folder / f"index-{hashlib.sha256(signature.encode()).hexdigest()[:16]}"

    def hidden_by_hand(self, skipped: Sequence[bytes]) -> Sequence[bytes]:
        """Returns those of the `skip-worktree` files that are not just left out by a sparse checkout.

        What sparse rules left out is part of the source as HEAD has it; what stands there all the same ran, and without
        sparse rules somebody set the flag to hide a change, be it that the file is gone.
        """
        if not skipped or (self.store.config("core.sparseCheckout") or "").lower() not in ("true", "yes", "on", "1"):
            return skipped
        root = os.fsencode(self.work_tree) + b"/"
        missing: set[bytes] = set()  # whole folders that are not there cost one look
        found = []
        for path in skipped:
            folder = path.rpartition(b"/")[0]
            if folder in missing:
                continue
            if os.path.lexists(root + path):
                found.append(path)
            elif folder and not os.path.lexists(root + folder):
                missing.add(folder)
        return found
