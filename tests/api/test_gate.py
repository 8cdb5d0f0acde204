"""Waiting for a turn, in virtual time: who is let go, who is sent away, and when."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from rx_toppy import Bot, ClientClosed, RateLimit, Ratelimited
from tests.project import awaited, new_client, scene, virtual
from tests.standin import StandIn, ThreadedStandIn, delay, ok, rate_limited
from tests.virtual import VirtualLoop

BOT = ok({"id": "1"})
PAGE = [{"id": str(number)} for number in range(1, 501)]
FOUR_HOURS = 4 * 3600


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_behind_the_scenes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An exception in a timer is told to nobody but asyncio's log."""
    yield
    records = caplog.get_records("call")
    assert [r for r in records if r.name == "asyncio" and r.levelno >= logging.ERROR] == []


async def at(call: Any) -> tuple[Any, float]:
    """The value or the error of a call, and when it came."""
    return await awaited(call), asyncio.get_running_loop().time()


def soon(call: Any) -> asyncio.Task[Any]:
    """A call that is under way."""
    return asyncio.ensure_future(at(call))


def pass_time_busily(until: float) -> None:
    """Moves the clock, while no timer can ring."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now = until


def refused(outcome: Any, topgg: StandIn, path: str) -> float:
    """What a call that was not sent was told: for how long."""
    assert type(outcome) is Ratelimited
    assert (outcome.internal, outcome.status) == (True, None)
    assert (outcome.method, outcome.url) == ("GET", topgg.base_url + path)
    return outcome.retry_after


@virtual
async def test_a_turn_that_does_not_come_in_time_is_given_up() -> None:
    """It was worth waiting for, then somebody took their time: an error when max_wait is over."""
    async with scene(rate_limits=[RateLimit(1, per=2)], max_wait=5, timeout=60) as (topgg, client):
        topgg.script("/bots/1", delay(30, BOT))
        topgg.default(BOT)
        first, second = soon(client.fetch_bot(1)), soon(client.fetch_bot(2))
        outcome, when = await second
        assert when == 5
        assert refused(outcome, topgg, "/bots/2") == 2
        value, when = await first
        assert isinstance(value, Bot)
        assert (await at(client.fetch_bot(3)))[1] == pytest.approx(when + 2, abs=0.1)
        assert topgg.paths == ["GET /bots/1", "GET /bots/3"]


@virtual
async def test_who_is_refused_takes_no_place() -> None:
    """A call that fails at once for a full window leaves nothing behind that others wait for."""
    async with scene(rate_limits=[RateLimit(1, per=10)], max_wait=6) as (topgg, client):
        topgg.default(BOT)
        _, began = await at(client.fetch_bot(1))
        outcome, when = await at(client.fetch_bot(2))
        assert when == began
        assert refused(outcome, topgg, "/bots/2") == pytest.approx(10, abs=0.1)
        await asyncio.sleep(5)
        value, when = await at(client.fetch_bot(3))
        assert isinstance(value, Bot)
        assert when == pytest.approx(began + 10, abs=0.1)


@virtual
async def test_the_first_page_waits_no_longer_than_any_call() -> None:
    """Patience is for those who have begun to read."""
    async with scene(rate_limits=[RateLimit(1, per=20)], max_wait=10) as (topgg, client):
        topgg.script("/bots", ok({"results": PAGE}), ok({"results": []}))
        assert len(await client.bulk_fetch_bots(1000)) == 500
        assert len(topgg.seen) == 2
        began = asyncio.get_running_loop().time()
        outcome, when = await at(client.bulk_fetch_bots(1000))
        assert (type(outcome), when) == (Ratelimited, began)
        assert len(topgg.seen) == 2


@virtual
async def test_a_wait_of_just_what_is_allowed_is_waited() -> None:
    """`max_wait` is the longest wait that is all right, for a block as for a window."""
    async with scene(max_wait=30) as (topgg, client):
        topgg.script("/bots/1", rate_limited(30, "header"), BOT)
        assert type(await awaited(client.fetch_bot(1))) is Ratelimited
        value, when = await at(client.fetch_bot(1))
        assert isinstance(value, Bot)
        assert when >= 30


@virtual
async def test_the_next_goes_when_one_that_was_in_flight_has_ended() -> None:
    """With all places in flight only an end helps, and it does: `per` later the next one goes."""
    async with scene(rate_limits=[RateLimit(2, per=10)], max_wait=None) as (topgg, client):
        topgg.script("/bots/1", delay(3, BOT))
        topgg.script("/bots/2", delay(5, BOT))
        topgg.default(BOT)
        calls = [soon(client.fetch_bot(number)) for number in range(1, 5)]
        times = [when for _, when in await asyncio.gather(*calls)]
        assert times == pytest.approx([3, 5, 13, 15], abs=0.2)


@virtual
async def test_a_send_that_was_given_up_holds_its_place_as_if_it_had_arrived_late() -> None:
    """It may still be under way: its second counts before the window does."""
    async with scene(rate_limits=[RateLimit(1, per=10)], max_wait=None) as (topgg, client):
        topgg.script("/bots/1", delay(30, BOT))
        topgg.default(BOT)
        first = soon(client.fetch_bot(1))
        await topgg.arrived(1)
        given_up = asyncio.get_running_loop().time()
        first.cancel()
        _, when = await at(client.fetch_bot(2))
        assert given_up < 0.1
        assert when == pytest.approx(11, abs=0.1)


@pytest.mark.parametrize("cancelled", [9.5, 10.5], ids=["before", "after"])
@virtual
async def test_who_is_cancelled_in_the_moment_of_their_turn_leaves_it_to_the_next(
    cancelled: float,
) -> None:
    """A busy loop comes round to both at once: the turn is not lost, and the next one has it."""
    async with scene(rate_limits=[RateLimit(1, per=10)], max_wait=None) as (topgg, client):
        topgg.default(BOT)
        _, ended = await at(client.fetch_bot(1))
        second, third = soon(client.fetch_bot(2)), soon(client.fetch_bot(3))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(ended + cancelled, second.cancel)
        pass_time_busily(until=ended + 12)
        value, when = await third
        assert isinstance(value, Bot)
        assert when == pytest.approx(ended + 12, abs=0.1)
        assert second.cancelled()
        assert topgg.paths == ["GET /bots/1", "GET /bots/3"]


@virtual
async def test_a_turn_at_the_last_moment_harms_nobody() -> None:
    """Whether it is taken or given up when both fall together: whoever is next gets a turn."""
    async with scene(rate_limits=[RateLimit(1, per=10)], max_wait=10) as (topgg, client):
        topgg.default(BOT)
        await client.fetch_bot(1)
        second = soon(client.fetch_bot(2))
        await asyncio.sleep(5)
        third = soon(client.fetch_bot(3))
        await second
        assert isinstance((await third)[0], (Bot, Ratelimited))
        await asyncio.sleep(10)
        assert isinstance(await awaited(client.fetch_bot(4)), Bot)


@virtual
async def test_a_loop_that_was_busy_lets_go_whose_turn_has_come_meanwhile() -> None:
    """Who asks before the timer has rung and those who waited have their turns at once."""
    async with scene(rate_limits=[RateLimit(2, per=10)], max_wait=60) as (topgg, client):
        topgg.default(BOT)
        await asyncio.gather(client.fetch_bot(1), client.fetch_bot(2))
        third = soon(client.fetch_bot(3))
        await asyncio.sleep(0)
        pass_time_busily(until=25)
        for value, when in [await at(client.fetch_bot(4)), await third]:
            assert isinstance(value, Bot)
            assert when == pytest.approx(25, abs=0.1)
        assert sorted(topgg.paths[2:]) == ["GET /bots/3", "GET /bots/4"]


# --- a 429 while others wait ---


@virtual
async def test_a_429_leaves_those_alone_who_may_wait_so_long() -> None:
    """They go when the block is over; who may not wait so long is told for how long it is."""
    async with scene(rate_limits=[RateLimit(1, per=20)], max_wait=60, timeout=60) as (
        topgg,
        client,
    ):
        topgg.script("/bots/1", delay(50, rate_limited(30, "header")))
        topgg.default(BOT)
        first, early = soon(client.fetch_bot(1)), soon(client.fetch_bot(2))
        await asyncio.sleep(40)
        late = soon(client.fetch_bot(3))
        error, when = await first
        assert (error.internal, error.retry_after) == (False, 30)
        outcome, told = await early
        assert told == when
        assert refused(outcome, topgg, "/bots/2") == 30
        value, went = await late
        assert isinstance(value, Bot)
        assert went == pytest.approx(when + 30, abs=0.1)


@virtual
async def test_a_later_page_waits_for_a_block_from_when_it_began() -> None:
    """What it waited for a window is no part of what it may wait for a block."""
    limits = [RateLimit(1, per=20)]
    async with scene(rate_limits=limits, max_wait=60, timeout=60) as (topgg, client):
        topgg.script("/bots/1", delay(50, rate_limited(30, "header")))
        topgg.script("/bots", ok({"results": PAGE}), ok({"results": []}))
        pages = aiter(client.bulk_fetch_bots(1000))
        await anext(pages)
        other = soon(client.fetch_bot(1))  # goes after 20 s, and is answered after 70
        await asyncio.sleep(0)
        assert len([bot async for bot in pages]) == 499
        error, when = await other
        assert (type(error), error.internal) == (Ratelimited, False)
        assert when == pytest.approx(70, abs=0.2)
        assert topgg.seen[-1].path == "/bots"
        assert asyncio.get_running_loop().time() == pytest.approx(100, abs=0.2)


@virtual
async def test_a_later_page_does_not_wait_for_a_long_block() -> None:
    """It waits for windows as long as it takes; for a block no longer than any other call."""
    async with scene(max_wait=60) as (topgg, client):
        topgg.script("/bots", ok({"results": PAGE}))
        topgg.script("/users/1", rate_limited(61, "header"))
        pages = aiter(client.bulk_fetch_bots(1000))
        await anext(pages)
        error, began = await at(client.fetch_user(1))
        assert (type(error), error.internal) == (Ratelimited, False)
        with pytest.raises(Ratelimited) as caught:
            async for _ in pages:
                pass
        assert caught.value.internal
        assert caught.value.retry_after == pytest.approx(61, abs=0.1)
        assert asyncio.get_running_loop().time() == pytest.approx(began, abs=0.1)
        assert topgg.paths[-1] == "GET /users/1"


@virtual
async def test_the_log_says_for_how_long_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Seconds from now on, however late in the loop's time."""
    async with scene() as (topgg, client):
        topgg.default(rate_limited(30, "header"))
        await asyncio.sleep(1000)
        await awaited(client.fetch_bot(1))
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.endswith("nothing is sent for 30 s")


