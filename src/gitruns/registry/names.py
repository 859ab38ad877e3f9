"""What is legal in a registry: names of models, aliases, stages, tags; and what a person means by `digits@champion`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitruns.entities import names
from gitruns.entities.model import Stage
from gitruns.errors import InvalidInputError

MAX_NAME_LENGTH = 256
MAX_ALIAS_LENGTH = 255
MAX_TAG_LENGTH = 100_000
MAX_DESCRIPTION_LENGTH = 100_000
LATEST = "latest"

_ALIAS = re.compile(r"[\w\-]+\Z")
_NUMBER_LIKE = re.compile(r"v\d+\Z", re.IGNORECASE)
_NUMBER = re.compile(r"v?(?P<number>[1-9]\d{0,17})\Z", re.ASCII)
_STAGES = {stage.value.lower(): stage for stage in Stage}


def check_name(name: object) -> str:
    """Returns the name of a model; raises `InvalidInputError` for one that cannot be one.

    As in MLflow there is no `/` or `:` in it, which addresses are made with; nor `@`.
    """
    text = names.check_text("model name", name, MAX_NAME_LENGTH, empty=False)
    if not text.strip():
        raise InvalidInputError("model name must not be blank", kind="empty-name")
    for character in "/:@":
        if character in text:
            raise InvalidInputError(
                f"model name '{text}' must not hold '{character}': addresses are made with it", kind="bad-model-name"
            )
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InvalidInputError("model name must not hold control characters", kind="bad-model-name")
    return text


def check_alias(alias: object) -> str:
    """Returns an alias; raises `InvalidInputError` (kind `bad-model-alias`) with MLflow's rules."""
    text = names.check_text("alias", alias, MAX_ALIAS_LENGTH, empty=False)
    if _ALIAS.match(text) is None:
        raise _bad_alias(text, "letters, digits, '_' and '-' can be in it")
    if text.lower() == LATEST:
        raise _bad_alias(text, "it always means the greatest number")
    if _NUMBER_LIKE.match(text):
        raise _bad_alias(text, "it would be taken for a number")
    return text


def _bad_alias(alias: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"'{alias}' cannot be an alias: {why}", kind="bad-model-alias")


def check_stage(stage: object) -> Stage:
    """Returns the stage that a word names, in any case; raises `InvalidInputError` (kind `bad-stage`)."""
    found = stage if isinstance(stage, Stage) else _STAGES.get(str(stage).strip().lower())
    if found is None:
        words = ", ".join(one.value for one in Stage)
        raise InvalidInputError(f"stage '{stage}' is none of {words}", kind="bad-stage")
    return found


def check_registry_tag(key: object, value: object) -> tuple[str, str]:
    """Returns key and text of a tag of a model or version."""
    return names.check_tag(key, value, limit=MAX_TAG_LENGTH)


def check_description(text: object) -> str:
    """Returns a description; None is an empty one."""
    return names.check_text("description", "" if text is None else text, MAX_DESCRIPTION_LENGTH)


def number_in(text: str | int) -> int | None:
    """Returns the number that `3` or `v3` names, None for anything else."""
    match = _NUMBER.match(str(text))
    return int(match["number"]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a text names: a model, and perhaps one version of it, by number, alias, stage, or as the latest one."""

    model: str
    number: int | None = None
    alias: str | None = None
    stage: Stage | None = None
    latest: bool = False

    @property
    def names_version(self) -> bool:
        """Whether a version is named, not only a model."""
        return self.latest or not (self.number is None and self.alias is None and self.stage is None)


def parse_named(text: str) -> Named:
    """Returns what `digits`, `digits/3`, `digits/Production`, `digits/latest` or `digits@champion` names."""
    model, at, alias = text.partition("@")
    if at:
        return Named(model=check_name(model), alias=check_alias(alias))
    model, slash, rest = text.partition("/")
    if not slash:
        return Named(model=check_name(model))
    number = number_in(rest)
    if number is not None:
        return Named(model=check_name(model), number=number)
    if rest.lower() == LATEST:
        return Named(model=check_name(model), latest=True)
    if rest.lower() in _STAGES:
        return Named(model=check_name(model), stage=_STAGES[rest.lower()])
    raise InvalidInputError(
        f"'{rest}' names no version of '{model}'",
        kind="bad-version",
        hint=f"by number {model}/3, by alias {model}@champion, by stage {model}/Production, or {model}/latest",
    )
