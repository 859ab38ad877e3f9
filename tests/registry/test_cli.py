"""`git runs model` and `git runs whence`, as a person types them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gitruns.cli.app import App
from gitruns.cli.main import main
from gitruns.cli.models.records import LINEAGE_KEYS, MODEL_KEYS, MODEL_LOG_KEYS, VERSION_KEYS
from gitruns.cli.porcelain.whence import WHENCE_KEYS
from gitruns.cli.terminal import Terminal
from registry.conftest import MakeRun

ROOT = Path(__file__).parents[2]
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Types `git runs ARGS`; `width` makes stdout a terminal of so many columns."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("GIT_PAGER", "cat")

    def call(*arguments: str, width: int | None = None) -> tuple[int, str, str]:
        terminal = None if width is None else Terminal(is_tty=True, width=width, colour=False)
        capfd.readouterr()
        code = main(arguments, App(os.environ, terminal=terminal))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_model_from_registration_to_its_log(type_: Type, make_run: MakeRun) -> None:
    run_id = make_run()
    assert type_("model")[2] == "no model is registered yet: git runs model register NAME RUN\n"
    code, out, err = type_("model", "register", "digits", "latest", "model", "--alias", "best", "-m", "first of all")
    assert (code, out, err) == (0, "digits/1\n", "")
    assert type_("model", "register", "digits", f"runs:/{run_id[:8]}/model")[1] == "digits/2\n"
    assert type_("model", "alias", "digits@best", "2", "--expect", "1", "-m", "better")[2] == (
        "digits@best is v2, was v1\n"
    )
    code, _, err = type_("model", "alias", "set", "digits@best", "1", "--expect", "1")
    assert code == 13
    assert err == (
        "error: cannot move 'digits@best': it names v2 now, not v1\nhint: see who moved it: git runs model log digits\n"
    )
    assert type_("model", "stage", "digits/2", "production")[0] == 0
    assert type_("model", "list")[1] == "digits\t2\t2\t@best=v2\tactive\n"
    told = [json.loads(line) for line in type_("model", "log", "digits", "--json")[1].splitlines()]
    assert [(one["subject"], one["reason"]) for one in told] == [
        ("model digits: move v2 to Production", None),
        ("model digits: @best is v2, was v1", "better"),
        ("model digits: add v2", None),
        ("model digits: add v1 @best", "first of all"),
        ("model digits: register", None),
    ]
    page = type_("model", "show", "digits@best", width=80)[1]
    assert page.startswith("model digits v2\n")
    assert f"Run:     {run_id[:12]}" in page and "Git tag: models/digits/v2" in page
    for shown in (("list",), ("versions", "digits"), ("show", "digits"), ("search", "--versions")):
        assert max(map(len, type_("model", *shown, width=80)[1].splitlines())) <= 80


def test_records_have_the_keys_that_are_documented(type_: Type, make_run: MakeRun) -> None:
    make_run()
    type_("model", "register", "digits", "latest", "model/weights.txt")

    def keys(*arguments: str) -> set[str]:
        return set(json.loads(type_(*arguments, "--json")[1].splitlines()[0]))

    assert keys("model", "list") == keys("model", "show", "digits") == MODEL_KEYS == documented("Model")
    assert keys("model", "versions", "digits") == VERSION_KEYS == documented("Version")
    assert keys("model", "show", "digits/1") - VERSION_KEYS == LINEAGE_KEYS == documented("Version, in full")
    assert keys("model", "log", "digits") == MODEL_LOG_KEYS == documented("Model log entry")
    Path("copy.bin").write_text("weights")
    assert keys("whence", "copy.bin") == WHENCE_KEYS == documented("Origin")


def documented(section: str) -> set[str]:
    """The keys that a section of docs/json.md lists."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    body = next(part for part in text.split("\n## ") if part.startswith(section + "\n"))
    return set(re.findall(r"^\| `([a-z_0-9]+)` \|", body, flags=re.MULTILINE))


