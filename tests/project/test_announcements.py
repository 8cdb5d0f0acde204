"""Announcements: never sent twice, and one in four hours is nobody else's business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rx_toppy import (
    Announcement,
    ClientClosed,
    ConnectionFailed,
    InvalidRequest,
    InvalidResponse,
    Ratelimited,
    RequestEvent,
    TopGG,
    TopGGServerError,
    of_type,
)
from tests.standin import (
    Reply,
    ThreadedStandIn,
    close,
    cut,
    drop_next,
    garbage,
    hang,
    html,
    ok,
    rate_limited,
    reset,
    status,
)

from . import (
    ANNOUNCEMENT,
    AT,
    CASES,
    PROJECT,
    Case,
    awaited,
    new_client,
    problem,
    scene,
    subscribed,
    virtual,
)

ANNOUNCE = f"POST {AT}/announcements"
FOUR_HOURS = 4 * 3600
# For those who wait for it: each minute of virtual time takes a moment of real time.
A_WHILE = 300
OTHERS = [case for case in CASES if case.name != "announce"]


def announce(client: TopGG) -> Any:
    """An announcement that top.gg would take."""
    return client.project.announce("Version 2", "Playlists are here.")


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def by_await(call: Any) -> Any:
    """The error of an awaited call."""
    return await awaited(call)


async def by_subscription(call: Any) -> Any:
    """The one error that a subscriber is told of."""
    heard = await subscribed(call)
    assert heard.values == []
    (error,) = heard.ends
    return error


ways = pytest.mark.parametrize("way", [by_await, by_subscription], ids=["await", "subscribe"])

# --- never twice ---

FAULTS: dict[str, tuple[Reply, type[Exception]]] = {
    "reset": (reset(), ConnectionFailed),
    "close": (close(), ConnectionFailed),
    "timeout": (hang(), ConnectionFailed),
    "garbage": (garbage(), ConnectionFailed),
    "cut off": (cut(ANNOUNCEMENT), ConnectionFailed),
    "500": (status(500), TopGGServerError),
    "503": (status(503, headers={"Retry-After": "1"}), TopGGServerError),
    "520": (html(520), TopGGServerError),
    "409": (problem(409, "Conflict", "Not now."), InvalidRequest),
    "html": (html(), InvalidResponse),
}


@ways
@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS.keys())
@virtual
async def test_an_announcement_is_sent_once_whatever_becomes_of_it(
    fault: Reply, kind: type[Exception], way: Callable[..., Any]
) -> None:
    """The error comes out, though retries are allowed: it may stand there for all we know."""
    async with scene(retries=5, timeout=2) as (topgg, client):
        topgg.script(ANNOUNCE, fault, ok(ANNOUNCEMENT))
        events: list[RequestEvent] = []
        client.events.pipe(of_type(RequestEvent)).subscribe(events.append)
        error = await way(announce(client))
        assert type(error) is kind
        assert topgg.paths == [ANNOUNCE]
        assert [(event.attempt, event.error) for event in events] == [(1, error)]
        await asyncio.sleep(120)
        assert len(topgg.seen) == 1


@ways
@virtual
async def test_it_is_not_sent_again_when_a_kept_connection_drops(way: Callable[..., Any]) -> None:
    """At the race of keep-alive nobody knows whether it has arrived: once is all it is sent."""
    async with scene(retries=5) as (topgg, client):
        topgg.reply(f"GET {AT}", drop_next(ok(PROJECT)))
        topgg.reply(ANNOUNCE, ok(ANNOUNCEMENT))
        await client.project.fetch()
        assert type(await way(announce(client))) is ConnectionFailed
        await asyncio.sleep(120)
        assert topgg.paths == [f"GET {AT}", ANNOUNCE]
        assert topgg.seen[0].connection == topgg.seen[1].connection


@virtual
async def test_nobody_at_home_is_tried_once() -> None:
    """Even a connection that was never made is not tried again."""
    async with scene(retries=5) as (topgg, client):
        events: list[RequestEvent] = []
        client.events.pipe(of_type(RequestEvent)).subscribe(events.append)
        async with topgg.down():
            assert type(await awaited(announce(client))) is ConnectionFailed
        assert len(events) == 1


# --- the limit of its own ---


@ways
@pytest.mark.parametrize("shape", ["header", "body", "both"])
@virtual
async def test_one_too_many_says_how_long(shape: Any, way: Callable[..., Any]) -> None:
    """top.gg's 429 is a Ratelimited with its time, after one request."""
    async with scene() as (topgg, client):
        topgg.reply(ANNOUNCE, rate_limited(FOUR_HOURS, shape))
        error = await way(announce(client))
        assert type(error) is Ratelimited
        assert (error.status, error.internal, error.retry_after) == (429, False, FOUR_HOURS)
        assert topgg.paths == [ANNOUNCE]


