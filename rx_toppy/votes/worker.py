"""Handing votes to a handler, wherever they are kept: who runs, and what became of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from ..models import Vote
from ..streams.backpressure import Bell

Handler = Callable[[Vote], Awaitable[Any]]

log = logging.getLogger("rx_toppy.votes")

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


class DeadLetter(Vote, frozen=True, kw_only=True):
    """A vote whose handler has raised as often as it may.

    Attributes:
        tries: How often it was tried.
        error: What the handler raised last, in words.
    """

    tries: int
    error: str


def said(error: Exception | None) -> str | None:
    """What a handler raised, as it is kept."""
    if error is None:
        return None
    try:
        return repr(error)[:LONGEST_ERROR]
    except Exception:  # it is somebody else's, and the vote is not to suffer from it
        return type(error).__name__


class InHand(Protocol):
    """A vote that is handed over, and how often it was before."""

    @property
    def vote(self) -> Vote: ...

    @property
    def tries(self) -> int: ...


T = TypeVar("T", bound=InHand)


class Handling(ABC, Generic[T]):
    """One run of `process`: what runs, and what became of it. Whose turn it is, a subclass knows.

    Args:
        handler: What votes are handed to.
        most: How many may run at a time.
        tries: How often one is tried.
        pause: Seconds until another try, after so many.
    """

    def __init__(
        self, handler: Handler, most: int, tries: int, pause: Callable[[int], float]
    ) -> None:
        self._handler = handler
        self._most = most
        self._tries = tries
        self._pause = pause
        self._handlers: set[asyncio.Task[None]] = set()
        self._conclusions: set[asyncio.Task[None]] = set()
        self._outcomes: deque[Outcome] = deque()
        self._is_over = False
        self._changed = Bell()

    @abstractmethod
    async def _read(self) -> None:
        """Gets more of what waits, unless there is enough."""

    @abstractmethod
    async def _rest(self) -> None:
        """Waits until there is something to do."""

    @abstractmethod
    def _next(self) -> T | None:
        """Whose turn it is; it is theirs no longer."""

    @abstractmethod
    async def _settle(self, one: T, outcome: Outcome) -> bool:
        """Writes down what became of a try; whether it still was this run's to say."""

    def look(self) -> None:
        """Something is new. From any thread."""
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
                await self._rest()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Cancels the handlers that run; what is handled is written down before this returns."""
        self._is_over = True
        for task in (handlers := list(self._handlers)):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.gather(*self._conclusions, return_exceptions=True)
        self._changed.ring()

    @property
    def _has_slot(self) -> bool:
        # What became of a vote takes its place until it is written down: of those that would have
        # to be handled again after a crash there are no more than may run.
        return len(self._handlers) + len(self._conclusions) < self._most and not self._is_over

    def _start(self) -> None:
        """Hands over as many as may run."""
        while self._has_slot and (one := self._next()) is not None:
            task = asyncio.ensure_future(self._handle(one.vote))
            self._handlers.add(task)
            task.add_done_callback(partial(self._returned, one))

    async def _handle(self, vote: Vote) -> None:
        result = self._handler(vote)
        if inspect.isawaitable(result):  # else it was a plain function, and has done its work
            await result

    def _returned(self, one: T, task: asyncio.Task[None]) -> None:
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
        conclusion = asyncio.ensure_future(self._conclude(one, error))
        self._conclusions.add(conclusion)
        conclusion.add_done_callback(self._concluded)

    async def _conclude(self, one: T, error: Exception | None) -> None:
        outcome = self._judged(one.vote, one.tries + 1, error)
        if await self._settle(one, outcome):
            self._outcomes.append(outcome)

    def _judged(self, vote: Vote, tries: int, error: Exception | None) -> Outcome:
        if error is None:
            return Outcome(vote, "done", tries)
        if tries >= self._tries:
            log.error("gave up on %r after %d tries", vote, tries, exc_info=error)
            return Outcome(vote, "dead", tries, error)
        pause = self._pause(tries)
        log.warning("%r failed; trying again in %.1f s", vote, pause, exc_info=error)
        return Outcome(vote, "failed", tries, error, pause)

    def _concluded(self, conclusion: asyncio.Task[None]) -> None:
        self._conclusions.discard(conclusion)
        if not conclusion.cancelled() and conclusion.exception() is not None:
            # What could not be written down is handled again, another time.
            log.error("a vote was handled, which is not kept", exc_info=conclusion.exception())
        self._changed.ring()
