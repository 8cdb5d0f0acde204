"""What a process can know of its cluster, looked at again and again; what is new are events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from random import Random

import msgspec
import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops

from ....api.rate_limits import Budget
from ....bot import Census, StandaloneBot
from ....client import TopGG
from ....errors import ToppyError
from ....events import Event
from ....streams.operators import map_async
from ...live.board import BUDGET
from ..pipelines import BUDGET_EVERY, POST_EVERY, SEED, growing
from .events import Away, Hosts, Left, Met, Missing, Posts, Total
from .session import Session, Terminal

# Two terminals have all shards of the bot; a third one has none, and only reads.
SHARDS = 4
SHARDS_EACH = 2

# So long is waited for shards of which no terminal has told, before the total is posted without.
DROP_AFTER = 30.0

LOOK_EVERY = 0.5
COUNT_EVERY = 4  # looks


class PartOfBot(StandaloneBot):
    """Some shards of a bot that grows.

    Attributes:
        counts: The servers of each, as they were last counted.
    """

    def __init__(self, id: int, shards: tuple[int, ...]) -> None:
        self._growing = {shard: growing(Random(SEED + shard)) for shard in shards}
        self.counts: dict[int, int] = {}
        super().__init__(id, server_count=lambda: sum(self.counts.values()))

    def census(self) -> Census:
        """The numbers as they are now: part of the bot's."""
        self.counts = {shard: count() for shard, count in self._growing.items()}
        return Census(sum(self.counts.values()), self.counts, SHARDS)


class Standing(msgspec.Struct, frozen=True):
    """How a terminal stands at a moment.

    Attributes:
        me: Its number.
        terminals: Those that there are.
        url: Where the local top.gg is.
        processes: How many the budget is shared by.
        is_away: Whether it goes on without Redis.
        total: The servers of all, None where that is not known.
        own: Its own servers by shard.
        budget: What is left of the minute's requests.
    """

    me: int
    terminals: tuple[Terminal, ...]
    url: str
    processes: int
    is_away: bool
    total: int | None
    own: dict[int, int]
    budget: Budget

    @property
    def leader(self) -> Terminal | None:
        """Who posts for all; nobody does without Redis."""
        leaders = (one for one in self.terminals if one.posts_since is not None)
        return None if self.is_away else next(leaders, None)

    @property
    def host(self) -> Terminal | None:
        """Who has the local top.gg."""
        return next((one for one in self.terminals if one.hosts), None)

    @property
    def missing(self) -> tuple[int, ...]:
        """The shards that no terminal has."""
        there = {shard for one in self.terminals for shard in one.shards}
        return tuple(sorted(set(range(SHARDS)) - there))


def shards_of(number: int) -> tuple[int, ...]:
    """The shards of a terminal."""
    first = SHARDS_EACH * (number - 1)
    return tuple(range(first, first + SHARDS_EACH)) if first < SHARDS else ()


def looks(session: Session, client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Standing]:
    """How this terminal stands, again and again. A look that takes longer leaves others out."""
    part, bot = client.cluster, client.bot
    assert part is not None  # noqa: S101 - the client was made with a cluster
    shards = shards_of(session.number)
    posts_since: float | None = None
    terminals: tuple[Terminal, ...] = ()
    total: int | None = None

    async def look(tick: int) -> Standing:
        nonlocal posts_since, terminals, total
        posts_since = (posts_since or time.time()) if part.is_leader else None
        await session.beat(Terminal(session.number, shards, posts_since, session.hosts))
        if tick % COUNT_EVERY == 0:
            with suppress(ToppyError):  # not known yet, or no more than before
                total = (await part.total()).server_count
        if not part.is_offline:  # nor when it has just come back, and knows of none yet
            terminals = session.terminals
        return Standing(
            session.number,
            terminals,
            session.base_url,
            part.process_count,
            part.is_offline,
            total,
            bot.counts if isinstance(bot, PartOfBot) else {},
            next(budget for budget in part.limits() if budget.limit == BUDGET),
        )

    def looking(tick: int) -> Observable[Standing]:
        return rx.of(tick).pipe(map_async(look))

    return rx.timer(0.0, LOOK_EVERY, scheduler=scheduler).pipe(ops.map(looking), ops.exclusive())


def changes(looks: Observable[Standing]) -> Observable[Event]:
    """What is new at each look.

    ```
    looks:   --(1 alone)--(1 alone)--(1 and 2; 1 posts)-->
    changes: --Met-------------------Met-Posts----------->
    ```
    """

    def news(pair: tuple[Standing | None, Standing | None]) -> Iterable[Event]:
        before, now = pair
        return () if now is None else _news(before, now)

    began: Observable[Standing | None] = rx.of(None)
    return rx.concat(began, looks).pipe(
        ops.pairwise(), ops.map(news), ops.flat_map(rx.from_iterable)
    )


def totals(looks: Observable[Standing], scheduler: abc.SchedulerBase) -> Observable[Total]:
    """The total, where it is known, no more often than it is posted."""

    def is_known(now: Standing) -> bool:
        return now.total is not None and not now.is_away

    def total(now: Standing) -> Total:
        return Total(now.total or 0, now.own)

    return looks.pipe(
        ops.filter(is_known),
        ops.throttle_first(POST_EVERY, scheduler=scheduler),
        ops.map(total),
    )


def sharing(looks: Observable[Standing], scheduler: abc.SchedulerBase) -> Observable[Left]:
    """What is left of the budget that all share, now and then; it is not known without Redis."""

    def is_known(now: Standing) -> bool:
        return not now.is_away

    def left(now: Standing) -> Left:
        return Left(now.budget.left, now.budget.limit.calls, now.processes)

    sampled = looks.pipe(ops.sample(BUDGET_EVERY, scheduler=scheduler))
    return sampled.pipe(ops.filter(is_known), ops.map(left))


def _news(before: Standing | None, now: Standing) -> Iterator[Event]:
    def differs(name: str) -> bool:
        return before is None or getattr(before, name) != getattr(now, name)

    if before is not None and differs("is_away"):
        yield Away(now.is_away, now.processes)
    if _numbers(before) != _numbers(now):
        yield Met(now.terminals)
    if now.host is not None and (before is None or _number(before.host) != now.host.number):
        yield Hosts(now.host.number, now.host.number == now.me, now.url)
    if _number(None if before is None else before.leader) != _number(now.leader):
        yield Posts(_number(now.leader), _number(now.leader) == now.me)
    if now.terminals and _lack(before) != _lack(now):
        yield Missing(*_lack(now))


def _lack(at: Standing | None) -> tuple[tuple[int, ...], bool]:
    """The shards that no terminal has, and whether they are waited for."""
    if at is None or not at.terminals:
        return (), False
    return at.missing, bool(at.missing) and at.total is None


def _numbers(at: Standing | None) -> list[int]:
    return [] if at is None else [one.number for one in at.terminals]


def _number(one: Terminal | None) -> int | None:
    return None if one is None else one.number
