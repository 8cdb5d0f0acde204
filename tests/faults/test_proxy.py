"""The fault proxy does what it says, so that what survives it has survived something."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.standin import StandIn, ok, status
from tests.virtual import run_virtual

from .proxy import FaultProxy
from .weather import FAULTS, Fate, Weather

LUCA = {"id": "1", "username": "Luca"}
PATIENCE = 30.0


async def ask(base_url: str) -> object:
    """What a plain client gets through: the body, or what it raises."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        try:
            async with session.post(f"{base_url}/users/1", data=b"hello") as answer:
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error)


@pytest.mark.parametrize(
    ("fate", "said", "arrives"),
    [
        (Fate.PASSES, LUCA, 1),
        (Fate.LOST, aiohttp.ClientOSError, 0),
        (Fate.UNANSWERED, aiohttp.ClientOSError, 1),
        (Fate.CUT, None, 1),
        (Fate.HALF_OPEN, aiohttp.ServerTimeoutError, 0),
        (Fate.MUTE, aiohttp.ServerTimeoutError, 1),
        (Fate.DRIPS, LUCA, 1),
        (Fate.TWICE, LUCA, 2),
    ],
)
def test_each_fate(fate: Fate, said: object, arrives: int) -> None:
    """What the client hears, and how often the server has heard the request."""

    async def main() -> None:
        weather = Weather(1, rate=float(fate is not Fate.PASSES), faults=[fate])
        async with StandIn() as topgg, FaultProxy(topgg.port, weather) as proxy:
            topgg.default(json=LUCA)
            heard = await ask(proxy.base_url)
            if isinstance(said, type):
                assert isinstance(heard, type)
                assert issubclass(heard, said | TimeoutError)
            elif said is None:
                assert isinstance(heard, type)
            else:
                assert heard == said
            assert [seen.body for seen in topgg.seen] == [b"hello"] * arrives
        assert weather.drawn == {fate: 1}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_latency_is_of_every_chunk() -> None:
    """A request and its answer each take as long as the weather says."""

    async def main() -> None:
        weather = Weather(1, delay=(5.0, 5.0))
        async with StandIn() as topgg, FaultProxy(topgg.port, weather) as proxy:
            topgg.default(json=LUCA)
            began = asyncio.get_running_loop().time()
            assert await ask(proxy.base_url) == LUCA
            assert asyncio.get_running_loop().time() - began == pytest.approx(10.0, abs=0.1)

    run_virtual(main())


async def test_down_and_up_again() -> None:
    """While it is down nobody gets through, whoever was connected is cut off; then all is well."""
    weather = Weather(1)
    async with StandIn() as topgg, FaultProxy(topgg.port, weather) as proxy:
        topgg.default(json=LUCA)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{proxy.base_url}/users/1") as answer:
                assert answer.status == 200
            await proxy.go_down()
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{proxy.base_url}/users/1")
            proxy.come_up()
            async with session.get(f"{proxy.base_url}/users/1") as answer:
                assert await answer.json() == LUCA


async def test_keep_alive_exchanges_have_a_fate_each() -> None:
    """By one connection an exchange may pass and the next be cut off."""
    weather = Weather(3, rate=0.5, faults=[Fate.UNANSWERED, Fate.TWICE])
    async with AsyncExitStack() as stack:
        topgg = await stack.enter_async_context(StandIn())
        proxy = await stack.enter_async_context(FaultProxy(topgg.port, weather))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        topgg.default(lambda seen: ok(LUCA) if seen.body else status(400))
        answered = 0
        for _ in range(40):
            try:
                async with session.post(f"{proxy.base_url}/x", data=b"a") as answer:
                    answered += answer.status == 200
            except aiohttp.ClientError:
                pass
    assert set(weather.drawn) == {Fate.PASSES, Fate.UNANSWERED, Fate.TWICE}
    assert answered == 40 - weather.drawn[Fate.UNANSWERED]
    assert len(topgg.seen) == 40 + weather.drawn[Fate.TWICE]


def test_the_same_seed_is_the_same_weather() -> None:
    """What was found once can be found again."""
    one, same, other = (Weather(seed, rate=0.5) for seed in (1, 1, 2))
    fates = [[weather.fate() for _ in range(100)] for weather in (one, same, other)]
    assert fates[0] == fates[1] != fates[2]
    assert set(fates[0]) == {Fate.PASSES, *FAULTS}
