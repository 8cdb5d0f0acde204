"""What is watched of a bot, as pipelines; what they find are events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import TypeVar, cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops

from ...client import TopGG
from ...errors import Forbidden
from ...events import Event, PollFailed, RequestEvent
from ...models import Bot, BotStats, SimpleUser
from ...streams.operators import of_type
from ..live.board import BUDGET, MINUTE
from ..live.finding import Page, Voted, name_of, new_voters

T = TypeVar("T")
E = TypeVar("E")

SETTLED = 1.0  # seconds without a request, after which the budget is told
MARGIN = 0.1  # seconds more than a server asks for, so that nothing is asked too soon


class Watching(Event, frozen=True):
    """It begins."""

    id: int
    url: str
    every: float


class Stats(Event, frozen=True):
    """The numbers that the bot has posted are others than before."""

    stats: BotStats


class OwnPage(Page, frozen=True):
    """The bot's votes are others than before."""


class Voters(Event, frozen=True):
    """Who had voted before it began, the newest first."""

    voters: list[SimpleUser]


class Budget(Event, frozen=True):
    """How many requests of the last minute the budget counts."""

    spent: int


def polled(
    call: Observable[T],
    tell: Callable[[Observable[T]], Observable[E]],
    every: float,
    scheduler: abc.SchedulerBase,
) -> Observable[E | PollFailed]:
    """What is to be told of a call's values, which is made again `every` so many seconds.

    ```
    call:         --a|  --b|  --x  --c|
    what is told: --A-----B-----F----C--->    F: PollFailed, whose pause may be longer
    ```

    The seconds count from the answer. A failure is a value; only a token that is refused right at
    the beginning is an error.
    """

    def failed(error: Exception) -> Observable[T | PollFailed]:
        asked = getattr(error, "retry_after", None) or 0.0
        return rx.of(PollFailed(error, max(every, asked + MARGIN)))

    def failed_first(error: Exception) -> Observable[T | PollFailed]:
        return rx.throw(error) if isinstance(error, Forbidden) else failed(error)

    found = cast("Observable[T | PollFailed]", call)
    first = found.pipe(ops.catch(lambda error, _: failed_first(error)))
    later = found.pipe(ops.catch(lambda error, _: failed(error)))

    def look(_: int) -> Observable[T | PollFailed]:
        return later

    def again(outcome: T | PollFailed) -> Observable[T | PollFailed]:
        pause = outcome.retry_in if isinstance(outcome, PollFailed) else every
        return rx.timer(pause, scheduler=scheduler).pipe(ops.flat_map(look))

    def told(outcomes: Observable[T | PollFailed]) -> Observable[E | PollFailed]:
        failures, values = outcomes.pipe(ops.partition(lambda one: isinstance(one, PollFailed)))
        return rx.merge(tell(cast("Observable[T]", values)), failures)

    return first.pipe(ops.expand(again), ops.publish(told))


def stats(
    client: TopGG, every: float, scheduler: abc.SchedulerBase
) -> Observable[Stats | PollFailed]:
    """The counts of servers and shards that top.gg has, when they change."""

    def changes(found: Observable[BotStats]) -> Observable[Stats]:
        counts = attrgetter("server_count", "shard_count")
        return found.pipe(ops.distinct_until_changed(counts), ops.map(Stats))

    return polled(client.get_stats(), changes, every, scheduler)


def page(
    client: TopGG, id: int, every: float, scheduler: abc.SchedulerBase
) -> Observable[OwnPage | PollFailed]:
    """The bot's page, when its votes change."""

    def changes(found: Observable[Bot]) -> Observable[OwnPage]:
        votes = attrgetter("monthly_votes", "all_time_votes")
        return found.pipe(ops.distinct_until_changed(votes), ops.map(OwnPage))

    return polled(client.fetch_bot(id), changes, every, scheduler)


def voters(
    client: TopGG, every: float, scheduler: abc.SchedulerBase
) -> Observable[Voters | Voted | PollFailed]:
    """Who had voted when it began, and then everybody who votes."""

    def voted(user: SimpleUser) -> Voted:
        return Voted(name_of(user), str(user.id), user.id)

    def newest(found: Observable[list[SimpleUser]]) -> Observable[Voters | Voted]:
        at_first = found.pipe(ops.take(1), ops.map(Voters))
        return rx.merge(at_first, found.pipe(new_voters(), ops.map(voted)))

    return polled(client.fetch_votes(), newest, every, scheduler)


def budget(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Budget]:
    """How much of the minute's budget is used, after each round of requests."""

    def one_more(times: list[datetime], at: datetime) -> list[datetime]:
        return [*(time for time in times if time > at - MINUTE), at]

    def is_counted(event: RequestEvent) -> bool:
        return event.route.startswith(BUDGET.prefix)

    def told(times: list[datetime]) -> Budget:
        return Budget(len(times))

    return client.events.pipe(
        of_type(RequestEvent),
        ops.filter(is_counted),
        ops.map(attrgetter("at")),
        ops.scan(one_more, list[datetime]()),
        ops.debounce(SETTLED, scheduler=scheduler),
        ops.map(told),
    )
