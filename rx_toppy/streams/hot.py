"""Hot streams: what happens on a client, told to whoever listens at the time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import abc
from reactivex.subject import Subject

from .base import Endless, callbacks_of
from .loop import Home

T = TypeVar("T")

log = logging.getLogger("rx_toppy.streams.cold")

_END = object()


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
        # Replaced, never changed: who is subscribed or leaves while a value is told of does not
        # disturb the telling.
        self._listeners: tuple[Listener[T], ...] = ()
        self._waiting: deque[Any] = deque()
        self._error: Exception | None = None
        self._emitting = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def on_next(self, value: T) -> None:
        """Emits a value, from any thread: at once on the client's loop, soon from elsewhere."""
        loop = self._home.loop_elsewhere()
        if loop is None:
            self.emit(value)
        else:
            loop.call_soon_threadsafe(self.emit, value)

    def on_error(self, error: Exception) -> None:
        """Logged, and no more: failures are values on this stream, it never errs."""
        log.warning("%r was handed an error, which it does not pass on", self, exc_info=error)

    def on_completed(self) -> None:
        """Ignored: the stream ends with its client, and whoever feeds it may end before that."""

    def dispose(self) -> None:
        """Ignored: the stream ends with its client."""

    def emit(self, value: T) -> None:
        """Emits a value on the client's loop, where this is called. For the client."""
        with self.lock:
            if self._emitting:
                self._waiting.append(value)
                return
            self._emitting = True
        try:
            while True:
                self._deliver(value)
                with self.lock:  # so that nothing is left lying between this look and the flag
                    if not self._waiting:
                        self._emitting = False
                        return
                    value = self._waiting.popleft()
        except BaseException:  # a KeyboardInterrupt, say: the stream goes on if the program does
            self._emitting = False
            raise

    def finish(self, error: Exception | None = None) -> None:
        """Ends the stream, after what is still to be emitted. For its owner."""
        self._error = error
        self.emit(_END)  # type: ignore[arg-type]

    def subscribe(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Listens from here on; values arrive on the client's loop, until it is disposed.

        Raises:
            TypeError: a callback is a coroutine function (`map_async` is made for these).
        """
        callbacks = [one or _nothing for one in callbacks_of(on_next, on_error, on_completed)]
        listener: Listener[T] = Listener(self, *callbacks)
        with self.lock:
            if not self.is_stopped:
                self._listeners = (*self._listeners, listener)
                return listener
        listener.end(self._error)
        return listener

    def leave(self, listener: Listener[T]) -> None:
        """Tells one listener nothing more."""
        with self.lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

    def _deliver(self, value: Any) -> None:
        if value is _END:
            self._end()
            return
        for listener in self._listeners:
            if not listener.is_stopped:
                try:
                    listener.on_next(value)
                except (Exception, asyncio.CancelledError):
                    log.exception("a subscriber of %r raised; the others are not touched", self)

    def _end(self) -> None:
        with self.lock:
            self.is_stopped = True
            listeners, self._listeners = self._listeners, ()
        for listener in listeners:
            listener.end(self._error)

    def __repr__(self) -> str:
        return f"<{self._label}: {len(self._listeners)} subscribers>"


class CountedStream(HotStream[T]):
    """A hot stream that knows how many subscribers have taken its last value, and did not raise."""

    taken = 0

    def _deliver(self, value: Any) -> None:
        if value is _END:
            self._end()
            return
        self.taken = 0
        # The loop of HotStream once more: to count there would cost a tenth of every event.
        for listener in self._listeners:
            if not listener.is_stopped:
                try:
                    listener.on_next(value)
                    self.taken += listener.on_next is not _nothing
                except (Exception, asyncio.CancelledError):
                    log.exception("a subscriber of %r raised; the others are not touched", self)


class Listener(abc.DisposableBase, Generic[T]):
    """One subscription to a hot stream."""

    __slots__ = ("_on_completed", "_on_error", "_stream", "is_stopped", "on_next")

    def __init__(
        self,
        stream: HotStream[T],
        on_next: Callable[[T], Any],
        on_error: Callable[[Exception], Any],
        on_completed: Callable[[], Any],
    ) -> None:
        self.is_stopped = False
        self.on_next = on_next
        self._stream = stream
        self._on_error = on_error
        self._on_completed = on_completed

    def dispose(self) -> None:
        """Ends it, from any thread; nothing is told afterwards."""
        self.is_stopped = True
        self._stream.leave(self)

    def end(self, error: Exception | None) -> None:
        """The stream has ended."""
        if self.is_stopped:
            return
        self.is_stopped = True
        try:
            if error is None:
                self._on_completed()
            else:
                self._on_error(error)
        except (Exception, asyncio.CancelledError):
            log.exception("a subscriber of %r raised when it ended", self._stream)


def _nothing(*_: Any) -> None:
    """What is done where nobody said what to do."""
