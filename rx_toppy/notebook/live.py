"""`live`: an output that shows the newest item of a stream, for as long as it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, Protocol, TypeVar

from reactivex import Observable
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from ..arguments import Seconds
from ..arguments import seconds as seconds_of
from ..streams.loop import running_loop
from .cells import Stops, ended
from .checks import checked_function, checked_loop, checked_observable
from .output import Output, muted, with_note

T = TypeVar("T")

EVERY = 0.25


class View(Protocol):
    """What is shown of a stream.

    Attributes:
        ticks: Whether it changes though nothing has come.
    """

    ticks: bool

    def add(self, item: Any, at: float) -> None:
        """An item has come, at this time of the loop's. On any thread, one at a time."""

    def state(self, at: float) -> Any:
        """What is to be drawn now. Never while `add` runs."""

    def draw(self, state: Any) -> Any:
        """Anything displayable. On the loop, while `add` may run."""


def live(
    observable: Observable[T],
    render: Callable[[T], Any] | None = None,
    *,
    every: Seconds = EVERY,
    seconds: Seconds | None = None,
) -> Live[T]:
    """Shows the newest item of a stream, in an output of this cell that is updated in place.

    ```
    observable: -a-b-c-d--------e-f|
    output:     -a----d---------e--f     at most one frame per `every`; the last item always
    ```

    It subscribes at once. `await live(...)` keeps the cell running until the stream has ended, and
    gives the last item; interrupting the cell leaves the stream. Without `await` the cell is done
    and the output goes on, until the stream ends, `.stop()` is called, the Stop button below it is
    pressed (if ipywidgets is there) or the cell is run again. It needs the loop, as everything
    does: a cell that blocks (`time.sleep`) holds it up.

    Args:
        observable: Any observable, on any thread; timed operators that have no scheduler of their
            own run on the notebook's loop.
        render: Makes something displayable of an item: text, HTML, a matplotlib `Figure`, a data
            frame. Without one, the item itself is shown. It is called for drawn items only.
        every: Seconds (or a `timedelta`) from one frame to the next, at least.
        seconds: When to stop, if the stream has not ended by then.

    Raises:
        TypeError: it is no observable, or `render` no plain function.
        ValueError: a duration is not more than zero.
        RuntimeError: no event loop runs here.
        ImportError: IPython is missing.

    Example:
        >>> live(client.events)
        >>> last = await live(client.bulk_fetch_bots(2_000), lambda bot: bot.username, every=0.1)
        >>> view = live(client.autopost, lambda stats: f"{int(stats):,} servers"); ...; view.stop()
    """
    checked_observable(observable, "live()")
    function = checked_function(render, "render")
    return Live(observable, _Newest(function), "live()", every, seconds)


class _Newest:
    """The newest item, as it is or as a function makes it."""

    ticks = False

    def __init__(self, render: Callable[[Any], Any] | None) -> None:
        self._render = render
        self._items: tuple[Any, ...] = ()

    def add(self, item: Any, at: float) -> None:
        self._items = (item,)

    def state(self, at: float) -> tuple[Any, ...]:
        return self._items

    def draw(self, items: tuple[Any, ...]) -> Any:
        if not items:
            return muted("nothing has come yet")
        return items[0] if self._render is None else self._render(items[0])


class Live(Generic[T]):
    """An output of a cell that follows a stream: what `live`, `table` and `rate` give.

    `await` it for the stream's end and its last item (None if there was none; the stream's error,
    or that of `render`, is raised, and is shown in any case).
    """

    def __init__(
        self,
        observable: Observable[T],
        view: View,
        name: str,
        every: Seconds,
        seconds: Seconds | None,
    ) -> None:
        self._every = seconds_of(every, "every")
        limit = None if seconds is None else seconds_of(seconds, "seconds")
        self._loop = loop = checked_loop(name)
        self._name = name
        self._view = view
        self._lock = threading.Lock()
        self._last: T | None = None
        self._count = 0
        self._is_due = False  # whether a frame is on its way
        self._is_over = False
        self._error: Exception | None = None
        self._over: asyncio.Future[None] = loop.create_future()
        self._context = copy_context()
        self._output = Output(view.draw(view.state(loop.time())))
        self._drawn_at = loop.time()
        self._next: asyncio.TimerHandle | None = None
        self._stops = Stops(self.stop)
        self._limit = None if limit is None else loop.call_later(limit, self._finish)
        self._subscription = SingleAssignmentDisposable()
        scheduler = AsyncIOThreadSafeScheduler(loop)
        try:
            self._subscription.disposable = observable.subscribe(
                self._on_next, self._on_error, self._on_completed, scheduler=scheduler
            )
        except Exception as error:
            self._finish(error)
            raise
        if view.ticks:
            self._schedule()

    @property
    def is_running(self) -> bool:
        """Whether it follows the stream still."""
        return not self._is_over

    def stop(self) -> None:
        """Leaves the stream, and shows what has come up to now. From any thread, and twice."""
        self._subscription.dispose()
        if running_loop() is self._loop:
            self._finish()
        else:
            self._on_loop(self._finish)

    def __await__(self) -> Generator[Any, None, T | None]:
        self._stops.leave_to_the_cell()
        return self._wait().__await__()

    async def _wait(self) -> T | None:
        try:
            await ended(self._over)
        except asyncio.CancelledError:
            self.stop()
            raise
        if self._error is not None:
            raise self._error
        return self._last

    def _on_next(self, item: T) -> None:
        with self._lock:
            if self._is_over:
                return
            self._view.add(item, self._loop.time())
            self._last = item
            self._count += 1
            if self._is_due:
                return
            self._is_due = True
        self._on_loop(self._schedule)

    def _on_error(self, error: Exception) -> None:
        self._on_loop(self._finish, error)

    def _on_completed(self) -> None:
        self._on_loop(self._finish)

    def _on_loop(self, action: Callable[..., None], *values: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(action, *values)
        except RuntimeError:  # the loop has closed: nobody looks any more
            self._subscription.dispose()

    def _schedule(self) -> None:
        """Has a frame drawn, as soon as one may be."""
        if self._next is None and not self._is_over:
            due = max(self._loop.time(), self._drawn_at + self._every)
            self._next = self._loop.call_at(due, self._draw, context=self._context)

    def _draw(self) -> None:
        self._next = None
        try:
            self._update()
        except Exception as error:
            self._finish(error)
        # Counted from the end of one to the next: however slow they are, others get their turn.
        self._drawn_at = self._loop.time()
        if self._view.ticks:
            self._schedule()

    def _update(self) -> None:
        with self._lock:
            self._is_due = False
            state = self._view.state(self._loop.time())
        self._output.update(self._view.draw(state))

    def _finish(self, error: Exception | None = None) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            is_stale = self._is_due or self._view.ticks
        self._subscription.dispose()
        for timer in (self._next, self._limit):
            if timer is not None:
                timer.cancel()
        if is_stale:
            try:
                self._context.copy().run(self._update)
            except Exception as failure:
                error = error or failure
        if error is not None:
            note = f"{type(error).__name__}: {error}"
            with suppress(Exception):
                self._output.update(with_note(self._output.bundle, " ".join(note.split())))
        self._error = error
        self._stops.close()
        if not self._over.done():
            self._over.set_result(None)

    def _ipython_display_(self) -> None:
        # As the last expression of the cell that made it, it is there already.
        if not self._stops.is_own_cell():
            self._output.again()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<{self._name}: {state}, {self._count} items>"
