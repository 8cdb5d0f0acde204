"""What is told of an event, in words."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ..events import AutopostEvent, AutopostFailed, PostEvent, RequestEvent
from .pipelines import POST_EVERY, Growth, NoPage, Page, Spent, Started, Top, Voted, route_of

__all__ = ["counted", "told"]


@singledispatch
def told(event: Any) -> tuple[str, str]:
    """An event's kind and what it says, in ASCII as far as that is up to us."""
    return type(event).__name__.lower(), ""


@told.register
def _(event: Started) -> tuple[str, str]:
    return "sandbox", f"listens at {event.url}"


@told.register
def _(event: RequestEvent) -> tuple[str, str]:
    status = "---" if event.status is None else event.status
    return "request", f"{route_of(event):<22}  {status}  {1000 * event.elapsed:5.1f} ms"


@told.register
def _(event: PostEvent) -> tuple[str, str]:
    return "post", counted(int(event.stats), "server")


@told.register
def _(_event: AutopostEvent) -> tuple[str, str]:
    return "autopost", f"done; the next post is due in {POST_EVERY:g} s"


@told.register
def _(event: AutopostFailed) -> tuple[str, str]:
    return "failed", f"{event.error}; again in {event.retry_in:.0f} s"


@told.register
def _(event: Growth) -> tuple[str, str]:
    return "growth", f"{counted(event.servers, 'server', '+,')} since the last post"


@told.register
def _(event: Spent) -> tuple[str, str]:
    shares = ", ".join(f"{count} {route}" for route, count in event.routes.most_common())
    return "spent", shares


@told.register
def _(event: Voted) -> tuple[str, str]:
    return "vote", event.name + (f": {event.bio}" if event.bio else "")


@told.register
def _(event: Page) -> tuple[str, str]:
    return "page", f"{event.bot.username} has {event.bot.monthly_votes or 0:,} votes this month"


@told.register
def _(event: NoPage) -> tuple[str, str]:
    return "no page", f"{type(event.error).__name__} {event.id}; the stream goes on"


@told.register
def _(event: Top) -> tuple[str, str]:
    return "top", ", ".join(f"{bot.username} {bot.monthly_votes or 0:,}" for bot in event.bots[:4])


def counted(number: int, what: str, form: str = ",") -> str:
    """As in "1 server" and "2 servers"."""
    return f"{number:{form}} {what}{'' if abs(number) == 1 else 's'}"
