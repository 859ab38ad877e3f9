"""Who runs what: told for each way of starting Python, with paths that give away no more than they must."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitruns.capture import ProcessFacts, describe_job, describe_process
from gitruns.errors import InvalidInputError
from gitruns.gitstore import GitStore

OpenAt = Callable[[Path], GitStore]

TELL = """\
import os, sys, json
from dataclasses import asdict
from pathlib import Path
from gitruns.capture import describe_process
from gitruns.gitstore import open_store
facts = describe_process(open_store(Path({repo!r}), environ=os.environ), os.environ)
print(json.dumps(asdict(facts)))
"""


def tell(*arguments: str, cwd: Path, **environ: str) -> dict[str, Any]:
    import json

    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def project(git_repo: Path) -> Path:
    (git_repo / "pkg").mkdir()
    (git_repo / "pkg/__init__.py").touch()
    for name in ("fit.py", "pkg/fit.py", "pkg/__main__.py"):
        (git_repo / name).write_text(TELL.format(repo=str(git_repo)))
    return git_repo


def test_a_script(project: Path) -> None:
    facts = tell("fit.py", "--lr", "0.1", "--api-key=abcdef", cwd=project)
    assert facts["entry_point"] == "fit.py"
    assert facts["command"][1:] == ["fit.py", "--lr", "0.1", "--api-key=***"]
    assert facts["host"] == os.uname().nodename
    assert facts["user"]


def test_a_script_from_a_folder_below_and_by_its_whole_path(project: Path) -> None:
    assert tell("fit.py", cwd=project / "pkg")["entry_point"] == "pkg/fit.py"
    facts = tell(str(project / "pkg/fit.py"), f"--config={project}/conf.yaml", cwd=project.parent)
    assert facts["entry_point"] == "pkg/fit.py"
    assert facts["command"][1:] == ["pkg/fit.py", "--config=conf.yaml"]


def test_a_script_through_a_link_to_the_repository(project: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(project)
    assert tell(str(tmp_path / "shortcut/fit.py"), cwd=tmp_path)["entry_point"] == "fit.py"


def test_a_script_outside_the_repository(project: Path, tmp_path: Path, isolated_home: Path) -> None:
    for folder, name in ((isolated_home, "~/own.py"), (tmp_path, f"{tmp_path}/own.py")):
        (folder / "own.py").write_text(TELL.format(repo=str(project)))
        facts = tell(str(folder / "own.py"), cwd=project)
        assert facts["entry_point"] == name
        assert facts["command"][1:] == [name]


def test_a_module_and_a_package(project: Path) -> None:
    assert tell("-m", "pkg.fit", cwd=project)["entry_point"] == "pkg.fit"
    facts = tell("-m", "pkg", cwd=project)
    assert facts["entry_point"] == "pkg"
    assert facts["command"][1:] == ["-m", "pkg"]


def test_a_folder_run_as_a_script(project: Path) -> None:
    assert tell("pkg", cwd=project)["entry_point"] == "pkg/__main__.py"


def test_code_from_the_command_line(project: Path) -> None:
    facts = tell("-c", "password = 'hunter2'\n" + TELL.format(repo=str(project)), cwd=project)
    assert facts["entry_point"] == "<command>"
    assert "hunter2" not in str(facts)


def test_code_from_standard_input(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-"],
        input=TELL.format(repo=str(project)),
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"entry_point": "<stdin>"' in done.stdout


def test_arguments_that_are_no_text_and_no_end(project: Path) -> None:
    facts = tell("fit.py", os.fsdecode(b"caf\xe9"), "x" * 10_000, *["y"] * 2000, cwd=project)
    assert facts["command"][2] == "caf?"
    assert len(facts["command"][3]) == 2001
    assert len(facts["command"]) == 1000


def test_what_is_redacted_is_not_there() -> None:
    assert describe_process(None, {"USER": "ada"}, ("host", "user", "command")) == ProcessFacts(
        entry_point=describe_process(None, {}).entry_point
    )
    with pytest.raises(InvalidInputError, match="cannot redact 'hosts': not one of host, user, command"):
        describe_process(None, {}, ["hosts"])


def test_the_user() -> None:
    assert describe_process(None, {"USER": "ada"}).user == "ada"
    assert describe_process(None, {"USER": ""}).user


def test_a_command_run_for_somebody(project: Path, open_at: OpenAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    arguments = ["python", "-u", "fit.py", "--token", "abc123"]
    facts = describe_process(open_at(project), os.environ, arguments=arguments)
    assert facts.command == ("python", "-u", "fit.py", "--token", "***")
    assert facts.entry_point == "fit.py"
    assert describe_process(open_at(project), os.environ, arguments=["make", "all"]).entry_point == "make"


class Shell:
    """As much of a notebook's shell as is asked."""

    kernel = object()

    def __init__(self, **names: str) -> None:
        self.user_ns = names


@pytest.fixture
def in_notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def enter(**names: str) -> None:
        import types

        module = types.ModuleType("IPython")
        module.get_ipython = lambda: Shell(**names)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))

    return enter


def test_notebooks(
    git_repo: Path, open_at: OpenAt, in_notebook: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (git_repo / "lab").mkdir()
    (git_repo / "lab/try.ipynb").write_text("{}")
    monkeypatch.chdir(git_repo / "lab")
    store = open_at(git_repo)
    in_notebook()
    facts = describe_process(store, os.environ)
    assert (facts.entry_point, facts.command) == ("<notebook>", ())
    assert describe_process(store, {"JPY_SESSION_NAME": "deep/lab/try.ipynb"}).entry_point == "lab/try.ipynb"
    in_notebook(__vsc_ipynb_file__=str(git_repo / "lab/try.ipynb"))
    assert describe_process(store, {}).entry_point == "lab/try.ipynb"


def test_ids_of_a_cluster_job() -> None:
    assert describe_job({"SLURM_JOB_ID": "123", "SLURM_ARRAY_TASK_ID": "4", "PBS_JOBID": "7[3].host"}) == {
        "slurm_job_id": "123",
        "slurm_array_task_id": "4",
        "pbs_job_id": "7[3].host",
    }
    assert describe_job({"SLURM_JOB_ID": "1; rm -rf", "JOB_ID": ""}) == {}
