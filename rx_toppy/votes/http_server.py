"""A port that is listened at, until that is over for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

# From accepting a connection to its first callback asyncio takes three turns of the loop.
TURNS = 4


async def listen(
    factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
) -> asyncio.Server:
    """Takes connections from now on.

    Raises:
        OSError: that can't be listened at.
    """
    return await asyncio.get_running_loop().create_server(factory, host, port, backlog=128)


async def stop_listening(server: asyncio.Server) -> None:
    """Takes no more connections; those that are just being accepted come through first.

    Closed at once, asyncio would leave these half-made, with nobody to close them.
    """
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows' own loop has no readers
        for sock in server.sockets:
            loop.remove_reader(sock.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()
