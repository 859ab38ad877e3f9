"""A second implementation of merging runs, written from docs/format.md alone: trees in, a tree out.

It uses a YAML library and nothing of gitruns.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import yaml

Tree = dict[str, bytes]
TOGETHER = ("end_time", "error", "exit_code", "status", "writer")
LOWEST = (-math.inf, 0, "")
KNOWN = {f"{name}.yaml" for name in "run params tags metrics artifacts inputs env stamps".split()} | {"format"}


# Canonical text


def text_of(value: Any) -> str:
    """Returns the canonical text of a value."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        mantissa, e, exponent = repr(value).partition("e")
        return mantissa + ("" if "." in mantissa or not e else ".0") + e + exponent
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text_of(key)}: {text_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return str(value)


def mapping_file(mapping: dict[str, Any]) -> bytes:
    return "".join(f"{text_of(key)}: {text_of(mapping[key])}\n" for key in sorted(mapping)).encode()


def list_file(items: Iterable[Any]) -> bytes:
    return "".join(f"- {text_of(item)}\n" for item in items).encode()


def read(tree: Tree, path: str) -> Any:
    return yaml.safe_load(tree[path]) if path in tree else ([] if path in ("artifacts.yaml", "inputs.yaml") else {})


# Fields


def order(stamp: list[Any] | None) -> tuple[Any, ...]:
    return LOWEST if stamp is None else tuple(stamp)


class Merge:
    """One merge of some trees; `stamps` collects those of the result."""

    def __init__(self, trees: list[Tree]) -> None:
        self.trees = trees
        self.stamps: dict[str, Any] = {}
        self.of = [read(tree, "stamps.yaml") for tree in trees]
        self.done: set[str] = set()

    def fields(self, prefix: str, values: list[dict[str, Any]], text: Callable[[Any], Any] = text_of) -> dict[str, Any]:
        """Merges a field for each key that has a value or a stamp."""
        keys = {key for some in values for key in some}
        keys |= {name[len(prefix) :] for some in self.of for name in some if name.startswith(prefix)}
        return {key: found[0] for key in sorted(keys) if (found := self.field(prefix + key, key, values, text))}

    def field(self, name: str, key: str, values: list[dict[str, Any]], text: Callable[[Any], Any]) -> list[Any]:
        """Returns the greatest value in a list, or an empty one."""
        self.done.add(name)
        said = [
            (order(stamps.get(name)), key in some, text(some[key]) if key in some else "", number)
            for number, (some, stamps) in enumerate(zip(values, self.of, strict=True))
            if key in some or name in stamps
        ]
        if not said:
            return []
        best = max(said, key=lambda one: one[:3])
        if best[0] != LOWEST:
            self.stamps[name] = self.of[best[3]][name]
        return [values[best[3]][key]] if best[1] else []

    def together(
        self, names: Callable[[str], bool], rank: Callable[[dict[str, Any], dict[str, Any]], Any]
    ) -> dict[str, Any]:
        """Returns the `run.yaml` of the state that is the greatest in some fields that are one decision."""
        runs = [read(tree, "run.yaml") for tree in self.trees]
        own = [{name: stamp for name, stamp in stamps.items() if names(name)} for stamps in self.of]
        best = max(range(len(runs)), key=lambda number: rank(runs[number], own[number]))
        self.done |= {name for some in own for name in some}
        self.stamps |= own[best]
        return runs[best]


def merged(trees: list[Tree]) -> Tree:
    """Returns the tree of the merge."""
    merge = Merge(trees)
    tree = {"format": b"gitruns 1\n", "run.yaml": mapping_file(run_facts(merge))}
    for path in ("params.yaml", "tags.yaml"):
        tree[path] = mapping_file(merge.fields(path[:-5] + "/", [read(one, path) for one in trees]))
    tree["env.yaml"] = mapping_file(environment(merge))
    tree["inputs.yaml"] = list_file(inputs(trees))
    items = listing(merge, tree)
    history(trees, tree, items)
    tree["artifacts.yaml"] = list_file(sorted(items, key=lambda item: item["path"]))
    tree |= merge.fields("files/", [odd_files(one) for one in trees], lambda data: data.decode("latin-1"))
    for stamps in merge.of:
        for name in stamps.keys() - merge.done:
            merge.stamps[name] = max(merge.stamps.get(name, stamps[name]), stamps[name], key=order)
    tree["stamps.yaml"] = mapping_file(merge.stamps)
    return {path: data for path, data in tree.items() if data or not path.endswith(".yaml") or path not in KNOWN}


def odd_files(tree: Tree) -> Tree:
    parts = part_names(tree)
    known = {f"metrics/{digest}.{end}" for digest in parts for end in ("tsv", "yaml")} | KNOWN
    return {path: data for path, data in tree.items() if path not in known and not path.startswith("artifacts/")}


# run.yaml


def run_facts(merge: Merge) -> dict[str, Any]:
    runs = [read(tree, "run.yaml") for tree in merge.trees]
    special = {*TOGETHER, "dropped", "id"}
    plain = [{k: v for k, v in run.items() if k not in special and not k.startswith("source_")} for run in runs]
    facts = {"id": runs[0]["id"]}
    for key in "command entry_point experiment_id host kind lifecycle name parent_run_id start_time user".split():
        found = merge.field(f"run/{key}", key, plain, text_of)
        facts |= {key: found[0]} if found else {}
    ended = merge.together(lambda name: name in {f"run/{key}" for key in TOGETHER}, how_it_ended)
    facts |= {key: ended[key] for key in TOGETHER if key in ended}
    source = merge.together(lambda name: name == "run/source" or name.startswith("run/source_"), where_from)
    facts |= {key: value for key, value in source.items() if key.startswith("source_")}
    dropped = max(run.get("dropped", 0) for run in runs)
    return facts | ({"dropped": dropped} if dropped else {})


def how_it_ended(run: dict[str, Any], stamps: dict[str, Any]) -> Any:
    said, owned = stamps.get("run/status"), stamps.get("run/writer")
    killed = run["status"] == "KILLED"
    by_another = killed and said is not None and said[2] != run["writer"]
    decided = max(order(owned), LOWEST if by_another else order(said))
    lost = by_another or (killed and "exit_code" not in run and "error" not in run)
    rank = 0 if run["status"] in ("RUNNING", "SCHEDULED") else 1 if lost else 2
    text = text_of([[run.get(key) for key in TOGETHER], stamps])
    return decided, rank, order(said), run.get("end_time", 0), text


def where_from(run: dict[str, Any], stamps: dict[str, Any]) -> Any:
    keys = {key: value for key, value in run.items() if key.startswith("source_")}
    return max(map(order, stamps.values()), default=LOWEST), "source_commit" in keys, text_of([keys, stamps])


# env.yaml, inputs.yaml


def environment(merge: Merge) -> dict[str, Any]:
    values = [{"environment": read(tree, "env.yaml")} if "env.yaml" in tree else {} for tree in merge.trees]
    found = merge.field("environment", "environment", values, text_of)
    return found[0] if found else {}


def inputs(trees: list[Tree]) -> list[dict[str, Any]]:
    best: dict[Any, dict[str, Any]] = {}
    for item in (item for tree in trees for item in read(tree, "inputs.yaml")):
        key = (item["name"], item["digest"], "context" in item, item.get("context", ""))
        best[key] = max(best.get(key, item), item, key=text_of)
    return [best[key] for key in sorted(best)]


# Artifacts


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listing(merge: Merge, out: Tree) -> list[dict[str, Any]]:
    """Returns the items but those of parts, and puts the texts into the tree."""
    own, manifests, loose = [], {}, {}
    for tree in merge.trees:
        items = read(tree, "artifacts.yaml")
        own.append({item["path"]: honest(item, tree) for item in items if not item["path"].startswith(".gitruns/")})
        long = [item for item in items if item.get("manifest")]
        for item in long:
            known = manifests.setdefault(item["sha256"], item)
            manifests[item["sha256"]] = max(known, item, key=lambda one: (one["size"], one.get("count", -1)))
        for path, data in tree.items():
            if long and path.startswith("artifacts/"):
                loose.setdefault(path[10:], []).append(data)
    won = merge.fields("artifacts/", own, as_value)
    known = set(won) | {name[10:] for stamps in merge.of for name in stamps if name.startswith("artifacts/")}
    loose = {path: max(found, key=digest_of) for path, found in loose.items() if path not in known}
    shut = known | loose.keys()
    for path, item in won.items():
        if item.get("git") and below(path, shut):
            won[path] = {key: value for key, value in item.items() if key != "git"}
        elif item.get("git"):
            found = (tree.get(f"artifacts/{path}") for tree in merge.trees)
            out[f"artifacts/{path}"] = next(
                data for data in found if data is not None and digest_of(data) == item["sha256"]
            )
    out |= {f"artifacts/{path}": data for path, data in loose.items() if not below(path, shut)}
    named = [
        {**manifests[digest], "path": f".gitruns/artifacts/{digest}.yaml" if place else ".gitruns/artifacts.yaml"}
        for place, digest in enumerate(sorted(manifests))
    ]
    return [*won.values(), *named]


def honest(item: dict[str, Any], tree: Tree) -> dict[str, Any]:
    data = tree.get(f"artifacts/{item['path']}")
    true = item.get("git") and data is not None and digest_of(data) == item["sha256"]
    return item if true else {key: value for key, value in item.items() if key != "git"}


def as_value(item: dict[str, Any]) -> str:
    return text_of([item["path"], item["sha256"], item["size"], item.get("git", False)])


def below(path: str, known: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:count]) in known for count in range(1, len(parts)))


