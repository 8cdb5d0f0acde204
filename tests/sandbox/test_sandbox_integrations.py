"""Integrations: the handshake, the deliveries of a connection, and its end."""

import asyncio
import hashlib
import hmac

import msgspec
import pytest

from rx_toppy.sandbox import HandshakeFailed, Sandbox
from rx_toppy.sandbox.ids import topgg_id
from rx_toppy.sandbox.payloads import Message
from rx_toppy.sandbox.wire_webhooks import Connected

SECRET = "whs_of_the_integration"


def is_signed(received, secret, clock):
    seconds = int(clock.now)
    message = str(seconds).encode() + b"." + received.body
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return received.headers["x-topgg-signature"] == f"t={seconds},v1={digest}"


def wishes(receiver, *routes, path="/hook"):
    return {"webhook_url": receiver.url + path, "routes": list(routes)}


async def test_the_handshake(run, receiver, clock):
    """The integration hears of the connection, and says where and what it wants."""
    receiver.answers = [wishes(receiver, "vote.create")]
    async with run() as (sandbox, api):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        owner = (await api.own()).data["owners"][0]
        own = str(sandbox.bot_id)
    [received] = receiver.seen
    data = received.data["data"]
    assert received.path == "/votes"
    assert is_signed(received, SECRET, clock)
    assert received.headers["x-topgg-trace"]
    assert received.data["type"] == "integration.create"
    assert sorted(data) == ["connection_id", "project", "user", "webhook_secret"]
    assert data["connection_id"] == connection.connection_id
    assert data["connection_id"].isdigit()
    assert data["webhook_secret"] == connection.webhook_secret
    assert data["webhook_secret"].startswith("whs_")
    assert data["project"]["platform_id"] == own
    assert data["project"]["id"] == topgg_id(own)
    assert data["user"]["platform_id"] == owner
    assert sorted(data["user"]) == ["avatar_url", "id", "name", "platform_id"]
    assert (connection.url, connection.routes) == (f"{receiver.url}/hook", ("vote.create",))
    assert connection.kind == "v1"


async def test_a_connection_gets_the_votes(run, receiver, clock):
    """From the handshake on they go to its URL, signed with its own secret, and are retried."""
    receiver.answers = [wishes(receiver, "vote.create", "no.such.route"), 500]
    async with run() as (sandbox, _):
        sandbox.vote(4)
        connection = await sandbox.connect(receiver.url, secret=SECRET, speed=1e6)
        sandbox.vote(5)
        await connection.wait_idle()
    votes = receiver.seen[1:]
    assert [vote.path for vote in votes] == ["/votes/hook"] * 2
    assert all(vote.data["data"]["user"]["platform_id"] == "5" for vote in votes)
    assert all(is_signed(vote, connection.webhook_secret, clock) for vote in votes)
    events = [(delivery.event, delivery.url) for delivery in connection.deliveries]
    assert events == [
        ("integration.create", receiver.url),
        ("vote.create", f"{receiver.url}/hook"),
    ]
    assert [attempt.status for attempt in connection.deliveries[1].tries] == [500, 204]


async def test_a_connection_gets_what_it_wants(run, receiver, clock):
    """Without `vote.create` among its routes there are no votes, but tests there always are."""
    receiver.answers = [wishes(receiver)]
    async with run() as (sandbox, _):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        sandbox.vote()
        await connection.wait_idle()
        assert await connection.send_test() == 204
    assert [body["type"] for body in receiver.data] == ["integration.create", "webhook.test"]
    assert is_signed(receiver.seen[1], connection.webhook_secret, clock)


async def test_connections_are_seeded(run, receiver):
    """The same seed gives the same ids and secrets; each connection has its own."""
    known = []
    for seed in (1, 1, 2):
        receiver.answers = [wishes(receiver), wishes(receiver)]
        async with run(seed=seed) as (sandbox, _):
            pair = [await sandbox.connect(receiver.url, secret=SECRET) for _ in range(2)]
            known.append([(made.connection_id, made.webhook_secret) for made in pair])
    assert known[0] == known[1] != known[2]
    assert len({text for pairs in known[1:] for pair in pairs for text in pair}) == 8


async def test_disconnecting(run, receiver, clock):
    """The integration hears of it where it was connected; there are no more votes."""
    receiver.answers = [wishes(receiver, "vote.create")]
    async with run() as (sandbox, _):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        assert await connection.disconnect() == 204
        assert await connection.disconnect() is None
        sandbox.vote()
        await connection.wait_idle()
        assert not connection.is_on
    assert len(receiver.seen) == 2
    farewell = receiver.seen[1]
    assert farewell.path == "/votes"
    assert is_signed(farewell, SECRET, clock)
    assert farewell.data == {
        "type": "integration.delete",
        "data": {"connection_id": connection.connection_id},
    }
    assert connection.deliveries[-1].event == "integration.delete"
    assert connection.deliveries[-1].user_id is None