# --- the end ---


@virtual
async def test_who_waits_when_the_client_is_closed_is_told_what_was_not_sent() -> None:
    """ClientClosed names the request, at once, and nothing is sent any more."""
    async with scene(rate_limits=[RateLimit(1, per=10)]) as (topgg, client):
        topgg.default(BOT)
        _, began = await at(client.fetch_bot(1))
        waiting = soon(client.fetch_bot(2))
        await asyncio.sleep(1)
        await client.close()
        error, when = await waiting
        assert type(error) is ClientClosed
        assert (error.method, error.url) == ("GET", f"{topgg.base_url}/bots/2")
        assert when == began + 1
        await asyncio.sleep(60)
        assert topgg.paths == ["GET /bots/1"]


class Shifted(asyncio.SelectorEventLoop):
    """A loop whose clock shows something else."""

    shift = 0.0

    def time(self) -> float:
        return super().time() + self.shift


def test_what_one_route_was_told_holds_by_another_clock() -> None:
    """The next loop may count time from another moment: four hours are four hours."""
    with ThreadedStandIn() as topgg:
        topgg.default(rate_limited(FOUR_HOURS, "header"))
        client = new_client(topgg.base_url)
        for internal, shift in ((False, 0.0), (True, 100_000.0), (True, -100_000.0)):
            with asyncio.Runner(loop_factory=Shifted) as runner:
                loop = runner.get_loop()
                assert isinstance(loop, Shifted)
                loop.shift = shift
                call = client.project.announce("Version 2", "Playlists are here.")
                error = runner.run(awaited(call))
            assert (type(error), error.internal) == (Ratelimited, internal)
            assert error.method == "POST"
            assert error.url == f"{topgg.base_url}/v1/projects/@me/announcements"
            assert error.retry_after == pytest.approx(FOUR_HOURS, abs=30)
        assert len(topgg.seen) == 1
        asyncio.run(client.close())
