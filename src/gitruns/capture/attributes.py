"""Whether git changes the bytes of files on their way in and out: line ends, `$Id$`, encodings, filters.

Only whether and by what; what it does to a file, git itself is asked. Where nothing converts, which is most
repositories, capture has nothing to check. Source: gitattributes(5).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ATTRIBUTES_FILE = b".gitattributes"

_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversions:
    """What may happen to a file's bytes: `text` (line ends and the like), `filters`, `grows` (more may come
    out than went in: LF may become CRLF, `$Id$` be filled).

    `state` is equal when all rules are equal.
    """

    text: bool
    filters: bool
    grows: bool
    state: bytes

    def __bool__(self) -> bool:
        return self.text or self.filters


def find_conversions(
    config: Callable[[str], str | None],
    work_tree: Path,
    common_dir: Path,
    attribute_files: Iterable[bytes],
    environ: Mapping[str, str],
) -> Conversions:
    """Returns what the repository's, the user's and the machine's rules may convert.

    `attribute_files` are the paths of the work tree's own.
    """
    autocrlf, eol = config("core.autocrlf") or "", config("core.eol") or ""
    files = [work_tree / os.fsdecode(path) for path in sorted(set(attribute_files))]
    files += [common_dir / "info/attributes", _users_file(config, environ), Path("/etc/gitattributes")]
    state = hashlib.sha256(f"{autocrlf}\0{eol}\0".encode())
    words: set[str] = set()
    for path in files:
        text = _read(path)
        if text:
            state.update(os.fsencode(path) + b"\0" + text + b"\0")
            words |= _words(text.decode("utf-8", "replace"))
    names = {word.partition("=")[0] for word in words}
    automatic = autocrlf.lower() in ("true", "input", "yes", "on", "1")
    return Conversions(
        text=automatic or not names.isdisjoint(("text", "crlf", "eol", "ident", "working-tree-encoding")),
        filters="filter" in names,
        grows=(automatic and autocrlf.lower() != "input")
        or eol == "crlf"
        or not words.isdisjoint(("eol=crlf", "ident")),
        state=state.digest(),
    )


def _users_file(config: Callable[[str], str | None], environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "/nonexistent")
    told = config("core.attributesFile")
    if told:
        return Path(home + told[1:] if told.startswith("~/") else told)
    return Path(environ.get("XDG_CONFIG_HOME") or home + "/.config") / "git/attributes"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE_BYTES)
    except OSError:
        return b""


def _words(text: str) -> set[str]:
    """The attributes that some line sets: `text`, `eol=crlf`, `filter=lfs`; `-text` and the like convert nothing."""
    found: set[str] = set()
    for line in text.splitlines():
        if not line.lstrip().startswith("#"):
            found.update(word for word in _after_pattern(line) if word[0] not in "-!")
    return found


def _after_pattern(line: str) -> list[str]:
    line = line.strip()
    if line.startswith('"'):  # a pattern with spaces is quoted; a quote inside it is escaped
        end = 1
        while end < len(line) and line[end] != '"':
            end += 2 if line[end] == "\\" else 1
        return line[end + 1 :].split()
    return line.split()[1:]
