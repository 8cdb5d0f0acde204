"""Who waits for a place in the shared budget, lane by lane: those who need the same windows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

import msgspec

from ..api.rate_limiter import Waiter
from .offline_share import Share

Lane = tuple[int, ...]
"""The windows that a path is counted in, by their places among the limits."""


class Place(msgspec.Struct, eq=False):
    """One send's place in the windows that its path is counted in.

    Attributes:
        id: What Redis knows it by.
        windows: Its lane.
        asked_at: When it was asked for, in the loop's time.
        share: What it was taken from, where it is not Redis that gave it.
        started: When the send left.
    """

    id: str
    windows: Lane
    asked_at: float
    share: Share | None = None
    started: float = 0.0


class Asker(msgspec.Struct, eq=False):
    """Somebody who waits for a place, and for how long they may."""

    waiter: Waiter
    max_wait: float
    place: Place | None = None

    @property
    def until(self) -> float:
        """When waiting for windows is over."""
        return float("inf") if self.waiter.patient else self.waiter.since + self.max_wait

    def may_wait_for(self, block_until: float, now: float) -> bool:
        """Whether they may wait until a block has passed."""
        since = now if self.waiter.patient else self.waiter.since
        return block_until <= since + self.max_wait


class Lanes:
    """All who wait, in order of arrival."""

    def __init__(self) -> None:
        self._askers: dict[Lane, deque[Asker]] = {}
        self._free_at: dict[Lane, float] = {}

    def join(self, lane: Lane, asker: Asker) -> None:
        """One more waits."""
        self._askers.setdefault(lane, deque()).append(asker)

    def leave(self, lane: Lane, asker: Asker) -> None:
        """One waits no longer, if they still did."""
        askers = self._askers.get(lane, deque())
        if asker in askers:
            askers.remove(asker)

    def waiting(self) -> Iterator[tuple[Lane, deque[Asker]]]:
        """The lanes in which somebody waits."""
        for lane, askers in list(self._askers.items()):
            if askers:
                yield lane, askers
            else:
                del self._askers[lane]

    def count(self, lane: Lane) -> int:
        """How many wait there."""
        return len(self._askers.get(lane, ()))

    def grant(self, place: Place) -> bool:
        """Gives a place to whoever has waited longest for one like it; False if nobody does."""
        askers = self._askers.get(place.windows, deque())
        while askers:
            asker = askers.popleft()
            if not asker.waiter.turn.done():
                asker.place = place
                asker.waiter.go()
                return True
        return False

    def hear(self, lane: Lane, wait: float, now: float) -> None:
        """There is no place for so many seconds: who would wait too long hears of it."""
        self._free_at[lane] = now + wait
        for asker in self._askers.get(lane, ()):
            if now + wait > asker.until:
                asker.waiter.refuse(wait)

    def heed(self, block_until: float, now: float) -> None:
        """All is forbidden until then: who would wait too long hears of it."""
        if block_until > now:
            for askers in self._askers.values():
                for asker in askers:
                    if not asker.may_wait_for(block_until, now):
                        asker.waiter.refuse(block_until - now)

    def expire(self, lane: Lane, asker: Asker, loop: asyncio.AbstractEventLoop) -> None:
        """Somebody has waited as long as they may."""
        asker.waiter.refuse(max(0.0, self._free_at.get(lane, 0.0) - loop.time()))

    def send_away(self) -> None:
        """Nobody gets a place any more: the client is closed."""
        for askers in self._askers.values():
            for asker in askers:
                asker.waiter.fail(asker.waiter.closed())
