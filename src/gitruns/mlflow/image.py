"""`mlflow.Image`: an image that can be logged."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from gitruns.mlflow.exceptions import speaks_mlflow
from gitruns.tracking.plain import missing_package


def pillow() -> Any:
    """Returns pillow's module of images; raises `InvalidInputError` (kind `missing-package`) where there is none."""
    try:
        return import_module("PIL.Image")
    except ImportError as error:
        raise missing_package("an image", "pillow") from error


class Image:
    """An image from a numpy array, a PIL image, a nested list or a file."""

    def __init__(self, image: Any) -> None:
        module = speaks_mlflow(pillow)()
        if isinstance(image, (str, Path)):
            image = module.open(image)
        elif not isinstance(image, module.Image):
            image = module.fromarray(self._pixels(image))
        self.image = image
        self.size = image.size

    @staticmethod
    def _pixels(image: Any) -> Any:
        import numpy as np

        array = np.asarray(image)
        return (array * 255).astype(np.uint8) if array.dtype.kind == "f" else array.astype(np.uint8)

    def to_pil(self) -> Any:
        """Returns it as a PIL image."""
        return self.image

    def to_array(self) -> Any:
        """Returns it as a numpy array."""
        import numpy as np

        return np.array(self.image)

    def to_list(self) -> list[Any]:
        """Returns its pixels as nested lists."""
        pixels: list[Any] = self.to_array().tolist()
        return pixels

    def resize(self, size: tuple[int, int]) -> Image:
        """Makes it another size."""
        self.image = self.image.resize(size)
        self.size = size
        return self

    def save(self, path: str | Path) -> None:
        """Writes it into a file."""
        self.image.save(path)
