"""A second reader of the stored format, written from docs/format.md alone.

It uses the `git` program and PyYAML, and nothing of gitruns: if this cannot read what gitruns writes, the page or
gitruns is wrong. Where the page says MUST, this raises `FormatError`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Point = tuple[str, int, int, float]
Check = Callable[[object], bool]


class FormatError(Exception):
    """What is stored is not what docs/format.md says."""


# Conventions


def is_hex(text: object, *lengths: int) -> bool:
    """Whether it is text of lowercase hex digits, of one of the lengths."""
    return isinstance(text, str) and len(text) in lengths and re.fullmatch("[0-9a-f]*", text) is not None


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_integer(value: object) -> bool:
    return type(value) is int


def is_float(value: object) -> bool:
    return type(value) is float


def is_boolean(value: object) -> bool:
    return type(value) is bool


def is_scalar(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def is_run_id(value: object) -> bool:
    return is_hex(value, 32)


def is_object_id(value: object) -> bool:
    return is_hex(value, 40, 64)


def is_digest(value: object) -> bool:
    return is_hex(value, 64)


def is_writer_id(value: object) -> bool:
    return is_hex(value, 16)


def is_experiment_id(value: object) -> bool:
    return is_text(value) and re.fullmatch("0|[1-9][0-9]{0,18}", str(value)) is not None


def one_of(*words: str) -> Check:
    return lambda value: value in words


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def mapping_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


@dataclass(frozen=True)
class Optional:
    """A key that may be missing."""

    check: Check


Table = dict[str, "Check | Optional"]


def fits(value: object, table: Table) -> str | None:
    """Returns what is wrong with a mapping, None when it fits its table; unknown keys are ignored."""
    if not isinstance(value, dict):
        return "is no mapping"
    for key, wanted in table.items():
        optional, check = (True, wanted.check) if isinstance(wanted, Optional) else (False, wanted)
        if value.get(key) is None and optional:
            continue
        if key not in value:
            return f"has no '{key}'"
        if not check(value[key]):
            return f"has {value[key]!r:.60} for '{key}'"
    return None


LEFT_OUT: Table = {"path": is_text, "reason": is_text, "size": Optional(is_integer)}

RUN: Table = {
    "id": is_run_id,
    "name": is_text,
    "experiment_id": is_experiment_id,
    "writer": is_writer_id,
    "status": one_of("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"),
    "lifecycle": one_of("active", "deleted"),
    "start_time": is_integer,
    "end_time": Optional(is_integer),
    "exit_code": Optional(is_integer),
    "error": Optional(is_text),
    "user": Optional(is_text),
    "host": Optional(is_text),
    "kind": Optional(is_text),
    "entry_point": Optional(is_text),
    "command": Optional(list_of(is_text)),
    "parent_run_id": Optional(is_run_id),
    "dropped": Optional(is_integer),
    "source_commit": Optional(is_object_id),
    "source_base": Optional(is_object_id),
    "source_branch": Optional(is_text),
    "source_code_tree": Optional(is_object_id),
    "source_snapshot_tree": Optional(is_object_id),
    "source_dirty": Optional(is_boolean),
    "source_left_out": Optional(list_of(lambda item: fits(item, LEFT_OUT) is None)),
    "source_remote_url": Optional(is_text),
    "source_autocrlf": Optional(is_text),
    "source_eol": Optional(is_text),
}

SUMMARY: Table = {
    "count": is_integer,
    "nan": Optional(is_integer),
    "first": is_float,
    "first_step": is_integer,
    "first_time": is_integer,
    "last": is_float,
    "step": is_integer,
    "time": is_integer,
    "min": is_float,
    "max": is_float,
    "mean": is_float,
}

ARTIFACT: Table = {
    "path": is_text,
    "sha256": is_digest,
    "size": is_integer,
    "git": Optional(is_boolean),
    "tsv_size": Optional(is_integer),
    "manifest": Optional(is_boolean),
    "count": Optional(is_integer),
}

INPUT: Table = {
    "name": is_text,
    "digest": is_text,
    "source": is_text,
    "source_type": is_text,
    "context": Optional(is_text),
    "schema": Optional(is_text),
    "profile": Optional(is_text),
    "tags": Optional(mapping_of(is_text)),
}

EXPERIMENT: Table = {
    "id": is_experiment_id,
    "name": is_text,
    "lifecycle": one_of("active", "deleted"),
    "creation_time": is_integer,
    "last_update_time": is_integer,
}


def is_stamp(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and is_integer(value[0])
        and is_integer(value[1])
        and is_writer_id(value[2])
    )


# Canonical YAML


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=True)
        if len(mapping) != len(node.value):
            raise FormatError(f"a key stands twice near line {node.start_mark.line + 1}")
        return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping)


def read_yaml(data: bytes, path: str) -> Any:
    """Returns what a canonical file holds."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)  # integers of any size
    try:
        return yaml.load(data, Loader=_Loader)  # noqa: S506  a safe loader, with one more check
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError(f"{path}: {error}") from error


