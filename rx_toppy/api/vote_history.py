"""Reading the vote history: page after page, from a moment or a cursor on.

A cursor stands behind the last vote of its page. One that has nothing behind it stays good: read
on from it later, and the votes that have come since are there. So a reader that keeps its cursor
misses nothing and repeats nothing, however often it is interrupted.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from ..errors import InvalidResponse
from ..models import Vote
from ..models.fields import IdText, Text, Whole, aware, digits
from .payloads import timestamp

log = logging.getLogger("rx_toppy.api")


class VoteItem(msgspec.Struct, frozen=True, gc=False):
    """A vote as the history's pages have it. Ids stay text: "1e2" would pass for the number 100."""

    user_id: IdText | None = None
    platform_id: IdText | None = None
    weight: Whole = None
    created_at: Text = None
    expires_at: Text = None


class VotesPage(msgspec.Struct, frozen=True):
    """One page of the history.

    Attributes:
        data: Its votes, oldest first.
        cursor: Where to read on.
        skipped: How many malformed entries were left out of `data`.
    """

    data: tuple[VoteItem, ...]
    cursor: Text = None
    skipped: int = 0

    def votes(self, received_at: datetime) -> list[Vote]:
        """Its votes; one that does not say who voted is of no use to anybody, and left out."""
        votes = []
        for item in self.data:
            user_id, platform_id = digits(item.user_id), digits(item.platform_id)
            if user_id is None and platform_id is None:
                continue
            vote = Vote(
                user_id=user_id,
                platform_id=platform_id,
                weight=item.weight,
                created_at=aware(item.created_at),
                expires_at=aware(item.expires_at),
                received_at=received_at,
                source="history",
            )
            votes.append(vote)
        if len(votes) < len(self.data):
            log.warning("left out %d votes without a voter", len(self.data) - len(votes))
        return votes


class FetchVotes(Protocol):
    """Fetches one page; `later` is said of all but the first."""

    def __call__(self, query: Mapping[str, object], /, *, later: bool) -> Awaitable[VotesPage]: ...


class History:
    """A reader of the vote history, and where it stands.

    Args:
        fetch: Fetches a page.
        since: From when on, where there is no cursor.
        cursor: Where to read on.
        on_cursor: Is told the cursor of each page, once all its votes were taken; it may be a
            coroutine function.
    """

    def __init__(
        self,
        fetch: FetchVotes,
        since: datetime,
        cursor: str | None,
        on_cursor: Callable[[str], object] | None,
    ) -> None:
        self._fetch = fetch
        self._since = since
        self._cursor = cursor
        self._on_cursor = on_cursor
        self._pages = 0
        self._largest = 0

    async def unread(self, *, until: datetime | None = None) -> AsyncGenerator[Vote, None]:
        """The votes from where it stands up to the newest, oldest first; then it stands there.

        An error leaves it behind the last page that was taken whole: call it again to go on.

        Where votes come faster than they can be asked for one by one, there is no newest. `until`
        lets it end with a page that goes beyond that moment, unless the page is full.
        """
        while True:
            cursor = self._cursor
            query = {"cursor": cursor} if cursor else {"startDate": timestamp(self._since)}
            page = await self._fetch(query, later=self._pages > 0)
            self._pages += 1
            is_last = not page.data and not page.skipped
            if not is_last and page.cursor in (None, "", self._cursor):
                # Its votes are not handed out: there is no way to go on but to repeat them.
                raise InvalidResponse("top.gg sent votes without a cursor to read on from")
            votes = page.votes(datetime.now(UTC))
            for vote in votes:
                yield vote
            if page.cursor and page.cursor != self._cursor:
                self._cursor = page.cursor
                if self._on_cursor is not None:
                    told = self._on_cursor(page.cursor)
                    if inspect.isawaitable(told):
                        await told
            self._largest = max(self._largest, len(page.data))
            is_full = len(page.data) == self._largest
            if is_last or (until and votes and not is_full and votes[-1].cast_at >= until):
                return
