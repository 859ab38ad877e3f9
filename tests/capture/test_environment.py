"""The environment is told from names of files, quickly, and holds no credential."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitruns.capture import capture_environment
from gitruns.capture.environment import VARIABLES, allowed_variables, installed_packages
from gitruns.capture.hardware import read_hardware
from gitruns.capture.masking import is_secret_name


def test_packages_are_those_that_python_knows() -> None:
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        expected.setdefault(name, distribution.version)
    packages = capture_environment(os.environ).packages
    assert {name: version.partition(" ")[0] for name, version in packages.items()} == expected


def make(folder: Path, name: str, **files: object) -> None:
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / f"{file}.json").write_text(json.dumps(content))


def test_the_first_on_the_path_counts(tmp_path: Path) -> None:
    make(tmp_path / "a", "My_Package.x-1.0.dist-info")
    make(tmp_path / "b", "my_package_x-2.0.dist-info")
    make(tmp_path / "b", "other-3.0+cu121.dist-info")
    found = installed_packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing")])
    assert found == {"my-package-x": "1.0", "other": "3.0+cu121"}


def test_where_a_package_came_from(tmp_path: Path) -> None:
    commit = "0123456789" * 4
    make(tmp_path, "here-1.dist-info", direct_url={"url": "file:///x", "dir_info": {"editable": True}})
    make(tmp_path, "copied-1.dist-info", direct_url={"url": "file:///x", "dir_info": {}})
    make(tmp_path, "git-1.dist-info", direct_url={"url": "https://u:pw@h/x", "vcs_info": {"commit_id": commit}})
    make(tmp_path, "odd-1.dist-info", direct_url=["no mapping"])
    make(tmp_path, "hostile-1.dist-info", direct_url={"vcs_info": {"commit_id": "x\ny"}})
    (tmp_path / "broken-1.dist-info").mkdir()
    (tmp_path / "broken-1.dist-info/direct_url.json").write_text("{")
    make(tmp_path, "old-2.0-py3.11.egg-info")
    make(tmp_path, "developed.egg-info")
    (tmp_path / "developed.egg-info/PKG-INFO").write_text("Metadata-Version: 2.1\nName: developed\nVersion: 1.2.dev3\n")
    make(tmp_path, "unsaid.egg-info")
    (tmp_path / "nothing.dist-info").mkdir()
    assert installed_packages([str(tmp_path)]) == {
        "here": "1 (editable)",
        "copied": "1",
        "git": f"1 (git {commit})",
        "odd": "1",
        "hostile": "1",
        "broken": "1",
        "old": "2.0",
        "developed": "1.2.dev3 (editable)",
    }


def test_a_package_installed_meanwhile_is_seen(tmp_path: Path) -> None:
    path = [str(tmp_path)]
    make(tmp_path, "one-1.dist-info")
    assert installed_packages(path) == {"one": "1"}
    make(tmp_path, "two-2.dist-info")
    os.utime(tmp_path, (1, 1))
    assert installed_packages(path) == {"one": "1", "two": "2"}


def test_variables_by_allow_list_only() -> None:
    environ = {"CUDA_VISIBLE_DEVICES": "0,1", "AWS_SECRET_ACCESS_KEY": "x", "HOME": "/home/ada", "SLURM_JOB_ID": "7"}
    assert allowed_variables(environ) == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert not any(is_secret_name(name) for name in VARIABLES)


def test_even_an_allowed_variable_shows_no_credential() -> None:
    token = "hf_" + "aB3dE6gH9jK2" * 3
    assert allowed_variables({"XLA_FLAGS": f"--x={token}"}) == {"XLA_FLAGS": "--x=***"}
    assert allowed_variables({"LANG": "\udcff" + "x" * 5000})["LANG"] == "?" + "x" * 999


def test_equal_environments_are_equal() -> None:
    assert capture_environment(os.environ) == capture_environment(dict(os.environ))


def test_it_takes_milliseconds_and_starts_nothing() -> None:
    script = (
        "import sys, time, os; from gitruns.capture.environment import capture_environment\n"
        "sys.addaudithook(lambda event, args: sys.exit(event) if event.startswith(('subprocess', 'os.exec', 'socket'))"
        " else None)\n"
        "started = time.process_time(); capture_environment(os.environ)\n"
        "print((time.process_time() - started) * 1000)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 20
    started = time.perf_counter()
    for _ in range(10):
        capture_environment(os.environ)
    assert time.perf_counter() - started < 0.1


# Hardware


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine() -> None:
    facts = read_hardware()
    assert facts["cpu_count"] == str(os.cpu_count())
    assert int(facts["memory_bytes"]) > 1 << 28
    assert facts["cpu"]


def test_a_machine_with_cards(tmp_path: Path) -> None:
    for number in range(4):
        write(
            tmp_path / f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information",
            "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t 42\nGPU UUID: \t GPU-1234\n",
        )
    write(
        tmp_path / "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12\n",
    )
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some   CPU @ 2.0GHz\n\nprocessor\t: 1\n")
    facts = read_hardware(tmp_path)
    assert facts["gpu"] == "4 x NVIDIA A100-SXM4-80GB"
    assert facts["gpu_count"] == "4"
    assert facts["gpu_driver"] == "535.104.05"
    assert facts["cpu"] == "Some CPU @ 2.0GHz"


def test_a_machine_with_amd_cards(tmp_path: Path) -> None:
    nodes = tmp_path / "sys/class/kfd/kfd/topology/nodes"
    write(nodes / "0/properties", "cpu_cores_count 64\nsimd_count 0\n")
    write(nodes / "0/name", "\n")
    write(nodes / "1/properties", "cpu_cores_count 0\nsimd_count 880\n")
    write(nodes / "1/name", "gfx90a\n")
    facts = read_hardware(tmp_path)
    assert (facts["gpu"], facts["gpu_count"]) == ("AMD gfx90a", "1")


@pytest.mark.parametrize(
    ("files", "usable", "limit"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"}, "2", "1073741824"),
        ({"cpu.max": "50000 100000\n", "memory.max": "max\n"}, "1", None),
        (
            {
                "cpu/cpu.cfs_quota_us": "100000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            "1",
            None,
        ),
        ({"cpu.max": "max 100000\n"}, None, None),
        ({"cpu.max": "garbage\n", "memory.max": "\n"}, None, None),
    ],
)
def test_what_a_container_allows(tmp_path: Path, files: dict[str, str], usable: str | None, limit: str | None) -> None:
    for name, text in files.items():
        write(tmp_path / "sys/fs/cgroup" / name, text)
    facts = read_hardware(tmp_path)
    assert facts.get("memory_limit_bytes") == limit
    if usable is not None and int(usable) < len(os.sched_getaffinity(0)):
        assert facts["cpu_usable"] == usable


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert set(read_hardware(tmp_path)) <= {"cpu_count", "cpu_usable", "memory_bytes"}
