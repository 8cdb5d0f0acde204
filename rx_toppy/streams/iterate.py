"""`iterate`: any observable as an async iterator."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, Literal, TypeVar

from reactivex import Observable, abc
from reactivex import operators as ops

from ..errors import BufferOverflow
from .backpressure import Bell, demand

T = TypeVar("T")

Overflow = Literal["error", "drop_oldest", "drop_newest"]


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
            before = demand.set(buffer)
            try:
                # A source that emits everything while it is subscribed to gives no chance to
                # dispose of it: it is told by the operator that enough has come.
                source = self._observable.pipe(ops.take_while(lambda _: not buffer.ended))
                subscription = source.subscribe(buffer.push, buffer.fail, buffer.complete)
            finally:
                demand.reset(before)
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
        self._readers = Bell(self._lock)
        self._writers = Bell(self._lock)

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
            self._readers.ring()

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
                self._readers.ring()
                self._writers.ring()
            if self._subscription is not None:
                self._subscription.dispose()

    def pop(self) -> tuple[bool, T | None]:
        with self._lock:
            if not self._items:
                return False, None
            item = self._items.popleft()
            if not self.is_full():
                self._writers.ring()
            return True, item

    async def item(self) -> None:
        """Waits until something has come, or the end."""
        await self._readers.wait(lambda: bool(self._items or self.ended))

    def is_full(self) -> bool:
        """Whether a source that can wait should: half of the room is for what can't."""
        return len(self._items) * 2 >= self._size

    async def room(self) -> None:
        """Waits until the reader has caught up."""
        await self._writers.wait(lambda: not self.is_full() or self.ended)
