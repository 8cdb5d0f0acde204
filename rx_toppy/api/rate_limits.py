"""An exact rate limiter: no window of the server's holds more sends than its limit.

The theory. A send that leaves here at time `s` and is answered at `e` was counted by the server at
some time in between; which, nobody here can know, for latency differs from send to send. So a send
holds its place from the moment it leaves until `per` seconds after it *ended*. A later send that
takes the same place leaves at `e + per` at the earliest and is counted later still: the two are
never in one window of `per` seconds. Per window that is one line::

    in flight  +  ended less than `per` ago  <  calls

(Counting from the moment of sending lets two sends meet when the first one is slow; a leaky bucket
lets twice its limit through in its first window. On top.gg either costs the token an hour.)

A send that was given up unanswered (cancelled, timed out) may still be under way. It counts as
ended no sooner than a moment after it left: see `GIVEN_UP`.

Nothing here waits or reads a clock. `Limiter` is told the time; `rate_limiter` does the waiting.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from ..arguments import Seconds, count, seconds

# A send that nobody waits for any more is believed to arrive within this many seconds of leaving.
GIVEN_UP = 1.0

# No block is believed to last longer than a day, whatever a 429 says.
LONGEST_BLOCK = 86_400.0


class RateLimit(msgspec.Struct, frozen=True):
    """At most `calls` requests in any `per` seconds, to paths that start with `prefix`.

    Args:
        calls: How many requests, at least 1.
        per: The window's length, in seconds or as a `timedelta`.
        prefix: Which paths it is about, matched against the path after `base_url`; all by default.

    Example:
        >>> TopGG(bot, token=token, rate_limits=[RateLimit(30, per=60, prefix="/bots")])
    """

    calls: int
    per: Seconds
    prefix: str = ""

    def __post_init__(self) -> None:
        count(self.calls, "RateLimit(calls=...)", least=1)
        per = seconds(self.per, "RateLimit(per=...)")
        msgspec.structs.force_setattr(self, "per", per)
        if not isinstance(self.prefix, str):
            raise TypeError(f"RateLimit(prefix=...) takes text, not {type(self.prefix).__name__}")


DEFAULT_RATE_LIMITS: tuple[RateLimit, ...] = (
    RateLimit(100, per=1.0),
    RateLimit(60, per=60.0, prefix="/bots"),
)
"""top.gg's own: 100 requests a second over all routes, 60 a minute over `/bots*`.

The token's budget is shared by every process that uses it: give each its part where there are more.
"""


def checked_limits(limits: Any) -> tuple[RateLimit, ...]:
    """Rate limits."""
    if isinstance(limits, RateLimit) or not isinstance(limits, Sequence):
        raise TypeError("rate_limits takes a sequence of RateLimit, () for none")
    for limit in limits:
        if not isinstance(limit, RateLimit):
            raise TypeError(f"rate_limits takes RateLimit after RateLimit, not {limit!r}")
    return tuple(limits)


class Budget(msgspec.Struct, frozen=True):
    """What is left of a limit at some moment.

    Attributes:
        limit: The limit.
        left: How many requests may leave at that very moment.
        free_in: Seconds until one may, 0 where some are left; None where all places are in flight,
            so that the first answer decides.
    """

    limit: RateLimit
    left: int
    free_in: float | None


class Window:
    """One limit's places: how many are in flight, and when the others ended."""

    __slots__ = ("calls", "ended", "in_flight", "per", "prefix")

    def __init__(self, limit: RateLimit) -> None:
        self.calls = limit.calls
        self.per = float(limit.per)  # type: ignore[arg-type]  # __post_init__ made it a float
        self.prefix = limit.prefix
        self.in_flight = 0
        self.ended: deque[float] = deque()

    def room(self, now: float) -> bool:
        """Whether a send may leave now, as far as this limit is concerned."""
        ended = self.ended
        while ended and ended[0] + self.per <= now:
            ended.popleft()
        return self.in_flight + len(ended) < self.calls

    def end(self, at: float) -> None:
        """A send in flight ended at `at`."""
        self.in_flight -= 1
        if self.ended and at < self.ended[-1]:
            insort(self.ended, at)
        else:
            self.ended.append(at)

    def left(self, now: float) -> tuple[int, float | None]:
        """How many sends may leave now, and in how many seconds the next one may: see `Budget`.

        It changes nothing, so that any thread may ask.
        """
        held = [at + self.per for at in tuple(self.ended) if at + self.per > now]
        left = max(0, self.calls - self.in_flight - len(held))
        if left:
            return left, 0.0
        return 0, held[0] - now if held else None

    def free_at(self, now: float, ahead: int = 0) -> float:
        """The earliest time at which a place is free for a send with `ahead` others before it.

        Those in flight are taken to end now, so it is never later than what really comes.
        """
        if self.room(now) and self.in_flight + len(self.ended) + ahead < self.calls:
            return now
        places = [now] * (self.calls - self.in_flight - len(self.ended))
        places += [at + self.per for at in self.ended]
        places += [now + self.per] * self.in_flight
        turns, place = divmod(ahead, self.calls)
        return sorted(places)[place] + turns * self.per


