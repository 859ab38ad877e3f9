"""What a run ran on: interpreter, platform, packages, hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

_EMPTY: Mapping[str, str] = MappingProxyType({})


def read_only(values: Mapping[K, V]) -> Mapping[K, V]:
    """Returns a view of a copy of the mapping that nobody can change."""
    return MappingProxyType(dict(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Equal environments have equal bytes and so share one blob: nothing in here belongs to a single run.

    `python` is the version and implementation, `platform` the operating system and machine. `packages` maps a
    distribution's name to its version; an editable install's version ends in ` (editable)`. `hardware` maps
    `cpu`, `cpu_count`, `memory_bytes`, `gpu` … to text. `variables` are environment variables on the allow-list.
    """

    python: str
    platform: str
    packages: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    hardware: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    variables: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
