"""What a run's process has around it: interpreter, platform, installed packages, hardware, some variables.

Everything comes from names of files and small reads, a few milliseconds in all, and is kept for the process: the
next run of it costs a stat of each folder on the import path.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitruns.capture.hardware import read_hardware
from gitruns.capture.masking import mask_value
from gitruns.entities.environment import Environment, read_only

VARIABLES = frozenset(
    """
    CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_LAUNCH_BLOCKING CUDA_MODULE_LOADING CUBLAS_WORKSPACE_CONFIG
    NVIDIA_TF32_OVERRIDE HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HSA_OVERRIDE_GFX_VERSION
    OMP_NUM_THREADS OMP_PROC_BIND OMP_PLACES OMP_SCHEDULE MKL_NUM_THREADS MKL_DYNAMIC MKL_CBWR OPENBLAS_NUM_THREADS
    OPENBLAS_CORETYPE BLIS_NUM_THREADS NUMEXPR_NUM_THREADS NUMBA_NUM_THREADS VECLIB_MAXIMUM_THREADS RAYON_NUM_THREADS
    KMP_AFFINITY KMP_BLOCKTIME
    PYTHONHASHSEED PYTHONOPTIMIZE PYTHONUTF8 PYTHONNOUSERSITE PYTHON_GIL PYTHON_JIT
    TF_DETERMINISTIC_OPS TF_CUDNN_DETERMINISTIC TF_ENABLE_ONEDNN_OPTS TF_FORCE_GPU_ALLOW_GROWTH TF_XLA_FLAGS XLA_FLAGS
    XLA_PYTHON_CLIENT_PREALLOCATE XLA_PYTHON_CLIENT_MEM_FRACTION JAX_PLATFORMS JAX_PLATFORM_NAME JAX_ENABLE_X64
    JAX_DEFAULT_MATMUL_PRECISION PYTORCH_CUDA_ALLOC_CONF PYTORCH_ALLOC_CONF PYTORCH_ENABLE_MPS_FALLBACK
    PYTORCH_HIP_ALLOC_CONF PYTORCH_JIT TORCH_COMPILE_DISABLE TORCHDYNAMO_DISABLE TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
    TOKENIZERS_PARALLELISM HF_HUB_OFFLINE TRANSFORMERS_OFFLINE
    NCCL_ALGO NCCL_PROTO NCCL_P2P_DISABLE NCCL_IB_DISABLE
    WORLD_SIZE LOCAL_WORLD_SIZE CONDA_DEFAULT_ENV TZ LANG LC_ALL
    SLURM_CLUSTER_NAME SLURM_JOB_PARTITION SLURM_JOB_NUM_NODES SLURM_NTASKS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK
    SLURM_CPUS_ON_NODE SLURM_GPUS SLURM_GPUS_ON_NODE SLURM_GPUS_PER_NODE SLURM_GPUS_PER_TASK SLURM_MEM_PER_NODE
    SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU
    """.split()
)
"""What changes how a program computes, and never who runs it, where from, or with which rights. Nothing in here differs
from run to run of one job (no job ids, no ranks), so that equal environments stay equal."""

_MAX_VALUE_LENGTH = 1000
_NAME = re.compile(r"[-_.]+")
_LEGACY_EGG = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py[0-9.]+)?(?:-[^-]+)?\Z")
_VERSION = re.compile(rb"^Version: *([^\s]{1,100})\s*$", re.MULTILINE)
_OBJECT_ID = re.compile(r"[0-9a-f]{40,64}\Z")

_packages_kept: tuple[object, dict[str, str]] | None = None
_machine_kept: tuple[str, str, Mapping[str, str]] | None = None


def capture_environment(environ: Mapping[str, str]) -> Environment:
    """Returns the environment of this process; `environ` is where its variables are read from."""
    python, system, hardware = _machine()
    return Environment(
        python=python,
        platform=system,
        packages=read_only(installed_packages(sys.path)),
        hardware=hardware,
        variables=read_only(allowed_variables(environ)),
    )


def _machine() -> tuple[str, str, Mapping[str, str]]:
    global _machine_kept
    if _machine_kept is None:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        _machine_kept = (python, _platform(), read_only(read_hardware()))
    return _machine_kept


def _platform() -> str:
    """`platform.platform()` without what it does to find a processor's name: it starts a program."""
    system = os.uname()
    library, version = platform.libc_ver()
    name, release = system.sysname, system.release
    if sys.platform == "darwin":
        name, release = "macOS", platform.mac_ver()[0] or release
    return f"{name}-{release}-{system.machine}" + (f"-with-{library}{version}" if library else "")


def allowed_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables on the allow-list, with whatever looks like a credential masked all the same."""
    kept = {}
    for name in sorted(VARIABLES.intersection(environ)):
        value = environ[name].encode("utf-8", "replace").decode("utf-8")  # bytes that are no text: os.environ's escapes
        kept[name] = mask_value(name, value)[:_MAX_VALUE_LENGTH]
    return kept


def installed_packages(path: list[str]) -> dict[str, str]:
    """Returns name → version of what is installed on an import path; of two of one name, the one imported first.

    Read from the names of the `dist-info` folders. ` (editable)` behind the version: installed from a folder that
    may have changed since; ` (git <commit>)`: installed from that commit.
    """
    global _packages_kept
    key = tuple((folder, _changed(folder)) for folder in path)
    if _packages_kept is not None and _packages_kept[0] == key:
        return _packages_kept[1]
    packages: dict[str, str] = {}
    for folder in path:
        for name, version in _distributions(folder or "."):
            packages.setdefault(name, version)
    _packages_kept = (key, packages)
    return packages


def _changed(folder: str) -> int:
    try:
        return Path(folder or ".").stat().st_mtime_ns
    except OSError:
        return 0


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:  # a zip file, or a folder that is not there
        return
    for entry in names:
        stem, dot, suffix = entry.rpartition(".")
        if suffix == "dist-info" and dot:
            name, dash, version = stem.partition("-")
            if dash and name and version:
                yield _canonical(name), version + _origin(Path(folder, entry, "direct_url.json"))
        elif suffix in ("egg-info", "egg") and dot:
            legacy = _LEGACY_EGG.match(stem)
            if legacy is not None:
                yield _canonical(legacy["name"]), legacy["version"]
            elif said := _version_in(Path(folder, entry, "PKG-INFO")):
                yield _canonical(stem), said + " (editable)"


def _version_in(path: Path) -> str | None:
    """The version that a source folder on the import path says of itself: what `setup.py develop` leaves there."""
    try:
        with path.open("rb") as stream:
            found = _VERSION.search(stream.read(4096))
    except OSError:
        return None
    return found[1].decode("utf-8", "replace") if found else None


def _canonical(name: str) -> str:
    """The name as the package index compares it. Source: PEP 503."""
    return _NAME.sub("-", name).lower()


def _origin(path: Path) -> str:
    """What `direct_url.json` says of where a distribution came from. Source: PEP 610."""
    try:
        found: Any = json.loads(path.read_bytes())
        if found.get("dir_info", {}).get("editable"):
            return " (editable)"
        commit = found.get("vcs_info", {}).get("commit_id", "")
        return f" (git {commit})" if _OBJECT_ID.match(commit) else ""
    except (OSError, ValueError, AttributeError, TypeError):
        return ""
