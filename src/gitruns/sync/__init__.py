"""Shares runs through any git remote and any object store: offline first, and merged without anybody's help.

Promises: nothing local is ever deleted by a fetch, nothing on a remote is overwritten that is not in the history of
what replaces it, and nothing counts here before it was looked at. Everything can be interrupted at any instant and
typed again; the second time there is nothing to do.
"""

from gitruns.sync.bundle import read_bundle, write_bundle
from gitruns.sync.fetch import fetch
from gitruns.sync.push import push
from gitruns.sync.remotes import Remote, choose_remote
from gitruns.sync.report import ArtifactsReport, Bad, FetchReport, Held, PublicFile, PushReport, Selection, select

__all__ = [
    "ArtifactsReport",
    "Bad",
    "FetchReport",
    "Held",
    "PublicFile",
    "PushReport",
    "Remote",
    "Selection",
    "choose_remote",
    "fetch",
    "push",
    "read_bundle",
    "select",
    "write_bundle",
]
