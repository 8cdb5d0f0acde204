"""How a webhook is made, begins and ends, on a port of its own or in an application."""

import asyncio
import os
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from rx_toppy import StandaloneBot, TopGG, VoteWebhook
from tests.votes.webhook import (
    AUTHORIZATION,
    SECRET,
    V0_BOT,
    V1_CREATED,
    V1_VOTE,
    authorized,
    changed,
    hang_up,
    head,
    serving,
    signed,
    statuses,
)


class Heard:
    """What a stream told, and whether it has ended."""

    def __init__(self, stream):
        self.values = []
        self.ends = 0
        stream.subscribe(self.values.append, on_completed=self._end)

    def _end(self):
        self.ends += 1


async def is_listened_at(port):
    """Whether a connection to that port can be made."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # refused, or reset while it was being closed
        return False
    await hang_up(writer)
    return True


# --- made ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, ValueError, "secret"),
        ({"secret": None, "authorization": None}, ValueError, "secret"),
        ({"secret": os.environ.get("NO_SUCH_VARIABLE")}, ValueError, "secret"),
        ({"secret": []}, ValueError, "secret"),
        ({"secret": ""}, ValueError, "secret"),
        ({"secret": " \n"}, ValueError, "secret"),
        ({"secret": "", "authorization": "words"}, ValueError, "secret"),
        ({"secret": ["whs_a", ""]}, ValueError, "secret"),
        ({"secret": b"whs_a"}, TypeError, "secret"),
        ({"secret": ["whs_a", None]}, TypeError, "secret"),
        ({"secret": ["whs_a", 5]}, TypeError, "secret"),
        ({"secret": 5}, TypeError, "secret|int"),
        ({"authorization": ""}, ValueError, "authorization"),
        ({"secret": "whs_a", "authorization": "  "}, ValueError, "authorization"),
        ({"authorization": b"words"}, TypeError, "authorization"),
        ({"authorization": ["words"]}, TypeError, "authorization"),
        ({"secret": "whs_a", "host": None}, TypeError, "host"),
        ({"secret": "whs_a", "host": 127}, TypeError, "host"),
        ({"secret": "whs_a", "port": -1}, ValueError, "port"),
        ({"secret": "whs_a", "port": 65536}, ValueError, "port"),
        ({"secret": "whs_a", "port": "8080"}, TypeError, "port"),
        ({"secret": "whs_a", "port": None}, TypeError, "port"),
        ({"secret": "whs_a", "port": True}, TypeError, "port"),
        ({"secret": "whs_a", "path": ""}, ValueError, "path"),
        ({"secret": "whs_a", "path": "votes"}, ValueError, "path"),
        ({"secret": "whs_a", "path": "/votes?a=1"}, ValueError, "path"),
        ({"secret": "whs_a", "path": "/votes#a"}, ValueError, "path"),
        ({"secret": "whs_a", "path": "/my votes"}, ValueError, "path"),
        ({"secret": "whs_a", "path": "/{votes}"}, ValueError, "path"),
        ({"secret": "whs_a", "path": "/größe"}, ValueError, "path"),
        ({"secret": "whs_a", "path": 5}, TypeError, "path"),
        ({"secret": "whs_a", "max_age": 0}, ValueError, "max_age"),
        ({"secret": "whs_a", "max_age": -1}, ValueError, "max_age"),
        ({"secret": "whs_a", "max_age": float("nan")}, ValueError, "max_age"),
        ({"secret": "whs_a", "max_age": float("inf")}, ValueError, "max_age"),
        ({"secret": "whs_a", "max_age": timedelta(0)}, ValueError, "max_age"),
        ({"secret": "whs_a", "max_age": "300"}, TypeError, "max_age"),
        ({"secret": "whs_a", "max_age": None}, TypeError, "max_age"),
        ({"secret": "whs_a", "on_integration": "https://a.example"}, TypeError, "on_integration"),
        ({"secret": "whs_a", "secrets": {"5": "whs_b"}}, TypeError, "secrets"),
    ],
)
def test_arguments_that_can_not_be(options, error, said):
    """What makes no sense, an unset variable for one, is refused when the webhook is made."""
    with pytest.raises(error, match=said):
        VoteWebhook(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"secret": ["whs_confidential", ""]},
        {"secret": ["whs_confidential", 5]},
        {"secret": "whs_confidential", "authorization": 5},
        {"secret": "whs_confidential", "port": -1},
        {"secret": b"whs_confidential"},
        {"authorization": ["whs_confidential"]},
    ],
)
def test_errors_show_no_secret(options):
    """An error about arguments repeats none of the secrets."""
    with pytest.raises((TypeError, ValueError)) as refused:
        VoteWebhook(**options)
    lines = traceback.format_exception_only(refused.value)
    assert "confidential" not in "".join(lines) + repr(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"secret": SECRET},
        {"secret": (SECRET, "whs_b")},
        {"secret": iter([SECRET])},
        {"authorization": AUTHORIZATION},
        {"secrets": lambda _: None},
        {"secret": SECRET, "max_age": timedelta(minutes=1), "port": 65535, "host": "0.0.0.0"},
    ],
)
def test_made_before_any_loop_runs(options):
    """One secret of any kind is enough, and it may be made where no loop runs yet."""
    hook = VoteWebhook(**options)
    assert hook.port == options.get("port", 8080)
    assert "not listening" in repr(hook)


async def test_max_age_may_be_a_timedelta():
    """`timedelta(minutes=1)` is the same as 60 seconds."""
    async with serving(max_age=timedelta(minutes=1)) as served:
        assert (await served.v1(V1_VOTE, at=int(served.now) - 61)).status == 401
        assert (await served.v1(V1_VOTE, at=int(served.now) - 60)).status == 204


# --- begun and ended -----------------------------------------------------------------------------


async def test_the_port():
    """With port 0 it is one that was free, and `port` tells which."""
    hook = VoteWebhook(secret=SECRET, port=0)
    assert hook.port == 0
    await hook.start()
    port = hook.port
    assert port > 0
    assert await is_listened_at(port)
    assert str(port) in repr(hook)
    await hook.close()
    assert not await is_listened_at(port)
    assert str(port) not in repr(hook)


async def test_started_twice():
    """The second start is a RuntimeError and leaves the first one alone."""
    async with serving() as served:
        with pytest.raises(RuntimeError, match="listens"):
            await served.hook.start()
        assert (await served.v1(V1_VOTE)).status == 204


async def test_closed_twice():
    """Closing again, or what was never started, does nothing; the streams complete once."""
    hook = VoteWebhook(secret=SECRET, port=0)
    votes, integrations = Heard(hook.votes), Heard(hook.integrations)
    await hook.start()
    assert votes.ends == integrations.ends == 0
    for _ in range(3):
        await hook.close()
    assert votes.ends == integrations.ends == 1
    await VoteWebhook(secret=SECRET).close()


async def test_started_after_its_end():
    """What was closed does not start again."""
    hook = VoteWebhook(secret=SECRET, port=0)
    await hook.close()
    with pytest.raises(RuntimeError, match="closed"):
        await hook.start()


async def test_who_comes_after_the_end():
    """A subscriber of a closed webhook is told at once that it is over."""
    hook = VoteWebhook(secret=SECRET, port=0)
    await hook.close()
    assert Heard(hook.votes).ends == Heard(hook.integrations).ends == 1


async def test_a_port_in_use():
    """An OSError that leaves nothing behind: when the port is free, it can be started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        hook = VoteWebhook(secret=SECRET, port=taken.getsockname()[1])
        votes = Heard(hook.votes)
        for _ in range(2):
            with pytest.raises(OSError, match="in use"):
                await hook.start()
        assert "not listening" in repr(hook)
    await hook.start()
    assert await is_listened_at(hook.port)
    await hook.close()
    assert votes.ends == 1


