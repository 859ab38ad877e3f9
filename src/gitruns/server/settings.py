"""How a server is set up: what the command line said, as its workers get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Everything a worker needs to know. `repo` is a folder in the repository; `base_path` is empty or `/prefix`.

    `open_to_all`: nobody needs a token, as only this machine can reach us.
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
    threads: int = 16
    streams: int = 16
    access_log: bool = True
