"""The server as a process of its own, and clients of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rx_toppy import StandaloneBot, TopGG

from .bare import TOKEN


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The server's address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"{__package__}.server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        await process.wait()


def make_client(base_url: str, **options: Any) -> TopGG:
    """Ours."""
    bot = StandaloneBot(1, server_count=1)
    return TopGG(bot, token=TOKEN, autopost=False, base_url=base_url + "/api", **options)
