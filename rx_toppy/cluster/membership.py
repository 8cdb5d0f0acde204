"""One client's part in a cluster: its connection, its place in the budget, its shards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..api.rate_limits import Budget, RateLimit
from ..api.transport import Transport
from ..autopost import Autopost
from ..bot import Census, Host
from ..errors import ClientClosed
from ..events import EventStream
from .budget import SharedBudget
from .gate import SharedGate
from .link import Link, RedisAway
from .poster import ClusterPoster
from .roll import Roll

__all__ = ["Membership"]

log = logging.getLogger("rx_toppy.cluster")

# How long a client that is closed says goodbye.
GOODBYE = 2.0


class Membership:
    """A client's part in a cluster: `client.cluster`.

    Its properties are as was last heard, at most a second ago; read them on the client's loop.

    Example:
        >>> if client.cluster.leads: print("posts for", client.cluster.processes, "processes")
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
    def processes(self) -> int:
        """How many processes there are, this one among them; 0 before Redis was reached."""
        return self.budget.members

    @property
    def is_away(self) -> bool:
        """Whether Redis is away, so that this process goes on with its share."""
        return self.budget.is_away

    @property
    def leads(self) -> bool:
        """Whether this process is the one that posts the total."""
        return self.roll.leads

    def budgets(self) -> list[Budget]:
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