def test_whence_finds_a_file_by_its_content(type_: Type, make_run: MakeRun, tmp_path: Path) -> None:
    first, second = make_run("one"), make_run("two")
    type_("model", "register", "digits", second, "model", "--alias", "best")
    (tmp_path / "renamed").write_text("two")
    code, out, _ = type_("whence", str(tmp_path / "renamed"))
    assert code == 0 and f"Run:    {second[:12]}" in out and "Model:  digits v1 @best" in out and first[:12] not in out
    digest = json.loads(type_("whence", str(tmp_path / "renamed"), "--json")[1])["digest"]
    assert second[:12] in type_("whence", digest[:10])[1]
    model = type_("model", "show", "digits/1", "--format", "{digest}")[1].strip()
    assert "File:   model/\n" in type_("whence", model)[1]
    (tmp_path / "renamed").write_text("three")
    assert type_("whence", str(tmp_path / "renamed"))[0] == 1
    assert type_("whence", "nothing")[0] == 12


def test_a_promotion_of_two_people(type_: Type, make_run: MakeRun, git_repo: Path) -> None:
    make_run()
    for _ in range(3):
        type_("model", "register", "digits", "latest", "model")
    type_("model", "alias", "digits@champion", "1")
    code, out, _ = type_("model", "promote", "digits@champion", "2", "--propose", "-m", "two points better")
    assert (code, out) == (0, "promotions/digits.champion.yaml\n")
    file = git_repo / "promotions" / "digits.champion.yaml"
    assert '"version": 2\n' in file.read_text() and '"was": 1\n' in file.read_text()
    assert "v1" in type_("model", "show", "digits@champion")[1]
    assert type_("model", "promote", "--apply", str(file))[2] == "digits@champion is v2, was v1\n"
    assert type_("model", "promote", "--apply", str(file))[0] == 0, "done twice is done once"
    assert "two points better" in type_("model", "log", "digits", "-n", "1")[1]
    type_("model", "alias", "digits@champion", "3")
    code, _, err = type_("model", "promote", "--apply", str(file))
    assert code == 13 and "it names v3 now, not v1" in err
    file.write_text(file.read_text().replace('"version": 2', '"version": 3').replace('"was": 1', '"was": 3'))
    code, _, err = type_("model", "promote", "--apply", str(file))
    assert code == 13 and "is not the version that was proposed" in err
    file.write_text("model: digits\nalias: ../../x\nversion: 2\nversion_id: ffffffffffffffffffffffffffffffff\n")
    assert type_("model", "promote", "--apply", str(file))[0] == 2
    file.write_text("model: digits\nrun: rm -rf\n")
    assert "is no key of a proposal" in type_("model", "promote", "--apply", str(file))[2]


def test_taking_away_and_bringing_back(type_: Type, make_run: MakeRun) -> None:
    make_run()
    type_("model", "register", "digits", "latest", "model", "--alias", "best")
    assert type_("model", "rm", "digits/1", "-n")[2] == "would remove v1 of model 'digits' @best\n"
    assert type_("model", "rm", "digits")[2] == "removed model 'digits' with 1 version\n"
    assert type_("model", "show", "digits")[0] == 12
    assert type_("model", "list", "--all")[1].endswith("deleted\n")
    type_("model", "restore", "digits")
    type_("model", "rename", "digits", "numbers")
    type_("model", "describe", "numbers", "All ten")
    type_("model", "tag", "numbers/1", "reviewed=yes")
    assert type_("model", "tag", "numbers@best")[1] == "reviewed=yes\n"
    assert type_("model", "search", "description like 'All%'", "--format", "{name}")[1] == "numbers\n"
    assert type_("model", "search", "--versions", "alias = best and tags.reviewed = 'yes'")[1].startswith(
        "numbers\t1\t"
    )
    assert type_("model", "search", "colour = 'red' and")[0] in (0, 2)
    assert type_("artifacts", "models:/numbers@best", "--format", "{path}")[1] == "model/MLmodel\nmodel/weights.txt\n"


def test_names_that_act_on_a_terminal_do_not(type_: Type, make_run: MakeRun) -> None:
    make_run()
    code, _, err = type_("model", "register", "a\033[31mb", "latest", "model")
    assert code == 2 and "\033" not in err
    type_("model", "register", "digits", "latest", "model", "-d", "a\033[2Jb", "-t", "k=\033]0;x\007")
    for shown in (("versions", "digits"), ("show", "digits/1"), ("log", "digits"), ("tag", "digits/1")):
        assert "\033" not in type_("model", *shown)[1]
