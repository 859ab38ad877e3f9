"""A training loop in plain numpy on scikit-learn's diabetes data: curves of a linear model under gradient descent.

    python diabetes_numpy.py [--lr 0.3] [--steps 300]

Needs numpy and scikit-learn (only for the data, which it ships).
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_diabetes

import gitruns


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns training inputs and targets, then validation inputs and targets; targets are standardised."""
    inputs, targets = load_diabetes(return_X_y=True)
    inputs = inputs / inputs.std(axis=0)
    targets = (targets - targets.mean()) / targets.std()
    return inputs[:342], targets[:342], inputs[342:], targets[342:]


def main() -> None:
    """Trains once; the run ends with the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()

    inputs, targets, val_inputs, val_targets = load()
    gitruns.set_experiment("diabetes")
    with gitruns.start_run():
        gitruns.log_params(vars(options))
        gitruns.log_input(inputs, context="training", name="diabetes")
        weights = np.zeros(inputs.shape[1])
        for step in range(options.steps):
            error = inputs @ weights - targets
            gradient = inputs.T @ error / len(targets)
            weights -= options.lr * gradient
            gitruns.log_metrics(
                {
                    "loss": np.mean(error**2),
                    "gradient_norm": np.linalg.norm(gradient),
                    "val_loss": np.mean((val_inputs @ weights - val_targets) ** 2),
                },
                step=step,
            )
        gitruns.log_dict({"weights": weights.tolist()}, "weights.json")


if __name__ == "__main__":
    main()
