"""What the state machines share: a loop whose clock stands, and the books of a server's windows."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings

from rx_toppy import RateLimit, Ratelimited
from rx_toppy.api.rate_limits import GIVEN_UP, LONGEST_BLOCK

# For a machine that takes its time, and on one that does.
unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck))


class _NoWaiting(selectors.DefaultSelector):
    """Lets the clock jump to the next timer."""

    loop: StillLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "all wait, and nothing will ever happen"
            self.loop.now += max(timeout, 0.0)
        return ready


class StillLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands unless it is told to sleep; for what needs no sockets.

    (`tests.virtual` gives bytes on the wire real time to arrive, at each timer. Here are none.)
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)
        self.set_debug(True)

    def time(self) -> float:
        return self.now


@dataclass(eq=False)
class Asked:
    """Somebody who wants to send; times are the server's.

    Attributes:
        state: "new" until it has asked, then "waits"; "flies", "ended" and "unsent" after that.
        since: When it asked.
        last: The latest moment at which the server may have counted it, once it has ended.
        is_leaving: Whether it was cancelled, and will notice.
        is_hopeless: Whether it may not wait as long as it would have to: it is to be told at once.
    """

    number: int
    path: str
    patient: bool = False
    state: str = "new"
    since: float = 0.0
    began: float = 0.0
    last: float = 0.0
    is_leaving: bool = False
    is_hopeless: bool = False

    def __repr__(self) -> str:
        return f"<{self.number}: {self.path} {self.state} since {self.since}>"


class Books:
    """Who has sent when, as the contract has it: what must be true of a limiter, whatever it does.

    A send is counted at some moment between its beginning and its end, which is the worst one; one
    that nobody waits for any more, up to `GIVEN_UP` seconds after it began. So a send holds a place
    in all windows that its path is in from its beginning until `per` seconds after that.
    """

    def __init__(self, limits: Sequence[RateLimit], max_wait: float | None) -> None:
        self.limits = limits
        self.max_wait = float("inf") if max_wait is None else max_wait
        self.blocked_until = float("-inf")
        self.all: list[Asked] = []
        self._fresh: list[Asked] = []

    def of(self, state: str) -> list[Asked]:
        """All who are in a state, in order of arrival."""
        return [one for one in self.all if one.state == state]

    # --- what happens ---

    def asks(self, one: Asked, now: float) -> None:
        """Somebody asks for a place. Who asked before comes before."""
        one.state, one.since = "waits", now
        self.all.remove(one)
        self.all.append(one)
        like = [o for o in self._before(one) if self._is_like(o, one) and not o.is_leaving]
        # Foreseen is what each window by itself, or the block, makes of it; not what they do
        # together.
        waits = [self._turn(one, like, now, [limit], now) for limit in self._limits_of(one.path)]
        at_best = max([self.blocked_until, *waits])
        one.is_hopeless = not one.patient and at_best > now + self.max_wait

    def begins(self, one: Asked, now: float) -> None:
        """A send begins: there must be room, and it must be its turn."""
        assert now >= self.blocked_until, f"{one} is sent while all is blocked"
        for limit in self._limits_of(one.path):
            assert self._held(limit, now) < limit.calls, f"{one} is one too many for {limit}"
        for other in self._before(one):
            is_like = self._limits_of(other.path) == self._limits_of(one.path)
            assert other.is_leaving or not is_like, f"{one} is sent before {other}"
        one.state, one.began = "flies", now
        self._fresh.append(one)

    def ends(self, one: Asked, now: float, *, answered: bool) -> None:
        """A send is over."""
        one.state = "ended"
        one.last = now if answered else max(now, one.began + GIVEN_UP)

    def leaves(self, one: Asked) -> None:
        """Somebody does not send after all."""
        one.state = "unsent"

    def refused(self, one: Asked, error: Ratelimited, now: float) -> None:
        """Somebody is told that it takes too long: it must."""
        earliest = max(now, self.blocked_until)
        at_best = self._turn(one, self._before(one), now, self.limits, earliest)
        assert error.internal
        assert error.retry_after >= 0
        if now < one.since + self.max_wait or one.patient:
            until = max(self.blocked_until, now) if one.patient else at_best
            begun = now if one.patient else one.since
            assert until > begun + self.max_wait, f"{one} is refused, but may go at {until}"
            assert error.retry_after <= at_best - now
        self.leaves(one)

    def blocks(self, seconds: float, now: float) -> None:
        """A 429 has come."""
        until = now + min(seconds, LONGEST_BLOCK)
        self.blocked_until = max(self.blocked_until, until)

    # --- what must be true when all that is due has happened ---

    def check(self, now: float) -> None:
        """Nobody waits who may go, was overtaken, or should have been refused."""
        for one in self.of("waits"):
            assert not one.is_leaving, f"{one} was cancelled, and still waits"
            assert now < self.blocked_until or not self._has_room(one.path, now), f"{one} may go"
            self._check_not_overtaken(one, now)
            if one.patient:
                limit = self.max_wait
                assert not now + limit < self.blocked_until, f"{one} is to wait for a block"
            else:
                assert now < one.since + self.max_wait, f"{one} waits too long"
                assert not one.is_hopeless, f"{one} waits in vain"
        self._fresh.clear()

    def next_change(self, now: float) -> float:
        """When something is due that time alone brings about; infinite where nothing is."""
        return min((at for at in self._changes() if at > now), default=float("inf"))

    # --- inside ---

    def _limits_of(self, path: str) -> list[RateLimit]:
        return [limit for limit in self.limits if path.startswith(limit.prefix)]

    def _is_like(self, one: Asked, other: Asked) -> bool:
        return self._limits_of(one.path) == self._limits_of(other.path)

    def _before(self, one: Asked) -> list[Asked]:
        waiting = self.of("waits")
        return waiting[: waiting.index(one)]

    def _held(self, limit: RateLimit, at: float, without: Iterable[Asked] = ()) -> int:
        return sum(
            one.state == "flies" or (one.state == "ended" and one.last + limit.per > at)
            for one in self.all
            if one.path.startswith(limit.prefix) and one not in without
        )

    def _has_room(self, path: str, at: float, without: Iterable[Asked] = ()) -> bool:
        return all(self._held(limit, at, without) < limit.calls for limit in self._limits_of(path))

    def _check_not_overtaken(self, one: Asked, now: float) -> None:
        later = [other for other in self._fresh if self.all.index(other) > self.all.index(one)]
        if later and now >= self.blocked_until:
            assert not self._has_room(one.path, now, later), f"{one} was overtaken by {later}"

    def _changes(self) -> Iterator[float]:
        yield self.blocked_until
        for one in self.all:
            if one.state == "ended":
                yield from (one.last + limit.per for limit in self._limits_of(one.path))
            elif one.state == "waits" and not one.patient:
                yield one.since + self.max_wait

    def _turn(
        self,
        one: Asked,
        before: list[Asked],
        now: float,
        limits: Sequence[RateLimit],
        start: float,
    ) -> float:
        """When it is somebody's turn at the best: what flies ends now, who is before ends at once.

        From `start` on, the longest waiter for whom there is room goes first.
        """
        sent = [(o.path, now if o.state == "flies" else o.last) for o in self.all if _was_sent(o)]
        queue = [*before, one]
        while True:
            turns = [max([start, *_frees(other.path, sent, limits)]) for other in queue]
            start = min(turns)
            lucky = queue.pop(turns.index(start))
            if lucky is one:
                return start
            sent.append((lucky.path, start))


def _frees(
    path: str, sent: list[tuple[str, float]], limits: Sequence[RateLimit]
) -> Iterator[float]:
    """When there is room in each window of a path."""
    for limit in limits:
        if path.startswith(limit.prefix):
            ends = sorted((end for p, end in sent if p.startswith(limit.prefix)), reverse=True)
            if len(ends) >= limit.calls:
                yield ends[limit.calls - 1] + limit.per


def _was_sent(one: Asked) -> bool:
    return one.state in ("flies", "ended")
