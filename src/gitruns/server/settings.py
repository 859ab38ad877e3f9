"""How a server is set up: what the command line said, as its workers get it. No secret is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitruns.server.calls import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """A proxy that says who calls: in which header, from which addresses (or `unix`), and what those people may do."""

    header: str
    addresses: tuple[str, ...]
    role: Role = Role.WRITER


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """A provider whose signed tokens count: who it is, for whom they must be made out, and which claim has the role."""

    issuer: str
    audience: str
    role_claim: str = "gitruns_role"
    role: Role = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Everything that a worker needs to know. `repo` is a folder in the repository; `base_path` is empty or `/prefix`.

    `threads` work at calls and `streams` at uploads and downloads; of both together `max_requests` may be waiting.
    `numbers` is a folder in which workers share what they count.
    `open_to_all`: nobody needs a token, as only this machine reaches us. `token_file` is where tokens are or will be.
    """

    repo: Path
    host: str = "127.0.0.1"
    port: int = 5000
    unix_socket: Path | None = None
    base_path: str = ""
    workers: int = 1
    read_only: bool = False
    open_to_all: bool = True
    allowed_hosts: tuple[str, ...] = ()
    token_file: Path | None = None
    proxy: ProxySettings | None = None
    oidc: OidcSettings | None = None
    threads: int = 16
    streams: int = 16
    max_requests: int = 512
    access_log: str | None = "-"
    numbers: Path | None = None
    max_artifact_bytes: int | None = None
