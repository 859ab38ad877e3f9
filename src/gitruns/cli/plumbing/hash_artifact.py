"""`git runs hash-artifact`"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import command
from gitruns.cli.exitcodes import ACCESS, DONE, INTERRUPTED, USAGE

_CHUNK = 1 << 20


@command(
    "hash-artifact",
    exits=(DONE, USAGE, ACCESS, INTERRUPTED),
    examples=["git runs hash-artifact train.py README.md", "git runs hash-artifact - < train.py"],
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@pass_app
def hash_artifact(app: App, files: Sequence[str]) -> None:
    """Print the address that files have as artifacts

    That is the SHA-256 of their bytes in hex, one a line. `-` is standard input. Works outside a repository.
    """
    for name in files:
        if name == "-":
            app.out.line(_sha256(sys.stdin.buffer))
        else:
            with Path(name).open("rb") as file:
                app.out.line(_sha256(file))


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


COMMAND = hash_artifact
