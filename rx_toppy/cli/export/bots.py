"""The bots that a search finds: some of them to look at, or all of them as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, cast

from ...api.pagination import PAGE
from ...api.rate_limits import DEFAULT_RATE_LIMITS
from ...client import TopGG
from ...events import RequestEvent
from ...models import Bot
from ...streams.operators import of_type
from ..records import BotRecord
from ..text import counted
from .asking import client_of
from .files import check_place
from .pace import Pace
from .reading import Reading, Stand
from .writing import Exported, Target, written

LIMITS = DEFAULT_RATE_LIMITS
NO_END = 2**53


class Search(NamedTuple):
    """Which bots.

    Attributes:
        text: The fields and what they must contain, in top.gg's own form; None for all bots.
        sort: The field to sort by, as top.gg calls it; None for top.gg's own order.
        limit: How many at the most, None for all of them.
    """

    text: str | None = None
    sort: str | None = None
    limit: int | None = None


def searching(token: str, search: Search, *, base_url: str) -> BotSearch:
    """What finds bots.

    Raises:
        ValueError: an argument makes no sense.
    """
    return BotSearch(client_of(token, base_url, rate_limits=LIMITS), search)


def exporting_bots(reading: BotSearch, target: Target) -> Callable[[], Exported | None]:
    """What exports all that a search finds; None where Ctrl-C or SIGTERM came before its end.

    A file is replaced when all is read, and is as it was if that fails. More than 60 pages of 500
    bots have to wait for the next minute's budget.

    It raises a `ToppyError` when top.gg can't be read any further, and an OSError when something
    can't be written.

    Raises:
        OSError: a file can't be where it is to be.
    """
    if target.path is not None:
        check_place(target.path)
    return partial(_run, reading, target)


def _run(reading: BotSearch, target: Target) -> Exported | None:
    count = written(reading, target, target.format(reading.kind).opening)
    return None if count is None else Exported(count)


class BotSearch(Reading):
    """The bots that a search finds, none of them twice.

    Attributes:
        total: How many top.gg says that there are; None until it has said so.
    """

    what = "bot"
    kind = BotRecord
    width = 64

    def __init__(self, client: TopGG, search: Search) -> None:
        super().__init__(client)
        self._search = search
        self._limit = NO_END if search.limit is None else search.limit
        self._pace = Pace(LIMITS[1])
        self.total: int | None = None

    async def records(self) -> AsyncGenerator[BotRecord, None]:
        """All of them, as they come."""
        with self.client.events.pipe(of_type(RequestEvent)).subscribe(self._pace.add):
            async with aclosing(self._bots()) as bots:
                async for bot in bots:
                    yield BotRecord.of(bot)

    def stand(self) -> Stand:
        """How far it has come: how many of how many, how fast, and the pace of the budget."""
        now = datetime.now(UTC)
        if not self.count:
            return Stand(0.0, "asking top.gg")
        so_far, fraction = counted(self.count, "bot"), 0.0
        if self.total is not None:
            whole = max(self.count, min(self.total, self._limit))
            so_far, fraction = f"{self.count:,} of {counted(whole, 'bot')}", self.count / whole
        pace = self._pace.told(now)
        notice = f"{so_far}; {pace}" if self._pace.wait(now) and fraction < 1 else ""
        return Stand(fraction, f"{so_far}  {self.rate:,.0f}/s  {pace}", notice)

    async def _bots(self) -> AsyncGenerator[Bot, None]:
        text, sort = self._search.text, self._search.sort
        # It alone tells the total. Asked for by itself it would be one call of sixty.
        page = await self.client.fetch_bots(min(PAGE, self._limit), 0, text, sort)
        self.total = page.total
        known: set[int] = set()  # the list moves while it is read
        for bot in page:
            if bot.id not in known:
                known.add(bot.id)
                yield bot
        is_full = len(page) + page.skipped >= PAGE
        if self._limit <= PAGE or not is_full or (page.total or NO_END) <= PAGE:
            return
        more = self.client.bulk_fetch_bots(self._limit - PAGE, PAGE, text, sort)
        async with aclosing(cast("AsyncGenerator[Bot, None]", aiter(more))) as bots:
            async for bot in bots:
                if bot.id not in known:
                    yield bot
