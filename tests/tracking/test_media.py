"""What people log becomes bytes that other programs read."""

from __future__ import annotations

import datetime
import io
import json
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gitruns.errors import GitRunsWarning, InvalidInputError
from gitruns.tracking import media


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Makes importing a package fail, as where it is not installed."""
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


class TestText:
    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
    def test_it_is_utf_8_as_it_is(self, text: str) -> None:
        assert media.text_bytes(text).decode() == text

    def test_what_is_no_text(self) -> None:
        with pytest.raises(InvalidInputError, match="text must be str, not 'bytes'"):
            media.text_bytes(b"x")  # type: ignore[arg-type] # the mistake
        with pytest.raises(InvalidInputError, match="lone surrogate at character 2"):
            media.text_bytes("a\ud800")


@dataclass
class Options:
    rate: float
    layers: tuple[int, ...]


class TestDict:
    VALUE: ClassVar[dict[Any, Any]] = {
        "größe": np.float32(0.5),
        "a": [np.int64(3), {"b": None}],
        "array": np.arange(3),
        "options": Options(0.1, (1, 2)),
        "path": Path("x/y"),
        3: {"z", "y"},
        "bool": np.bool_(True),
    }
    PLAIN: ClassVar[dict[Any, Any]] = {
        "größe": 0.5,
        "a": [3, {"b": None}],
        "array": [0, 1, 2],
        "options": {"rate": 0.1, "layers": [1, 2]},
        "path": "x/y",
        "bool": True,
    }

    def test_json(self) -> None:
        data = media.dict_bytes(self.VALUE, "a.json")
        assert json.loads(data) == {**self.PLAIN, "3": ["y", "z"]}
        assert b'\n  "gr\xc3\xb6\xc3\x9fe": 0.5,\n' in data

    @pytest.mark.parametrize("name", ["a.yaml", "dir.json/b.YML"])
    def test_yaml(self, name: str) -> None:
        assert yaml.safe_load(media.dict_bytes(self.VALUE, name)) == {**self.PLAIN, 3: ["y", "z"]}

    @pytest.mark.parametrize("name", ["a", "a.txt", "a.yaml/b"])
    def test_any_other_ending_is_json(self, name: str) -> None:
        assert media.dict_bytes({"a": 1}, name) == b'{\n  "a": 1\n}\n'

    def test_dates(self) -> None:
        value = {"at": datetime.date(2024, 1, 2)}
        assert json.loads(media.dict_bytes(value, "a.json")) == {"at": "2024-01-02"}
        assert yaml.safe_load(media.dict_bytes(value, "a.yaml")) == value

    def test_a_value_that_holds_itself(self) -> None:
        value: dict[str, Any] = {}
        value["self"] = value
        for name in ("a.json", "a.yaml"):
            with pytest.raises(InvalidInputError) as caught:
                media.dict_bytes(value, name)
            assert caught.value.kind == "too-deep"

    def test_lone_surrogates(self) -> None:
        assert json.loads(media.dict_bytes({"a": "\ud800"}, "a.json")) == {"a": "\ud800"}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=20,
        )
    )
    def test_what_json_knows_comes_back(self, value: Any) -> None:
        assert json.loads(media.dict_bytes(value, "a.json")) == value


class TestMatplotlib:
    @pytest.fixture
    def figure(self) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([1, 2, 3], label="loss")
        return figure

    @pytest.mark.parametrize(
        ("name", "start"),
        [("a.png", b"\x89PNG"), ("b/a.SVG", b"<?xml"), ("a.pdf", b"%PDF"), ("a.jpg", b"\xff\xd8")],
    )
    def test_the_ending_says_the_form(self, figure: Any, name: str, start: bytes) -> None:
        assert media.figure_bytes(figure, name).startswith(start)

    @pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
    def test_equal_figures_are_equal_bytes(self, figure: Any, name: str) -> None:
        assert media.figure_bytes(figure, name) == media.figure_bytes(figure, name)

    @pytest.mark.parametrize("name", ["a.html", "a.txt"])
    def test_a_form_that_it_has_not(self, figure: Any, name: str) -> None:
        with pytest.raises(InvalidInputError, match=r"cannot store a matplotlib figure as '\.(html|txt)'") as caught:
            media.figure_bytes(figure, name)
        assert "png" in (caught.value.hint or "")

    def test_a_name_without_ending(self, figure: Any) -> None:
        with pytest.raises(InvalidInputError, match="the name has no ending"):
            media.figure_bytes(figure, "a")

    def test_what_is_no_figure(self, figure: Any) -> None:
        with pytest.raises(InvalidInputError, match="cannot store a 'Axes' as a figure") as caught:
            media.figure_bytes(figure.axes[0], "a.png")
        assert "axes.figure" in (caught.value.hint or "")
        with pytest.raises(InvalidInputError, match="cannot store a 'list' as a figure"):
            media.figure_bytes([1], "a.png")


class TestPlotly:
    @pytest.fixture
    def figure(self) -> Any:
        graph_objects = pytest.importorskip("plotly.graph_objects")
        return graph_objects.Figure(graph_objects.Scatter(x=[1, 2], y=[3, 4]))

    def test_html(self, figure: Any) -> None:
        page = media.figure_bytes(figure, "a.html")
        assert b"<html>" in page[:100]
        assert len(page) < 100_000, "plotly.js itself belongs on its own server"
        assert page == media.figure_bytes(figure, "a.html")

    def test_images_need_kaleido(self, figure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        without(monkeypatch, "kaleido")

        def no_kaleido(**_: object) -> bytes:
            raise ValueError("Image export requires the kaleido package")

        monkeypatch.setattr(type(figure), "to_image", lambda self, **options: no_kaleido(**options))
        with pytest.raises(InvalidInputError, match="needs the package 'kaleido'") as caught:
            media.figure_bytes(figure, "a.png")
        assert caught.value.hint == "pip install kaleido"

    def test_a_form_that_it_has_not(self, figure: Any) -> None:
        with pytest.raises(InvalidInputError, match=r"cannot store a plotly figure as '\.gif'"):
            media.figure_bytes(figure, "a.gif")


class TestImages:
    @staticmethod
    def pixels(image: Any) -> Any:
        return np.asarray(Image.open(io.BytesIO(media.image_bytes(image, "a.png"))))

    @pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
    @pytest.mark.parametrize("dtype", ["u1", "i8", "u2", "i4"])
    def test_integers(self, shape: tuple[int, ...], dtype: str) -> None:
        array = (np.arange(np.prod(shape)) % 256).reshape(shape).astype(dtype)
        expected = array[:, :, 0] if shape[-1] == 1 else array
        assert (self.pixels(array) == expected).all()

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    def test_floats(self, dtype: str) -> None:
        assert self.pixels(np.array([[0, 0.5, 1]], dtype)).tolist() == [[0, 127, 255]]

    def test_bools(self) -> None:
        assert self.pixels(np.array([[True, False]])).tolist() == [[255, 0]]

    def test_a_view_that_is_not_contiguous(self) -> None:
        array = np.arange(24, dtype="u1").reshape(4, 6)
        assert (self.pixels(array[::2, ::-1]) == array[::2, ::-1]).all()

    @pytest.mark.parametrize(
        ("values", "expected"), [([[-1, 1]], [[0, 255]]), ([[0, 4]], [[0, 255]]), ([[7, 7]], [[0, 0]])]
    )
    def test_floats_out_of_range_are_scaled(self, values: list[list[float]], expected: list[list[int]]) -> None:
        with pytest.warns(GitRunsWarning, match=r"float pixels should be 0\.\.1"):
            assert self.pixels(np.array(values, float)).tolist() == expected

    def test_what_is_not_finite_is_black(self) -> None:
        with pytest.warns(GitRunsWarning, match="not finite"):
            assert self.pixels(np.array([[np.nan, np.inf, 1.0]])).tolist() == [[0, 0, 255]]

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.array([[256]]), r"integer pixels must be 0\.\.255, found 256\.\.256"),
            (np.array([[-1]]), r"integer pixels must be 0\.\.255"),
            (np.zeros(3), "must have 2 or 3 dimensions"),
            (np.zeros((1, 2, 3, 4)), "must have 2 or 3 dimensions"),
            (np.zeros((4, 4, 2)), "must have 1, 3 or 4 channels, not 2"),
            (np.zeros((0, 4)), "has no pixels"),
            (np.array([["a"]]), "is of type '<U1'"),
            (np.array([[1j]]), "is of type 'complex128'"),
        ],
    )
    def test_arrays_that_are_no_images(self, array: Any, message: str) -> None:
        with pytest.raises(InvalidInputError, match=message) as caught:
            media.image_bytes(array, "a.png")
        assert caught.value.kind == "bad-image"

    def test_channels_in_front_get_a_hint(self) -> None:
        with pytest.raises(InvalidInputError) as caught:
            media.image_bytes(np.zeros((3, 8, 8)), "a.png")
        assert "colours come last" in (caught.value.hint or "")

    @pytest.mark.parametrize(
        ("name", "form"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("b/a.webp", "WEBP"), ("a.bmp", "BMP")]
    )
    def test_pil_images_in_the_form_of_the_ending(self, name: str, form: str) -> None:
        image = Image.new("RGB", (3, 2), "red")
        assert Image.open(io.BytesIO(media.image_bytes(image, name))).format == form

    @pytest.mark.parametrize("name", ["a", "a.txt", "a.html", "a.svg"])
    def test_endings_of_no_image(self, name: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            media.image_bytes(Image.new("RGB", (3, 2)), name)
        assert caught.value.kind == "bad-ending"

    def test_a_mode_that_the_form_has_not(self) -> None:
        with pytest.raises(InvalidInputError, match="cannot write mode RGBA as JPEG"):
            media.image_bytes(Image.new("RGBA", (3, 2)), "a.jpg")

    def test_what_wraps_an_image(self) -> None:
        class Wrapped:
            def to_pil(self) -> Any:
                return Image.new("L", (2, 2), 7)

        assert self.pixels(Wrapped()).tolist() == [[7, 7], [7, 7]]

    def test_what_is_no_image(self) -> None:
        with pytest.raises(InvalidInputError, match="cannot store a 'list' as an image"):
            media.image_bytes([[1]], "a.png")

    def test_without_pillow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without(monkeypatch, "PIL")
        with pytest.raises(InvalidInputError, match="an image needs the package 'pillow'") as caught:
            media.image_bytes(np.zeros((2, 2)), "a.png")
        assert (caught.value.kind, caught.value.hint) == ("missing-package", "pip install pillow")

    @pytest.mark.parametrize(
        ("size", "small"), [((512, 100), (256, 50)), ((1, 1000), (1, 256)), ((10, 10), (256, 256))]
    )
    def test_the_preview(self, size: tuple[int, int], small: tuple[int, int]) -> None:
        preview = Image.open(io.BytesIO(media.compressed_image_bytes(Image.new("RGB", size))))
        assert (preview.format, preview.size) == ("WEBP", small)


class TestTables:
    def test_a_dict_of_lists(self) -> None:
        data = media.table_bytes({"in": ["a", "ü"], "x": [1, 0.1]}, "t.json")
        assert data == '{"columns": ["in", "x"], "data": [\n["a", 1],\n["ü", 0.1]\n]}\n'.encode()

    def test_a_frame_is_as_its_dict(self) -> None:
        columns = {"a": [1, 2], "b": ["x", None], "c": [0.1 + 0.2, np.nan]}
        frame = pd.DataFrame(columns, index=[7, 9])
        assert media.table_bytes(frame, "t.json") == media.table_bytes(columns, "t.json")

    def test_pandas_reads_it_as_mlflow_does(self) -> None:
        frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.1, 2.5], "d": [True, False]})
        read = pd.read_json(io.BytesIO(media.table_bytes(frame, "t.json")), orient="split")
        pd.testing.assert_frame_equal(read, frame)

    def test_numbers_keep_their_digits(self) -> None:
        value = 0.1234567890123456
        assert json.loads(media.table_bytes({"a": [value, 2**60]}, "t.json"))["data"] == [[value], [2**60]]

    def test_single_values(self) -> None:
        assert json.loads(media.table_bytes({"a": "x", "b": 1}, "t.json"))["data"] == [["x", 1]]
        assert json.loads(media.table_bytes({"a": [1, 2], "b": "x"}, "t.json"))["data"] == [[1, "x"], [2, "x"]]

    def test_what_json_has_not(self) -> None:
        column = [np.float32(0.5), np.inf, pd.NaT, pd.Timestamp("2024-01-02"), Path("p"), [1, np.nan], np.array([1])]
        rows = json.loads(media.table_bytes({"a": column}, "t.json"))["data"]
        assert [row[0] for row in rows] == [0.5, None, None, "2024-01-02T00:00:00", "p", [1, None], [1]]

    def test_empty_ones(self) -> None:
        assert json.loads(media.table_bytes({}, "t.json")) == {"columns": [], "data": []}
        assert json.loads(media.table_bytes({"a": []}, "t.json")) == {"columns": ["a"], "data": []}
        assert json.loads(media.table_bytes(pd.DataFrame({"a": []}), "t.json")) == {"columns": ["a"], "data": []}

    def test_rows_are_added(self) -> None:
        first = media.table_bytes({"a": [1], "b": ["x"]}, "t.json")
        second = media.table_bytes(pd.DataFrame({"b": ["y"], "c": [2.5]}), "t.json", first)
        third = media.table_bytes({"a": [3], "b": ["z"], "c": [None]}, "t.json", second)
        assert json.loads(third) == {
            "columns": ["a", "b", "c"],
            "data": [[1, "x", None], [None, "y", 2.5], [3, "z", None]],
        }

    def test_rows_are_added_to_a_table_of_mlflow(self) -> None:
        before = pd.DataFrame({"a": [1, 2]}).to_json(orient="split", index=False).encode()
        assert json.loads(media.table_bytes({"a": [3]}, "t.json", before))["data"] == [[1], [2], [3]]

    @pytest.mark.parametrize(
        "before",
        [
            b"",
            b"x",
            b"[]",
            b'{"columns": ["a"], "data": [[1, 2]]}',
            b'{"columns": 3, "data": []}',
            b'{"columns": [[]], "data": []}',
        ],
    )
    def test_what_is_no_table_is_not_added_to(self, before: bytes) -> None:
        with pytest.raises(InvalidInputError, match=r"cannot add rows to 't.json'") as caught:
            media.table_bytes({"a": [3]}, "t.json", before)
        assert caught.value.kind == "not-a-table"

    @pytest.mark.parametrize(
        ("data", "name", "message"),
        [
            ({"a": [1], "b": [1, 2]}, "t.json", "must be equally long: 'a' 1, 'b' 2"),
            ([{"a": 1}], "t.json", "must be a pandas DataFrame or a dict of lists, not 'list'"),
            ({"a": [1]}, "t.csv", r"must end in '\.json' or '\.parquet'"),
            ({"a": [1]}, "t", "must end in"),
            ({"a": [Image.new("L", (1, 1))]}, "t.json", "cannot hold images"),
        ],
    )
    def test_mistakes(self, data: Any, name: str, message: str) -> None:
        with pytest.raises(InvalidInputError, match=message):
            media.table_bytes(data, name)

    def test_two_columns_of_one_name(self) -> None:
        with pytest.raises(InvalidInputError, match="two columns of one name"):
            media.table_bytes(pd.DataFrame([[1, 2]], columns=["a", "a"]), "t.json")

    def test_parquet(self) -> None:
        pytest.importorskip("pyarrow")
        first = media.table_bytes({"a": [1]}, "t.parquet")
        both = media.table_bytes(pd.DataFrame({"a": [2]}), "t.parquet", first)
        assert pd.read_parquet(io.BytesIO(both))["a"].tolist() == [1, 2]

    def test_parquet_without_an_engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without(monkeypatch, "pyarrow")
        without(monkeypatch, "fastparquet")
        with pytest.raises(InvalidInputError) as caught:
            media.table_bytes({"a": [1]}, "t.parquet")
        assert (caught.value.kind, caught.value.hint) == ("missing-package", "pip install pandas pyarrow")

    @given(
        st.lists(st.integers(), max_size=5).flatmap(
            lambda column: st.fixed_dictionaries(
                {"a": st.just(column), "b": st.lists(st.text(), min_size=len(column), max_size=len(column))}
            )
        )
    )
    def test_what_went_in_is_in_it(self, columns: dict[str, list[Any]]) -> None:
        table = json.loads(media.table_bytes(columns, "t.json"))
        assert {name: [row[place] for row in table["data"]] for place, name in enumerate(table["columns"])} == columns


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys\n"
        "from gitruns.tracking import datasets, media, system_metrics\n"
        "media.table_bytes({'a': [1]}, 't.json'); media.dict_bytes({'a': [1]}, 't.json'); media.text_bytes('x')\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'plotly', 'PIL', 'psutil', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_warnings_are_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        media.image_bytes(np.zeros((2, 2)), "a.png")
