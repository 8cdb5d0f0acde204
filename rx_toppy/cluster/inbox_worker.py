"""One process's share of handling an inbox's votes: turns that it takes, holds and gives on."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InboxError
from ..models import Vote
from ..votes.worker import Handler, Handling, Outcome, said
from .connection import RedisAway
from .inbox_records import decoded
from .inbox_redis import Gathering, InboxRedis

if TYPE_CHECKING:
    from redis.asyncio import Redis


log = logging.getLogger("rx_toppy.votes")

GROUP = "handlers"

# After so many seconds without a sign of life, what a process held is claimed by others. A sign is
# given three times as often, and as often one looks for what there is to claim.
CLAIM_AFTER = 15.0

# For so long a process waits for turns with one request: what it costs to do nothing. It has to be
# less than the time that an answer may take.
BLOCK = 1.0

# So often it is looked for who has paused long enough, and for votes that are too old.
LOOK_EVERY = 1.0
TIDY_EVERY = 5.0
MOST_DUE = 100
MOST_OLD = 500

# Consumers are forgotten so long after their last sign of life, as multiples of CLAIM_AFTER.
GONE_AFTER = 20

# The pause before what Redis could not do is asked for again.
PAUSE = 0.5


class Held(msgspec.Struct, eq=False):
    """A turn that this process holds, and the vote that is handled in it."""

    turn: str
    voter: str
    number: str
    tries: int
    vote: Vote


class RedisProcessing(Handling[Held]):
    """One run of `process` on an inbox in Redis.

    Args:
        redis: Where the votes are.
        consumer: What its consumer's name begins with.
        keep: For how many microseconds votes are kept.
        handler: What votes are handed to.
        most: How many may run at a time.
        tries: How often one is tried.
        pause: Seconds until another try, after so many.
    """

    def __init__(
        self,
        redis: InboxRedis,
        consumer: str,
        keep: int,
        handler: Handler,
        most: int,
        tries: int,
        pause: Callable[[int], float],
    ) -> None:
        super().__init__(handler, most, tries, pause)
        self._redis = redis
        self._consumer = f"{consumer}-{token_hex(4)}"
        self._keep = keep
        # What waits for a slot here; and by turn all that is in hand.
        self._ready: deque[Held] = deque()
        self._in_hand: dict[str, Held] = {}
        self._settling: Gathering[tuple[Held, Outcome], bool] = Gathering(self._settle_all)
        self._taking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._leaving: asyncio.Future[None] | None = None
        self._news = asyncio.Event()
        # A connection for waiting, and Redis's number for it.
        self._waiting: Redis | None = None
        self._waiting_id: int | None = None
        self._waiting_since = 0
        self._claim_from = b"0-0"
        self._claim_at = 0.0
        self._claims_since = -1

    # --- what runs ---

    async def _read(self) -> None:
        if self._taking is None:
            self._taking = asyncio.ensure_future(self._take())
            self._keeping = asyncio.ensure_future(self._keep_up())
            for task in (self._taking, self._keeping):
                task.add_done_callback(lambda _: self.look())
        for task in self._ended():
            task.result()

    def _ended(self) -> list[asyncio.Task[None]]:
        """What runs in the background, and should not have ended."""
        return [task for task in (self._taking, self._keeping) if task is not None and task.done()]

    async def _rest(self) -> None:
        await self._changed.wait(self._has_work)

    def _has_work(self) -> bool:
        is_ready = bool(self._ready) and self._has_slot
        return bool(self._outcomes or self._ended()) or is_ready or self._is_over

    def _next(self) -> Held | None:
        return self._ready.popleft() if self._ready else None

    async def stop(self) -> None:
        """Cancels the handlers that run, and gives what was not handled back to the others."""
        await super().stop()
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._leave())
        await asyncio.shield(self._leaving)

    # --- taking turns ---

    async def _take(self) -> None:
        """Gets as many turns as there are slots, for as long as it runs."""
        while not self._is_over:
            await self._changed.wait(lambda: self._free > 0 or self._is_over)
            try:
                turns = await self._turns(self._free) if self._free > 0 else []
            except InboxError as error:
                await self._close_waiting()
                await self._without_turns(error)
            else:
                await self._add_heads(turns)

    @property
    def _free(self) -> int:
        return self._most - len(self._handlers) - len(self._conclusions) - len(self._ready)

    async def _turns(self, count: int) -> list[Any]:
        """Turns with their voters: of those that have died, or else such as nobody had yet."""
        claimed = await self._claimed(count)
        if claimed:
            return claimed
        if self._waiting is None or self._waiting_since < self._redis.losses:
            await self._close_waiting()
            await self._open_waiting()
        reading = self._waiting.xreadgroup(  # type: ignore[union-attr]
            GROUP, self._consumer, {self._redis.turns: ">"}, count=count, block=int(BLOCK * 1000)
        )
        return [entry for _, entries in await self._redis.ask(reading) for entry in entries]

    async def _claimed(self, count: int) -> list[Any]:
        loop = asyncio.get_running_loop()
        if self._claims_since != self._redis.losses:
            # When Redis has been away, those that live have their time to give a sign again.
            self._claims_since = self._redis.losses
            self._claim_at = loop.time() + CLAIM_AFTER / 3
        claimed: list[Any] = []
        while len(claimed) < count and loop.time() >= self._claim_at:
            self._claim_from, entries, _ = await self._redis.ask(
                self._redis.link.redis.xautoclaim(
                    self._redis.turns,
                    GROUP,
                    self._consumer,
                    int(CLAIM_AFTER * 1000),
                    self._claim_from,
                    count - len(claimed),
                )
            )
            # (Its own ones may be among them where it has been cut off for long.)
            claimed += [one for one in entries if one[0].decode() not in self._in_hand]
            if self._claim_from == b"0-0":
                self._claim_at = loop.time() + CLAIM_AFTER / 3
        return claimed

    async def _add_heads(self, turns: list[Any]) -> None:
        """Looks up which votes are handled in these turns."""
        names = [text for turn, fields in turns for text in (turn, fields[b"voter"])]
        while names and not self._is_over:
            try:
                heads = await self._redis.run("inbox_heads", *names)
            except InboxError as error:
                await self._without_turns(error)
                continue
            for turn, voter, number, record, tries in heads:
                _, vote = decoded(record)
                held = Held(turn.decode(), voter.decode(), number.decode(), int(tries), vote)
                self._in_hand[held.turn] = held
                self._ready.append(held)
            self._changed.ring()
            return

    async def _without_turns(self, error: InboxError) -> None:
        """Redis is away; or it has come back empty, or is new, and there is no group yet."""
        if "NOGROUP" in str(error):
            making = self._redis.link.redis.xgroup_create(
                self._redis.turns, GROUP, "0", mkstream=True
            )
            with suppress(InboxError):  # another process may have been first
                await self._redis.ask(making)
        else:
            await asyncio.sleep(PAUSE)

    async def _open_waiting(self) -> None:
        client = self._redis.link.redis.client()
        self._waiting, self._waiting_since = client, self._redis.losses
        await self._redis.ask(client.initialize())
        with suppress(InboxError):  # it may not be permitted; then `_leave` waits a little longer
            self._waiting_id = await self._redis.ask(client.client_id())

    async def _close_waiting(self) -> None:
        client, self._waiting, self._waiting_id = self._waiting, None, None
        if client is not None:
            with suppress(RedisAway):  # nobody else shall have a connection that may be dead
                if client.connection is not None:
                    await self._redis.link.answered(client.connection.disconnect())
                await self._redis.link.answered(client.aclose())

    # --- holding on to them ---

    async def _keep_up(self) -> None:
        """Gives signs of life, and does what one process has to do for all."""
        loop = asyncio.get_running_loop()
        sign_at = loop.time() + CLAIM_AFTER / 3
        tidy_at = loop.time()
        losses = self._redis.losses
        while not self._is_over:
            pause = LOOK_EVERY
            self._news.clear()
            try:
                next_due = await self._redis.run("inbox_due", MOST_DUE)
                if next_due >= 0:
                    pause = min(pause, next_due / 1000)
                if loop.time() >= sign_at or losses != self._redis.losses:
                    losses = self._redis.losses
                    await self._give_sign()
                    sign_at = loop.time() + CLAIM_AFTER / 3
                if loop.time() >= tidy_at and not await self._redis.run(
                    "inbox_tidy", self._keep, MOST_OLD, int(GONE_AFTER * CLAIM_AFTER * 1000)
                ):
                    tidy_at = loop.time() + TIDY_EVERY
                pause = min(pause, sign_at - loop.time())
            except InboxError:
                pause = PAUSE
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _give_sign(self) -> None:
        if not self._in_hand:
            return
        lost = await self._redis.run("inbox_fresh", self._consumer, *self._in_hand)
        for turn in lost:
            held = self._in_hand.get(turn.decode())
            if held is not None and held in self._ready:
                self._ready.remove(held)
                self._in_hand.pop(held.turn)

    # --- giving them on ---

    async def _settle(self, one: Held, outcome: Outcome) -> bool:
        try:
            is_written = await self._settling.put((one, outcome))
        finally:
            self._in_hand.pop(one.turn, None)
        if not is_written:
            log.warning(
                "%r was handled here, but this process had been cut off from Redis for so long "
                "that another one handles it too",
                one.vote,
            )
        return is_written

    async def _settle_all(
        self, settled: Sequence[tuple[Held, Outcome]]
    ) -> Sequence[bool | InboxError]:
        """Writes down what became of some, however long that takes: they have been handled."""
        told = [
            (
                *(held.turn, held.voter, held.number, outcome.status, outcome.tries),
                said(outcome.error) or "",
                int((outcome.retry_in or 0.0) * 1000),
            )
            for held, outcome in settled
        ]
        while True:
            try:
                written = await self._redis.run("inbox_settle", self._consumer, self._keep, told)
            except InboxError as error:
                if self._is_over:
                    return [error for _ in settled]
                await asyncio.sleep(PAUSE)
            else:
                self._news.set()
                return [bool(one) for one in written]

    async def _leave(self) -> None:
        """Lets others have what it holds, at once."""
        if self._taking is None or self._keeping is None:
            return
        self._news.set()
        if self._waiting_id is not None and not self._taking.done():
            with suppress(InboxError):
                await self._redis.ask(self._redis.link.redis.client_unblock(self._waiting_id))
        # They are not cancelled: a turn could be given to it just then, and nobody know of it.
        tasks = [self._taking, self._keeping]
        await asyncio.wait(tasks, timeout=2 * BLOCK)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close_waiting()
        with suppress(InboxError):  # else they are claimed, later
            await self._redis.run("inbox_leave", self._consumer)
