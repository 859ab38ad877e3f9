"""Patterns of queries, for what is looked at one by one: LIKE, ILIKE and REGEXP mean the same everywhere."""

from gitruns.index.functions import compile_regexp, ilike, like

__all__ = ["compile_regexp", "ilike", "like"]
