"""The events as JSON, for other programs. Whoever has events of their own registers them."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ...events import AutopostEvent, AutopostFailed, Event, PollFailed, PostEvent, RequestEvent
from ..records import json_line, time
from ..text import write
from .finding import Page, Voted
from .lines import Lines

Fields = dict[str, object]


class Objects(Lines):
    """A JSON object for each event, on a line of its own: `at`, `event`, and what it tells."""

    def show(self, event: Event) -> None:
        """Writes the event's object, at once."""
        kind, fields = recorded(event)
        line = json_line({"at": time(event.at), "event": kind, **fields}, self._out.encoding)
        write(self._out, line)


@singledispatch
def recorded(event: Any) -> tuple[str, Fields]:
    """An event's kind and its fields."""
    return type(event).__name__.lower(), {}


@recorded.register
def _(event: RequestEvent) -> tuple[str, Fields]:
    return "request", {
        "method": event.method,
        "url": event.url,
        "route": event.route,
        "status": event.status,
        "elapsed": event.elapsed,
        "attempt": event.attempt,
        "error": None if event.error is None else str(event.error),
    }


@recorded.register
def _(event: AutopostFailed | PollFailed) -> tuple[str, Fields]:
    return "failed", {"error": str(event.error), "retry_in": event.retry_in}


@recorded.register
def _(event: PostEvent) -> tuple[str, Fields]:
    return "post", {**event.stats.to_dict()}


@recorded.register
def _(event: AutopostEvent) -> tuple[str, Fields]:
    return "autopost", {**event.stats.to_dict()}


@recorded.register
def _(event: Voted) -> tuple[str, Fields]:
    return "vote", {"user_id": None if event.id is None else str(event.id), "name": event.name}


@recorded.register
def _(event: Page) -> tuple[str, Fields]:
    bot = event.bot
    return "page", {
        "id": str(bot.id),
        "username": bot.username,
        "monthly_votes": bot.monthly_votes,
        "all_time_votes": bot.all_time_votes,
    }
