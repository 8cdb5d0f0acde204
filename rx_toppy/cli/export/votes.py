"""The vote history as a file."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from ...client import TopGG
from ...models import Vote
from ...streams.cold import Paged
from ..records import VoteRecord
from ..text import counted
from .asking import client_of
from .bookmark import Bookmark, has_content, kept_cursor
from .files import check_place
from .formats import Format
from .reading import Reading, Stand
from .writing import Exported, Target, written


def exporting_votes(
    token: str, target: Target, *, since: datetime | None, base_url: str
) -> Callable[[], Exported | None]:
    """What exports the history; it gives None where Ctrl-C or SIGTERM came before it was whole.

    A file is replaced when all is read, and is as it was if that fails. Where the target has a
    cursor, what came since is put behind what the file has; the cursor is kept after that is on
    disk, so that a failure between the two repeats votes, and none is ever missed.

    It raises a `ToppyError` when top.gg can't be read any further, and an OSError when something
    can't be written.

    Raises:
        OSError: a file can't be where it is to be, or can't be read.
        ValueError: an argument makes no sense, or the files do not fit together.
    """
    if target.path is not None:
        check_place(target.path)
    client = client_of(token, base_url)
    cursor = kept_cursor(target)
    bookmark = Bookmark(target.cursor, cursor)
    reading = VoteHistory(client, client.project.votes(since, cursor, bookmark.move))
    append = cursor is not None and has_content(target.path)
    if append and target.path is not None:
        _check_content(target.path, target.format(reading.kind))
    return partial(_run, reading, target, bookmark, append)


def _run(reading: Reading, target: Target, bookmark: Bookmark, append: bool) -> Exported | None:
    is_more = bookmark.is_kept
    opening = _opening(target.path, target.format(reading.kind), append, is_more)
    count = written(reading, target, opening, append=append, keep=bookmark.keep)
    return None if count is None else Exported(count, is_more)


class VoteHistory(Reading):
    """The votes of the history, oldest first.

    How many there will be nobody knows. So it goes from the time of the first vote to now.
    """

    what = "vote"
    kind = VoteRecord
    width = 39

    def __init__(self, client: TopGG, votes: Paged[Vote]) -> None:
        super().__init__(client)
        self._votes = votes
        self._first: datetime | None = None
        self._reached: datetime | None = None

    async def records(self) -> AsyncGenerator[VoteRecord, None]:
        """All of them, as they come."""
        async with aclosing(cast("AsyncGenerator[Vote, None]", aiter(self._votes))) as votes:
            async for vote in votes:
                self._reached = vote.cast_at
                self._first = self._first or vote.cast_at
                yield VoteRecord.of(vote)

    def stand(self) -> Stand:
        """How far it has come: how many, how fast they come, and which day they are of."""
        if self._first is None or self._reached is None:
            return Stand(0.0, "asking top.gg")
        said = f"{counted(self.count, 'vote')}  {self.rate:,.0f}/s"
        day = f"{self._reached.astimezone(UTC):%Y-%m-%d}"
        return Stand(
            fraction(self._first, self._reached, datetime.now(UTC)),
            f"{said:<{self.width - 12}}  {day}",
        )


def fraction(first: datetime, reached: datetime, now: datetime) -> float:
    """How much of the time from `first` to `now` has been read, from 0 to 1."""
    whole = (now - first).total_seconds()
    return min(1.0, max(0.0, (reached - first).total_seconds() / whole)) if whole > 0 else 0.0


def _check_content(path: Path, format: Format) -> None:
    """Makes sure that votes of this format can stand behind what the file has."""
    first = format.first.encode()
    with path.open("rb") as file:
        if file.read(len(first)) != first:
            raise ValueError("--export would add to a file that has no votes of that format")


def _opening(path: Path | None, format: Format, append: bool, is_more: bool) -> str:
    """What is written before the votes."""
    if path is None:
        return "" if is_more else format.opening  # it is put behind what has one
    if not append:
        return format.opening
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        # An editor may have left the file without the end of its last line.
        return "" if file.read(1) == b"\n" else format.line_end
