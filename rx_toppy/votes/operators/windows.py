"""Votes added up: in the last hour, or an hour at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from reactivex import abc

from ...arguments import Seconds
from ...models import Vote
from ..timestamps import EPOCH
from .timed import Operator, OverTime, over_time, span, weight_of


class VoteCount(msgspec.Struct, frozen=True):
    """How many votes there were.

    Attributes:
        votes: How often somebody voted.
        weight: What that counts for: votes on weekends count double.
    """

    votes: int
    weight: int


class VoteWindow(msgspec.Struct, frozen=True):
    """How many votes were cast in a span of time.

    Attributes:
        start: Its beginning, aware, in UTC.
        end: Its end, which is the beginning of the next one.
        votes: How often somebody voted.
        weight: What that counts for: votes on weekends count double.
    """

    start: datetime
    end: datetime
    votes: int
    weight: int


def recent_votes(
    window: Seconds, *, scheduler: abc.SchedulerBase | None = None
) -> Operator[VoteCount]:
    """How many votes were cast in the last so many seconds, told anew whenever that changes.

    ```
    votes:              --a--b-----------c------------>
    recent_votes(10 s): --1--2------1--0-1---------0-->    each leaves 10 s after it was cast
    ```

    The window ends with the present. Votes older than that are passed over, so after a history it
    tells of its end; to look back, `votes_per` is the one. It ends with its source.

    Args:
        window: Its length, in seconds or as a `timedelta`.
        scheduler: Where time passes; the event loop by default.

    Returns:
        An operator from `Vote`s to `VoteCount`s.

    Raises:
        TypeError, ValueError: `window` is no duration.

    Example:
        >>> hour = timedelta(hours=1)
        >>> client.poll_votes(since=datetime.now(timezone.utc) - hour).pipe(
        ...     recent_votes(hour)
        ... ).subscribe(lambda count: print(count.votes, "votes in the last hour"))
    """
    return over_time(partial(_Recent, span(window, "window")), scheduler)


def votes_per(
    window: Seconds, *, scheduler: abc.SchedulerBase | None = None
) -> Operator[VoteWindow]:
    """Counts votes an hour (or any other span) at a time, by when they were cast.

    ```
    votes:             a-b-|--c--|-----|d--|
    votes_per(1 hour): ----2-----1-----0---1|    a window is told of when it is over
    ```

    Windows lie end to end, as the clock (in UTC) has them: hours begin on the hour. One without
    votes between others is told of too. A window is over when a vote of a later one comes, when the
    votes end, or, once votes are new rather than history, when its time has passed. A vote that
    comes too late for its window makes one more record of that window: adding up is always right.

    Args:
        window: Its length, in seconds or as a `timedelta`.
        scheduler: Where time passes; the event loop by default.

    Returns:
        An operator from `Vote`s to `VoteWindow`s.

    Raises:
        TypeError, ValueError: `window` is no duration.

    Example:
        >>> hours = await client.project.votes(since=monday).pipe(votes_per(3600), ops.to_list())
        >>> pyplot.step([hour.start for hour in hours], [hour.votes for hour in hours])
    """
    return over_time(partial(_Windows, span(window, "window")), scheduler)


class _Recent(OverTime[int]):
    """The votes of the window that ends now; its agenda has the weights that leave it."""

    def __init__(
        self,
        length: timedelta,
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        super().__init__(observer, scheduler)
        self._length = length
        self._count = VoteCount(0, 0)

    def take(self, vote: Vote) -> None:
        leaves_at = vote.cast_at + self._length
        if leaves_at > self.agenda.now():
            weight = weight_of(vote)
            self.agenda.add(leaves_at, weight)
            self._change(1, weight)

    def due(self, items: list[int]) -> None:
        self._change(-len(items), -sum(items))

    def _change(self, votes: int, weight: int) -> None:
        count = self._count
        self._count = VoteCount(count.votes + votes, count.weight + weight)
        self.tell(self._count)


class _Windows(OverTime[int]):
    """The window that is open, by its number since 1970; its agenda has those that will be over."""

    def __init__(
        self,
        length: timedelta,
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        super().__init__(observer, scheduler)
        self._length = length
        self._open: int | None = None
        self._count = VoteCount(0, 0)
        self._timed = False

    def take(self, vote: Vote) -> None:
        number = (vote.cast_at - EPOCH) // self._length
        if self._open is None:
            self._open = number
        if number < self._open:
            self._tell(number, VoteCount(1, weight_of(vote)))
            return
        self._close_until(number)
        self._count = VoteCount(self._count.votes + 1, self._count.weight + weight_of(vote))
        if not self._timed and self._end(number) > self.agenda.now():
            self._timed = True
            self.agenda.add(self._end(number), number)

    def due(self, items: list[int]) -> None:
        following = items[-1] + 1
        self._close_until(following)
        self.agenda.add(self._end(following), following)

    def end(self) -> None:
        if self._count.votes:
            self._close_until((self._open or 0) + 1)

    def _close_until(self, number: int) -> None:
        """Tells of the open window, and of empty ones after it, so that `number` is open."""
        while self._open is not None and self._open < number:
            over, count = self._open, self._count
            self._open, self._count = over + 1, VoteCount(0, 0)
            self._tell(over, count)

    def _tell(self, number: int, count: VoteCount) -> None:
        start = EPOCH + number * self._length
        self.tell(VoteWindow(start, start + self._length, count.votes, count.weight))

    def _end(self, number: int) -> datetime:
        return EPOCH + (number + 1) * self._length
