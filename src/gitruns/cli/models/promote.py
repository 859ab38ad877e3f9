"""The commands that say which version counts: `alias`, `stage`, `promote`; and `confirm`, which settles numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.commands import CHECKING, WRITING, command, group
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.models.arguments import VERSION, reason_option, split_alias, split_version
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.registry import Proposal

_STAGES = ("None", "Staging", "Production", "Archived")
_EXPECT = "Only if the alias names this version now; 0 for none."


@group(
    "alias",
    default="set",
    examples=["git runs model alias digits@best 1", "git runs model alias rm digits@best"],
)
def alias() -> None:
    """Say which version an alias names

    Without a command, sets it.
    """


alias.exits = WRITING


@command(
    "set",
    exits=WRITING,
    examples=["git runs model alias set digits@best 1 -m 'two points better'"],
)
@click.argument("named", metavar="MODEL@ALIAS", type=VERSION)
@click.argument("version")
@click.option("--expect", "expected", type=click.IntRange(min=0), metavar="N", help=_EXPECT)
@reason_option
@pass_app
def set_alias(app: App, named: str, version: str, expected: int | None, reason: str) -> None:
    """Make an alias name a version"""
    model, word = split_alias(named)
    _set(app, model, word, version, expected, reason)


def _set(app: App, model: str, word: str, version: str, expected: int | None, reason: str) -> None:
    condition: dict[str, Any] = {} if expected is None else {"expected": expected or None}
    before = app.registry().get_model(model)
    found = app.registry().set_alias(model, word, version, reason=reason, **condition)
    was = before.versions.get(before.aliases.get(word, found.version.id))
    told = f", was {was.label}" if was is not None and word in before.aliases and was.id != found.version.id else ""
    app.out.talk(f"{model}@{word} is {found.version.label}{told}")


@command(
    "rm", exits=WRITING, examples=["git runs model alias set digits@best 1", "git runs model alias rm digits@best"]
)
@click.argument("named", metavar="MODEL@ALIAS", type=VERSION)
@click.option("--expect", "expected", type=click.IntRange(min=1), metavar="N", help=_EXPECT)
@reason_option
@pass_app
def remove_alias(app: App, named: str, expected: int | None, reason: str) -> None:
    """Take an alias away"""
    model, word = split_alias(named)
    condition: dict[str, Any] = {} if expected is None else {"expected": expected}
    if app.registry().delete_alias(model, word, reason=reason, **condition):
        app.out.talk(f"{model}@{word} is gone")
    else:
        app.out.talk(f"nothing to remove: {model} has no alias '{word}'")


alias.add_command(set_alias)
alias.add_command(remove_alias)


@command(
    "stage",
    exits=WRITING,
    examples=["git runs model stage digits/1 staging", "git runs model stage digits/1 Production --archive-existing"],
)
@click.argument("version", metavar="MODEL/N", type=VERSION)
@click.argument("stage", metavar="STAGE", type=click.Choice(_STAGES, case_sensitive=False))
@click.option("--archive-existing", is_flag=True, help="Move what is in that stage now to Archived.")
@reason_option
@pass_app
def stage(app: App, version: str, stage: str, archive_existing: bool, reason: str) -> None:
    """Move a version to a stage: None, Staging, Production or Archived

    Stages are MLflow's. Aliases say the same with names of your own.
    """
    model, number = split_version(version)
    app.registry().transition_stage(model, number, stage, archive_existing_versions=archive_existing, reason=reason)


@command(
    "promote",
    exits=WRITING,
    examples=[
        "git runs model promote digits@best 1 -m 'two points better'",
        "git runs model promote digits@champion 1 --propose",
        "git runs model promote --apply promotions/digits.champion.yaml",
    ],
)
@click.argument("named", metavar="[MODEL@ALIAS]", type=VERSION, required=False)
@click.argument("version", required=False)
@click.option("--propose", "proposing", is_flag=True, help="Write a file to be reviewed, and promote nothing.")
@click.option("--apply", "file", type=click.Path(path_type=Path), metavar="FILE", help="Do what a reviewed file says.")
@click.option("--expect", "expected", type=click.IntRange(min=0), metavar="N", help=_EXPECT)
@reason_option
@pass_app
def promote(
    app: App,
    named: str | None,
    version: str | None,
    proposing: bool,
    file: Path | None,
    expected: int | None,
    reason: str,
) -> None:
    """Move an alias to a version, at once or after a review

    With --propose a small file is written into the work tree, to be committed and reviewed as a pull request; once it
    is merged, --apply does what it says, and refuses when the alias or the version has changed meanwhile. Prints where
    the file is.
    """
    if file is not None:
        if named is not None or proposing:
            raise InvalidInputError("--apply goes with no other argument", kind="usage")
        _apply(app, file, reason)
        return
    if named is None or version is None:
        raise InvalidInputError(
            "promote needs an alias and a version", kind="usage", hint="git runs model promote digits@champion 3"
        )
    model, word = split_alias(named)
    if proposing:
        _propose(app, model, word, version, reason)
    else:
        _set(app, model, word, version, expected, reason)


def _propose(app: App, model: str, word: str, version: str, reason: str) -> None:
    from gitruns.registry import propose

    file, proposal = propose(app.registry(), model, word, version, reason=reason)
    try:
        shown = file.relative_to(Path.cwd())
    except ValueError:
        shown = file
    app.out.line(str(shown))
    app.out.talk(f"proposed: {_told(proposal)}")
    app.out.talk(f"commit the file and have it reviewed; then: git runs model promote --apply {shown}")


def _apply(app: App, file: Path, reason: str) -> None:
    from gitruns.registry import apply_proposal, read_proposal

    proposal = read_proposal(file)
    apply_proposal(app.registry(), proposal, reason=reason)
    app.out.talk(_told(proposal))


def _told(proposal: Proposal) -> str:
    was = f", was v{proposal.was}" if proposal.was is not None else ""
    return f"{proposal.model}@{proposal.alias} is v{proposal.version}{was}"


@command(
    "confirm",
    exits=(*CHECKING, *WRITING),
    examples=["git init -q --bare /tmp/runs.git", "git remote add origin /tmp/runs.git", "git runs model confirm"],
)
@click.argument("remote", required=False)
@click.option("--sign/--no-sign", default=None, help="Sign the git tags, or not; as tag.gpgSign says.")
@pass_app
def confirm(app: App, remote: str | None, sign: bool | None) -> int:
    """Let the remote decide on numbers that are only claimed

    Pushes the git tag of each such version, and with it its run and code. Where somebody else was first, the version
    gets the next free number. `git runs push` does this too. Exits with 1 when some number stays unconfirmed.
    """
    from gitruns.registry import confirm_claims

    report = confirm_claims(app.open_repo(), remote, sign=sign)
    for line in report.lines():
        app.out.line(line)
    if not report.lines():
        app.out.talk("every number is confirmed")
    return NO if report.waiting or report.refused else DONE
