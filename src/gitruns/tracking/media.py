"""Things that people log, turned into the bytes of an artifact; each library is imported when its thing comes.

Pure functions: nothing is written here. Equal things give equal bytes where the library lets them, so that they are
kept once. Whatever cannot be turned raises `InvalidInputError`. Source of the meanings: MLflow's `log_text`,
`log_dict`, `log_figure`, `log_image` and `log_table`.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import PurePosixPath
from typing import Any

from gitruns.errors import GitRunsWarning, InvalidInputError
from gitruns.tracking.plain import missing_package, plain_value
from gitruns.tracking.tables import table_bytes

__all__ = ["compressed_image_bytes", "dict_bytes", "figure_bytes", "image_bytes", "table_bytes", "text_bytes"]

_PLOTLY_IMAGES = ("png", "jpeg", "jpg", "webp", "svg", "pdf")
_CHANNELS = (1, 3, 4)
_ARRAY_KINDS = {"b": "bool", "i": "signed integer", "u": "unsigned integer", "f": "floating"}
_COMPRESSED_PIXELS = 256


def text_bytes(text: str) -> bytes:
    """Returns text as UTF-8, line ends as they are."""
    if not isinstance(text, str):
        raise InvalidInputError(f"text must be str, not '{type(text).__name__}'", kind="wrong-type")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"cannot store text with a lone surrogate at character {error.start + 1}", kind="lone-surrogate"
        ) from None


def dict_bytes(dictionary: Any, file_name: str) -> bytes:
    """Returns a dict or list as YAML when the name ends in `.yaml` or `.yml`, else as JSON, indented by two.

    numpy and torch values become numbers and lists, what neither format knows its `str()`.
    """
    if _ending(file_name) in ("yaml", "yml"):
        import yaml

        plain = plain_value(dictionary, dates=True)
        text: str = yaml.safe_dump(plain, indent=2, default_flow_style=False, allow_unicode=True)
        return text_bytes(text)
    plain = plain_value(dictionary)
    try:
        return (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can escape
        return (json.dumps(plain, indent=2) + "\n").encode()


def figure_bytes(figure: Any, file_name: str) -> bytes:
    """Returns a matplotlib or plotly figure in the form that the name's ending says.

    matplotlib: all that its backend can write (`png svg pdf jpg`…). plotly: `html`, and images when `kaleido` is
    installed.
    """
    ending = _ending(file_name)
    if not ending:
        raise InvalidInputError(
            f"cannot store a figure as '{file_name}': the name has no ending",
            kind="bad-ending",
            hint=f"{file_name}.png",
        )
    # A figure of a library that nobody imported cannot be one of its figures.
    if "matplotlib.figure" in sys.modules and isinstance(figure, sys.modules["matplotlib.figure"].Figure):
        return _matplotlib_bytes(figure, ending)
    if "plotly" in sys.modules and isinstance(figure, _plotly_figure_type()):
        return _plotly_bytes(figure, ending)
    hint = None
    if hasattr(figure, "figure") or hasattr(figure, "get_figure"):
        hint = "an axes has its figure as 'axes.figure'"
    elif hasattr(figure, "gcf"):
        hint = "pass the figure: 'plt.gcf()'"
    raise InvalidInputError(
        f"cannot store a '{type(figure).__name__}' as a figure: it is neither matplotlib's nor plotly's",
        kind="wrong-type",
        hint=hint,
    )


def _matplotlib_bytes(figure: Any, ending: str) -> bytes:
    import matplotlib as mpl

    supported = figure.canvas.get_supported_filetypes()
    if ending not in supported:
        raise _unsupported("matplotlib figure", ending, supported)
    # Dates and random ids would make equal figures different files.
    stamps = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "ps": {"CreationDate": None}}
    target = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "gitruns"}):
        figure.savefig(target, format=ending, metadata=stamps.get(ending))
    return target.getvalue()


def _plotly_figure_type() -> type:
    from plotly.basedatatypes import BaseFigure

    kind: type = BaseFigure
    return kind


def _plotly_bytes(figure: Any, ending: str) -> bytes:
    if ending == "html":
        page: str = figure.to_html(include_plotlyjs="cdn", div_id="figure")
        return page.encode()
    if ending not in _PLOTLY_IMAGES:
        raise _unsupported("plotly figure", ending, ("html", *_PLOTLY_IMAGES))
    try:
        image: bytes = figure.to_image(format=ending)
    except (ImportError, ValueError) as error:
        if "kaleido" in str(error).lower():
            raise missing_package(f"a plotly figure as '.{ending}'", "kaleido") from error
        raise InvalidInputError(f"cannot draw the plotly figure as '.{ending}': {error}", kind="bad-figure") from error
    except RuntimeError as error:  # kaleido is there and finds no browser
        raise InvalidInputError(
            f"cannot draw the plotly figure as '.{ending}': {error}",
            kind="bad-figure",
            hint="store it as '.html', which needs no browser",
        ) from error
    return image


def image_bytes(image: Any, file_name: str) -> bytes:
    """Returns an image in the form that the name's ending says (`png jpg webp`…, what pillow can write).

    `image`: PIL image, or numpy array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): bool, integers 0..255, or
    floats 0..1. Other integers raise `InvalidInputError`; other floats are scaled to 0..1 with a warning; what is not
    finite is drawn as 0 with a warning.
    """
    return _encoded(_pillow_image(image), _ending(file_name), file_name)


def compressed_image_bytes(image: Any) -> bytes:
    """Returns the image as webp within 256 pixels, the preview that MLflow's UI shows of stepped images."""
    full = _pillow_image(image)
    width, height = full.size
    scale = _COMPRESSED_PIXELS / max(width, height)
    small = full.resize((max(1, int(width * scale)), max(1, int(height * scale))))
    return _encoded(small, "webp", "preview.webp")


