"""Timeouts for many requests at the price of one timer.

`asyncio.timeout` sets up and takes down a timer for each use, which costs a tenth of a request.
All attempts of a client have the same timeout, so that they run out in the order in which they
began: one timer, for the oldest of them, is enough. And to end all that is under way is to let all
deadlines pass.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import msgspec


class Deadlines:
    """What is under way, and until when.

    Args:
        timeout: Seconds that each may take.

    Example:
        >>> with deadlines.begin(loop):
        ...     await something()          # TimeoutError once the time is over
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        # In order of their ends, as a dict is in order of what was put into it.
        self._running: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> Deadline:
        """A context manager that ends the current task's block with a TimeoutError in time."""
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a request needs a task to run in")
        deadline = Deadline(self._running, task, task.cancelling(), loop.time())
        self._running[deadline] = None
        if self._timer is None:
            self._look_at(deadline, loop)
        return deadline

    def end_all(self) -> None:
        """Lets all deadlines pass now."""
        for deadline in self._running:
            deadline.expire()

    def close(self) -> None:
        """Stops looking: nothing is under way any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, oldest: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_at(oldest.began + self._timeout, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for deadline in self._running:
            if deadline.began + self._timeout > loop.time():
                self._look_at(deadline, loop)
                return
            deadline.expire()


class Deadline(msgspec.Struct, eq=False):
    """One block with a deadline, as `asyncio.timeout` is: it tells its own cancelling from others'.

    A task that is cancelled from outside while the deadline passes stays cancelled.
    """

    running: dict[Deadline, None]
    task: asyncio.Task[Any]
    cancelling: int
    began: float
    expired: bool = False

    def __enter__(self) -> Deadline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del self.running[self]
        if (
            self.expired
            and self.task.uncancel() <= self.cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def expire(self) -> None:
        """Its time is over."""
        if not self.expired:
            self.expired = True
            self.task.cancel()
