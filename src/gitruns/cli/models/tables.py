"""Models and versions for people: tables that fit the terminal, and a page for one version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gitruns.cli.cells import printable
from gitruns.cli.tables import Column, render, tab_separated
from gitruns.cli.terminal import Terminal
from gitruns.cli.times import local, relative, size

_LABEL_WIDTH = 9


def version_label(record: Mapping[str, Any]) -> str:
    """Returns `v3`, or `v3 (unconfirmed)`."""
    return f"v{record['version']}" + ("" if record["confirmed"] else " (unconfirmed)")


def models_table(records: Sequence[Mapping[str, Any]], terminal: Terminal, now_ms: int) -> str:
    """Returns models, one a line."""
    if not terminal.is_tty:
        return tab_separated(
            [
                [
                    *(printable(r["name"]), str(r["versions"]), str(r["latest"] or "")),
                    *(aliases_text(r["aliases"]), r["lifecycle"]),
                ]
                for r in records
            ]
        )
    columns = [
        Column(title="MODEL", cells=[printable(r["name"]) for r in records], least=10, most=40, styles="key"),
        Column(title="LATEST", cells=[f"v{r['latest']}" if r["latest"] else "-" for r in records], rank=1, right=True),
        Column(title="ALIASES", cells=[aliases_text(r["aliases"]) for r in records], rank=2, least=10, styles="mark"),
        Column(title="CHANGED", cells=[_changed(r, now_ms) for r in records], rank=3),
        Column(title="VERSIONS", cells=[str(r["versions"]) for r in records], rank=4, right=True),
        Column(title="DESCRIPTION", cells=[_first_line(r) for r in records], rank=5, least=12),
    ]
    return render([column for column in columns if column.title == "MODEL" or any(column.cells)], terminal)


def versions_table(records: Sequence[Mapping[str, Any]], terminal: Terminal, now_ms: int, *, model: bool) -> str:
    """Returns versions, one a line; with `model` each with the model's name."""
    if not terminal.is_tty:
        return tab_separated(
            [
                [
                    printable(r["model"]),
                    str(r["version"]),
                    r["stage"],
                    ",".join(r["aliases"]),
                    r["run_id"] or "",
                    r["digest"] or "",
                ]
                for r in records
            ]
        )
    columns = [
        Column(title="MODEL", cells=[printable(r["model"]) for r in records], least=8, most=30, styles="key"),
        Column(title="VERSION", cells=[version_label(r) for r in records], styles="id"),
        Column(title="ALIASES", cells=[" ".join("@" + one for one in r["aliases"]) for r in records], rank=1, least=9),
        Column(title="STAGE", cells=[_stage(r) for r in records], rank=2),
        Column(title="MADE", cells=[relative(r["creation_time_ms"], now_ms) for r in records], rank=3),
        Column(title="RUN", cells=[(r["run_id"] or "")[:8] for r in records], rank=4, styles="id"),
        Column(title="SIZE", cells=[_size(r) for r in records], rank=6, right=True),
        Column(title="BY", cells=[printable(r["user"] or "") for r in records], rank=7, least=6),
        Column(title="DESCRIPTION", cells=[_first_line(r) for r in records], rank=5, least=12),
    ]
    always = ("VERSION",)
    chosen = [column for column in columns if column.title in always or any(column.cells)]
    return render([column for column in chosen if model or column.title != "MODEL"], terminal)


def aliases_text(aliases: Mapping[str, int]) -> str:
    """Returns `@best=v3 @champion=v2`."""
    return " ".join(f"@{alias}=v{number}" for alias, number in aliases.items())


def _changed(record: Mapping[str, Any], now_ms: int) -> str:
    return "deleted" if record["lifecycle"] == "deleted" else relative(record["last_update_time_ms"], now_ms)


def _stage(record: Mapping[str, Any]) -> str:
    if record["lifecycle"] == "deleted":
        return "deleted"
    return "" if record["stage"] == "None" else str(record["stage"])


