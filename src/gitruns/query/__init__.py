"""The query language: text to tree and back. Runs nothing, knows no storage, imports nothing but the standard library.

`parse` reads our own language, `parse_mlflow` exactly MLflow's filters; both give the same tree, which `index` compiles
to SQL. `format_query` is the way back. Every failure is an `InvalidInputError` of kind `bad-query` that points at the
column; hostile text takes linear time, and no more than a few milliseconds.
"""

from gitruns.query.dialects import Dialect, read_order, read_query
from gitruns.query.evaluate import evaluate, in_order, matches
from gitruns.query.fields import EXPERIMENTS, LOGGED_MODELS, MODEL_VERSIONS, MODELS, RUNS, Subject
from gitruns.query.format import format_order, format_query
from gitruns.query.mlflow import parse_mlflow, parse_mlflow_order
from gitruns.query.order import parse_order
from gitruns.query.parser import parse
from gitruns.query.suggest import nearest

__all__ = [
    "EXPERIMENTS",
    "LOGGED_MODELS",
    "MODELS",
    "MODEL_VERSIONS",
    "RUNS",
    "Dialect",
    "Subject",
    "evaluate",
    "format_order",
    "format_query",
    "in_order",
    "matches",
    "nearest",
    "parse",
    "parse_mlflow",
    "parse_mlflow_order",
    "parse_order",
    "read_order",
    "read_query",
]
