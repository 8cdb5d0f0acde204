"""Observables that live on an event loop, and async iterators over them.

A `Home` is the loop of one client. `Call` (one value) and `Paged` (item after item) are its cold
observables, `HotStream` its hot ones. All of them emit on the home's loop, whichever thread they
are subscribed from. `iterate` turns any observable into an async iterator.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, suppress
from contextvars import ContextVar, copy_context
from types import FunctionType
from typing import Any, Generic, Literal, NoReturn, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from .errors import BufferOverflow, ClientClosed

__all__ = ["Call", "Endless", "Home", "HotStream", "Paged", "iterate"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Overflow = Literal["error", "drop_oldest", "drop_newest"]

log = logging.getLogger("rx_toppy.streams")

ELSEWHERE = (
    "this client lives on another event loop, which is still open; "
    "make a client for each loop, or close that loop first"
)


class Home:
    """The event loop that a client lives on: that of its first use, for as long as it is open."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self.tasks: set[asyncio.Task[None]] = set()
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

    def is_here(self) -> bool:
        """Whether this is the thread of the client's loop, and the loop is running."""
        return self.loop is not None and running_loop() is self.loop

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


_END = object()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Ours(Observable[T_co]):
    """What all our observables share: a coroutine function is no callback."""

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        _callbacks(on_next, on_error, on_completed)
        return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)


class Endless(Ours[T_co]):
    """An observable that does not end by itself: there is no last value to await."""

    def __await__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no end, so it can't be awaited; for its next value: "
            f"await stream.pipe(ops.first())"
        )

    def run(self, scheduler: abc.SchedulerBase | None = None) -> NoReturn:
        """There is no last value to wait for: a TypeError that says what to do instead."""
        raise TypeError(f"{self!r} has no end, so it can't be run; see ops.first()")

    def __aiter__(self) -> AsyncIterator[T_co]:
        """`async for` over what comes from here on: see `iterate`, whose defaults it has."""
        return iterate(self).__aiter__()


class Cold(Ours[T_co]):
    """A cold observable: each subscription, `await` or iteration is a run of its own.

    Disposing cancels that run. Values, errors and completion arrive on the client's loop.
    """

    def __init__(self, home: Home, label: str) -> None:
        super().__init__()
        self._home = home
        self._label = label

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
        callbacks = _callbacks(on_next, on_error, on_completed)
        # This goes around reactivex's trampoline, which keeps a source from emitting before
        # `subscribe` has returned. Here it can't: values come from a task.
        subscription = Subscription(self, *callbacks)
        subscription.start()
        return subscription

    async def _emit(self, subscription: Subscription[Any]) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self._label}>"


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
        self, home: Home, label: str, send: Callable[[], Coroutine[Any, Any, T_co]]
    ) -> None:
        super().__init__(home, label)
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

    async def _emit(self, subscription: Subscription[Any]) -> None:
        subscription.next(await self._send())

    def __repr__(self) -> str:
        return f"<{self._label}: not sent; await it, .subscribe() to it or .run() it>"


class Paged(Cold[T_co]):
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

    def __init__(self, home: Home, label: str, items: Callable[[], AsyncIterator[T_co]]) -> None:
        super().__init__(home, label)
        self._items = items

    def __await__(self) -> Generator[Any, None, list[T_co]]:  # type: ignore[override]
        return self._all().__await__()

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self._items()

    def run(self, scheduler: abc.SchedulerBase | None = None) -> list[T_co]:  # type: ignore[override]
        """The list of all, for code outside of any event loop: see `Call.run`."""
        return self._home.run(self._all)

    async def _all(self) -> list[T_co]:
        async with aclosing(self._items()) as items:  # type: ignore[type-var]
            return [item async for item in items]

    async def _emit(self, subscription: Subscription[Any]) -> None:
        demand = subscription.demand
        async with aclosing(self._items()) as items:  # type: ignore[type-var]
            async for item in items:
                subscription.next(item)
                if subscription.is_stopped:
                    break
                if demand is not None and demand.is_full():
                    await demand.room()

    def __repr__(self) -> str:
        return f"<{self._label}: not sent; use async for, await it for a list, or .subscribe()>"


