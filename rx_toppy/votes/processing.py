"""Handing votes to a handler: oldest first, a user's in order, until each is done or given up."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush, heappushpop
from random import Random
from typing import Any, Literal

import msgspec

from ..api.retries import backoff
from ..errors import InboxError
from ..iteration import Bell
from ..models import Vote
from . import records
from .records import DEAD, DONE, WAITING, Waiting
from .store import Store

__all__ = ["Handler", "Outcome", "Processing"]

Handler = Callable[[Vote], Awaitable[Any]]

log = logging.getLogger("rx_toppy.votes")

# The pause after a handler raised, and what it grows to.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0

# Votes that another process has added are looked for so often.
LOOK_EVERY = 1.0

# So many are read at a time, and held at the most.
CHUNK = 500
MOST_HELD = 20_000

LONGEST_ERROR = 500


class Outcome(msgspec.Struct, frozen=True):
    """What became of handing a vote to its handler, once.

    Attributes:
        vote: The vote.
        status: "done" when the handler returned; "failed" when it raised, and the vote is tried
            again; "dead" when it raised for the last time (see `VoteInbox.dead_letters`).
        tries: How often it was tried by now.
        error: What the handler raised.
        retry_in: Seconds until it is tried again, where it is.
    """

    vote: Vote
    status: Literal["done", "failed", "dead"]
    tries: int
    error: Exception | None = None
    retry_in: float | None = None


class Processing:
    """One run of `process`: what waits, what runs, whose turn it is.

    Args:
        store: Where the votes are.
        handler: What they are handed to.
        most: How many may run at a time.
        tries: How often one is tried.
        rng: Whence the jitter of pauses.
    """

    def __init__(self, store: Store, handler: Handler, most: int, tries: int, rng: Random) -> None:
        self._store = store
        self._handler = handler
        self._most = most
        self._tries = tries
        self._rng = rng
        # A heap of each user's oldest vote, and by user a heap of those behind that one. A user
        # whose vote runs, or waits to be tried again, has none that is ready.
        self._ready: list[Waiting] = []
        self._behind: dict[int | None, list[Waiting]] = {}
        self._held = 0
        self._handlers: set[asyncio.Task[None]] = set()
        self._conclusions: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._outcomes: deque[Outcome] = deque()
        self._read_until = (-(2**62), -1)
        self._newest: int | None = None
        self._news_until = 0
        self._backlog_is_read = False
        self._has_news = True
        self._is_over = False
        self._changed = Bell()

    def look(self) -> None:
        """There is something new in the file. From any thread."""
        self._has_news = True
        self._changed.ring()

    async def outcomes(self) -> AsyncGenerator[Outcome, None]:
        """Hands votes over as long as it is asked for more; ends when it is stopped."""
        try:
            while not self._is_over:
                await self._read()
                self._start()
                while self._outcomes:
                    yield self._outcomes.popleft()
                    self._start()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._changed.wait(self._has_work)
        finally:
            await self.stop()

    def _has_work(self) -> bool:
        """Whether there is something to do beside waiting for those that run."""
        is_new = self._has_news and self._backlog_is_read
        is_ready = bool(self._ready) and self._has_slot
        return bool(self._outcomes) or is_new or is_ready or self._is_over

    async def stop(self) -> None:
        """Cancels the handlers that run; what is handled is written down before this returns."""
        self._is_over = True
        for timer in self._timers:
            timer.cancel()
        for task in (handlers := list(self._handlers)):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.gather(*self._conclusions, return_exceptions=True)
        self._changed.ring()

    async def _read(self) -> None:
        """Reads what is new, and more of what waits unless there is enough."""
        try:
            await self._read_backlog()
            # What is new waits for the backlog: handed over before it, it could go on for ever.
            if self._backlog_is_read and (self._has_news or len(self._ready) < self._most):
                await self._read_news()
        except InboxError as error:
            if not error.is_passing:
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
        voter = waiting.vote.voter
        if voter in self._behind:
            heappush(self._behind[voter], waiting)
        else:
            self._behind[voter] = []
            heappush(self._ready, waiting)

    def _start(self) -> None:
        """Hands over as many as may run."""
        while self._ready and self._has_slot:
            waiting = heappop(self._ready)
            behind = self._behind[waiting.vote.voter]
            if behind and behind[0] < waiting:  # an older one was heard of later
                waiting = heappushpop(behind, waiting)
            task = asyncio.ensure_future(self._handle(waiting.vote))
            self._handlers.add(task)
            task.add_done_callback(partial(self._returned, waiting))

    @property
    def _has_slot(self) -> bool:
        # What became of a vote takes its place until it is on disk: of those that would have to be
        # handled again after a crash there are no more than may run.
        return len(self._handlers) + len(self._conclusions) < self._most and not self._is_over

    async def _handle(self, vote: Vote) -> None:
        result = self._handler(vote)
        if inspect.isawaitable(result):  # else it was a plain function, and has done its work
            await result

    def _returned(self, waiting: Waiting, task: asyncio.Task[None]) -> None:
        """A handler has returned, raised, or was cancelled."""
        self._handlers.discard(task)
        if task.cancelled():
            if self._is_over:
                return
            error: BaseException | None = RuntimeError("the handler was cancelled")
        else:
            error = task.exception()
        if error is not None and not isinstance(error, Exception):
            return  # the loop itself is being ended by it
        conclusion = asyncio.ensure_future(self._conclude(waiting, waiting.tries + 1, error))
        self._conclusions.add(conclusion)
        conclusion.add_done_callback(self._concluded)

    def _concluded(self, conclusion: asyncio.Task[None]) -> None:
        self._conclusions.discard(conclusion)
        if not conclusion.cancelled() and conclusion.exception() is not None:
            # What could not be written down is handled again, another time.
            log.error("a vote was handled, which is not on disk", exc_info=conclusion.exception())
        self._changed.ring()

    async def _conclude(self, waiting: Waiting, tries: int, error: Exception | None) -> None:
        """Writes down what became of a try."""
        vote = waiting.vote
        said = repr(error)[:LONGEST_ERROR]
        if error is None:
            await self._write(waiting.seq, DONE, tries)
            self._free(vote)
            self._outcomes.append(Outcome(vote, "done", tries))
        elif tries >= self._tries:
            log.error("gave up on %r after %d tries", vote, tries, exc_info=error)
            await self._write(waiting.seq, DEAD, tries, said)
            self._free(vote)
            self._outcomes.append(Outcome(vote, "dead", tries, error))
        else:
            pause = backoff(tries, self._rng, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
            log.warning("%r failed; trying again in %.1f s", vote, pause, exc_info=error)
            await self._write(waiting.seq, WAITING, tries, said)
            # Its user stays busy: what they did later is not handled before it.
            again = Waiting(waiting.at, waiting.seq, tries, vote)
            timer = asyncio.get_running_loop().call_later(pause, self._try_again, again)
            self._timers = {timer, *(old for old in self._timers if not _is_past(old))}
            self._outcomes.append(Outcome(vote, "failed", tries, error, pause))

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
                if self._is_over or not failure.is_passing:
                    raise
                failures += 1
                log.exception("what became of a vote could not be written down; trying again")
                await asyncio.sleep(backoff(failures, self._rng, first=0.5, longest=10.0))
            else:
                return

    def _free(self, vote: Vote) -> None:
        """A vote is settled: its user's next one may go."""
        self._held -= 1
        behind = self._behind[vote.voter]
        if behind:
            heappush(self._ready, heappop(behind))
        else:
            del self._behind[vote.voter]


def _is_past(timer: asyncio.TimerHandle) -> bool:
    return timer.cancelled() or timer.when() < asyncio.get_running_loop().time()