async def test_the_block_ends_with_an_error():
    """Leaving `async with` by an exception closes it as well."""
    hook = VoteWebhook(secret=SECRET, port=0)
    votes = Heard(hook.votes)

    async def fail():
        async with hook as entered:
            assert entered is hook
            ports.append(hook.port)
            raise KeyError

    ports = []
    with pytest.raises(KeyError):
        await fail()
    assert votes.ends == 1
    assert not await is_listened_at(ports[0])


async def test_deliveries_under_way_at_the_end():
    """What is being taken when it closes is brought to its end and acknowledged, then all ends."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def look_up(_):
        asked.set()
        await go.wait()
        return SECRET

    async with serving(secrets=look_up) as served:
        votes = Heard(served.hook.votes)
        port = served.port
        delivery = asyncio.create_task(
            served.raw(head(signed(V1_VOTE), len(V1_VOTE), path="/votes/5") + V1_VOTE)
        )
        await asked.wait()
        closing = asyncio.create_task(served.hook.close())
        # Not at once: asyncio stumbles over a connection that is made just when it stops to listen.
        await asyncio.sleep(0.01)
        assert not await is_listened_at(port)
        assert votes.ends == 0
        go.set()
        assert statuses(await delivery) == [204]
        await closing
    assert len(votes.values) == votes.ends == 1


@pytest.mark.parametrize(
    "said", [b"", b"POST /votes HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
)
async def test_idle_connections_do_not_hold_up_the_end(said):
    """Connections that say nothing, or nothing more, are closed at once."""
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(said)
        if said.endswith(b"\r\n\r\n"):
            await reader.readuntil(b"}")
        else:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            await served.hook.close()
            assert await reader.read() == b""
        await hang_up(writer)


async def test_iterating_ends_with_the_webhook():
    """An `async for` over the votes ends when the webhook is closed."""
    async with serving() as served:

        async def read():
            return [vote async for vote in served.hook.votes]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        await served.v1(V1_VOTE)
        await served.hook.close()
        async with asyncio.timeout(2):
            assert await reading == served.votes
    assert len(served.votes) == 1


async def test_it_closes_with_its_client():
    """A client that is closed closes its webhook, before its own streams end."""
    client = TopGG(StandaloneBot(5, server_count=1), token="a-token", autopost=False)
    events = Heard(client.events)
    hook = VoteWebhook(secret=SECRET, port=0, client=client)
    order = []
    hook.votes.subscribe(on_completed=lambda: order.append(("votes", events.ends)))
    await hook.start()
    port = hook.port
    await client.close()
    assert order == [("votes", 0)]
    assert events.ends == 1
    assert not await is_listened_at(port)
    await hook.close()


async def test_the_client_outlives_its_webhook():
    """A webhook that is closed leaves its client open."""
    async with TopGG(StandaloneBot(5, server_count=1), token="a-token", autopost=False) as client:
        async with serving(client=client):
            pass
        assert not client.is_closed
    assert client.is_closed


async def test_two_webhooks_of_one_client():
    """Both tell the client, and both close with it."""
    async with TopGG(StandaloneBot(5, server_count=1), token="a-token", autopost=False) as client:
        events = Heard(client.events)
        async with serving(client=client) as one, serving(client=client) as two:
            assert (await one.v1(V1_VOTE)).status == (await two.v0(V0_BOT)).status == 204
            await client.close()
            assert not await is_listened_at(one.port)
            assert not await is_listened_at(two.port)
    assert [event.vote for event in events.values] == one.votes + two.votes


# --- in an application ---------------------------------------------------------------------------


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    """An application that listens, and the base of its URLs."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def status_of(url, body=V1_VOTE, headers=None, method="POST"):
    """The status of a request; a signed vote unless told otherwise."""
    headers = signed(V1_VOTE) if headers is None else headers
    async with aiohttp.request(method, url, data=body, headers=headers) as response:
        return response.status


