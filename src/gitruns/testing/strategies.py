"""Hypothesis strategies: values as hostile as the format must bear them."""

from __future__ import annotations

import math
import struct

from hypothesis import strategies as st

from gitruns.entities import names as legal
from gitruns.entities.artifact import Artifact
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import Digest, ExperimentId, ObjectId, RunId, WriterId
from gitruns.entities.run import Lifecycle, Run, RunInfo, RunStatus
from gitruns.entities.source import LeftOut, Source
from gitruns.entities.stamp import Stamp
from gitruns.entities.values import Point, Scalar
from gitruns.errors import InvalidInputError

AWKWARD_TEXTS = [
    "",
    " ",
    " leading and trailing ",
    "-",
    "- a",
    "? b",
    "# no comment",
    "a: b",
    "a #b",
    "null",
    "~",
    "yes",
    "on",
    "<<",
    "=",
    "*alias",
    "&anchor",
    "!!python/object:os.system",
    "%TAG",
    "---",
    "...",
    "1e5",
    "1_000",
    "0x1f",
    "1:30:00",
    "2024-01-01",
    ".nan",
    ".inf",
    "NaN",
    "Infinity",
    '"',
    "\\",
    "\\u0041",
    "a\tb",
    "a\nb\n",
    "\r\n",
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\x9f",
    "\xa0",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\ufffd",
    "\U0001f600",
    "\U0001fffe",
    "\U0010ffff",
    "é",
    "e\u0301",
    "{a: 1}",
    "[1, 2]",
    "../../etc/passwd",
    "a/b",
]

texts = st.one_of(
    st.sampled_from(AWKWARD_TEXTS),
    st.text(max_size=20),
    st.text(alphabet=' "\\\n\t:,{}[]-#.un0\u2028é', max_size=12),
)
"""Text of any unicode that UTF-8 can hold."""

keys = texts
names = texts.filter(bool)
"""Keys of params, metrics and tags: not empty."""

integers = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, -(2**63), 2**64, 10**4299, 10**4300, -(10**4301), 7**6000]),
)

AWKWARD_FLOATS = [
    0.0,
    -0.0,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    1e16,
    1e-5,
    1e22,
    0.1,
    123456789.0,
]

floats = st.one_of(st.floats(), st.sampled_from(AWKWARD_FLOATS))
"""Every float64, NaN and infinities too."""

scalars: st.SearchStrategy[Scalar] = st.one_of(st.none(), st.booleans(), integers, floats, texts)


def _nested(items: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(items, st.lists(items, max_size=3), st.dictionaries(keys, items, max_size=3))


values = _nested(_nested(scalars))
"""What a line of a canonical file can hold: scalars, and lists and mappings of them two levels deep."""

mappings = st.dictionaries(keys, values, max_size=6)
lists = st.lists(values, max_size=6)

steps = st.one_of(st.integers(min_value=0, max_value=50), st.integers(min_value=-(2**63), max_value=2**63 - 1))
times_ms = st.one_of(st.integers(min_value=0, max_value=20), st.integers(min_value=0, max_value=2**53))
metric_values = st.one_of(floats, st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf]))


def points(metrics: st.SearchStrategy[str] = names) -> st.SearchStrategy[Point]:
    """Returns points that often share a step, a time or a value, so that ties are met."""
    return st.builds(Point, metrics, steps, times_ms, metric_values)


