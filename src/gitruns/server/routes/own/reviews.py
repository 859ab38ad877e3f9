"""The review of a change, by the runs of its code."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from gitruns.compare.render.review_record import review_record
from gitruns.compare.review import Request, build_review
from gitruns.compare.review.rules import parse_rule
from gitruns.server.calls import Context, Role
from gitruns.server.routes.own.diff_answers import ChangeAnswer, CodeAnswer, EnvironmentDiffAnswer, Side
from gitruns.server.routes.own.kinds import Key, Number, sayable
from gitruns.server.routes.own.route import Route

_MOST_PATCH_CHARACTERS = 1_000_000


class RuleText(Struct):
    """A rule beside those of gitruns.yaml: `val_loss`, `no worse than 1%`."""

    metric: Key
    rule: Annotated[str, Meta(min_length=1, max_length=500)]


class ReviewRequest(Struct):
    """What to review: `main...HEAD` where nothing is said. `nearest` lets runs of other code be judged."""

    range: Annotated[str, Meta(max_length=1000)] = ""
    experiment: Annotated[str, Meta(max_length=500)] = ""
    rules: Annotated[list[RuleText], Meta(max_length=50)] = field(default_factory=list)
    nearest: bool = False
    patch: bool = False


class CommitAnswer(Struct):
    """One commit."""

    id: str
    tree: str
    subject: str


class ReviewSide(Struct):
    """The runs of one side, and of which commit they are. `exact`: of exactly its code."""

    commit: CommitAnswer
    ran: CommitAnswer | None
    exact: bool
    why: str
    runs: list[Side]
    unfinished: list[Side]


class RuleAnswer(Struct):
    """How a rule came out: `held`, `broken` and the like."""

    metric: str
    rule: str
    statistic: str | None
    outcome: str
    why: str
    base: Number | None
    head: Number | None


class SampleAnswer(Struct):
    """A metric of the seeds of one side."""

    values: list[Number]
    mean: Number | None
    spread: Number | None
    missing: int
    broken: int


class ReviewedMetric(Struct):
    """One metric of two groups; `p_value` and `interval` of the difference where there are seeds enough."""

    key: str
    direction: str
    base: SampleAnswer | None
    head: SampleAnswer | None
    delta: Number | None
    percent: Number | None
    verdict: str
    p_value: Number | None
    interval: list[Number | None] | None


class ReviewedPair(Struct):
    """Runs that differ in their seed only, against those of the base."""

    base_runs: list[str]
    head_runs: list[str]
    metrics: list[ReviewedMetric]
    more_metrics: int
    rules: list[RuleAnswer]
    params: list[ChangeAnswer]
    environment: EnvironmentDiffAnswer
    datasets: list[ChangeAnswer]


class ReviewAnswer(Struct):
    """The review; `verdict` says whether the change may land. Keys mean what they mean in docs/json.md."""

    range: str
    verdict: str
    head: ReviewSide
    base: ReviewSide
    rules: list[RuleAnswer]
    groups: list[ReviewedPair]
    more_groups: int
    code: CodeAnswer
    warnings: list[str]


def review(context: Context, request: ReviewRequest) -> dict[str, Any]:
    """Returns the review, as `git runs review` makes it."""
    asked = Request(
        span=request.range or None,
        experiment=request.experiment or None,
        rules=tuple(parse_rule(one.metric, one.rule) for one in request.rules),
        nearest=request.nearest,
    )
    record = review_record(build_review(context.hub.repo, asked))
    patch = record["code"]["patch"]
    if not request.patch or len(patch or "") > _MOST_PATCH_CHARACTERS:
        record["code"]["patch"] = None
    found: dict[str, Any] = sayable(record)
    return found


ROUTES = (
    Route(
        method="POST",
        path="/review",
        name="ReviewChange",
        summary="Review a change by the runs of its code",
        about="What `git runs review` says of a range of commits, under the rules of gitruns.yaml.",
        role=Role.READER,
        request=ReviewRequest,
        answer=ReviewAnswer,
        act=review,
    ),
)
