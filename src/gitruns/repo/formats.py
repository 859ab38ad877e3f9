"""What this version may write on top of."""

from __future__ import annotations

from gitruns.errors import InvalidInputError

FORMAT_VERSION = 1


def refuse_newer_format(what: str, name: str, version: int) -> None:
    """Raises `InvalidInputError` (kind `format-too-new`) for a tree that a newer gitruns has written.

    Such a tree is shown as far as it is known and never edited, because what is not known would be lost.
    """
    if version > FORMAT_VERSION:
        raise InvalidInputError(
            f"cannot change {what} '{name}': it is stored in format {version}, this gitruns knows {FORMAT_VERSION}",
            kind="format-too-new",
            hint="pip install --upgrade gitruns",
        )
