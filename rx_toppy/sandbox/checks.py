"""What the sandbox's arguments must be, said in the words of who passes them."""

from datetime import timedelta
from math import isfinite

MAX_ID = 2**63 - 1


def number(value: object, name: str) -> float:
    """Give `value` as a finite float.

    Raises:
        TypeError: It is no number.
        ValueError: It is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not isfinite(value):
        raise ValueError(f"{name} must be finite, not {value!r}")
    return float(value)


def seconds(value: object, name: str) -> float:
    """Give a duration above zero, seconds or a timedelta, as seconds.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is not finite or not above zero.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {value!r}")
    duration = number(value, name)
    if duration <= 0:
        raise ValueError(f"{name} must be longer than nothing, not {value!r}")
    return duration


def whole(value: object, name: str, *, least: int, most: int | None = None) -> int:
    """Give `value` as an int from `least` to `most`.

    Raises:
        TypeError: It is no int (True and False are none either).
        ValueError: It is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {bounds}, not {value}")
    return value


def snowflake(value: object, name: str) -> int:
    """Give a Discord id as an int.

    Raises:
        TypeError: It is no int.
        ValueError: It is not from 1 to 2**63-1.
    """
    return whole(value, name, least=1, most=MAX_ID)


def text(value: object, name: str) -> str:
    """Give `value` as text that is not empty.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def secret(value: object, name: str) -> str:
    """Give `value` as text that fits into a header; the errors do not repeat it.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty or holds what a header does not carry.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError(f"{name} must be printable ASCII without spaces around it")
    return value
