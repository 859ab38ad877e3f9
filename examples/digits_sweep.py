"""A small sweep on scikit-learn's handwritten digits: params, curves, a figure, a table and the model of each run.

    python digits_sweep.py [--epochs 15]

Needs `gitruns[examples]`. The data ships with scikit-learn; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import gitruns

mpl.use("Agg")

LEARNING_RATES = (0.003, 0.03)
HIDDEN_UNITS = (16, 64)


def train(learning_rate: float, hidden_units: int, epochs: int) -> None:
    """Trains one classifier and logs all of it to one run."""
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16.0, digits, test_size=0.3, random_state=0, stratify=digits)
    train_x, test_x, train_y, test_y = split
    with gitruns.start_run(tags={"model": "mlp"}):
        gitruns.log_params({"learning_rate": learning_rate, "hidden_units": hidden_units, "epochs": epochs})
        gitruns.log_input(train_x, context="training", name="digits")
        model = MLPClassifier((hidden_units,), learning_rate_init=learning_rate, random_state=0)
        for epoch in range(epochs):
            model.partial_fit(train_x, train_y, classes=np.arange(10))
            gitruns.log_metrics(
                {
                    "loss": model.loss_,
                    "val_loss": log_loss(test_y, model.predict_proba(test_x)),
                    "val_accuracy": model.score(test_x, test_y),
                },
                step=epoch,
            )
        log_results(model, test_x, test_y)


def log_results(model: MLPClassifier, test_x: np.ndarray, test_y: np.ndarray) -> None:
    """Logs what a reader wants to look at afterwards."""
    predicted = model.predict(test_x)
    display = ConfusionMatrixDisplay.from_predictions(test_y, predicted, colorbar=False)
    gitruns.log_figure(display.figure_, "confusion.png")
    counts = confusion_matrix(test_y, predicted)
    gitruns.log_table(
        {"digit": list(range(10)), **{str(d): counts[:, d].tolist() for d in range(10)}}, "confusion.json"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        gitruns.log_artifact(path, "model")


def main() -> None:
    """Runs the sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="matplotlib")
    gitruns.set_experiment("digits")
    for learning_rate, hidden_units in product(LEARNING_RATES, HIDDEN_UNITS):
        train(learning_rate, hidden_units, options.epochs)


if __name__ == "__main__":
    main()
