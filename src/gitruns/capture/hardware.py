"""The machine that a run has under it: processor, memory, accelerators.

Only what the kernel tells for the price of reading a small file: asking a GPU's own library can take seconds on a
cold driver, and a start must not wait for it. What cannot be known cheaply is left out.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_CPUINFO_BYTES = 8192
"""The first processor's entry: the kernel makes the text while it is read, and many processors make much text."""

_NO_LIMIT_BYTES = 1 << 60
"""cgroup v1 writes a number near 2**63 where there is no limit."""


def read_hardware(root: Path = Path("/")) -> Mapping[str, str]:
    """Returns `cpu`, `cpu_count`, `cpu_usable`, `memory_bytes`, `memory_limit_bytes`, `gpu`, `gpu_count`, `gpu_driver`.

    `cpu_usable` and `memory_limit_bytes` are there only where an affinity or a container allows less than the machine
    has. `root` is where `proc` and `sys` are.
    """
    count = os.cpu_count() or 0
    memory = _memory_bytes()
    usable = _usable_cpus(root)
    limit = _memory_limit(root)
    facts: dict[str, object] = {
        "cpu": _cpu_model(root),
        "cpu_count": count,
        "cpu_usable": usable if usable is not None and usable < count else None,
        "memory_bytes": memory,
        "memory_limit_bytes": limit if limit is not None and limit < (memory or _NO_LIMIT_BYTES) else None,
        **(_nvidia(root) or _amd(root)),
    }
    return {key: str(value) for key, value in sorted(facts.items()) if value}


def _text(path: Path, size: int = 4096) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def _value_of(text: str, *names: str) -> str | None:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in names and value.strip():
            return " ".join(value.split())
    return None


def _cpu_model(root: Path) -> str | None:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    # ARM kernels name no model; `CPU part` numbers are nobody's language, the device tree's model is.
    model = _value_of(_text(root / "proc/cpuinfo", _CPUINFO_BYTES), "model name", "Model", "cpu model", "cpu")
    return model or _text(root / "sys/firmware/devicetree/base/model").strip("\0\n ") or None


def _sysctl(name: str) -> str | None:
    import ctypes

    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        size = ctypes.c_size_t(256)
        buffer = ctypes.create_string_buffer(size.value)
        if library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) == 0:
            return buffer.value.decode("utf-8", "replace")
    return None


def _memory_bytes() -> int | None:
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _usable_cpus(root: Path) -> int | None:
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity is not None else os.cpu_count()
    quota, period = [*_text(root / "sys/fs/cgroup/cpu.max").split(), "", ""][:2]
    if not quota:
        quota = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    if usable is not None and quota.isdigit() and period.isdigit() and int(period):
        return min(usable, max(1, -(-int(quota) // int(period))))
    return usable


def _memory_limit(root: Path) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _text(root / "sys/fs/cgroup" / name).strip()
        if text.isdigit() and int(text) < _NO_LIMIT_BYTES:
            return int(text)
    return None


def _nvidia(root: Path) -> dict[str, object]:
    driver = root / "proc/driver/nvidia"
    cards = _names_in(driver / "gpus")
    if not cards:
        return {}
    models = [_value_of(_text(driver / "gpus" / card / "information"), "Model") or "NVIDIA" for card in cards]
    version = next((word for word in _text(driver / "version").split() if word[:1].isdigit() and "." in word), None)
    return {"gpu": _counted(models), "gpu_count": len(models), "gpu_driver": version}


def _amd(root: Path) -> dict[str, object]:
    # Compute nodes of the kernel's own topology; processors are in the list too, with no SIMD units.
    topology = root / "sys/class/kfd/kfd/topology/nodes"
    models = []
    for node in _names_in(topology):
        folder = topology / node
        properties = dict(line.split(None, 1) for line in _text(folder / "properties").splitlines() if " " in line)
        if properties.get("simd_count", "0").strip() != "0":
            models.append("AMD " + (_text(folder / "name").strip() or "GPU"))
    return {"gpu": _counted(models), "gpu_count": len(models)} if models else {}


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except OSError:
        return []


def _counted(models: list[str]) -> str:
    """`4 x NVIDIA A100-SXM4-80GB`, in the order first seen."""
    return ", ".join(f"{count} x {model}" if count > 1 else model for model, count in Counter(models).items())
