"""The vote history as a file."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

from ..client import TopGG
from ..models import Vote
from ..streams import Paged
from .asking import client_of, unless_ended
from .files import Draft, check_place, drafted, streamed
from .progress import Progress, shown
from .records import Format

__all__ = ["Exported", "Target", "exporting"]

LONGEST_CURSOR = 2000  # characters; top.gg's have some dozens


class Target(NamedTuple):
    """Where an export goes.

    Attributes:
        path: The file; None for standard output.
        format: How votes are written there.
        cursor: The file that has the cursor to go on from, and takes the one to go on from next.
    """

    path: Path | None
    format: type[Format]
    cursor: Path | None = None


class Exported(NamedTuple):
    """What came of an export.

    Attributes:
        votes: How many were written.
        is_more: Whether they were put behind those of an earlier export.
    """

    votes: int
    is_more: bool


def exporting(
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
    cursor = _kept(target)
    bookmark = _Bookmark(target.cursor, cursor)
    votes = client.project.votes(since, cursor, bookmark.move)
    append = cursor is not None and _has_content(target.path)
    if append and target.path is not None:
        _check_content(target.path, target.format)
    return partial(_run, client, votes, target, bookmark, append)


def _run(
    client: TopGG, votes: Paged[Vote], target: Target, bookmark: _Bookmark, append: bool
) -> Exported | None:
    is_more = bookmark.is_kept
    with _opened(target, append) as draft, shown(sys.stderr, is_seen=_is_seen(target)) as progress:
        draft.out.write(_opening(target, append, is_more))
        reading = _read(client, votes, target.format(draft.out), progress)
        count = asyncio.run(unless_ended(reading))
        if count is None:
            return None
        if count or not append:
            draft.commit()
        bookmark.keep()
    return Exported(count, is_more)


async def _read(client: TopGG, votes: Paged[Vote], format: Format, progress: Progress) -> int:
    """Writes all of the votes, page by page as they come, and counts them."""
    count = 0
    async with client, aclosing(cast("AsyncGenerator[Vote, None]", aiter(votes))) as history:
        async for vote in history:
            format.write(vote)
            count += 1
            progress.tell(count, vote.at)
    return count


class _Bookmark:
    """The cursor to go on from, in a file where one was asked for.

    Args:
        path: The file.
        cursor: What it holds, None for nothing.
    """

    def __init__(self, path: Path | None, cursor: str | None) -> None:
        self._path = path
        self._kept = self._cursor = cursor

    @property
    def is_kept(self) -> bool:
        """Whether there is an earlier export to go on from."""
        return self._kept is not None

    def move(self, cursor: str) -> None:
        """Goes behind a page that was read; it is kept only later."""
        self._cursor = cursor

    def keep(self) -> None:
        """Puts it into its file."""
        if self._path is not None and self._cursor != self._kept:
            with drafted(self._path) as draft:
                draft.out.write(f"{self._cursor}\n")
                draft.commit()


def _kept(target: Target) -> str | None:
    """The cursor of an earlier export; None where there was none."""
    if target.cursor is None:
        return None
    check_place(target.cursor)
    if target.path is not None and target.cursor.resolve() == target.path.resolve():
        raise ValueError("--cursor-file takes a file of its own")
    cursor = _read_cursor(target.cursor) if target.cursor.exists() else None
    if cursor is None and _has_content(target.path):
        # Replaced, it could lose votes that are older than a year, and so nowhere else.
        raise ValueError(
            "--cursor-file has no cursor to go on from, but the file to --export is there: "
            "move that away to begin anew"
        )
    return cursor


def _read_cursor(path: Path) -> str | None:
    with path.open("rb") as file:
        text = file.read(LONGEST_CURSOR).decode("utf-8", "replace").strip()
    # Whatever else it may be, it is not sent anywhere.
    if len(text.split()) > 1 or len(text) >= LONGEST_CURSOR or not (text + "-").isprintable():
        raise ValueError("--cursor-file names a file that holds something else than a cursor")
    return text or None


def _has_content(path: Path | None) -> bool:
    return path is not None and path.is_file() and path.stat().st_size > 0


def _check_content(path: Path, format: type[Format]) -> None:
    """Makes sure that votes of this format can stand behind what the file has."""
    first = format.first.encode()
    with path.open("rb") as file:
        if file.read(len(first)) != first:
            raise ValueError("--export would add to a file that has no votes of that format")


def _opening(target: Target, append: bool, is_more: bool) -> str:
    """What is written before the votes."""
    if target.path is None:
        return "" if is_more else target.format.opening  # it is put behind what has one
    if not append:
        return target.format.opening
    with target.path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        # An editor may have left the file without the end of its last line.
        return "" if file.read(1) == b"\n" else target.format.line_end


def _opened(target: Target, append: bool) -> AbstractContextManager[Draft]:
    return streamed() if target.path is None else drafted(target.path, append=append)


def _is_seen(target: Target) -> bool:
    """Whether the votes themselves go by in a terminal, where nothing else has a place."""
    return target.path is None and sys.stdout.isatty()
