"""Cold observables that run on a client's event loop.

`Call` (one value), `Paged` (item after item) and `Poll` (item after item, for ever). All of them
are cold, and emit on the loop of their `Home`, whichever thread they are subscribed from.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import aclosing, suppress
from contextvars import copy_context
from functools import cached_property
from typing import Any, Generic, TypeVar

from reactivex import abc

from ..errors import ClientClosed
from ..models.html_repr import Listed
from .backpressure import demand
from .base import Endless, Ours, callbacks_of
from .loop import Home, running_loop

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

log = logging.getLogger("rx_toppy.streams.cold")

NOTHING: Any = object()


class Cold(Ours[T_co]):
    """A cold observable: each subscription, `await` or iteration is a run of its own.

    Disposing cancels that run. Values, errors and completion arrive on the client's loop.

    Attributes:
        completes_on_close: Whether the end of the client is an end like any other, and no error.
    """

    completes_on_close = False

    def __init__(self, home: Home, name: str, *arguments: object) -> None:
        # Observable's own __init__ is left out: all that it sets up is a lock, and that is dear for
        # a call that most often is awaited and forgotten.
        self._home = home
        self._name = name
        self._arguments = arguments

    @cached_property
    def lock(self) -> threading.RLock:  # type: ignore[override]
        """The lock that some of reactivex's operators share with their source."""
        return threading.RLock()

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Runs it on the client's loop, from whichever thread; disposing cancels it.

        `scheduler` is taken for the sake of operators, and not needed: emission is on the loop.

        Raises:
            TypeError: a callback is a coroutine function (`map_async` is made for these).
        """
        callbacks = callbacks_of(on_next, on_error, on_completed)
        # This goes around reactivex's trampoline, which keeps a source from emitting before
        # `subscribe` has returned. Here it can't: values come from a task.
        subscription = Subscription(self, *callbacks)
        subscription.start()
        return subscription

    def _emit(self, subscription: Subscription[Any]) -> Coroutine[Any, Any, Any]:
        """A run: it hands its values to the subscription, all but the one that it may return."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self._said()}>"

    def _said(self) -> str:
        return f"{self._name}({', '.join(map(str, self._arguments))})"


class Call(Cold[T_co]):
    """One request as an observable: nothing is sent until it is awaited, subscribed to or iterated.

    ```
    subscribe: ----v|      the answer, then completion
    subscribe: ----X       or one error, a `ToppyError`
    ```

    Every `await`, every subscription and every iteration is a request of its own, so `ops.retry`
    and `ops.repeat` work. Disposing, or cancelling the task that awaits, stops the request.

    Example:
        >>> bot = await client.fetch_bot(264811613708746752)
        >>> client.fetch_bot(264811613708746752).subscribe(print, print)
    """

    def __init__(
        self,
        home: Home,
        send: Callable[[], Coroutine[Any, Any, T_co]],
        name: str,
        *arguments: object,
    ) -> None:
        super().__init__(home, name, *arguments)
        self._send = send

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._send().__await__()

    async def __aiter__(self) -> AsyncIterator[T_co]:
        yield await self._send()

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T_co:
        """Sends it and waits for the answer, from code outside of any event loop.

        From another thread than the loop's, it runs on the client's loop; where the client has
        none, it runs one for this call alone.

        Raises:
            RuntimeError: this thread's event loop is running, and would stand still. Await it.
        """
        return self._home.run(self._send)

    def _emit(self, subscription: Subscription[Any]) -> Coroutine[Any, Any, Any]:
        return self._send()

    def __repr__(self) -> str:
        return f"<{self._said()}: not sent; await it, .subscribe() to it or .run() it>"


class Items(Cold[T_co]):
    """A cold observable of item after item, from an asynchronous generator.

    A subscriber who can say "wait" (`iterate` and `map_async` do) holds the generator back.
    """

    def __init__(
        self,
        home: Home,
        items: Callable[[], AsyncGenerator[T_co, None]],
        name: str,
        *arguments: object,
    ) -> None:
        super().__init__(home, name, *arguments)
        self._items = items

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self._items()

    async def _emit(self, subscription: Subscription[Any]) -> Any:
        demand = subscription.demand
        async with aclosing(self._items()) as items:
            async for item in items:
                subscription.next(item)
                if subscription.is_stopped:
                    break
                if demand is not None and demand.is_full():
                    await demand.room()
        return NOTHING


