"""A sandbox in virtual time, and a small client to ask it over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from rx_toppy.sandbox import Sandbox

WEDNESDAY = datetime(2026, 4, 15, 12, tzinfo=UTC).timestamp()


class Clock:
    """Tells the time, in seconds since 1970, that it was set to: a Wednesday at first."""

    def __init__(self) -> None:
        self.now = WEDNESDAY

    def __call__(self) -> float:
        return self.now

    def advance(self, *, seconds: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        self.now += seconds + 3600 * hours + 86_400 * days


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.body)


class Api:
    """Asks the sandbox, with its token unless told otherwise."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self._sandbox = sandbox
        self._session = session

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        options.setdefault("headers", {"Authorization": self._sandbox.token})
        url = self._sandbox.base_url + path
        async with self._session.request(method, url, **options) as response:
            content_type = response.headers["Content-Type"]
            return Answer(response.status, content_type, await response.read())

    async def get(self, path: str, **query: str | int) -> Answer:
        return await self.ask("GET", path, params=query)

    async def own(self, route: str = "", **query: str | int) -> Answer:
        return await self.get(f"/bots/{self._sandbox.bot_id}{route}", **query)

    async def post_stats(self, body: object) -> Answer:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.ask("POST", f"/bots/{self._sandbox.bot_id}/stats", data=data)

    async def all_bots(self, **query: str | int) -> list[dict[str, Any]]:
        page = await self.get("/bots", limit=500, **query)
        return list(page.data["results"])


Run = Callable[..., AbstractAsyncContextManager[tuple[Sandbox, Api]]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(clock: Clock) -> Run:
    """Give `async with run(**options) as (sandbox, api)`: small, quiet and without limits."""
    quiet = {"bots": 80, "rate_limits": (), "votes_per_minute": 0, "clock": clock}

    @asynccontextmanager
    async def running(**options: Any) -> AsyncIterator[tuple[Sandbox, Api]]:
        async with (
            Sandbox(**(quiet | options)) as sandbox,
            aiohttp.ClientSession() as session,
        ):
            yield sandbox, Api(sandbox, session)

    return running
