"""Stores that other versions of MLflow have written, brought in and written out again, field by field.

    python tests/exchange/try_versions.py COUNT PYTHON...

Each PYTHON is one that has some version of MLflow with its databases: `pip install mlflow-skinny sqlalchemy alembic`.
The store that comes out is read by that version, and by the MLflow of this Python.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from round_trip import comparable, differences, dump, gitruns, write


def try_version(python: str, kind: str, count: int, folder: Path) -> list[str]:
    """Returns what differs, after one round."""
    repository = folder / "project"
    repository.mkdir(parents=True)
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    source = write(folder / "before", kind, count, commit.stdout.strip(), python=python)
    start = time.perf_counter()
    said = gitruns(repository, "import", "mlflow", source)
    middle = time.perf_counter()
    (folder / "after").mkdir()
    said += gitruns(repository, "export", "--to", f"mlflow:{folder / 'after' / 'mlruns'}")
    print(said.replace("\n", "; "), f"in {middle - start:.1f} s, out {time.perf_counter() - middle:.1f} s")
    before = comparable(dump(folder / "before", kind, python=python), kind=kind)
    found = []
    for reader in dict.fromkeys((python, sys.executable)):
        after = comparable(dump(folder / "after", "file", python=reader), kind="file")
        found += differences(without_news(before, after), without_news(after, before))
    return found


def without_news(found: dict, other: dict) -> dict:  # type: ignore[type-arg]
    """Returns what both versions of MLflow know of."""
    kept = {word: values for word, values in found.items() if values is not None and other.get(word) is not None}
    kept["experiments"] = {
        name: {key: value for key, value in one.items() if (other["experiments"].get(name) or {}).get(key) is not None}
        for name, one in found["experiments"].items()
    }
    return kept


def main() -> int:
    """Tries each version with both kinds of stores."""
    wrong = 0
    for python in sys.argv[2:]:
        version = subprocess.run(
            [python, "-c", "import mlflow; print(mlflow.__version__)"], capture_output=True, text=True, check=True
        )
        for kind in ("file", "sqlite"):
            with tempfile.TemporaryDirectory(prefix="mlflow-") as folder:
                print(version.stdout.strip(), kind, flush=True)
                found = try_version(python, kind, int(sys.argv[1]), Path(folder))
            wrong += bool(found)
            for line in found[:20]:
                print("  ", line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
