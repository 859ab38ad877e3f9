"""Logs a run with the library of Weights & Biases, offline: python write_wandb.py FOLDER

What it wrote once, with version 0.31, is in `data/`, so that the tests need no such library.
"""

import sys
from pathlib import Path


def write(folder: Path) -> None:
    """Writes a run with all that is read, into `<folder>/wandb`."""
    import wandb

    settings = wandb.Settings(mode="offline", silent=True, disable_git=True, x_disable_meta=True, host="node-1")
    config = {"lr": 0.1, "opt": {"name": "adam", "eps": 1e-8}, "layers": 3, "none": None, "list": [1, 2]}
    run = wandb.init(
        project="digits",
        entity="ada",
        name="bold",
        notes="what it is",
        tags=["a", "b"],
        group="g1",
        job_type="train",
        config=config,
        dir=str(folder),
        settings=settings,
    )
    for step in range(150):
        run.log({"loss": 1 / (step + 1), "eval": {"acc": step / 10}, "text": "x"})
    run.log({"odd": float("nan")})
    run.summary["best"] = 0.9
    run.finish()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
