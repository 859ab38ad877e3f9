"""The routes that are there: `CALLS` of every module of this package, and of the packages below it."""

from __future__ import annotations

import importlib
import pkgutil

from gitruns.server.calls import AnyCall


def all_calls() -> tuple[AnyCall, ...]:
    """Returns every call that is served, in an order that does not change."""
    found: list[AnyCall] = []
    for module in sorted(pkgutil.walk_packages(__path__, __name__ + "."), key=lambda info: info.name):
        found.extend(getattr(importlib.import_module(module.name), "CALLS", ()))
    return tuple(found)
