"""The blocks of docs/query.md that show the command line at work: each is typed, and prints what the page says.

UPDATE_GOLDEN=1 writes the page anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from cli.made_runs import Cli

PAGE = Path(__file__).parents[2] / "docs" / "query.md"
_BLOCK = re.compile(r"^```text\n\$ (git runs .*)\n((?:.*\n)*?)```\n", re.MULTILINE)

BLOCKS = [(match[1], match[2]) for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def typed(cli: Cli, line: str) -> str:
    """What a terminal of 80 columns shows: what is said, then what is answered."""
    result = cli(*shlex.split(line)[2:], width=80)
    assert result.code == (2 if "error:" in result.err else 0)
    return result.err + result.out


def test_the_page_shows_the_language_at_work() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize(("line", "shown"), BLOCKS, ids=[line for line, _ in BLOCKS])
def test_what_the_page_shows_is_what_is_printed(line: str, shown: str, cli: Cli, example_repo: Path) -> None:
    if "plot" in line:
        pytest.importorskip("plotext")
    printed = typed(cli, line)
    if os.environ.get("UPDATE_GOLDEN"):
        text = PAGE.read_text(encoding="utf-8")
        before, after = f"```text\n$ {line}\n{shown}```\n", f"```text\n$ {line}\n{printed}```\n"
        assert text.count(before) == 1
        PAGE.write_text(text.replace(before, after), encoding="utf-8")
        return
    assert printed == shown
    assert max(map(len, shown.splitlines())) <= 80
