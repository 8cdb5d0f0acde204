"""What an item of a stream consists of, and what it is called in a few letters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..events import AutopostEvent, AutopostFailed, PollFailed, PostEvent, RequestEvent, VoteEvent
from ..models import Bot, BotStatsPayload, SimpleUser, User, Vote

FEW = 4  # items of a list whose labels make one

# What is worth a column, where there are more attributes than a page is wide.
SHORT: dict[type[Any], tuple[str, ...]] = {
    Bot: ("id", "username", "server_count", "monthly_votes", "all_time_votes", "certified"),
    RequestEvent: ("at", "method", "route", "status", "elapsed", "attempt", "error"),
    User: ("id", "name", "supporter", "certified", "admin", "bio"),
    Vote: ("at", "voter", "weight", "source", "is_test"),
}


def public_names(kind: type[Any]) -> list[str]:
    """The public attributes of a Struct: its fields, then its properties."""
    names = [name for name in kind.__struct_fields__ if not name.startswith("_")]
    for base in reversed(kind.__mro__):
        found = [name for name, value in vars(base).items() if isinstance(value, property)]
        names += [name for name in found if not name.startswith("_") and name not in names]
    return names


def fields_of(item: Any) -> dict[str, Any] | None:
    """The columns of an item: of a Struct, a dataclass, a mapping or a named tuple; or None."""
    kind = type(item)
    if isinstance(item, msgspec.Struct):
        names = SHORT.get(kind) or [name for name in kind.__struct_fields__ if name[0] != "_"]
        names = sorted(names, key=lambda name: name != "at")  # when comes before what
        return {name: getattr(item, name) for name in names}
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    if isinstance(item, Mapping):
        return {str(name): value for name, value in item.items()}
    if isinstance(item, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, item, strict=True))
    return None


def said(value: Any, name: str = "") -> str:
    """A value as a table says it: short, and None not at all."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return (
            f"{value:%H:%M:%S}.{value.microsecond // 1000:03}" if name == "at" else f"{value:%F %T}"
        )
    if isinstance(value, float):
        return f"{value * 1000:.1f} ms" if name == "elapsed" else f"{value:.6g}"
    if isinstance(value, BotStatsPayload):
        return f"{value.server_count:,} servers"
    if isinstance(value, Exception):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(said, value))
    return str(value)


def label_of(item: Any) -> str:
    """What stands in a marble: the status of a request, the number of a post, a name."""
    label = next((label for kind, label in LABELS.items() if isinstance(item, kind)), None)
    if label is not None:
        return label(item)
    if isinstance(item, (list, tuple)) and not hasattr(item, "_fields") and len(item) <= FEW:
        return " ".join(map(label_of, item)) or "[]"
    if isinstance(item, (list, tuple, set, frozenset, dict)):
        return f"{len(item)}×"
    return type(item).__name__


def _of_vote(vote: Vote) -> str:
    # Ids begin alike, and end as they please.
    return f"…{str(vote.voter_id)[-3:]}" if vote.voter_id else "vote"


LABELS: dict[Any, Callable[[Any], str]] = {
    RequestEvent: lambda event: str(event.status or type(event.error).__name__),
    PostEvent | AutopostEvent: lambda event: str(event.stats.server_count),
    BotStatsPayload: lambda stats: str(stats.server_count),
    AutopostFailed | PollFailed: lambda event: type(event.error).__name__,
    VoteEvent: lambda event: _of_vote(event.vote),
    Vote: _of_vote,
    Bot | SimpleUser: lambda who: who.username or str(who.id),
    User: lambda user: user.name or str(user.id),
    Exception: lambda error: type(error).__name__,
    float: lambda number: f"{number:.4g}",
    str | int | None: str,
}
