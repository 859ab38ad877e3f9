"""Writes docs/cli.md and man/git-runs.1 from the commands: `python docs/make_cli_reference.py`."""

from __future__ import annotations

from pathlib import Path

from gitruns.cli.reference import man_page, markdown

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Writes both files."""
    (ROOT / "man").mkdir(exist_ok=True)
    (ROOT / "docs" / "cli.md").write_text(markdown(), encoding="utf-8")
    (ROOT / "man" / "git-runs.1").write_text(man_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
