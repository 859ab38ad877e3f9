"""`git runs whence`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import form_of, output_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, command
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.template import Template
from gitruns.cli.times import local

if TYPE_CHECKING:
    from gitruns.registry import Made

WHENCE_KEYS = frozenset("digest run_id run path source_commit branch dirty started author data versions".split())


@command(
    "whence",
    exits=CHECKING,
    examples=["git runs artifacts get latest model.txt -o /tmp/out", "git runs whence /tmp/out/model.txt"],
)
@click.argument("file", metavar="FILE|DIGEST")
@output_options(WHENCE_KEYS)
@pass_app
def whence(app: App, file: str, as_json: bool, template: Template | None, zero: bool) -> int:
    """Say which run, code and data made a file

    FILE is looked for by its content, so it may have been copied or renamed. A digest is the SHA-256 of a file, or
    the first eight digits or more of it. Registered models that hold it are named too. Exits with 1 when no run here
    has made it.
    """
    from gitruns.registry import whence as find

    form = form_of(as_json, template, zero)
    found = find(app.registry(), app.digest_of(file))
    with app.out.paging():
        for place, made in enumerate(found):
            if form.for_people:
                app.out.write(("\n" if place else "") + _page(app, made))
            else:
                app.out.record(_record(made), form)
    if not found:
        app.out.talk(f"no run here has made '{file}'")
    return DONE if found else NO


def _record(made: Made) -> dict[str, Any]:
    info = made.run.info
    return {
        "digest": made.digest,
        "run_id": info.id,
        "run": info.name,
        "path": made.path,
        "source_commit": info.source.commit,
        "branch": info.source.branch,
        "dirty": info.source.dirty,
        "started": info.start_time_ms,
        "author": info.user,
        "data": [{"name": data.name, "digest": data.digest, "context": data.context} for data in made.run.inputs],
        "versions": [one.address for one in made.versions],
    }


def _page(app: App, made: Made) -> str:
    info, paint = made.run.info, app.out.paint
    rows = [
        ("Run", f"{paint(info.id[:12], 'id')} {printable(info.name)}, {local(info.start_time_ms)}"),
        ("File", printable(made.path)),
        ("Code", _code(app, made)),
        *_several("Data", [f"{printable(one.name)} {printable(one.digest)}" for one in made.run.inputs]),
        *_several("Model", [_version(one) for one in made.versions]),
        ("By", printable(info.user or "")),
    ]
    shown = [(f"{label}:" if label else "", text) for label, text in rows if text]
    return "".join(f"{paint(label.ljust(8), 'faint')}{text}\n" for label, text in shown)


def _several(label: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(label if place == 0 else "", text) for place, text in enumerate(texts)]


def _code(app: App, made: Made) -> str:
    source = made.run.info.source
    if source.commit is None:
        return "not recorded"
    subject = app.subject_of(source.base or source.commit)
    shown = f"{app.out.paint(source.commit[:12], 'id')} {printable(subject or '')}".rstrip()
    return shown + (", with changes that were not committed" if source.dirty else "")


def _version(one: Any) -> str:
    named = f"{printable(one.model.name)} {one.version.label}"
    return named + "".join(f" @{alias}" for alias in one.aliases)


COMMAND = whence
