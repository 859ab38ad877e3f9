"""`python -m gitruns.mlflow train.py …`: runs a script in which `import mlflow` means `gitruns.mlflow`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from gitruns.mlflow.alias import take_the_name

_USAGE = "usage: python -m gitruns.mlflow [-m MODULE | SCRIPT] [ARGUMENT]...\n"


def main(arguments: list[str]) -> int:
    """Runs a script, or a module, as Python itself would."""
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        (sys.stdout if arguments[:1] in (["-h"], ["--help"]) else sys.stderr).write(_USAGE)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    take_the_name()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = Path(arguments[0])
    if not script.exists():
        sys.stderr.write(f"python -m gitruns.mlflow: there is no file '{script}'\n")
        return 2
    sys.argv = arguments
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
