"""One client's part in a cluster: its connection, its place in the budget, its shards."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from secrets import token_hex

from ..api.rate_limits import Budget, RateLimit
from ..api.transport import Transport
from ..arguments import Seconds, seconds
from ..autopost import Autopost
from ..bot import Census, Host
from ..errors import ClientClosed
from ..events import EventStream
from .budget import SILENCE, SharedBudget
from .connection import Link, RedisAway, checked_redis_url, shown_redis_url
from .poster import ClusterPoster
from .rate_limiter import SharedGate
from .totals import Roll

log = logging.getLogger("rx_toppy.cluster")

# How long a client that is closed says goodbye.
GOODBYE = 2.0


class Membership:
    """A client's part in a cluster: `client.cluster`.

    Its properties are as was last heard, at most a second ago; read them on the client's loop.

    Example:
        >>> if client.cluster.is_leader:
        ...     print("posts for", client.cluster.process_count, "processes")
    """

    def __init__(
        self,
        link: Link,
        key: Callable[[str], str],
        me: str,
        host: Host,
        limits: Sequence[RateLimit],
        *,
        max_wait: float | None,
        timeout: float,
        drop_after: float,
    ) -> None:
        self._link = link
        self.gate = SharedGate(limits, max_wait)
        self.budget = self.gate.budget = SharedBudget(
            link,
            key,
            me,
            limits,
            timeout=timeout,
            drop_after=drop_after,
            on_block=self.gate.hear,
        )
        self.roll = Roll(link, key, me, host, drop_after=drop_after)
        self._host = host
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_leaving = False

    @property
    def process_count(self) -> int:
        """How many processes there are, this one among them; 0 before Redis was reached."""
        return self.budget.members

    @property
    def is_offline(self) -> bool:
        """Whether Redis is away, so that this process goes on with its share."""
        return self.budget.is_away

    @property
    def is_leader(self) -> bool:
        """Whether this process is the one that posts the total."""
        return self.roll.leads

    def limits(self) -> list[Budget]:
        """What is left of each limit beside what all processes have sent, and what is put aside for
        the others while Redis is away; `free_in` is None where others have taken all.
        """
        return self.gate.budgets(asyncio.get_running_loop().time())

    async def total(self) -> Census:
        """The servers of all processes, as each has told of its own lately.

        Raises:
            ToppyError: the total is not known: shards are missing, or Redis is away.
            ClientClosed: the client was closed.
        """
        if self._is_leaving:
            raise ClientClosed("this client was closed")
        return await self.roll.total()

    def poster(self, transport: Transport, events: EventStream) -> ClusterPoster:
        """What posts for the client. For the client, as all below."""
        return ClusterPoster(self._host, transport, events, self.roll)

    def follow(self, autopost: Autopost) -> None:
        """Leads only while the client's autopost runs, and in its rhythm."""
        self.roll.is_wanted = autopost.is_running
        self.roll.interval = lambda: autopost.interval

    def start(self) -> None:
        """Begins, on the running loop; what ran on an earlier one is over."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            self._link.forget()
            self.roll.begin()
        self._loop = loop
        self._task = loop.create_task(self._run())
        self._task.add_done_callback(_ended)

    async def rest(self) -> None:
        """Ends what runs, and closes the connections; a new loop begins anew."""
        task, self._task, self._loop = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._link.close()

    async def close(self) -> None:
        """Leaves the cluster: what was put aside for this process is the others' at once."""
        self._is_leaving = True
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            with suppress(RedisAway, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self.roll.resign()
                    await self.budget.goodbye()
        await self.rest()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.budget.run())
                group.create_task(self.roll.run())
        finally:
            if not self._is_leaving:  # its loop is being closed
                await self._link.close()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("this process takes no part in its cluster any more", exc_info=task.exception())


class RedisCoordinator:
    """Makes the clients of several processes, on any machines, one: by a Redis that all reach.

    ```
    process 1 --+                        one budget: the limits hold for all sends together
    process 2 --+-- Redis -- top.gg      one total: one process posts the servers of all
    process 3 --+                        one block: what one was forbidden, none does
    ```

    *One budget.* Every send takes a place that Redis has counted, by Redis's clock, until `per`
    seconds after it ended: no window of top.gg's holds more than its limit, whichever process
    sends. Who waits gets one place in turn with the other processes. A 429 that one is told keeps
    all of them off the network.

    *One total.* Each process tells what its shards have. The one that is elected among those whose
    autopost runs posts the sum in one request, every interval. When it dies, another one posts
    within six seconds of when it is due. Two processes that tell of the same shard are not added;
    a process that has all shards, or a bot without any, tells the total.

    *Without Redis.* A process that has not heard of Redis for three seconds says so in the log and
    goes on with its share: at once with what Redis had put aside for it out of what was free, and
    when what Redis granted has left the windows, with the limit divided by the number of processes.
    So the limits hold in that time too. When Redis is back, it hears of what was sent meanwhile and
    after two seconds all is as before. Autopost waits for it. On a Redis that is empty the first
    call waits for as long: others may know what it has forgotten.

    Give each process one of these with the same Redis, and the same `rate_limits`. Bots with other
    tokens may use the same Redis. It needs the extra `redis`, and Redis 7 or Valkey.

    Args:
        url: Where the Redis is: `redis://host:6379/0`, `rediss://...` for TLS, `unix:///path`, with
            the options that redis knows (but for timeouts, which the budget relies on). Its
            password is shown nowhere.
        drop_after: Seconds (or a `timedelta`), at least 3, after which a process that is not heard
            of is taken for dead: its shards are left out of the total, and what was put aside for
            it is the others'. As long, the first total waits for shards that nobody has told of
            yet; then it is posted without them, and the log says so. (A process that is cut off
            from Redis for longer, and not replaced, may send a share beyond the limits.)

    Raises:
        TypeError, ValueError: an argument can't be.
        ImportError: the package `redis` is not installed.

    Example:
        >>> cluster = RedisCoordinator("redis://localhost:6379")
        >>> client = TopGG(bot, token=TOKEN, cluster=cluster)
    """

    def __init__(self, url: str, *, drop_after: Seconds = 300.0) -> None:
        self._url = checked_redis_url(url, "RedisCoordinator")
        self._drop_after = seconds(drop_after, "drop_after")
        if self._drop_after < SILENCE:  # one that lives is not always heard of sooner
            raise ValueError(f"drop_after takes at least {SILENCE:g} seconds, not {drop_after}")

    def join(
        self,
        host: Host,
        *,
        token: str,
        limits: Sequence[RateLimit],
        max_wait: float | None,
        timeout: float,
    ) -> Membership:
        """A client's part in the cluster. For the client."""
        # Those with one token share its limits; the token itself does not go to Redis.
        group = sha256(token.encode()).hexdigest()[:16]
        me = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        return Membership(
            Link(self._url),
            partial("rx_toppy:{{{}}}:{}".format, group),
            me,
            host,
            limits,
            max_wait=max_wait,
            timeout=timeout,
            drop_after=self._drop_after,
        )

    def __repr__(self) -> str:
        return f"<RedisCoordinator at {shown_redis_url(self._url)}>"
