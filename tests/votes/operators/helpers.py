"""Votes cast at a second of virtual time, and what an operator makes of them, second by second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import reactivex
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.testing import ReactiveTest, Recorded, TestScheduler
from reactivex.testing.hotobservable import HotObservable

from rx_toppy import Vote

A, B, C, D = 11, 22, 33, 44
HOUR = 3600
COOLDOWN = 12 * HOUR
SUBSCRIBED, DISPOSED = 200, 1000
END = "end"
NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)  # on the clock of `still`

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed


class Boom(Exception):
    """What sources of these tests fail with."""


def second(time: float) -> datetime:
    """The time of day that a `TestScheduler` has so many seconds after its beginning."""
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=time)


def vote(voter: int | None, cast: float, *, lasts: float = COOLDOWN, **others: Any) -> Vote:
    """A vote that knows when it was cast and when it expires, unless told otherwise."""
    usual = {
        "platform_id": voter,
        "weight": 1,
        "created_at": second(cast),
        "expires_at": second(cast + lasts),
        "received_at": second(cast),
    }
    return Vote(**(usual | others))


def live(votes: Iterable[Vote]) -> list[Recorded[Vote]]:
    """Each vote at the time at which it was cast."""
    return [on_next((vote.cast_at - second(0)).total_seconds(), vote) for vote in votes]


def burst(time: float, votes: Iterable[Vote]) -> list[Recorded[Vote]]:
    """All of the votes at one time, as a page of history has them."""
    return [on_next(time, vote) for vote in votes]


class Timeline(TestScheduler):
    """A `TestScheduler` that writes down when anything was done on it."""

    def __init__(self) -> None:
        super().__init__()
        self.done_at: list[float] = []

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> Any:
        """Schedules an action, whose time will be written down when it is done."""

        def noted(scheduler: abc.SchedulerBase, state: Any = None) -> Any:
            self.done_at.append(self.clock)
            return action(scheduler, state) or Disposable()

        return super().schedule_absolute(duetime, noted, state)

    def done_after(self, time: float) -> list[float]:
        """When something was done after that time."""
        return [at for at in self.done_at if at > time]


@dataclass
class Played:
    """What was heard of an operator, with the times; and who heard its source, from when to when.

    Attributes:
        heard: Pairs of a time and a value, the error, or `END`.
        subscriptions: Pairs of times, as the source had them.
        timeline: Where it took place.
    """

    heard: list[tuple[float, Any]]
    subscriptions: list[tuple[float, float]]
    timeline: Timeline


def timed(messages: Iterable[Recorded[Any]]) -> list[tuple[float, Any]]:
    """Pairs of a time and a value, the error, or `END`."""

    def what(notification: Any) -> Any:
        if notification.kind == "N":
            return notification.value
        return notification.exception if notification.kind == "E" else END

    return [(message.time, what(message.value)) for message in messages]


def spans(source: HotObservable[Any]) -> list[tuple[float, float]]:
    """From when to when the source had each of its subscribers."""
    return [(one.subscribe, one.unsubscribe) for one in source.subscriptions]


def play(
    messages: list[Recorded[Vote]],
    operator: Callable[[Observable[Vote]], Observable[Any]],
    *,
    disposed: float = DISPOSED,
) -> Played:
    """Subscribes at 200 to an operator on a hot source, disposes later, and tells all of it."""
    timeline = Timeline()
    source = timeline.create_hot_observable(messages)
    observer = timeline.start(lambda: source.pipe(operator), disposed=disposed)
    return Played(timed(observer.messages), spans(source), timeline)


def endless(votes: Iterable[Vote]) -> Observable[Vote]:
    """The votes at once, on the subscriber's thread, and no end."""
    return reactivex.concat(reactivex.from_iterable(votes), reactivex.never())


def just_now(voter: int, *, lasts: float = 0.05) -> Vote:
    """A vote of the present, where the clock is `still`, that expires very soon."""
    return Vote(platform_id=voter, created_at=NOW, expires_at=NOW + timedelta(seconds=lasts))
