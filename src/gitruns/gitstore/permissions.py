"""File modes in a repository that several people share (`core.sharedRepository`).

Source: git's `path.c`, `calc_shared_perm` and `adjust_shared_perm`; `git config`, `core.sharedRepository`.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SharedMode:
    """How modes are widened after the umask: `bits` are added, or replace all bits when `exact`; 0 is the umask's."""

    bits: int = 0
    exact: bool = False

    def __bool__(self) -> bool:
        return bool(self.bits)

    def apply_to_file(self, path: Path) -> None:
        """Gives a file that was just made the mode that git would give it."""
        if self.bits:
            path.chmod(self._mode(stat.S_IMODE(path.stat().st_mode)))

    def apply_to_folder(self, path: Path) -> None:
        """Gives a folder that was just made the mode that git would give it, its group inherited from now on."""
        if self.bits:
            mode = self._mode(stat.S_IMODE(path.stat().st_mode))
            mode |= (mode & 0o444) >> 2
            path.chmod(mode | stat.S_ISGID if mode & 0o060 else mode)

    def _mode(self, mode: int) -> int:
        tweak = self.bits
        if not mode & stat.S_IWUSR:
            tweak &= ~0o222
        if mode & stat.S_IXUSR:
            tweak |= (tweak & 0o444) >> 2
        return tweak if self.exact else mode | tweak


_WORDS = {
    "umask": SharedMode(),
    "false": SharedMode(),
    "no": SharedMode(),
    "off": SharedMode(),
    "0": SharedMode(),
    "group": SharedMode(0o660),
    "true": SharedMode(0o660),
    "yes": SharedMode(0o660),
    "on": SharedMode(0o660),
    "1": SharedMode(0o660),
    "all": SharedMode(0o664),
    "world": SharedMode(0o664),
    "everybody": SharedMode(0o664),
    "2": SharedMode(0o664),
}


def parse_shared_mode(value: str | None) -> SharedMode:
    """Returns what a value of `core.sharedRepository` asks for; one that git would refuse counts as not set."""
    if value is None:
        return SharedMode()
    known = _WORDS.get(value.lower())
    if known is not None:
        return known
    try:
        bits = int(value, 8)
    except ValueError:
        return SharedMode()
    return SharedMode(bits & 0o666, exact=True) if bits & 0o600 == 0o600 else SharedMode()
