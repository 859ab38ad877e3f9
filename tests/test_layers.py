"""The map of the house, redrawn from the imports: they point down, never up and never sideways.

    faces      cli    server    integrations    mlflow
    protocol   protocol
    tracking   tracking
    features   capture models registry compare projects sync exchange
    repo       repo
    storage    gitstore   journal   artifacts   index
    pure       entities   query
    errors     errors

Every import counts, also one inside a function or under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import gitruns.errors

ROOT = Path(gitruns.errors.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli", "server", "integrations", "mlflow"),
    ("protocol",),
    ("tracking",),
    ("capture", "models", "registry", "compare", "projects", "sync", "exchange"),
    ("repo",),
    ("gitstore", "journal", "artifacts", "index"),
    ("entities", "query"),
    ("errors",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
STORAGE = LAYERS[5]

SIDEWAYS = {("cli", "server"), ("exchange", "registry")}
"""What may know its neighbour: the command line starts the server; what is imported has registered models too."""

TOP = "gitruns"
"""The package's own `__init__`: the public names, above everything."""

TESTING = "testing"
"""Contract suites and strategies for authors of plugins: may use all parts, used by none."""

HOMES: dict[str, tuple[str, ...]] = {
    "pygit2": ("gitstore",),
    "dulwich": ("gitstore",),
    "fsspec": ("artifacts",),
    "sqlite3": ("index", "exchange"),
    "orjson": ("journal", "server"),
    "click": ("cli",),
    "prettytable": ("cli",),
    "starlette": ("server",),
    "uvicorn": ("server",),
    "httptools": ("server",),
    "joserfc": ("server",),
    "msgspec": ("server",),
    "mlflow": ("integrations", "exchange"),
    "sqlalchemy": ("exchange",),
    "urllib3": ("exchange",),
}
"""One heavy library, one home."""

WHEN_USED = {
    *("numpy", "pandas", "scipy", "sklearn", "torch", "jax", "tensorflow", "keras", "xgboost", "lightgbm", "mlflow"),
    *("matplotlib", "plotly", "PIL", "psutil", "pynvml", "polars", "pyarrow", "IPython"),
    *("sqlalchemy", "urllib3"),
}
"""What may only be imported inside a function (or for types): importing gitruns must not load it."""


LOADED_BY = {"mlflow": "gitruns.integrations.mlflow_plugin."}
"""What the modules below a package may import when they are loaded: only the library itself loads them."""


class Import(NamedTuple):
    """One import statement: which module it names, where it stands, and whether it runs when its module is loaded."""

    module: str
    names: tuple[str, ...]
    line: int
    at_load: bool


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Yields every import in a module of that package, relative ones made absolute."""
    yield from _imports(ast.parse(source), package, at_load=True)


def _imports(node: ast.AST, package: str, *, at_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, (), child.lineno, at_load)
        elif isinstance(child, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
            module = ".".join([*base, *([child.module] if child.module else [])])
            yield Import(module, tuple(alias.name for alias in child.names), child.lineno, at_load)
        else:
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_for_types(child)
            yield from _imports(child, package, at_load=at_load and not inside)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def part_of(module: str) -> str:
    """Returns the part of gitruns that a dotted name is in: `gitruns.cli.main` is in `cli`."""
    names = module.split(".")
    return names[1] if len(names) > 1 else TOP


def faults(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Returns what is wrong with a module's imports, a line each."""
    package = module if is_package else module.rpartition(".")[0]
    return [
        f"{module}:{found.line}: {why}"
        for found in imports_of(source, package)
        for why in [*_layer_faults(part_of(module), found), *_library_faults(module, found)]
    ]


def _layer_faults(part: str, found: Import) -> Iterator[str]:
    if "*" in found.names:
        yield "imports with a star"
    if found.module.split(".")[0] != TOP:
        return
    targets = [found.module] if found.module != TOP else [f"{TOP}.{name}" for name in found.names] or [TOP]
    for target in map(part_of, targets):
        yield from _step_faults(part, target)


def _step_faults(part: str, target: str) -> Iterator[str]:
    if target == part or part == TESTING:
        return
    if target in (TESTING, TOP):
        yield f"'{part}' imports '{target}', which no part may"
    elif target not in LEVEL:
        if part != TOP:
            yield f"'{target}' is not on the map"
    elif part in LEVEL and LEVEL[target] < LEVEL[part]:
        yield f"'{part}' imports '{target}' above it"
    elif part in LEVEL and LEVEL[target] == LEVEL[part] and (part, target) not in SIDEWAYS:
        yield f"'{part}' imports '{target}' beside it"
    elif target in STORAGE and LEVEL.get(part, 0) <= LEVEL["tracking"]:
        yield f"'{part}' imports storage ('{target}'): ask repo or a feature"


