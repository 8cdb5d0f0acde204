"""What is told of an event, in words. Whoever has events of their own registers them."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ...events import AutopostFailed, PollFailed, RequestEvent
from ..text import counted
from .finding import Page, Voted, route_of


@singledispatch
def told(event: Any) -> tuple[str, str]:
    """An event's kind and what it says, in ASCII as far as that is up to us."""
    return type(event).__name__.lower(), ""


@told.register
def _(event: RequestEvent) -> tuple[str, str]:
    status = "---" if event.status is None else event.status
    return "request", f"{route_of(event):<22}  {status}  {1000 * event.elapsed:5.1f} ms"


@told.register
def _(event: AutopostFailed | PollFailed) -> tuple[str, str]:
    return "failed", f"{event.error}; again in {event.retry_in:.0f} s"


@told.register
def _(event: Voted) -> tuple[str, str]:
    return "vote", event.name + (f": {event.about}" if event.about else "")


@told.register
def _(event: Page) -> tuple[str, str]:
    votes = counted(event.bot.monthly_votes or 0, "vote")
    return "page", f"{event.bot.username} has {votes} this month"
