"""What is recorded of a command line, an address or a value that may hold a credential.

Names decide as well as forms here: what stands behind `--password` is masked whatever it looks like. Masks are for
the record only; files are never masked but left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gitruns.capture.secrets import mask_secrets

MASK = "***"

_WORD_BOUNDARY = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_SECRET_WORDS = frozenset("password passwd passphrase pwd secret apikey credential credentials authtoken".split())
_SECRET_PAIRS = frozenset(
    "api_key access_key secret_key private_key auth_key account_key encryption_key signing_key license_key master_key "
    "access_token auth_token api_token bearer_token refresh_token secret_token session_token security_token id_token "
    "personal_token hf_token hub_token huggingface_token github_token gh_token gitlab_token gl_token slack_token "
    "bot_token wandb_token openai_token dagshub_token neptune_token comet_token pypi_token npm_token".split()
)
_NO_SECRETS = frozenset("true false none null yes no on off 0 1".split())


def is_secret_name(name: str) -> bool:
    """Returns whether an option, variable or key of this name holds a credential.

    The last words decide: `hf_token` and `API-Key` do, `max_tokens`, `pad_token` and `secret_file` do not.
    """
    words = [word.lower() for word in _WORD_BOUNDARY.split(name) if word]
    if not words:
        return False
    if words[-1] in _SECRET_WORDS or "_".join(words[-2:]) in _SECRET_PAIRS:
        return True
    return words == ["token"]


def _is_telling(value: str) -> bool:
    return len(value) > 1 and value.lower() not in _NO_SECRETS


# Userinfo of an address. Git's own `user@host:path` has no password and stays.
_USERINFO = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?P<user>[^/\s@:?#]{0,256})(?P<rest>:[^/\s@]{0,512})?@"
)
_NAMED_IN_QUERY = re.compile(r"(?P<name>[?&;][A-Za-z0-9_.-]{1,60})=(?P<value>[^&;#\s]{1,2000})")
_HEADER = re.compile(
    r"(?i)(\bauthorization\s{0,4}[:=]\s{0,4}(?:(?:bearer|basic|token|digest)\s{1,4})?)[^\s\"',;]{4,2000}"
)
_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,60})(?P<link>[\"']?\s{0,4}[=:]\s{0,4})"
    r"(?P<value>\"[^\"]{1,2000}\"|'[^']{1,2000}'|[^\s\"',;&}\]]{1,2000})"
)


def strip_credentials(url: str) -> str:
    """Returns the address without the credentials in it: no password, no token, no secret query value.

    The user of an ssh address stays, it is part of the address (`ssh://git@host/path`).
    """

    def without_user(match: re.Match[str]) -> str:
        scheme = match["scheme"]
        keep = "ssh" in scheme.lower() and match["user"]
        return f"{scheme}{match['user']}@" if keep else scheme

    return mask_secrets(_NAMED_IN_QUERY.sub(_without_value, _USERINFO.sub(without_user, url)))


def _without_value(match: re.Match[str]) -> str:
    secret = is_secret_name(match["name"]) or match["name"][1:].lower() in (
        "sig",
        "signature",
        "x-amz-signature",
        "key",
    )
    return f"{match['name']}={MASK}" if secret else match.group()


def mask_text(text: str) -> str:
    """Returns free text with what looks like a credential masked: tokens, passwords in addresses, named values."""

    text = mask_secrets(text)
    if "://" in text:
        text = strip_credentials(text)
    if "uthorization" in text or "UTHORIZATION" in text:
        text = _HEADER.sub(lambda match: match[1] + MASK, text)
    return _mask_named(text) if "=" in text or ":" in text else text


def _mask_named(text: str) -> str:
    """Masks the values behind secret names; behind any other name the search goes on inside the value."""
    pieces = []
    done = 0
    match = _NAMED.search(text)
    while match is not None:
        value = match["value"]
        if is_secret_name(match["name"]) and _is_telling(value.strip("\"'")):
            quote = value[0] if value[0] in "\"'" else ""
            pieces += [text[done : match.start("value")], quote + MASK + quote]
            done = match.end()
            match = _NAMED.search(text, done)
        else:
            match = _NAMED.search(text, match.start("value"))
    return "".join(pieces) + text[done:]


def mask_value(name: str, value: str) -> str:
    """Returns the value of a param, tag or variable, masked when its name or its form says that it is a credential."""
    if is_secret_name(name) and _is_telling(value):
        return MASK
    return mask_text(value)


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """Returns a command line with secret-looking arguments masked: `--token abc`, `--token=abc`, `TOKEN=abc`, URLs."""
    masked: list[str] = []
    secret_follows = False
    for argument in arguments:
        if secret_follows and not argument.startswith("--") and _is_telling(argument):
            masked.append(MASK)
        else:
            masked.append(mask_text(argument))
        secret_follows = argument.startswith("-") and "=" not in argument and is_secret_name(argument)
    return masked
