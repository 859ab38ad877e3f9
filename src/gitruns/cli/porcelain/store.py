"""`git runs store`"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gitruns.cli.app import App, pass_app
from gitruns.cli.arguments import yes_options
from gitruns.cli.cells import printable
from gitruns.cli.commands import CHECKING, READING, WRITING, command, group
from gitruns.cli.exitcodes import DONE, NO
from gitruns.cli.output import json_text
from gitruns.cli.progress import BYTES, progress_bar
from gitruns.cli.times import size
from gitruns.errors import NotFoundError

if TYPE_CHECKING:
    from gitruns.repo import Repo
    from gitruns.repo.stores import OnProgress

_GARBAGE = ("live", "live_bytes", "marked", "marked_bytes", "waiting", "waiting_bytes", "deleted", "deleted_bytes")


@group(
    "store",
    default="show",
    examples=["git runs store", "git runs store set ../shared-store", "git runs store check", "git runs store du"],
)
def store() -> None:
    """Show, set and check the store that artifacts go through

    A store is a folder that everybody has mounted, or a bucket: `s3://bucket/prefix`, `gs://…`, `az://…`, `sftp://…`.
    Credentials come from your own environment, as for the store's own tools. Without a command, shows the store.
    """


@command("show", exits=READING, examples=["git runs store show", "git runs store show --json"])
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def show(app: App, as_json: bool) -> None:
    """Show which store is used, and what waits to be uploaded"""
    repo = app.open_repo()
    setting = repo.stores.setting
    pending = repo.pending_artifacts()
    if as_json:
        shared = repo.stores.shared_cache
        app.out.line(
            json_text(
                {
                    "confirmed": setting.confirmed if setting else None,
                    "named_by": setting.named_by if setting else None,
                    "pending": len(pending),
                    "pending_bytes": sum(pending.values()),
                    "shared_cache": str(shared.root) if shared else None,
                    "url": setting.url.shown if setting else None,
                }
            )
        )
        return
    if setting is None:
        app.out.line("no store: artifacts stay in this clone")
        app.out.talk("hint: set one with: git runs store set URL")
    else:
        app.out.line(f"{printable(setting.url.shown)}  (named by {setting.named_by})")
        if not setting.confirmed:
            app.out.line("not confirmed in this clone: it is not used")
            app.out.talk("hint: look at the address, then type: git runs store check")
    if repo.stores.shared_cache is not None:
        app.out.line(f"shared cache: {printable(str(repo.stores.shared_cache.root))}")
    if pending:
        app.out.line(f"pending: {_files(len(pending))}, {size(sum(pending.values()))}, only in this clone")


@command(
    "set",
    exits=WRITING,
    examples=["git runs store set ../shared-store", "git runs store set --shared ../shared-store"],
)
@click.argument("url", required=False)
@click.option("--shared", is_flag=True, help="Write it into gitruns.yaml, for everybody; commit that file.")
@click.option("--unset", is_flag=True, help="Take the store out of this clone's git config.")
@click.option("--no-check", is_flag=True, help="Do not ask the store whether it works.")
@pass_app
def set_(app: App, url: str | None, shared: bool, unset: bool, no_check: bool) -> None:
    """Name the store: for this clone, or for everybody

    Writes `runs.store` into this clone's git config. With `--shared` writes `store:` into `gitruns.yaml` instead, and
    a random `repository:` beside it if there is none: the name under which all clones tell the store what they need.
    The store is tried first. A folder that is not there is made when the one above it is.
    """
    repo = app.open_repo()
    if unset == bool(url) or (unset and shared):
        raise click.UsageError("give a URL, or --unset")
    if url is None:
        repo.stores.unset()
        app.out.talk("git config runs.store is not set any more")
        return
    address = repo.stores.parse(url, shared=shared)
    if not no_check:
        if repo.stores.make_folder(address):
            app.out.talk(f"made folder '{address.shown}'")
        repo.stores.check(repo.stores.at(address))
    for line in repo.stores.set(url, address, shared=shared):
        app.out.talk(line)


@command("check", exits=READING, examples=["git runs store set ../shared-store", "git runs store check"])
@click.option("-y", "--yes", is_flag=True, help="Confirm the store that gitruns.yaml names, without being asked.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def check(app: App, yes: bool, as_json: bool) -> None:
    """Try the store: write, read, list and remove a small object

    Says how long each step takes and what the store can do. A store that a committed file names is shown first, and
    used in this clone from now on when you say yes.
    """
    repo = app.open_repo()
    found = repo.stores.required(confirm=_asking(app, yes))
    report = repo.stores.check(found)
    if as_json:
        app.out.line(
            json_text(
                {
                    "creates_only": report.creates_only,
                    "probe_bytes": report.probe_bytes,
                    "seconds": {step: round(seconds, 6) for step, seconds in report.seconds.items()},
                    "url": found.shown,
                }
            )
        )
        return
    app.out.line(f"{printable(found.shown)} works")
    for step, seconds in report.seconds.items():
        rate = f"  {size(int(report.probe_bytes / seconds))}/s" if step in ("write", "read") and seconds else ""
        app.out.line(f"  {step:7} {1000 * seconds:8.1f} ms{rate}")
    app.out.line(f"  creates only what is not there: {'yes' if report.creates_only else 'no (not needed)'}")
    pending = repo.pending_artifacts()
    if pending:
        app.out.talk(f"hint: {_files(len(pending))} wait to be uploaded: git runs push")


@command("du", exits=READING, examples=["git runs store du", "git runs store du --json"])
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def du(app: App, as_json: bool) -> None:
    """Show how much lies in the store

    Counts what all repositories keep there. Lists every key, so it takes a while in a large store.
    """
    repo = app.open_repo()
    usage = repo.stores.usage(repo.stores.required())
    if as_json:
        app.out.line(
            json_text(
                {
                    "bytes": usage.bytes,
                    "object_bytes": usage.object_bytes,
                    "objects": usage.objects,
                    "other_bytes": usage.other_bytes,
                    "pack_bytes": usage.pack_bytes,
                    "packed_objects": usage.packed_objects,
                    "packs": usage.packs,
                    "roots": usage.roots,
                }
            )
        )
        return
    rows = [
        ("objects", usage.object_bytes, f"{usage.objects:,}"),
        ("packs", usage.pack_bytes, f"{usage.packs:,}, with {usage.packed_objects:,} small objects"),
        ("other", usage.other_bytes, f"{usage.roots:,} roots, indexes of packs"),
        ("all", usage.bytes, ""),
    ]
    for name, count, what in rows:
        app.out.line(f"{name:8} {size(count):>10}  {what}".rstrip())


@command("verify", exits=CHECKING, examples=["git runs store verify", "git runs store verify --sample 100"])
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Read N objects, chosen by chance; all of them.")
@click.option("--repair", is_flag=True, help="Write what is broken again, where this clone has the right bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def verify(app: App, sample: int | None, repair: bool, as_json: bool) -> int:
    """Read the objects of the store again, and check each

    Exits with 1 when something is broken, and names it.
    """
    repo = app.open_repo()
    with _progress(app, "verifying") as progress:
        report = repo.stores.verify(repo.stores.required(), sample=sample, repair=repair, progress=progress)
    broken = {digest: why for digest, why in report.wrong.items() if digest not in report.mended}
    if as_json:
        app.out.line(
            json_text(
                {
                    "bad_packs": sorted(report.bad_packs),
                    "bytes": report.bytes,
                    "mended": sorted(report.mended),
                    "objects": report.objects,
                    "total": report.total,
                    "wrong": sorted(report.wrong),
                }
            )
        )
    else:
        for digest, why in (*report.wrong.items(), *report.bad_packs.items()):
            app.out.line(f"{digest}: {'mended: ' if digest in report.mended else ''}{printable(why)}")
        of = f" of {report.total:,}" if report.objects < report.total else ""
        good = report.objects - len(report.wrong)
        app.out.talk(f"{good:,}{of} objects ({size(report.bytes)}) are what their addresses say")
        if broken:
            app.out.talk(f"{len(broken):,} are not")
    return NO if broken or report.bad_packs else DONE


@command("gc", exits=WRITING, examples=["git runs store gc", "git runs store gc --yes"])
@yes_options
@click.option("--no-fetch", is_flag=True, help="Do not ask the remote first which runs were purged.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_app
def gc(app: App, yes: bool, no_fetch: bool, as_json: bool) -> None:
    """Remove from the store what no repository names any more

    What nothing names is marked, and deleted by a later gc when nothing has named it for 14 days
    (`runs.storeGraceDays`). Runs are fetched first, so that this clone knows which were purged. Safe while others push.
    """
    repo = app.open_repo()
    repo.stores.required()
    if not no_fetch:
        _fetch(repo)
    with progress_bar("collecting", "keys", app.environ):
        report = repo.stores.collect_store_garbage(dry_run=not yes)
    assert report is not None  # noqa: S101  there is a store: it was required above
    if as_json:
        names = (*_GARBAGE, "dry_run", "leftovers", "roots_replaced")
        app.out.line(json_text({name: getattr(report, name) for name in sorted(names)}))
        return
    would = "" if yes else "would be "
    app.out.line(f"live     {report.live:,} keys, {size(report.live_bytes)}")
    for count, length, what in (
        (report.marked, report.marked_bytes, f"{would}marked now"),
        (report.waiting, report.waiting_bytes, "marked before, waiting"),
        (report.deleted, report.deleted_bytes, f"{would}deleted"),
    ):
        if count:
            app.out.line(f"garbage  {count:,} keys, {size(length)}: {what}")
    if report.leftovers:
        app.out.line(f"unfinished uploads, older than a week, {would}dropped: {report.leftovers:,}")
    if not yes and (report.marked or report.deleted or report.leftovers or report.roots_replaced):
        app.out.talk("hint: nothing was changed; add --yes")


def _fetch(repo: Repo) -> None:
    from gitruns.sync import fetch

    try:
        fetch(repo)
    except NotFoundError as error:
        if error.kind != "no-remote":  # nobody else can have purged anything
            raise


def _asking(app: App, yes: bool) -> Callable[[str], bool]:
    def ask(url: str) -> bool:
        if yes:
            return True
        return app.confirm(f"gitruns.yaml names the store '{printable(url)}'. Use it in this clone?", default=False)

    return ask


@contextmanager
def _progress(app: App, title: str) -> Iterator[OnProgress]:
    with progress_bar(title, BYTES, app.environ) as bar:
        yield lambda now: bar(now.bytes_done, now.bytes, f"{now.files_done:,} of {now.files:,} files")


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


for _command in (show, set_, check, du, verify, gc):
    store.add_command(_command)

COMMAND = store
