"""What is told of the events of a demo that is one process of a cluster, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ...live.telling import told
from ...text import counted
from .events import Away, Hosts, Joined, Left, Met, Missing, Posts, Total
from .session import Terminal
from .standing import DROP_AFTER


def shards(ids: Sequence[int]) -> str:
    """Shards by their names."""
    return f"shard{'' if len(ids) == 1 else 's'} {', '.join(map(str, ids))}"


def named(terminal: Terminal) -> str:
    """A terminal, and what it has."""
    return f"{terminal.number} ({shards(terminal.shards) if terminal.shards else 'only reads'})"


@told.register
def _(event: Joined) -> tuple[str, str]:
    part = shards(event.shards) if event.shards else "it only reads: all shards are taken"
    return "joined", f"this is terminal {event.number} of those at {event.redis}: {part}"


@told.register
def _(event: Met) -> tuple[str, str]:
    several = len(event.terminals) != 1
    return "met", f"terminal{'s' * several} {', '.join(map(named, event.terminals))}"


@told.register
def _(event: Hosts) -> tuple[str, str]:
    where = "this terminal" if event.is_here else f"terminal {event.number}"
    return "sandbox", f"listens at {event.url}, in {where}"


@told.register
def _(event: Posts) -> tuple[str, str]:
    if event.number is None:
        return "leader", "nobody posts at the moment"
    who = "this terminal" if event.is_here else f"terminal {event.number}"
    return "leader", f"{who} posts for all"


@told.register
def _(event: Missing) -> tuple[str, str]:
    if not event.shards:
        return "shards", "all shards have a terminal"
    if event.is_waiting:
        return "waits", (
            f"for the {shards(event.shards)}, {DROP_AFTER:.0f} s at the most: "
            "start a second terminal with the same command"
        )
    return "shards", (
        f"no terminal has the {shards(event.shards)}; "
        f"after {DROP_AFTER:.0f} s the total leaves them out"
    )


@told.register
def _(event: Total) -> tuple[str, str]:
    own = f", {sum(event.own.values()):,} of them here" if event.own else ""
    return "total", f"{counted(event.servers, 'server')}{own}"


@told.register
def _(event: Left) -> tuple[str, str]:
    among = "1 process" if event.processes == 1 else f"{event.processes} processes"
    return "budget", f"{event.calls} of {event.limit} requests a minute left for {among} together"


@told.register
def _(event: Away) -> tuple[str, str]:
    if not event.is_away:
        return "redis", "is back: all is shared again"
    share = f"its share of the limits, one of {event.processes}"
    return "redis", f"is away: this terminal goes on with {share}, and nobody posts"
