"""What a hostile client sends: for every route of the table, requests that begin well and go wrong in one place."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from gitruns.server.calls import AnyCall, StreamCall

TRAVERSALS = (
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "..%c0%af..%c0%af..%c0%afetc/passwd",
    "..\\..\\..\\..\\etc\\passwd",
    "%5c..%5c..%5cetc%5cpasswd",
    "....//....//....//etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "/{outside}/secret.txt",
    "{outside}/secret.txt",
    "notes/../../../../../../{outside}/secret.txt",
    "a.txt%00.png",
    "./././../../secret.txt",
    "..;/..;/secret.txt",
    "~/.netrc",
    "~root/.bashrc",
    "C:\\Windows\\win.ini",
    "\\\\127.0.0.1@{trap}\\share\\x",
    ".git/config",
    "../../.git/config",
    "/proc/self/environ",
    "/dev/stdin",
    "link.txt",
    ".gitruns/metrics/x.tsv.gz",
)
LOCATIONS = (
    "file:///etc/passwd",
    "file:{outside}/secret.txt",
    "file://127.0.0.1:{trap}/x",
    "FILE:///{outside}/folder",
    "http://127.0.0.1:{trap}/latest/meta-data",
    "http://169.254.169.254/latest/meta-data/",
    "https://127.0.0.1:{trap}/",
    "ftp://127.0.0.1:{trap}/x",
    "gopher://127.0.0.1:{trap}/_x",
    "s3://other/bucket",
    "dbfs:/etc/passwd",
    "hdfs://127.0.0.1:{trap}/x",
    "sftp://127.0.0.1:{trap}/x",
    "\\\\127.0.0.1\\share",
    "git://127.0.0.1:{trap}/x",
    "ext::sh -c 'touch {outside}/made'",
    "ssh://-oProxyCommand=touch%20{outside}/made/x",
    "gitruns:{outside}",
    "mlflow-artifacts:/../../{outside}",
    "mlflow-artifacts://127.0.0.1:{trap}/x",
    "runs:/../../etc",
    "runs:/{run}/../../../../etc",
    "models:/../../etc",
    "models:/digits/../../1",
    "data:text/html,<script>alert(1)</script>",
    "javascript:alert(1)",
)
TEXTS = (
    "",
    " ",
    ".",
    "..",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\r\nSet-Cookie: x=1",
    "\x1b[2J\x07",
    "\u202egnp.exe",
    "\ufeff",
    "\U0001f4a3" * 300,
    "é" * 251,
    "e\u0301" * 126,
    "x" * 100_000,
    "a/" * 5000 + "a",
    "--upload-pack=touch {outside}/made",
    "-rf",
    "--output={outside}/made",
    "$(touch {outside}/made)",
    "`touch {outside}/made`",
    "; touch {outside}/made",
    "| touch {outside}/made",
    "' OR '1'='1",
    "'; DROP TABLE runs; --",
    "1e999",
    "NaN",
    "0x7fffffffffffffff",
    "99999999999999999999999999",
    "-1",
    "true",
    "null",
    "None",
    "{{7*7}}${{7*7}}",
    "%s%s%s%n%x",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "__proto__",
    "refs/heads/main",
    "HEAD",
    "@{{u}}",
    "HEAD@{{1}}",
    ":/x",
    "^{{commit}}",
    "a..b",
    "latest",
    "CON",
    "nul.txt",
)
FILTERS = (
    "(" * 2000 + "1=1" + ")" * 2000,
    "NOT " * 2000 + "acc > 1",
    "metrics.loss > 1 AND " * 3000 + "metrics.loss > 1",
    "metrics.`" + "a" * 60_000 + "` > 1",
    "name ILIKE '" + "%a" * 3000 + "'",
    "name REGEXP '(a+)+$'",
    "name RLIKE '(a|aa)+$'",
    "touched ../../etc/passwd",
    "in --output={outside}/made..x",
    "commit = '--help'",
    "ancestor of -x",
    "same code as ../../x",
    "metrics.loss > " + "9" * 5000,
    "started > -99999999999999d",
    "tags.'; DROP TABLE runs; --' = 'x'",
    "params.a IN (" + "'x'," * 5000 + "'x')",
    "'",
    "\\",
    "metrics.",
    "loss @ 1",
    "loss@99999999999999999999 > 1",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    -(2**63) - 1,
    2**70,
    1.5,
    1e308,
    "",
    "text",
    [],
    [[]],
    [None],
    [1, "a", {}],
    {},
    {"a": {"b": {"c": []}}},
    {"$ref": "#/"},
    ["x"] * 5000,
    [{"key": {}, "value": []}],
    [{}],
    [{"key": None, "value": None, "timestamp": "x", "step": {}}],
)
BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b'"{\\"run_id\\": 5}"',
    b"{",
    b"{'a': 1}",
    b'{"run_id": "\xff\xfe"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"run_id": "\\ud800"}',
    b'{"run_id": "a", "run_id": "b"}',
    b'{"value": NaN, "key": "k"}',
    b'{"value": 1e99999}',
    b'{"value": ' + b"9" * 20_000 + b"}",
    b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    b"[" * 100_000,
    b'{"a":' + b"[" * 47 + b"]" * 47 + b"}",
    b'{"' + b"k" * 900_000 + b'": 1}',
    b'{"__class__": "os.system", "__reduce__": ["os.system", ["id"]]}',
    b"run_id=a&key=b",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"\x1f\x8b\x08\x00" + b"\x00" * 50,
    b"x" * ((1 << 20) + 1),
)
MESSAGES: tuple[bytes, ...] = (
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x0a\x05hello",
    b"\x0b" * 10_000,
    b"\x0a\x02" * 5000,
    b"\x0a\x04\x12\x02\x12\x00",
    b"\xff" * 1000,
    gzip.compress(b"\x00" * 20_000_000),
)
"""What is no message of protobuf, or one that grows."""

HEADERS: tuple[dict[str, str], ...] = (
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "evil.example:80@127.0.0.1"},
    {"Host": ""},
    {"Host": "a b"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)
"""What makes a request come from another page, or with `Host` go to another server than us."""

ODD_HEADERS: tuple[dict[str, str], ...] = (
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Encoding": "gzip"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "8.8.8.8"},
    {"X-Original-URL": "/admin"},
    {"Authorization": "Bearer x"},
    {"Authorization": "Basic ====="},
    {"Cookie": "a=" + "b" * 5000},
    {"Range": "bytes=0-0,-1,5-2"},
    {"If-None-Match": "*"},
    {"Accept": "text/html"},
    {"Expect": "100-continue"},
    {"Last-Event-ID": "\x01" * 50},
)
METHODS = ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "POST", "GET", "PROPFIND", "CONNECT", "get", "X" * 500)

FAMILIES = ("paths", "locations", "texts", "filters", "types", "bodies", "headers", "methods")


@dataclass(frozen=True)
class Attack:
    """One request. `foreign`: it comes from another page or to another host, and must be refused whatever it says."""

    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    foreign: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.target[:300]!r} {dict(self.headers)!r:.300} {(self.body or b'')[:300]!r}"


class Attacks:
    """Makes requests for one route. `facts` are what stands for words in the texts below: `outside`, `trap`, `run`.

    `home` is the experiment that is named, by default the first one.
    """

    def __init__(self, call: AnyCall, facts: Mapping[str, str]) -> None:
        self.call = call
        self._facts = {"home": "0", **facts}
        self._changes = call.method in ("POST", "PUT", "PATCH", "DELETE")
        self._in_path = re.findall(r"\{([\w.]+)(?::path)?\}", call.path)
        self._good = {name: self._good_value(name) for name in call.fields}

    def plain(self) -> Attack:
        """Returns the request that nothing is wrong with."""
        return self._with("", None)

    def family(self, name: str, most: int, dice: random.Random) -> Iterator[Attack]:
        """Yields some requests of a kind, about `most`."""
        if name == "bodies":
            yield from self._bodies(most, dice)
        elif name in ("headers", "methods"):
            yield from self._heads(name, most, dice)
        else:
            places = list(self._good) or [""]
            texts: tuple[Any, ...] = {
                "paths": TRAVERSALS,
                "locations": LOCATIONS,
                "texts": TEXTS,
                "filters": FILTERS,
                "types": VALUES,
            }[name]
            pairs = [(place, value) for place in places for value in texts]
            for place, value in dice.sample(pairs, min(most, len(pairs))):
                yield self._with(place, self._filled(value), raw=name == "paths" and dice.random() < 0.7)
                leaves = list(_leaves(self._good.get(place)))
                if leaves:
                    yield self._with(place, _replaced(self._good[place], dice.choice(leaves), self._filled(value)))

    def _filled(self, value: Any) -> Any:
        return value.format(**self._facts) if isinstance(value, str) and "{" in value else value

    def _bodies(self, most: int, dice: random.Random) -> Iterator[Attack]:
        target = self._target({}, raw=False)
        for body in dice.sample(BODIES, min(most, len(BODIES))):
            yield Attack(self.call.method, target, body, {"Content-Type": "application/json"})
        if isinstance(self.call, StreamCall) and self._changes:
            for body in dice.sample(BODIES + MESSAGES, min(4 * most, len(BODIES + MESSAGES))):
                headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
                headers |= dice.choice(({}, {}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "zstd"}))
                yield Attack(self.call.method, target, body, headers)

    def _heads(self, name: str, most: int, dice: random.Random) -> Iterator[Attack]:
        plain = self.plain()
        if name == "methods":
            for method in dice.sample(METHODS, min(most, len(METHODS))):
                if method != self.call.method:
                    yield Attack(method, plain.target, plain.body, plain.headers)
            return
        for headers in dice.sample(HEADERS, min(most, len(HEADERS))):
            foreign = self._changes or "Host" in headers
            yield Attack(plain.method, plain.target, plain.body, {**plain.headers, **headers}, foreign=foreign)
        for headers in dice.sample(ODD_HEADERS, min(most, len(ODD_HEADERS))):
            yield Attack(plain.method, plain.target, plain.body, {**plain.headers, **headers})

    def _with(self, place: str, value: Any, *, raw: bool = False) -> Attack:
        """Returns a good request with one field that is not."""
        fields = {**self._fresh(place), **({place: value} if place else {})}
        in_query = not self._changes or isinstance(self.call, StreamCall) or self.call.method == "DELETE"
        target = self._target(fields, raw=raw, query=in_query)
        if in_query:
            takes_file = isinstance(self.call, StreamCall) and self._changes
            return Attack(self.call.method, target, b"body" if takes_file else None)
        body = {name: one for name, one in fields.items() if name not in self._in_path}
        return Attack(self.call.method, target, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _target(self, fields: Mapping[str, Any], *, raw: bool, query: bool = False) -> str:
        values = {**self._good, **fields}

        def part(match: re.Match[str]) -> str:
            return _written(values.get(match[1], "x"), raw=raw, safe="/" if match[2] else "") or "x"

        path = self.call.below[0] + re.sub(r"\{([\w.]+)(:path)?\}", part, self.call.path)
        if self.call.message == "Events":  # a stream would not end by itself
            path += "?seconds=0"
        if not query:
            return path
        pairs = [
            f"{name}={_written(one, raw=raw, safe='')}"
            for name, values_of in fields.items()
            if name not in self._in_path
            for one in (values_of if isinstance(values_of, list) else [values_of])[:200]
        ]
        joined = "&".join(pairs)[:30_000]
        return path + ("&" if "?" in path else "?") + joined if joined else path

    def _good_value(self, name: str) -> Any:
        special = GOOD.get((self.call.message, name), GOOD.get(("", name)))
        if special is None:
            special = BY_KIND.get(self.call.fields[name].kind, "x")
        text = json.dumps(special)
        for fact, said in self._facts.items():
            text = text.replace(f"<{fact}>", said)
        return json.loads(text)

    def _fresh(self, place: str) -> dict[str, Any]:
        """Returns the good fields, with names that nothing has yet; `place` is there even if it is mostly left out."""
        return {
            name: f"new {next(_NUMBERS)}" if value == "<new>" else value
            for name, value in self._good.items()
            if name == place or (self.call.message, name) not in LEFT_OUT
        }


def _written(value: Any, *, raw: bool, safe: str) -> str:
    """Returns a value as it stands in an address: as it is where that can be, else with what must be encoded."""
    text = value if isinstance(value, str) else json.dumps(value)
    data = text.encode("utf-8", "surrogatepass")[:20_000]
    if raw:
        return "".join(chr(byte) if 0x21 <= byte < 0x7F and byte not in b"?#" else f"%{byte:02x}" for byte in data)
    return quote(data, safe=safe)


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield (*place, key)
        yield from _leaves(one, (*place, key))


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copied


_PAIRS = [{"key": "k", "value": "v"}]
_TIME = "2026-01-01T00:00:00Z"
_TRACE = "<trace>"
_NUMBERS = count(1)
LEFT_OUT = frozenset(
    {
        ("CreateExperiment", "artifact_location"),
        ("CreateModelVersion", "model_id"),
        ("CreatePresignedUploadUrl", "model_id"),
        ("LogMetric", "model_id"),
        ("LogMetric", "dataset_name"),
        ("LogMetric", "dataset_digest"),
        ("GetTraceArtifact", "path"),
        ("ListScorers", "experiment_ids"),
        ("RunTable", "experiment_ids"),
        ("ReviewChange", "experiment"),
    }
)
"""Fields that a good request does not have."""

BY_KIND: Mapping[str, Any] = {"int": 1, "float": 1.0, "bool": True, "list": [], "strings": ["0"], "object": {}}
GOOD: Mapping[tuple[str, str], Any] = {
    ("CreateExperiment", "name"): "<new>",
    ("CreateOwnExperiment", "name"): "<new>",
    ("UpdateExperiment", "experiment_id"): "<spare>",
    ("UpdateExperiment", "new_name"): "<new>",
    ("ChangeExperiment", "experiment_id"): "<spare>",
    ("ChangeExperiment", "name"): "<new>",
    ("RestoreExperiment", "experiment_id"): "<deleted>",
    ("CreateRegisteredModel", "name"): "<new>",
    ("RenameRegisteredModel", "name"): "spare",
    ("RenameRegisteredModel", "new_name"): "spare",
    ("GetLatestVersions", "stages"): ["None"],
    ("GetModelVersionArtifact", "path"): "a.txt",
    ("CreateDataset", "name"): "<new>",
    ("CreateIssue", "status"): "pending",
    ("CreateIssue", "severity"): "high",
    ("UpdateIssue", "status"): "resolved",
    ("UpdateIssue", "severity"): "low",
    ("", "issue_id"): "<issue>",
    ("QueryTraceMetrics", "view_type"): "TRACES",
    ("QueryTraceMetrics", "metric_name"): "trace_count",
    ("QueryTraceMetrics", "aggregations"): [{"aggregation_type": "COUNT"}],
    ("QueryTraceMetrics", "dimensions"): [],
    ("QueryTraceMetrics", "filters"): [],
    ("", "filter_string1"): "trace.status = 'OK'",
    ("", "filter_string2"): "trace.status = 'ERROR'",
    ("", "base_filter"): "",
    ("", "run_id"): "<run>",
    ("", "run_ids"): ["<run>"],
    ("", "run_uuid"): "<run>",
    ("", "source_run_id"): "<run>",
    ("", "other"): "<run>",
    ("GetMetricHistoryBulk", "run_id"): ["<run>"],
    ("", "experiment_id"): "<home>",
    ("", "experiment_ids"): ["<home>"],
    ("", "experiment_name"): "Default",
    ("", "artifact_path"): "<run>/artifacts/notes/a.txt",
    ("", "path"): "notes/a.txt",
    ("", "name"): "digits",
    ("", "version"): "1",
    ("GetScorer", "version"): 1,
    ("DeleteScorer", "version"): 1,
    ("", "alias"): "champion",
    ("", "stage"): "Staging",
    ("", "key"): "k",
    ("", "value"): "v",
    ("LogMetric", "value"): 0.5,
    ("", "timestamp"): 1_700_000_000_000,
    ("", "step"): 3,
    ("", "metric_key"): "loss",
    ("", "metrics"): [{"key": "m", "value": 1.0, "timestamp": 1_700_000_000_000, "step": 1}],
    ("Curves", "metrics"): ["loss"],
    ("", "params"): [],
    ("LogBatch", "params"): [{"key": "p", "value": "v"}],
    ("", "tags"): _PAIRS,
    ("CreateDataset", "tags"): '{"k": "v"}',
    ("SetDatasetTags", "tags"): '{"k": "v"}',
    ("ChangeRun", "tags"): {"k": "v"},
    ("ChangeExperiment", "tags"): {"k": "v"},
    ("CreateOwnExperiment", "tags"): {"k": "v"},
    ("LogInputs", "datasets"): [
        {
            "tags": [{"key": "mlflow.data.context", "value": "train"}],
            "dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}"},
        }
    ],
    ("LogInputs", "models"): [{"model_id": "<model>"}],
    ("LogOutputs", "models"): [{"model_id": "<model>", "step": 1}],
    (
        "LogModel",
        "model_json",
    ): '{"artifact_path": "model", "flavors": {}, "utc_time_created": "2026", "run_id": "<run>"}',
    ("", "source"): "runs:/<run>/notes",
    ("", "model_id"): "<model>",
    ("", "filter"): "",
    ("", "filter_string"): "",
    ("", "order_by"): [],
    ("", "page_token"): "",
    ("", "view_type"): "ALL",
    ("", "run_view_type"): "ALL",
    ("", "status"): "FINISHED",
    ("FinalizeLoggedModel", "status"): "LOGGED_MODEL_READY",
    ("EndTrace", "status"): "OK",
    ("", "assessment"): {
        "assessment_name": "good",
        "trace_id": _TRACE,
        "source": {"source_type": "HUMAN", "source_id": "ada"},
        "create_time": _TIME,
        "last_update_time": _TIME,
        "feedback": {"value": 5, "error": {"error_code": "x"}},
        "metadata": {"k": "v"},
    },
    ("", "update_mask"): "feedback",
    ("", "assessment.trace_id"): _TRACE,
    ("", "assessment_id"): "<assessment>",
    ("", "trace_id"): _TRACE,
    ("", "trace_ids"): [_TRACE],
    ("", "request_id"): _TRACE,
    ("", "request_ids"): [_TRACE],
    ("", "request_metadata"): _PAIRS,
    ("", "trace"): {
        "trace_info": {
            "trace_id": _TRACE,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "<home>"}},
            "request_time": _TIME,
            "execution_duration": "1.5s",
            "state": "OK",
            "trace_metadata": {"k": "v"},
            "tags": {"k": "v"},
            "assessments": [],
            "request_preview": "q",
            "response_preview": "a",
        }
    },
    ("", "locations"): [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "<home>"}}],
    ("", "prompt_versions"): [{"name": "p", "version": "1"}],
    ("", "dataset_id"): "<dataset>",
    ("", "records"): '[{"inputs": {"q": "x"}, "expectations": {"a": 1}, "tags": {"k": "v"}}]',
    ("", "serialized_scorer"): '{"name": "s"}',
    ("", "upload_id"): "<upload>",
    ("", "part_number"): 1,
    ("", "parts"): [{"part_number": 1, "etag": "x", "url": ""}],
    ("", "fields"): ["metrics.loss", "run_name"],
    ("", "limit"): 10,
    ("", "lifecycle"): "active",
    ("", "dialect"): "native",
    ("", "axis"): "step",
    ("", "detail"): "curve",
    ("", "max_points"): 10,
    ("", "start"): 0,
    ("", "end"): 100,
    ("", "total"): True,
    ("", "patch"): False,
    ("", "nearest"): False,
    ("", "only_changed"): False,
    ("", "sort"): "loss",
    ("", "range"): "HEAD",
    ("", "experiment"): "Default",
    ("", "rules"): [{"metric": "loss", "rule": "at most 2"}],
    ("", "seconds"): 0,
    ("", "last_event_id"): "",
}
