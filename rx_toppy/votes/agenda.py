"""What is due when: one timer for many moments of the day, on whichever scheduler."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable
from reactivex.scheduler import TimeoutScheduler, VirtualTimeScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

from ..home import running_loop
from ..models import Vote

__all__ = ["Agenda", "Operator", "OverTime", "over_time"]

T = TypeVar("T")
R = TypeVar("R")

Operator = Callable[[Observable[Vote]], Observable[R]]


class Agenda(abc.DisposableBase, Generic[T]):
    """Items with a moment each, handed to `act` when that has come: all that are due at a time.

    Without a scheduler it runs on the event loop of whoever adds the first item, as the rest of
    the library does, and on reactivex's timer threads where there is none. The moments are those of
    the clock on the wall, or of the scheduler where that one's time is virtual.
    """

    def __init__(
        self, scheduler: abc.SchedulerBase | None, act: Callable[[list[T]], object]
    ) -> None:
        self.lock = threading.RLock()
        self._given = scheduler
        self._act = act
        self._items: list[tuple[datetime, int, T]] = []
        self._numbers = count()
        self._timer = SerialDisposable()
        self._timer_at: datetime | None = None

    def now(self) -> datetime:
        """The time, aware."""
        scheduler = self._scheduler
        if isinstance(scheduler, VirtualTimeScheduler):
            return scheduler.now
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
            self._timer.dispose()

    @property
    def _scheduler(self) -> abc.SchedulerBase:
        if self._given is None:
            loop = running_loop()
            self._given = TimeoutScheduler.singleton() if loop is None else AsyncIOScheduler(loop)
        return self._given

    def _set_timer(self) -> None:
        at = self._timer_at = self._items[0][0]
        wait = max(0.0, (at - self.now()).total_seconds())
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
            if due:
                self._act(due)
            if self._items and self._timer_at is None:
                self._set_timer()


class OverTime(Generic[T]):
    """One subscription to an operator that makes something of votes and of the time that passes.

    Its methods are called one at a time, whichever threads votes and timers come on.
    """

    def __init__(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None
    ) -> None:
        self.observer = observer
        self.agenda: Agenda[T] = Agenda(scheduler, self.due)

    def take(self, vote: Vote) -> None:
        """A vote has come; it is no test."""
        raise NotImplementedError

    def due(self, items: list[T]) -> None:
        """The time of these items of the agenda has come."""
        raise NotImplementedError

    def end(self) -> None:
        """There will be no more votes, and nothing on the agenda is due any more."""


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
                        run.take(vote)

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
