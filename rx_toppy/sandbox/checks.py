"""What the sandbox's arguments must be, said in the words of who passes them."""

from datetime import UTC, datetime, timedelta
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


def seconds(value: object, name: str, *, zero: bool = False) -> float:
    """Give a duration above zero, or of zero where that is allowed, as seconds.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is not finite or too short.
    """
    duration = _duration(value, name)
    if duration < 0 or (duration == 0 and not zero):
        least = "at least 0" if zero else "longer than nothing"
        raise ValueError(f"{name} must be {least}, not {value!r}")
    return duration


def span(value: object, name: str) -> tuple[float, float]:
    """Give a duration, or the pair of the shortest and the longest, as two times in seconds.

    Raises:
        TypeError: It is neither a number nor a timedelta nor a pair of them.
        ValueError: One is not finite or below zero, or the pair is the wrong way round.
    """
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name} must be one duration or a pair of them, not {value!r}")
        least, most = (_duration(end, name) for end in value)
    else:
        least = most = _duration(value, name)
    if not 0 <= least <= most:
        raise ValueError(f"{name} must be at least 0, and a pair go upwards, not {value!r}")
    return least, most


def share(value: object, name: str) -> float:
    """Give a number from 0 to 1, both included, as a float.

    Raises:
        TypeError: It is no number.
        ValueError: It is not from 0 to 1.
    """
    part = number(value, name)
    if not 0 <= part <= 1:
        raise ValueError(f"{name} must be from 0 to 1, not {value!r}")
    return part


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


def moment(value: object, name: str, *, until: datetime) -> datetime:
    """Give an aware datetime, no later than `until`, in UTC.

    Raises:
        TypeError: It is no datetime.
        ValueError: It is naive, or later.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {value!r}")
    if value.utcoffset() is None:
        raise ValueError(f"{name} must be aware, as with tzinfo=UTC, not {value!r}")
    if value > until:
        raise ValueError(f"{name} must not be in the future: {value} is after {until}")
    return value.astimezone(UTC)


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


def query(value: object, name: str) -> str:
    """Give a query string with its question mark, or an empty one.

    Raises:
        TypeError: It is no str.
        ValueError: It begins with anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {value!r}")
    if value and not value.startswith("?"):
        raise ValueError(f"{name} must begin with a question mark, as '?a=1' does: {value!r}")
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


def _duration(value: object, name: str) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {value!r}")
    return number(value, name)
