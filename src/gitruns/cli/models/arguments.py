"""What a person types to name a model or a version, and what a shell offers to complete it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gitruns.cli.app import App
from gitruns.cli.arguments import TextType, offered
from gitruns.errors import InvalidInputError

F = TypeVar("F", bound=Callable[..., Any])


class ModelType(TextType):
    """A registered model by name."""

    name = "model"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers names."""

        def offer(app: App) -> Iterator[CompletionItem]:
            for model in app.registry().list_models():
                if model.name.startswith(incomplete) and model.name.isprintable():
                    yield CompletionItem(model.name)

        return offered(offer)


class VersionType(TextType):
    """A model, or a version of it: `digits`, `digits/3`, `digits@champion`."""

    name = "version"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offers names, aliases and numbers."""

        def offer(app: App) -> Iterator[CompletionItem]:
            for model in app.registry().list_models():
                words = [model.name, *(f"{model.name}@{alias}" for alias in sorted(model.aliases))]
                if "/" in incomplete:
                    words += [f"{model.name}/{one.shown_number}" for one in model.active_versions()]
                for word in words:
                    if word.startswith(incomplete) and word.isprintable():
                        yield CompletionItem(word)

        return offered(offer)


MODEL = ModelType()
VERSION = VersionType()


def reason_option(function: F) -> F:
    """Takes `-m REASON`."""
    return click.option("-m", "--message", "reason", metavar="REASON", default="", help="Why: stands in the log.")(
        function
    )


def split_version(text: str) -> tuple[str, int]:
    """Returns model and number of `digits/3`; raises `InvalidInputError` for what names no single version so."""
    from gitruns.registry.names import parse_named

    named = parse_named(text)
    if named.number is None:
        raise InvalidInputError(
            f"'{text}' does not name a version by number", kind="bad-version", hint=f"as in {named.model}/3"
        )
    return named.model, named.number


def split_alias(text: str) -> tuple[str, str]:
    """Returns model and alias of `digits@champion`."""
    from gitruns.registry.names import parse_named

    named = parse_named(text)
    if named.alias is None:
        raise InvalidInputError(
            f"'{text}' does not name an alias", kind="bad-model-alias", hint=f"as in {named.model}@champion"
        )
    return named.model, named.alias
