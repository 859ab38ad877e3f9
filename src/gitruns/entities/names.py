"""What is a legal name, and how long things may be.

Keys of params, metrics and tags hold any unicode: they are data and never become a path or a ref. The limits are
MLflow's or wider. Registered-model and ref names are made in `gitstore.refs`, by one function.
"""

from __future__ import annotations

import math
import re
import secrets
from numbers import Integral, Real

from gitruns.entities import canonical
from gitruns.entities.values import Scalar, int_text, param_text
from gitruns.errors import InvalidInputError

MAX_KEY_LENGTH = 250
MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 8000
MAX_EXPERIMENT_TAG_LENGTH = 20_000
MAX_NAME_LENGTH = 500
MAX_ARTIFACT_PATH_LENGTH = 980
MAX_STEP = 2**63 - 1

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_text(what: str, text: object, limit: int, *, empty: bool = True) -> str:
    """Returns the text when it is one that can be stored, of at most `limit` characters.

    Raises `InvalidInputError` naming `what` it is, the limit, or the character that cannot be stored.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"{what} must be text, not '{type(text).__name__}'", kind="wrong-type")
    if not text and not empty:
        raise InvalidInputError(f"{what} must not be empty", kind="empty-name")
    if len(text) > limit:
        raise InvalidInputError(
            f"{what} '{text[:40]}…' is {len(text)} characters long, at most {limit} are allowed",
            kind="too-long",
            limit=limit,
        )
    lone = _SURROGATE.search(text)
    if lone is not None:
        raise InvalidInputError(
            f"{what} holds a lone surrogate that UTF-8 cannot store: U+{ord(lone.group()):04X}"
            f" at character {lone.start() + 1}",
            kind="lone-surrogate",
        )
    return text


def check_key(what: str, key: object) -> str:
    """Returns the key of a param, metric or tag (`what`), or raises `InvalidInputError`."""
    return _check_written(f"{what} key", check_text(f"{what} key", key, MAX_KEY_LENGTH, empty=False))


_LONGEST_PREFIX = len('"artifacts/"')  # of a stamp's key, which names the field and the key within it


def _check_written(what: str, name: str) -> str:
    """Returns the name when it also fits as a key of a canonical file, where a control character is written as six."""
    if 6 * len(name) + _LONGEST_PREFIX > canonical.MAX_KEY_LENGTH:
        written = len(canonical.encode_text(name)) - 2
        if written + _LONGEST_PREFIX > canonical.MAX_KEY_LENGTH:
            raise InvalidInputError(
                f"{what} '{name[:40]}…' is {written} characters long as written, with its escapes,"
                f" at most {canonical.MAX_KEY_LENGTH - _LONGEST_PREFIX} are allowed",
                kind="too-long",
                limit=canonical.MAX_KEY_LENGTH - _LONGEST_PREFIX,
            )
    return name


def check_param(key: object, value: object) -> tuple[str, Scalar]:
    """Returns key and typed value of a param.

    Scalars of numpy, torch and jax become Python's, other objects their `str()`.
    Raises `InvalidInputError` when the key or the value's text is too long.
    """
    name = check_key("param", key)
    scalar = as_scalar(value)
    text = param_text(scalar)
    check_text(f"value of param '{name}'", text, MAX_PARAM_LENGTH)
    return name, scalar


def check_tag(key: object, value: object, *, limit: int = MAX_TAG_LENGTH) -> tuple[str, str]:
    """Returns key and text of a tag; a value that is no text becomes its `str()`."""
    name = check_key("tag", key)
    return name, check_text(f"value of tag '{name}'", value if isinstance(value, str) else str(value), limit)


def as_scalar(value: object) -> Scalar:
    """Returns the value as a plain Python scalar of the same type, or its `str()` when it is none."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if type(value) is int or type(value) is float:
        return value
    unwrapped = _unwrap(value)
    if isinstance(unwrapped, (bool, str)) or unwrapped is None:
        return unwrapped
    if isinstance(unwrapped, Integral):
        return int(unwrapped)
    if isinstance(unwrapped, float):
        return float(unwrapped)
    return str(value)


