"""What MLflow takes in its registry, and its words for what it does not."""

from __future__ import annotations

import re

from gitruns.protocol import checks
from gitruns.protocol.errors import refused

MAX_TAG_VALUE, MAX_ALIAS = 100_000, 255
PROMPT_TEXT_TAG = "mlflow.prompt.text"
STAGES = ("None", "Staging", "Production", "Archived")

_ALIAS = re.compile(r"[\w\-]*\Z")
_NUMBER_LIKE = re.compile(r"[vV]\d+\Z")
_CANONICAL = {stage.lower(): stage for stage in STAGES}


def check_model_name(name: object, what: str = "name") -> None:
    """Refuses what cannot be the name of a model."""
    if not isinstance(name, str) or not name.strip():
        raise refused(f"Missing value for required parameter '{what}'.")
    if "/" in name or ":" in name:
        raise refused(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    fault = checks.fault_of_path(name)
    if fault is not None:
        raise refused(checks.invalid_value("name", name, fault))


def version_number(version: object) -> int:
    """Returns the number of a version, which is text on the wire."""
    try:
        return int(str(version))
    except ValueError:
        raise refused(f"Parameter 'version' must be an integer, got '{version}'.") from None


def check_alias(alias: object) -> None:
    """Refuses what cannot be an alias."""
    if not isinstance(alias, str) or not alias:
        raise refused("Registered model alias name cannot be empty.")
    if _ALIAS.match(alias) is None:
        raise refused(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    checks.check_length("Registered model alias name", alias, MAX_ALIAS)


def check_alias_is_free(alias: str) -> None:
    """Refuses an alias that means something already."""
    if alias.lower() == "latest":
        raise refused("'latest' alias name (case insensitive) is reserved.")
    if _NUMBER_LIKE.match(alias):
        raise refused(f"Version alias name '{alias}' is reserved.")


def check_tag_key(key: object) -> None:
    """Refuses what cannot be the key of a tag."""
    if not isinstance(key, str):
        raise refused("Missing value for required parameter 'key'.")
    checks.check_key(key, "key")
    checks.check_not_reserved(key)


def check_tag(key: object, text: str | None) -> None:
    """Refuses a tag that a registered model cannot have."""
    check_tag_key(key)
    checks.check_length("key", str(key), checks.MAX_KEY)
    checks.check_length("value", text or "", MAX_TAG_VALUE)


def check_version_tag(key: object, text: str | None) -> None:
    """Refuses a tag that a version cannot have."""
    check_tag_key(key)
    if text is None:
        raise refused("Tag value cannot be None")
    checks.check_length("key", str(key), checks.MAX_KEY)
    if key == PROMPT_TEXT_TAG and len(text) > MAX_TAG_VALUE:
        raise refused(f"Prompt text exceeds max length of {MAX_TAG_VALUE} characters.")
    checks.check_length("value", text or "", MAX_TAG_VALUE)


def canonical_stage(stage: str) -> str:
    """Returns a stage as MLflow writes it."""
    found = _CANONICAL.get(str(stage).lower())
    if found is None:
        raise refused(f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}.")
    return found


def check_page(max_results: int, most: int) -> None:
    """Refuses a page that is too long."""
    if max_results > most:
        raise refused(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {max_results}"
        )
