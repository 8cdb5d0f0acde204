"""How a command that runs until it is told to stop is told so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def ended_by_signals(loop: asyncio.AbstractEventLoop, over: asyncio.Future[None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM are an end like any other: within this they set the result of `over`."""

    def end() -> None:
        if not over.done():
            over.set_result(None)

    with ExitStack() as undone:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, end)
                undone.callback(loop.remove_signal_handler, number)
            except NotImplementedError:  # Windows
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
                undone.callback(signal.signal, number, before)
        yield
