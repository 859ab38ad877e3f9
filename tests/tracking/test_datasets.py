"""Datasets are named, fingerprinted and described."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitruns.entities.dataset import DatasetInput
from gitruns.errors import InvalidInputError, NotFoundError
from gitruns.tracking import dataset_digest, dataset_schema
from gitruns.tracking.datasets import from_any, from_numpy, from_pandas, from_path


def digest(data: Any) -> str:
    return from_any(data).digest


class TestDigests:
    def test_they_are_short(self) -> None:
        for data in (np.zeros(3), pd.DataFrame({"a": [1]}), {"x": np.zeros(3)}):
            assert len(digest(data)) == 16
            int(digest(data), 16)

    @pytest.mark.parametrize(
        "other",
        [
            np.arange(12).reshape(4, 3),
            np.arange(12).astype("f8").reshape(3, 4),
            np.arange(12).astype("i4").reshape(3, 4),
            np.arange(1, 13).reshape(3, 4),
            np.arange(12).reshape(3, 4).astype(object),
            np.arange(12).reshape(3, 4).astype("U"),
        ],
    )
    def test_other_arrays_have_others(self, other: Any) -> None:
        assert digest(np.arange(12).reshape(3, 4)) != digest(other)

    def test_layout_and_byte_order_make_no_difference(self) -> None:
        array = np.arange(60, dtype="f8").reshape(3, 4, 5)
        for same in (np.asfortranarray(array), array.astype(">f8"), np.repeat(array, 2, axis=1)[:, ::2], array.copy()):
            assert digest(same) == digest(array)

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_of_large_arrays_samples_are_hashed(self, monkeypatch: pytest.MonkeyPatch, order: Any) -> None:
        monkeypatch.setattr(dataset_digest.add_array, "__defaults__", (8000,))
        array = np.asarray(np.arange(100_000.0).reshape(100, 1000), order=order)
        whole = digest(array)
        for place in ((0, 0), (99, 999)):
            changed = array.copy(order="K")
            changed[place] += 1
            assert digest(changed) != whole
        assert digest(array[:, :999]) != whole
        assert digest(np.ascontiguousarray(array)) == whole

    def test_a_large_array_is_quick(self) -> None:
        array = np.zeros((40, 1 << 20))  # 320 MiB that nobody has touched
        began = time.perf_counter()
        digest(array)
        digest(array.T)
        assert time.perf_counter() - began < 20

    @pytest.mark.parametrize(
        "array",
        [
            np.array(5),
            np.zeros((0, 3)),
            np.zeros(3, "U0"),
            np.array(["2020-01-01"], "M8[D]"),
            np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
            np.array([None, "x", 3, [1], {"a": {2, 3}}], dtype=object),
            np.ma.masked_array([1, 2], [True, False]),
        ],
    )
    def test_odd_arrays_have_one(self, array: Any) -> None:
        assert digest(array) == digest(array.copy())

    def test_features_and_targets_are_told_apart(self) -> None:
        one, two = np.zeros(3), np.ones(3)
        digests = {
            from_numpy(one).digest,
            from_numpy(one, targets=two).digest,
            from_numpy(two, targets=one).digest,
            from_numpy({"a": one, "b": two}).digest,
            from_numpy({"a": two, "b": one}).digest,
            from_numpy({"b": one, "a": two}).digest,
        }
        assert len(digests) == 5

    @pytest.mark.parametrize(
        "change",
        [
            lambda frame: frame.assign(a=[1, 2, 4]),
            lambda frame: frame.assign(s=["x", "y", "Z"]),
            lambda frame: frame.assign(m=["x", None, "y"]),
            lambda frame: frame.assign(o=[[1], {"k": 1}, decimal.Decimal("2.51")]),
            lambda frame: frame.assign(t=frame["t"] + pd.Timedelta("1us")),
            lambda frame: frame.assign(I=pd.array([1, None, 4], "Int64")),
            lambda frame: frame.rename(columns={"a": "A"}),
            lambda frame: frame[["s", "a", "m", "o", "t", "I"]],
            lambda frame: frame.iloc[::-1],
            lambda frame: frame.iloc[:2],
            lambda frame: frame.set_index("s", drop=False),
        ],
    )
    def test_another_frame_has_another(self, change: Callable[[Any], Any]) -> None:
        frame = self.frame()
        assert digest(change(frame)) != digest(frame)
        assert digest(frame) == digest(self.frame())

    @staticmethod
    def frame() -> Any:
        return pd.DataFrame(
            {
                "a": [1, 2, 3],
                "s": ["x", "y", "z"],
                "m": ["x", None, "z"],
                "o": [[1], {"k": 1}, decimal.Decimal("2.5")],
                "t": pd.to_datetime(["2020-01-01", "2021-01-01", None]).tz_localize("Europe/Berlin"),
                "I": pd.array([1, None, 3], "Int64"),
            }
        )

    def test_a_category_is_what_it_says(self) -> None:
        frame = pd.DataFrame({"a": ["x", "y", "x"]})
        assert digest(frame.astype("category")) == digest(frame)

    def test_values_that_json_cannot_sort_or_end(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        for odd in ({1: "a", "b": 2}, {(1, 2): 3}, loop, object(), b"\xff", {frozenset({1}): 1}):
            cell = np.empty(1, object)
            cell[0] = odd
            assert digest(cell) == digest(cell)
        first, second = np.empty(1, object), np.empty(1, object)
        first[0], second[0] = {1: "a", "b": 2}, {1: "a", "b": 3}
        assert digest(first) != digest(second)

    def test_they_are_the_same_in_every_process(self) -> None:
        program = (
            "import sys; sys.path[:0] = [sys.argv[1]]\n"
            "from test_datasets import TestDigests, digest\n"
            "import numpy as np\n"
            "print(digest(TestDigests.frame()), digest(np.array([{'a', 'b', 'c'}, object()], dtype=object)))\n"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", program, str(Path(__file__).parent)],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                capture_output=True,
                check=True,
            ).stdout
            for seed in (1, 2)
        }
        assert len(outputs) == 1

    @given(st.integers(0, 3000), st.integers(1, 3000))
    def test_spans_are_in_order_and_hold_both_ends(self, length: int, whole: int) -> None:
        spans = list(dataset_digest._spans(length, whole))
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(start <= end for start, end in spans)
        assert all(one[1] <= two[0] + max(1, whole // 256) for one, two in itertools.pairwise(spans))
        assert sum(end - start for start, end in spans) <= max(whole, 2) or length <= whole


class TestPaths:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "train ü.csv").write_bytes(b"a,b\n")
        described = from_path(tmp_path / "train ü.csv")
        assert described.name == "train ü.csv"
        assert described.digest == hashlib.sha256(b"a,b\n").hexdigest()[:16]
        assert json.loads(described.profile or "") == {"num_files": 1, "num_bytes": 4, "hashed_whole": True}
        assert (described.source_type, json.loads(described.source)["uri"]) == ("local", str(tmp_path / "train ü.csv"))

    def test_a_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "b").write_bytes(b"2")
        (folder / "a").write_bytes(b"1")
        (folder / "link").symlink_to("a")
        os.mkfifo(folder / "pipe")
        first = from_path(folder)
        assert first.name == "data"
        assert json.loads(first.profile or "")["num_files"] == 4
        digests = {first.digest}
        (folder / "a").write_bytes(b"x")
        digests.add(from_path(folder).digest)
        (folder / "a").rename(folder / "c")
        digests.add(from_path(folder).digest)
        (folder / "link").unlink()
        digests.add(from_path(folder).digest)
        (folder / "link").symlink_to("c")
        digests.add(from_path(folder).digest)
        assert len(digests) == 5

    def test_of_large_files_samples_are_hashed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dataset_digest.add_file, "__defaults__", (4096,))
        path = tmp_path / "big"
        digests = set()
        for data in (bytes(100_000), bytes(99_999) + b"x", b"x" + bytes(99_999), bytes(100_001)):
            path.write_bytes(data)
            digests.add(from_path(path).digest)
        assert len(digests) == 4

    def test_of_many_files_some_are_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(50):
            (tmp_path / str(number)).write_bytes(bytes(100))
        monkeypatch.setattr(dataset_digest, "WHOLE_BYTES", 1000)
        monkeypatch.setattr(dataset_digest, "_FILES_READ", 10)
        opened: list[Path] = []
        real = dataset_digest._open
        monkeypatch.setattr(dataset_digest, "_open", lambda path: (opened.append(path), real(path))[1])
        first = from_path(tmp_path).digest
        assert len(opened) == 10
        (tmp_path / "33").write_bytes(bytes(101))
        assert from_path(tmp_path).digest != first

    def test_where_it_lies_is_told_without_the_user_s_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home" / "ada"
        (home / "project" / "data").mkdir(parents=True)
        for path in (home / "far.csv", home / "project" / "near.csv", home / "project" / "data" / "x.csv"):
            path.write_text("x")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(home / "project")
        shown = {
            given: json.loads(from_path(given).source)["uri"]
            for given in (
                str(home / "far.csv"),
                str(home / "project" / "near.csv"),
                "data/x.csv",
                f"file://{home}/far.csv",
            )
        }
        assert list(shown.values()) == ["~/far.csv", "near.csv", "data/x.csv", "~/far.csv"]

    @pytest.mark.parametrize(
        ("address", "kind", "shown", "name"),
        [
            ("s3://bucket/data/train.csv", "s3", '{"uri": "s3://bucket/data/train.csv"}', "train.csv"),
            ("https://h.org/x.csv?a=1", "http", '{"url": "https://h.org/x.csv?a=1"}', "x.csv"),
            ("https://ada:secret@h.org/x.csv", "http", '{"url": "https://h.org/x.csv"}', "x.csv"),
            ("GS://bucket/", "gs", '{"uri": "GS://bucket/"}', "dataset"),
        ],
    )
    def test_addresses_are_not_opened(self, address: str, kind: str, shown: str, name: str) -> None:
        described = from_any(address)
        assert (described.source_type, described.source, described.name) == (kind, shown, name)
        assert described.digest == from_any(address).digest
        assert "secret" not in repr(described)

    def test_missing_ones(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"cannot find dataset '.*nothing'"):
            from_path(tmp_path / "nothing")

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidInputError, match="neither a file nor a folder"):
            from_path(tmp_path / "pipe")


# What MLflow 3.17 writes for the same columns; None where it gives up the whole schema and we say "any".
COLUMNS: list[tuple[Any, str | None, bool]] = [
    ([1, 2], "long", True),
    ([1.0, 2.0], "double", True),
    ([1.0, np.nan], "double", False),
    (np.array([1, 2], "f4"), "float", True),
    (np.array([1, 2], "f2"), "float", True),
    (np.array([1, 2], "i4"), "integer", True),
    (np.array([1, 2], "i2"), "integer", True),
    (np.array([1, 2], "u1"), "integer", True),
    (np.array([1, 2], "u2"), "integer", True),
    (np.array([1, 2], "u4"), "long", True),
    (np.array([1, 2], "u8"), None, False),
    (["a", "b"], "string", True),
    (["a", None], "string", False),
    (pd.array(["a", "b"], "string"), "string", True),
    ([True, False], "boolean", True),
    (pd.array([True, None], "boolean"), "boolean", False),
    (pd.to_datetime(["2020", "2021"]), "datetime", True),
    (pd.to_datetime(["2020", None]), "datetime", False),
    (pd.to_datetime(["2020", "2021"]).tz_localize("UTC"), "datetime", True),
    ([datetime.date(2020, 1, 1)] * 2, "datetime", True),
    ([b"a", b"b"], "binary", True),
    (pd.Categorical(["a", "b"]), "string", True),
    (pd.Categorical(["a", None]), "string", False),
    (pd.Categorical([1, 2]), "long", True),
    (pd.array([1, None], "Int64"), "long", False),
    (pd.array([1, None], "UInt8"), "integer", False),
    (pd.array([1.5, None], "Float32"), "float", False),
    (np.array([1, 2], object), "long", True),
    (np.array([1, None], object), "double", False),
    (np.array([True, False], object), "boolean", True),
    (np.array([1.5, 2], object), "double", True),
    ([None, None], "any", False),
    (pd.to_timedelta([1, 2]), None, False),
    ([1j, 2j], None, False),
    ([1, "a"], None, False),
    ([decimal.Decimal(1)] * 2, None, False),
]


class TestSchemas:
    @pytest.mark.parametrize(("values", "kind", "required"), COLUMNS)
    def test_columns(self, values: Any, kind: str | None, required: bool) -> None:
        schema = json.loads(from_pandas(pd.DataFrame({"c": values})).schema or "")
        assert schema == {"mlflow_colspec": [{"type": kind or "any", "name": "c", "required": required}]}

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ([[1], [2]], {"type": "array", "items": {"type": "long"}}),
            ([[], [1]], {"type": "array", "items": {"type": "long"}}),
            ([["a"], ["b"]], {"type": "array", "items": {"type": "string"}}),
            ([np.array([1.0]), np.array([2.0])], {"type": "array", "items": {"type": "double"}}),
            ([[[1.0]], [[2.0]]], {"type": "array", "items": {"type": "array", "items": {"type": "double"}}}),
            (
                [{"a": 1}, {"a": 2, "b": "x"}],
                {
                    "type": "object",
                    "properties": {"a": {"type": "long", "required": True}, "b": {"type": "string", "required": False}},
                },
            ),
        ],
    )
    def test_nested_columns(self, values: list[Any], kind: dict[str, Any]) -> None:
        (column,) = json.loads(from_pandas(pd.DataFrame({"c": values})).schema or "")["mlflow_colspec"]
        assert column == {**kind, "name": "c", "required": True}

    def test_names_of_columns(self) -> None:
        frame = pd.DataFrame([[1, 2, 3, 4]], columns=[5, "ü", ("a", 1), "ü"])
        names = [column["name"] for column in json.loads(from_pandas(frame).schema or "")["mlflow_colspec"]]
        assert names == [5, "ü", "('a', 1)", "ü"]

    def test_profiles(self) -> None:
        assert json.loads(from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]})).profile or "") == {
            "num_rows": 2,
            "num_elements": 4,
        }
        assert json.loads(from_numpy(np.zeros((3, 4)), targets=np.zeros(3, "i8")).profile or "") == {
            "features_shape": [3, 4],
            "features_size": 12,
            "features_nbytes": 96,
            "targets_shape": [3],
            "targets_size": 3,
            "targets_nbytes": 24,
        }
        assert json.loads(from_numpy({"a": np.zeros((3, 4))}).profile or "")["features_shape"] == {"a": [3, 4]}

    def test_arrays(self) -> None:
        schema = json.loads(from_numpy(np.zeros((3, 4)), targets=np.zeros(3, "i8")).schema or "")["mlflow_tensorspec"]
        assert json.loads(schema["features"]) == [
            {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}
        ]
        assert json.loads(schema["targets"]) == [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]

    def test_named_arrays(self) -> None:
        arrays = {"a": np.zeros((3, 4)), "b": np.array(["x", "yy"]), "c": np.array([b"x"])}
        schema = json.loads(from_numpy(arrays).schema or "")["mlflow_tensorspec"]
        assert [(spec["name"], spec["tensor-spec"]["dtype"]) for spec in json.loads(schema["features"])] == [
            ("a", "float64"),
            ("b", "str"),
            ("c", "bytes"),
        ]
        assert schema["targets"] is None

    def test_none_where_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert from_numpy(np.array(5)).schema is None
        assert from_pandas(pd.DataFrame()).schema is None
        monkeypatch.setattr(dataset_schema, "MAX_SCHEMA_BYTES", 1000)
        assert from_pandas(pd.DataFrame([range(30)])).schema is None


class TestAny:
    def test_a_described_one_is_kept(self) -> None:
        given = DatasetInput(name="n", digest="d", source="s", context="eval")
        assert from_any(given) == given
        assert from_any(given, name="m", context="training") == DatasetInput(
            name="m", digest="d", source="s", context="training"
        )

    def test_name_context_and_source(self) -> None:
        described = from_any(np.zeros(3), name="n", context="training")
        assert (described.name, described.context, described.source_type) == ("n", "training", "code")
        assert from_any(np.zeros(3)).name == "dataset"
        frame = pd.DataFrame({"a": [1]})
        assert from_pandas(frame, source="s3://u:p@b/x").source == '{"uri": "s3://b/x"}'
        assert from_pandas(frame, digest="mine").digest == "mine"

    def test_a_series(self) -> None:
        series = pd.Series([1, 2], name="y")
        assert from_any(series) == from_any(series.to_frame())

    def test_what_converts_to_an_array(self) -> None:
        class Tensor:
            def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
                return np.arange(3)

        assert from_any(Tensor()) == from_any(np.arange(3))

    def test_a_tensor_that_does_not(self) -> None:
        class OnGpu:
            def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
                raise TypeError("can't convert cuda:0 device type tensor to numpy")

        with pytest.raises(InvalidInputError, match="cuda:0") as caught:
            from_any(OnGpu())
        assert "cpu()" in (caught.value.hint or "")

    def test_a_dataset_of_mlflow(self) -> None:
        class Dataset:
            digest = "498c7496"

            def to_dict(self) -> dict[str, Any]:
                return {
                    "name": "iris",
                    "digest": "498c7496",
                    "source": '{"url": "https://ada:secret@h.org/x"}',
                    "source_type": "http",
                    "schema": "{}",
                    "profile": None,
                }

        described = from_any(Dataset(), context="training")
        assert described == DatasetInput(
            name="iris",
            digest="498c7496",
            source='{"url": "https://h.org/x"}',
            source_type="http",
            schema="{}",
            context="training",
        )

    @pytest.mark.parametrize("data", [3, [1, 2], None, object(), {"a": object()}])
    def test_anything_else(self, data: Any) -> None:
        with pytest.raises(InvalidInputError):
            from_any(data)