def _library_faults(module: str, found: Import) -> Iterator[str]:
    library = found.module.split(".")[0]
    part = part_of(module)
    if part == TESTING:
        return
    if library in HOMES and part not in HOMES[library]:
        yield f"'{part}' imports '{library}', whose home is '{HOMES[library][0]}'"
    if library in WHEN_USED and found.at_load and not module.startswith(LOADED_BY.get(library, "-")):
        yield f"'{library}' is imported when the module is loaded, not when it is used"


def modules() -> list[tuple[str, Path]]:
    """Returns every module of gitruns: dotted name and file."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        names = path.relative_to(ROOT).with_suffix("").parts
        found.append((".".join([TOP, *(name for name in names if name != "__init__")]), path))
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_down(module: str, path: Path) -> None:
    assert faults(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py") == []


def test_every_part_is_on_the_map() -> None:
    parts = {part_of(module) for module, _ in modules()} - {TOP, TESTING}
    assert parts - {"__main__"} <= LEVEL.keys(), "add it to LAYERS here and to the map of the house"


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("gitruns.journal.writer", "from gitruns.repo import Repo", "above"),
        ("gitruns.journal.writer", "def f():\n    from gitruns.artifacts import cache", "beside"),
        ("gitruns.capture.source", "import gitruns.models.model", "beside"),
        ("gitruns.entities.run", "from gitruns import tracking", "above"),
        ("gitruns.entities.run", "from ..cli import main", "above"),
        ("gitruns.entities.run", "from .. import start_run", "not on the map"),
        ("gitruns.cli.main", "from gitruns.gitstore import open_store", "storage"),
        ("gitruns.tracking.client", "from gitruns.journal import JournalWriter", "storage"),
        ("gitruns", "from gitruns.journal import JournalWriter", "storage"),
        ("gitruns.server.app", "from gitruns.cli import main", "beside"),
        ("gitruns.repo.repo", "from gitruns.errors import *", "star"),
        ("gitruns.repo.repo", "import gitruns", "no part may"),
        ("gitruns.repo.repo", "from gitruns.utils import x", "not on the map"),
        ("gitruns.repo.repo", "from gitruns.testing import x", "no part may"),
        ("gitruns.repo.repo", "import pygit2", "home"),
        ("gitruns.repo.repo", "def f():\n    import dulwich.repo", "home"),
        ("gitruns.gitstore.store", "import orjson", "home"),
        ("gitruns.tracking.fluent", "import click", "home"),
        ("gitruns.gitstore.store", "import sqlite3", "home"),
        ("gitruns.repo.repo", "if TYPE_CHECKING:\n    import fsspec", "home"),
        (
            "gitruns.tracking.fluent",
            "try:\n    import numpy as np\nexcept ImportError:\n    np = None",
            "when it is used",
        ),
        ("gitruns.tracking.fluent", "class A:\n    from pandas import DataFrame", "when it is used"),
        ("gitruns.integrations.mlflow_plugin", "import mlflow", "when it is used"),
    ],
)
def test_a_fault_is_found(module: str, source: str, fault: str) -> None:
    found = faults(module, source)
    assert len(found) == 1 and fault in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gitruns.cli.main", "import click\nfrom gitruns.server import app\nfrom gitruns.repo import Repo"),
        ("gitruns.capture.source", "from gitruns.repo import Repo\nfrom gitruns.gitstore import GitStore"),
        ("gitruns.gitstore.store", "import pygit2\nfrom gitruns.entities import run\nfrom .codec import encode_run"),
        ("gitruns.tracking.table", "def f():\n    import pandas as pd"),
        ("gitruns.tracking.table", "if typing.TYPE_CHECKING:\n    import pandas as pd"),
        ("gitruns", "from gitruns.tracking.fluent import start_run\nfrom gitruns.errors import GitRunsError"),
        ("gitruns.testing.backend", "from gitruns.gitstore import backend\nimport numpy"),
        ("gitruns.integrations.mlflow_plugin.views", "from mlflow import entities"),
    ],
)
def test_what_is_no_fault_is_not_found(module: str, source: str) -> None:
    assert faults(module, source, is_package=module == TOP) == []


def test_importing_gitruns_loads_nothing_heavy() -> None:
    program = "import sys, gitruns; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "gitruns" in loaded
    unwanted = {*WHEN_USED, *HOMES, "yaml", "hypothesis", "pytest", "asyncio"} - {"orjson"}
    assert loaded & unwanted == set()