async def test_disconnecting_is_retried_and_gives_up_votes(run, receiver):
    """A vote that waits for another try is lost; the farewell itself is tried again."""
    receiver.answers = [wishes(receiver, "vote.create"), 500, 500, 500, 410]
    async with run() as (sandbox, _):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        sandbox.vote()
        async with asyncio.timeout(30):
            while not connection.deliveries[-1].tries:
                await asyncio.sleep(0.001)
        leaving = asyncio.create_task(connection.disconnect())
        for count in (3, 4):
            await receiver.wait(count)
            async with asyncio.timeout(30):
                while len(connection.deliveries[-1].tries) < count - 2:
                    await asyncio.sleep(0.001)
            connection.retry_now()
        assert await leaving == 410
        await connection.wait_idle()
    tries = [[attempt.status for attempt in told.tries] for told in connection.deliveries]
    assert tries == [[200], [500], [500, 500, 410]]


async def test_stop_is_no_farewell(run, receiver):
    """A connection that is only stopped gets nothing more, and the integration is not told."""
    receiver.answers = [wishes(receiver, "vote.create")]
    async with run() as (sandbox, _):
        with await sandbox.connect(receiver.url, secret=SECRET) as connection:
            pass
        sandbox.vote()
        assert await connection.disconnect() is None
    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (503, 503, "answered with 503"),
        (404, 404, "answered with 404"),
        (None, None, "did not answer"),
        (204, 204, "not valid"),
        (b"[", 200, "not valid"),
        (b"\xff", 200, "not valid"),
        (b"[" * 100_000, 200, "not valid"),
        ({"routes": []}, 200, "webhook_url"),
        ({"webhook_url": "http://a.example"}, 200, "routes"),
        ({"webhook_url": "a.example", "routes": []}, 200, "webhook_url"),
        ({"webhook_url": "", "routes": []}, 200, "webhook_url"),
        ({"webhook_url": "http://a.example", "routes": "vote.create"}, 200, "routes"),
    ],
)
async def test_a_handshake_can_fail(run, receiver, answer, status, reason):
    """An answer that is none, or not as it should be, connects nothing; it is sent once."""
    receiver.answers = [answer]
    timeout = 0.05 if answer is None else 5.0
    async with run() as (sandbox, _):
        with pytest.raises(HandshakeFailed, match=reason) as caught:
            await sandbox.connect(receiver.url, secret=SECRET, timeout=timeout, speed=1e6)
        sandbox.vote()
    assert caught.value.status == status
    assert len(receiver.seen) == 1


async def test_a_close_ends_a_handshake(run, receiver):
    """Where the sandbox closes in the middle of it, nothing was agreed upon."""
    receiver.answers = [None]
    async with run() as (sandbox, _):
        connecting = asyncio.create_task(sandbox.connect(receiver.url, secret=SECRET))
        await receiver.wait(1)
        await sandbox.close()
        with pytest.raises(HandshakeFailed, match="did not answer"):
            await connecting


async def test_connecting_needs_a_running_sandbox(run, receiver):
    """Neither connecting nor disconnecting works without; the connection can end later."""
    with pytest.raises(RuntimeError, match="not running"):
        await Sandbox(bots=1).connect(receiver.url, secret=SECRET)
    receiver.answers = [wishes(receiver, "vote.create")]
    async with run() as (sandbox, _):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        await sandbox.close()
        with pytest.raises(RuntimeError, match="not running"):
            await connection.disconnect()
        await sandbox.start()
        assert await connection.disconnect() == 204


def test_no_secret_is_in_the_repr_of_what_is_sent():
    """What carries a secret to the integration says only what it is about."""
    data = Connected(connection_id="12", webhook_secret=SECRET, project=None, user=None)
    message = Message("integration.create", 5, msgspec.json.encode(data))
    assert SECRET.encode() in message.body
    assert f"{data!r} {message!r}" == "<Connected 12> <Message integration.create>"


async def test_no_secret_of_a_connection_is_in_a_repr(run, receiver):
    """Neither the integration's secret nor the connection's shows."""
    receiver.answers = [wishes(receiver, "vote.create")]
    async with run() as (sandbox, _):
        connection = await sandbox.connect(receiver.url, secret=SECRET)
        shown = f"{connection!r} {connection.deliveries!r}"
    assert SECRET not in shown
    assert connection.webhook_secret not in shown
    assert repr(connection) == (
        f"<Connection {connection.connection_id} v1 {connection.url} on delivered=1/1>"
    )
