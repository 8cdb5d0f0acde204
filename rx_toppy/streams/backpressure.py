"""How a slow reader slows the source of its pipeline, from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Protocol

from .loop import running_loop


class Bell:
    """Tells those who wait on their loops that something has changed, from any thread."""

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self._lock = lock or threading.RLock()
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self, is_over: Callable[[], bool]) -> None:
        """Waits for the next ring, unless `is_over` says that there is nothing to wait for."""
        with self._lock:
            if is_over():
                return
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
        try:
            await future
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(future)

    def ring(self) -> None:
        """Wakes all who wait."""
        if not self._waiting:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            loop = future.get_loop()
            if running_loop() is loop:
                _set(future)
            else:
                with suppress(RuntimeError):  # its loop has closed: nobody waits there any more
                    loop.call_soon_threadsafe(_set, future)


class Demand(Protocol):
    """Where a pipeline ends, as a source sees it that can wait."""

    def is_full(self) -> bool:
        """Whether a source that can wait should."""

    async def room(self) -> None:
        """Waits until there is room again."""


# Whom a pipeline that is being subscribed to will feed, if that one can say "wait".
demand: ContextVar[Demand | None] = ContextVar("rx_toppydemand", default=None)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
