"""What comes from elsewhere made to fit the limits here; what had to be cut or left out is told to the report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitruns.entities import names
from gitruns.entities.values import Scalar, param_text
from gitruns.errors import InvalidInputError

if TYPE_CHECKING:
    from gitruns.exchange.report import ImportReport

_SURROGATE = re.compile("[\ud800-\udfff]")
_USER_OF_ADDRESS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@|(?<=http://)[^/@\s]+@|(?<=https://)[^/@\s]+@")


def fitted_params(params: Mapping[str, Scalar], of: str, report: ImportReport) -> dict[str, Scalar]:
    """Returns the params that can be stored; a text that is too long is cut, as MLflow's client does."""
    fitted: dict[str, Scalar] = {}
    for key, value in params.items():
        text = param_text(value)
        if len(text) > names.MAX_PARAM_LENGTH:
            report.cannot(f"param '{key:.60}' of {of}", _cut_to(text, names.MAX_PARAM_LENGTH))
            value = text[: names.MAX_PARAM_LENGTH]
        try:
            checked, scalar = names.check_param(key, value)
            fitted[checked] = scalar
        except InvalidInputError as error:
            report.cannot(f"param '{key:.60}' of {of}", error)
    return fitted


def fitted_tags(tags: Mapping[str, str], of: str, report: ImportReport, *, limit: int) -> dict[str, str]:
    """Returns the tags that can be stored; a text that is too long is cut."""
    fitted: dict[str, str] = {}
    for key, value in tags.items():
        text = value
        if len(text) > limit:
            report.cannot(f"tag '{key:.60}' of {of}", _cut_to(text, limit))
            text = text[:limit]
        try:
            checked, shown = names.check_tag(key, text, limit=limit)
            fitted[checked] = shown
        except InvalidInputError as error:
            report.cannot(f"tag '{key:.60}' of {of}", error)
    return fitted


def fitted_name(name: str, instead: str) -> str:
    """Returns a name of a run that can be stored: cut, and `instead` of none."""
    text = _SURROGATE.sub("\ufffd", name)[: names.MAX_NAME_LENGTH]
    return text if text.strip() else instead


def without_credentials(address: str) -> str:
    """Returns an address without the user and password in it; the user of an ssh address is part of it."""
    return _USER_OF_ADDRESS.sub("", address)


def _cut_to(text: str, limit: int) -> str:
    return f"it is {len(text)} characters long, and cut to {limit}"
