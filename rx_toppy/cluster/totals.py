"""The servers of all processes: each says what its shards have, one of them posts the sum."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from ..bot import Census, Host
from ..errors import ToppyError
from .connection import LONGEST, Link, RedisAway

if TYPE_CHECKING:
    from redis.asyncio.lock import Lock


log = logging.getLogger("rx_toppy.cluster")

# Seconds: how often leadership is looked after, for how long it is given, and how often a process
# counts.
BEAT = 1.0
LEASE = 5.0
REPORT_EVERY = 10.0

# Without a report for so long, a layout's processes have all been away, and begin anew.
GAP = 45.0

# A leader's own rhythm may be a little early; another one's last post is a whole interval old.
OWN_RHYTHM = 0.9


class Sum(msgspec.Struct, frozen=True):
    """All shards of one layout.

    Attributes:
        layout: How many shards the bot has, 0 where it is unsharded.
        age: Seconds since its processes began to report.
        counts: Servers by shard.
    """

    layout: int
    age: float
    counts: dict[int, int]

    @property
    def missing(self) -> list[int]:
        """The shards that nobody has told of, or not for too long."""
        return sorted(set(range(self.layout or 1)) - self.counts.keys())

    @property
    def census(self) -> Census:
        """The bot as a whole; a shard that is left out has nothing."""
        total = sum(self.counts.values())
        if not self.layout:
            return Census(total)
        shards = {shard: self.counts.get(shard, 0) for shard in range(self.layout)}
        return Census(total, shards, self.layout)


class Roll:
    """What the processes of a cluster have told of their shards, and who posts it.

    Args:
        link: The way to Redis.
        key: Makes the name of a key.
        me: The name of this process, unlike all others'.
        host: This process's bot.
        drop_after: Seconds after which a shard that is not heard of is left out, and for which one
            that was never heard of is waited for.
    """

    def __init__(
        self, link: Link, key: Callable[[str], str], me: str, host: Host, *, drop_after: float
    ) -> None:
        self._link = link
        self._me = me
        self._host = host
        self._drop_after = drop_after
        self._leader_key = key("leader")
        self._keys = [key(name) for name in ("counts", "layouts", "posted")]
        self._lock: Lock | None = None
        self._said: list[int] = []
        # Whether this process would post, and how often: its autopost's affair.
        self.is_wanted: Callable[[], bool] = bool
        self.interval: Callable[[], float] = float
        self.begin()

    def begin(self) -> None:
        """On a new loop."""
        self._lock = None
        self._leads_until = 0.0
        self._next_report = 0.0
        self._posted_at: float | None = None
        self._posted_by = ""
        self._sum: Sum | None = None
        self._waits_for: list[int] = []

    @property
    def leads(self) -> bool:
        """Whether this process is the one that posts."""
        return asyncio.get_running_loop().time() < self._leads_until

    def census(self) -> Census:
        """All servers, as far as they were told of lately.

        Raises:
            ToppyError: the total is not known.
        """
        if self._sum is not None:
            return self._sum.census
        if self._waits_for:
            shards = ", ".join(map(str, self._waits_for[:20]))
            more = ", ..." if len(self._waits_for) > 20 else ""
            raise ToppyError(
                f"the total is not known yet: no process has told of the shards {shards}{more}"
            )
        raise ToppyError("the total is not known yet: no process has counted its servers")

    async def total(self) -> Census:
        """Tells of this process's shards, hears of the others': all servers, now.

        Raises:
            ToppyError: the total is not known.
        """
        try:
            await self.report()
        except RedisAway as away:
            raise ToppyError(
                f"the servers of the other processes are not known while Redis is away: {away}"
            ) from None
        return self.census()

    async def run(self) -> None:
        """Looks after leadership, and tells of this process's shards, for ever."""
        has_failed = False
        while True:
            try:
                with suppress(RedisAway):  # which the budget tells of
                    await self._beat()
                has_failed = False
            except Exception:  # such as a bot's; the budget shall not end with it
                if not has_failed:
                    log.exception("this process's servers are not told of")
                has_failed = True
            await asyncio.sleep(BEAT)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        await self._lead()
        if loop.time() >= self._next_report:
            await self.report(asks=self.leads)
            often = min(REPORT_EVERY, self._drop_after / 4)
            pause = max(BEAT, min(often, self.interval() / 2 or often))
            # Until the bot is there, it is looked at more often.
            self._next_report = loop.time() + (pause if self._host.is_there else 0.0)

    async def turn(self) -> None:
        """Waits until this process is the one to post, and it is time, and the total is known."""
        while True:
            if self.leads and self._is_due():  # as far as is known here
                with suppress(RedisAway):
                    await self.report()
                    if self._can_post():
                        return
            await asyncio.sleep(min(BEAT, self.interval() / 20))

    async def report(self, *, asks: bool = True, posted: bool = False) -> None:
        """Tells what this process's shards have; and hears of the others', if it asks.

        Raises:
            RedisAway: there is no answer.
        """
        loop = asyncio.get_running_loop()
        layout, counts = -1, list[tuple[int, int]]()
        if self._host.is_there:
            try:
                census = self._host.census()
            except ToppyError as error:
                log.warning("this process's servers are not told of: %s", error)
            else:
                layout = 0 if census.shards is None else census.shard_count
                counts = list((census.shards or {0: census.server_count}).items())
        said = {
            "me": self._me,
            "posted": posted,
            "asks": asks,
            "layout": layout,
            "counts": counts,
            "gap": min(GAP, self._drop_after / 2) * 1000,
            "drop": min(math.ceil(self._drop_after * 1000), LONGEST),
            "known": -1 if self._posted_at is None else (loop.time() - self._posted_at) * 1000,
            "known_by": self._posted_by,
        }
        posted_ago, by, layouts, known = await self._link.run("report", self._keys, said)
        if posted_ago >= 0:
            self._posted_at, self._posted_by = loop.time() - posted_ago / 1000, _text(by)
        if asks:
            self._choose(layouts, known)

    async def posted(self) -> None:
        """The sum was posted: who leads after this one keeps the rhythm."""
        with suppress(RedisAway):
            await self.report(asks=False, posted=True)

    async def resign(self) -> None:
        """Lets another process lead, if this one does."""
        if self._leads_until:
            self._leads_until = 0.0
            from redis.exceptions import LockError

            with suppress(RedisAway, LockError):
                await self._link.answered(self._held().release())

    def _choose(self, layouts: Iterable[Any], known: Iterable[Any]) -> None:
        """The bot is the newest layout whose shards are all known, or were waited for enough."""
        counts: dict[int, dict[int, int]] = {}
        for layout, shard, count in known:
            counts.setdefault(layout, {})[shard] = count
        sums = [Sum(one, age / 1000, counts[one]) for one, age in layouts if one in counts]
        sums.sort(key=attrgetter("age"))
        ready = (one for one in sums if not one.missing or one.age >= self._drop_after)
        self._sum = next(ready, None)
        self._waits_for = sums[0].missing if sums and self._sum is None else []
        missing = self._sum.missing if self._sum is not None else []
        if missing != self._said:
            self._said = missing
            if missing:
                log.warning(
                    "the total is posted without the shards %s: no process has told of them for "
                    "%.0f s",
                    ", ".join(map(str, missing)),
                    self._drop_after,
                )

    def _can_post(self) -> bool:
        """Whether there is a sum, and it is this process's turn to post it."""
        return self._sum is not None and self.leads and self._is_due()

    def _is_due(self) -> bool:
        """Whether it is time for a post, as far as is known."""
        if self._posted_at is None:
            return True
        share = OWN_RHYTHM if self._posted_by == self._me else 1.0
        elapsed = asyncio.get_running_loop().time() - self._posted_at
        return elapsed >= share * self.interval()

    async def _lead(self) -> None:
        """Becomes the leader, or stays it, or lets another one be it."""
        from redis.exceptions import LockError

        if not self.is_wanted():
            await self.resign()
            return
        asked_at = asyncio.get_running_loop().time()
        lock = self._held()
        try:
            if self._leads_until:
                await self._link.answered(lock.extend(LEASE, replace_ttl=True))
                is_leader = True
            else:
                is_leader = await self._link.answered(lock.acquire(blocking=False, token=self._me))
        except LockError:
            is_leader = False
        if is_leader and not self._leads_until:
            log.info("this process posts for all of them now")
        self._leads_until = asked_at + LEASE if is_leader else 0.0

    def _held(self) -> Lock:
        from redis.asyncio.lock import Lock

        redis = self._link.redis
        if self._lock is None or self._lock.redis is not redis:
            self._lock = Lock(redis, self._leader_key, timeout=LEASE, thread_local=False)
            self._lock.local.token = self._me.encode()
        return self._lock


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
