"""Servers that take deliveries: the library's webhook, a bare handler, and the peers'.

    python -m tests.benchmarks.receivers bare|ours|inbox|toppy|topggpy [PATH]

Each is a process of its own. It prints its port, then the seconds of CPU that it has used whenever
a line comes in, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace

from aiohttp import web

from rx_toppy.votes import VoteInbox, VoteWebhook

from .load import AUTHORIZATION, PATH, SECRET

Server = AbstractAsyncContextManager[int]


@asynccontextmanager
async def bare(_: str) -> AsyncIterator[int]:
    """A handler that reads the body and says thanks."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post(PATH, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@asynccontextmanager
async def ours(_: str) -> AsyncIterator[int]:
    """Votes go to a subscriber."""
    taken = []
    webhook = VoteWebhook(secret=SECRET, port=0, path=PATH)
    webhook.votes.subscribe(lambda vote: taken.append(vote.platform_id))
    async with webhook:
        yield webhook.port


@asynccontextmanager
async def inbox(path: str) -> AsyncIterator[int]:
    """Votes go to the disk."""
    async with (
        VoteInbox(path) as votes,
        VoteWebhook(secret=SECRET, port=0, path=PATH, inbox=votes) as webhook,
    ):
        yield webhook.port


@asynccontextmanager
async def toppy(_: str) -> AsyncIterator[int]:
    """top.py's, which takes v0 only."""
    from toppy.server import start_server

    port = _free_port()
    await start_server(_bot(), host="127.0.0.1", port=port, path=PATH, auth=AUTHORIZATION)
    yield port


@asynccontextmanager
async def topggpy(_: str) -> AsyncIterator[int]:
    """topggpy's, which takes v0 only."""
    from topgg import WebhookManager

    port = _free_port()
    await WebhookManager(_bot()).dbl_webhook(PATH, AUTHORIZATION).run(port)
    yield port


def _bot() -> SimpleNamespace:
    taken: list[object] = []
    return SimpleNamespace(
        loop=asyncio.get_running_loop(),
        dispatch=lambda _, vote: taken.append(vote),
        get_user=lambda _: None,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SERVERS: dict[str, Callable[[str], Server]] = {
    "bare": bare,
    "ours": ours,
    "inbox": inbox,
    "toppy": toppy,
    "topggpy": topggpy,
}


async def main(name: str, path: str = "") -> None:
    loop = asyncio.get_running_loop()
    async with SERVERS[name](path) as port:
        print(f"port {port}", flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