def same(one: object, other: object) -> bool:
    """Returns whether two values are equal in type too, and floats bit for bit; every NaN is the same NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return (one != one and other != other) or struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(min_value=0, max_value=16**digits - 1).map(lambda number: f"{number:0{digits}x}")


run_ids: st.SearchStrategy[RunId] = _hex(32).map(RunId)
writer_ids: st.SearchStrategy[WriterId] = _hex(16).map(WriterId)
object_ids: st.SearchStrategy[ObjectId] = _hex(40).map(ObjectId)
digests: st.SearchStrategy[Digest] = _hex(64).map(Digest)
stamps = st.builds(Stamp, times_ms, st.integers(min_value=0, max_value=3), writer_ids)

_optional_texts = st.none() | texts
_short_names = names.filter(lambda name: len(name) <= 100)
_text_mappings = st.dictionaries(_short_names, texts, max_size=3)


def _is_artifact_path(path: str) -> bool:
    try:
        return legal.check_artifact_path(path) == path
    except InvalidInputError:
        return False


artifact_paths = st.one_of(
    st.sampled_from(
        ["model.bin", "plots/loss.png", "a/b/c.txt", "notes.md", "é/\U0001f600", 'qu"ote', "line\nbreak", "a\\..\\b"]
    ),
    st.text(max_size=15),
).filter(_is_artifact_path)

artifacts = st.builds(
    Artifact, path=artifact_paths, digest=digests, size_bytes=st.integers(min_value=0, max_value=2**40)
)

left_out = st.builds(
    LeftOut,
    path=names,
    reason=st.sampled_from(["too-large", "binary", "secret", "deny-list", "special"]),
    size=st.none() | st.integers(min_value=0, max_value=2**40),
)

sources = st.builds(
    Source,
    base=st.none() | object_ids,
    branch=st.none() | names,
    code_tree=st.none() | object_ids,
    snapshot_tree=st.none() | object_ids,
    dirty=st.booleans(),
    left_out=st.lists(left_out, max_size=2).map(tuple),
    remote_url=_optional_texts,
    autocrlf=st.none() | st.sampled_from(["true", "input"]),
    eol=st.none() | st.sampled_from(["lf", "crlf"]),
)
"""Sources without a commit: whether that is in the repository is for the test to say."""

environments = st.builds(
    Environment,
    python=names,
    platform=names,
    packages=_text_mappings,
    hardware=_text_mappings,
    variables=_text_mappings,
)

inputs = st.builds(
    DatasetInput,
    name=names,
    digest=names,
    source=texts,
    source_type=st.sampled_from(["local", "http", "code"]),
    schema=_optional_texts,
    profile=_optional_texts,
    context=st.none() | names,
    tags=_text_mappings.map(lambda tags: tuple(sorted(tags.items()))),
)

run_infos = st.builds(
    RunInfo,
    id=run_ids,
    name=names,
    experiment_id=st.sampled_from([ExperimentId("0"), ExperimentId("123456789012345678")]),
    writer=writer_ids,
    status=st.sampled_from(RunStatus),
    start_time_ms=times_ms,
    end_time_ms=st.none() | times_ms,
    user=_optional_texts,
    host=_optional_texts,
    entry_point=_optional_texts,
    command=st.lists(texts, max_size=3).map(tuple),
    source=sources,
    parent_run_id=st.none() | run_ids,
    exit_code=st.none() | st.integers(min_value=-64, max_value=255),
    error=_optional_texts,
    lifecycle=st.sampled_from(Lifecycle),
    dropped=st.integers(min_value=0, max_value=3),
    kind=st.sampled_from([None, None, "model"]),
)


def _unique_by_key(items: list[DatasetInput]) -> tuple[DatasetInput, ...]:
    return tuple({(item.name, item.digest, item.context): item for item in items}.values())


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A run that has ended, with everything but the points of its metrics."""
    manifest = draw(st.lists(artifacts, max_size=4, unique_by=lambda artifact: artifact.path))
    fields = st.sampled_from(["run/name", "run/lifecycle", "tags/gone", "params/p", "artifacts/gone.bin"])
    return Run(
        info=draw(run_infos),
        params=draw(st.dictionaries(_short_names, scalars, max_size=5)),
        tags=draw(_text_mappings),
        artifacts=tuple(sorted(manifest, key=lambda artifact: artifact.path)),
        inputs=draw(st.lists(inputs, max_size=3).map(_unique_by_key)),
        environment=draw(st.none() | environments),
        stamps=draw(st.dictionaries(fields, stamps, max_size=3)),
    )
