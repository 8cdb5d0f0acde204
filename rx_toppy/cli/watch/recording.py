"""What is written as JSON of what was found."""

from __future__ import annotations

from ..live.board import BUDGET
from ..live.recording import Fields, recorded
from .pipelines import Budget, Stats, Voters, Watching


@recorded.register
def _(event: Watching) -> tuple[str, Fields]:
    return "watch", {"id": str(event.id), "url": event.url, "every": event.every}


@recorded.register
def _(event: Stats) -> tuple[str, Fields]:
    stats = event.stats
    return "stats", {"server_count": stats.server_count, "shard_count": stats.shard_count}


@recorded.register
def _(event: Voters) -> tuple[str, Fields]:
    voters = [{"user_id": str(voter.id), "name": voter.username} for voter in event.voters]
    return "voters", {"voters": voters}


@recorded.register
def _(event: Budget) -> tuple[str, Fields]:
    return "budget", {"spent": event.spent, "calls": BUDGET.calls}
