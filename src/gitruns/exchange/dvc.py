"""Experiments of DVC: commits below `refs/exps`, read by git; DVC need not be installed.

    refs/exps/<2 hex>/<other hex of the baseline>/<name>     one experiment
    dvc.yaml dvc.lock params.yaml metrics.json dvclive/…     in the commit's tree
    .dvc/cache/files/md5/<2 hex>/<other hex>                 files that are not in git

The commit is the run's code, parameters and all. Sources: dvc/repo/experiments/refs.py, dvc.org/doc/user-guide.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitruns.entities.ids import ObjectId
from gitruns.entities.run import RunStatus
from gitruns.entities.values import Point, Scalar
from gitruns.errors import CorruptDataError, GitRunsError, InvalidInputError
from gitruns.exchange.foreign import Damage, ForeignExperiment, ForeignFile, ForeignModel, ForeignRun
from gitruns.gitstore import GitStore, open_store
from gitruns.gitstore.yaml_text import read_config

_REF = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38}|[0-9a-f]{62})/(.+)\Z")
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?\Z")
_PLOTS = re.compile(r"(?:.*/)?plots/metrics/(.+)\.tsv\Z", re.DOTALL)
_MAX_BYTES = 16 * 1024 * 1024
_EXPERIMENT = "dvc"
_METRICS = ("metrics.json", "metrics.yaml", "dvclive/metrics.json")
_PARAMS = ("params.yaml", "params.json", "dvclive/params.yaml")


@dataclass(frozen=True, slots=True)
class _Commit:
    name: str
    base: str
    commit: ObjectId


class DvcRepository:
    """Reads the experiments of one repository, often the very one that they come into."""

    namespace = "dvc"

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._store: GitStore = open_store(folder, environ=environ)
        self._commits: dict[str, _Commit] = {}
        for line in self._git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
            commit, _, ref = line.partition(" ")
            match = _REF.match(ref)
            if match is not None:
                self._commits[commit] = _Commit(match[3], match[1] + match[2], ObjectId(commit))
        if not self._commits:
            self._store.close()
            raise InvalidInputError(f"there are no experiments of DVC in '{folder}'", kind="bad-source")

    def _git(self, *words: str) -> str:
        return self._store.git.run(*words).decode("utf-8", "replace")

    def close(self) -> None:
        """Lets go of the repository."""
        self._store.close()

    def experiments(self) -> Iterator[ForeignExperiment | Damage]:
        """Yields one experiment: what DVC calls so are runs."""
        yield ForeignExperiment(id=_EXPERIMENT, name=_EXPERIMENT)

    def run_ids(self) -> Sequence[str]:
        """Returns the commits of all experiments."""
        return list(self._commits)

    def read_runs(self, ids: Sequence[str]) -> Iterator[ForeignRun | Damage]:
        """Yields some runs in order, or why one cannot be read."""
        for one in ids:
            try:
                yield self._run(self._commits[one])
            except (GitRunsError, OSError, ValueError, TypeError, AttributeError) as error:
                yield Damage(f"experiment {self._commits[one].name:.60}", str(error))

    def _run(self, one: _Commit) -> ForeignRun:
        files = _Tree(self._store, one.commit)
        started, ended, user = self._git("log", "-1", "--format=%at%x00%ct%x00%an", one.commit).rstrip("\n").split("\0")
        time_ms = int(ended) * 1000
        pipeline, lock = files.mapping("dvc.yaml"), files.mapping("dvc.lock")
        points = _points(files, pipeline, time_ms)
        return ForeignRun(
            id=one.commit,
            name=one.name,
            experiment=_EXPERIMENT,
            status=RunStatus.FINISHED,
            start_time_ms=min(int(started) * 1000, *(point.time_ms for point in points), time_ms),
            end_time_ms=time_ms,
            user=user,
            commit=one.commit,
            base=one.base,
            params=_params(files, pipeline, lock),
            points=lambda: points,
            artifacts=lambda: _outputs(self._store.paths.work_tree, lock),
        )

    def models(self) -> Iterator[ForeignModel | Damage]:
        """There are no models."""
        yield from ()

    def left_out(self) -> Mapping[str, int]:
        """Returns nothing."""
        return {}


class _Tree:
    """The files of a commit, read one by one, none that is too large."""

    def __init__(self, store: GitStore, commit: ObjectId) -> None:
        self._store = store
        listed = store.git.run("ls-tree", "-r", "-z", "-l", "--full-tree", commit).split(b"\0")
        self._files: dict[str, tuple[str, int]] = {}
        for entry in filter(None, listed):
            facts, _, path = entry.partition(b"\t")
            mode, kind, oid, size = facts.decode().split()
            if kind == "blob" and mode.startswith("100"):
                self._files[path.decode("utf-8", "replace")] = (oid, int(size))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def read(self, path: str) -> bytes | None:
        """Returns the bytes of a file, None when there is none."""
        if path not in self._files:
            return None
        oid, size = self._files[path]
        if size > _MAX_BYTES:
            raise CorruptDataError(f"'{path}' is {size} bytes long", kind="bad-source")
        return self._store.git.run("cat-file", "blob", oid)

    def mapping(self, path: str) -> dict[str, Any]:
        """Returns the mapping in a YAML or JSON file, empty when there is no such file."""
        data = self.read(path)
        if data is None or not path.endswith((".yaml", ".yml", ".json", ".lock")):
            return {}
        if not path.endswith(".json"):
            return dict(read_config(data, path))
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CorruptDataError(f"'{path}' is no JSON: {error}", kind="bad-source") from error
        return found if isinstance(found, dict) else {}


def _named_files(pipeline: Mapping[str, Any], word: str) -> Iterator[str]:
    """Yields the files that `dvc.yaml` names as metrics or params, of stages and of all."""
    stages = pipeline.get("stages")
    owners = [pipeline, *(stages.values() if isinstance(stages, dict) else ())]
    for owner in owners:
        listed = owner.get(word) if isinstance(owner, dict) else None
        for one in listed if isinstance(listed, list) else ():
            yield from (str(path) for path in (one if isinstance(one, dict) else [one]))


def _params(files: _Tree, pipeline: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Scalar]:
    """Returns the params: those that stages depend on, by `dvc.lock`, and all of the files of params."""
    found: dict[str, Scalar] = {}
    stages = lock.get("stages")
    for stage in stages.values() if isinstance(stages, dict) else ():
        for path, values in (stage.get("params") or {}).items():
            _add(found, str(path), values)
    for path in dict.fromkeys((*_named_files(pipeline, "params"), *_PARAMS)):
        if path in set(files):
            _add(found, path, files.mapping(path))
    return found


def _add(found: dict[str, Scalar], path: str, values: Mapping[str, Any]) -> None:
    for key, value in _flat(values):
        scalar = (
            value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value, default=str)
        )
        if key in found and found[key] != scalar:
            key = f"{path}:{key}"
        found[key] = scalar


def _points(files: _Tree, pipeline: Mapping[str, Any], time_ms: int) -> list[Point]:
    """Returns the points of DVCLive's histories, and of what has none the values in the files of metrics."""
    points = [
        point for path in files if (match := _PLOTS.match(path)) for point in _history(files, path, match[1], time_ms)
    ]
    known = {point.metric for point in points}
    for path in dict.fromkeys((*_named_files(pipeline, "metrics"), *_METRICS)):
        values = files.mapping(path)
        step = values.get("step")
        at = step if isinstance(step, int) else 0
        for key, value in _flat(values):
            if isinstance(value, (int, float)) and key not in known and key != "step":
                known.add(key)
                points.append(Point(key, at, time_ms, float(value)))
    return points


