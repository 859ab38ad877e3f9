"""A repository to compare runs in: commits and runs made with a few words, at times that never change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import run_git
from gitruns.capture import SnapshotRules, capture_source
from gitruns.entities.dataset import DatasetInput
from gitruns.entities.environment import Environment
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import Identity, Run, RunInfo, RunStatus
from gitruns.entities.source import Source
from gitruns.repo import Repo

START_MS = 1_763_716_623_000
PACKAGES = {"numpy": "2.1.0", "torch": "2.5.0", "rich": "13.0.0"}


def environment(**packages: str) -> Environment:
    """An environment in which some packages have other versions."""
    return Environment(
        python="CPython 3.11.7",
        platform="Linux-6.1-x86_64",
        packages={**PACKAGES, **packages},
        hardware={"cpu": "EPYC"},
    )


class Lab:
    """A git repository and its runs; ids and times count up, so that the same script makes the same runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.commits = 0
        if not (folder / ".git").exists():
            folder.mkdir(exist_ok=True)
            self.git("init", "--quiet", "-b", "main", "--template=")
        self.repo = Repo.open(folder)

    def copy(self, folder: Path) -> Lab:
        """Copies the repository with its runs: quicker than to log them again."""
        self.repo.close()
        shutil.copytree(self.folder, folder, symlinks=True)
        made = Lab(folder)
        made.count, made.commits = self.count, self.commits
        return made

    def git(self, *args: str) -> str:
        """Runs git at a time that is not now."""
        date = f"{START_MS // 1000 + self.commits * 60} +0000"
        before = {key: os.environ.get(key) for key in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")}
        os.environ |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        try:
            return run_git(self.folder, *args)
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value

    def write(self, **files: str) -> None:
        """Writes files: `train__py="…"` is `train.py`."""
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def commit(self, subject: str, **files: str) -> str:
        """Commits files and returns the commit's id."""
        self.commits += 1
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def run(
        self,
        metrics: Mapping[str, float | Sequence[float]],
        *,
        experiment: str | None = None,
        name: str | None = None,
        status: RunStatus = RunStatus.FINISHED,
        env: Environment | None = None,
        inputs: Sequence[DatasetInput] = (),
        artifacts: Mapping[str, bytes] | None = None,
        tags: Mapping[str, str] | None = None,
        source: Source | None = None,
        **params: Any,
    ) -> RunId:
        """Logs a run of the work tree as it stands."""
        self.count += 1
        run_id = RunId(f"{self.count:08x}" * 4)
        group = self.repo.experiment_for_start(None, experiment)
        info = RunInfo(
            id=run_id,
            name=name or f"run-{self.count}",
            experiment_id=group.id,
            writer=self.repo.writer,
            start_time_ms=START_MS + self.count * 60_000,
            user="ada",
            host="laptop",
            entry_point="train.py",
            command=("python", "train.py"),
            source=source or capture_source(self.repo.store, SnapshotRules()),
        )
        log = self.repo.start_run(
            info,
            environment=env or environment(),
            identity=Identity(name="Ada Lovelace", email="ada@example.org"),
            tags=tags or {},
            experiment_name=group.name,
        )
        log.log_params(params)
        for key, values in metrics.items():
            listed = values if isinstance(values, Sequence) else [values]
            for step, value in enumerate(listed):
                log.log_metric(key, float(value), step, info.start_time_ms + step)
        if inputs:
            log.add_inputs(inputs)
        for path, data in (artifacts or {}).items():
            log.add_bytes(data, path)
        code = 0 if status is RunStatus.FINISHED else 1
        log.end(status, end_time_ms=info.start_time_ms + 1000, exit_code=code)
        return run_id

    def history(self, files: Sequence[Mapping[str, str]]) -> list[Source]:
        """Commits many versions at once on top of main, checks the last one out, and returns the source of each."""
        stream = []
        for number, version in enumerate(files):
            self.commits += 1
            who = f"Ada Lovelace <ada@example.org> {START_MS // 1000 + self.commits * 60} +0000"
            subject = f"change {number}"
            stream.append(f"commit refs/heads/main\ncommitter {who}\ndata {len(subject)}\n{subject}\n")
            stream += ["from refs/heads/main^0\n"] if not number else []
            stream += [f"M 100644 inline {name}\ndata {len(text)}\n{text}\n" for name, text in version.items()]
        run_git(self.folder, "fast-import", "--quiet", stdin="".join(stream))
        self.git("reset", "--quiet", "--hard")
        listed = self.git("log", "--reverse", "--format=%H %T", f"-{len(files)}").splitlines()
        pairs = [line.split() for line in listed]
        return [
            Source(
                commit=ObjectId(commit),
                base=ObjectId(commit),
                branch="main",
                code_tree=ObjectId(tree),
                snapshot_tree=ObjectId(tree),
            )
            for commit, tree in pairs
        ]

    def get(self, run_id: RunId) -> Run:
        """The run as it stands."""
        return self.repo.get_run(run_id)
