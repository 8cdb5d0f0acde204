"""What is written as JSON of the events of a demo that is one process of a cluster."""

from __future__ import annotations

from ...live.recording import Fields, recorded
from .events import Away, Hosts, Joined, Left, Met, Missing, Posts, Total


@recorded.register
def _(event: Joined) -> tuple[str, Fields]:
    return "joined", {
        "terminal": event.number,
        "shards": list(event.shards),
        "redis": event.redis,
    }


@recorded.register
def _(event: Met) -> tuple[str, Fields]:
    return "terminals", {
        "terminals": [
            {"terminal": one.number, "shards": list(one.shards)} for one in event.terminals
        ]
    }


@recorded.register
def _(event: Hosts) -> tuple[str, Fields]:
    return "sandbox", {
        "terminal": event.number,
        "is_here": event.is_here,
        "base_url": event.url,
    }


@recorded.register
def _(event: Posts) -> tuple[str, Fields]:
    return "posts", {"terminal": event.number, "is_here": event.is_here}


@recorded.register
def _(event: Missing) -> tuple[str, Fields]:
    return "missing", {"shards": list(event.shards), "is_waiting": event.is_waiting}


@recorded.register
def _(event: Total) -> tuple[str, Fields]:
    own = {str(shard): servers for shard, servers in event.own.items()}
    return "total", {"servers": event.servers, "own": own}


@recorded.register
def _(event: Left) -> tuple[str, Fields]:
    return "left", {"calls": event.calls, "limit": event.limit, "processes": event.processes}


@recorded.register
def _(event: Away) -> tuple[str, Fields]:
    return "redis", {"is_away": event.is_away, "processes": event.processes}