def _history(files: _Tree, path: str, name: str, time_ms: int) -> Iterator[Point]:
    lines = (files.read(path) or b"").decode("utf-8", "replace").splitlines()
    head = lines[0].split("\t") if lines else []
    key = name.replace("/", ".")
    for number, line in enumerate(lines[1:]):
        cells = dict(zip(head, line.split("\t")))  # noqa: B905  a line that is short lacks the last columns
        value = cells.get(name.rpartition("/")[2], cells.get(name))
        if value is not None:
            moment = cells.get("timestamp")
            at_ms = time_ms if moment is None else int(float(moment))
            yield Point(key, int(cells.get("step", number)), at_ms, float(value or math.nan))


def _flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value and depth < 20:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", value


def _outputs(folder: Path | None, lock: Mapping[str, Any]) -> Iterator[ForeignFile | Damage]:
    """Yields the files that stages made and DVC's cache has; those in git are in the run's source."""
    stages = lock.get("stages")
    for stage in stages.values() if isinstance(stages, dict) and folder is not None else ():
        for out in stage.get("outs") or ():
            path, digest = str(out.get("path")), str(out.get("md5") or "")
            if _MD5.match(digest) is not None and folder is not None:
                yield from _cached(folder, path, digest)


def _cached(folder: Path, path: str, digest: str) -> Iterator[ForeignFile]:
    for root in (folder / ".dvc" / "cache" / "files" / "md5", folder / ".dvc" / "cache"):
        file = root / digest[:2] / digest[2:]
        if not file.is_file() or file.is_symlink():
            continue
        if not digest.endswith(".dir"):
            yield ForeignFile(path, file.stat().st_size, file)
            return
        listed = json.loads(file.read_bytes()) if file.stat().st_size <= _MAX_BYTES else []
        for one in listed:
            if _MD5.match(str(one.get("md5"))):
                yield from _cached(folder, f"{path}/{one.get('relpath')}", str(one["md5"]))
        return
