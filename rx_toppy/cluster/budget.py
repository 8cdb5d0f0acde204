"""The budget that all processes of a cluster share, as one of them sees it.

A place is asked for before each send and given back after it. All that is asked for and has ended
while Redis answers goes to it in the next turn, so that many calls share a round trip; and there is
a turn every second, by which Redis knows that this process is there.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import chain, count
from typing import Any

from ..api.rate_limiter import Waiter
from ..api.rate_limits import GIVEN_UP, RateLimit
from .connection import ANSWER, LONGEST, Link, RedisAway
from .offline_share import Aside, Share
from .wait_queues import Asker, Lane, Lanes, Place

log = logging.getLogger("rx_toppy.cluster")

# A process takes a turn so often, in seconds. One that has not for `PRESENT` is not counted as
# there; for `SILENCE`, Redis and it believe that the other is away.
BEAT = 1.0
PRESENT = 1.5
SILENCE = 3.0

# A place that was given this long ago is not used any more: the process stood still meanwhile.
STALE = 2.0

# When Redis is back, the others have this long to say what they have sent meanwhile.
SETTLING = 2.0

# What was put aside counts as wanted for this long after somebody else could have used it.
WANTED = 2.0
# When those who lack a place only because it is put aside ask again.
SOON = 0.2
SOONEST = 0.005

# How long what has ended is collected, and how many ask in one turn.
COLLECTING = 0.05
MOST_ASKED = 200

# Processes among which the budget is divided by one that never reached Redis.
UNKNOWN = 10


class SharedBudget:
    """What a process knows of the cluster's budget, and asks of it.

    Args:
        link: The way to Redis.
        key: Makes the name of a key.
        me: The name of this process, unlike all others'.
        limits: The limits, the same in all processes.
        timeout: Seconds that a send may take.
        drop_after: Seconds for which a process that is not heard of keeps its share.
        on_block: Is told of what others were forbidden: a route ("" for all), and seconds.
    """

    def __init__(
        self,
        link: Link,
        key: Callable[[str], str],
        me: str,
        limits: Sequence[RateLimit],
        *,
        timeout: float,
        drop_after: float,
        on_block: Callable[[str, float], None],
    ) -> None:
        self._link = link
        self._me = me
        self._limits = tuple(limits)
        self._drop_after = drop_after
        self._on_block = on_block
        windows = [f"{limit.calls}:{limit.per}:{limit.prefix}" for limit in limits]
        names = ("members", "aside", "sums", "queue", "leases", "blocks", "wanted", "serial")
        # Those that have other limits share the windows that are the same, and nothing else.
        group = sha256(" ".join(windows).encode()).hexdigest()[:8]
        self._keys = [key(f"{group}:{name}") for name in (*names, "peak", "turns")]
        self._keys[names.index("blocks")] = key("blocks")
        self._keys += [key(f"window:{window}") for window in windows]
        # How long a place is held that nobody gives back.
        self._holds = [STALE + timeout + GIVEN_UP + _per(limit) for limit in limits]
        self._numbers = count(1)
        self._members = 0
        self._turns = 0
        self._free: list[int] = [limit.calls for limit in limits]
        self._have: list[Aside] = [(0, 0)] * len(self._limits)
        self._blocked: dict[str, float] = {}
        self._begin()

    def _begin(self) -> None:
        """On a new loop: nobody waits, nothing is under way."""
        self._lanes = Lanes()
        self._queued: set[Lane] = set()
        self._flights: dict[str, Place] = {}
        self._recent: deque[tuple[Place, float]] = deque()
        self._ended: list[tuple[Place, float]] = []
        self._unused: list[str] = []
        self._untold: dict[str, float] = {}
        self._share: Share | None = None
        # Whether Redis may have lost or missed something that this process knows.
        self._must_report = False
        self._has_lost = False
        # None: all is as it should be. Else when all will have reported: nothing is asked before.
        self._settles_at: float | None = None
        # What Redis's clock shows more than the loop's, in seconds.
        self._ahead: float | None = None
        self._heard_at: float | None = None
        self._began = 0.0
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def members(self) -> int:
        """How many processes there are, this one among them, as was last heard; 0 before that."""
        return self._members

    @property
    def is_away(self) -> bool:
        """Whether this process goes on without Redis."""
        return self._share is not None

    @property
    def free(self) -> list[int]:
        """How many places each window had when it was last heard of."""
        return list(self._free)

    # --- for the gate ----------------------------------------------------------------------------

    async def place(self, path: str, waiter: Waiter, max_wait: float) -> Place:
        """A place for one send to `path`, until its `end`.

        Args:
            path: What the windows' prefixes are matched against.
            waiter: Who asks; what they may not wait for they are refused.
            max_wait: Seconds that they may wait, as `Gate` has it.

        Raises:
            Ratelimited: they would wait too long.
            ClientClosed: the client was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        lane = tuple(i for i, limit in enumerate(self._limits) if path.startswith(limit.prefix))
        while True:
            asker = Asker(waiter, max_wait)
            self._lanes.join(lane, asker)
            expiry = None
            if asker.until < math.inf:
                # Who may not wait at all waits for Redis to say whether there is a place.
                at = max(asker.until, loop.time() + ANSWER)
                expiry = loop.call_at(at, self._lanes.expire, lane, asker, loop)
            if self._share is not None:
                self._distribute(loop)
            elif lane not in self._queued:
                self._bell.set()
            try:
                await waiter.turn
            except BaseException:
                self._lanes.leave(lane, asker)
                if asker.place is not None:
                    self.leave(asker.place)
                self._bell.set()  # Redis may be told that nobody waits here any more
                raise
            finally:
                if expiry is not None:
                    expiry.cancel()
            place = asker.place
            assert place is not None  # noqa: S101 - it was given together with the turn
            if loop.time() - place.asked_at < STALE:
                place.started = loop.time()
                return place
            self.leave(place)
            waiter.turn = loop.create_future()

    def send_away(self) -> None:
        """The client is closed: nobody gets a place any more."""
        self._lanes.send_away()

    def end(self, place: Place, now: float, *, answered: bool) -> None:
        """The send is over; one that was given up may still be under way: see `Limiter.end`."""
        at = now if answered else max(now, place.started + GIVEN_UP)
        if self._flights.pop(place.id, None) is None:
            return  # of an earlier loop
        self._recent.append((place, at))
        self._ended.append((place, at))
        if place.share is not None:
            place.share.end(place.windows, at)
        loop = asyncio.get_running_loop()
        if self._share is not None:
            self._distribute(loop)
        elif len(self._ended) == 1:
            loop.call_later(COLLECTING, self._bell.set)

    def leave(self, place: Place) -> None:
        """The send never left."""
        if self._flights.pop(place.id, None) is not None:
            self._unused.append(place.id)
            if place.share is not None:
                place.share.leave(place.windows)

    def block(self, route: str, seconds: float) -> None:
        """A 429: all processes are to hear of it."""
        until = asyncio.get_running_loop().time() + seconds
        self._untold[route] = self._blocked[route] = max(until, self._blocked.get(route, until))
        self._bell.set()
        self._lanes.heed(self._blocked.get("", 0.0), until - seconds)

    # --- turns -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Takes turns, for ever."""
        self._began = asyncio.get_running_loop().time()
        failures = 0
        while True:
            self._bell.clear()
            try:
                rest = await self._turn()
                failures = 0
            except Exception as error:  # whatever it is, nobody shall wait for ever
                if not failures and not isinstance(error, RedisAway):
                    log.error("what Redis said is not understood", exc_info=error)
                failures += 1
                self._missed(error)
                rest = min(BEAT, 0.05 * 2**failures)
                self._bell.clear()
            try:
                async with asyncio.timeout(rest):
                    if self._share is None and not failures:
                        await self._bell.wait()
                    else:
                        await asyncio.sleep(rest)
            except TimeoutError:
                pass

    async def goodbye(self) -> None:
        """Gives all back at once that was put aside for this process."""
        if self._heard_at is not None and self._share is None:
            await self._ask([], leaving=True)

    def moved(self, by: float, now: float) -> None:
        """On a new loop, whose time differs by so much. What was in flight has ended `now`."""
        recent = [(place, at + by) for place, at in self._recent]
        recent += [(place, now) for place in self._flights.values()]
        self._blocked = {route: until + by for route, until in self._blocked.items()}
        self._begin()
        self._recent = deque(recent)
        self._must_report = True

    async def _turn(self) -> float:
        """One turn at Redis; for how many seconds nothing has to be said after that."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        share = self._share
        if self._settles_at is not None and asked_at >= self._settles_at:
            self._share = self._settles_at = None  # nothing is granted here from now on
        asked = self._asking() if self._settles_at is None else {}
        try:
            answer = await self._ask([(_name(lane), ids) for lane, ids in asked.items()])
        except RedisAway:
            self._unused += chain.from_iterable(asked.values())
            if share is not None and self._share is None:
                # It may believe that this process is back. Nothing is sent until it no longer does.
                self._go_on_alone([(0, later) for _, later in self._have], asked_at)
            raise
        grants, pause = self._hear(answer, loop.time())
        if share is not None and self._share is None:
            log.warning("Redis is back: the rate limits are shared again")
        if self._settles_at is not None:  # what it granted, it granted without knowing all
            self._unused += chain.from_iterable(asked.values())
            return pause
        for (lane, ids), (granted, wait) in zip(asked.items(), grants, strict=True):
            for id in ids[:granted]:
                self._grant(Place(id, lane, asked_at))
            pause = min(pause, self._heed_wait(lane, wait / 1000, is_queued=granted < len(ids)))
        return pause

    def _heed_wait(self, lane: Lane, wait: float, *, is_queued: bool) -> float:
        """What a lane was answered means for those who wait in it; when to ask again."""
        if is_queued:
            self._queued.add(lane)
            self._lanes.hear(lane, wait, asyncio.get_running_loop().time())
            return max(wait, SOONEST)
        self._queued.discard(lane)
        return 0.0 if self._lanes.count(lane) else BEAT  # more may have come meanwhile

    def _hear(self, answer: Any, now: float) -> tuple[Any, float]:
        """Takes in what Redis said: what it granted, and how long nothing has to be said."""
        clock, *more = answer
        self._ahead = clock / 1000 - now
        if not more:
            raise RedisAway("its clock has changed, or it stood still")
        turns, self._members, told, blocks, grants, self._free = more
        self._have = [(first, later) for first, later in told]
        for route, wait in blocks:
            self._hear_of_block(route.decode() if isinstance(route, bytes) else route, wait / 1000)
        return grants, self._heard(now, turns)

    def _asking(self) -> dict[Lane, list[str]]:
        """Names for places, in each lane in which somebody waits, or is believed to at Redis."""
        asked = {
            lane: [self._new_id() for _ in range(min(len(askers), MOST_ASKED))]
            for lane, askers in self._lanes.waiting()
        }
        return asked | {lane: [] for lane in self._queued - asked.keys()}

    def _new_id(self) -> str:
        return f"{self._me}.{next(self._numbers)}"

    async def _ask(self, asks: list[tuple[str, list[str]]], *, leaving: bool = False) -> Any:
        loop = asyncio.get_running_loop()
        now = loop.time()
        ended, self._ended = self._ended, []
        unused, self._unused = self._unused, []
        untold, self._untold = self._untold, {}
        flights = [place for place in self._flights.values() if place.share is not None]
        if self._must_report:
            ended, untold = list(self._recent), dict(self._blocked)
            flights = list(self._flights.values())
        said = {
            "me": self._me,
            "leaving": leaving,
            "by": 0 if self._ahead is None else (now + self._ahead + ANSWER) * 1000,
            "apart": self._share is not None,
            "windows": [
                (limit.calls, _per(limit) * 1000, hold * 1000)
                for limit, hold in zip(self._limits, self._holds, strict=True)
            ],
            "have": self._have,
            "unused": unused,
            "flights": [(place.id, _numbers(place.windows)) for place in flights],
            "ended": [
                (place.id, (now - at) * 1000, _numbers(place.windows)) for place, at in ended
            ],
            "blocks": {route: (until - now) * 1000 for route, until in untold.items()},
            "asks": asks,
            "present": PRESENT * 1000,
            "silence": SILENCE * 1000,
            "wanted": WANTED * 1000,
            "settling": SETTLING * 1000,
            "soon": SOON * 1000,
            "drop": min(math.ceil(self._drop_after * 1000), LONGEST),
        }
        try:
            return await self._link.run("turn", self._keys, said)
        except BaseException:
            # It may have been done or not; to say it again does no harm.
            self._ended, self._unused = ended + self._ended, unused + self._unused
            self._untold = untold | self._untold
            raise

    def _grant(self, place: Place) -> None:
        """Gives a place to whoever has waited longest."""
        self._flights[place.id] = place
        if not self._lanes.grant(place):
            self.leave(place)

    def _hear_of_block(self, route: str, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        if route or now + seconds > self._blocked.get(route, now) + 1.0:
            self._on_block(route, seconds)
        self._blocked[route] = max(now + seconds, self._blocked.get(route, now))
        self._lanes.heed(self._blocked.get("", now), now)

    # --- away and back ---------------------------------------------------------------------------

    def _missed(self, error: Exception) -> None:
        """There was no answer. After a while this process goes on by itself."""
        now = asyncio.get_running_loop().time()
        self._must_report = True
        self._settles_at = math.inf
        self._queued.clear()
        since = self._began if self._heard_at is None else self._heard_at
        if self._share is not None or now - since < SILENCE:
            return
        if self._heard_at is None:
            few = [max(1, limit.calls // UNKNOWN) for limit in self._limits]
            self._go_on_alone([(calls, calls) for calls in few], since)
        else:
            self._go_on_alone(self._have, since)
        log.warning(
            "Redis is away (%s): this process goes on with its share of the rate limits, one of %d",
            error,
            self._members or UNKNOWN,
        )

    def _go_on_alone(self, asides: Sequence[Aside], since: float) -> None:
        """From now on places are given out of this process's share."""
        # Once Redis believes this process away, it grants the others no more than is left beside
        # that share; and what it granted before that has left the windows after the longest hold.
        empty_at = [since + SILENCE + ANSWER + hold for hold in self._holds]
        self._must_report = True
        self._settles_at = math.inf
        self._share = Share(self._limits, asides, max(1, self._members), empty_at)
        self._distribute(asyncio.get_running_loop())

    def _heard(self, now: float, turns: int) -> float:
        """There was an answer; for how many seconds nothing has to be said."""
        self._has_lost = self._has_lost or turns < self._turns
        self._heard_at, self._turns = now, turns
        longest = max((_per(limit) for limit in self._limits), default=0.0)
        while self._recent and self._recent[0][1] + longest < now:
            self._recent.popleft()
        if self._has_lost and not self._must_report:
            self._must_report = True
            self._settles_at = math.inf
            return 0.0
        if self._must_report:
            self._must_report = False
            # Where Redis has all that it knew, nobody else has to report before this one goes on.
            is_well = self._share is None and not self._has_lost
            self._has_lost = False
            self._settles_at = None if is_well else now + SETTLING
            return 0.0 if is_well else min(BEAT, SETTLING)
        # While it settles it goes on to be counted: else one that is lost meanwhile would be taken
        # for one that was replaced.
        return BEAT if self._settles_at is None else min(BEAT, max(0.0, self._settles_at - now))

    def _distribute(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives places of the share to those who wait, and looks again when there are more."""
        share = self._share
        if share is None:
            return
        now = loop.time()
        blocked_until = self._blocked.get("", now)
        next_at = math.inf
        for lane, askers in self._lanes.waiting():
            while askers and now >= blocked_until and share.room(lane, now):
                share.begin(lane)
                self._grant(Place(self._new_id(), lane, now, share))
            if askers:
                wait = share.wait(lane, now)
                self._lanes.hear(lane, wait, now)
                next_at = min(next_at, max(now + wait, blocked_until, now + SOONEST))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(next_at, self._distribute, loop) if next_at < math.inf else None


def _name(lane: Sequence[int]) -> str:
    """A lane as Redis knows it."""
    return ",".join(map(str, _numbers(lane)))


def _numbers(places: Sequence[int]) -> list[int]:
    """Windows as Redis knows them: counted from one."""
    return [place + 1 for place in places]


def _per(limit: RateLimit) -> float:
    return float(limit.per)  # type: ignore[arg-type]  # its __post_init__ made it a float
