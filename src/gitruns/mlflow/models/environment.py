"""What has to be installed for a model to work again: `requirements.txt`, `conda.yaml`, `python_env.yaml`.

MLflow loads the model in a process of its own and looks at what that imports. Here the saved bytes are read instead,
without executing them: the modules that they name are what loading them imports.
"""

from __future__ import annotations

import functools
import io
import json
import pickletools
import platform
import re
import zipfile
from collections.abc import Collection, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from gitruns.mlflow.exceptions import refused

REQUIREMENTS_FILE = "requirements.txt"
CONSTRAINTS_FILE = "constraints.txt"
CONDA_FILE = "conda.yaml"
PYTHON_ENV_FILE = "python_env.yaml"
LOADER = "mlflow>=2.22"
"""MLflow's programs serve what they load with MLflow."""

_LONGEST_SCAN = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def modules_in(data: bytes) -> set[str]:
    """Returns the top modules that a pickle or a skops file names, without loading it."""
    if data[:4] == b"PK\x03\x04":
        return _modules_in_skops(data)
    return _modules_in_pickle(data)


def _modules_in_pickle(data: bytes) -> set[str]:
    found: set[str] = set()
    strings: list[str] = []
    memo: dict[int, str] = {}
    try:
        for code, argument, _ in pickletools.genops(io.BytesIO(data)):
            if code.name == "GLOBAL":
                found.add(str(argument).partition(" ")[0])
            elif code.name == "STACK_GLOBAL" and len(strings) > 1:
                found.add(strings[-2])
            elif code.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                place = len(memo) if argument is None else int(argument)
                memo[place] = strings[-1] if strings else ""
            elif code.name in ("BINGET", "LONG_BINGET", "GET"):
                strings.append(memo.get(int(argument or 0), ""))
            elif isinstance(argument, str):
                strings.append(argument)
            strings = strings[-4:]
    except ValueError:  # no pickle: whoever loads it will say so
        return found
    return {module.partition(".")[0] for module in found if _NAME.fullmatch(module)}


def _modules_in_skops(data: bytes) -> set[str]:
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("__module__"), str):
                found.add(node["__module__"].partition(".")[0])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        walk(json.loads(archive.read("schema.json")))
    return found


@functools.lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return {module: list(names) for module, names in metadata.packages_distributions().items()}


def pinned(distribution: str) -> str | None:
    """Returns a requirement of the version that is installed, None when it is not."""
    try:
        return f"{distribution}=={metadata.version(distribution).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return None


def requirements_of(modules: Iterable[str], always: Collection[str] = ()) -> list[str]:
    """Returns the requirements that some modules come with, pinned as installed, by name."""
    wanted = {*always, *(name for module in modules for name in _distributions().get(module, ())[:1])}
    return sorted({text for text in map(pinned, wanted) if text is not None}, key=str.lower)


def requirements_of_file(path: Path, always: Collection[str]) -> list[str]:
    """Returns the requirements of a saved model."""
    modules = modules_in(path.read_bytes()) if path.stat().st_size <= _LONGEST_SCAN else set()
    return requirements_of(modules, always)


def write_environment(
    folder: Path,
    found: Sequence[str],
    *,
    conda_env: Any = None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
) -> None:
    """Writes the files that say what to install: what was `found`, or what the caller says instead or besides."""
    if conda_env is not None and (pip_requirements is not None or extra_pip_requirements is not None):
        raise refused("Only one of `conda_env`, `pip_requirements`, and `extra_pip_requirements` can be specified")
    constraints: list[str] = []
    if conda_env is not None:
        conda = _conda_of(conda_env)
        requirements = _pip_of(conda)
    else:
        requirements, constraints = _chosen(list(found), pip_requirements, extra_pip_requirements)
        conda = _conda_with(requirements)
    (folder / CONDA_FILE).write_text(yaml.safe_dump(conda, default_flow_style=False), encoding="utf-8")
    (folder / REQUIREMENTS_FILE).write_text("\n".join(requirements), encoding="utf-8")
    if constraints:
        (folder / CONSTRAINTS_FILE).write_text("\n".join(constraints), encoding="utf-8")
    build = [pinned(name) or name for name in ("pip", "setuptools", "wheel")]
    python = {
        "python": platform.python_version(),
        "build_dependencies": build,
        "dependencies": [f"-r {REQUIREMENTS_FILE}"],
    }
    (folder / PYTHON_ENV_FILE).write_text(yaml.safe_dump(python, sort_keys=False), encoding="utf-8")


def _chosen(found: list[str], instead: Any, besides: Any) -> tuple[list[str], list[str]]:
    lines = _lines(instead) if instead is not None else [*found, *_lines(besides)]
    constraints = [
        text for line in lines if line.startswith("-c ") for text in _lines(line.removeprefix("-c ").strip())
    ]
    wanted = [line for line in lines if not line.startswith("-c ")]
    if not any(_NAME.match(line) and line.lower().startswith("mlflow") for line in wanted):
        wanted.insert(0, LOADER)
    if constraints:
        wanted.append(f"-c {CONSTRAINTS_FILE}")
    return list(dict.fromkeys(wanted)), constraints


def _lines(given: Any) -> list[str]:
    """Returns requirements from a list of them, or from a file of them."""
    if given is None:
        return []
    if isinstance(given, (str, Path)):
        text = Path(given).read_text(encoding="utf-8")
        given = [line.partition(" #")[0].strip() for line in text.splitlines()]
    lines = [str(line).strip() for line in given if str(line).strip() and not str(line).lstrip().startswith("#")]
    nested = [_lines(line.removeprefix("-r ").strip()) if line.startswith("-r ") else [line] for line in lines]
    return [line for group in nested for line in group]


def _conda_with(requirements: list[str]) -> dict[str, Any]:
    pip = pinned("pip")
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [
            f"python={platform.python_version()}",
            "pip" if pip is None else pip.replace("==", "<="),
            {"pip": list(requirements)},
        ],
    }


def _conda_of(given: Any) -> dict[str, Any]:
    said = yaml.safe_load(Path(given).read_text(encoding="utf-8")) if isinstance(given, (str, Path)) else given
    if not isinstance(said, dict):
        raise refused("`conda_env` must be a dict or the path of a YAML file")
    return said


def _pip_of(conda: dict[str, Any]) -> list[str]:
    groups = [one["pip"] for one in conda.get("dependencies") or () if isinstance(one, dict) and "pip" in one]
    return [str(line) for group in groups for line in group]