class Lane:
    """Those who need the same windows; they go in the order in which they came."""

    __slots__ = ("_limiter", "length", "waiting", "windows")

    def __init__(self, limiter: Limiter, windows: tuple[Window, ...]) -> None:
        self.windows = windows
        self.waiting: deque[Ticket] = deque()
        self.length = 0
        self._limiter = limiter

    def room(self, now: float) -> bool:
        for window in self.windows:  # noqa: SIM110 - a generator would double what a send costs
            if not window.room(now):
                return False
        return True

    def grow(self, by: int) -> None:
        """So many more wait here."""
        self.length += by
        self._limiter.waiters += by
        if not self.length:
            self.waiting.clear()  # of those who have left, behind the last one whose turn came

    def leave(self, ticket: Ticket) -> None:
        """One who waited does not any more. (During a block nobody's turn comes to notice.)"""
        ticket.left = True
        self.grow(-1)
        if len(self.waiting) > 2 * self.length:
            self.waiting = deque([one for one in self.waiting if not one.left])

    def count_before(self, ticket: Ticket, *, is_last: bool) -> int:
        """How many wait here that came before `ticket` (all others, if it came last of all)."""
        if is_last:
            return self.length - (ticket.lane is self)
        return sum(1 for t in self.waiting if not t.left and t.number < ticket.number)

    def head(self) -> Ticket | None:
        """Who is next."""
        waiting = self.waiting
        while waiting and waiting[0].left:
            waiting.popleft()
        return waiting[0] if waiting else None


class Ticket(msgspec.Struct, eq=False):
    """One send's place: waiting in its lane, or under way in its windows."""

    lane: Lane
    number: int
    waiter: Any = None
    granted: bool = False
    left: bool = False
    started: float = 0.0


