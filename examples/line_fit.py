"""The smallest training script with curves and a model: a line fitted to noisy points, standard library only.

    python line_fit.py [--lr 0.1] [--seed 0]

The other examples train with it: team.sh, review.sh and registry.sh.
"""

from __future__ import annotations

import argparse
import random

import gitruns


def main() -> None:
    """Trains once; the run ends with the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    draw = random.Random(options.seed)
    points = [(x / 10, 2 * x / 10 + 1 + draw.gauss(0, 0.1)) for x in range(20)]
    slope, offset = 0.0, 0.0
    gitruns.set_experiment("line")
    with gitruns.start_run():
        gitruns.log_params(vars(options))
        for step in range(30):
            errors = [slope * x + offset - y for x, y in points]
            gitruns.log_metric("loss", sum(error * error for error in errors) / len(points), step=step)
            slope -= options.lr * 2 * sum(error * x for error, (x, _) in zip(errors, points, strict=True)) / len(points)
            offset -= options.lr * 2 * sum(errors) / len(points)
        gitruns.log_dict({"slope": slope, "offset": offset}, "model/line.json")


if __name__ == "__main__":
    main()
