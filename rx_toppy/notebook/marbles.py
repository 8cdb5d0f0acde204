"""`marbles`: streams as they ran, in the picture that people who think in streams draw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reactivex import Observable
from reactivex.scheduler import VirtualTimeScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from ..arguments import Seconds
from ..arguments import seconds as seconds_of
from .cells import ended
from .checks import checked_function, checked_loop, checked_observable
from .fields import label_of
from .marble_figure import draw
from .marble_layout import Lane, Mark
from .marble_text import written
from .pictures import Picture
from .recorder import Notification, Recorder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Seconds that a diagram shows at least: below, it would be of the machine and not of the streams.
SHORTEST = 0.1


def marbles(
    streams: Mapping[str, Observable[Any]],
    seconds: Seconds = 30.0,
    *,
    label: Callable[[Any], Any] | None = None,
    scheduler: VirtualTimeScheduler | None = None,
) -> MarbleRecording:
    """Records streams while they run, and gives a marble diagram of them.

    ```
    requests:  --200--200-503---200--->     a marble for each item, at its time
    posts:     ---a----------------b--|     |: completed
    checked:   --------------X              X: ended by an error, with its name
    ```

    It subscribes at once; `await` it for the diagram, which is there after so many seconds, when
    all streams have ended, or after `.stop()`. What is done between the two is on it. Cancelling
    (interrupting the cell) leaves the streams. The same label has the same colour on every line.
    Items that come at one moment are stacked; where they are too many for labels they are beads,
    and then dots.

    Args:
        streams: Observables by name; cold ones are subscribed to once each (share what two of
            them have in common: `ops.share()`).
        seconds: How long to record at most.
        label: Makes the text of a marble of an item. Without one it is a request's status, the
            number of servers of a post, a bot's name, a value itself, or the name of its type.
        scheduler: A `VirtualTimeScheduler` (as `TestScheduler` is) that the streams run on: it is
            advanced by `seconds` right away, and the times are its own. Nothing is waited for,
            and the diagram is the same each time.

    Raises:
        TypeError: they are no observables, or `label` is no plain function.
        ValueError: there are none, or `seconds` is not more than zero.
        RuntimeError: no event loop runs here.

    Example:
        >>> requests = client.events.pipe(of_type(RequestEvent))
        >>> recording = marbles({"requests": requests, "quiet": requests.pipe(ops.debounce(1))}, 5)
        >>> await client.post_stats()
        >>> await recording

        In virtual time, which takes none:

        >>> clock = VirtualTimeScheduler()
        >>> keys = rx.cold("a-b---c-|", timespan=0.25, scheduler=clock)
        >>> streams = {"keys": keys, "debounced": keys.pipe(ops.debounce(0.6))}
        >>> print(await marbles(streams, 5, scheduler=clock))
        keys:      a---------b-------------------c---------|
        debounced: ----------------------b-----------------(c|)
        (- is 0.05 s)
    """
    return MarbleRecording(_checked(streams), seconds, label, scheduler)


def _checked(streams: Any) -> dict[str, Observable[Any]]:
    if not isinstance(streams, Mapping):
        raise TypeError(
            f'marbles() takes observables by name, {{"requests": ...}}, '
            f"not {type(streams).__name__}"
        )
    if not streams:
        raise ValueError("marbles() takes at least one observable")
    return {str(name): checked_observable(one, f"{name!r}") for name, one in streams.items()}


class MarbleRecording:
    """Streams that are being recorded: `await` it for the diagram."""

    def __init__(
        self,
        streams: dict[str, Observable[Any]],
        seconds: Seconds,
        label: Callable[[Any], Any] | None,
        virtual: VirtualTimeScheduler | None,
    ) -> None:
        self._label = checked_function(label, "label") or label_of
        limit = seconds_of(seconds, "seconds")
        if virtual is not None and not isinstance(virtual, VirtualTimeScheduler):
            raise TypeError(f"scheduler takes a VirtualTimeScheduler, not {type(virtual).__name__}")
        self._loop = loop = checked_loop("marbles()")
        self._over = loop.create_future()
        self._recorder = Recorder(streams, loop.time if virtual is None else _clock_of(virtual))
        self._timer = None if virtual is not None else loop.call_later(limit, self._finish)
        scheduler = virtual or AsyncIOThreadSafeScheduler(loop)
        self._recorder.listen(streams, scheduler, self.stop)
        if virtual is not None:
            virtual.advance_by(limit)
            self._finish()

    def stop(self) -> None:
        """Ends the recording. From any thread, and twice."""
        self._recorder.stop()
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:  # the loop has closed: nobody waits any more
            return

    def __await__(self) -> Generator[Any, None, Marbles]:
        return self._wait().__await__()

    async def _wait(self) -> Marbles:
        try:
            await ended(self._over)
        except asyncio.CancelledError:
            self._recorder.stop()
            self._finish()
            raise
        return Marbles(self._recorder.records, self._recorder.seconds, self._label)

    def _finish(self) -> None:
        self._recorder.stop()
        if self._timer is not None:
            self._timer.cancel()
        if not self._over.done():
            self._over.set_result(None)

    def __repr__(self) -> str:
        items = sum(map(len, self._recorder.records.values()))
        state = "done" if self._over.done() else "recording"
        return f"<marbles: {state}, {self._recorder.seconds:.1f} s, {items} records; await it>"


class Marbles:
    """What streams did: a notebook shows its figure, `print` its text.

    Attributes:
        records: By the name of the stream, what it did: (seconds, kind, value), where the kind is
            "next", "error" or "completed".
        seconds: How long was recorded.
    """

    def __init__(
        self, records: dict[str, list[Notification]], seconds: float, label: Callable[[Any], Any]
    ) -> None:
        self.records = records
        self.seconds = seconds
        self._span = max(seconds, SHORTEST)
        self._lanes = [
            Lane(name, [Mark(one.seconds, one.kind, _text(one, label)) for one in found])
            for name, found in records.items()
        ]

    @cached_property
    def figure(self) -> Figure:
        """The diagram as a figure of matplotlib.

        Raises:
            ImportError: matplotlib is missing.
        """
        return draw(self._lanes, self._span)

    def __str__(self) -> str:
        return written(self._lanes, self._span)

    __repr__ = __str__

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if find_spec("matplotlib") is None:
            return {"text/plain": str(self)}
        return Picture(self.figure, str(self))._repr_mimebundle_(**options)


def _clock_of(virtual: VirtualTimeScheduler) -> Callable[[], float]:
    began = virtual.now
    return lambda: (virtual.now - began) / timedelta(seconds=1)


def _text(record: Notification, label: Callable[[Any], Any]) -> str:
    if record.kind == "completed":
        return ""
    if record.kind == "error":
        error = record.value
        # Some of reactivex's own (of a timeout, say) have no type that tells them.
        return str(error) if type(error) is Exception and str(error) else type(error).__name__
    return " ".join(str(label(record.value)).split())
