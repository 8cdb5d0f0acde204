"""What the demo does with a client: pipelines like those that a bot of one's own would have.

What they find are events of the demo's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, repeat
from operator import attrgetter
from random import Random

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops

from ...client import TopGG
from ...errors import ToppyError
from ...events import Event, PostEvent, RequestEvent
from ...models import Bot, SimpleUser
from ...streams.operators import map_async, of_type
from ..live.finding import Page, Voted, name_of, new_voters, route_of

SEED = 2
VOTES_PER_MINUTE = 24.0
UNLISTED = 110_373_943_822_540_800
BOTS = 600
FIRST_COUNT = 1_204
TOP = 10

# Seconds. All of this together keeps well below the 60 requests a minute.
POST_EVERY = 3.0
VOTERS_EVERY = 4.0
PAGE_EVERY = 4.0
TOP_EVERY = 30.0
BUDGET_EVERY = 10.0


class Started(Event, frozen=True):
    """The sandbox listens."""

    url: str


class Growth(Event, frozen=True):
    """How many servers more (or less) than in the last post."""

    servers: int


class Spent(Event, frozen=True):
    """How many requests each route has had so far."""

    routes: Counter[str]


class NoPage(Event, frozen=True):
    """A bot's page could not be had."""

    id: int
    error: Exception


class Top(Event, frozen=True):
    """The certified bots with the most votes of the month."""

    bots: list[Bot]


def growth(client: TopGG) -> Observable[Growth]:
    """What each post tells that the one before did not.

    ```
    events: --Post(10)--Request--Post(12)--Post(12)--Post(19)-->
    growth: ---------------------+2------------------+7-------->
    ```
    """
    return client.events.pipe(
        of_type(PostEvent),
        ops.map(attrgetter("stats.server_count")),
        ops.pairwise(),
        ops.starmap(lambda before, now: Growth(now - before)),
        ops.filter(attrgetter("servers")),
    )


def spending(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Spent]:
    """What eats the budget: a counter that is carried along, looked at now and then."""

    def one_more(counts: Counter[str], route: str) -> Counter[str]:
        return counts + Counter([route])

    return client.events.pipe(
        of_type(RequestEvent),
        ops.map(route_of),
        ops.scan(one_more, Counter[str]()),
        ops.sample(BUDGET_EVERY, scheduler=scheduler),
        ops.map(Spent),
    )


def votes(
    client: TopGG, scheduler: abc.SchedulerBase, every: float = VOTERS_EVERY
) -> Observable[Voted]:
    """Who has voted since the last look: the list of voters has the newest first.

    `exclusive` drops a tick that comes while a call still runs; without it a slow answer would be
    overtaken. A call that fails is skipped: its `RequestEvent` has told of it.
    """

    def look(_: int) -> Observable[list[SimpleUser]]:
        return client.fetch_votes().pipe(ops.catch(rx.empty()))

    async def greet(voter: SimpleUser) -> Voted:
        # A bot would give its reward here. An error would end the pipeline, so none leaves.
        bio = None
        with suppress(ToppyError):
            bio = (await client.fetch_user(voter)).bio
        return Voted(name_of(voter), bio or "", voter.id)

    return rx.timer(0.0, every, scheduler=scheduler).pipe(
        ops.map(look),
        ops.exclusive(),
        new_voters(),
        map_async(greet, max_concurrent=4),
    )


def pages(
    client: TopGG,
    ids: Sequence[int],
    scheduler: abc.SchedulerBase,
    every: float = PAGE_EVERY,
) -> Observable[Page | NoPage]:
    """The pages of some bots, one after another for ever.

    One of them is not listed. An error that is caught inside, before the calls flow together, is a
    value like any other: the pipeline goes on.
    """

    def look(turn: int) -> Observable[Page | NoPage]:
        id = ids[turn % len(ids)]
        page: Observable[Page | NoPage] = client.fetch_bot(id).pipe(ops.map(Page))
        return page.pipe(ops.catch(lambda error, _: rx.of(NoPage(id, error))))

    return rx.timer(0.0, every, scheduler=scheduler).pipe(ops.map(look), ops.exclusive())


def top(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Top]:
    """The most voted of the certified bots: `take` stops the fetching as soon as it has them."""
    certified = client.bulk_fetch_bots(BOTS, sort="-monthlyPoints").pipe(
        ops.filter(attrgetter("certified")),
        ops.take(TOP),
        ops.to_list(),
        ops.map(Top),
        ops.catch(rx.empty()),
    )

    def look(_: int) -> Observable[Top]:
        return certified

    return rx.timer(1.0, TOP_EVERY, scheduler=scheduler).pipe(ops.map(look), ops.exclusive())


def growing(rng: Random) -> Callable[[], int]:
    """A count of servers that is a little higher now and then, for `StandaloneBot` to call."""
    steps = (rng.choice((-2, 0, 0, 1, 3, 5, 8, 13)) for _ in repeat(None))
    return accumulate(steps, initial=FIRST_COUNT).__next__
