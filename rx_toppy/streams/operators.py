"""Operators for streams of events, to be used in `pipe` beside reactivex's own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable

from ..arguments import count
from ..errors import BufferOverflow
from .backpressure import Bell, demand
from .loop import running_loop

log = logging.getLogger("rx_toppy.streams.operators")

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@overload
def of_type(kind: type[A], /) -> Callable[[Observable[Any]], Observable[A]]: ...
@overload
def of_type(kind: type[A], kind2: type[B], /) -> Callable[[Observable[Any]], Observable[A | B]]: ...
@overload
def of_type(
    kind: type[A], kind2: type[B], kind3: type[C], /, *more: type[Any]
) -> Callable[[Observable[Any]], Observable[A | B | C]]: ...
def of_type(*kinds: type[Any]) -> Callable[[Observable[Any]], Observable[Any]]:
    """Lets values of the given types through, and no others.

    ```
    client.events:      --Request-Post-Request-Autopost-->
    of_type(PostEvent): ----------Post------------------->
    ```

    Raises:
        TypeError: no type was given, or something that is none.

    Example:
        >>> client.events.pipe(of_type(PostEvent)).subscribe(lambda e: print(e.stats.server_count))
    """
    if not kinds:
        raise TypeError("of_type() takes at least one type")
    for kind in kinds:
        if not isinstance(kind, type):
            raise TypeError(f"of_type() takes types, not {kind!r}")
    return ops.filter(lambda value: isinstance(value, kinds))


def map_async(
    fn: Callable[[T], Coroutine[Any, Any, R]], max_concurrent: int = 1, *, buffer: int = 1000
) -> Callable[[Observable[T]], Observable[R]]:
    """Replaces each value by what a coroutine function makes of it, in the order of the values.

    ```
    source:       --a--b-------c|
    map_async(f): -----A----B-----C|       one at a time: b waits until A is there
    ```

    The handlers run as tasks on the loop on which the pipeline is subscribed to (or else that of
    the first value), and the results arrive there. Disposing cancels those that run. The error of a
    handler goes to `on_error` and ends the pipeline; so does one of the source, at once.

    Args:
        fn: The coroutine function.
        max_concurrent: How many handlers may run at a time.
        buffer: How many values may wait for a handler; one more is a `BufferOverflow`. (Pages of
            ours at the source wait by themselves.)

    Raises:
        TypeError: `fn` can't be called, or a number is none.
        ValueError: a number is less than 1.

    Example:
        >>> async def tell(event): await channel.send(f"Posted {int(event.stats)} servers")
        >>> client.events.pipe(of_type(PostEvent), map_async(tell)).subscribe()
    """
    if not callable(fn):
        raise TypeError(f"map_async() takes a coroutine function, not {type(fn).__name__}")
    count(max_concurrent, "max_concurrent", least=1)
    count(buffer, "buffer", least=1)

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            handlers = _Handlers(fn, max_concurrent, buffer, observer)
            before = demand.set(handlers)
            try:
                subscription = source.subscribe(
                    handlers.add, handlers.fail, handlers.complete, scheduler=scheduler
                )
            finally:
                demand.reset(before)
            return CompositeDisposable(subscription, Disposable(handlers.stop))

        return Observable(subscribe)

    return operator


class _Handlers:
    """One subscription's handlers: those that run, those that are done out of turn, who waits."""

    def __init__(
        self,
        fn: Callable[[Any], Coroutine[Any, Any, Any]],
        most: int,
        buffer: int,
        observer: abc.ObserverBase[Any],
    ) -> None:
        self._fn = fn
        self._most = most
        self._buffer = buffer
        self._observer = observer
        self._loop = running_loop()
        self._waiting: deque[Any] = deque()
        self._tasks: deque[asyncio.Task[Any]] = deque()
        self._source_is_over = False
        self._is_over = False
        self._started = Bell()
        self._reader = demand.get()

    def add(self, value: Any) -> None:
        self._on_loop(self._add, value)

    def fail(self, error: Exception) -> None:
        self._on_loop(self._fail, error)

    def complete(self) -> None:
        self._on_loop(self._complete)

    def is_full(self) -> bool:
        """Whether a source that can wait should: there is work for each handler, or no reader."""
        reader = self._reader
        return len(self._waiting) >= self._most or (reader is not None and reader.is_full())

    async def room(self) -> None:
        """Waits until a handler has begun with what waited, and until the reader has caught up."""
        await self._started.wait(lambda: len(self._waiting) < self._most or self._is_over)
        if self._reader is not None:
            await self._reader.room()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._finish()
        if self._tasks:
            self._on_loop(self._cancel)

    def _on_loop(self, action: Callable[..., None], *values: Any) -> None:
        here = running_loop()
        if self._loop is None:
            self._loop = here
        if self._loop is here and here is not None:
            action(*values)
        elif self._loop is None:
            # A value needs a loop; an end does not, for nothing can be under way.
            if action == self._add:
                action = self._fail
                values = (
                    RuntimeError("map_async() needs an event loop: subscribe to it while one runs"),
                )
            action(*values)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action, *values)

    def _add(self, value: Any) -> None:
        if self._is_over:
            return
        if len(self._tasks) < self._most:
            self._start(value)
        elif len(self._waiting) < self._buffer:
            self._waiting.append(value)
        else:
            self._fail(
                BufferOverflow(
                    f"{self._buffer} values wait for their handler and one more came; "
                    "give map_async() a larger max_concurrent or buffer"
                )
            )

    def _start(self, value: Any) -> None:
        task = asyncio.ensure_future(self._handle(value))
        self._tasks.append(task)
        task.add_done_callback(self._done)

    async def _handle(self, value: Any) -> Any:
        return await self._fn(value)

    def _done(self, _: asyncio.Task[Any]) -> None:
        while self._tasks and self._tasks[0].done() and not self._is_over:
            first = self._tasks.popleft()
            if first.cancelled():
                # Somebody else's doing: the loop is being shut down, or the handler cancelled
                # itself. Either way there is no result, and there will be none.
                self._fail(RuntimeError("a handler of map_async() was cancelled"))
                return
            error = first.exception()
            if error is not None:
                self._fail(error)  # type: ignore[arg-type]  # others stop the loop themselves
                return
            if self._waiting:
                self._start(self._waiting.popleft())
                self._started.ring()
            try:
                self._observer.on_next(first.result())
            except Exception:
                log.exception("what follows map_async() raised; the next results still come")
        if self._source_is_over and not self._tasks and not self._is_over:
            self._is_over = True
            self._observer.on_completed()

    def _fail(self, error: Exception) -> None:
        if self._is_over:
            return
        self._finish()
        self._cancel()
        try:
            self._observer.on_error(error)
        except Exception:
            # Where nobody listens to errors, reactivex raises them here.
            log.exception("%r failed in map_async(), and nobody took the error", self._fn)

    def _complete(self) -> None:
        self._source_is_over = True
        if not self._tasks and not self._is_over:
            self._is_over = True
            self._observer.on_completed()

    def _finish(self) -> None:
        self._is_over = True
        self._started.ring()  # a source that waits here may have others to go on for

    def _cancel(self) -> None:
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