def hook_at_now(**options):
    """A webhook of both kinds whose clock stands at the time of the sample, and its votes."""
    hook = VoteWebhook(**({"secret": SECRET, "authorization": AUTHORIZATION} | options))
    hook._clock = lambda: 1_770_598_034.0
    return hook, Heard(hook.votes)


async def test_in_an_application_that_stands_already():
    """Deliveries are taken at the path, and the application's other routes are what they were."""

    async def hello(_):
        return web.Response(text="hello")

    hook, votes = hook_at_now(path="/hooks/topgg")
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/hooks/topgg", hello)
    hook.add_to(app)
    async with running(app) as base:
        url = f"{base}/hooks/topgg"
        assert await status_of(url) == 204
        assert await status_of(url, V0_BOT, authorized()) == 204
        assert await status_of(url, V0_BOT, authorized("guess")) == 401
        assert await status_of(url, V1_VOTE, {}) == 401
        assert await status_of(url, b" " * 70_000, authorized()) == 413
        assert await status_of(base, method="GET") == 200
        assert await status_of(url, method="GET") == 200
        assert await status_of(f"{base}/votes") == 404
        assert votes.ends == 0
    assert (len(votes.values), votes.ends) == (2, 1)


async def test_the_largest_body_in_an_application():
    """What the application thinks of large bodies does not matter: it is 64 KiB here as well."""
    hook, votes = hook_at_now()
    app = web.Application(client_max_size=10)
    hook.add_to(app)
    body = V1_VOTE.ljust(64 * 1024)
    async with running(app) as base:
        assert await status_of(f"{base}/votes", body, signed(body)) == 204
        assert await status_of(f"{base}/votes", body + b" ", signed(body + b" ")) == 413
    assert len(votes.values) == 1