# Metrics


def part_names(tree: Tree) -> set[str]:
    stored = {
        item["path"][17:81] for item in read(tree, "artifacts.yaml") if item["path"].startswith(".gitruns/metrics/")
    }
    return stored | {path[8:72] for path in tree if path.startswith("metrics/") and path.endswith(".tsv")}


def history(trees: list[Tree], out: Tree, items: list[dict[str, Any]]) -> None:
    kept: dict[str, list[Any]] = {}
    said: dict[str, list[Any]] = {}
    for tree in trees:
        stored = {item["path"][17:81]: item for item in read(tree, "artifacts.yaml") if "tsv_size" in item}
        names = part_names(tree)
        for digest in names:
            data, item = tree.get(f"metrics/{digest}.tsv", b""), stored.get(digest)
            if item is not None:
                rank = (1, (item["sha256"], item["size"], item["tsv_size"], data))
            else:
                rank = (2 if digest_of(data) == digest else 0, (len(data), data))
            kept.setdefault(digest, []).append((rank, data, item))
            own = f"metrics/{digest}.yaml"
            said.setdefault(digest, []).append(read(tree, own if own in tree else "metrics.yaml"))
    for digest, found in kept.items():
        _, data, item = max(found, key=lambda one: one[0])
        out[f"metrics/{digest}.tsv"] = data
        items += [item] if item else []
    summaries = {digest: max(found, key=text_of) for digest, found in said.items()}
    if len(summaries) > 1:
        out |= {f"metrics/{digest}.yaml": mapping_file(summaries[digest]) for digest in summaries}
    metrics = {metric for some in summaries.values() for metric in some}
    folded = {metric: fold([some[metric] for some in summaries.values() if metric in some]) for metric in metrics}
    out["metrics.yaml"] = mapping_file(folded)


def rising(value: float) -> tuple[bool, float, float]:
    return (False, 0.0, 0.0) if math.isnan(value) else (True, value, math.copysign(1, value))


def fold(parts: list[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) == 1:
        return parts[0]
    first = min(parts, key=lambda one: (one["first_step"], one["first_time"], rising(one["first"])))
    last = max(parts, key=lambda one: (one["step"], one["time"], rising(one["last"])))
    numbered = [one for one in parts if one["count"] > one.get("nan", 0)]
    numbers = sum(one["count"] - one.get("nan", 0) for one in numbered)
    total = sum(Fraction(one["mean"]) * (one["count"] - one.get("nan", 0)) for one in numbered)
    nan = sum(one.get("nan", 0) for one in parts)
    return {
        **({"nan": nan} if nan else {}),
        "count": sum(one["count"] for one in parts),
        **{key: first[key] for key in ("first", "first_step", "first_time")},
        **{key: last[key] for key in ("last", "step", "time")},
        "min": min((one["min"] for one in numbered), key=rising, default=math.nan),
        "max": max((one["max"] for one in numbered), key=rising, default=math.nan),
        "mean": float(total / numbers) if numbers else math.nan,
    }
