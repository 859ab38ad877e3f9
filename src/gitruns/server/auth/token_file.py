"""Tokens, in a file outside of every repository: what is kept is a hash, and whom it stands for.

    {"format": "gitruns tokens 1", "tokens": [{"id": "3f9c02d1", "sha256": "…", "role": "writer", …}]}

A secret is 256 random bits, so that one round of SHA-256 keeps it: there is nothing to guess from. The file is its
owner's alone; a server reads it again when it has changed, and so a token that is revoked is refused within a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitruns.errors import AccessDeniedError, CorruptDataError, InvalidInputError, NotFoundError
from gitruns.repo.private_lock import only_one
from gitruns.server.auth.people import Person
from gitruns.server.calls import Role

FORMAT = "gitruns tokens 1"
PREFIX = "gitruns"
VARIABLE = "GITRUNS_TOKEN_FILE"
_MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token. `experiments` are ids, None for all; times are milliseconds UTC, `expires_ms` None for never."""

    id: str
    sha256: str
    role: str
    name: str
    email: str
    experiments: tuple[str, ...] | None = None
    created_ms: int
    expires_ms: int | None = None

    @property
    def person(self) -> Person:
        """Whom it stands for."""
        limited = None if self.experiments is None else frozenset(self.experiments)
        return Person(self.name, self.email, Role[self.role.upper()], limited)

    def expired(self, now_ms: int) -> bool:
        """Returns whether its time is over."""
        return self.expires_ms is not None and now_ms >= self.expires_ms


def default_token_file(common_dir: Path, environ: Mapping[str, str]) -> Path:
    """Returns where the tokens of a repository are: one file each, so that a token opens no other repository."""
    named = environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    config = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    place = common_dir.resolve()
    title = place.parent.name if place.name == ".git" else place.name
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:12]
    return Path(config) / "gitruns" / "tokens" / f"{title}-{digest}.json"


def secret_text(token_id: str) -> str:
    """Returns a new secret, with the id of its token in front, by which it is found."""
    return f"{PREFIX}_{token_id}_{secrets.token_urlsafe(32)}"


def secret_hash(secret: str) -> str:
    """Returns what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Returns the tokens of a file, none when there is no file.

    Raises `AccessDeniedError` (kind `token-file-open`) when others than its owner can read or write it.
    """
    try:
        with path.open("rb") as stream:
            _check_rights(path, os.fstat(stream.fileno()))
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    return _decoded(data, path)


def _check_rights(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
        raise AccessDeniedError(
            f"cannot use token file '{path}': others can read or change it",
            kind="token-file-open",
            hint=f"chmod 600 {path}",
        )


def _decoded(data: bytes, path: Path) -> tuple[Token, ...]:
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError
        return tuple(_token(entry) for entry in content["tokens"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptDataError(f"'{path}' is no file of tokens", kind="bad-token-file") from error


def _token(entry: Mapping[str, Any]) -> Token:
    experiments = entry.get("experiments")
    token = Token(**{**entry, "experiments": None if experiments is None else tuple(experiments)})
    Role[token.role.upper()]
    return token


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(path.with_name(path.name + ".lock"), wait=True):
        yield


def _write(path: Path, tokens: tuple[Token, ...]) -> None:
    text = json.dumps({"format": FORMAT, "tokens": [asdict(token) for token in tokens]}, indent=1, ensure_ascii=False)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def create_token(
    path: Path,
    role: Role,
    *,
    name: str,
    email: str,
    experiments: tuple[str, ...] | None,
    now_ms: int,
    expires_ms: int | None,
) -> tuple[Token, str]:
    """Adds a token to a file; returns it and its secret, which is kept nowhere."""
    with _locked(path):
        tokens = read_tokens(path)
        token_id = _new_id({token.id for token in tokens})
        secret = secret_text(token_id)
        token = Token(
            id=token_id,
            sha256=secret_hash(secret),
            role=role.name.lower(),
            name=name,
            email=email,
            experiments=experiments,
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
        _write(path, (*tokens, token))
    return token, secret


def _new_id(taken: set[str]) -> str:
    while (token_id := secrets.token_hex(4)) in taken:
        pass
    return token_id


def revoke_token(path: Path, beginning: str) -> Token:
    """Takes the one token away whose id begins so; raises `NotFoundError` (kind `token-not-found`)."""
    with _locked(path):
        tokens = read_tokens(path)
        found = [token for token in tokens if beginning and token.id.startswith(beginning)]
        if not found:
            raise NotFoundError(
                f"there is no token '{beginning}'", kind="token-not-found", hint="git runs server token list"
            )
        if len(found) > 1:
            raise InvalidInputError(f"'{beginning}' begins {len(found)} tokens", kind="ambiguous-token")
        _write(path, tuple(token for token in tokens if token is not found[0]))
    return found[0]