def _unwrap(value: object) -> object:
    """Takes a scalar out of what numpy, torch, jax and tensorflow wrap it in."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0:
        try:
            return item()
        except Exception:  # an `item` of somebody else's, which means something else
            return value
    return value


def check_metric_value(key: str, value: object) -> float:
    """Returns the metric's value as float64, bit for bit.

    Raises `InvalidInputError`, naming the metric, for what is no number and for an integer that float64 cannot hold.
    """
    if type(value) is float:
        return value
    unwrapped = value if isinstance(value, (int, float)) else _scalar_of(key, value)
    if isinstance(unwrapped, Integral):  # bool and numpy's integers too
        try:
            number = float(unwrapped)
        except OverflowError:
            number = math.inf
        if math.isinf(number) or int(number) != int(unwrapped):
            digits = int_text(int(unwrapped))
            raise InvalidInputError(
                f"metric '{key}' cannot hold {digits[:40]}: float64 has no such integer",
                kind="integer-not-in-float64",
                hint="log it as a param, or pass float(value) if the nearest float will do",
            )
        return number
    if isinstance(unwrapped, Real) or hasattr(unwrapped, "__float__"):
        try:
            return float(unwrapped)
        except (TypeError, ValueError, OverflowError):
            pass
    raise _not_a_number(key, value)


def _scalar_of(key: str, value: object) -> object:
    if isinstance(value, str):
        raise _not_a_number(key, value)
    size = getattr(value, "size", 1)
    count = size() if callable(size) else size
    if isinstance(count, int) and count != 1 and getattr(value, "ndim", 0) != 0:
        raise _not_a_number(key, value)
    item = getattr(value, "item", None)
    if callable(item):
        try:
            return item()
        except (TypeError, ValueError, RuntimeError):
            raise _not_a_number(key, value) from None
    return value


def _not_a_number(key: str, value: object) -> InvalidInputError:
    shown = repr(value)
    return InvalidInputError(
        f"metric '{key}' must be a number, not {type(value).__name__} {shown[:40]}", kind="not-a-number"
    )


def check_step(key: str, step: object) -> int:
    """Returns the step as an integer of 64 bits with sign, or raises `InvalidInputError` naming the metric."""
    if type(step) is int:
        number = step
    elif step is None:
        return 0
    else:
        unwrapped = _unwrap(step)
        if isinstance(unwrapped, Integral) or (isinstance(unwrapped, float) and unwrapped.is_integer()):
            number = int(unwrapped)
        else:
            raise InvalidInputError(
                f"step of metric '{key}' must be an integer, not {type(step).__name__} {step!r:.40}",
                kind="wrong-type",
            )
    if not -MAX_STEP - 1 <= number <= MAX_STEP:
        raise InvalidInputError(f"step of metric '{key}' must fit 64 bits", kind="out-of-range")
    return number


def check_artifact_path(path: object) -> str:
    """Returns an artifact's path in its one form: relative, `/` between parts, no part empty, `.` or `..`.

    Backslashes stay what they are: a character of the name. Raises `InvalidInputError`.
    """
    text = check_text("artifact path", path, MAX_ARTIFACT_PATH_LENGTH, empty=False)
    if "\0" in text:
        raise InvalidInputError("artifact path holds a NUL character", kind="bad-artifact-path")
    if text.startswith("/"):
        raise InvalidInputError(f"artifact path '{text}' must be relative", kind="bad-artifact-path")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise InvalidInputError(f"artifact path '{text}' must name a file below the run", kind="bad-artifact-path")
    if parts[0] == ".gitruns":
        raise InvalidInputError(
            f"artifact path '{text}' is in '.gitruns/', which holds the run's own records",
            kind="bad-artifact-path",
        )
    return _check_written("artifact path", "/".join(parts))


_ADJECTIVES = (
    "able amber ample apt aqua bold brave breezy bright brisk calm candid charming clean clear clever cosmic crisp "
    "curious dapper daring deep eager early fair fast fearless fine fleet fond fresh gentle glad golden grand happy "
    "hardy honest humble jolly keen kind lively loyal lucky mellow merry mighty modest neat nimble noble novel placid "
    "plucky polite proud quick quiet rare ready rosy sassy serene sharp shy silent sleek smart smooth snappy solid "
    "sound spry steady stoic strong sunny swift tidy true upbeat useful valiant vivid warm wise witty zesty"
).split()
_NOUNS = (
    "ant auk badger bass bat bear bee bird boar bug calf carp cat chimp clam cod colt conch cow crab crane crow cub "
    "deer dog dolphin dove duck eel elk falcon fawn finch fish flea fly foal fowl fox frog gnat gnu goat goose grouse "
    "grub gull hare hawk hen hog horse hound jay kit kite koi lamb lark loon lynx mare midge mink mole moose moth "
    "mouse mule newt otter owl ox panda perch pig pug quail ram rat ray robin rook seal shad shark sheep shrew shrike "
    "skunk slug smelt snail snipe sow squid stag stork swan tern toad trout turtle vole wasp whale wolf worm wren yak"
).split()


def new_run_name() -> str:
    """Returns a name for a run that was given none: adjective, noun and number, as MLflow makes them."""
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{secrets.randbelow(1000)}"
