"""RedisInbox: votes that many processes take in and handle.

**What is in Redis.** All keys begin with `rx_toppy:{inbox:NAME}`. Times are microseconds since
1970, those in `:later` milliseconds.

| key | what | |
|---|---|---|
| `:votes` | hash | by number (as they came) each vote, a MessagePack array (`inbox_records.py`) |
| `:time` | sorted set | all numbers by the time of the vote: to read on from a moment |
| `:ids`, `:p:ID`, `:u:ID` | hash, sorted sets | the numbers by id, by voter and time |
| `:undone` | hash | the numbers that are not settled, each with whose queue it is in |
| `:q:VOTER` | sorted set | a voter's queue: their votes that are not settled, by time |
| `:turns` | stream | a turn for each voter with a queue; the group is `handlers` |
| `:later` | sorted set | voters whose try has failed, by when they get their next turn |
| `:tries`, `:errors`, `:dead` | hashes, sorted set | of votes whose handler has raised |
| `:cursor`, `:follows` | text | how far the history is read; the lock of who reads it |
| `:last`, `:forgotten` | text | the last number; how far old votes are forgotten |
| `:overdue` | sorted set | the numbers that were settled late, by when they are forgotten |

A voter whose queue is not empty has one turn, which is in the stream or in `:later`. Whoever takes
it from the stream handles the oldest vote of that queue, and nobody else has one of this voter's
meanwhile; when that is settled, the next turn is added. So a user's votes are handled one at a time
and in order by all processes together. A turn that is held by a process that has died is claimed
(XAUTOCLAIM) by another. What is settled by a process that no longer holds the turn is not written.

Which votes are the same is decided by the code that decides it for `VoteInbox`, in Python: a script
keeps votes if nothing is near them but what the caller has compared them with, and else tells what
there is. So nearly always it is one round trip for all votes that came together.

**What it takes.** As measured with Redis 7.0: a vote takes 930 bytes until it is handled (with a
queue and a turn of its own), then 690 if it is its voter's only one, and 440 for each further one
of theirs. So a million votes a day that are kept for 31 days take 14 to 21 GB, for 2 days 0.9 to
1.4 GB: a bot with so many votes has reason to set `keep`. A million votes a day are 12 a second, 60
in a busy one. A process (on a core that it shares with its Redis) adds 15,000 a second, and hands
over 10,000 with 100 handlers at a time, 5,000 with 10, 1,000 with one (three round trips each).
Processes that have nothing to do ask twice a second each, so that hundreds of them are no load. The
next limit is `top_voters` and `votes`, which read every vote from `since` on: 60,000 a second.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from ..api.retries import backoff
from ..arguments import Seconds, seconds
from ..models import Vote
from ..votes import sqlite_worker as processing
from ..votes.deduplication import is_meant
from ..votes.inbox import Inbox
from ..votes.operators.leaderboard import LeaderboardEntry
from ..votes.worker import DeadLetter, Handler
from .connection import checked_redis_url, shown_redis_url
from .inbox_following import follow_in_turn
from .inbox_records import decoded, decoded_letter, number_of
from .inbox_redis import Gathering, InboxRedis
from .inbox_worker import RedisProcessing
from .inbox_writes import add_all, add_page

# top.gg waits for five seconds.
LONGEST_WAIT = 4.0

# So many votes are counted at a time.
MOST_COUNTED = 2_000

# Deliveries of one vote come up to 40 minutes apart, and are told from the next vote of the same
# voter by what is kept of the first.
LEAST_KEPT = timedelta(hours=1)


class RedisInbox(Inbox):
    """Votes in a Redis, from the moment they are acknowledged until they are handled: for a bot
    that runs in many processes.

    ```
    webhook in process 1 --add-->  | in Redis | --process--> handler in process 1
    webhook in process 2 --add-->  |          | --process--> handler in process 2
    ```

    It has all that `VoteInbox` has, and what that guarantees holds for all processes together: any
    of them takes a vote in, one of them handles it. A vote that `add` has returned for reaches a
    handler at least once; the same vote heard of twice, in whichever processes, is one vote. One
    user's votes are handled one at a time and oldest first, whoever handles them; those of several
    users about in the order in which they came. Any number of processes may `process` at a time.
    They may all `follow`, too: one of them does, and when it dies another one goes on within ten
    seconds; each feed tells of the votes that its process has added.

    A vote is handled a second time only if the process that had it died, or was cut off from Redis
    for 15 seconds while others were not, before its completion was in Redis. (So a handler must not
    block the event loop for that long.) What a dead process had in hand is claimed by the others
    after these 15 seconds, what one that closes had is given to them at once. To pay exactly once,
    see `VoteInbox`.

    While Redis is away, `add` raises an `InboxError` that `is_transient` after 4 seconds at the
    most, so that a webhook lets top.gg deliver the vote again; everything else waits, and goes on
    by itself. Where only an answer was lost, the vote may have been kept: added again, it is not
    new, and reaches a handler all the same.

    What Redis has acknowledged is as durable as Redis is set up to be. Set `appendonly yes`: else
    a restart loses votes (which is warned of). With `appendfsync everysec`, which is the default,
    a machine that crashes, though not a Redis that does, loses up to a second of them; with
    `always`, none, at the price of a sync for each script. `maxmemory-policy` has to be noeviction
    or one of the `volatile-` ones.

    Args:
        url: Where the Redis is (7.0 or later, or Valkey), as redis://localhost:6379, or
            rediss://user:password@host. It is not shown anywhere with its password.
        name: What tells it from the inboxes of other bots on the same Redis.
        keep: How long votes are kept after they were cast, for `votes`, `top_voters` and to tell
            duplicates: seconds or a `timedelta`, at least an hour. What is not handled, or a dead
            letter, stays until it is, and what was handled later than this stays for as long again.
            The same for all processes.
        consumer: What this process is called in Redis (XINFO CONSUMERS): host and process id if
            left out.

    Raises:
        TypeError, ValueError: an argument can't be.
        ImportError: the package redis is not installed.

    Example:
        >>> inbox = RedisInbox("redis://localhost:6379", keep=timedelta(days=7))
        >>> webhook = VoteWebhook(secret=SECRET, inbox=inbox)
        >>> inbox.process(reward, max_concurrent=10).subscribe()
    """

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

    async def _standings(self, start: int | None, limit: int) -> list[LeaderboardEntry]:
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
        return [LeaderboardEntry(voter, *tally[voter][:2]) for voter in best]

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
