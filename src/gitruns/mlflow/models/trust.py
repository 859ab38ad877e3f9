"""Which models may be loaded without asking: loading a pickle runs what is in it.

A saved model whose loading can execute code is loaded when these very bytes were made here: each save notes their
SHA-256 in a file of this user on this machine, which no fetch, push or model can write to. Any other needs a word of
the caller: `trust=True`, or `GITRUNS_TRUST_MODELS=1` in the environment. Who made a run, which a repository could
claim, plays no part.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from gitruns.errors import AccessDeniedError

VARIABLE = "GITRUNS_TRUST_MODELS"
MLFLOWS_VARIABLE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
"""MLflow's own switch: false refuses every pickle, here too."""

_NO = ("false", "0", "no", "off")
_YES = ("true", "1", "yes", "on")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def note_made(*files: Path) -> None:
    """Notes that these files were made here. Where that cannot be written, loading them will ask."""
    digests = "".join(f"{digest_of(file)}\n" for file in files)
    known = _known_file(os.environ)
    try:
        known.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with known.open("a", encoding="ascii") as out:
            out.write(digests)
    except OSError:
        return


def check_trusted(data: bytes, where: str, trust: bool | None) -> None:
    """Returns if bytes that can execute code may be loaded; raises `AccessDeniedError` (kind `untrusted-model`)."""
    if os.environ.get(MLFLOWS_VARIABLE, "").lower() in _NO:
        raise _untrusted(f"{MLFLOWS_VARIABLE} is set to false", f"unset {MLFLOWS_VARIABLE}")
    if trust or (trust is None and os.environ.get(VARIABLE, "").lower() in _YES):
        return
    if trust is None and hashlib.sha256(data).hexdigest() in _known(os.environ):
        return
    raise _untrusted(
        f"'{where}' was not made by you on this machine, and loading it can run any code",
        f"if you trust who made it: load_model(…, trust=True), or {VARIABLE}=1",
    )


def digest_of(file: Path) -> str:
    """Returns the SHA-256 of a file."""
    hasher = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _untrusted(why: str, hint: str) -> AccessDeniedError:
    return AccessDeniedError(f"model is not loaded: {why}", kind="untrusted-model", hint=hint)


def _known_file(environ: Mapping[str, str]) -> Path:
    state = environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "gitruns" / "made-models"


def _known(environ: Mapping[str, str]) -> frozenset[str]:
    try:
        return frozenset(_DIGEST.findall(_known_file(environ).read_text(encoding="ascii")))
    except (OSError, ValueError):
        return frozenset()
