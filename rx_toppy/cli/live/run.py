"""A client at work, shown live: as a board in a terminal, and as plain lines elsewhere.

What is composed on `client.events`, and what is shown of it, is up to those who use this. What
their pipelines find goes back onto `client.events`, as events of their own, so that one stream
tells all that happens; the lines, the board and the summary are three readers of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

import reactivex as rx
from reactivex import Observable, abc
from reactivex.scheduler.eventloop import AsyncIOScheduler

from ...client import TopGG
from ...events import Event
from ..signals import ended_by_signals
from ..text import writable
from .board import Board
from .lines import Lines
from .recording import Objects

FRAME_EVERY = 0.2  # seconds


class View(AbstractContextManager[Any], Protocol):
    """What shows events, between its beginning and its end."""

    def show(self, event: Event) -> None: ...
    def refresh(self) -> None: ...


def run(
    board: Board, perform: Callable[[Stage], Coroutine[Any, Any, None]], *, as_json: bool
) -> None:
    """Shows a performance until it ends, or until Ctrl-C or SIGTERM; then tells what happened.

    As JSON it is an object for each event, and nothing else.

    Raises:
        OSError: what it shows can't be written any more.
        Exception: what ended the performance.
    """

    async def begin(view: View) -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        with ended_by_signals(loop, over):
            await perform(Stage(board, view, over))

    out = sys.stdout
    with suppress(KeyboardInterrupt), Objects(out) if as_json else view(out, board) as shown:
        asyncio.run(begin(shown))
    if as_json:
        return
    board.ended = datetime.now(UTC)
    out.writelines(f"{writable(line, out.encoding)}\n" for line in board.summary())
    out.flush()


def view(out: TextIO, board: Board) -> View:
    """A board that changes in a terminal, where rich is installed, and plain lines elsewhere."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(out)
    try:
        from .screen import Screen

        return Screen(out, board)
    except ImportError:
        sys.stderr.write(f"For the {board.name} as a live board: pip install 'rx_toppy[cli]'\n")
        return Lines(out)


class Stage:
    """Where a client is shown at work.

    Args:
        board: What keeps all that happens.
        view: What shows it.
        over: What it ends with.
    """

    def __init__(self, board: Board, view: View, over: asyncio.Future[None]) -> None:
        self._board = board
        self._view = view
        self._over = over

    async def play(
        self,
        client: TopGG,
        opening: Event,
        compose: Callable[[TopGG, abc.SchedulerBase], Observable[Event]],
    ) -> None:
        """Shows all that a client does and its pipelines find, until it is over; then closes it.

        Raises:
            OSError: what it shows can't be written any more.
            Exception: what ended the pipelines.
        """
        scheduler = AsyncIOScheduler(asyncio.get_running_loop())
        async with client:
            client.events.subscribe(self._board.add)
            client.events.subscribe(lambda event: self._show(lambda: self._view.show(event)))
            client.events.on_next(opening)
            found = compose(client, scheduler)
            frames = rx.interval(FRAME_EVERY, scheduler=scheduler)
            with (
                found.subscribe(client.events.on_next, self._fail),
                frames.subscribe(lambda _: self._tick()),
                suppress(TimeoutError),
            ):
                await asyncio.wait_for(self._over, self._board.seconds)

    def _tick(self) -> None:
        self._board.refresh()
        self._show(self._view.refresh)

    def _show(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)
