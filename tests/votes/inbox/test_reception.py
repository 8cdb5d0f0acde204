"""`receive_votes`: webhook, history, inbox and handler in one call."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rx_toppy import TopGG, Vote, VoteInbox, VoteWebhook, receive_votes
from rx_toppy.sandbox import Sandbox, faults

from . import PATIENCE, SECRET, WORDS, Handler, by_history, until

EVERY = 0.05


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/votes"


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=3)


async def test_webhook_and_history(client: TopGG, sandbox: Sandbox, path: Path) -> None:
    """Both bring every vote, and each is handled once."""
    handler = Handler()
    running = await receive_votes(
        client, handler, inbox=path, secret=SECRET, port=0, since=long_ago(), every=EVERY
    )
    assert running.webhook is not None
    sandbox.send_to(url(running.webhook.port), secret=SECRET)
    for voter in range(1, 8):
        sandbox.vote(voter)
        await asyncio.sleep(0.02)
    await until(lambda: len(handler.returned) >= 7)
    await asyncio.sleep(3 * EVERY)
    assert sorted(handler.voters) == list(range(1, 8))
    assert len(await running.inbox.votes()) == 7


async def test_history_only(client: TopGG, sandbox: Sandbox, path: Path) -> None:
    """Without a secret there is no webhook."""
    handler = Handler()
    sandbox.vote(1)
    running = await receive_votes(client, handler, inbox=path, since=long_ago(), every=EVERY)
    assert running.webhook is None
    assert running.history is not None
    await until(lambda: handler.returned == [1])
    sandbox.vote(2)
    await until(lambda: handler.returned == [1, 2])
    assert "no webhook" in repr(running)


@pytest.mark.parametrize("seal", [{"secret": SECRET}, {"authorization": WORDS}], ids=["v1", "v0"])
async def test_webhook_only(client: TopGG, sandbox: Sandbox, path: Path, seal: Any) -> None:
    """With `history=False` top.gg is asked nothing, so that any token will do."""
    handler = Handler()
    running = await receive_votes(client, handler, inbox=path, port=0, history=False, **seal)
    assert running.webhook is not None
    assert running.history is None
    endpoint = sandbox.send_to(url(running.webhook.port), **seal)
    sandbox.vote(1)
    await until(lambda: handler.returned == [1])
    await endpoint.wait_idle()
    assert endpoint.delivered == 1
    assert sandbox.requests == []


async def test_a_vote_that_was_missed_while_down(
    client: TopGG, sandbox: Sandbox, path: Path
) -> None:
    """The history brings it when the bot is up again."""
    handler = Handler()
    first = await receive_votes(client, handler, inbox=path, secret=SECRET, port=0, every=EVERY)
    await until(lambda: len(sandbox.requests) >= 2)
    await first.close()
    for voter in (1, 2, 3):
        sandbox.vote(voter)
    second = await receive_votes(client, handler, inbox=path, secret=SECRET, port=0, every=EVERY)
    await until(lambda: len(handler.returned) == 3)
    await second.close()
    await second.close()
    assert handler.voters == [1, 2, 3]


async def test_it_closes_with_the_client(client: TopGG, sandbox: Sandbox, path: Path) -> None:
    """The port is free, the inbox closed, the feed over; what was not handled is the next time."""
    handler = Handler()
    handler.gate.clear()
    running = await receive_votes(client, handler, inbox=path, secret=SECRET, port=0, every=EVERY)
    assert running.webhook is not None
    port = running.webhook.port
    await running.inbox.add(by_history(1))
    await until(lambda: handler.running.total() == 1)
    await client.close()
    assert handler.running.total() == 0
    assert running.history is not None
    async with asyncio.timeout(PATIENCE):
        await running.history
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    again = Handler()
    async with VoteInbox(path) as inbox:
        inbox.process(again).subscribe()
        await until(lambda: again.returned == [1])


async def test_an_inbox_of_ones_own(client: TopGG, inbox: VoteInbox) -> None:
    """An inbox that there is already is taken as it is, with what waits in it."""
    await inbox.add(by_history(1))
    handler = Handler()
    async with await receive_votes(client, handler, inbox=inbox, every=EVERY) as running:
        assert running.inbox is inbox
        await until(lambda: handler.returned == [1])


async def test_the_handler_s_options(client: TopGG, inbox: VoteInbox) -> None:
    """So many at a time, so many tries."""
    for voter in (1, 2, 3):
        await inbox.add(by_history(voter, voter))
    handler = Handler(pause=0.02)
    handler.failures[1] = 2
    async with await receive_votes(
        client, handler, inbox=inbox, every=EVERY, max_concurrent=3, tries=2
    ):
        await until(lambda: len(handler.votes) == 4)
        async with asyncio.timeout(PATIENCE):
            while not await inbox.dead_letters():
                await asyncio.sleep(0.01)
    assert handler.most == 3


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"history": False, "secret": None}, ValueError),
        ({"handler": None}, TypeError),
        ({"inbox": 5}, TypeError),
        ({"inbox": ""}, ValueError),
        ({"secret": ""}, ValueError),
        ({"secret": SECRET, "port": 70_000}, ValueError),
        ({"max_concurrent": 0}, ValueError),
        ({"tries": 0}, ValueError),
        ({"every": 0}, ValueError),
        ({"since": datetime(2026, 1, 1)}, ValueError),
    ],
)
async def test_what_it_refuses(client: TopGG, path: Path, arguments: Any, error: Any) -> None:
    """An argument that can't be is refused, and nothing is begun."""
    with socket.socket() as taken:  # so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        given = {"handler": Handler(), "inbox": path, "secret": SECRET, "port": port} | arguments
        with pytest.raises(error):
            await receive_votes(client, **given)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken(client: TopGG, path: Path) -> None:
    """It is an OSError, and nobody handles votes then."""
    async with VoteWebhook(secret=SECRET, port=0, inbox=None) as other:
        with pytest.raises(OSError, match="address already in use"):
            await receive_votes(client, Handler(), inbox=path, secret=SECRET, port=other.port)
    handler = Handler()
    async with VoteInbox(path) as inbox:
        await inbox.add(by_history(1))
        inbox.process(handler).subscribe()
        await until(lambda: handler.returned == [1])


