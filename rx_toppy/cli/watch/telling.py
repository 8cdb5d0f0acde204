"""What is told of what was found, in words."""

from __future__ import annotations

from ..live.board import BUDGET
from ..live.finding import name_of
from ..live.telling import told
from ..text import counted
from .pipelines import Budget, OwnPage, Stats, Voters, Watching

NAMED = 3


@told.register
def _(event: Watching) -> tuple[str, str]:
    return "watch", f"bot {event.id} at {event.url}, every {event.every:g} s"


@told.register
def _(event: Stats) -> tuple[str, str]:
    stats = event.stats
    if stats.server_count is None:
        return "stats", "no servers posted yet"
    shards = f" on {counted(stats.shard_count, 'shard')}" if stats.shard_count else ""
    return "stats", counted(stats.server_count, "server") + shards


@told.register
def _(event: OwnPage) -> tuple[str, str]:
    bot = event.bot
    month, ever = counted(bot.monthly_votes or 0, "vote"), bot.all_time_votes or 0
    return "page", f"{bot.username or bot.id} has {month} this month, {ever:,} in all"


@told.register
def _(event: Voters) -> tuple[str, str]:
    names = ", ".join(name_of(voter) for voter in event.voters[:NAMED])
    known = counted(len(event.voters), "voter")
    return "voters", f"{known} so far{', the newest: ' if names else ''}{names}"


@told.register
def _(event: Budget) -> tuple[str, str]:
    return "budget", f"{event.spent} of {BUDGET.calls} requests a minute"
