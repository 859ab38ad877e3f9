"""Which store a clone uses: named by `GITRUNS_STORE`, by git config, or by the committed `gitruns.yaml`.

What stands in a committed file was written by anybody who can push. So such a store is used only after somebody has
said yes to its address in this clone, once. The other two are one's own words, and count as that.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitruns.artifacts.store_url import StoreUrl, parse_store_url
from gitruns.errors import CorruptDataError, InvalidInputError
from gitruns.gitstore import GitStore
from gitruns.gitstore.yaml_text import read_config
from gitruns.repo.config import CONFIG_FILE, Config

GIT_KEY = "runs.store"
VARIABLE = "GITRUNS_STORE"

_ID = re.compile(r"[0-9a-f]{32}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9/~.][A-Za-z0-9/~.:_?=&%+-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSetting:
    """The store in force: its address, where it is named, and whether it may be used here."""

    url: StoreUrl
    named_by: str
    confirmed: bool


def find_store(store: GitStore, config: Config, environ: Mapping[str, str], folder: Path) -> StoreSetting | None:
    """Returns the store in force, None where none is named; `folder` is the private one of this clone.

    Raises `InvalidInputError`, kinds `bad-store-url` and `password-in-store-url`.
    """
    base = store.paths.work_tree or store.paths.common_dir
    for named_by, text in ((VARIABLE, environ.get(VARIABLE)), ("git config", store.config(GIT_KEY))):
        if text:
            return StoreSetting(url=parse_store_url(text, base), named_by=named_by, confirmed=True)
    if config.store is None:
        return None
    url = parse_shared(config.store, base)
    return StoreSetting(url=url, named_by=CONFIG_FILE, confirmed=url.text in _confirmed(folder))


def parse_shared(text: str, base: Path) -> StoreUrl:
    """Returns the address in a committed file; one with a password is refused, because git never forgets."""
    url = parse_store_url(text, base)
    if url.has_password:
        raise InvalidInputError(
            f"cannot use the store '{url.shown}': a password stands in its address in {CONFIG_FILE}",
            kind="password-in-store-url",
            hint="change that password, take it out of the file, and set it in your own environment",
        )
    return url


def confirm_store(folder: Path, url: StoreUrl) -> None:
    """Records that this store may be used in this clone."""
    known = _confirmed(folder)
    if url.text not in known:
        _write(folder / "confirmed-stores", json.dumps(sorted({*known, url.text}), indent=1) + "\n")


def _confirmed(folder: Path) -> set[str]:
    try:
        found = json.loads((folder / "confirmed-stores").read_bytes())
    except (OSError, ValueError):
        return set()
    return {text for text in found if isinstance(text, str)} if isinstance(found, list) else set()


def repository_id(config: Config, folder: Path) -> str:
    """Returns in whose name this clone roots what it uploads: the committed id, else one of this clone only.

    Raises `InvalidInputError`, kind `bad-setting`, for a committed one that is not 32 hex digits.
    """
    if config.repository is not None:
        if not _ID.match(config.repository):
            raise InvalidInputError(
                f"'repository' in {CONFIG_FILE} is '{config.repository}', not 32 hex digits", kind="bad-setting"
            )
        return config.repository
    path = folder / "repository"
    try:
        known = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        known = ""
    if not _ID.match(known):
        known = new_repository_id()
        _write(path, known + "\n")
    return known


def new_repository_id() -> str:
    """Returns a new random id."""
    return secrets.token_hex(16)


def set_in_git(store: GitStore, url: str | None) -> None:
    """Writes the store into this clone's git config, or takes it out."""
    if url is not None:
        store.git.run("config", "--local", GIT_KEY, url)
    else:
        store.git.run("config", "--local", "--unset-all", GIT_KEY, ok=(0, 5))


def set_in_file(work_tree: Path, config: Config, url: str) -> list[str]:
    """Writes store and repository id into `gitruns.yaml` and returns the keys that changed; comments stay.

    The id is made now, once, if the file has none. Raises `InvalidInputError` (kind `cannot-edit-config`) for a file
    that is written in a way that a line cannot be put in.
    """
    path = work_tree / CONFIG_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    wanted = {"store": url} | ({"repository": new_repository_id()} if config.repository is None else {})
    before = read_config(text.encode(), CONFIG_FILE)
    changed = {key: value for key, value in wanted.items() if before.get(key) != value}
    for key, value in changed.items():
        text = _with_line(text, key, value)
    try:
        after = read_config(text.encode(), CONFIG_FILE)
    except CorruptDataError:
        after = {}
    if after != {**before, **changed}:
        raise InvalidInputError(
            f"cannot write into {CONFIG_FILE}: it is not one key a line",
            kind="cannot-edit-config",
            hint="add by hand: " + "; ".join(f"{key}: {_scalar(value)}" for key, value in changed.items()),
        )
    if changed:
        _write(path, text)
    return list(changed)


def _with_line(text: str, key: str, value: str) -> str:
    quoted = r"""[ \t]*(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
    line = re.compile(rf"^{key}[ \t]*:(?:{quoted}|[^#\n]*?)([ \t]+#[^\n]*)?$", re.MULTILINE)
    if line.search(text):
        return line.sub(lambda match: f"{key}: {_scalar(value)}{match[1] or ''}", text, count=1)
    return text + ("" if not text or text.endswith("\n") else "\n") + f"{key}: {_scalar(value)}\n"


def _scalar(value: str) -> str:
    """Returns a text as YAML: as it is where nobody could take it for something else, else quoted."""
    return value if _PLAIN.match(value) and not _ID.match(value) else json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    try:
        temporary.write_text(text, encoding="utf-8")
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, path)  # noqa: PTH105  a symlink that somebody keeps there is replaced, not followed
    finally:
        temporary.unlink(missing_ok=True)
