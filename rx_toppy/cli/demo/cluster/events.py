"""What happens in a terminal of the demo that is one process of a cluster."""

from __future__ import annotations

from ....events import Event
from .session import Terminal


class Joined(Event, frozen=True):
    """This terminal takes part."""

    number: int
    shards: tuple[int, ...]
    redis: str


class Met(Event, frozen=True):
    """Which terminals there are."""

    terminals: tuple[Terminal, ...]


class Hosts(Event, frozen=True):
    """Which terminal the local top.gg runs in."""

    number: int
    is_here: bool
    url: str


class Posts(Event, frozen=True):
    """Which terminal posts for all, None while there is none."""

    number: int | None
    is_here: bool


class Missing(Event, frozen=True):
    """Which shards no terminal has, and whether the total is not known for that."""

    shards: tuple[int, ...]
    is_waiting: bool


class Total(Event, frozen=True):
    """The servers of all terminals, and those of this one by shard."""

    servers: int
    own: dict[int, int]


class Left(Event, frozen=True):
    """How many requests are left of the minute's, for all processes together."""

    calls: int
    limit: int
    processes: int


class Away(Event, frozen=True):
    """Redis is away, or back."""

    is_away: bool
    processes: int