class Subscription(abc.DisposableBase, Generic[T]):
    """One run of a cold observable on the client's loop, and whom it tells."""

    def __init__(
        self,
        source: Cold[T],
        on_next: Callable[[T], Any] | None,
        on_error: Callable[[Exception], Any] | None,
        on_completed: Callable[[], Any] | None,
    ) -> None:
        self.is_stopped = False
        self.demand = _demand.get()
        self._source = source
        self._on_next = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self._task: asyncio.Task[None] | None = None
        self._telling = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        try:
            self._loop = self._source._home.loop_for()  # noqa: SLF001
        except (RuntimeError, ClientClosed) as error:
            self._fail(error)
            return
        if running_loop() is self._loop:
            self._start()
        else:
            self._loop.call_soon_threadsafe(self._start)

    def next(self, value: T) -> None:
        """Hands one value over. A callback that raises is logged, and ends the subscription."""
        if self.is_stopped or self._on_next is None:
            return
        self._telling = True
        before = None if self.demand is None else _demand.set(self.demand)
        try:
            self._on_next(value)
        except (Exception, asyncio.CancelledError):
            self.is_stopped = True
            log.exception("a subscriber of %r raised; its subscription has ended", self._source)
        finally:
            self._telling = False
            if before is not None:
                _demand.reset(before)

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
            # What is subscribed to from within `next` feeds the same reader. What else happens in
            # this task, an event say, has nothing to do with it.
            context = copy_context()
            context.run(_demand.set, None)
        self._task = self._loop.create_task(self._run(), context=context)
        tasks = self._source._home.tasks  # noqa: SLF001
        tasks.add(self._task)
        self._task.add_done_callback(tasks.discard)

    async def _run(self) -> None:
        try:
            await self._source._emit(self)  # noqa: SLF001
        except Exception as error:
            self._fail(error)
        else:
            if not self.is_stopped:
                self.is_stopped = True
                self._tell(self._on_completed)

    def _fail(self, error: Exception) -> None:
        if self.is_stopped:
            return
        self.is_stopped = True
        if self._on_error is None:
            log.error("%r failed, and nobody listens to its errors", self._source, exc_info=error)
        else:
            self._tell(self._on_error, error)

    def _tell(self, callback: Callable[..., Any] | None, *values: Any) -> None:
        try:
            if callback is not None:
                callback(*values)
        except (Exception, asyncio.CancelledError):
            log.exception("a subscriber of %r raised", self._source)


class HotStream(Endless[T], Subject[T]):
    """A hot stream of a client: it replays nothing, never errs, and completes with the client.

    Each subscriber is guarded: one that raises is logged and stays, and the others are not touched.
    Emission is serialised: what is emitted inside of a subscriber reaches everybody after the
    present value. Values arrive on the client's loop, whichever thread emits them.
    """

    def __init__(self, home: Home, label: str) -> None:
        super().__init__()
        self._home = home
        self._label = label
        self._observers: tuple[abc.ObserverBase[T], ...] = ()
        # Bound methods: finding them once is a good part of what telling ten subscribers costs.
        self._targets: tuple[Callable[[T], Any], ...] = ()
        self._waiting: deque[Any] = deque()
        self._emitting = False

    def on_next(self, value: T) -> None:
        """Emits a value, from any thread: at once on the client's loop, soon from elsewhere."""
        home = self._home
        if home.loop is None or home.loop.is_closed() or running_loop() is home.loop:
            self._emit(value)
        else:
            home.loop.call_soon_threadsafe(self._emit, value)

    def on_error(self, error: Exception) -> None:
        """Logged, and no more: failures are values on this stream, it never errs."""
        log.warning("%r was handed an error, which it does not pass on", self, exc_info=error)

    def on_completed(self) -> None:
        """Ignored: the stream ends with its client, and whoever feeds it may end before that."""

    def dispose(self) -> None:
        """Ignored: the stream ends with its client."""

    def finish(self) -> None:
        """Completes the stream, after what is still to be emitted. For the client."""
        self._emit(_END)

    def _emit(self, value: Any) -> None:
        with self.lock:
            self._waiting.append(value)
            if self._emitting:
                return
            self._emitting = True
        try:
            while self._waiting:
                self._deliver(self._waiting.popleft())
        finally:
            self._emitting = False

    def _deliver(self, value: Any) -> None:
        if value is _END:
            self._finish()
            return
        for target in self._targets:
            try:
                target(value)
            except (Exception, asyncio.CancelledError):
                self._log_raised()

    def _finish(self) -> None:
        with self.lock:
            self.is_stopped = True
            observers, self._observers, self._targets = self._observers, (), ()
        for observer in observers:
            try:
                observer.on_completed()
            except (Exception, asyncio.CancelledError):
                self._log_raised()

    def _log_raised(self) -> None:
        reason = sys.exc_info()
        log.error("a subscriber of %r raised; the others are not touched", self, exc_info=reason)

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self.lock:
            if not self.is_stopped:
                self._set((*self._observers, observer))
                return Disposable(lambda: self._leave(observer))
        observer.on_completed()
        return Disposable()

    def _leave(self, observer: abc.ObserverBase[T]) -> None:
        with self.lock:
            self._set(tuple(one for one in self._observers if one is not observer))

    def _set(self, observers: tuple[abc.ObserverBase[T], ...]) -> None:
        self._observers = observers
        self._targets = tuple(observer.on_next for observer in observers)

    def __repr__(self) -> str:
        return f"<{self._label}: {len(self._observers)} subscribers>"


