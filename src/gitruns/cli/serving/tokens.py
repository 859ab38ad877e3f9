"""`git runs server token`: who may use the server, and how far."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.cells import printable
from gitruns.cli.commands import READING, WRITING, command, group
from gitruns.cli.output import json_text
from gitruns.cli.tables import Column, render, tab_separated
from gitruns.cli.times import iso, local, relative
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.server.auth.token_file import Token

_FILE = click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="Where tokens are kept.")
_PERSON = re.compile(r"\s*(?P<name>[^<>\n]+?)\s*<(?P<email>[^<>\s]+)>\s*\Z")
_PERIOD = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[hdwy])\Z")
_MS = {"h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}


@group("token", default="list", examples=["git runs server token create --role writer", "git runs server token"])
def token() -> None:
    """Make, list and revoke tokens for the server

    A token is kept as a hash, in a file of your own outside the repository. MLflow's clients send it as
    MLFLOW_TRACKING_TOKEN, or as MLFLOW_TRACKING_PASSWORD with any MLFLOW_TRACKING_USERNAME. Without a command, lists.
    """


def _token_file(app: App, named: Path | None) -> Path:
    from gitruns.server.auth.token_file import default_token_file

    return named or default_token_file(app.open_repo(recover=False).store.paths.common_dir, app.environ)


@command(
    "create",
    exits=WRITING,
    examples=[
        "git runs server token create --role writer",
        "git runs server token create --role reader --expires 90d",
        "git runs server token create --role writer --person 'Ada L <ada@example.org>'",
    ],
)
@click.option(
    "--role",
    type=click.Choice(["reader", "writer", "admin"]),
    required=True,
    help="What they may do: look; log and change; delete for good as well.",
)
@click.option("--experiment", multiple=True, metavar="NAME", help="Limit it to an experiment; repeat it.")
@click.option("--person", metavar="'NAME <MAIL>'", help="Whom git names as author of what they write; you.")
@click.option("--expires", metavar="PERIOD", help="When it ends: 12h, 90d, 8w, 1y; never.")
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def create(
    app: App,
    role: str,
    experiment: Sequence[str],
    person: str | None,
    expires: str | None,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Make a token, and print it this once

    The secret alone goes to standard output. Whoever has it may act as that person: send it as you would a password.
    """
    from gitruns.server.auth.token_file import create_token
    from gitruns.server.calls import Role

    name, email = _person(app, person)
    path = _token_file(app, token_file)
    limited = tuple(str(app.experiment(text).id) for text in experiment) if experiment else None
    made, secret = create_token(
        path,
        Role[role.upper()],
        name=name,
        email=email,
        experiments=limited,
        now_ms=app.now_ms,
        expires_ms=None if expires is None else app.now_ms + _period_ms(expires),
    )
    if as_json:
        app.out.line(json_text({**_record(made), "secret": secret}))
        return
    app.out.line(secret)
    app.out.talk(f"token {made.id}: {made.role}, {printable(made.name)} <{printable(made.email)}>, {_until(app, made)}")
    app.out.talk(f"it is not shown again; its hash is in '{printable(str(path))}'")


@command("list", exits=READING, examples=["git runs server token list", "git runs server token list --json"])
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_app
def list_(app: App, token_file: Path | None, as_json: bool) -> None:
    """List tokens: whose they are and what they may do

    In a pipe, lines with tabs: id, role, person, experiments, end.
    """
    from gitruns.server.auth.token_file import read_tokens

    path = _token_file(app, token_file)
    tokens = read_tokens(path)
    if as_json:
        for one in tokens:
            app.out.line(json_text(_record(one)))
    elif tokens:
        app.out.write(_table(app, tokens))
    else:
        app.out.talk("no token yet: git runs server token create --role writer")


@command("revoke", exits=WRITING, examples=["git runs server token revoke 3f9c02d1"])
@click.argument("token_id", metavar="ID")
@_FILE
@pass_app
def revoke(app: App, token_id: str, token_file: Path | None) -> None:
    """Take a token away: running servers refuse it within a second"""
    from gitruns.server.auth.token_file import revoke_token

    gone = revoke_token(_token_file(app, token_file), token_id)
    app.out.talk(f"token {gone.id} of {printable(gone.name)} <{printable(gone.email)}> is revoked")


for _command in (create, list_, revoke):
    token.add_command(_command)


def _person(app: App, text: str | None) -> tuple[str, str]:
    if text is None:
        identity = app.open_repo(recover=False).identity()
        return identity.name, identity.email
    match = _PERSON.match(text)
    if match is None or not text.isprintable():
        raise InvalidInputError(f"'{text}' is no person", kind="bad-person", hint="as in 'Ada L <ada@example.org>'")
    return match["name"], match["email"]


def _period_ms(text: str) -> int:
    match = _PERIOD.match(text)
    if match is None or int(match["count"]) == 0:
        raise InvalidInputError(f"'{text}' is no period", kind="bad-period", hint="as in 12h, 90d, 8w or 1y")
    return int(match["count"]) * _MS[match["unit"]]


def _until(app: App, one: Token) -> str:
    if one.expires_ms is None:
        return "never ends"
    return f"{'ended' if one.expired(app.now_ms) else 'ends'} {local(one.expires_ms)}"


def _end(app: App, one: Token) -> str:
    if one.expires_ms is None:
        return "never"
    return f"{'ended ' if one.expired(app.now_ms) else ''}{iso(one.expires_ms)[:10]}"


def _record(one: Token) -> dict[str, Any]:
    return {
        "created_ms": one.created_ms,
        "email": one.email,
        "experiments": None if one.experiments is None else list(one.experiments),
        "expires_ms": one.expires_ms,
        "id": one.id,
        "name": one.name,
        "role": one.role,
    }


def _table(app: App, tokens: Sequence[Token]) -> str:
    names: dict[str, str] = {str(key): name for key, name in app.experiment_names().items()}

    def cells(cell: Callable[[Token], str]) -> list[str]:
        return [cell(one) for one in tokens]

    ids, roles = cells(lambda one: one.id), cells(lambda one: one.role)
    people = cells(lambda one: printable(f"{one.name} <{one.email}>"))
    limits = cells(lambda one: _limits(one, names))
    ends = cells(lambda one: _end(app, one))
    if not app.out.terminal.is_tty:
        return tab_separated([list(row) for row in zip(ids, roles, people, limits, ends, strict=True)])
    made = cells(lambda one: relative(one.created_ms, app.now_ms))
    columns = [
        Column(title="ID", cells=ids, styles="key"),
        Column(title="ROLE", cells=roles),
        Column(title="PERSON", cells=people, rank=1, least=16),
        Column(title="EXPERIMENTS", cells=limits, rank=3, least=11),
        Column(title="END", cells=ends, rank=2),
        Column(title="MADE", cells=made, rank=4),
    ]
    return render(columns, app.out.terminal)


def _limits(one: Token, names: dict[str, str]) -> str:
    if one.experiments is None:
        return "all"
    return ", ".join(printable(names.get(key, key)) for key in one.experiments)
