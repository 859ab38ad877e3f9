"""The `format` file: which version of the stored format a tree is in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitruns.entities.canonical import corrupt

FORMAT_VERSION = 1
"""The version that this gitruns writes. A greater one is shown as far as it is known, and never written on top of."""

FORMAT_FILE = "format"
FORMAT_BYTES = b"gitruns 1\n"

_FORMAT = re.compile(rb"gitruns ([1-9][0-9]{0,8})\n?\Z")


def decode_version(files: Mapping[str, bytes]) -> int:
    """Returns the version in the `format` file; raises `CorruptDataError` when there is none or it says no version."""
    data = files.get(FORMAT_FILE)
    match = None if data is None else _FORMAT.match(data)
    if match is None:
        raise corrupt(FORMAT_FILE, None, "it is missing" if data is None else "it does not say 'gitruns <number>'")
    return int(match[1])
