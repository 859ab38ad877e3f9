"""The message of a snapshot commit: for people, and for a restore that must know which files are raw in its tree.

git converts some files on their way out. One that would not come out as it stood is in the tree as its own bytes, and
the message names it in a line `Raw: "<path>"`, with every byte that is not plain ASCII as `\\` and three octal digits.
The message depends on the tree and the rules of conversion only, so one tree on one parent stays one commit.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_SUBJECT = "source of a run\n"
_RAW_LINE = re.compile(rb'^Raw: "((?:[^"\\]|\\[0-7]{3})*)"$', re.MULTILINE)


def format_message(raw: Collection[bytes]) -> str:
    """Returns the message of a snapshot commit. Paths are quoted as git quotes them, in ASCII."""
    if not raw:
        return _SUBJECT
    return _SUBJECT + "\n" + "".join(f"Raw: {_quoted(path)}\n" for path in sorted(raw))


def parse_message(message: bytes) -> list[bytes]:
    """Returns the paths that a snapshot's message names as raw; nothing for the message of any other commit."""
    if not message.startswith(_SUBJECT.encode()):
        return []
    return [_unquoted(line) for line in _RAW_LINE.findall(message)]


def _quoted(path: bytes) -> str:
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in path)
    return f'"{"".join(plain)}"'


def _unquoted(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), text)
