"""What is told of the events of the demo, in words."""

from __future__ import annotations

from ...events import AutopostEvent, PostEvent
from ..live.telling import told
from ..text import counted
from .pipelines import POST_EVERY, Growth, NoPage, Spent, Started, Top


@told.register
def _(event: Started) -> tuple[str, str]:
    return "sandbox", f"listens at {event.url}"


@told.register
def _(event: PostEvent) -> tuple[str, str]:
    return "post", counted(int(event.stats), "server")


@told.register
def _(_event: AutopostEvent) -> tuple[str, str]:
    return "autopost", f"done; the next post is due in {POST_EVERY:g} s"


@told.register
def _(event: Growth) -> tuple[str, str]:
    return "growth", f"{counted(event.servers, 'server', '+,')} since the last post"


@told.register
def _(event: Spent) -> tuple[str, str]:
    shares = ", ".join(f"{count} {route}" for route, count in event.routes.most_common())
    return "spent", shares


@told.register
def _(event: NoPage) -> tuple[str, str]:
    return "no page", f"{type(event.error).__name__} {event.id}; the stream goes on"


@told.register
def _(event: Top) -> tuple[str, str]:
    return "top", ", ".join(f"{bot.username} {bot.monthly_votes or 0:,}" for bot in event.bots[:4])
