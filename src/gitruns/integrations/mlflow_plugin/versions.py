"""Which versions of MLflow this has been tried with."""

from __future__ import annotations

import warnings

from gitruns.errors import GitRunsWarning

TESTED = ((2, 22), (3, 17))
"""The least and the greatest that the tests have been run with."""

_warned = False


def warn_of_untested() -> None:
    """Warns, once a process, of a version of MLflow that is older or newer than those."""
    global _warned
    import mlflow

    numbers = tuple(int(part) for part in mlflow.__version__.split(".")[:2] if part.isdigit())
    if _warned or TESTED[0] <= numbers <= TESTED[1]:
        return
    _warned = True
    low, high = (".".join(map(str, one)) for one in TESTED)
    warnings.warn(
        f"gitruns: MLflow {mlflow.__version__} was not tested with this version of gitruns, {low} to {high} were",
        GitRunsWarning,
        stacklevel=4,
    )