class Limiter:
    """All windows of one client, and who waits for them (`waiters`: how many).

    Calls wait in order of arrival, but only behind those that need the same full window: the paths
    that a prefix covers form a lane, and among the lanes that have room the longest waiter goes
    first. A prefix's paths need every window of a shorter prefix too, so whoever is first in a lane
    keeps its turn until all its windows have room: nobody starves.

    Example:
        >>> limiter = Limiter([RateLimit(1, per=60)])
        >>> first, second = limiter.ask("/bots/1", 0.0), limiter.ask("/bots/2", 0.0)
        >>> limiter.end(first, 0.5)
        >>> limiter.due(60.5) == [second]
        True
    """

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        self._limits = tuple(limits)
        self._windows = tuple(Window(limit) for limit in limits)
        self._lanes: dict[tuple[bool, ...], Lane] = {}
        self._asked = 0
        self.waiters = 0
        self.blocked_until = float("-inf")

    def ask(self, path: str, now: float, waiter: Any = None) -> Ticket:
        """A place for a send to `path`: granted at once when there is room and nobody waits.

        A ticket that was not granted waits, and `due` is worth asking: this one may be among those
        that it names. `waiter` is the caller's own: `ticket.waiter` is how it is found again.
        """
        key = tuple([path.startswith(window.prefix) for window in self._windows])
        lane = self._lanes.get(key)
        if lane is None:
            wanted = tuple(w for w, is_wanted in zip(self._windows, key, strict=True) if is_wanted)
            lane = self._lanes[key] = Lane(self, wanted)
        self._asked += 1
        ticket = Ticket(lane, self._asked, waiter)
        if not self.waiters and now >= self.blocked_until and lane.room(now):
            self._grant(ticket, now)
        else:
            lane.waiting.append(ticket)
            lane.grow(1)
        return ticket

    def due(self, now: float) -> list[Ticket]:
        """Who may go now, in order; each of them is under way from here on."""
        granted: list[Ticket] = []
        while self.waiters and now >= self.blocked_until:
            heads = [lane.head() for lane in self._lanes.values() if lane.length and lane.room(now)]
            first = min((t for t in heads if t is not None), key=lambda t: t.number, default=None)
            if first is None:
                break
            first.lane.waiting.popleft()
            first.lane.grow(-1)
            self._grant(first, now)
            granted.append(first)
        return granted

    def next_due(self, now: float) -> float | None:
        """When `due` is worth asking again; None when nobody waits, or only an `end` can help."""
        times = [
            max((w.free_at(now) for w in lane.windows), default=now)
            for lane in self._lanes.values()
            if lane.length and all(w.in_flight < w.calls for w in lane.windows)
        ]
        return max(min(times), self.blocked_until) if times else None

    def end(self, ticket: Ticket, now: float, *, answered: bool = True) -> None:
        """The send is over: its place is free `per` seconds from now.

        One that was given up (`answered=False`) may still be on its way to the server, and ends
        `GIVEN_UP` seconds after it left at the earliest.
        """
        at = now if answered else max(now, ticket.started + GIVEN_UP)
        for window in ticket.lane.windows:
            window.end(at)

    def leave(self, ticket: Ticket) -> None:
        """Gives a place back, unused: of one who waits, or of one that never got to send."""
        if ticket.granted:
            for window in ticket.lane.windows:
                window.in_flight -= 1
        elif not ticket.left:
            ticket.lane.leave(ticket)

    def wait(self, ticket: Ticket, now: float) -> float:
        """The least number of seconds that a ticket still waits, as things stand.

        Before it go those who came first and wait for nothing that it does not need as well.
        """
        mine = set(ticket.lane.windows)
        before = [lane for lane in self._lanes.values() if mine.issuperset(lane.windows)]
        at = max(now, self.blocked_until)
        for window in ticket.lane.windows:
            ahead = sum(
                lane.count_before(ticket, is_last=ticket.number == self._asked)
                for lane in before
                if window in lane.windows
            )
            at = max(at, window.free_at(now, ahead))
        return at - now

    def waiting(self) -> list[Ticket]:
        """All who wait, in order of arrival."""
        tickets = [t for lane in self._lanes.values() for t in lane.waiting if not t.left]
        return sorted(tickets, key=lambda ticket: ticket.number)

    def budgets(self, now: float) -> list[Budget]:
        """What is left of each limit; a 429's block is another matter: `blocked_until`."""
        windows = zip(self._limits, self._windows, strict=True)
        return [Budget(limit, *window.left(now)) for limit, window in windows]

    def block(self, until: float, now: float) -> None:
        """top.gg said 429: nothing goes out before `until` (a day from now at the most)."""
        self.blocked_until = max(self.blocked_until, min(until, now + LONGEST_BLOCK))

    def moved(self, by: float, now: float) -> Limiter:
        """The same on another clock: a limiter with all times moved, and nobody waiting.

        For a client whose loop has gone, and with it whoever waited or was in flight. Their sends
        count as ended `now`, in the new clock's time.
        """
        other = Limiter(self._limits)
        other.blocked_until = self.blocked_until + by
        for old, new in zip(self._windows, other._windows, strict=True):
            new.ended.extend(sorted([at + by for at in old.ended] + [now] * old.in_flight))
        return other

    def _grant(self, ticket: Ticket, now: float) -> None:
        ticket.granted = True
        ticket.started = now
        for window in ticket.lane.windows:
            window.in_flight += 1
