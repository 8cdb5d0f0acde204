"""What every inbox is, wherever it keeps its votes."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Self

from reactivex import Observable, abc

from ..api.payloads import aware_datetime
from ..arguments import Seconds, count, seconds
from ..errors import InboxError
from ..models import Vote
from ..models.html_repr import Listed
from ..streams.cold import Call, Paged, Poll
from ..streams.iterate import iterate
from ..streams.loop import Home
from .feed import Feed
from .operators.leaderboard import LeaderboardEntry
from .timestamps import micros
from .worker import DeadLetter, Handler, Handling, Outcome

if TYPE_CHECKING:
    from ..client import TopGG


log = logging.getLogger("rx_toppy.votes")

PAGE = 500

# How long to wait before what could not be written is written again, and how many votes of a stream
# may wait for that.
PAUSE = 1.0
MOST_FED = 100_000


class Inbox(ABC):
    """Votes that are kept until they are handled: `VoteInbox` in a file, `RedisInbox` in a Redis.

    This is what the two have in common.
    """

    def __init__(self) -> None:
        self._home = Home()
        self._rng = Random()
        self._runs: set[Handling[Any]] = set()
        self._feeds: set[Feed] = set()
        self._history: Feed | None = None
        self._closing: asyncio.Future[None] | None = None

    async def add(self, vote: Vote) -> bool:
        """Keeps a vote: when this returns, it is kept (on disk, in Redis).

        Returns:
            Whether it was new. Two records are one vote when their ids are equal, or they are of
            one voter and project and their times lie within a second; a delivery of v0, which has
            neither id nor time, is the same as a vote of that voter and project within 40 minutes
            of its arrival. Where that fits several, it is the one with its id, else the nearest in
            time, else the oldest. Tests from the dashboard are always new.

        Raises:
            InboxError: it could not be kept.
            TypeError: it is no `Vote`.
        """
        if not isinstance(vote, Vote):
            raise TypeError(f"add() takes a Vote, not {type(vote).__name__}")
        self._check_open()
        is_new = await self._add(vote)
        if is_new:
            self._look()
        return is_new

    def feed(self, observable: Observable[Vote]) -> Feed:
        """Keeps all votes of an observable, from now on, in the background.

        Args:
            observable: Any stream of `Vote`s. One that can wait does so while the inbox is busy.

        Returns:
            A `Feed`: the stream of those that were new. Dispose of it to stop.

        Raises:
            TypeError: it is no observable.
            RuntimeError: no event loop is running.

        Example:
            >>> inbox.feed(other_webhook.votes)
        """
        if not isinstance(observable, abc.ObservableBase):
            raise TypeError(f"feed() takes an observable, not {type(observable).__name__}")

        async def run(tell: Callable[[Vote], object]) -> None:
            async with aclosing(iterate(observable, MOST_FED)) as votes:
                async for vote in votes:
                    try:
                        if await self._persistently(lambda vote=vote: self.add(vote)):  # type: ignore[misc]
                            tell(vote)
                    except InboxError:
                        if self._home.closed:
                            raise
                        log.exception("%r can't be kept", vote)

        return self._begin(run, "inbox.feed")

    def follow(
        self,
        client: TopGG,
        since: datetime | None = None,
        *,
        every: Seconds = 60.0,
    ) -> Feed:
        """Keeps all votes of a client's history: what was missed while nobody listened, and on.

        Each page is stored together with the cursor behind it, in one step, and the next run
        goes on from that cursor. (From nothing else: a live vote may have come in before older
        ones were fetched, so that the newest vote is no place to go on from.) What a webhook has
        brought already is not new.

        Args:
            client: The client; its token has to be one for the v1 API.
            since: Where the very first run begins: an aware datetime of the last year. Left out,
                with the votes from then on.
            every: Seconds (or a `timedelta`) from one look at the history to the next.

        Returns:
            A `Feed`: the stream of those that were new. Dispose of it to stop. A bad token ends it
            with that error.

        The history does not say which project its votes are for, so that an inbox follows one
        client: a bot of yours has an inbox of its own.

        Raises:
            TypeError, ValueError: an argument can't be.
            InboxError: it follows a history already.
            RuntimeError: no event loop is running.

        Example:
            >>> inbox.follow(client)
        """
        pace = seconds(every, "every")
        if self._history is not None and not self._history.is_over:
            raise InboxError("this inbox follows a history already")
        client.poll_votes(pace, since=since)  # which says what is wrong with `since`, if anything

        async def history(tell: Callable[[Vote], object]) -> None:
            page: list[Vote] = []

            async def keep(cursor: str) -> None:
                new = await self._persistently(partial(self._add_page, list(page), cursor))
                page.clear()
                if new:
                    self._look()
                for vote in new:
                    tell(vote)

            cursor = await self._persistently(self._cursor)
            votes = client.poll_votes(pace, since=since, cursor=cursor, on_cursor=keep)
            async for vote in votes:
                page.append(vote)  # noqa: PERF401 - `keep` empties it meanwhile

        async def run(tell: Callable[[Vote], object]) -> None:
            await self._in_turn(partial(history, tell))

        self._history = self._begin(run, "inbox.follow")
        return self._history

    def process(
        self, handler: Handler, max_concurrent: int = 1, *, tries: int = 5
    ) -> Poll[Outcome]:
        """Hands every vote that is not done to a handler, oldest first; for ever.

        ```
        votes that wait: a1 b1 a2
        handler:         (a1)(b1)(a2)X-------(a2)     one at a time; a2 raised, and is tried again
        process:         ---a1--b1--a2!---------a2    an Outcome for each try
        ```

        A vote is done when the handler returns, and that is kept before the next vote of the same
        user is handed over. When it raises, it is tried again after a pause that doubles from a
        second to five minutes; after `tries` it is a dead letter (see `dead_letters`). How many may
        process one inbox at a time depends on its kind: see the class.

        Args:
            handler: The coroutine function that a vote is given to. It runs on the event loop.
                Tests from the dashboard are given to it too: see `vote.is_test`.
            max_concurrent: How many may run at a time; those of one user never do.
            tries: How often one vote is tried.

        Returns:
            A cold observable of `Outcome`s. Nothing is handled before it is subscribed to or
            iterated. Disposing cancels the handlers that run; their votes are not done. It
            completes when the inbox is closed.

        Raises:
            TypeError, ValueError: an argument can't be.

        Example:
            >>> async def reward(vote): await database.pay(vote.platform_id, 100 * vote.weight)
            >>> inbox.process(reward, max_concurrent=10).subscribe()
        """
        if not callable(handler):
            raise TypeError(f"process() takes a coroutine function, not {type(handler).__name__}")
        count(max_concurrent, "max_concurrent", least=1)
        count(tries, "tries", least=1)
        name = getattr(handler, "__qualname__", repr(handler))
        run = partial(self._process, handler, max_concurrent, tries)
        return Poll(self._home, run, "inbox.process", name)

    def dead_letters(self) -> Paged[DeadLetter]:
        """The votes that were given up, the first one first.

        Returns:
            `DeadLetter` after `DeadLetter`: a `Vote` that knows its `tries` and its `error`.
            Awaited, it gives a list.

        Example:
            >>> for letter in await inbox.dead_letters():
            ...     print(letter.platform_id, letter.error)
        """

        async def letters() -> AsyncGenerator[DeadLetter, None]:
            behind = 0
            while page := await self._letters(behind, PAGE):
                for seq, letter in page:
                    behind = seq
                    yield letter

        return Paged(self._home, letters, "inbox.dead_letters")

    async def retry(self, vote: Vote) -> None:
        """Lets a dead letter be tried again, as often as a new vote.

        Raises:
            InboxError: there is none of this vote.
            TypeError: it is no `Vote`.
        """
        if not isinstance(vote, Vote):
            raise TypeError(f"retry() takes a Vote, not {type(vote).__name__}")
        self._check_open()
        if not await self._revive(vote):
            raise InboxError(f"there is no dead letter of {vote!r}")
        self._look()

    def votes(self, since: datetime | None = None) -> Paged[Vote]:
        """All votes that were kept, oldest first, done or not; dashboard tests too.

        Args:
            since: From when on: an aware datetime.

        Returns:
            `Vote` after `Vote`. Awaited, it gives a list.

        Raises:
            TypeError, ValueError: `since` is no aware datetime.
        """
        start = _start(since)

        async def kept() -> AsyncGenerator[Vote, None]:
            behind = (-(2**62), -1)
            while page := await self._kept(start, behind, PAGE):
                for at, seq, vote in page:
                    behind = (at, seq)
                    yield vote

        return Paged(self._home, kept, "inbox.votes", *([] if since is None else [since]))

    def top_voters(
        self, since: datetime | None = None, limit: int = 10
    ) -> Call[list[LeaderboardEntry]]:
        """Who has voted most.

        Args:
            since: From when on: an aware datetime.
            limit: How many.

        Returns:
            One list of `LeaderboardEntry`s, best first. Tests don't count.

        Raises:
            TypeError, ValueError: an argument can't be.
        """
        count(limit, "top_voters(limit=...)", least=1)
        start = _start(since)

        async def read() -> list[LeaderboardEntry]:
            return Listed(await self._standings(start, limit))

        return Call(self._home, read, "inbox.top_voters", limit)

    async def close(self) -> None:
        """Ends its feeds and `process`, and lets go of the file or the Redis, once all that
        was begun is kept.

        It may be called any number of times, by a handler too: that is then cancelled.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- what a subclass knows ---

    @abstractmethod
    def _add(self, vote: Vote) -> Awaitable[bool]:
        """Keeps a vote; whether it was new."""

    @abstractmethod
    def _add_page(self, page: Sequence[Vote], cursor: str) -> Awaitable[list[Vote]]:
        """Keeps a page of the history with the cursor behind it, in one step; the new ones."""

    @abstractmethod
    def _cursor(self) -> Awaitable[str | None]:
        """The cursor behind the last page."""

    @abstractmethod
    def _in_turn(self, follow: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Follows the history once it is this process's turn to."""

    @abstractmethod
    def _handling(
        self, handler: Handler, most: int, tries: int
    ) -> AbstractAsyncContextManager[Handling[Any]]:
        """A run of `process`."""

    @abstractmethod
    def _letters(self, behind: int, limit: int) -> Awaitable[list[tuple[int, DeadLetter]]]:
        """Dead letters, the first one first, each with its number."""

    @abstractmethod
    def _revive(self, vote: Vote) -> Awaitable[bool]:
        """Lets a dead letter be tried again; whether there was one of this vote."""

    @abstractmethod
    def _kept(
        self, start: int | None, behind: tuple[int, int], limit: int
    ) -> Awaitable[list[tuple[int, int, Vote]]]:
        """Votes from a time on (microseconds), oldest first, each with its place."""

    @abstractmethod
    def _standings(self, start: int | None, limit: int) -> Awaitable[list[LeaderboardEntry]]:
        """Who has voted most from a time on."""

    @abstractmethod
    def _end(self) -> Awaitable[None]:
        """Lets go of where the votes are, once all that was begun is done."""

    def _waits(self, error: InboxError) -> None:
        """Tells that something could not be written, and will be tried again."""
        log.warning("%s; trying again", error)

    # --- what they share ---

    def _check_open(self) -> None:
        if self._home.closed:
            raise InboxError("this inbox was closed")

    async def _close(self) -> None:
        self._home.closed = True
        for feed in list(self._feeds):
            feed.dispose()
        for task in (tasks := list(self._home.tasks)):
            task.cancel()
        ends = [feed.ended() for feed in self._feeds] + [run.stop() for run in self._runs]
        await asyncio.gather(*tasks, *ends, return_exceptions=True)
        await self._end()
        self._look()

    def _begin(
        self, run: Callable[[Callable[[Vote], object]], Coroutine[Any, Any, None]], name: str
    ) -> Feed:
        self._check_open()
        feed = Feed(run, name)
        self._feeds.add(feed)
        feed.when_over(self._feeds.discard)
        return feed

    async def _process(
        self, handler: Handler, most: int, tries: int
    ) -> AsyncGenerator[Outcome, None]:
        self._check_open()
        self._home.bind()
        async with self._handling(handler, most, tries) as run:
            self._runs.add(run)
            try:
                async with aclosing(run.outcomes()) as outcomes:
                    async for outcome in outcomes:
                        yield outcome
            except InboxError:
                if not self._home.closed:
                    raise
            finally:
                self._runs.discard(run)

    async def _persistently(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """Does it again until it can be done: those who gave the votes won't."""
        while True:
            try:
                return await step()
            except InboxError as error:
                if self._home.closed or not error.is_transient:
                    raise
                self._waits(error)
                await asyncio.sleep(PAUSE)

    def _look(self) -> None:
        for run in self._runs:
            run.look()


def _start(since: datetime | None) -> int | None:
    return None if since is None else micros(aware_datetime(since, "since"))
