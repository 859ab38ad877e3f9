"""Registered models as sync moves them: looked at and merged like everything else, by the storage that knows them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from gitruns.entities.ids import ObjectId
from gitruns.errors import CorruptDataError
from gitruns.gitstore import refs

if TYPE_CHECKING:
    from gitruns.gitstore import GitStore
    from gitruns.gitstore.validation import Validator


class ModelRefs:
    """Validates and merges what refs of models hold."""

    def __init__(self, store: GitStore, validator: Validator) -> None:
        self._store = store
        self._validator = validator

    def newest_stamp_ms(self, ref: str, tip: ObjectId) -> int:
        """Returns the greatest stamp of a model; raises `CorruptDataError` unless it is the one that the ref names."""
        self._validator.named(ref, tip, lambda files: None)
        model = self._store.models.read(tip)
        if model.id != refs.model_id_of(ref):
            raise CorruptDataError(
                f"commit {tip[:12]} holds model '{model.id[:40]}', and the ref is '{ref}'", kind="wrong-ref", commit=tip
            )
        return max((stamp.time_ms for stamp in model.stamps.values()), default=0)

    def merge(self, tips: Collection[ObjectId]) -> ObjectId:
        """Returns the commit that some tips make together."""
        return self._store.merge_model_tips(tips)
