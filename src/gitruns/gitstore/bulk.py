"""Reads many runs for a list or an index: only the files that those show, and no object twice.

What `read_run` reads beside them (environment, artifacts, points, stamps) is passed over. An object's content is not
hashed again, as git's own reading does not; `verify` does that. Whatever is out of the ordinary takes the careful way
of `read_run`, whose errors it then has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from gitruns.entities.environment import read_only
from gitruns.entities.ids import ObjectId
from gitruns.entities.run import Run
from gitruns.errors import GitRunsError
from gitruns.gitstore.codec.info import RUN_FILE, decode_info
from gitruns.gitstore.codec.metrics import METRICS_FILE, decode_summaries
from gitruns.gitstore.codec.parts import INPUTS_FILE, PARAMS_FILE, TAGS_FILE, decode_inputs, decode_params, decode_tags
from gitruns.gitstore.codec.version import FORMAT_BYTES, FORMAT_FILE
from gitruns.gitstore.objects import HEX_LENGTHS
from gitruns.gitstore.tree_reader import MAX_COMMIT_BYTES
from gitruns.gitstore.yaml_text import MAX_FILE_BYTES

ReadObject = Callable[[ObjectId, int], "tuple[str, bytes]"]
"""Returns kind and content of an object of at most so many bytes."""

MAX_TREE_BYTES = 64 * 1024
_READ = {name.encode(): name for name in (FORMAT_FILE, RUN_FILE, PARAMS_FILE, TAGS_FILE, METRICS_FILE, INPUTS_FILE)}


class _UnusualError(Exception):
    """A run that is not stored as nearly all are."""


class BulkReader:
    """Reads runs by commit; `read` is how objects are had, `carefully` how a run is read that is unusual."""

    def __init__(self, read: ReadObject, carefully: Callable[[ObjectId], Run], object_format: str) -> None:
        self._read = read
        self._carefully = carefully
        raw = HEX_LENGTHS[object_format] // 2
        self._entry = re.compile(rb"(?:100644|40000) ([^/\0]+)\0(.{%d})" % raw, re.DOTALL)
        self._formats: dict[bytes, bool] = {}

    def runs(self, commits: Iterable[ObjectId]) -> Iterator[Run | GitRunsError]:
        """Yields the run of each commit, or why it cannot be read, in order."""
        for commit in commits:
            try:
                yield self._run(commit)
            except (GitRunsError, _UnusualError, UnicodeDecodeError):
                try:
                    yield self._carefully(commit)
                except GitRunsError as error:
                    yield error

    def _run(self, commit: ObjectId) -> Run:
        files = self._files(self._tree(commit))
        if not self._is_plain_format(files[FORMAT_FILE]):
            raise _UnusualError
        params, tags, metrics, inputs = map(files.get, (PARAMS_FILE, TAGS_FILE, METRICS_FILE, INPUTS_FILE))
        return Run(
            info=decode_info(self._blob(files[RUN_FILE])),
            params=read_only({} if params is None else decode_params(self._blob(params))),
            tags=read_only({} if tags is None else decode_tags(self._blob(tags))),
            metrics=read_only({} if metrics is None else decode_summaries(self._blob(metrics), METRICS_FILE)),
            inputs=() if inputs is None else decode_inputs(self._blob(inputs)),
            commit=commit,
        )

    def _tree(self, commit: ObjectId) -> ObjectId:
        kind, data = self._read(commit, MAX_COMMIT_BYTES)
        end = 5 + len(commit)
        if kind != "commit" or data[:5] != b"tree " or data[end : end + 1] != b"\n":
            raise _UnusualError
        return ObjectId(data[5:end].decode())

    def _files(self, tree: ObjectId) -> dict[str, bytes]:
        """Returns the raw ids of the files that are read."""
        kind, data = self._read(tree, MAX_TREE_BYTES)
        found, end = {}, 0
        for match in self._entry.finditer(data):
            if match.start() != end:
                raise _UnusualError
            end = match.end()
            name = _READ.get(match[1])
            if name is not None:
                found[name] = match[2]
        if kind != "tree" or end != len(data) or FORMAT_FILE not in found or RUN_FILE not in found:
            raise _UnusualError
        return found

    def _is_plain_format(self, raw: bytes) -> bool:
        known = self._formats.get(raw)
        if known is None:
            known = self._formats[raw] = self._blob(raw) == FORMAT_BYTES
        return known

    def _blob(self, raw: bytes) -> bytes:
        kind, data = self._read(ObjectId(raw.hex()), MAX_FILE_BYTES)
        if kind != "blob":
            raise _UnusualError
        return data
