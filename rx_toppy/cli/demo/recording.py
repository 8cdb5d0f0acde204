"""What is written as JSON of the events of the demo."""

from __future__ import annotations

from ..live.recording import Fields, recorded
from .pipelines import Growth, NoPage, Spent, Started, Top


@recorded.register
def _(event: Started) -> tuple[str, Fields]:
    return "sandbox", {"base_url": event.url}


@recorded.register
def _(event: Growth) -> tuple[str, Fields]:
    return "growth", {"servers": event.servers}


@recorded.register
def _(event: Spent) -> tuple[str, Fields]:
    return "spent", {"routes": dict(event.routes)}


@recorded.register
def _(event: NoPage) -> tuple[str, Fields]:
    return "no_page", {"id": str(event.id), "error": str(event.error)}


@recorded.register
def _(event: Top) -> tuple[str, Fields]:
    bots = (
        {"id": str(bot.id), "username": bot.username, "monthly_votes": bot.monthly_votes}
        for bot in event.bots
    )
    return "top", {"bots": list(bots)}
