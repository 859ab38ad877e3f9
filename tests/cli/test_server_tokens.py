"""`git runs server token`: what people type, and what they see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.made_runs import Cli
from gitruns.repo import Repo
from gitruns.server.auth.token_file import VARIABLE, default_token_file, read_tokens
from gitruns.server.auth.tokens import TokenChecker
from gitruns.server.calls import Role


@pytest.fixture
def tokens(git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of tokens, not there yet; the working directory is a repository."""
    path = tmp_path / "tokens.json"
    monkeypatch.setenv(VARIABLE, str(path))
    monkeypatch.chdir(git_repo)
    return path


def test_a_secret_alone_is_on_standard_output(tokens: Path, cli: Cli) -> None:
    result = cli("server", "token", "create", "--role", "writer")
    assert result.code == 0
    assert len(result.out.split()) == 1
    person = TokenChecker(tokens).find(result.out.strip())
    assert person is not None
    assert (person.name, person.email, person.role) == ("Ada Lovelace", "ada@example.org", Role.WRITER)
    assert "never ends" in result.err
    assert str(tokens) in result.err
    assert result.out.strip() not in result.err


def test_a_token_as_json_and_in_a_list(tokens: Path, cli: Cli, git_repo: Path) -> None:
    experiment = Repo.open(git_repo).create_experiment("digits")
    words = ("--role", "reader", "--experiment", "digits", "--expires", "90d", "--person", "Bob B <bob@example.org>")
    made = json.loads(cli("server", "token", "create", *words, "--json").out)
    secret = made.pop("secret")
    assert made["experiments"] == [experiment]
    assert made["expires_ms"] - made["created_ms"] == 90 * 86_400_000
    listed = cli("server", "token", "list", "--json").out
    assert json.loads(listed) == made
    assert secret not in listed
    assert cli("server", "token").out.split("\t")[:4] == [made["id"], "reader", "Bob B <bob@example.org>", "digits"]


def test_tokens_are_taken_away(tokens: Path, cli: Cli) -> None:
    assert "no token yet" in cli("server", "token").err
    ids = [json.loads(cli("server", "token", "create", "--role", "admin", "--json").out)["id"] for _ in range(3)]
    result = cli("server", "token", "revoke", ids[1])
    assert (result.code, result.out) == (0, "")
    assert "is revoked" in result.err
    assert [token.id for token in read_tokens(tokens)] == [ids[0], ids[2]]
    assert cli("server", "token", "revoke", ids[1]).code == 12


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--role", "king"], "'king'"),
        ([], "--role"),
        (["--role", "reader", "--person", "Bob"], "as in 'Ada L <ada@example.org>'"),
        (["--role", "reader", "--person", "Bob <a> <b>"], "no person"),
        (["--role", "reader", "--person", "Bob\n<bob@example.org>"], "no person"),
        (["--role", "reader", "--expires", "soon"], "as in 12h, 90d"),
        (["--role", "reader", "--expires", "0d"], "no period"),
    ],
)
def test_what_cannot_be_meant(tokens: Path, cli: Cli, words: list[str], says: str) -> None:
    result = cli("server", "token", "create", *words)
    assert result.code == 2
    assert says in result.err
    assert not tokens.exists()


def test_an_experiment_that_is_not_there(tokens: Path, cli: Cli) -> None:
    assert cli("server", "token", "create", "--role", "reader", "--experiment", "nosuch").code == 12
    assert not tokens.exists()


def test_each_repository_has_a_file_of_its_own(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    one = default_token_file(tmp_path / "a" / ".git", home)
    other = default_token_file(tmp_path / "b" / ".git", home)
    assert one != other
    assert one.parent == other.parent == tmp_path / ".config" / "gitruns" / "tokens"
    assert one.name.startswith("a-")
    assert default_token_file(tmp_path / "a" / ".git", {**home, "XDG_CONFIG_HOME": "/x"}).parent == Path(
        "/x/gitruns/tokens"
    )
    assert default_token_file(tmp_path / "a" / ".git", {**home, VARIABLE: "/y/t.json"}) == Path("/y/t.json")
