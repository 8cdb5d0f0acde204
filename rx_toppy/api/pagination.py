"""Reading a long list page by page, some pages ahead of the reader.

The first page is fetched alone: most readers never go past it, and pages that nobody reads would
still cost their share of 60 requests a minute. Once the reader does go on, as many pages are under
way as it takes to hide the latency: about how many a reader gets through while one is fetched.
On a fast network that is one; more would only keep memory busy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Collection, Sequence
from math import ceil
from operator import attrgetter
from time import thread_time
from typing import Any, Protocol

from ..models import Bot, BotSearchResults

PAGE = 500  # top.gg's most

# However slow the network: this many pages are under way at the most.
DEEPEST = 6


class FetchPage(Protocol):
    """Fetches one page; `later` is said of all but the first."""

    def __call__(
        self, limit: int, offset: int, /, *, later: bool
    ) -> Awaitable[BotSearchResults]: ...


async def all_bots(fetch: FetchPage, limit: int, offset: int) -> AsyncGenerator[Bot, None]:
    """Up to `limit` bots from `offset` on, in order, none of them twice.

    A page shorter than asked for ends it, or the total that top.gg gives. The list moves while it
    is read, so that a bot can slide from one page to the next: it comes once.
    """
    loop = asyncio.get_running_loop()
    end = offset + limit
    at = ahead = offset
    seen: set[int] = set()
    depth = Depth()
    pages: deque[asyncio.Task[tuple[BotSearchResults, float]]] = deque()

    async def timed(at: int) -> tuple[BotSearchResults, float]:
        began, busy = loop.time(), thread_time()
        page = await fetch(min(PAGE, end - at), at, later=at > offset)
        return page, (loop.time() - began) - (thread_time() - busy)

    try:
        while at < end:
            busy = thread_time()
            asked = min(PAGE, end - at)
            ahead = max(ahead, at + asked)
            page, waited = await (pages.popleft() if pages else timed(at))
            came, came_busy = loop.time(), thread_time()
            for bot in _unseen(page.results, seen):
                yield bot
            at += asked
            if len(page.results) + page.skipped < asked:
                return
            if page.total is not None:
                end = min(end, page.total)
            depth.observe(waited, max(came_busy - busy, 0.0) + loop.time() - came)
            while ahead < end and len(pages) < depth.pages:
                pages.append(loop.create_task(timed(ahead)))
                ahead += min(PAGE, end - ahead)
            # A page that lies ready would otherwise be handed over without the loop coming round.
            await asyncio.sleep(0)
    finally:
        await _abandon(pages)


def _unseen(bots: Sequence[Bot], seen: set[int]) -> Sequence[Bot]:
    ids = set(map(attrgetter("id"), bots))
    if len(ids) == len(bots) and seen.isdisjoint(ids):  # as nearly always
        seen |= ids
        return bots
    return [bot for bot in bots if bot.id not in seen and not seen.add(bot.id)]  # type: ignore[func-returns-value]


async def _abandon(pages: Collection[asyncio.Task[Any]]) -> None:
    for task in pages:
        task.cancel()
    if pages:
        # Nobody will read these pages, nor hear of one that failed.
        await asyncio.gather(*pages, return_exceptions=True)


class Depth:
    """How many pages to have under way, from how long they take and how much work they are.

    Example:
        >>> depth = Depth()
        >>> depth.observe(waited=0.050, worked=0.010)
        >>> depth.pages
        5
    """

    def __init__(self) -> None:
        self.pages = 1
        self._waited: float | None = None

    def observe(self, waited: float, worked: float) -> None:
        """A page was waited for idly for `waited` seconds, and `worked` on for so many.

        Work is all that more pages under way can't hide: decoding, and whatever the reader does.
        """
        before = waited if self._waited is None else self._waited
        self._waited = (before + waited) / 2
        self.pages = max(1, min(DEEPEST, ceil(self._waited / max(worked, 1e-6))))