def _size(record: Mapping[str, Any]) -> str:
    return "" if record["size_bytes"] is None else size(record["size_bytes"])


def _first_line(record: Mapping[str, Any]) -> str:
    return printable(str(record["description"] or "").partition("\n")[0])


def model_page(
    record: Mapping[str, Any], versions: Sequence[Mapping[str, Any]], terminal: Terminal, now_ms: int
) -> str:
    """Returns what a person wants to know of a model: what it is, what its aliases name, its versions."""
    rows = [
        ("", "deleted: git runs model restore brings it back" if record["lifecycle"] == "deleted" else ""),
        ("Aliases", aliases_text(record["aliases"])),
        ("Tags", _pairs(record["tags"])),
        ("Created", local(record["creation_time_ms"])),
        ("Changed", local(record["last_update_time_ms"])),
    ]
    text = terminal.paint(f"model {printable(record['name'])}", "heading") + "\n" + _rows(rows, terminal)
    if record["description"]:
        text += "\n" + "".join(f"    {printable(line)}".rstrip() + "\n" for line in record["description"].splitlines())
    table = versions_table(versions, terminal, now_ms, model=False)
    return text + ("\n" + table if table else "")


def version_page(record: Mapping[str, Any], terminal: Terminal) -> str:
    """Returns what a person wants to know of a version: above all, where it comes from."""
    run = terminal.paint((record["run_id"] or "")[:12], "id") if record["run_id"] else ""
    run += f" {printable(record['run'] or '(not here)')}" if run else ""
    content = f"{record['digest'][:12]} ({size(record['size_bytes'])})" if record["digest"] else ""
    stage = "" if record["stage"] == "None" else record["stage"]
    rows = [
        ("", "deleted: git runs model restore brings it back" if record["lifecycle"] == "deleted" else ""),
        ("Aliases", " ".join("@" + alias for alias in record["aliases"])),
        ("Stage", stage),
        ("Run", run),
        ("Files", (printable(record["path"]) or "all of the run's") if record["path"] is not None else ""),
        ("From", printable(record["source"]) if record["run_id"] is None or record["source"][:8] == "models:/" else ""),
        ("Content", content),
        ("Code", _code(record, terminal)),
        *(("Data" if place == 0 else "", _data(data)) for place, data in enumerate(record["data"])),
        ("Git tag", _git_tag(record)),
        ("Made", f"{local(record['creation_time_ms'])} by {printable(record['user'] or 'somebody')}"),
        ("Tags", _pairs(record["tags"])),
    ]
    title = f"model {printable(record['model'])} {version_label(record)}"
    text = terminal.paint(title, "heading") + "\n" + _rows(rows, terminal)
    if record["description"]:
        text += "\n" + "".join(f"    {printable(line)}".rstrip() + "\n" for line in record["description"].splitlines())
    return text


def _code(record: Mapping[str, Any], terminal: Terminal) -> str:
    return terminal.paint(record["source_commit"][:12], "id") if record["source_commit"] else ""


def _data(data: Mapping[str, Any]) -> str:
    context = f" ({printable(data['context'])})" if data["context"] else ""
    return f"{printable(data['name'])} {printable(data['digest'])}{context}"


def _git_tag(record: Mapping[str, Any]) -> str:
    if record["git_tag"]:
        return f"models/{record['model_id']}/v{record['version']}"
    if not record["confirmed"]:
        return "none until the remote has decided on the number"
    return "none until the run has ended"


def _rows(rows: Sequence[tuple[str, str]], terminal: Terminal) -> str:
    return "".join(_row_lines(rows, terminal))


def _row_lines(rows: Sequence[tuple[str, str]], terminal: Terminal) -> Iterator[str]:
    for label, text in rows:
        if text:
            yield terminal.paint((f"{label}:" if label else "").ljust(_LABEL_WIDTH), "faint") + text + "\n"


def _pairs(tags: Mapping[str, str]) -> str:
    return printable(" ".join(f"{key}={value}" for key, value in sorted(tags.items())))
