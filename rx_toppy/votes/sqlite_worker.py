"""Handing votes to a handler: oldest first, a user's in order, until each is done or given up."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush, heappushpop
from random import Random

from ..api.retries import backoff
from ..errors import InboxError
from ..models import Vote
from . import sqlite_queries as records
from .sqlite_queries import DEAD, DONE, WAITING, Waiting
from .sqlite_store import Store
from .worker import Handler, Handling, Outcome, said

log = logging.getLogger("rx_toppy.votes")

# The pause after a handler raised, and what it grows to.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0

# Votes that another process has added are looked for so often.
LOOK_EVERY = 1.0

# So many are read at a time, and held at the most.
CHUNK = 500
MOST_HELD = 20_000

STATES = {"done": DONE, "failed": WAITING, "dead": DEAD}


class Processing(Handling[Waiting]):
    """One run of `process` on a file: what waits, and whose turn it is.

    Args:
        store: Where the votes are.
        handler: What they are handed to.
        most: How many may run at a time.
        tries: How often one is tried.
        rng: Whence the jitter of pauses.
    """

    def __init__(self, store: Store, handler: Handler, most: int, tries: int, rng: Random) -> None:
        pause = partial(backoff, rng=rng, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        super().__init__(handler, most, tries, pause)
        self._store = store
        self._rng = rng
        # A heap of each user's oldest vote, and by user a heap of those behind that one. A user
        # whose vote runs, or waits to be tried again, has none that is ready.
        self._ready: list[Waiting] = []
        self._behind: dict[int | None, list[Waiting]] = {}
        self._held = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._read_until = (-(2**62), -1)
        self._newest: int | None = None
        self._news_until = 0
        self._backlog_is_read = False
        self._has_news = True

    def look(self) -> None:
        """There is something new in the file. From any thread."""
        self._has_news = True
        super().look()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._changed.wait(self._has_work)

    def _has_work(self) -> bool:
        """Whether there is something to do beside waiting for those that run."""
        is_new = self._has_news and self._backlog_is_read
        is_ready = bool(self._ready) and self._has_slot
        return bool(self._outcomes) or is_new or is_ready or self._is_over

    async def stop(self) -> None:
        """Cancels the handlers that run; what is handled is written down before this returns."""
        for timer in self._timers:
            timer.cancel()
        await super().stop()

    async def _read(self) -> None:
        """Reads what is new, and more of what waits unless there is enough."""
        try:
            await self._read_backlog()
            # What is new waits for the backlog: handed over before it, it could go on for ever.
            if self._backlog_is_read and (self._has_news or len(self._ready) < self._most):
                await self._read_news()
        except InboxError as error:
            if not error.is_transient:
                raise
            log.warning("%s; trying again", error)
            await asyncio.sleep(LOOK_EVERY)

    async def _read_backlog(self) -> None:
        """Those that waited when it began, oldest first."""
        if self._newest is None:
            self._newest = self._news_until = await self._store.read(records.newest)
        while not self._backlog_is_read and len(self._ready) < self._most and self._has_room:
            step = partial(records.backlog, self._read_until, self._newest, CHUNK)
            found = await self._store.read(step)
            if found:
                self._read_until = (found[-1].at, found[-1].seq)
            self._backlog_is_read = len(found) < CHUNK
            for waiting in found:
                self._add(waiting)

    async def _read_news(self) -> None:
        """Those that have come since."""
        self._has_news = False
        found: list[Waiting] | None = None
        while found != [] and self._has_room:
            found = await self._store.read(partial(records.after, self._news_until, CHUNK))
            for waiting in found:
                self._news_until = waiting.seq
                self._add(waiting)

    @property
    def _has_room(self) -> bool:
        return self._held < MOST_HELD

    def _add(self, waiting: Waiting) -> None:
        self._held += 1
        voter = waiting.vote.voter_id
        if voter in self._behind:
            heappush(self._behind[voter], waiting)
        else:
            self._behind[voter] = []
            heappush(self._ready, waiting)

    def _next(self) -> Waiting | None:
        if not self._ready:
            return None
        waiting = heappop(self._ready)
        behind = self._behind[waiting.vote.voter_id]
        if behind and behind[0] < waiting:  # an older one was heard of later
            waiting = heappushpop(behind, waiting)
        return waiting

    async def _settle(self, one: Waiting, outcome: Outcome) -> bool:
        await self._write(one.seq, STATES[outcome.status], outcome.tries, said(outcome.error))
        if outcome.retry_in is None:
            self._free(one.vote)
        else:
            # Its user stays busy: what they did later is not handled before it.
            again = Waiting(one.at, one.seq, outcome.tries, one.vote)
            timer = asyncio.get_running_loop().call_later(outcome.retry_in, self._try_again, again)
            self._timers = {timer, *(old for old in self._timers if not _is_past(old))}
        return True

    def _try_again(self, waiting: Waiting) -> None:
        heappush(self._ready, waiting)
        self.look()

    async def _write(self, seq: int, state: int, tries: int, error: str | None = None) -> None:
        """Writes down what became of a vote, however long that takes: it has been handled."""
        failures = 0
        while True:
            try:
                await self._store.write(partial(records.set_state, seq, state, tries, error))
            except InboxError as failure:
                if self._is_over or not failure.is_transient:
                    raise
                failures += 1
                log.exception("what became of a vote could not be written down; trying again")
                await asyncio.sleep(backoff(failures, self._rng, first=0.5, longest=10.0))
            else:
                return

    def _free(self, vote: Vote) -> None:
        """A vote is settled: its user's next one may go."""
        self._held -= 1
        behind = self._behind[vote.voter_id]
        if behind:
            heappush(self._ready, heappop(behind))
        else:
            del self._behind[vote.voter_id]


def _is_past(timer: asyncio.TimerHandle) -> bool:
    return timer.cancelled() or timer.when() < asyncio.get_running_loop().time()
