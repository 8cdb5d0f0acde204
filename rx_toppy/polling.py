"""Asking again and again: polls of anything, of new votes, of new voters.

What can pass (a lost connection, a 5xx, a rate limit, an answer that makes no sense) ends no poll:
it is a `PollFailed` on the client's events, and the poll goes on after a pause. Whatever can't (a
bad token, a bad cursor, an error of the user's own) ends it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import Any, TypeVar

from reactivex import Observable

from .api.retries import pause_between_rounds
from .api.transport import Transport
from .api.vote_history import History
from .errors import ClientClosed, ConnectionFailed, InvalidResponse, Ratelimited, TopGGServerError
from .events import EventStream, PollFailed
from .models import SimpleUser, Vote
from .streams.cold import Cold
from .streams.iterate import iterate
from .streams.loop import Home

T = TypeVar("T")

Result = Observable[T] | Awaitable[T]
"""What one round of a poll gives: an observable, of which all values are taken, or an awaitable."""

log = logging.getLogger("rx_toppy.votes")

PASSING = (ConnectionFailed, TopGGServerError, Ratelimited, InvalidResponse)

# A voter who is not listed for so many seconds is forgotten, and new when they come back. (An
# answer of a minute ago, from some cache, must not make new voters of old ones.)
FORGET_AFTER = 3600.0


class Poller:
    """Makes the polls of one client.

    Args:
        home: The client's loop.
        transport: Its way to top.gg.
        events: Where each `PollFailed` goes.
    """

    def __init__(self, home: Home, transport: Transport, events: EventStream) -> None:
        self._home = home
        self._transport = transport
        self._events = events
        self._rng = Random()

    async def anything(
        self, factory: Callable[[], Result[T]], every: float
    ) -> AsyncGenerator[T, None]:
        """All that the factory's observables emit, each after the one before has completed."""
        async with aclosing(self._rounds(lambda: _values(factory()), every)) as values:
            async for value in values:
                yield value

    async def votes(self, begin: Callable[[], History], every: float) -> AsyncGenerator[Vote, None]:
        """New votes, from where a reader of the history begins."""
        history = begin()

        def unread() -> AsyncGenerator[Vote, None]:
            return history.unread(until=self._home.clock())

        async with aclosing(self._rounds(unread, every)) as votes:
            async for vote in votes:
                yield vote

    async def voters(
        self, fetch: Callable[[], Awaitable[list[SimpleUser]]], every: float
    ) -> AsyncGenerator[SimpleUser, None]:
        """Voters that were not listed before, oldest first."""
        seen: dict[int, float] | None = None

        async def newcomers() -> AsyncGenerator[SimpleUser, None]:
            nonlocal seen
            listed = await fetch()
            now = asyncio.get_running_loop().time()
            before = seen
            seen = {user.id: now for user in listed}
            if before is None:
                return  # the first look takes stock
            for id, at in before.items():
                if at > now - FORGET_AFTER:
                    seen.setdefault(id, at)
            for user in reversed(listed):
                if user.id not in before:
                    yield user

        async with aclosing(self._rounds(newcomers, every)) as voters:
            async for voter in voters:
                yield voter

    async def _rounds(
        self, items: Callable[[], AsyncGenerator[T, None]], every: float
    ) -> AsyncGenerator[T, None]:
        """Round after round, each `every` seconds after the last one began, never two at once."""
        loop = self._home.bind()
        failures = 0
        while True:
            due = loop.time() + every
            try:
                async with aclosing(items()) as values:
                    async for value in values:
                        yield value
                failures = 0
            except PASSING as error:
                failures += 1
                pause = pause_between_rounds(error, failures, self._rng, every)
                log.warning("a poll failed: %s; trying again in %.0f s", error, pause)
                self._events.emit(PollFailed(error, pause))
                due = loop.time() + pause
            except ClientClosed:
                return
            try:
                await self._transport.pause(max(0.0, due - loop.time()))
            except ClientClosed:
                return


async def _values(result: Any) -> AsyncGenerator[Any, None]:
    """The values of one round."""
    if isinstance(result, Cold):
        source: Any = result  # at the reader's pace, page by page
    elif isinstance(result, Observable):
        source = iterate(result)
    elif inspect.isawaitable(result):
        yield await result
        return
    else:
        raise TypeError(f"poll() takes a function that gives an observable, not {result!r}")
    async with aclosing(aiter(source)) as values:
        async for value in values:
            yield value
