"""What answers about differences are made of; the records of `compare.render` have these keys."""

from __future__ import annotations

from msgspec import Struct

from gitruns.server.routes.own.kinds import Number, Value


class Side(Struct):
    """Who a run is."""

    id: str
    name: str
    status: str
    commit: str | None
    base: str | None
    dirty: bool


class BaselineAnswer(Struct):
    """Why a run is the one to compare with."""

    why: str
    commit: str | None
    distance: int | None


class ChangeAnswer(Struct):
    """One key that differs: `change` is `added`, `removed` or `changed`."""

    key: str
    change: str
    before: Value
    after: Value


class MetricSide(Struct):
    """A metric of one of the two runs."""

    last: Number | None
    best: Number | None
    step: int | None


class MetricDiffAnswer(Struct):
    """One metric of two runs. `verdict` is `better`, `worse`, `same`, `changed` and the like."""

    key: str
    direction: str
    verdict: str
    before: MetricSide | None
    after: MetricSide | None
    delta: Number | None
    percent: Number | None
    best_delta: Number | None


class FileDiffAnswer(Struct):
    """A file of the code; lines are null where it is no text."""

    path: str
    old_path: str | None
    added: int | None
    removed: int | None


class CodeAnswer(Struct):
    """How the code differs. `unavailable` says why git cannot tell."""

    before: str | None
    after: str | None
    unavailable: str | None
    added: int
    removed: int
    files: list[FileDiffAnswer]
    patch: str | None


class CodeDiffAnswer(CodeAnswer):
    """`patch_left_out`: it was asked for, and is too long."""

    hint: str | None
    patch_left_out: bool


class EnvironmentDiffAnswer(Struct):
    """What differs, by group. `unknown`: one of the runs has no environment recorded."""

    unknown: bool
    base: list[ChangeAnswer]
    packages: list[ChangeAnswer]
    hardware: list[ChangeAnswer]
    variables: list[ChangeAnswer]


class StoredFile(Struct):
    """An artifact of one of the two runs."""

    sha256: str
    size_bytes: int


class ArtifactDiffAnswer(Struct):
    """One artifact that differs; `diff` is there for small text."""

    path: str
    change: str
    before: StoredFile | None
    after: StoredFile | None
    summary: str | None
    diff: str | None


class RunDiffAnswer(Struct):
    """All that differs from `before` to `after`; metrics are there also where they are equal."""

    before: Side
    after: Side
    baseline: BaselineAnswer | None
    params: list[ChangeAnswer]
    metrics: list[MetricDiffAnswer]
    code: CodeAnswer
    environment: EnvironmentDiffAnswer
    datasets: list[ChangeAnswer]
    artifacts: list[ArtifactDiffAnswer]
    facts: list[ChangeAnswer]
    tags: list[ChangeAnswer]
    note: ChangeAnswer | None
    unreadable: list[str]


class ComparedRow(Struct):
    """One field of all runs. `best` are the places of the best values, where the direction is known."""

    group: str
    key: str
    varies: bool
    direction: str
    best: list[int]
    values: list[Value]


class ComparisonAnswer(Struct):
    """Runs, and rows with a value for each of them in their order."""

    runs: list[Side]
    rows: list[ComparedRow]
