"""Checks of what users hand in: a clear error at once, before anything is sent."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

LARGEST_ID = 2**63 - 1

Seconds = float | timedelta
"""A duration: a number of seconds, or a `timedelta`."""


class HasId(Protocol):
    """A user, member, bot, object or model: whatever has an `id`."""

    @property
    def id(self) -> Any: ...


UserLike = int | str | HasId
"""Who is meant: an id, a string of digits, or anything with an `.id`."""


def snowflake(who: UserLike, name: str) -> int:
    """The id of `who`: an int, a string of digits or anything with an `.id`, 1 to 2**63-1.

    Raises:
        TypeError: it is nothing of the kind.
        ValueError: it is, but no id can look like that.
    """
    if type(who) is int and 1 <= who <= LARGEST_ID:
        return who
    given: Any = who
    if not isinstance(given, (int, str)):
        given = getattr(given, "id", None)
    if isinstance(given, bool) or not isinstance(given, (int, str)):
        raise TypeError(
            f"{name} takes an id, a string of digits or an object with an id, "
            f"not {type(who).__name__}"
        )
    if isinstance(given, str):
        if not (given.isascii() and given.isdigit() and len(given) <= len(str(LARGEST_ID))):
            raise ValueError(f"{name} takes an id of digits only, not {given[:40]!r}")
        given = int(given)
    if not 1 <= given <= LARGEST_ID:
        raise ValueError(f"{name} takes an id from 1 to 2**63-1, not {given}")
    return int(given)


def seconds(value: Seconds, name: str, *, zero: bool = False) -> float:
    """A duration in seconds, from a number of seconds or a `timedelta`.

    Raises:
        TypeError: it is neither.
        ValueError: it is negative, not finite, or zero where `zero` says that makes no sense.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes seconds or a timedelta, not {type(value).__name__}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise ValueError(f"{name} takes {least} seconds, not {value:g}")
    return value


def count(value: int, name: str, *, least: int = 0, most: int | None = None, hint: str = "") -> int:
    """A whole number from `least` to `most`.

    Raises:
        TypeError: it is no whole number.
        ValueError: it lies outside; `hint` says what to do instead.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} takes a whole number, not {type(value).__name__}")
    if value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} takes {span}, not {value}{hint}")
    return int(value)


def checked_token(token: Any) -> str:
    """A token of top.gg's; an error that does not show it where it is none."""
    # What was given stays out of the message: it may be a real token with a slip in it.
    if not isinstance(token, str):
        raise TypeError(f"token takes text, not {type(token).__name__}")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "token takes a token of top.gg: printable ASCII without spaces, and not empty "
            "(is the environment variable set?)"
        )
    return token


def checked_url(url: Any) -> str:
    """A base URL, without a slash at its end."""
    if not isinstance(url, str):
        raise TypeError(f"base_url takes text, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an odd port, or brackets that do not match
        is_url = False
    if not is_url or not url.isprintable() or set(" ?#") & set(url):
        raise ValueError(f"base_url takes an http or https URL without a query, not {url!r}")
    if parts.username or parts.password:
        raise ValueError("base_url takes a URL without a username and password")
    return url.rstrip("/")
