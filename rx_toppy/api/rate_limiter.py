"""Waiting for the limiter: who asks for a place, gets it now, in time, or an error at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ..errors import ClientClosed, Ratelimited
from .rate_limits import Budget, Limiter, RateLimit, Ticket

log = logging.getLogger("rx_toppy.api")


class Gate:
    """What every send of a client goes through.

    Args:
        limits: The rate limits to keep.
        max_wait: Seconds that a send may be held back, None for as long as it takes.
    """

    def __init__(self, limits: Sequence[RateLimit], max_wait: float | None) -> None:
        self._limiter = Limiter(limits)
        self._max_wait = float("inf") if max_wait is None else max_wait
        self._timer: asyncio.TimerHandle | None = None
        self._held: dict[str, float] = {}
        self._is_closed = False

    def ask(self, path: str, now: float) -> Ticket:
        """A place for one send, until its `end`: granted at once, or else to be waited for."""
        return self._limiter.ask(path, now)

    async def wait(
        self,
        ticket: Ticket,
        loop: asyncio.AbstractEventLoop,
        *,
        patient: bool,
        method: str,
        url: str,
    ) -> None:
        """Waits until a ticket is granted.

        `patient` waits for windows as long as it takes. For a block it waits no longer than others.

        Raises:
            Ratelimited: it would take longer than it may. Nothing was sent.
        """
        limiter = self._limiter
        self._wake(loop)  # time has passed since it was last looked at: it may be due by now
        if ticket.granted:
            return
        now = loop.time()
        wait = limiter.wait(ticket, now)
        if limiter.blocked_until - now > self._max_wait or (wait > self._max_wait and not patient):
            limiter.leave(ticket)
            raise Ratelimited(wait, internal=True, method=method, url=url)
        log.debug("%s %s waits %.1f s or more for the rate limits", method, url, wait)
        waiter = ticket.waiter = Waiter(loop.create_future(), now, patient, method, url)
        expiry = None
        if not patient and self._max_wait < float("inf"):
            expiry = loop.call_later(self._max_wait, self._expire, ticket, loop)
        self._wake(loop)
        try:
            await waiter.turn
            if self._is_closed:  # just when the turn came
                raise waiter.closed()
        except BaseException:
            limiter.leave(ticket)
            if limiter is self._limiter:  # else its loop was closed, and this is being collected
                self._wake(loop)
            raise
        finally:
            if expiry is not None:
                expiry.cancel()

    def end(
        self, ticket: Ticket, now: float, loop: asyncio.AbstractEventLoop, *, answered: bool
    ) -> None:
        """The send is over."""
        self._limiter.end(ticket, now, answered=answered)
        if self._limiter.waiters:
            self._wake(loop)

    def leave(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        """The place of a ticket that was granted is not used."""
        self._limiter.leave(ticket)
        self._wake(loop)

    def block(self, seconds: float, loop: asyncio.AbstractEventLoop) -> float:
        """A 429: nobody goes before that has passed, and who may not wait so long hears of it.

        Returns:
            For how many seconds nothing is sent.
        """
        now = loop.time()
        self._limiter.block(now + seconds, now)
        until = self._limiter.blocked_until
        for ticket in self._limiter.waiting():
            waiter: Waiter | None = ticket.waiter
            if waiter is not None:
                since = now if waiter.patient else waiter.since
                if until > since + self._max_wait:
                    waiter.refuse(until - now)
        return until - now

    def hold(self, route: str, until: float) -> None:
        """A 429 about one route alone: nobody uses it before `until`."""
        self._held[route] = max(until, self._held.get(route, until))

    def held(self, route: str, now: float, method: str, url: str) -> float:
        """Seconds to wait until a route with a limit of its own may be used, 0 where it may now.

        Raises:
            Ratelimited: it would take longer than anything may. Nothing was sent.
        """
        wait = max(0.0, self._held.get(route, now) - now)
        if wait > self._max_wait:
            raise Ratelimited(wait, internal=True, method=method, url=url)
        return wait

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._limiter.waiters

    def budgets(self, now: float) -> list[Budget]:
        """What is left of each limit."""
        return self._limiter.budgets(now)

    def blocked_for(self, now: float) -> float:
        """For how many seconds more a 429 forbids everything, 0 where none does."""
        return max(0.0, self._limiter.blocked_until - now)

    def held_for(self, now: float) -> dict[str, float]:
        """For how many seconds more a 429 forbids a route alone, by route."""
        return {route: until - now for route, until in dict(self._held).items() if until > now}

    def close(self) -> None:
        """Sends all who wait away."""
        self._is_closed = True
        for ticket in self._limiter.waiting():
            if ticket.waiter is not None:
                ticket.waiter.fail(ticket.waiter.closed())
        if self._timer is not None:
            self._timer.cancel()

    def move(self, by: float, now: float) -> None:
        """The loop was exchanged: what was kept in the old one's time goes along."""
        self._limiter = self._limiter.moved(by, now)
        self._held = {route: until + by for route, until in self._held.items()}
        self._timer = None

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets those go whose turn it is, and looks again when the next one's comes."""
        now = loop.time()
        for ticket in self._limiter.due(now):
            if ticket.waiter is not None:
                ticket.waiter.go()
        if self._timer is not None:
            self._timer.cancel()
        at = self._limiter.next_due(now)
        self._timer = None if at is None else loop.call_at(at, self._wake, loop)

    def _expire(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        ticket.waiter.refuse(self._limiter.wait(ticket, loop.time()))


class Waiter:
    """Somebody who waits for a turn."""

    __slots__ = ("_method", "_url", "patient", "since", "turn")

    def __init__(
        self, turn: asyncio.Future[None], since: float, patient: bool, method: str, url: str
    ) -> None:
        self.turn = turn
        self.since = since
        self.patient = patient
        self._method = method
        self._url = url

    def go(self) -> None:
        """It is their turn."""
        if not self.turn.done():
            self.turn.set_result(None)

    def refuse(self, wait: float) -> None:
        """They would have to wait too long."""
        self.fail(Ratelimited(wait, internal=True, method=self._method, url=self._url))

    def closed(self) -> ClientClosed:
        """The error of those who wait when the client is closed."""
        text = "the client was closed before this was sent"
        return ClientClosed(text, method=self._method, url=self._url)

    def fail(self, error: Exception) -> None:
        """Their turn won't come."""
        if not self.turn.done():
            self.turn.set_exception(error)
