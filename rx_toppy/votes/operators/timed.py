"""What is due when: one timer for many moments of the day, on whichever scheduler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable
from reactivex.scheduler import TimeoutScheduler, VirtualTimeScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

from ...arguments import Seconds, seconds
from ...models import Vote
from ...streams.loop import running_loop

T = TypeVar("T")
R = TypeVar("R")

Operator = Callable[[Observable[Vote]], Observable[R]]

log = logging.getLogger("rx_toppy.votes")

CENTURY = 36_525 * 86_400.0


class Agenda(abc.DisposableBase, Generic[T]):
    """Items with a moment each, handed to `act` when that has come: all that are due at a time.

    Without a scheduler it runs on the event loop that it was made on (or else that of the first
    item), as the rest of the library does, and on reactivex's timer threads where there is none.
    Items may come from any thread. The moments are those of the clock on the wall, or of the
    scheduler where that one's time is virtual.
    """

    def __init__(
        self, scheduler: abc.SchedulerBase | None, act: Callable[[list[T]], object]
    ) -> None:
        self.lock = threading.RLock()
        self._loop = running_loop()
        self._scheduler = scheduler
        self._act = act
        self._items: list[tuple[datetime, int, T]] = []
        self._numbers = count()
        self._timer = SerialDisposable()
        self._timer_at: datetime | None = None

    def now(self) -> datetime:
        """The time, aware."""
        if isinstance(self._scheduler, VirtualTimeScheduler):
            return self._scheduler.now.replace(tzinfo=UTC)  # it is UTC; reactivex 4 does not say so
        return datetime.now(UTC)

    def add(self, at: datetime, item: T) -> None:
        """Hands an item over at that time."""
        heappush(self._items, (at, next(self._numbers), item))
        if self._timer_at is None or at < self._timer_at:
            self._set_timer()

    def dispose(self) -> None:
        """Forgets all of them."""
        with self.lock:
            self._items.clear()
            self._timer_at = None
        self._where_timers_are(self._timer.dispose)

    def _set_timer(self) -> None:
        self._timer_at = self._items[0][0]
        if self._scheduler is None:
            loop = self._loop = self._loop or running_loop()
            self._scheduler = AsyncIOScheduler(loop) if loop else TimeoutScheduler.singleton()
        self._where_timers_are(self._arm)

    def _where_timers_are(self, action: Callable[[], object]) -> None:
        """Does it on the loop, if the timers are there: they can't be touched from elsewhere."""
        loop = self._loop
        if isinstance(self._scheduler, AsyncIOScheduler) and loop and running_loop() is not loop:
            with suppress(RuntimeError):  # it has closed, and its timers with it
                loop.call_soon_threadsafe(action)
        else:
            action()

    def _arm(self) -> None:
        with self.lock:
            if self._timer_at is not None and self._scheduler is not None:
                wait = max(0.0, (self._timer_at - self.now()).total_seconds())
                self._timer.disposable = self._scheduler.schedule_relative(wait, self._due)

    def _due(self, *_: Any) -> None:
        with self.lock:
            if self._timer_at is None:
                return
            # Whatever the clock on the wall says by now: the wait is over.
            at, self._timer_at = self._timer_at, None
            due: list[T] = []
            while self._items and self._items[0][0] <= at:
                due.append(heappop(self._items)[2])
            self._act(due)
            if self._items and self._timer_at is None:
                self._set_timer()


def span(value: Seconds, name: str, *, least: float = 0.001) -> timedelta:
    """A duration that times of day can be reckoned with.

    Raises:
        TypeError: it is neither seconds nor a `timedelta`.
        ValueError: it is shorter than `least` seconds, or longer than a century.
    """
    length = seconds(value, name, zero=True)
    if not least <= length <= CENTURY:
        raise ValueError(f"{name} takes {least:g} seconds to a century, not {length:g} seconds")
    return timedelta(seconds=length)


class OverTime(Generic[T]):
    """One subscription to an operator that makes something of votes and of the time that passes.

    Its methods are called one at a time, whichever threads votes and timers come on.
    """

    def __init__(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None
    ) -> None:
        self._observer = observer
        self.agenda: Agenda[T] = Agenda(scheduler, self.due)

    def take(self, vote: Vote) -> None:
        """A vote has come; it is no test."""
        raise NotImplementedError

    def due(self, items: list[T]) -> None:
        """The time of these items of the agenda has come."""
        raise NotImplementedError

    def end(self) -> None:
        """There will be no more votes, and nothing on the agenda is due any more."""

    def tell(self, value: Any) -> None:
        """Hands a value on. Whatever it meets there, what is due later still comes."""
        try:
            self._observer.on_next(value)
        except Exception:
            log.exception("what follows an operator on votes raised; the next values still come")


def over_time(
    make: Callable[[abc.ObserverBase[R], abc.SchedulerBase | None], OverTime[Any]],
    scheduler: abc.SchedulerBase | None,
) -> Operator[R]:
    """An operator whose subscriptions `make` makes."""

    def operator(source: Observable[Vote]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], subscribed_on: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            run = make(observer, scheduler or subscribed_on)
            agenda = run.agenda

            def on_next(vote: Vote) -> None:
                if not vote.is_test:
                    with agenda.lock:
                        try:
                            run.take(vote)
                        except OverflowError:
                            log.warning("left out a vote of an impossible time: %r", vote)

            def on_error(error: Exception) -> None:
                agenda.dispose()
                observer.on_error(error)

            def on_completed() -> None:
                agenda.dispose()
                run.end()
                observer.on_completed()

            subscription = source.subscribe(
                on_next, on_error, on_completed, scheduler=subscribed_on
            )
            return CompositeDisposable(subscription, agenda)

        return Observable(subscribe)

    return operator


def weight_of(vote: Vote) -> int:
    """What a vote counts for; one that does not say counts once."""
    return 1 if vote.weight is None else vote.weight
