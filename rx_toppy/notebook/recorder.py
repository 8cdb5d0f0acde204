"""What was heard of several streams, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

Kind = Literal["next", "error", "completed"]


class Notification(NamedTuple):
    """One thing that a stream did.

    Attributes:
        seconds: When, from the beginning of the recording on.
        kind: "next", "error" or "completed".
        value: The item, the error, or None.
    """

    seconds: float
    kind: Kind
    value: Any


class Recorder:
    """Writes down what streams do, on any thread, until it is told to stop or all have ended."""

    def __init__(self, names: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self.records: dict[str, list[Notification]] = {name: [] for name in names}
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._subscriptions = CompositeDisposable()
        self._running = set(names)
        self._is_over = False
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """How long it has recorded."""
        return self._seconds if self._is_over else self._clock() - self._began

    def listen(
        self,
        streams: Mapping[str, Observable[Any]],
        scheduler: abc.SchedulerBase,
        on_end: Callable[[], None],
    ) -> None:
        """Subscribes to all; `on_end` is called when the last one has ended, on its thread."""
        try:
            for name, stream in streams.items():
                write = partial(self._write, name, on_end)
                callbacks = partial(write, "next"), partial(write, "error")
                over = partial(write, "completed", None)
                self._subscriptions.add(stream.subscribe(*callbacks, over, scheduler=scheduler))
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """Leaves the streams. From any thread, and twice."""
        with self._lock:
            self._seconds = self.seconds
            self._is_over = True
        self._subscriptions.dispose()

    def _write(self, name: str, on_end: Callable[[], None], kind: Kind, value: Any) -> None:
        with self._lock:
            if self._is_over:
                return
            self.records[name].append(Notification(self._clock() - self._began, kind, value))
            if kind != "next":
                self._running.discard(name)
            is_end = not self._running
        if is_end:
            on_end()
