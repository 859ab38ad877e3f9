"""The docs say what there is: names, errors, commands, settings; links lead somewhere, and what can be typed works."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

import gitruns
import gitruns.errors
from gitruns.cli.main import program
from gitruns.repo.config import Config, read_settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "gitruns"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def page_id(path: Path) -> str:
    """A page's name in the test's id."""
    return path.relative_to(ROOT).as_posix()


def text_of(*names: str) -> str:
    """The text of some pages in docs, all of them when none is named."""
    return "\n".join(
        (DOCS / name).read_text(encoding="utf-8") for name in names or [page.name for page in DOCS.glob("*.md")]
    )


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of gitruns, parsed."""
    for path in sorted(set(SOURCE.rglob("*.py")) - set((SOURCE / "testing").rglob("*.py"))):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


# Names


@pytest.mark.parametrize("name", gitruns.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    pages = text_of("python.md", "errors.md")
    assert re.search(rf"`(?:gitruns\.)?{name}\b", pages) or re.search(rf"\bgitruns\.{name}\b", pages)


@pytest.mark.parametrize("name", [name for name in vars(gitruns.Client) if name[0] != "_"])
def test_every_method_of_the_client_is_documented(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b", text_of("python.md"))


# Errors


def error_kinds() -> set[str]:
    """Every kind that an error is raised with, and those of the classes."""
    found = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", "_cause")):
                values = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_kind":
                values = [node.value]
            else:
                continue
            for value in values:
                found |= {part.value for part in ast.walk(value) if isinstance(part, ast.Constant) and part.value}
    return {str(kind) for kind in found}


def test_every_kind_of_error_is_documented() -> None:
    documented = set(re.findall(r"`([a-z0-9-]+)`", text_of("errors.md")))
    assert error_kinds() - documented == set()


def test_no_kind_is_documented_that_does_not_exist() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", text_of("errors.md"), re.MULTILINE)
    documented = {kind for row in rows for kind in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", row)}
    assert documented - error_kinds() == set()


def test_every_class_of_errors_is_documented() -> None:
    classes = [name for name, value in vars(gitruns.errors).items() if isinstance(value, type)]
    missing = [name for name in classes if f"`{name}`" not in text_of("errors.md")]
    assert "NotFoundError" in classes
    assert missing == []


# Commands


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yields each command with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(program, "git runs"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    sections = re.split(r"^(?=#{2,4} )", text_of("cli.md"), flags=re.MULTILINE)
    section = next((section for section in sections if section.startswith((f"### {name}\n", f"#### {name}\n"))), None)
    assert section is not None
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option) and not option.hidden and "--help" not in option.opts:
            assert all(spelling in section for spelling in option.opts), option.opts


# Settings


def text_constants() -> Iterator[str]:
    """Every text in the code of gitruns that is no docstring of a whole module."""
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_environment_variable_is_documented() -> None:
    used = {name for text in text_constants() for name in re.findall(r"\bGITRUNS_[A-Z]+(?:_[A-Z]+)*\b", text)}
    assert "GITRUNS_REPO" in used
    assert {name for name in used if f"`{name}`" not in text_of("settings.md")} == set()


def test_every_documented_variable_is_used() -> None:
    used = {name for text in text_constants() for name in re.findall(r"\bGITRUNS_[A-Z_]+\b", text)}
    assert set(re.findall(r"\bGITRUNS_[A-Z_]+\b", text_of())) - used == set()


def test_every_key_of_git_config_is_documented() -> None:
    used = {text for text in text_constants() if re.fullmatch(r"runs\.[a-z][A-Za-z]*", text)}
    assert "runs.snapshot" in used
    used.discard("runs.bundle")  # a file in what `git runs bundle` writes
    assert {key for key in used if f"`{key}`" not in text_of("settings.md")} == set()


def test_what_the_page_shows_of_the_settings_file_is_what_it_can_hold(tmp_path: Path) -> None:
    shown = set()
    for block in blocks(DOCS / "settings.md", "yaml"):
        (tmp_path / "gitruns.yaml").write_text(block)
        settings = read_settings(tmp_path, lambda key: None, {})
        shown |= {
            field.name for field in fields(Config) if getattr(settings, field.name) != getattr(Config(), field.name)
        }
    # `snapshot: all` is the default, so a block that shows it changes nothing
    assert shown | {"snapshot"} == {field.name for field in fields(Config)}


# Links


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    lines = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL).splitlines()
    headings = [line.lstrip("#").strip() for line in lines if re.match(r"#{1,6} ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS], ids=page_id)
def test_every_page_is_in_the_index(page: Path) -> None:
    assert page.name == "index.md" or f"({page.name})" in text_of("index.md")


@pytest.mark.parametrize("page", sorted((DOCS / "design").glob("*.md")), ids=page_id)
def test_every_design_note_is_in_the_index(page: Path) -> None:
    assert re.match(r"\d{3}-", page.name)
    assert f"(design/{page.name})" in text_of("index.md")


# What can be typed


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page that are marked with a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_are_python(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


LOGGING = """
import gitruns
with gitruns.start_run():
    gitruns.log_param("lr", 0.1)
    gitruns.log_metric("loss", 1.0)
"""

TYPED = [page for page in PAGES if page != ROOT / "README.md" and blocks(page, "console")]


@pytest.mark.parametrize("page", TYPED, ids=page_id)
def test_what_a_page_says_to_type_works(page: Path, git_repo: Path, tmp_path: Path) -> None:
    """All blocks of a page marked `console`, one after the other, in a repository that has runs."""
    script = "set -eu\n" + "\n".join(blocks(page, "console")).replace("/scratch/", f"{tmp_path}/scratch/")
    (tmp_path / "scratch").mkdir()
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PAGER": "cat"}
    (git_repo / "train.py").write_text(LOGGING)
    for _ in range(2):
        subprocess.run([sys.executable, "train.py"], cwd=git_repo, env=environ, check=True)
    result = subprocess.run(
        ["bash", "-c", script], cwd=git_repo, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
