"""Data that a run read: named, digested, never copied."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One dataset that went into a run.

    `digest` is a short text that changes with the data; `source` is JSON text or an address (credentials removed);
    `source_type` says how to read it (`local`, `http`, `code`…); `schema` and `profile` are JSON text or None;
    `context` is what it was used for (`training`, `eval`…). One per (name, digest, context).
    """

    name: str
    digest: str
    source: str
    source_type: str = "local"
    schema: str | None = None
    profile: str | None = None
    context: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