class Paged(Items[T_co]):
    """Items that come page by page, as an observable.

    ```
    subscribe: --aaa-bbb-cc|    as fast as pages come
    async for: --a-a-a--b-b     at the reader's pace: a page is fetched when it is wanted
    ```

    Awaited, it gives the list of all. Disposing, or leaving the `async for`, stops the fetching.

    Example:
        >>> async for bot in client.bulk_fetch_bots(5_000):
        ...     print(bot.username)
    """

    def __await__(self) -> Generator[Any, None, list[T_co]]:  # type: ignore[override]
        return self._all().__await__()

    def run(self, scheduler: abc.SchedulerBase | None = None) -> list[T_co]:  # type: ignore[override]
        """The list of all, for code outside of any event loop: see `Call.run`."""
        return self._home.run(self._all)

    async def _all(self) -> list[T_co]:
        async with aclosing(self._items()) as items:
            return Listed([item async for item in items])

    def __repr__(self) -> str:
        return f"<{self._said()}: not sent; use async for, await it for a list, or .subscribe()>"


class Poll(Items[T_co], Endless[T_co]):
    """A cold observable that asks again and again: it ends with the client, or with an error.

    ```
    subscribe: r--------r-v----r--------X    r: a request, v: what was new, X: an error for good
    ```

    Each subscription and each `async for` is a poll of its own; `ops.share()` makes one of several.
    It completes when the client is closed. Disposing, or leaving the `async for`, ends it at once.

    Example:
        >>> votes = client.poll_votes(every=60).pipe(ops.share())
        >>> votes.subscribe(reward)
        >>> votes.subscribe(announce)
    """

    completes_on_close = True

    def __repr__(self) -> str:
        return f"<{self._said()}: polls once it is subscribed to or iterated>"


class Subscription(abc.DisposableBase, Generic[T]):
    """One run of a cold observable on the client's loop, and whom it tells."""

    __slots__ = (
        "_loop",
        "_on_completed",
        "_on_error",
        "_on_next",
        "_source",
        "_task",
        "_telling",
        "demand",
        "is_stopped",
    )

    def __init__(
        self,
        source: Cold[T],
        on_next: Callable[[T], Any] | None,
        on_error: Callable[[Exception], Any] | None,
        on_completed: Callable[[], Any] | None,
    ) -> None:
        self.is_stopped = False
        self.demand = demand.get()
        self._source = source
        self._on_next = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self._task: asyncio.Task[None] | None = None
        self._telling = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        try:
            self._loop = loop = self._source._home.loop_for()  # noqa: SLF001
            if running_loop() is loop:
                self._start()
            else:
                loop.call_soon_threadsafe(self._start)
        except (RuntimeError, ClientClosed) as error:
            self._fail(error)

    def next(self, value: T) -> None:
        """Hands one value over. A callback that raises is logged, and ends the subscription."""
        if self.is_stopped or self._on_next is None:
            return
        self._telling = True
        if not self._tell(self._on_next, value):
            self.is_stopped = True
        self._telling = False

    def dispose(self) -> None:
        """Stops it, from any thread. Nothing is emitted afterwards."""
        self.is_stopped = True
        task, loop = self._task, self._loop
        if task is None or loop is None or task.done() or self._telling:
            # Inside of its own on_next (as `take` does) the run sees the flag as soon as it is
            # back: to cancel the task that is running would hit whatever it awaits next.
            return
        if running_loop() is loop:
            task.cancel()
        else:
            with suppress(RuntimeError):  # the loop has closed, and the task with it
                loop.call_soon_threadsafe(task.cancel)

    def _start(self) -> None:
        if self.is_stopped or self._loop is None:
            return
        context = None
        if self.demand is not None:
            # What is subscribed to from within a callback feeds the same reader. What else happens
            # in this task, an event say, has nothing to do with it.
            context = copy_context()
            context.run(demand.set, None)
        self._task = self._loop.create_task(self._run(), context=context)

    async def _run(self) -> None:
        tasks = self._source._home.tasks  # noqa: SLF001
        task = self._task
        if task is not None:
            tasks.add(task)
        try:
            value = await self._source._emit(self)  # noqa: SLF001
            if value is not NOTHING:
                self.next(value)
        except Exception as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self.is_stopped or not self._source._home.closed:  # noqa: SLF001
                raise
            if self._source.completes_on_close:
                self._complete()
            else:
                self._fail(ClientClosed("it was closed before this had ended"))
        else:
            self._complete()
        finally:
            tasks.discard(task)

    def _complete(self) -> None:
        if not self.is_stopped:
            self.is_stopped = True
            if self._on_completed is not None:
                self._tell(self._on_completed)

    def _fail(self, error: Exception) -> None:
        if self.is_stopped:
            return
        self.is_stopped = True
        if self._on_error is None:
            log.error("%r failed, and nobody listens to its errors", self._source, exc_info=error)
        else:
            self._tell(self._on_error, error)

    def _tell(self, callback: Callable[..., Any], *values: Any) -> bool:
        """Calls back, and says whether that went well."""
        before = None if self.demand is None else demand.set(self.demand)
        try:
            callback(*values)
        except (Exception, asyncio.CancelledError):
            log.exception("a subscriber of %r raised; its subscription has ended", self._source)
            return False
        else:
            return True
        finally:
            if before is not None:
                demand.reset(before)
