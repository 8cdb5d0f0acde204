"""What most tests need: a stand-in for top.gg, and clients of it that are closed at the end."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import settings

from rx_toppy import StandaloneBot, TopGG
from tests.standin import StandIn

OWN_ID = 264811613708746752
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LW9mLWx1Y2E.Zx9-_q3Kd0v"

MakeClient = Callable[..., TopGG]

settings.register_profile("rx_toppy", deadline=None)
settings.load_profile("rx_toppy")


@pytest.fixture
def bot() -> StandaloneBot:
    """A bot without a Discord connection, on 1234 servers."""
    return StandaloneBot(OWN_ID, server_count=1234)


@pytest.fixture
async def topgg() -> AsyncIterator[StandIn]:
    """A stand-in for top.gg, on the loop of the test."""
    async with StandIn() as standin:
        yield standin


@pytest.fixture
async def make_client(topgg: StandIn, bot: StandaloneBot) -> AsyncIterator[MakeClient]:
    """Make clients of the stand-in that do not autopost unless told to: `make_client(**options)`.

    Another bot can be handed in as the first argument.
    """
    clients: list[TopGG] = []

    def make(host: Any = bot, **options: Any) -> TopGG:
        quiet = {"token": TOKEN, "base_url": topgg.base_url, "autopost": False}
        clients.append(TopGG(host, **(quiet | options)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