def read_mapping(data: bytes | None, path: str, check: Check) -> dict[str, Any]:
    """Returns a mapping of text to what `check` wants; empty when the file is missing."""
    if data is None:
        return {}
    mapping = read_yaml(data, path)
    if not isinstance(mapping, dict):
        raise FormatError(f"{path} is no mapping")
    for key, value in mapping.items():
        if not is_text(key) or not check(value):
            raise FormatError(f"{path} has {value!r:.60} for {key!r:.60}")
    return mapping


def read_list(data: bytes | None, path: str, table: Table) -> list[dict[str, Any]]:
    """Returns a list of mappings that fit the table; empty when the file is missing."""
    if data is None:
        return []
    items = read_yaml(data, path)
    if not isinstance(items, list):
        raise FormatError(f"{path} is no list")
    for item in items:
        wrong = fits(item, table)
        if wrong:
            raise FormatError(f"{path}: an item {wrong}")
    return items


# git


class Repository:
    """A repository, asked through the git program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.common_dir = folder / self.git("rev-parse", "--git-common-dir").decode().rstrip("\n")

    def git(self, *args: str, stdin: bytes = b"") -> bytes:
        """Runs git and returns what it prints."""
        result = subprocess.run(["git", *args], cwd=self.folder, input=stdin, capture_output=True, check=False)
        if result.returncode != 0:
            raise FormatError(f"git {args[0]}: {result.stderr.decode(errors='replace')}")
        return result.stdout

    def refs(self) -> dict[str, str]:
        """Returns the refs that are ours, with the object each points to."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/runs/").decode().splitlines()
        return dict(line.split(" ") for line in lines)

    def files(self, commit: str) -> dict[str, bytes]:
        """Returns all files of a commit's tree, path to content."""
        entries = {}
        for entry in self.git("ls-tree", "-r", "-t", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            facts, _, path = entry.partition(b"\t")
            mode, _, oid = facts.split(b" ")
            if mode not in (b"100644", b"040000"):
                raise FormatError(f"{path!r} has mode {mode.decode()}")
            if mode == b"100644":
                entries[path.decode()] = oid
        return dict(zip(entries, self._blobs(entries.values()), strict=True))

    def _blobs(self, oids: Iterable[bytes]) -> Iterator[bytes]:
        output = self.git("cat-file", "--batch", stdin=b"".join(oid + b"\n" for oid in oids))
        while output:
            header, _, output = output.partition(b"\n")
            size = int(header.split(b" ")[2])
            yield output[:size]
            output = output[size + 1 :]

    def parents(self, commit: str) -> list[str]:
        """Returns the parents of a commit."""
        return self.git("rev-list", "--parents", "--max-count=1", commit).decode().split()[1:]

    def blob(self, commit: str, path: str) -> bytes | None:
        """Returns one file of a commit's tree, None when it is not there."""
        listed = self.git("ls-tree", "-z", "--full-tree", commit, path)
        return self.git("cat-file", "blob", listed.split(b"\t")[0].split(b" ")[2].decode()) if listed else None

    def object_bytes(self, digest: str) -> bytes:
        """Returns an object of the cache, checked."""
        data = (self.common_dir / "gitruns" / "cache" / "o" / digest[:2] / digest[2:]).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise FormatError(f"object {digest} has other bytes")
        return data


# Runs and experiments


@dataclass
class StoredRun:
    """A run as it is stored; all mappings by key."""

    version: int
    run: dict[str, Any]
    params: dict[str, Any]
    tags: dict[str, str]
    metrics: dict[str, dict[str, Any]]
    artifacts: dict[str, dict[str, Any]]
    inputs: list[dict[str, Any]]
    environment: dict[str, str]
    stamps: dict[str, list[Any]]
    texts: dict[str, bytes]
    parts: dict[str, list[Point]]
    part_metrics: dict[str, dict[str, dict[str, Any]]]
    chain: list[str]
    source: str | None
    unknown: dict[str, bytes] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """The whole history: the union of the parts."""
        return [point for part in self.parts.values() for point in part]


def read_version(data: bytes | None) -> int:
    """Returns the version that the file `format` names."""
    match = re.fullmatch(rb"gitruns ([1-9][0-9]*)\n", data or b"")
    if match is None:
        raise FormatError("a tree has no 'format' of ours")
    return int(match[1])


def read_runs(folder: Path) -> dict[str, StoredRun]:
    """Returns all runs of a repository by id: those with a ref, and those in segments."""
    repository = Repository(folder)
    runs = {}
    for run_id, tips in read_tips(repository).items():
        states = {tip: repository.files(tip) for tip in tips}
        if any("purged.yaml" in files and "run.yaml" not in files for files in states.values()):
            continue
        older = {commit for tip in tips for commit in read_chain(repository, run_id, tip)[0] if commit != tip}
        (tip,) = tips - older  # several would have to be merged
        runs[run_id] = read_run(repository, run_id, tip)
    return runs


def read_tips(repository: Repository) -> dict[str, set[str]]:
    """Returns the commits at which refs and segments say that runs are."""
    tips: dict[str, set[str]] = {}
    for ref, commit in repository.refs().items():
        name = ref.removeprefix("refs/runs/")
        if is_run_id(name):
            tips.setdefault(name, set()).add(commit)
        elif name == f"archive/{commit}":
            for run_id, tip in read_segment(repository, commit):
                tips.setdefault(run_id, set()).add(tip)
    return tips


def read_segment(repository: Repository, commit: str) -> list[tuple[str, str]]:
    """Returns the runs of a segment and their tips."""
    if read_version(repository.blob(commit, "format")) != 1:
        raise FormatError("a segment is of another version")
    lines = (repository.blob(commit, "runs") or b"").decode().split("\n")
    pairs = [(line[:32], line[33:]) for line in lines[:-1]]
    right = all(is_run_id(run_id) and is_object_id(tip) for run_id, tip in pairs)
    if not right or lines[-1] or lines[:-1] != [" ".join(pair) for pair in pairs] or not 0 < len(pairs) <= 1000:
        raise FormatError("a segment's 'runs' has lines of another form")
    run_ids, tips = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if sorted(set(run_ids)) != run_ids or repository.parents(commit) != tips or len(set(tips)) != len(tips):
        raise FormatError("a segment's 'runs' is not in order, or not its parents")
    return pairs


KNOWN_FILES = re.compile(
    r"format|(?:run|params|tags|metrics|artifacts|inputs|env|stamps)\.yaml|metrics/[0-9a-f]{64}\.(?:tsv|yaml)"
    r"|artifacts/.+",
    re.DOTALL,
)


def read_run(repository: Repository, run_id: str, commit: str) -> StoredRun:
    """Returns the run that a commit holds."""
    files = repository.files(commit)
    version = read_version(files.get("format"))
    run = read_yaml(files.get("run.yaml", b""), "run.yaml")
    wrong = fits(run, RUN)
    if wrong or run["id"] != run_id:
        raise FormatError(f"run.yaml {wrong or 'is of another run'}")
    stamps = read_mapping(files.get("stamps.yaml"), "stamps.yaml", is_stamp)
    listed = read_manifest(repository, files.get("artifacts.yaml"), stamps)
    chain, source = read_chain(repository, run_id, commit)
    return StoredRun(
        version=version,
        run=run,
        params=read_mapping(files.get("params.yaml"), "params.yaml", is_scalar),
        tags=read_mapping(files.get("tags.yaml"), "tags.yaml", is_text),
        metrics=read_mapping(files.get("metrics.yaml"), "metrics.yaml", lambda value: fits(value, SUMMARY) is None),
        artifacts={item["path"]: item for item in listed if not item["path"].startswith(".gitruns/")},
        inputs=read_list(files.get("inputs.yaml"), "inputs.yaml", INPUT),
        environment=read_mapping(files.get("env.yaml"), "env.yaml", is_text),
        stamps=stamps,
        texts={path.removeprefix("artifacts/"): data for path, data in files.items() if path.startswith("artifacts/")},
        parts=read_parts(repository, files, listed),
        part_metrics={
            path[8:72]: read_mapping(data, path, lambda value: fits(value, SUMMARY) is None)
            for path, data in files.items()
            if re.fullmatch(r"metrics/[0-9a-f]{64}\.yaml", path)
        },
        chain=chain,
        source=source,
        unknown={path: data for path, data in files.items() if not KNOWN_FILES.fullmatch(path)},
    )


def read_manifest(repository: Repository, data: bytes | None, stamps: Iterable[str]) -> list[dict[str, Any]]:
    """Returns all items of the lists of artifacts, those below `.gitruns/` too; `stamps` are what fields have."""
    items = read_list(data, "artifacts.yaml", ARTIFACT)
    check_paths(items)
    known = {item["path"]: item for item in items if not item.get("manifest")}
    for manifest in [item for item in items if item.get("manifest")]:
        listed = read_list(repository.object_bytes(manifest["sha256"]), manifest["path"], ARTIFACT)
        check_paths(listed)
        if len(listed) != manifest["count"]:
            raise FormatError("a manifest has another count of items")
        for item in listed:
            if f"artifacts/{item['path']}" not in stamps:  # else what stands in the tree counts, or that nothing does
                known[item["path"]] = max(known.get(item["path"], item), item, key=artifact_text)
    return [known[path] for path in sorted(known)]


def check_paths(items: list[dict[str, Any]]) -> None:
    """Raises for a list that is not sorted by path."""
    paths = [item["path"] for item in items]
    if paths != sorted(set(paths)):
        raise FormatError("the artifacts are not sorted, or one stands twice")


def artifact_text(item: dict[str, Any]) -> str:
    """Returns what decides between two items of one path that bear no stamp."""
    return json.dumps([item["path"], item["sha256"], item["size"], item.get("git", False)], ensure_ascii=False)


def read_chain(repository: Repository, run_id: str, tip: str) -> tuple[list[str], str | None]:
    """Returns the commits of a run, each behind all of its children, and its source commit."""
    waiting, own, source = [tip], set(), None
    while waiting:
        commit = waiting.pop()
        data = repository.blob(commit, "run.yaml") if repository.blob(commit, "format") is not None else None
        if data is None or read_yaml(data, "run.yaml")["id"] != run_id:
            source = commit
        elif commit not in own:
            own.add(commit)
            waiting += repository.parents(commit)
    listed = repository.git("rev-list", "--topo-order", tip, *([f"^{source}"] if source else [])).decode().split()
    return [commit for commit in listed if commit in own], source


# Metric history


def read_parts(repository: Repository, files: dict[str, bytes], listed: list[dict[str, Any]]) -> dict[str, list[Point]]:
    """Returns the points of each part, by its digest."""
    stored = {}
    for item in listed:
        match = re.fullmatch(r"\.gitruns/metrics/([0-9a-f]{64})\.tsv\.gz", item["path"])
        if match:
            stored[match[1]] = item
    names = {path[8:72] for path in files if re.fullmatch(r"metrics/[0-9a-f]{64}\.tsv", path)}
    parts = {}
    for digest in sorted(names | stored.keys()):
        if digest in stored:
            text = gzip.decompress(repository.object_bytes(stored[digest]["sha256"]))
            if len(text) != stored[digest]["tsv_size"]:
                raise FormatError(f"part {digest} has another length")
        else:
            text = files[f"metrics/{digest}.tsv"]
        if hashlib.sha256(text).hexdigest() != digest:
            raise FormatError(f"part {digest} has other bytes")
        parts[digest] = read_points(text)
    return parts


def read_points(text: bytes) -> list[Point]:
    """Returns the points of a part or a curve."""
    if text and not text.endswith(b"\n"):
        raise FormatError("the last line of a part has no end")
    points = []
    for line in text.decode().split("\n")[:-1]:
        key, step, time_ms, value = line.split("\t")
        if not re.fullmatch("-?[0-9]+", step) or not re.fullmatch("-?[0-9]+", time_ms):
            raise FormatError(f"{line!r} is no point")
        metric = read_yaml(f'- "{key}"\n'.encode(), "a part")[0]
        points.append((metric, int(step), int(time_ms), float(value)))
    return points


# Experiments


def read_experiments(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns all experiments that have a ref, by id: `experiment.yaml` with `tags` and `stamps` added."""
    repository = Repository(folder)
    found = {}
    for ref, commit in repository.refs().items():
        experiment_id = ref.removeprefix("refs/runs/experiments/")
        if experiment_id == ref or not is_experiment_id(experiment_id):
            continue
        files = repository.files(commit)
        read_version(files.get("format"))
        experiment = read_yaml(files.get("experiment.yaml", b""), "experiment.yaml")
        wrong = fits(experiment, EXPERIMENT)
        if wrong or experiment["id"] != experiment_id:
            raise FormatError(f"experiment.yaml {wrong or 'is of another experiment'}")
        experiment["tags"] = read_mapping(files.get("tags.yaml"), "tags.yaml", is_text)
        experiment["stamps"] = read_mapping(files.get("stamps.yaml"), "stamps.yaml", is_stamp)
        found[experiment_id] = experiment
    return found


def experiment_id(name: str, attempt: int = 0) -> str:
    """Returns the id that an experiment of this name takes."""
    if name == "Default" and attempt == 0:
        return "0"
    data = name.encode() if attempt == 0 else name.encode() + b"\0" + str(attempt).encode()
    return str(int.from_bytes(hashlib.sha256(data).digest(), "big") % (9 * 10**17) + 10**17)


# The journal


@dataclass
class LiveRun:
    """The fold of a journal."""

    info: dict[str, Any]
    params: dict[str, Any]
    tags: dict[str, str]
    artifacts: dict[str, list[Any]]
    inputs: dict[tuple[str, str, str], dict[str, Any]]
    fields: dict[str, Any]
    points: list[Point]
    end: list[Any] | None
    dropped: int


TIMED = ("params", "tags", "artifacts", "inputs", "fields", "beat", "dropped", "end", "close")


def journal_record(line: bytes) -> list[Any] | None:
    """Returns the record of a line, None for a torn one."""
    for start in range(max(1, len(line) - 9)):
        if re.match(rb"[0-9a-f]{8} \[", line[start : start + 10]):
            body = line[start + 9 :]
            if b"%08x" % zlib.crc32(body) == line[start : start + 8]:
                record = json.loads(body)
                return record if isinstance(record, list) else None
    return None


def read_journal(folder: Path) -> LiveRun:
    """Returns the state of the live run whose journal is in a folder."""
    logs = []
    for path in folder.glob("*.log"):
        lines = path.read_bytes().split(b"\n")[:-1]
        records = [record for record in map(journal_record, lines) if record is not None]
        if records and records[0][0] == "open" and records[0][1] == 1:
            logs.append((records[0][2]["time"], path.name, records))
    logs.sort(key=lambda log: log[:2])
    owners = [log for log in logs if log[2][0][2]["kind"] in ("start", "resume")]
    first, last = _Chosen(least=True), _Chosen(least=False)
    points: list[Point] = []
    ends: dict[str, tuple[tuple[int, str], list[Any]]] = {}
    dropped = 0
    for opened, name, records in logs:
        clock, lost = opened, 0
        for record in records[1:]:
            kind = record[0]
            if kind == "m":
                items = iter(record[1:])
                points += [(key, step, time, float(value)) for key, step, time, value in zip(*[items] * 4, strict=True)]
                continue
            if kind not in TIMED:
                continue
            clock = max(clock, record[1])
            rank = (clock, name)
            if kind == "params":
                for key, text in record[2].items():
                    first.offer(("params", key), rank, read_yaml(f"- {text}\n".encode(), "a journal")[0])
            elif kind == "inputs":
                for item in record[2]:
                    given = (item["name"], item["digest"], item.get("context") or "")
                    first.offer(("inputs", given), rank, item)
            elif kind in ("tags", "fields"):
                for key, value in record[2].items():
                    last.offer((kind, key), rank, value)
            elif kind == "artifacts":
                for item in record[2]:
                    last.offer((kind, item[0]), rank, item)
            elif kind == "dropped" or kind == "close":
                lost = record[2]
            elif kind == "end":
                lost = record[6]
                if (opened, name, records) in owners:
                    ends[name] = (rank, record[2:6])
        dropped += lost
    ended = bool(owners) and any(record[0] == "end" for record in owners[-1][2])
    return LiveRun(
        info=(owners or logs)[0][2][0][2]["info"],
        params=first.of("params"),
        inputs=first.of("inputs"),
        tags={key: value for key, value in last.of("tags").items() if value is not None},
        artifacts=last.of("artifacts"),
        fields=last.of("fields"),
        points=points,
        end=max(ends.values(), key=lambda end: end[0])[1] if ended else None,
        dropped=dropped,
    )


class _Chosen:
    """Of each key the value with the least or the greatest (time, writer)."""

    def __init__(self, *, least: bool) -> None:
        self._least = least
        self._found: dict[tuple[str, Any], tuple[tuple[int, str], Any]] = {}

    def offer(self, key: tuple[str, Any], rank: tuple[int, str], value: Any) -> None:
        known = self._found.get(key)
        if known is None or (rank < known[0] if self._least else rank >= known[0]):
            self._found[key] = (rank, value)

    def of(self, kind: str) -> dict[Any, Any]:
        return {key: value for (what, key), (_, value) in self._found.items() if what == kind}