def iterate(
    observable: Observable[T], buffer: int = 1000, overflow: Overflow = "error"
) -> Iteration[T]:
    """Makes any observable iterable with `async for`, whichever thread it emits on.

    It is subscribed to when the iteration begins, and left when the iteration is: by `break`, by
    `aclose()`, or when it is garbage.

    Args:
        observable: Anything, cold or hot. Pages of ours at its source wait for a slow reader.
        buffer: How many items may wait for the reader.
        overflow: What becomes of one more. "error" ends the iteration with a `BufferOverflow`,
            once all that waits was read; "drop_oldest" and "drop_newest" go on, and count what was
            lost in `dropped`.

    Raises:
        TypeError: it is no observable, or `buffer` is no whole number.
        ValueError: `buffer` is less than 1, or `overflow` none of the three.

    Example:
        >>> posts = client.events.pipe(of_type(PostEvent))
        >>> async for event in iterate(posts, overflow="drop_oldest"):
        ...     print(event.stats.server_count)
    """
    if not isinstance(observable, abc.ObservableBase):
        raise TypeError(f"iterate() takes an observable, not {type(observable).__name__}")
    if isinstance(buffer, bool) or not isinstance(buffer, int):
        raise TypeError(f"buffer takes a whole number, not {type(buffer).__name__}")
    if buffer < 1:
        raise ValueError(f"buffer takes at least 1, not {buffer}")
    if overflow not in ("error", "drop_oldest", "drop_newest"):
        raise ValueError(
            f'overflow takes "error", "drop_oldest" or "drop_newest", not {overflow!r}'
        )
    return Iteration(observable, _Buffer(buffer, overflow))


class Iteration(AsyncIterator[T]):
    """An async iterator over an observable; `dropped` counts what a full buffer lost."""

    def __init__(self, observable: Observable[T], buffer: _Buffer[T]) -> None:
        self._observable = observable
        self._buffer = buffer
        self._is_subscribed = False

    @property
    def dropped(self) -> int:
        """How many items were lost because the buffer was full."""
        return self._buffer.dropped

    def __aiter__(self) -> Iteration[T]:
        if not self._is_subscribed:
            self._is_subscribed = True
            buffer = self._buffer
            before = _demand.set(buffer)
            try:
                subscription = self._observable.subscribe(buffer.push, buffer.fail, buffer.complete)
            finally:
                _demand.reset(before)
            buffer.keep(subscription)
        return self

    async def __anext__(self) -> T:
        self.__aiter__()
        while True:
            found, item = self._buffer.pop()
            if found:
                return item  # type: ignore[return-value]
            if self._buffer.ended:
                if self._buffer.error is not None:
                    raise self._buffer.error
                raise StopAsyncIteration
            await self._buffer.item()

    async def aclose(self) -> None:
        """Leaves the observable; what still waits in the buffer is forgotten."""
        self._buffer.close()

    def __del__(self) -> None:
        # `break` ends an `async for` without a word: this is how it is heard of. The source knows
        # the buffer only, so that nothing else keeps the iterator alive.
        self._buffer.close()


