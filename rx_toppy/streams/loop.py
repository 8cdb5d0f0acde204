"""The event loop that a client lives on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from ..errors import ClientClosed

T = TypeVar("T")

ELSEWHERE = (
    "this client lives on another event loop, which is still open; "
    "make a client for each loop, or close that loop first"
)


class Home:
    """The event loop that a client lives on: that of its first use, for as long as it is open.

    Attributes:
        clock: Tells the time of day, aware.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.clock: Callable[[], datetime] = partial(datetime.now, UTC)
        self.on_bind: Callable[[float], None] = lambda _: None
        self.release: Callable[[], Awaitable[None]] | None = None
        self.is_lent = False
        self._made_in = running_loop()
        self._bound_at = (0.0, 0.0)

    def bind(self) -> asyncio.AbstractEventLoop:
        """The running loop, which from its first use on is the client's.

        Raises:
            ClientClosed: the client was closed.
            RuntimeError: the client lives on another loop, and that one is still open.
        """
        loop = asyncio.get_running_loop()
        if self.closed:
            raise ClientClosed("this client was closed")
        if loop is not self.loop:
            self._move(loop)
        return loop

    def loop_elsewhere(self) -> asyncio.AbstractEventLoop | None:
        """The client's loop (or the one that it will be) where that runs in another thread."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self._made_in
            if loop is None or not loop.is_running():
                return None
        return None if running_loop() is loop else loop

    def loop_for(self) -> asyncio.AbstractEventLoop:
        """The loop on which a subscription from this thread, whichever it is, has to run."""
        here, own, made_in = running_loop(), self.loop, self._made_in
        if own is not None and not own.is_closed():
            if here is not None and not own.is_running():
                raise RuntimeError(ELSEWHERE)
            return own
        if here is not None:
            return here
        if made_in is not None and made_in.is_running():
            return made_in
        if self.closed:
            raise ClientClosed("this client was closed")
        raise RuntimeError(
            "there is no event loop to run this on: subscribe while one is running, "
            "or use call.run() outside of one"
        )

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs one coroutine to its end from outside of any loop: see `Call.run`."""
        if running_loop() is not None:
            raise RuntimeError("run() would block the event loop that it is called on: await it")
        for loop in (self.loop, self._made_in):
            if loop is not None and loop.is_running():
                future = asyncio.run_coroutine_threadsafe(make(), loop)
                try:
                    return future.result()
                finally:
                    future.cancel()
        if self.loop is not None and not self.loop.is_closed():
            return self.loop.run_until_complete(make())
        return asyncio.run(self._alone(make))

    async def _alone(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        # The loop is not the user's and ends with this call: nothing may be left on it.
        self.is_lent = True
        try:
            return await make()
        finally:
            self.is_lent = False
            if self.release is not None:
                await self.release()

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.loop is not None and not self.loop.is_closed():
            raise RuntimeError(ELSEWHERE)
        # Loops may count time from different moments. What was kept in the old one's time is moved
        # by as much as the two differ.
        at, wall = self._bound_at
        moved = loop.time() - (at + time.monotonic() - wall) if self.loop is not None else 0.0
        self.loop = loop
        self._bound_at = (loop.time(), time.monotonic())
        self.on_bind(moved)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
