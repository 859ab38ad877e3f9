"""The repository that docs/query.md is about: three commits, two branches, nine runs, the same each time."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from cli.made_runs import NOW, start
from conftest import run_git
from gitruns.entities.ids import ObjectId, RunId
from gitruns.entities.run import RunStatus
from gitruns.entities.source import Source
from gitruns.repo import Repo

COMMITTED = NOW // 1000 - 3 * 86_400

# name, hours ago, commit, experiment, model, lr, layers, final val_loss (nan: it diverged), status
RUNS = (
    ("calm-heron-1", 50, "base", "digits", "mlp", 0.1, 2, 0.412, RunStatus.FINISHED),
    ("keen-otter-2", 49, "base", "digits", "mlp", 0.01, 2, 0.297, RunStatus.FINISHED),
    ("wise-lynx-3", 47, "base", "digits", "cnn", 0.1, 4, 0.184, RunStatus.FINISHED),
    ("bold-crane-4", 26, "wider", "digits", "cnn", 0.01, 8, 0.093, RunStatus.FINISHED),
    ("shy-badger-5", 25, "wider", "digits", "cnn", 1.0, 8, math.nan, RunStatus.FAILED),
    ("brave-swan-6", 24, "wider", "speech", "cnn", 0.01, 8, 0.655, RunStatus.FINISHED),
    ("swift-fox-7", 5, "feature", "digits", "vit", 0.01, 12, 0.121, RunStatus.FINISHED),
    ("quiet-mole-8", 4, "feature", "digits", "vit", 0.003, 12, 0.088, RunStatus.FINISHED),
    ("proud-crow-9", 1, "feature", "digits", "vit", 0.1, 12, 0.35, RunStatus.KILLED),
)


def make_example(folder: Path) -> None:
    """Makes the repository at `folder`, which is not there yet."""
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        run_git(folder, "init", "--quiet", "-b", "main", "--template=")
        sources = {}
        for hours, (name, branch, text) in enumerate(
            (
                ("base", "main", "width = 16\n"),
                ("wider", "main", "width = 64\n"),
                ("feature", "feature", "width = 64\nattention = True\n"),
            )
        ):
            for role in ("AUTHOR", "COMMITTER"):
                patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
                patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
                patch.setenv(f"GIT_{role}_DATE", f"{COMMITTED + 86_400 * hours} +0000")
            if branch == "feature":
                run_git(folder, "checkout", "--quiet", "-b", "feature")
            (folder / "model.py").write_text(text)
            run_git(folder, "add", ".")
            run_git(folder, "commit", "--quiet", "-m", f"model: {name}")
            sources[name] = run_git(folder, "rev-parse", "HEAD").strip()
        run_git(folder, "checkout", "--quiet", "main")
        (folder / "gitruns.yaml").write_text(
            "metrics:\n  val_loss: lower\n"
            "queries:\n  good: val_loss < 0.2 and status = finished\n  cnn: model = 'cnn'\n"
        )
        _log(Repo.open(folder), sources)
        run_git(folder, "gc", "--quiet")


def _log(repo: Repo, sources: dict[str, str]) -> None:
    for name, hours, commit, experiment, model, lr, layers, loss, status in RUNS:
        run_id = RunId(hashlib.sha256(name.encode()).hexdigest()[:32])
        source = repo.resolve_commit(sources[commit])
        tree = ObjectId(run_git(repo.store.paths.common_dir, "rev-parse", f"{source}^{{tree}}").strip())
        branch = "feature" if commit == "feature" else "main"
        begun = start(
            repo,
            run_id,
            name,
            minutes_ago=60 * hours,
            experiment=experiment,
            source=Source(commit=source, base=source, branch=branch, code_tree=tree, snapshot_tree=tree),
        )
        begun.log_params({"model": model, "lr": lr, "layers": layers, "batch_size": 32})
        for step in range(20):
            value = loss + 1.2 * math.exp(-step / 4)
            time_ms = begun.info.start_time_ms + 30_000 * step
            begun.log_metric("val_loss", value if step < 19 else loss, step, time_ms)
            begun.log_metric("acc", max(1 - value / 3, 0.0) if value == value else 0.1, step, time_ms)
        if name == "bold-crane-4":
            begun.set_tags({"team": "vision", "mlflow.note.content": "the one for the paper"})
        code = {RunStatus.FINISHED: 0, RunStatus.FAILED: 1}.get(status)
        error = "ValueError: loss is nan" if status is RunStatus.FAILED else None
        begun.log_metric("seconds", 600.0 + hours, 0, begun.info.start_time_ms)
        begun.end(status, end_time_ms=begun.info.start_time_ms + 600_000, exit_code=code, error=error)
    repo.close()
