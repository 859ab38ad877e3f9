"""Trying again, and saying in our words what went wrong in the end.

Waits grow and are drawn at random ("full jitter"), so that many clones that met the same fault do not meet again.
Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from gitruns.errors import AccessDeniedError, GitRunsError, RemoteError

T = TypeVar("T")

TRIES = 8
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 10.0

_ANSWERS = (FileNotFoundError, FileExistsError, GitRunsError)
"""What is no fault but an answer."""

_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"}
_CREDENTIALS = {"TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "DefaultCredentialsError"}
_TOOLS = {
    "s3:": "set AWS_PROFILE, or type: aws configure, aws sso login",
    "gs:": "set GOOGLE_APPLICATION_CREDENTIALS, or type: gcloud auth application-default login",
    "az:": "set AZURE_STORAGE_ACCOUNT_NAME and its key, or type: az login",
    "sftp:": "what ssh uses for that host",
}
_random = random.SystemRandom()


class WrongAnswerError(Exception):
    """A store confirmed something else than what was sent."""


def with_retries(do: Callable[[], T], what: str, store: str) -> T:
    """Returns what `do` returns, called again after faults that may pass.

    Raises `FileNotFoundError` and `FileExistsError` as they are, `AccessDeniedError` (kind `store-denied`) at once,
    and `RemoteError` (kind `store-failed`) after the last try.
    """
    for number in range(TRIES):
        try:
            return do()
        except _ANSWERS:
            raise
        except Exception as error:
            if number + 1 == TRIES or not may_pass(error):
                raise in_our_words(error, what, store) from error
        time.sleep(_random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**number)))
    raise AssertionError  # the last try returns or raises


def may_pass(error: Exception) -> bool:
    """Returns whether another try may go well."""
    name = type(error).__name__
    if isinstance(error, (PermissionError, TypeError, AttributeError, NotImplementedError, ImportError)):
        return False
    return name not in _NO_CREDENTIALS | _CREDENTIALS | {"ParamValidationError", "InvalidRegionError"}


def in_our_words(error: Exception, what: str, store: str) -> GitRunsError:
    """Returns the error that people see."""
    name = type(error).__name__
    why = " ".join(str(error).split()) or name
    message = f"cannot {what} in the store '{store}': {why}"
    if name in _NO_CREDENTIALS | _CREDENTIALS or isinstance(error, PermissionError):
        tools = next((tools for start, tools in _TOOLS.items() if store.startswith(start)), "that store's own tools")
        return AccessDeniedError(message, kind="store-denied", hint=f"credentials come from your environment: {tools}")
    return RemoteError(message, retryable=may_pass(error), kind="store-failed", hint="try again; git runs store check")
