"""Every example of docs/query.md that finds runs, orders them or fails, executed."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gitruns.entities.run import RunStatus
from gitruns.entities.values import Scalar
from gitruns.errors import InvalidInputError
from gitruns.index import Index, Search
from gitruns.query import parse
from gitruns.query.numbers import number_in
from index.sources import MemorySource, make_run

PAGE = (Path(__file__).parents[2] / "docs" / "query.md").read_text(encoding="utf-8")
NOW = datetime(2024, 5, 4, 12, tzinfo=timezone.utc)


def rows(head: str) -> list[list[str]]:
    """Returns the rows of all tables whose head begins with those cells."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.splitlines():
        if line.startswith("| "):
            if inside:
                found.append([cell.strip() for cell in line.strip("|").split("|")])
            inside = inside or line.startswith(f"| {head} |")
        elif not line.startswith("|"):
            inside = False
    return found


def values(cell: str) -> dict[str, str]:
    return dict(pair.strip().rsplit(" ", 1) for pair in cell.split(",") if pair.strip())  # type: ignore[misc]


def typed(text: str) -> Scalar:
    number = number_in(text)
    return text if number is None or "e" in text else number


def documented_runs() -> MemorySource:
    runs = []
    for number, (name, status, started, metrics, params, tags) in enumerate(rows("run | status")):
        start = int(datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp() * 1000)
        runs.append(
            make_run(
                number,
                name=name,
                status=RunStatus(status),
                start=start,
                end_time_ms=start + (7_200_000 if name == "ant" else 60_000),
                metrics={key: float(value) for key, value in values(metrics).items()},
                params={key: typed(value) for key, value in values(params).items()},
                tags=values(tags),
                user="ada" if name in ("ant", "bee") else "grace",
            )
        )
    assert len(runs) == 4
    return MemorySource(runs)


INDEX = Index(None, documented_runs())


def names(**search: object) -> str:
    found, _ = INDEX.list_runs(Search(now=NOW, **search))  # type: ignore[arg-type]
    return " ".join(one.run.info.name for one in found)


def code(cell: str) -> str:
    return cell.removeprefix("`").removesuffix("`")


FINDS = [(code(query), finds) for query, finds in rows("query | finds")]
ORDERS = [(code(order), runs) for order, runs in rows("order | runs")]
ERRORS = [(code(query), says) for query, says in rows("query | says")]
GIT = [code(query) for query, _ in rows("query | asks for")]


def test_the_page_has_its_examples() -> None:
    assert (len(FINDS) > 35, len(ORDERS), len(ERRORS), len(GIT)) == (True, 6, 6, 8)


@pytest.mark.parametrize(("query", "finds"), FINDS)
def test_queries(query: str, finds: str) -> None:
    assert names(filter=query, order_by=["started"]) == finds


@pytest.mark.parametrize(("order", "runs"), ORDERS)
def test_orders(order: str, runs: str) -> None:
    assert names(order_by=[order]) == runs


@pytest.mark.parametrize(("query", "says"), ERRORS)
def test_errors(query: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        names(filter=query)
    said = f"{error.value.facts['reason']} (column {error.value.facts['column']})"
    assert (f"{said} — {error.value.hint}" if error.value.hint else said) == says


@pytest.mark.parametrize("query", GIT)
def test_git_terms_are_read(query: str) -> None:
    parse(query)


def test_the_error_that_is_shown_whole() -> None:
    shown = re.search(r"```\n(cannot read query.*?)\n```", PAGE, re.DOTALL)
    assert shown is not None
    with pytest.raises(InvalidInputError) as error:
        names(filter="acc > > 1")
    assert str(error.value) == shown[1]
