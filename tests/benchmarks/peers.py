"""The other libraries, where they are installed: top.py (`toppy`) and topggpy (`topgg`).

Their own rate limits are lifted here, as ours are: a wait says nothing of a library's speed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import warnings
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, Protocol

__all__ = ["Peer", "installed", "peers"]

MODULES = {"toppy": "toppy", "topggpy": "topgg"}
NO_LIMIT = 10**9


def installed() -> list[str]:
    """Which of them are there; both of them need discord.py."""
    if importlib.util.find_spec("discord") is None:
        return []
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module)]


class Peer(Protocol):
    """What the rows ask of a library."""

    async def fetch_bot(self, id: int) -> Any: ...

    async def fetch_page(self, offset: int) -> Iterable[Any]: ...

    def decode(self, body: bytes) -> list[Any]: ...

    async def close(self) -> None: ...


class Toppy:
    """top.py, which asks for the first page of a list whatever the offset."""

    def __init__(self, base_url: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import toppy
            from toppy.ratelimiter import routes
        for route in routes.values():
            route.max_hits = NO_LIMIT
        self._client = toppy.TopGG(_bot(), token="t", autopost=False)
        self._client._base_ = base_url + "/api"
        self._bot = toppy.Bot

    async def fetch_bot(self, id: int) -> Any:
        return await self._client.fetch_bot(SimpleNamespace(id=id))

    async def fetch_page(self, offset: int) -> Iterable[Any]:
        page = await self._client.fetch_bots(500, offset)
        results: Iterable[Any] = page.results
        return results

    def decode(self, body: bytes) -> list[Any]:
        return [self._bot(**fields) for fields in json.loads(body)["results"]]

    async def close(self) -> None:
        if self._client.session is not None:
            await self._client.session.close()


class TopGGPy:
    """topggpy."""

    def __init__(self, base_url: str) -> None:
        import topgg
        from topgg.types import BotData

        self._client = topgg.DBLClient(_bot(), "t")
        self._client.http.BASE = base_url + "/api"
        for limiter in (self._client.http.global_rate_limiter, self._client.http.bot_rate_limiter):
            limiter.max_calls = NO_LIMIT
        self._bot = BotData

    async def fetch_bot(self, id: int) -> Any:
        return await self._client.get_bot_info(id)

    async def fetch_page(self, offset: int) -> Iterable[Any]:
        page = await self._client.get_bots(500, offset)
        results: Iterable[Any] = page["results"]
        return results

    def decode(self, body: bytes) -> list[Any]:
        return [self._bot(**fields) for fields in json.loads(body)["results"]]

    async def close(self) -> None:
        await self._client.close()


@asynccontextmanager
async def peers(base_url: str) -> AsyncIterator[dict[str, Peer]]:
    """Those that are there."""
    kinds: dict[str, Any] = {"toppy": Toppy, "topggpy": TopGGPy}
    async with AsyncExitStack() as stack:
        found = {}
        for name in installed():
            peer: Peer = kinds[name](base_url)
            stack.push_async_callback(peer.close)
            found[name] = peer
        yield found


def _bot() -> SimpleNamespace:
    async def ready() -> None: ...

    return SimpleNamespace(
        user=SimpleNamespace(id=1),
        loop=asyncio.get_running_loop(),
        dispatch=lambda *_, **__: None,
        get_user=lambda _: None,
        is_ready=lambda: True,
        wait_until_ready=ready,
    )
