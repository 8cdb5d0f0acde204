"""A loop whose clock jumps: an hour's timetable in a moment, with real sockets.

When there is nothing to do but to wait for a timer, time is moved to that timer. What has a
real duration is waited for before that, however slow the machine is: bytes on loopback, and
calls that run in threads of the loop's executor.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves the clock of its loop in place of waiting for a timer."""

    loop: VirtualLoop

    def __init__(self) -> None:
        super().__init__()
        self._probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._probe.bind(("127.0.0.1", 0))
        self._probe.connect(self._probe.getsockname())

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.loop.calls_in_threads:
            return super().select(None)
        self._await_loopback()
        ready = super().select(0)
        if not ready:
            self.loop.now += timeout
        return ready

    def _await_loopback(self) -> None:
        """Wait until all packets that were sent on loopback have arrived.

        They arrive in the order in which they were sent, so that the arrival of one that is sent
        now says it of all those before.
        """
        self._probe.send(b"\0")
        self._probe.recv(1)

    def close(self) -> None:
        self._probe.close()
        super().close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` begins at 0 and knows no waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls_in_threads = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> Any:
        """Run a call in a thread; the clock stands still until it has returned."""
        future = super().run_in_executor(executor, func, *args)
        self.calls_in_threads += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: object) -> None:
        self.calls_in_threads -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a virtual loop, in asyncio's debug mode."""
    with asyncio.Runner(debug=True, loop_factory=VirtualLoop) as runner:
        return runner.run(main)