async def test_the_history_s_faults_keep_no_webhook_from_its_work(
    client: TopGG, sandbox: Sandbox, path: Path
) -> None:
    """While the API is down, votes are handled as they are delivered."""
    sandbox.fail(faults.Status(503))
    handler = Handler()
    running = await receive_votes(client, handler, inbox=path, secret=SECRET, port=0, every=EVERY)
    assert running.webhook is not None
    sandbox.send_to(url(running.webhook.port), secret=SECRET)
    sandbox.vote(1)
    await until(lambda: handler.returned == [1])


# --- the same votes, by all ways -----------------------------------------------------------------


@asynccontextmanager
async def deaf(target: int, delays: list[float], clock: list[float]) -> AsyncIterator[str]:
    """A proxy before a webhook whose answers are lost: each delivery is tried to the end.

    The webhook's clock is moved as far as top.gg would have waited by then.
    """
    tries: Counter[bytes] = Counter()

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        clock[0] = delays[tries[body]]
        tries[body] += 1
        names = ("Authorization", "x-topgg-signature")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        async with session.post(url(target), data=body, headers=headers) as answer:
            assert answer.status == 204
        return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/votes", forward)
    async with aiohttp.ClientSession() as session, TestServer(app) as server:
        yield str(server.make_url("/votes"))


@pytest.mark.parametrize("first", ["webhooks", "history"])
async def test_the_same_votes_by_every_way(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox, first: str
) -> None:
    """Thrice by v1, by v0's whole schedule, once by history: each is handled once."""
    handler = Handler()
    inbox.process(handler, 3).subscribe()
    shift = [0.0]
    v0 = VoteWebhook(authorization=WORDS, port=0, inbox=inbox)
    v0._clock = lambda: datetime.now(UTC).timestamp() + shift[0]
    v1 = VoteWebhook(secret=SECRET, port=0, inbox=inbox)
    schedule = [0.0, *accumulate(2.0**n for n in range(11))]
    feeds = []

    def follow() -> None:
        feeds.append(inbox.follow(client, since=long_ago(), every=EVERY))

    async with (
        v0,
        v1,
        deaf(v0.port, schedule, shift) as v0_url,
        deaf(v1.port, [0.0] * 4, [0.0]) as v1_url,
    ):
        endpoints = [
            sandbox.send_to(v0_url, authorization=WORDS, speed=1e6),
            sandbox.send_to(v1_url, secret=SECRET, speed=1e6),
        ]
        if first == "history":
            follow()
        for voter in range(1, 6):
            sandbox.vote(voter)
        for endpoint in endpoints:
            await endpoint.wait_idle()
        if first == "webhooks":
            follow()
        await until(lambda: len(handler.returned) >= 5)
        await until(lambda: sum("cursor" in one.query for one in sandbox.requests) >= 4)
        await asyncio.sleep(0.05)
    assert [len(one.tries) for one in endpoints[0].deliveries] == [12] * 5
    assert sorted(handler.voters) == [1, 2, 3, 4, 5]
    votes: list[Vote] = await inbox.votes()
    assert len(votes) == 5
    assert all(vote.id is not None and vote.created_at is not None for vote in votes)
