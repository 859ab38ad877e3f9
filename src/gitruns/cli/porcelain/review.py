"""`git runs review`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import EXPERIMENT
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.documents import chosen_form, document_options, write_document
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.output import json_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.compare.review import Review
    from gitruns.compare.review.rules import Rule


@command(
    "review",
    exits=CHECKING,
    examples=[
        "git runs review",
        "git runs review main...HEAD",
        "git runs review --rule 'loss: no worse than 1%' --rule 'loss: at most 2'",
        "git runs review main --markdown",
        "git runs review main --html -o review.html",
    ],
)
@click.argument("span", metavar="[BASE...HEAD]", required=False)
@click.option("-e", "--experiment", type=EXPERIMENT, help="Look at runs of this experiment only.")
@click.option(
    "-r", "--rule", "rules", metavar="'METRIC: RULE'", multiple=True, help="A rule beside those of gitruns.yaml."
)
@click.option("--nearest", is_flag=True, help="Let a run of other code be judged where this exact code has none.")
@click.option("--no-curves", is_flag=True, help="With --html: draw no curves.")
@click.option("--no-patch", is_flag=True, help="With --markdown: leave the lines of the code out.")
@click.option("--post", type=click.Choice(["github", "gitlab"]), help="Put the report into the pull or merge request.")
@click.option("--request", type=click.IntRange(min=1), metavar="N", help="With --post: the number of the request.")
@click.option("--name", default="gitruns", show_default=True, help="With --post: which comment and status it is.")
@document_options("markdown", "html", "json")
@pass_app
def review(
    app: App,
    span: str | None,
    experiment: str | None,
    rules: Sequence[str],
    nearest: bool,
    no_curves: bool,
    no_patch: bool,
    post: str | None,
    request: int | None,
    name: str,
    as_markdown: bool,
    as_html: bool,
    as_json: bool,
    output: Path | None,
) -> int:
    """Review a change by the runs of its code

    Runs of HEAD's exact code, in whatever branch or clone it ran, are measured against runs of the merge base with
    BASE (or of its nearest ancestor that was run): seeds together, with their spread and a test of the difference.
    The rules of gitruns.yaml (`review: {val_loss: no worse than 1%}`) decide: 0 passed or no rules, 1 a rule is
    broken or there is no run of this code. BASE...HEAD is main...HEAD where nothing is said; BASE..HEAD takes BASE
    itself. --post writes one comment and a check status, and brings both up to date the next time.
    """
    from gitruns.compare.review import Request, build_review

    form = chosen_form(markdown=as_markdown, html=as_html, json=as_json)
    asked = Request(span=span, experiment=experiment, rules=tuple(map(_rule, rules)), nearest=nearest)
    found = build_review(app.open_repo(), asked)
    if not (post and form is None and output is None):
        write_document(app, _text(app, found, form, curves=not no_curves, patch=not no_patch), output)
    if post is not None:
        _post(app, found, post, request, name, patch=not no_patch)
    return DONE if found.verdict.may_land else NO


def _rule(text: str) -> Rule:
    from gitruns.compare.review.rules import parse_rule

    metric, colon, words = text.rpartition(":")
    if not colon or not metric.strip():
        raise InvalidInputError(
            f"'{text}' is not METRIC: RULE", kind="bad-rule", hint="as in --rule 'val_loss: no worse than 1%'"
        )
    return parse_rule(metric.strip(), words)


def _text(app: App, found: Review, form: str | None, *, curves: bool, patch: bool) -> str:
    if form == "json":
        from gitruns.compare.render.review_record import review_record

        return json_text(review_record(found)) + "\n"
    if form == "markdown":
        from gitruns.compare.render.review_markdown import review_markdown

        return review_markdown(found, patch=patch)
    if form == "html":
        from gitruns.compare.render.review_html import review_html

        return review_html(found, curves=curves)
    from gitruns.cli.outline_page import review_page

    return review_page(found, app.out.terminal)


def _post(app: App, found: Review, host: str, request: int | None, name: str, *, patch: bool) -> None:
    from gitruns.compare.render.review_markdown import review_markdown
    from gitruns.compare.render.review_outline import headline
    from gitruns.compare.review.post import Report, post_report

    report = Report(
        name=name,
        commit=found.span.head.id,
        body=review_markdown(found, patch=patch),
        passed=found.verdict.may_land,
        summary=headline(found),
    )
    address = post_report(host, report, app.environ, request=request)
    app.out.talk(f"report posted: {address}")


COMMAND = review
