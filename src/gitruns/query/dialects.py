"""Which language a query is in."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from gitruns.query.ast import Condition, OrderItem
from gitruns.query.fields import RUNS, Subject
from gitruns.query.mlflow import parse_mlflow, parse_mlflow_order
from gitruns.query.order import parse_order
from gitruns.query.parser import parse


class Dialect(str, Enum):
    """Our own language, or exactly MLflow's: what its clients may rely on being refused is refused."""

    NATIVE = "native"
    MLFLOW = "mlflow"

    def __str__(self) -> str:
        return self.value


def read_query(text: str, dialect: Dialect = Dialect.NATIVE, subject: Subject = RUNS) -> Condition:
    """Returns the tree of a query; raises `InvalidInputError` (kind `bad-query`)."""
    return parse_mlflow(text, subject) if dialect is Dialect.MLFLOW else parse(text, subject)


def read_order(
    texts: Iterable[str], dialect: Dialect = Dialect.NATIVE, subject: Subject = RUNS
) -> tuple[OrderItem, ...]:
    """Returns what to order by; raises `InvalidInputError` (kind `bad-query`)."""
    return parse_mlflow_order(texts, subject) if dialect is Dialect.MLFLOW else parse_order(texts, subject)
