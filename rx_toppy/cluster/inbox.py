"""RedisInbox: votes that many processes take in and handle."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from ..api.arguments import Seconds, seconds
from ..api.retries import backoff
from ..models import Vote
from ..votes import processing
from ..votes.base import Inbox
from ..votes.counting import Standing
from ..votes.handling import DeadLetter, Handler
from ..votes.merging import is_meant
from .inbox_adding import add_all, add_page
from .inbox_following import follow_in_turn
from .inbox_processing import RedisProcessing
from .inbox_records import decoded, decoded_letter, number_of
from .inbox_redis import Gathering, InboxRedis
from .link import checked_redis_url, shown_redis_url

__all__ = ["RedisInbox"]

# top.gg waits for five seconds.
LONGEST_WAIT = 4.0

# So many votes are counted at a time.
MOST_COUNTED = 2_000

# Deliveries of one vote come up to 40 minutes apart, and are told from the next vote of the same
# voter by what is kept of the first.
LEAST_KEPT = timedelta(hours=1)


class RedisInbox(Inbox):
    def __init__(
        self,
        url: str,
        *,
        name: str = "votes",
        keep: Seconds = timedelta(days=31),
        consumer: str | None = None,
    ) -> None:
        checked_redis_url(url, "RedisInbox")
        _check_name(name, "name")
        if consumer is not None:
            _check_name(consumer, "consumer")
        self._keep = int(seconds(keep, "keep") * 1_000_000)
        if self._keep < LEAST_KEPT.total_seconds() * 1_000_000:
            raise ValueError(f"keep takes at least an hour, not {keep}")
        super().__init__()
        self._name = name
        self._shown = shown_redis_url(url)
        self._consumer = consumer or f"{socket.gethostname()}-{os.getpid()}"
        self._redis = InboxRedis(url, name)
        self._home.on_bind = self._begin_anew
        self._adding = self._gathering()

    @property
    def name(self) -> str:
        """What tells it from other inboxes on the same Redis."""
        return self._name

    def __repr__(self) -> str:
        return f"<RedisInbox {self._name} at {self._shown}>"

    def _gathering(self) -> Gathering[Vote, bool]:
        return Gathering(partial(add_all, self._redis), LONGEST_WAIT)

    def _begin_anew(self, _: float) -> None:
        """There is a new loop: the connections of the one before are gone."""
        self._redis.link.forget()
        self._adding = self._gathering()

    def _add(self, vote: Vote) -> Awaitable[bool]:
        self._home.bind()
        return self._adding.put(vote)

    async def _add_page(self, page: Sequence[Vote], cursor: str) -> list[Vote]:
        self._home.bind()
        return await add_page(self._redis, page, cursor)

    async def _cursor(self) -> str | None:
        self._home.bind()
        cursor = await self._redis.ask(self._redis.link.redis.get(f"{self._redis.keys}:cursor"))
        return None if cursor is None else str(cursor, "utf-8")

    def _in_turn(self, follow: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        self._home.bind()
        return follow_in_turn(self._redis, follow)

    @asynccontextmanager
    async def _handling(
        self, handler: Handler, most: int, tries: int
    ) -> AsyncGenerator[RedisProcessing, None]:
        pause = partial(
            backoff,
            rng=self._rng,
            first=processing.FIRST_PAUSE,
            longest=processing.LONGEST_PAUSE,
        )
        yield RedisProcessing(self._redis, self._consumer, self._keep, handler, most, tries, pause)

    async def _letters(self, behind: int, limit: int) -> list[tuple[int, DeadLetter]]:
        self._home.bind()
        found = await self._redis.run("inbox_letters", behind, limit)
        return [(int(number), decoded_letter(*letter)) for number, *letter in found]

    async def _revive(self, vote: Vote) -> bool:
        behind = 0
        while letters := await self._letters(behind, MOST_COUNTED):
            for seq, letter in letters:
                behind = seq
                if is_meant(letter, vote) and await self._redis.run("inbox_revive", number_of(seq)):
                    return True
        return False

    async def _kept(
        self, start: int | None, behind: tuple[int, int], limit: int
    ) -> list[tuple[int, int, Vote]]:
        self._home.bind()
        at, seq = behind
        last = ("", "") if seq < 0 else (at, number_of(seq))
        since = "-inf" if start is None else start
        found = await self._redis.run("inbox_votes", since, *last, limit)
        page = zip(found[::3], found[1::3], found[2::3], strict=True)
        return [(int(at), int(number), decoded(record)[1]) for number, at, record in page]

    async def _standings(self, start: int | None, limit: int) -> list[Standing]:
        tally: dict[int, list[int]] = {}  # by voter: votes, weight, less the time of the first one
        behind = (0, -1)
        while page := await self._kept(start, behind, MOST_COUNTED):
            for at, seq, vote in page:
                behind = (at, seq)
                voter = vote.user_id if vote.platform_id is None else vote.platform_id
                if voter is None or vote.is_test:
                    continue
                sums = tally.setdefault(voter, [0, 0, -at])
                sums[0] += 1
                sums[1] += 1 if vote.weight is None else vote.weight
        best = sorted(tally, key=tally.__getitem__, reverse=True)[:limit]
        return [Standing(voter, *tally[voter][:2]) for voter in best]

    def _waits(self, error: object) -> None:
        """That Redis is away is told once, and once that it is back."""

    async def _end(self) -> None:
        await self._adding.done()
        await self._redis.link.close()


def _check_name(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} takes text, not {type(value).__name__}")
    if not value or not value.isprintable() or set(value) & set("{} "):
        raise ValueError(f"{what} takes a name without braces and spaces, not {value!r}")
