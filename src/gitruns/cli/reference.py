"""The reference of the command line, made from the commands themselves: docs/cli.md and the man page.

`python docs/make_cli_reference.py` writes both; a test fails when they differ from the commands.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import click

from gitruns.cli.commands import Documented
from gitruns.cli.exitcodes import MEANINGS
from gitruns.cli.main import HIDDEN, PROGRAM, SECTIONS, load_command, program

ENVIRONMENT = {
    "GITRUNS_REPO": "The repository to use instead of the one around the working directory; it may be bare.",
    "GITRUNS_JOURNAL": "A folder to log into where there is no repository; `git runs collect` brings the runs in.",
    "GITRUNS_EXPERIMENT": "The experiment of new runs.",
    "GITRUNS_RUN_ID": "The run that a script logs into; set by `git runs exec` for the command that it runs.",
    "GITRUNS_STORE": "The store that artifacts are shared through; it wins over git config and gitruns.yaml.",
    "GITRUNS_CACHE": "A folder of artifacts that several clones share, as runs.cache.",
    "GITRUNS_LIVE": "Seconds between checkpoints that others can watch, or `on` for 30.",
    "GITRUNS_HOOK": "Set to anything: our hooks do nothing. They set it for all that they start.",
    "GITRUNS_SOURCE": "The commit that runs, where it cannot be found out.",
    "GITRUNS_ON_ERROR": "`warn`: mistakes of the caller are warnings, and what cannot be logged runs all the same.",
    "GITRUNS_TOKEN_FILE": "Where the tokens for the server are, in place of a file for each repository.",
    "GITRUNS_TRUST_MODELS": "`1`: models that others made are loaded, also where that can run code.",
    "GITRUNS_DEBUG": "Show where in the code an unexpected error came from.",
    "NO_COLOR": "No colours, unless --color=always.",
    "GIT_PAGER, PAGER": "The pager, as for git; `cat` for none. core.pager and pager.runs of git count too.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One command as the reference shows it. `rows` are its options: how they are written, and what they do."""

    path: str
    usage: str
    summary: str
    paragraphs: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]
    exits: tuple[int, ...]


def pages(section: str) -> Iterator[Page]:
    """Yields the commands of a section, and those below them."""
    top = _top()
    for name in SECTIONS[section]:
        command = load_command(name)
        if command is not None and name not in HIDDEN:
            yield from _pages_of(command, click.Context(command, info_name=name, parent=top))


def program_page() -> Page:
    """Returns the program itself as a page."""
    return _page(program, _top())


def _top() -> click.Context:
    # With the program's own settings: click remembers the help option of a command as it first saw it.
    return click.Context(program, info_name=PROGRAM, **program.context_settings)


def _pages_of(command: click.Command, context: click.Context) -> Iterator[Page]:
    yield _page(command, context)
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            below = command.commands[name]
            yield from _pages_of(below, click.Context(below, info_name=name, parent=context))


def _page(command: click.Command, context: click.Context) -> Page:
    summary, *paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = [option.get_help_record(context) for option in options]
    documented = command if isinstance(command, Documented) else None
    return Page(
        path=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        summary=" ".join(summary.split()),
        paragraphs=tuple(" ".join(paragraph.split()) for paragraph in paragraphs),
        rows=tuple(record for record in records if record is not None),
        examples=documented.examples if documented else (),
        exits=documented.exits if documented else (),
    )


# Markdown


def markdown() -> str:
    """Returns docs/cli.md."""
    top = program_page()
    lines = [
        "# The command line",
        "",
        "<!-- made by docs/make_cli_reference.py from the commands: change them, not this file -->",
        "",
        f"{top.summary}.",
        "",
        *(line for paragraph in top.paragraphs for line in (paragraph, "")),
        f"    {top.usage}",
        "",
        *_options_markdown(top),
    ]
    for section in SECTIONS:
        lines += [f"## {section}", ""]
        for page in pages(section):
            lines += _page_markdown(page)
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    lines += ["", "## Environment", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name.replace(', ', '`, `')}` | {meaning} |" for name, meaning in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


def _page_markdown(page: Page) -> Iterator[str]:
    yield from (f"### {page.path}", "", f"{page.summary}.", "", f"    {page.usage}", "")
    for paragraph in page.paragraphs:
        yield from (paragraph, "")
    yield from _options_markdown(page)
    if page.examples:
        yield from ("```sh", *page.examples, "```", "")
    if page.exits:
        yield from ("Exit codes: " + ", ".join(str(code) for code in sorted(page.exits)) + ".", "")


def _options_markdown(page: Page) -> Iterator[str]:
    if not page.rows:
        return
    yield from ("| option | meaning |", "|---|---|")
    for written, meaning in page.rows:
        yield f"| `{written.replace('|', chr(92) + '|')}` | {meaning.replace('|', chr(92) + '|')} |"
    yield ""


# Man page


def man_page() -> str:
    """Returns man/git-runs.1, in the man macros that every `man` reads."""
    top = program_page()
    lines = [
        '.\\" Made by docs/make_cli_reference.py from the commands: change them, not this file.',
        f'.TH GIT\\-RUNS 1 "" "gitruns {_roff(version("gitruns"))}" "Git Runs Manual"',
        ".SH NAME",
        _roff(f"git-runs - {top.summary[:1].lower()}{top.summary[1:]}"),
        ".SH SYNOPSIS",
        f".B {_roff(PROGRAM)}",
        _roff(top.usage.removeprefix(PROGRAM).strip()),
        ".SH DESCRIPTION",
        *_paragraphs_roff(top.paragraphs),
        ".SH OPTIONS",
        *_terms_roff(top.rows),
    ]
    for section in SECTIONS:
        lines.append(f'.SH "{_roff(section.upper())}"')
        for page in pages(section):
            lines += _page_roff(page)
    lines += [".SH EXIT STATUS", *_terms_roff([(str(code), meaning + ".") for code, meaning in MEANINGS.items()])]
    lines += [".SH ENVIRONMENT", *_terms_roff(ENVIRONMENT.items())]
    lines += [".SH SEE ALSO", ".BR git (1),", ".BR git\\-log (1),", ".BR git\\-config (1)"]
    return "\n".join(lines) + "\n"


def _page_roff(page: Page) -> Iterator[str]:
    yield f'.SS "{_roff(page.usage)}"'
    yield from _paragraphs_roff((page.summary + ".", *page.paragraphs))
    yield from _terms_roff(page.rows)
    if page.examples:
        yield from (".PP", "Examples:", ".PP", ".nf", ".RS 4", *(_roff(example) for example in page.examples))
        yield from (".RE", ".fi")


def _paragraphs_roff(paragraphs: tuple[str, ...]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from (".PP", _roff(paragraph))


def _terms_roff(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in rows:
        yield from (".TP", f".B {_roff(term)}", _roff(meaning))


def _roff(text: str) -> str:
    """Returns text with nothing in it that roff would act on."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq").replace("`", "")
    plain = plain.replace("…", "...")
    return "\\&" + plain if plain.startswith(".") else plain