def _encoded(image: Any, ending: str, file_name: str) -> bytes:
    from PIL import Image

    endings = {name.lstrip("."): form for name, form in Image.registered_extensions().items() if form in Image.SAVE}
    if ending not in endings:
        raise (
            _unsupported("image", ending, endings)
            if ending
            else InvalidInputError(
                f"cannot store an image as '{file_name}': the name has no ending",
                kind="bad-ending",
                hint=f"{file_name}.png",
            )
        )
    target = io.BytesIO()
    try:
        image.save(target, format=endings[ending])
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(f"cannot store the image as '{file_name}': {error}", kind="bad-image") from error
    return target.getvalue()


def _pillow_image(image: Any) -> Any:
    if "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image):
        return image
    if callable(getattr(image, "to_pil", None)):  # mlflow.Image
        return image.to_pil()
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(image, numpy.ndarray):
        raise InvalidInputError(
            f"cannot store a '{type(image).__name__}' as an image: it is neither a numpy array nor a PIL image",
            kind="wrong-type",
            hint="a tensor becomes an array with 'tensor.permute(1, 2, 0).cpu().numpy()'",
        )
    pixels = _pixels(image)
    try:
        from PIL import Image
    except ImportError:
        raise missing_package("an image", "pillow") from None
    return Image.fromarray(pixels)


def _pixels(array: Any) -> Any:
    """Returns the array as uint8 of shape (H, W), (H, W, 3) or (H, W, 4)."""
    import numpy as np

    if array.dtype.kind not in _ARRAY_KINDS:
        kinds = ", ".join(_ARRAY_KINDS.values())
        raise InvalidInputError(f"image array is of type '{array.dtype}', none of {kinds}", kind="bad-image")
    if array.ndim not in (2, 3):
        raise InvalidInputError(f"image array must have 2 or 3 dimensions, not shape {array.shape}", kind="bad-image")
    if array.ndim == 3 and array.shape[2] not in _CHANNELS:
        hint = "colours come last: (height, width, channel)" if array.shape[0] in _CHANNELS else None
        raise InvalidInputError(
            f"image array must have 1, 3 or 4 channels, not {array.shape[2]}", kind="bad-image", hint=hint
        )
    if not array.size:
        raise InvalidInputError(f"image array of shape {array.shape} has no pixels", kind="bad-image")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    return _scaled(array) if array.dtype.kind == "f" else _checked(array)


def _checked(array: Any) -> Any:
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        raise InvalidInputError(
            f"integer pixels must be 0..255, found {low}..{high}", kind="bad-image", hint="scale them first"
        )
    return array.astype("uint8")


def _scaled(array: Any) -> Any:
    import numpy as np

    finite = np.isfinite(array)
    if not finite.all():
        _warn("image has pixels that are not finite: they are drawn as 0")
        array = np.where(finite, array, 0)
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        _warn(f"float pixels should be 0..1, found {low}..{high}: they are scaled to that")
        span = np.float64(high) - np.float64(low)
        array = (array.astype(np.float64) - low) / (span or 1.0)
    return (array * 255).astype(np.uint8)


def _warn(message: str) -> None:
    warnings.warn(message, GitRunsWarning, stacklevel=2)


def _ending(file_name: str) -> str:
    return PurePosixPath(file_name).suffix.lower().lstrip(".")


def _unsupported(what: str, ending: str, supported: Any) -> InvalidInputError:
    known = " ".join(sorted(supported))
    return InvalidInputError(
        f"cannot store a {what} as '.{ending}'", kind="bad-ending", hint=f"endings that work: {known}"
    )
