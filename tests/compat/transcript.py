"""What a scenario saw, in a form in which two stores can be compared: ids, times and places are taken out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_TIMES = re.compile(r"(_time|_timestamp|^timestamp)$")
_LEFT_OUT = {"user_id", "workspace", "deployment_job_state", "effective_trace_archival_retention", "dataset_uuid"}
_OWN_TAGS = ("mlflow.source.git.", "mlflow.user", "mlflow.source.")


AS_OVER_HTTP = object()
"""Stands for what is right, and cannot be compared."""


class Transcript:
    """Collects what happens on one store."""

    def __init__(self, root: str, *, over_http: bool = False) -> None:
        self.lines: list[tuple[str, Any]] = []
        self._root = root
        self._over_http = over_http
        self._ids: dict[str, str] = {}
        self._experiments: dict[str, str] = {}

    def say(self, what: str, value: Any) -> Any:
        """Writes a value down and returns it."""
        self.lines.append((what, self._plain(value)))
        return value

    def experiment(self, experiment_id: str) -> str:
        """Takes note of an experiment's id: the two stores make them in other ways."""
        self._experiments.setdefault(str(experiment_id), f"<experiment {len(self._experiments) + 1}>")
        return experiment_id

    def refused(
        self, what: str, call: Callable[..., Any], *args: Any, words: bool = True, over_http: str = "", **named: Any
    ) -> None:
        """Writes down how a call is refused: code and words, or that it was not.

        `over_http` is the code, or the exception, where MLflow's own client or server say it in another way.
        """
        self._write_refusal(what, call, args, named, words=words)
        if over_http and self._over_http:
            _, said = self.lines.pop()
            assert over_http in (said, said[0]), said
            self.lines.append((what, AS_OVER_HTTP))

    def _write_refusal(
        self, what: str, call: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], *, words: bool
    ) -> None:
        from mlflow.exceptions import MlflowException

        try:
            found = call(*args, **named)
        except MlflowException as error:
            # A client over HTTP puts the code before the words.
            message = self._text(error.message.removeprefix(f"{error.error_code}: ")) if words else ""
            self.lines.append((what, (error.error_code, message)))
        except Exception as error:
            self.lines.append((what, type(error).__name__))
        else:
            self.lines.append((what, ("was not refused", self._plain(found))))

    def _plain(self, value: Any, key: str = "") -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if _TIMES.search(key) and isinstance(value, (int, float)):
            return "<time>"
        if isinstance(value, (int, float)):
            return value
        if isinstance(value, str):
            if key == "experiment_id":
                return self._experiments.get(value, value)
            return self._text(value)
        if isinstance(value, dict):
            return {
                str(self._plain(name)): self._plain(one, str(name))
                for name, one in sorted(value.items(), key=lambda item: str(item[0]))
                if name not in _LEFT_OUT and not str(name).startswith(_OWN_TAGS)
            }
        if isinstance(value, (list, tuple, set)):
            return [self._plain(one) for one in self._ordered(value)]
        if hasattr(value, "__iter__"):  # MLflow's entities yield their properties
            # What is not set comes over HTTP as empty text.
            set_ones = {name: None if one == "" else one for name, one in dict(value).items()}
            return {"": type(value).__name__, **self._plain(set_ones)}
        return self._text(str(value))

    def _ordered(self, values: Iterable[Any]) -> list[Any]:
        listed = list(values)
        if listed and all(hasattr(one, "key") and not hasattr(one, "timestamp") for one in listed):
            return sorted((one for one in listed if not one.key.startswith(_OWN_TAGS)), key=lambda one: one.key)
        return listed

    def _text(self, text: str) -> str:
        text = _ID.sub(lambda match: self._ids.setdefault(match[0], f"<id {len(self._ids) + 1}>"), text)
        place = rf"((gitruns:|file://)?{re.escape(self._root)}[^ ']*?|mlflow-artifacts:)(?=/(models/m-)?<id)"
        text = re.sub(place, "<store>", text)
        for known, label in self._experiments.items():
            text = re.sub(rf"(?<![0-9a-f<]){known}(?![0-9a-f])", label, text) if len(known) > 1 else text
        return text.replace(self._root, "<root>")
