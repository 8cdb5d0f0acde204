"""What runs in the background and fills an inbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from reactivex import abc

from ..models import Vote
from ..streams.base import Endless
from ..streams.hot import HotStream
from ..streams.loop import Home, running_loop

log = logging.getLogger("rx_toppy.votes")

Tell = Callable[[Vote], object]


class Feed(Endless[Vote], abc.DisposableBase):
    """Fills an inbox in the background, from the moment it was made; a hot stream of new votes.

    Awaiting it waits until it has ended, and raises what has ended it. `dispose()` ends it; so does
    closing the inbox. Nobody has to listen: an error that nobody hears of is logged.
    """

    def __init__(self, run: Callable[[Tell], Coroutine[Any, Any, None]], name: str) -> None:
        super().__init__()
        if running_loop() is None:
            raise RuntimeError(f"{name}() needs an event loop: call it while one is running")
        home = Home()
        self._loop = home.bind()
        self._name = name
        self._votes: HotStream[Vote] = HotStream(home, name)
        self._task = self._loop.create_task(run(self._votes.emit))
        self._task.add_done_callback(self._over)

    def subscribe(
        self,
        on_next: abc.ObserverBase[Vote] | abc.OnNext[Vote] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Listens to the votes that are new: see `HotStream.subscribe`."""
        return self._votes.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    def dispose(self) -> None:
        """Ends it, from any thread."""
        if running_loop() is self._loop:
            self._task.cancel()
        else:
            with suppress(RuntimeError):  # the loop has closed, and the task with it
                self._loop.call_soon_threadsafe(self._task.cancel)

    def __await__(self) -> Generator[Any, None, None]:  # type: ignore[override]
        return self._end().__await__()

    def when_over(self, action: Callable[[Feed], object]) -> None:
        """Calls back when it has ended. For the inbox."""
        self._task.add_done_callback(lambda _: action(self))

    async def ended(self) -> None:
        """Waits for its end, whatever that is. For the inbox."""
        await asyncio.wait([self._task])

    async def _end(self) -> None:
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def _over(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("%s has ended", self._name, exc_info=error)
        self._votes.finish(error if isinstance(error, Exception) else None)

    def __repr__(self) -> str:
        return f"<{self._name}: {'over' if self.is_over else 'running'}>"
