"""What falls due at the very moment of something else, while the loop is busy: in virtual time."""

import asyncio

import pytest

from rx_toppy import ClientClosed, RateLimit
from tests.standin import StandIn, hang, ok, status
from tests.virtual import VirtualLoop

from .conftest import NewClient, virtual
from .helpers import Heard, settled, turns


def time_passes(seconds: float) -> None:
    """The loop is busy for so long, so that all that falls due meanwhile is late."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now += seconds


@virtual
async def test_closing_ends_what_is_late(new_client: NewClient, server: StandIn) -> None:
    """A retry that falls due at the very moment of closing is not sent any more."""
    client = new_client(retries=3)
    server.script("GET /bots/2", status(503), ok({"id": "2"}))
    heard = Heard()
    client.events.subscribe(heard)
    call = asyncio.ensure_future(client.fetch_bot(2))
    await heard.count(1)
    closing = asyncio.ensure_future(client.close())
    time_passes(0.35)
    await closing
    with pytest.raises(ClientClosed):
        await call
    assert len(server.seen) == 1


@virtual
async def test_closing_ends_who_just_got_a_turn(new_client: NewClient, server: StandIn) -> None:
    """A call whose turn comes at the very moment of closing is not sent any more."""
    client = new_client(rate_limits=[RateLimit(1, per=0.1)])
    await client.is_weekend()
    call = asyncio.ensure_future(client.fetch_bot(2))
    await turns()
    closing = asyncio.ensure_future(client.close())
    time_passes(0.15)
    await closing
    with pytest.raises(ClientClosed):
        await call
    assert server.paths == ["GET /weekend"]


@virtual
async def test_both_timeouts_at_once(new_client: NewClient, server: StandIn) -> None:
    """A timeout of the user's that passes together with the client's is the user's."""
    client = new_client(timeout=0.05, retries=3)
    server.reply("GET /bots/2", hang())

    async def hurried() -> None:
        async with asyncio.timeout(0.05):
            await client.fetch_bot(2)

    call = asyncio.ensure_future(hurried())
    await server.arrived(1)
    time_passes(0.08)
    with pytest.raises(TimeoutError):
        await call
    await settled()
    assert len(server.seen) == 1
