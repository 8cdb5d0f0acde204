"""A server that answers every call, clients that are closed, and a watch over what is left."""

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rx_toppy import StandaloneBot, TopGG
from tests.standin import StandIn, ThreadedStandIn
from tests.virtual import run_virtual

from .helpers import BOT, TOKEN, Calm, answer_all

NewClient = Callable[..., TopGG]


@asynccontextmanager
async def watched(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Calm]:
    """Nothing may be left behind, nor anything be said to the loop's exception handler."""
    watch = Calm()
    yield watch
    await watch.check()
    said = [r for r in caplog.get_records("call") if r.name == "asyncio" and r.levelname == "ERROR"]
    assert not said


@asynccontextmanager
async def serving() -> AsyncIterator[StandIn]:
    """A stand-in for top.gg that has a proper answer to every call."""
    async with StandIn() as standin:
        answer_all(standin)
        yield standin


@asynccontextmanager
async def making(server: StandIn) -> AsyncIterator[NewClient]:
    """Makes clients of the server that do not autopost; they are closed at the end."""
    clients: list[TopGG] = []

    def make(bot: Any = None, **options: Any) -> TopGG:
        usual = {"token": TOKEN, "base_url": server.base_url, "autopost": False}
        bot = StandaloneBot(BOT, server_count=7) if bot is None else bot
        clients.append(TopGG(bot, **(usual | options)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


def quiet_client(new_client: NewClient) -> TopGG:
    """A client that sends once and keeps to no limit."""
    return new_client(retries=0, rate_limits=())


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test in virtual time, with a server, clients and a watch on that loop."""
    takes = inspect.signature(test).parameters

    async def life(caplog: pytest.LogCaptureFixture, others: dict[str, Any]) -> None:
        async with watched(caplog), serving() as server, making(server) as new_client:
            made = {"server": server, "new_client": new_client}
            if "client" in takes:
                made["client"] = quiet_client(new_client)
            await test(**{name: made[name] for name in made if name in takes}, **others)

    @functools.wraps(test)
    def run(caplog: pytest.LogCaptureFixture, **others: Any) -> None:
        run_virtual(life(caplog, others))

    ours = [takes[name] for name in takes if name not in ("server", "new_client", "client")]
    watcher = inspect.Parameter("caplog", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([watcher, *ours])  # type: ignore[attr-defined]
    return run


@pytest.fixture
async def calm(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Calm]:
    """The loop of the test, watched."""
    async with watched(caplog) as watch:
        yield watch


@pytest.fixture
async def server(calm: Calm) -> AsyncIterator[StandIn]:
    """A stand-in for top.gg that has a proper answer to every call."""
    async with serving() as standin:
        yield standin


@pytest.fixture
async def new_client(server: StandIn) -> AsyncIterator[NewClient]:
    """Makes clients of the server that do not autopost; they are closed at the end."""
    async with making(server) as make:
        yield make


@pytest.fixture
async def client(new_client: NewClient) -> TopGG:
    """A client that sends once and keeps to no limit, made within the loop."""
    return quiet_client(new_client)


@pytest.fixture
def far() -> Iterator[ThreadedStandIn]:
    """The server in a loop of its own, for tests that run loops themselves."""
    with ThreadedStandIn() as standin:
        answer_all(standin)
        yield standin


@pytest.fixture
def far_client(far: ThreadedStandIn) -> NewClient:
    """Makes clients of that server, outside of any loop; closing them is the test's business."""

    def make(bot: Any = None, **options: Any) -> TopGG:
        usual = {"token": TOKEN, "base_url": far.base_url, "autopost": False}
        bot = StandaloneBot(BOT, server_count=7) if bot is None else bot
        return TopGG(bot, **(usual | options))

    return make