async def test_a_below_application():
    """In an application that is mounted below another one, the path is below its prefix."""
    hook, votes = hook_at_now()
    app, below = web.Application(), web.Application()
    hook.add_to(below)
    app.add_subapp("/hooks", below)
    async with running(app) as base:
        assert await status_of(f"{base}/hooks/votes") == 204
        assert await status_of(f"{base}/votes") == 404
    assert len(votes.values) == votes.ends == 1


async def test_connections_and_integrations_in_an_application():
    """Secrets by connection and handshakes work there as on a port of its own."""
    asked = []

    def look_up(connection):
        asked.append(connection)
        return "whs_looked_up"

    hook, votes = hook_at_now(secrets=look_up, on_integration=lambda _: "https://a.example/votes/5")
    integrations = Heard(hook.integrations)
    app = web.Application()
    hook.add_to(app)
    async with running(app) as base:
        headers = signed(V1_VOTE, secret="whs_looked_up")
        assert await status_of(f"{base}/votes/a%20b", V1_VOTE, headers) == 204
        assert await status_of(f"{base}/votes", V1_VOTE, headers) == 401
        assert await status_of(f"{base}/votes", V1_CREATED, signed(V1_CREATED)) == 200
    assert asked == ["a b"]
    assert (len(votes.values), len(integrations.values)) == (1, 1)
    assert integrations.ends == 1


async def test_two_webhooks_in_one_application():
    """Two of them, with paths of their own, do not get into each other's way."""
    app = web.Application()
    (one, ones), (two, twos) = hook_at_now(path="/one"), hook_at_now(path="/two")
    one.add_to(app)
    two.add_to(app)
    async with running(app) as base:
        assert await status_of(f"{base}/one") == 204
        assert await status_of(f"{base}/two", V0_BOT, authorized()) == 204
    assert [vote.source for vote in ones.values] == ["webhook_v1"]
    assert [vote.source for vote in twos.values] == ["webhook_v0"]


async def test_nobody_listens_in_an_application():
    """Without a subscriber it is a 503 there, too; and once it was closed before the app is."""
    hook = VoteWebhook(authorization=AUTHORIZATION)
    app = web.Application()
    hook.add_to(app)
    other = changed(V0_BOT, user="7")
    async with running(app) as base:
        assert await status_of(f"{base}/votes", V0_BOT, authorized()) == 503
        votes = Heard(hook.votes)
        assert await status_of(f"{base}/votes", V0_BOT, authorized()) == 204
        await hook.close()
        assert votes.ends == 1
        assert await status_of(f"{base}/votes", other, authorized()) == 503
    assert len(votes.values) == votes.ends == 1


async def test_the_votes_of_an_application_reach_the_client():
    """With a client, its events tell of them."""
    async with TopGG(StandaloneBot(5, server_count=1), token="a-token", autopost=False) as client:
        events = Heard(client.events)
        hook, votes = hook_at_now(client=client)
        app = web.Application()
        hook.add_to(app)
        async with running(app) as base:
            assert await status_of(f"{base}/votes") == 204
    assert [event.vote for event in events.values] == votes.values
    assert len(votes.values) == 1
