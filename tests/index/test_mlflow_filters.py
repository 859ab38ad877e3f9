"""Every line of docs/mlflow-filters.md, executed in MLflow's dialect and in our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gitruns.entities.dataset import DatasetInput
from gitruns.entities.experiment import Experiment
from gitruns.entities.ids import ExperimentId
from gitruns.entities.run import RunStatus
from gitruns.errors import InvalidInputError
from gitruns.index import Index, Search
from gitruns.query import Dialect
from index.sources import DEFAULT, MemorySource, make_run

PAGE = Path(__file__).parents[2] / "docs" / "mlflow-filters.md"
ONLY_OURS_REFUSES = {"status = 'finished'"}
NOTHING = {"*(nothing)*": "", "*(spaces only)*": "   "}


class Line(NamedTuple):
    """One line of a table: its cells, and the first cell of the table's head."""

    head: str
    cells: tuple[str, ...]


def lines() -> Iterator[Line]:
    head = ""
    for text in PAGE.read_text(encoding="utf-8").splitlines():
        if not text.startswith("| "):
            head = head if text.startswith("|--") else ""
            continue
        cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", text)[1:-1])
        if head:
            yield Line(head, cells)
        else:
            head = cells[0]


def table(head: str) -> list[tuple[str, str]]:
    return [(code(line.cells[0]), line.cells[1]) for line in lines() if line.head == head]


def code(cell: str) -> str:
    return NOTHING[cell] if cell in NOTHING else cell.removeprefix("`` ").removesuffix(" ``")


def pairs(cell: str) -> dict[str, str]:
    found = (one.partition("=") for one in cell.split(";") if one.strip())
    return {key.strip(): value.strip() for key, _, value in found}


def documented_runs() -> MemorySource:
    runs = []
    for number, line in enumerate(one for one in lines() if one.head == "run"):
        name, start, end, status, user, metrics, params, tags, datasets = line.cells
        listed = [one.split() for one in datasets.split(";") if one.strip()]
        runs.append(
            make_run(
                number,
                name=name,
                start=int(start),
                end_time_ms=int(end) if end else None,
                status=RunStatus(status),
                user=user,
                metrics={key: float(value) for key, value in pairs(metrics).items()},
                params=pairs(params),
                tags=pairs(tags),
                inputs=tuple(DatasetInput(name=a, digest=b, context=c, source="s") for a, b, c in listed),
            )
        )
    assert len(runs) == 4
    return MemorySource(runs)


INDEX = Index(None, documented_runs())
FILTERS = table("filter")
ORDERS = table("order_by")
FIRST_OF_EXPERIMENTS = [code for code, _ in FILTERS].index("name = 'digits'")
RUN_FILTERS, EXPERIMENT_FILTERS = FILTERS[:FIRST_OF_EXPERIMENTS], FILTERS[FIRST_OF_EXPERIMENTS:]


def names(search: Search) -> str:
    return " ".join(one.run.info.name for one in INDEX.list_runs(search)[0]) or "*none*"


def test_the_page_has_the_examples() -> None:
    assert len(RUN_FILTERS) > 110 and len(EXPERIMENT_FILTERS) > 15 and len(ORDERS) > 25


@pytest.mark.parametrize(("text", "finds"), RUN_FILTERS)
def test_filters_of_runs(text: str, finds: str) -> None:
    search = Search(filter=text, order_by=["start_time"], dialect=Dialect.MLFLOW)
    if finds.startswith("refused: "):
        with pytest.raises(InvalidInputError) as error:
            INDEX.search_runs(search)
        assert error.value.kind == "bad-query"
        assert f"refused: {error.value.facts['reason']}" == finds
        return
    assert names(search) == finds
    ours = Search(filter=text, order_by=["start_time"])
    if text in ONLY_OURS_REFUSES:
        with pytest.raises(InvalidInputError):
            INDEX.search_runs(ours)
    else:
        assert names(ours) == finds


@pytest.mark.parametrize(("text", "finds"), ORDERS)
def test_orders_of_runs(text: str, finds: str) -> None:
    search = Search(order_by=[text], dialect=Dialect.MLFLOW)
    if finds.startswith("refused: "):
        with pytest.raises(InvalidInputError) as error:
            INDEX.search_runs(search)
        assert f"refused: {error.value.facts['reason']}" == finds
    else:
        assert names(search) == finds
        if not text.startswith("params"):  # numbers in params are numbers to us
            assert names(Search(order_by=[text])) == finds


def test_the_same_field_twice_is_refused() -> None:
    search = Search(order_by=["metrics.acc", "metric.acc DESC"], dialect=Dialect.MLFLOW)
    with pytest.raises(InvalidInputError, match="contains duplicate fields"):
        INDEX.search_runs(search)


EXPERIMENTS = [
    DEFAULT,
    *(
        Experiment(
            id=ExperimentId(str(number)),
            name=name,
            creation_time_ms=2000 * number,
            last_update_time_ms=3000 * number,
            tags={"team": team},
        )
        for number, (name, team) in enumerate([("digits", "vision"), ("audio", "audio")], 1)
    ),
]


@pytest.mark.parametrize(("text", "finds"), EXPERIMENT_FILTERS)
def test_filters_of_experiments(text: str, finds: str) -> None:
    index = Index(None, MemorySource(experiments=EXPERIMENTS))
    by_id = {one.id: one.name for one in EXPERIMENTS}
    search = Search(filter=text, dialect=Dialect.MLFLOW)
    if finds.startswith("refused: "):
        with pytest.raises(InvalidInputError) as error:
            index.search_experiments(search)
        assert f"refused: {error.value.facts['reason']}" == finds
        return
    for one in (search, Search(filter=text)):
        found = index.search_experiments(one).experiment_ids
        assert (" ".join(by_id[each] for each in found) or "*none*") == finds