@ways
@virtual
async def test_the_next_one_fails_at_once(way: Callable[..., Any]) -> None:
    """Nothing is sent of it, nor is there an event; it says how long it still takes."""
    async with scene() as (topgg, client):
        topgg.reply(ANNOUNCE, rate_limited(A_WHILE, "header"))
        await awaited(announce(client))
        events: list[Any] = []
        client.events.subscribe(events.append)
        await asyncio.sleep(100)
        before = now()
        error = await way(announce(client))
        assert now() == before
        assert type(error) is Ratelimited
        assert (error.status, error.internal) == (None, True)
        assert error.retry_after == pytest.approx(A_WHILE - 100, abs=0.1)
        assert error.method == "POST"
        assert len(topgg.seen) == 1
        assert events == []


@virtual
async def test_when_the_time_is_over_it_goes_out() -> None:
    """Not a moment before, and then at once."""
    async with scene(max_wait=0) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(A_WHILE, "header"), ok(ANNOUNCEMENT))
        await awaited(announce(client))
        await asyncio.sleep(A_WHILE - 1)
        assert type(await awaited(announce(client))) is Ratelimited
        assert len(topgg.seen) == 1
        await asyncio.sleep(1)
        assert type(await announce(client)) is Announcement
        assert len(topgg.seen) == 2


@virtual
async def test_without_a_time_it_is_an_hour() -> None:
    """A 429 that does not say how long holds announcements back for an hour."""
    async with scene(max_wait=0) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(shape="neither"), ok(ANNOUNCEMENT))
        assert (await awaited(announce(client))).retry_after == 3600
        await asyncio.sleep(3599)
        assert type(await awaited(announce(client))) is Ratelimited
        await asyncio.sleep(1)
        await announce(client)


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name)
@virtual
async def test_other_calls_go_out_at_once(case: Case) -> None:
    """An announcement's 429 holds back announcements, and nothing else of the client's."""
    async with scene(max_wait=0) as (topgg, client):
        topgg.reply(ANNOUNCE, rate_limited(FOUR_HOURS, "header"))
        await awaited(announce(client))
        case.answer(topgg)
        before = now()
        assert case.values(await case.make(client.project)) == list(case.emits)
        assert now() - before < 1
        assert [seen.target for seen in topgg.seen[1:]] == case.targets


@virtual
async def test_calls_of_v0_go_out_at_once_too() -> None:
    """The token is not blocked."""
    async with scene(max_wait=0) as (topgg, client):
        topgg.reply(ANNOUNCE, rate_limited(FOUR_HOURS, "both"))
        topgg.reply("/bots/1", json={"id": "1"})
        await awaited(announce(client))
        assert (await client.fetch_bot(1)).id == 1


@virtual
async def test_a_429_of_other_calls_holds_announcements_back() -> None:
    """That one is about the token, and so about all that it sends."""
    async with scene() as (topgg, client):
        topgg.reply(f"GET {AT}", rate_limited(600, "header"))
        topgg.reply(ANNOUNCE, ok(ANNOUNCEMENT))
        await awaited(client.project.fetch())
        error = await awaited(announce(client))
        assert (type(error), error.internal) == (Ratelimited, True)
        assert len(topgg.seen) == 1


# --- waiting for it ---


@pytest.mark.parametrize("max_wait", [None, A_WHILE + 1, timedelta(hours=5)], ids=str)
@virtual
async def test_it_waits_where_it_may(max_wait: Any) -> None:
    """With a `max_wait` that allows it, it goes out when the time is over, and not before."""
    async with scene(max_wait=max_wait) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(A_WHILE, "header"), ok(ANNOUNCEMENT))
        await awaited(announce(client))
        assert (await announce(client)).title == "Version 2"
        first, second = (seen.at for seen in topgg.seen)
        assert A_WHILE - 1e-6 <= second - first < A_WHILE + 0.05


@virtual
async def test_it_does_not_wait_longer_than_it_may() -> None:
    """A `max_wait` that is a little too short: it fails at once, not after that time."""
    async with scene(max_wait=A_WHILE - 10) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(A_WHILE, "header"), ok(ANNOUNCEMENT))
        await awaited(announce(client))
        before = now()
        assert type(await awaited(announce(client))) is Ratelimited
        assert now() == before
        await asyncio.sleep(11)  # but then it may
        await announce(client)
        assert topgg.seen[1].at - topgg.seen[0].at == pytest.approx(A_WHILE, abs=0.05)