class _Buffer(Generic[T]):
    """What stands between an observable on any thread and a reader on its loop."""

    def __init__(self, size: int, overflow: Overflow) -> None:
        self.dropped = 0
        self.ended = False
        self.error: Exception | None = None
        self._subscription: abc.DisposableBase | None = None
        self._size = size
        self._overflow = overflow
        self._items: deque[T] = deque()
        self._lock = threading.RLock()
        self._readers: list[asyncio.Future[None]] = []
        self._writers: list[asyncio.Future[None]] = []

    def push(self, item: T) -> None:
        with self._lock:
            if self.ended:
                return
            if len(self._items) >= self._size:
                if self._overflow == "error":
                    self._end(
                        BufferOverflow(
                            f"{self._size} items wait for their reader and one more came; read "
                            "faster, or give iterate() a larger buffer or an overflow policy"
                        )
                    )
                    return
                self.dropped += 1
                if self._overflow == "drop_newest":
                    return
                self._items.popleft()
            self._items.append(item)
            if self._readers:
                self._wake(self._readers)

    def fail(self, error: Exception) -> None:
        self._end(error)

    def complete(self) -> None:
        self._end()

    def close(self) -> None:
        """The reader has left."""
        with self._lock:
            self._items.clear()
            self.error = None
            self._end()

    def keep(self, subscription: abc.DisposableBase) -> None:
        """The subscription that feeds this; it is over once this has ended."""
        with self._lock:
            self._subscription = subscription
            if self.ended:
                subscription.dispose()

    def _end(self, error: Exception | None = None) -> None:
        with self._lock:
            if not self.ended:
                self.ended, self.error = True, error
                self._wake(self._readers)
                self._wake(self._writers)
            if self._subscription is not None:
                self._subscription.dispose()

    def pop(self) -> tuple[bool, T | None]:
        with self._lock:
            if not self._items:
                return False, None
            item = self._items.popleft()
            if self._writers and not self.is_full():
                self._wake(self._writers)
            return True, item

    async def item(self) -> None:
        """Waits until something has come, or the end."""
        await self._wait(self._readers, lambda: bool(self._items or self.ended))

    def is_full(self) -> bool:
        """Whether a source that can wait should: half of the room is for what can't."""
        return len(self._items) * 2 >= self._size

    async def room(self) -> None:
        """Waits until the reader has caught up."""
        await self._wait(self._writers, lambda: not self.is_full() or self.ended)

    async def _wait(self, queue: list[asyncio.Future[None]], is_over: Callable[[], bool]) -> None:
        with self._lock:
            if is_over():
                return
            future = asyncio.get_running_loop().create_future()
            queue.append(future)
        try:
            await future
        finally:
            with self._lock, suppress(ValueError):
                queue.remove(future)

    def _wake(self, queue: list[asyncio.Future[None]]) -> None:
        while queue:
            future = queue.pop()
            loop = future.get_loop()
            if running_loop() is loop:
                _set(future)
            else:
                with suppress(RuntimeError):  # its loop has closed: nobody waits there any more
                    loop.call_soon_threadsafe(_set, future)


# Whom a pipeline that is being subscribed to will feed, if that one can say "wait".
_demand: ContextVar[_Buffer[Any] | None] = ContextVar("rx_toppy_demand", default=None)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _callbacks(on_next: Any, on_error: Any, on_completed: Any) -> tuple[Any, Any, Any]:
    """The three callbacks of a `subscribe`, which may also have been given one observer."""
    if on_next is not None and callable(getattr(on_next, "on_next", None)):
        on_next, on_error, on_completed = on_next.on_next, on_next.on_error, on_next.on_completed
    for callback in (on_next, on_error, on_completed):
        if callback is not None and _is_async(callback):
            name = getattr(callback, "__qualname__", repr(callback))
            raise TypeError(
                f"{name} is a coroutine function, and its result would never be awaited; "
                f"use .pipe(map_async({name})).subscribe()"
            )
    return on_next, on_error, on_completed


def _is_async(callback: Any) -> bool:
    if type(callback) is FunctionType:
        return bool(callback.__code__.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        getattr(type(callback), "__call__", None)  # noqa: B004 - it may be an async __call__
    )
