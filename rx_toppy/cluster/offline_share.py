"""A process's share of the budget, for as long as Redis is away."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ..api.rate_limits import RateLimit, Window

Aside = tuple[int, int]
"""What Redis has put aside for a process in a window: at once, and when the window has emptied."""


class Share:
    """What one process may send without asking, so that all of them together keep the limits.

    At once that is what had been put aside for it out of what was free. When all that Redis granted
    before, to whomever, has left a window, it is the window's limit divided among the processes.

    Args:
        limits: The limits of the cluster.
        asides: What was put aside for this process, in the limits' order.
        members: How many processes there were.
        empty_at: When each window is empty of what Redis granted, in the loop's time.
    """

    def __init__(
        self,
        limits: Sequence[RateLimit],
        asides: Sequence[Aside],
        members: int,
        empty_at: Sequence[float],
    ) -> None:
        self._windows = [Window(limit) for limit in limits]
        self._later: list[tuple[int, float]] = []
        self._empty_at = list(empty_at)
        for window, (first, later) in zip(self._windows, asides, strict=True):
            # Where there are more processes than calls, each has one in a longer time.
            turns = 1 if later else ceil(max(members, window.calls) / window.calls)
            self._later.append((max(1, later), window.per * turns))
            window.calls = first

    def room(self, places: Sequence[int], now: float) -> bool:
        """Whether a send may leave now."""
        return all(self._window(place, now).room(now) for place in places)

    def wait(self, places: Sequence[int], now: float) -> float:
        """The least number of seconds until a send may leave."""
        return max((self._free_at(place, now) - now for place in places), default=0.0)

    def begin(self, places: Sequence[int]) -> None:
        """A send leaves."""
        for place in places:
            self._windows[place].in_flight += 1

    def end(self, places: Sequence[int], at: float) -> None:
        """A send ended."""
        for place in places:
            self._windows[place].end(at)

    def leave(self, places: Sequence[int]) -> None:
        """A send never left."""
        for place in places:
            self._windows[place].in_flight -= 1

    def _window(self, place: int, now: float) -> Window:
        window = self._windows[place]
        if now >= self._empty_at[place]:
            window.calls, window.per = self._later[place]
        return window

    def _free_at(self, place: int, now: float) -> float:
        window = self._window(place, now)
        if window.calls == 0:
            return self._empty_at[place]
        return window.free_at(now)
