"""A loop whose clock jumps: an hour's timetable in a moment, with real sockets.

When there is nothing to do but to wait for a timer, time is moved to that timer. Bytes on loopback
are given a moment of real time first, so that they are never overtaken by the clock.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Real seconds that a byte on loopback may take, client and server being in this very process.
GRACE = 0.003


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no timer: it tells the loop that its time has come."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        ready = super().select(GRACE if timeout is not None else None)
        if not ready and timeout is not None:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` begins at 0 and knows no waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a virtual loop, in asyncio's debug mode."""
    with asyncio.Runner(debug=True, loop_factory=VirtualLoop) as runner:
        return runner.run(main)
