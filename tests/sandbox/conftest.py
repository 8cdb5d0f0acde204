"""A sandbox in virtual time, and a small client to ask it over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from rx_toppy.sandbox import Sandbox
from tests.virtual import VirtualLoop

PATIENCE = 30.0  # only what hangs takes so long
WEDNESDAY = datetime(2026, 4, 15, 12, tzinfo=UTC).timestamp()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Pauses, latencies and timeouts take no time here, and come in order on any machine."""
    return {"virtual": VirtualLoop}


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
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.body)


class Api:
    """Asks the sandbox, with its token in the form of the API unless told otherwise."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self._sandbox = sandbox
        self._session = session

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        bearer = "Bearer " if path.startswith("/v1/") else ""
        options.setdefault("headers", {"Authorization": bearer + self._sandbox.token})
        url = self._sandbox.base_url + path
        async with self._session.request(method, url, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: str | int) -> Answer:
        return await self.ask("GET", path, params=query)

    async def own(self, route: str = "", **query: str | int) -> Answer:
        return await self.get(f"/bots/{self._sandbox.bot_id}{route}", **query)

    async def post_stats(self, body: object) -> Answer:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.ask("POST", f"/bots/{self._sandbox.bot_id}/stats", data=data)

    async def v1(self, method: str, route: str, body: object = None, **query: str) -> Answer:
        """Ask for a route of the project; a body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
        return await self.ask(method, f"/v1/projects/@me{route}", data=body, params=query)

    async def pages(self, **query: str) -> AsyncIterator[dict[str, Any]]:
        """Read the history of votes on to its end, the empty page included."""
        while True:
            page = (await self.v1("GET", "/votes", **query)).data
            yield page
            if not page["data"]:
                return
            query = {"cursor": page["cursor"]}

    async def history(self, **query: str) -> list[dict[str, Any]]:
        """Give the votes of all pages."""
        return [vote async for page in self.pages(**query) for vote in page["data"]]

    async def all_bots(self, **query: str | int) -> list[dict[str, Any]]:
        page = await self.get("/bots", limit=500, **query)
        return list(page.data["results"])


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.body)


class Receiver:
    """Takes deliveries and answers as told: with a status, a body, or not at all (None).

    Each of `answers` is for one delivery, in order; once they are used up, it is `otherwise`.
    """

    def __init__(self) -> None:
        self.answers: list[int | dict[str, Any] | bytes | None] = []
        self.otherwise: int | None = 204
        self.seen: list[Received] = []
        self._came = asyncio.Condition()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)

    async def __aenter__(self) -> "Receiver":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        host, port = self._runner.addresses[0]
        return f"http://{host}:{port}/votes"

    @property
    def data(self) -> list[Any]:
        return [received.data for received in self.seen]

    async def wait(self, count: int) -> None:
        """Wait until so many deliveries have come."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: len(self.seen) >= count)

    async def _receive(self, request: web.Request) -> web.Response:
        received = Received(request.method, request.path_qs, request.headers, await request.read())
        answer = self.answers.pop(0) if self.answers else self.otherwise
        async with self._came:
            self.seen.append(received)
            self._came.notify_all()
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(
            body=answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


Run = Callable[..., AbstractAsyncContextManager[tuple[Sandbox, Api]]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(clock: Clock) -> Run:
    """Give `async with run(**options) as (sandbox, api)`: small, quiet and without limits."""
    quiet = {"bots": 30, "votes": 60, "rate_limits": (), "votes_per_minute": 0, "clock": clock}

    @asynccontextmanager
    async def running(**options: Any) -> AsyncIterator[tuple[Sandbox, Api]]:
        async with (
            Sandbox(**(quiet | options)) as sandbox,
            aiohttp.ClientSession() as session,
        ):
            yield sandbox, Api(sandbox, session)

    return running
