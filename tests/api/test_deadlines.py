"""The timeout of each attempt, in virtual time: its own, whatever else is under way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rx_toppy import Bot, ConnectionFailed
from tests.project import awaited, scene, virtual
from tests.standin import delay, hang, ok

BOT = ok({"id": "1"})


async def timed(call: Any, begins: float = 0.0) -> tuple[Any, float]:
    """The value or the error of a call that begins after so many seconds, and when it came."""
    await asyncio.sleep(begins)
    return await awaited(call), asyncio.get_running_loop().time()


@virtual
async def test_every_attempt_has_its_own_time() -> None:
    """Attempts that began one after another run out one after another; one is answered between."""
    async with scene(timeout=10, retries=0) as (topgg, client):
        topgg.default(hang())
        topgg.script("/bots/5", delay(8, BOT))
        calls = [timed(client.fetch_bot(begins), begins) for begins in (1, 4, 5, 9)]
        outcomes = await asyncio.gather(*calls)
        kinds = [type(outcome) for outcome, _ in outcomes]
        assert kinds == [ConnectionFailed, ConnectionFailed, Bot, ConnectionFailed]
        assert [when for _, when in outcomes] == pytest.approx([11, 14, 13, 19], abs=0.05)


@pytest.mark.parametrize("begins", [3, 10, 15, 600])
@virtual
async def test_what_was_answered_takes_no_time_from_what_comes_later(begins: float) -> None:
    """Seconds or minutes after a call that was answered, the next has all of its time."""
    async with scene(timeout=10, retries=0) as (topgg, client):
        topgg.script("/bots/1", BOT, hang())
        await client.fetch_bot(1)
        error, when = await timed(client.fetch_bot(1), begins)
        assert type(error) is ConnectionFailed
        assert str(error).startswith("no answer within 10 s")
        assert when == pytest.approx(begins + 10, abs=0.05)


@virtual
async def test_an_attempt_is_not_timed_by_the_one_before_it() -> None:
    """After one ran out the next attempt of the same call has all of its time."""
    async with scene(timeout=10, retries=1) as (topgg, client):
        topgg.script("/bots/1", hang(), delay(9.5, BOT))
        value, when = await timed(client.fetch_bot(1))
        assert isinstance(value, Bot)
        assert 19.5 < when < 20


@virtual
async def test_retries_come_to_an_end_a_minute_after_the_first_send() -> None:
    """However many are allowed and however long each attempt takes: what counts is the whole."""
    async with scene(timeout=7, retries=100) as (topgg, client):
        topgg.default(hang())
        error, when = await timed(client.fetch_bot(1))
        assert type(error) is ConnectionFailed
        assert 40 < when < 67 + 0.1
        assert len(topgg.seen) > 3
