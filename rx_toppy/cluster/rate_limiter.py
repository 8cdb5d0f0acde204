"""The gate of a client that shares its budget: the client's own turn first, then the cluster's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ..api.rate_limiter import Gate, Waiter
from ..api.rate_limits import Budget, RateLimit, Ticket
from .budget import SharedBudget
from .wait_queues import Place

log = logging.getLogger("rx_toppy.cluster")


class SharedTicket(Ticket):
    """A place in the client's own limiter, and one in the cluster's budget."""

    own: Ticket | None = None
    path: str = ""
    place: Place | None = None


class SharedGate(Gate):
    """What every send of a client goes through that has one budget with other processes.

    The client's own limiter keeps its calls in order and knows of its sends, as it does alone.

    Args:
        limits: The rate limits to keep.
        max_wait: Seconds that a send may be held back, None for as long as it takes.
    """

    def __init__(self, limits: Sequence[RateLimit], max_wait: float | None) -> None:
        super().__init__(limits, max_wait)
        self.budget: SharedBudget

    def ask(self, path: str, now: float) -> Ticket:
        """A place to be waited for: the cluster is asked in any case."""
        own = super().ask(path, now)
        return SharedTicket(own.lane, own.number, own=own, path=path)

    async def wait(
        self,
        ticket: Ticket,
        loop: asyncio.AbstractEventLoop,
        *,
        patient: bool,
        method: str,
        url: str,
    ) -> None:
        """Waits until a ticket is granted, here and by the cluster: see `Gate.wait`."""
        shared, own = _parts(ticket)
        limiter = self._limiter
        since = loop.time()
        if not own.granted:
            await super().wait(own, loop, patient=patient, method=method, url=url)
        waiter = Waiter(loop.create_future(), since, patient, method, url)
        try:
            shared.place = await self.budget.place(shared.path, waiter, self._max_wait)
        except BaseException:
            limiter.leave(own)
            if limiter is self._limiter:  # else its loop was closed, and this is being collected
                self._wake(loop)
            raise
        own.started = ticket.started = shared.place.started

    def end(
        self, ticket: Ticket, now: float, loop: asyncio.AbstractEventLoop, *, answered: bool
    ) -> None:
        """The send is over."""
        shared, own = _parts(ticket)
        super().end(own, now, loop, answered=answered)
        if shared.place is not None:
            self.budget.end(shared.place, now, answered=answered)

    def leave(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        """The place is not used, here and in the cluster."""
        shared, own = _parts(ticket)
        super().leave(own, loop)
        if shared.place is not None:
            self.budget.leave(shared.place)

    def block(self, seconds: float, loop: asyncio.AbstractEventLoop) -> float:
        """A 429: nobody of the cluster goes before that has passed."""
        wait = super().block(seconds, loop)
        self.budget.block("", wait)
        return wait

    def hold(self, route: str, until: float) -> None:
        """A 429 about one route alone: nobody of the cluster uses it before `until`."""
        super().hold(route, until)
        self.budget.block(route, until - asyncio.get_running_loop().time())

    def hear(self, route: str, seconds: float) -> None:
        """Another process was told 429."""
        loop = asyncio.get_running_loop()
        if route:
            super().hold(route, loop.time() + seconds)
        else:
            super().block(seconds, loop)
            log.warning(
                "another process was told too many requests; nothing is sent for %.0f s", seconds
            )

    def budgets(self, now: float) -> list[Budget]:
        """What is left of each limit for this process, as was last heard."""
        own = super().budgets(now)
        return [
            # When others' places are free again is not known here.
            mine
            if left >= mine.left
            else Budget(mine.limit, max(0, left), 0.0 if left > 0 else None)
            for mine, left in zip(own, self.budget.free, strict=True)
        ]

    def close(self) -> None:
        """Sends all who wait away."""
        super().close()
        self.budget.send_away()

    def move(self, by: float, now: float) -> None:
        """The loop was exchanged: what was kept in the old one's time goes along."""
        super().move(by, now)
        self.budget.moved(by, now)


def _parts(ticket: Ticket) -> tuple[SharedTicket, Ticket]:
    """The ticket as it is here, and the client's own within it."""
    assert isinstance(ticket, SharedTicket)  # noqa: S101 - `ask` gives no other
    assert ticket.own is not None  # noqa: S101
    return ticket, ticket.own
