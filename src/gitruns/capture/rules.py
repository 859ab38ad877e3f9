"""What a snapshot may hold: sizes, and names that are never source."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache

from gitruns.errors import InvalidInputError

SNAPSHOT_MODES = ("all", "tracked", "off")

NEVER_CAPTURED = tuple(
    ".venv venv node_modules __pycache__ *.pyc *.pyo .ipynb_checkpoints mlruns wandb "
    ".mypy_cache .pytest_cache .ruff_cache .hypothesis .tox .nox .DS_Store".split()
)
"""Untracked things that are nobody's source though nobody ignored them, as patterns of `git ls-files --exclude`."""

VENV_MARK = b"pyvenv.cfg"
"""The file that makes its folder a virtual environment, whatever the folder's name. Source: PEP 405."""

DENIED = tuple(
    ".env .env.* *.env .envrc .netrc _netrc .pypirc .npmrc .pgpass .my.cnf .htpasswd .git-credentials .dockercfg "
    ".databrickscfg .boto .s3cfg rclone.conf kaggle.json token.json token.pickle .vault-token .vault_pass "
    "credentials credentials.* *credentials.json client_secret*.json service[-_]account*.json "
    "secrets.yaml secrets.yml secrets.json secrets.toml secrets.ini secrets.env secret.yaml secret.yml secret.json "
    "id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx *.ppk "
    "*.gpg *.tfstate *.tfvars .aws/* .ssh/* .gnupg/* .kube/config .docker/config.json".split()
)
"""Names that hold credentials. A pattern with `/` is of the path's last parts."""

_HARMLESS = tuple("*.example *.sample *.template *.tmpl *.dist *.pub *.py credentials.md secrets.md".split())
"""What looks denied and is meant to be shared."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRules:
    """Limits of a snapshot.

    `mode` is `all`, `tracked` (no untracked files) or `off` (HEAD is taken as the source and nothing is looked at).
    `paths` limits the look to some folders or files of the work tree, with `/` between parts; outside them the source
    is HEAD's. `deny` adds patterns to the deny-list. Sizes are in bytes.
    """

    mode: str = "all"
    paths: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    max_tracked_bytes: int = 100 * _MIB
    max_untracked_bytes: int = _MIB
    max_untracked_total_bytes: int = 32 * _MIB
    max_untracked_files: int = 20_000

    def __post_init__(self) -> None:
        if self.mode not in SNAPSHOT_MODES:
            raise InvalidInputError(
                f"snapshot is '{self.mode}', not one of {', '.join(SNAPSHOT_MODES)}",
                kind="bad-setting",
                allowed=SNAPSHOT_MODES,
            )
        for path in self.paths:
            if path.startswith("/") or ".." in path.split("/"):
                raise InvalidInputError(
                    f"snapshot path '{path}' is not below the work tree's root",
                    kind="bad-setting",
                    hint="give it relative to the root of the repository, as 'services/ranker'",
                )

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The paths as bytes, none for the whole tree; a list that names the root is the whole tree too."""
        named = ["/".join(part for part in path.split("/") if part not in ("", ".")) for path in self.paths]
        return () if "" in named else tuple(os.fsencode(path) for path in named)

    def denies(self, path: str) -> bool:
        """Returns whether a file of this path is on the deny-list."""
        lowered = path.lower()
        if _matches(self.deny, path):
            return True
        return _matches(DENIED, lowered) and not _matches(_HARMLESS, lowered)


def is_within(path: bytes, roots: Sequence[bytes]) -> bool:
    """Returns whether a file is one of some roots or below one; no roots are the whole tree."""
    return not roots or any(path == root or path.startswith(root + b"/") for root in roots)


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    if not patterns:
        return False
    by_name, by_path = _compiled(patterns)
    return by_name.match(path.rpartition("/")[2]) is not None or by_path.search("/" + path) is not None


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """One expression for patterns of a file's name, one for those with `/`."""
    names = [translate(pattern) for pattern in patterns if "/" not in pattern]
    paths = ["/" + translate(pattern.strip("/")) for pattern in patterns if "/" in pattern]
    return re.compile("|".join(names) or r"(?!)"), re.compile("|".join(paths) or r"(?!)")
