"""Modules that are found here: those of MLflow's that are absent, and on request `mlflow` itself.

`import gitruns.mlflow.pytorch` succeeds, as it does in a script that imports more than it uses; using it says what to
do. Under `python -m gitruns.mlflow` the name `mlflow` means this package, so that a script needs no change at all.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # importing `typing` would take most of the time that `import gitruns.mlflow` takes

if TYPE_CHECKING:
    from typing import Any

HERE = "gitruns.mlflow"
_PARTS = frozenset(["environment_variables", "protos", "store", "utils", "version"])


class AbsentModule(ModuleType):
    """A module of MLflow's that is not here: it can be imported, and says so when something in it is used."""

    __path__: list[str] = []  # noqa: RUF012  a package, so that modules in it can be imported too

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from gitruns.mlflow.absent import Absent

        return Absent(f"{self.__name__.removeprefix(HERE + '.')}.{name}")


class AbsentFinder:
    """Finds what is absent, after all other finders."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Returns how a module is made that stands for an absent one."""
        if not name.startswith(HERE + "."):
            return None
        from gitruns.mlflow.absent import NAMES

        if name.split(".")[2] in (NAMES | _PARTS):
            return ModuleSpec(name, cls, is_package=True)  # type: ignore[arg-type]  # a class with a loader's methods
        return None

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """Returns the module that stands for an absent one."""
        return AbsentModule(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Does nothing: there is nothing in it."""


class AliasFinder:
    """Finds this package under the name `mlflow`, before all other finders."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Returns how `mlflow` or a module in it is found: it is the one here, the same object."""
        if name.partition(".")[0] != "mlflow":
            return None
        try:
            import_module(f"gitruns.{name}")
        except ModuleNotFoundError as error:
            if error.name == f"gitruns.{name}":
                return None
            raise
        return ModuleSpec(name, cls, is_package=True)  # type: ignore[arg-type]  # a class with a loader's methods

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """Returns the module here."""
        module = sys.modules[f"gitruns.{spec.name}"]
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Gives the module back what it knows of itself: it was executed when it was imported here."""
        told = module.__spec__
        if told is not None and told.loader_state is not None:
            module.__spec__ = told.loader_state


def find_absent() -> None:
    """Lets absent modules be imported."""
    if AbsentFinder not in sys.meta_path:
        sys.meta_path.append(AbsentFinder)


def take_the_name() -> None:
    """Makes `import mlflow` mean this package in this process."""
    if AliasFinder not in sys.meta_path:
        sys.meta_path.insert(0, AliasFinder)
