"""A file of a run as the answer to a request."""

from __future__ import annotations

import mimetypes

from gitruns.protocol.artifacts import Found
from gitruns.server.calls import Download

_AS_TEXT = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb "
    "MLmodel MLproject".split()
)


def content_type_of(name: str) -> str:
    """Returns what kind of file a name stands for, as MLflow guesses: what is text in any way is plain text."""
    plain = name.rpartition("/")[2]
    if plain.rpartition(".")[2] in _AS_TEXT:
        return "text/plain; charset=utf-8"
    return mimetypes.guess_type(plain)[0] or "application/octet-stream"


def sent_file(found: Found) -> Download:
    """Returns a file as it is sent."""
    name = found.path.rpartition("/")[2]
    return Download(found.open, found.size, name, content_type_of(name), found.digest)
