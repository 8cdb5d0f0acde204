"""What several models share: the types of their fields, and how odd values are read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Text = str | None
Whole = int | None
# Ids that stand in lists stay text until they are asked for: most never are.
IdText = Annotated[str, msgspec.Meta(extra={"is": "an id"})]
IdTexts = tuple[IdText, ...] | None
TextItems = tuple[str, ...] | None

CDN = "https://cdn.discordapp.com"


class UserCache(Protocol):
    """A Discord client, or whatever else knows users by their id."""

    def get_user(self, id: int, /) -> Any: ...


def aware(text: str | None) -> datetime | None:
    """The moment that an ISO 8601 text names, or None where it names none.

    A text without an offset from UTC names no moment, and is None too: no value is invented.
    """
    if not text:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):  # half of a character is no date
        return None
    return moment if moment.tzinfo is not None else None


def digits(text: str | int | None) -> int | None:
    """The number that a text of digits is, or None where it is no id; a number is what it is."""
    if isinstance(text, str):
        if not (len(text) < 20 and text.isdigit() and text.isascii()):
            return None
        text = int(text)
    return text if text is not None and 0 < text < 2**63 else None


def avatar_url(user_id: int, avatar: str | None, discriminator: str | None) -> str:
    """Where a user's avatar lies: at the URL that was given, or on Discord's CDN.

    Without one it is the default that Discord shows: by discriminator for the names that still
    have one (`#0001` and `0001` are the same), by id for all others.
    """
    if avatar:
        if avatar.startswith(("https://", "http://")):
            return avatar
        return f"{CDN}/avatars/{user_id}/{avatar}.{'gif' if avatar.startswith('a_') else 'png'}"
    number = digits((discriminator or "").lstrip("#")) or 0
    return f"{CDN}/embed/avatars/{number % 5 if number else (user_id >> 22) % 6}.png"


def short_repr(model: object, *names: str) -> str:
    """`Model(id=1, ...)` with the attributes that tell one from another; None is left out."""
    shown = [(name, getattr(model, name)) for name in names]
    inside = ", ".join(f"{name}={value!r}" for name, value in shown if value is not None)
    return f"{type(model).__name__}({inside})"
