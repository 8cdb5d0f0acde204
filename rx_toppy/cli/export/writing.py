"""What is read, written to a file or to standard output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from pathlib import Path
from typing import NamedTuple

import reactivex as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

from .asking import unless_ended
from .files import Draft, drafted, streamed
from .formats import Format, Write
from .progress import Progress, shown
from .reading import Reading

FRAME_EVERY = 0.1  # seconds


class Target(NamedTuple):
    """Where an export goes.

    Attributes:
        path: The file; None for standard output.
        format: How records are written there.
        cursor: The file that has the cursor to go on from, and takes the one to go on from next.
    """

    path: Path | None
    format: type[Format]
    cursor: Path | None = None


class Exported(NamedTuple):
    """What came of an export.

    Attributes:
        written: How many records there were.
        is_more: Whether they were put behind those of an earlier export.
    """

    written: int
    is_more: bool = False


def written(
    reading: Reading,
    target: Target,
    opening: str,
    *,
    append: bool = False,
    keep: Callable[[], None] = lambda: None,
) -> int | None:
    """Writes all that is read; how much that was, None where Ctrl-C or SIGTERM came before its end.

    A file is replaced when all is read, and is as it was if that fails.

    Args:
        reading: What is read.
        target: Where it goes.
        opening: What is written before the first record.
        append: Whether what the file has stays before that.
        keep: Is called once all is on disk.

    Raises:
        OSError: something can't be written.
        ToppyError: top.gg can't be read any further.
    """
    progress = shown(sys.stderr, reading, is_seen=target.path is None and sys.stdout.isatty())
    with _opened(target, append) as draft, progress:
        draft.out.write(opening)
        write = target.format(reading.kind).writer(draft.out)
        count = asyncio.run(unless_ended(read(reading, write, progress)))
        if count is None:
            return None
        if count or not append:
            draft.commit()
        keep()
    return count


async def read(reading: Reading, write: Write, progress: Progress) -> int:
    """Writes all of the records, page by page as they come, and counts them.

    Raises:
        OSError: a record can't be written.
        ToppyError: top.gg can't be read any further.
    """
    frames = rx.interval(FRAME_EVERY, scheduler=AsyncIOScheduler(asyncio.get_running_loop()))
    reading.begin()
    async with reading.client, aclosing(reading.records()) as records:
        with frames.subscribe(lambda _: progress.refresh()):
            async for record in records:
                write(record)
                reading.count += 1
    return reading.count


def _opened(target: Target, append: bool) -> AbstractContextManager[Draft]:
    return streamed() if target.path is None else drafted(target.path, append=append)
