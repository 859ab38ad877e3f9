"""The files that show how a server is set up use what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from server.serving import PROGRAM, new_token

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"


def _starts() -> list[str]:
    """Returns every command line that starts a server, in the examples and on the page."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(DEPLOY.iterdir())]
    texts += re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / "server.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    found = [
        line
        for text in texts
        for line in re.findall(r"(?:git runs|git-runs|^#\s+) ?server( --[^\n`]*)", text, re.MULTILINE)
    ]
    made = [" ".join(re.findall(r'"([^"]*)"', line)).partition("server")[2] for line in _of_docker()]
    return [*found, *made]


def _of_docker() -> list[str]:
    return re.findall(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_some() -> None:
    assert len(_starts()) >= 5


@pytest.mark.parametrize("options", _starts())
def test_a_server_starts_so(git_repo: Path, options: str) -> None:
    new_token(git_repo, "writer")
    command = [PROGRAM, "server", *shlex.split(options), "--check", "--port", "0"]
    result = subprocess.run(command, cwd=git_repo, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "for who has a token" in result.stderr
