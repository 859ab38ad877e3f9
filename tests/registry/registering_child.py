"""Registers versions and moves an alias: one of many processes that do so in one repository.

    python registering_child.py REPOSITORY RUN VERSIONS OWNER

Prints `number:owner` for each version, and `moved:was-now` for each move of the alias `champion` that it was told of.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gitruns.errors import ConflictError
from gitruns.registry import Registry
from gitruns.repo import Repo


def main() -> None:
    folder, run_id, versions, owner = sys.argv[1:]
    registry = Registry(Repo.open(Path(folder)))
    for place in range(int(versions)):
        made = registry.create_version("digits", f"runs:/{run_id}/model", tags={"owner": owner})
        number = made.version.number
        print(f"{number}:{owner}")
        if place % 5:
            continue
        model = registry.get_model("digits")
        named = model.aliases.get("champion")
        was = None if named is None else model.versions[named].number
        try:
            registry.set_alias("digits", "champion", number or 0, expected=was)
        except ConflictError:
            continue
        print(f"moved:{was or 0}-{number}")


main()