@virtual
async def test_others_do_not_wait_behind_one_that_waits() -> None:
    """While an announcement waits, calls go out."""
    async with scene(max_wait=None) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(A_WHILE, "header"), ok(ANNOUNCEMENT))
        topgg.reply(f"GET {AT}", ok(PROJECT))
        await awaited(announce(client))
        waiting = asyncio.ensure_future(announce(client))
        await asyncio.sleep(1)
        before = now()
        await client.project.fetch()
        assert now() - before < 1
        await waiting
        assert topgg.paths == [ANNOUNCE, f"GET {AT}", ANNOUNCE]


@ways
@virtual
async def test_closing_the_client_ends_the_waiting(way: Callable[..., Any]) -> None:
    """It is a ClientClosed, and nothing is sent."""
    async with scene(max_wait=None) as (topgg, client):
        topgg.reply(ANNOUNCE, rate_limited(A_WHILE, "header"))
        await awaited(announce(client))
        waiting = asyncio.ensure_future(way(announce(client)))
        await asyncio.sleep(2)
        before = now()
        await client.close()
        assert type(await waiting) is ClientClosed
        assert now() == before
        assert len(topgg.seen) == 1


@virtual
async def test_one_that_is_given_up_while_it_waits_is_never_sent() -> None:
    """Cancelled or disposed of, nothing goes out when the time is over."""
    async with scene(max_wait=None) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(A_WHILE, "header"), ok(ANNOUNCEMENT))
        await awaited(announce(client))
        task = asyncio.ensure_future(announce(client))
        heard: list[Any] = []
        subscription = announce(client).subscribe(heard.append, heard.append)
        await asyncio.sleep(1)
        task.cancel()
        subscription.dispose()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(2 * A_WHILE)
        assert len(topgg.seen) == 1
        assert heard == []


# --- whose limit it is ---


@virtual
async def test_clients_do_not_share_it() -> None:
    """What one client was told holds no other back."""
    async with scene() as (topgg, first), new_client(topgg.base_url) as second:
        topgg.script(ANNOUNCE, rate_limited(FOUR_HOURS, "header"), ok(ANNOUNCEMENT))
        await awaited(announce(first))
        assert type(await awaited(announce(first))) is Ratelimited
        assert type(await announce(second)) is Announcement
        assert len(topgg.seen) == 2


def test_it_outlives_the_loop() -> None:
    """A client that goes on in another loop keeps to what it was told in the one before."""
    with ThreadedStandIn() as topgg:
        topgg.reply(ANNOUNCE, rate_limited(FOUR_HOURS, "header"))
        client = new_client(topgg.base_url)
        for internal in (False, True):
            with pytest.raises(Ratelimited) as caught:
                announce(client).run()
            assert caught.value.internal is internal
            assert caught.value.retry_after == pytest.approx(FOUR_HOURS, abs=30)
        assert len(topgg.seen) == 1
        asyncio.run(client.close())


# --- what comes back ---


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": None, "content": None, "created_at": None},
        {"title": 5, "content": ["x"], "created_at": "12"},
        {"created_at": "2026-02-09T00:47:14", "id": [1]},
    ],
)
@virtual
async def test_an_answer_may_lack_anything(body: Any) -> None:
    """Missing or malformed fields are None: the announcement stands there all the same."""
    async with scene() as (topgg, client):
        topgg.reply(ANNOUNCE, ok(body))
        made = await announce(client)
        assert (made.title, made.content, made.created_at) == (None, None, None)


@pytest.mark.parametrize("code", [200, 201])
@virtual
async def test_an_announcement_is_read(code: int) -> None:
    """As it was made, with an aware time."""
    async with scene() as (topgg, client):
        topgg.reply(ANNOUNCE, status(code, json=ANNOUNCEMENT))
        made = await announce(client)
        assert (made.title, made.content) == ("Version 2", "Playlists are here.")
        assert made.created_at.isoformat() == "2026-02-09T00:47:14+00:00"


@virtual
async def test_those_who_waited_together_do_not_go_together() -> None:
    """Three wait for the same moment: one goes, and its 429 is for the other two as well."""
    async with scene(max_wait=200) as (topgg, client):
        topgg.script(ANNOUNCE, rate_limited(100, "header"), rate_limited(14400, "header"))
        with pytest.raises(Ratelimited):
            await announce(client)
        waiting = [asyncio.ensure_future(awaited(announce(client))) for _ in range(3)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [error.internal for error in results] == [False, True, True]
        assert len(topgg.seen) == 2
