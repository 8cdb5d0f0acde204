"""A loop whose clock jumps: an hour's timetable in a moment, with real sockets.

When there is nothing to do but to wait for a timer, time is moved to that timer. Bytes on loopback
are given a moment of real time first, so that they are never overtaken by the clock.
"""

from __future__ import annotations

import asyncio
import fcntl
import selectors
import sys
import termios
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

# Real seconds that a byte on loopback may take, client and server being in this very process; and
# how many times as long it is waited for where the kernel says that some are on their way.
GRACE = 0.003
PATIENCE = 4


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no timer: it tells the loop that its time has come."""

    loop: VirtualLoop
    grace = GRACE

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return super().select(None)
        for _ in range(PATIENCE):
            ready = super().select(self.grace)
            if ready or not self._is_in_transit():
                break
        if not ready:
            self.loop.now += timeout
        return ready

    def _is_in_transit(self) -> bool:
        """Whether a connection is being made, or bytes were sent that have not arrived."""
        return any(
            key.events & selectors.EVENT_WRITE or _unacknowledged(key.fd)
            for key in self.get_map().values()
        )


def _unacknowledged(fd: int) -> int:
    """How many bytes the kernel has of a socket that the other side does not have yet."""
    try:
        answer = fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4)
    except OSError:  # it is no connection: the loop's own pipe, or a socket that listens
        return 0
    return int.from_bytes(answer, sys.byteorder)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` begins at 0 and knows no waiting."""

    def __init__(self, grace: float = GRACE) -> None:
        self.now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        selector.grace = grace
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtual(main: Coroutine[Any, Any, T], *, grace: float = GRACE) -> T:
    """Runs a coroutine on a virtual loop, in asyncio's debug mode.

    Whole days take less with a shorter `grace`. Then a byte may be overtaken by the next timer.
    """
    with asyncio.Runner(debug=True, loop_factory=partial(VirtualLoop, grace)) as runner:
        return runner.run(main)
