"""The client that asks for votes, and what ends that early."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, TypeVar

from ...client import TopGG
from ..signals import ended_by_signals

T = TypeVar("T")


def client_of(token: str, base_url: str, **options: Any) -> TopGG:
    """A client for the project that the token belongs to.

    Of v1 nothing needs the bot's id: the token says whose votes they are. So there is a bot that
    has not logged in, and what would need its id is an error.

    Raises:
        ValueError: an argument makes no sense.
    """
    nobody = SimpleNamespace(user=None)
    return TopGG(nobody, token=token, autopost=False, base_url=base_url, **options)


async def unless_ended(work: Coroutine[Any, Any, T], seconds: float | None = None) -> T | None:
    """What some work gives; None if Ctrl-C, SIGTERM or the end of the time came before.

    Raises:
        Exception: the work raised it.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    with ended_by_signals(loop, over):
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, over), timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            task.cancel()  # of no effect on one that is done
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        return None if task.cancelled() else task.result()


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Within this the logger has no warnings: what they are about is shown another way."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
