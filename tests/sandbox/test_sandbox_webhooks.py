"""Deliveries of votes: their bodies and headers, which votes are delivered, and where to."""

import asyncio
import gc
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest

from rx_toppy.sandbox import Delivery, DeliveryAttempt, Sandbox, WebhookTarget
from rx_toppy.sandbox.ids import topgg_id

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
AUTHORIZATION = "my-own-words"
SECRET = "whs_0123456789abcdef"
START = (NOON - timedelta(days=301)).isoformat()


def signature(secret, seconds, body):
    """What a receiver computes, from the documentation alone."""
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


def project_of(sandbox, type="bot", platform="discord"):
    own = str(sandbox.bot_id)
    return {"id": topgg_id(own), "type": type, "platform": platform, "platform_id": own}


# --- v0 ------------------------------------------------------------------------------------------


async def test_a_vote_for_a_bot_at_v0(run, receiver):
    """The body says bot, user, type and weekend; the header says the words that were chosen."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        sandbox.vote(5)
        await endpoint.wait_idle()
        [received] = receiver.seen
        assert received.data == {
            "bot": str(sandbox.bot_id),
            "user": "5",
            "type": "upvote",
            "isWeekend": False,
        }
    assert (received.method, received.path) == ("POST", "/votes")
    assert received.headers["Authorization"] == AUTHORIZATION
    assert received.headers["Content-Type"] == "application/json"
    assert not [name for name in received.headers if name.lower().startswith("x-topgg")]


async def test_a_vote_for_a_server_at_v0(run, receiver):
    """The body says guild instead of bot, and nothing of weekends."""
    async with run(project="discord server", weekend=True) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        sandbox.vote(5, query="")
        await endpoint.wait_idle()
        guild = str(sandbox.bot_id)
    assert receiver.data == [{"guild": guild, "user": "5", "type": "upvote", "query": ""}]


async def test_v0_tells_the_weekend(run, receiver):
    """A vote that counts double says so."""
    async with run(weekend=True) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        sandbox.vote()
        await endpoint.wait_idle()
    assert receiver.data[0]["isWeekend"] is True


@pytest.mark.parametrize("query", ["", "?", "?a=1&b=2", "?a=%20ü&a"])
async def test_v0_tells_the_query_as_it_was(run, receiver, query):
    """The query string of the vote page comes untouched."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        sandbox.vote(5, query=query)
        await endpoint.wait_idle()
    assert receiver.data[0]["query"] == query


@pytest.mark.parametrize(
    ("query", "error"), [("a=1", ValueError), (" ?a=1", ValueError), ({"a": 1}, TypeError)]
)
async def test_a_bad_query_is_refused(run, query, error):
    """A query is text with its question mark; a vote with another one has not been cast."""
    async with run(votes=0) as (sandbox, api):
        with pytest.raises(error, match="query"):
            sandbox.vote(5, query=query)
        assert await api.history(startDate=START) == []


# --- v1 ------------------------------------------------------------------------------------------


async def test_a_vote_at_v1(run, receiver, clock):
    """The body says vote, project and user, as the sample does; times have seven digits."""
    clock.advance(days=3, seconds=0.25)
    async with run(votes=0) as (sandbox, api):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote(5, query="?a=1")
        await endpoint.wait_idle()
        user = (await api.get("/users/5")).data
        [body] = receiver.data
        data = body["data"]
        assert list(body) == ["type", "data"]
        assert body["type"] == "vote.create"
        assert data["project"] == project_of(sandbox)
    assert data["weight"] == 2
    assert data["created_at"] == "2026-04-18T12:00:00.2500000+00:00"
    assert data["expires_at"] == "2026-04-19T00:00:00.2500000+00:00"
    assert data["user"] | {"avatar_url": ""} == {
        "id": topgg_id("5"),
        "platform_id": "5",
        "name": user["username"],
        "avatar_url": "",
    }
    assert data["id"].isdigit()
    assert sorted(data) == sorted(["id", "weight", "created_at", "expires_at", "project", "user"])


async def test_the_signature_is_of_time_and_body(run, receiver, clock):
    """Whoever knows the secret comes to the same signature; it is of the sandbox's time."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        for _ in range(3):
            sandbox.vote()
            await endpoint.wait_idle()
            clock.advance(seconds=100)
    times = [int(clock.now) - 300, int(clock.now) - 200, int(clock.now) - 100]
    for received, seconds in zip(receiver.seen, times, strict=True):
        expected = signature(SECRET, seconds, received.body)
        assert received.headers["x-topgg-signature"] == expected
        assert "Authorization" not in received.headers
    traces = {received.headers["x-topgg-trace"] for received in receiver.seen}
    assert len(traces) == 3
    assert all(traces)


async def test_the_history_has_the_same_votes(run, receiver, clock):
    """A delivery and the history agree on user, weight and time, to within the rounding."""
    async with run(votes=0) as (sandbox, api):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        for _ in range(12):
            clock.advance(hours=7, seconds=0.123457)
            sandbox.vote()
            await endpoint.wait_idle()
        history = await api.history(startDate=START)
    told = [body["data"] for body in receiver.data]
    assert len(told) == len(history) == 12
    digits = set()
    for vote, known in zip(told, history, strict=True):
        assert vote["user"]["id"] == known["user_id"]
        assert vote["user"]["platform_id"] == known["platform_id"]
        assert vote["weight"] == known["weight"]
        for name in ("created_at", "expires_at"):
            match = re.fullmatch(r"(.{19}\.\d{6})(\d)\+00:00", vote[name])
            at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
            assert at == datetime.fromisoformat(known[name])
            # As the history rounds, whichever way it does: the seventh digit never counts up.
            assert int(match[2]) < 5
            digits.add(match[2])
    assert len(digits) > 1


async def test_ids_of_votes_are_unique_and_stay(run, receiver):
    """Every vote has an id of its own, also among votes of one moment; the seed decides it."""
    for _ in range(2):
        async with run(votes=0) as (sandbox, _):
            endpoint = sandbox.send_to(receiver.url, secret=SECRET)
            for user_id in range(1, 51):
                sandbox.vote(user_id)
            await endpoint.wait_idle()
    ids = {body["data"]["user"]["platform_id"]: body["data"]["id"] for body in receiver.data}
    assert len(receiver.seen) == 100
    assert len(set(ids.values())) == 50
    assert {body["data"]["id"] for body in receiver.data} == set(ids.values())


async def test_an_id_needs_no_recent_time(run, receiver):
    """A vote of long ago is delivered too, and has an id."""
    async with run(votes=0) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote(5, at=datetime(1999, 1, 1, tzinfo=UTC))
        sandbox.vote(6, at=datetime(1999, 1, 1, tzinfo=UTC))
        await endpoint.wait_idle()
    assert {body["data"]["id"] for body in receiver.data} == {"0", "1"}
    assert {body["data"]["created_at"][:20] for body in receiver.data} == {"1999-01-01T00:00:00."}


async def test_avatars_are_urls(run, receiver):
    """Whoever has an avatar has a URL of it, animated or not, and who has none a default one."""
    async with run(votes=0) as (sandbox, api):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        avatars = {}
        for user_id in range(2**22, 2**22 + 80):
            sandbox.vote(user_id)
            avatars[str(user_id)] = (await api.get(f"/users/{user_id}")).data.get("avatar")
        await endpoint.wait_idle()
    assert any(avatar is None for avatar in avatars.values())
    assert any(avatar and avatar.startswith("a_") for avatar in avatars.values())
    for body in receiver.data:
        user_id, url = body["data"]["user"]["platform_id"], body["data"]["user"]["avatar_url"]
        avatar = avatars[user_id]
        if avatar is None:
            assert url == "https://cdn.discordapp.com/embed/avatars/1.png"
        else:
            suffix = "gif" if avatar.startswith("a_") else "png"
            assert url == f"https://cdn.discordapp.com/avatars/{user_id}/{avatar}.{suffix}"


@pytest.mark.parametrize(
    ("project", "type", "platform"),
    [("discord server", "server", "discord"), ("roblox game", "game", "roblox")],
)
async def test_v1_knows_all_kinds_of_projects(run, receiver, project, type, platform):
    """Type and platform are those of the project."""
    async with run(project=project) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote()
        await endpoint.wait_idle()
        assert receiver.data[0]["data"]["project"] == project_of(sandbox, type, platform)


# --- tests, as from the dashboard ----------------------------------------------------------------


@pytest.mark.parametrize("project", ["discord bot", "discord server"])
async def test_a_test_at_v0(run, receiver, project):
    """A test looks like a vote, but for its type."""
    async with run(project=project, weekend=True) as (sandbox, api):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        assert await endpoint.send_test() == 204
        owner = (await api.own()).data["owners"][0]
        own = str(sandbox.bot_id)
    said = {"guild": own} if project == "discord server" else {"bot": own, "isWeekend": True}
    assert receiver.data == [{"user": owner, "type": "test"} | said]
    assert receiver.seen[0].headers["Authorization"] == AUTHORIZATION


async def test_a_test_at_v1(run, receiver, clock):
    """`webhook.test` tells the project, and who asked for it: an owner of the bot."""
    async with run() as (sandbox, api):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        assert await endpoint.send_test() == 204
        owner = (await api.own()).data["owners"][0]
        project = project_of(sandbox)
    [received] = receiver.seen
    user = received.data["data"]["user"]
    assert received.data == {"type": "webhook.test", "data": {"user": user, "project": project}}
    assert (user["id"], user["platform_id"]) == (topgg_id(owner), owner)
    expected = signature(SECRET, int(clock.now), received.body)
    assert received.headers["x-topgg-signature"] == expected


@pytest.mark.parametrize("answer", [200, 302, 404, 503, None])
async def test_a_test_is_sent_once(run, receiver, answer):
    """Whatever the answer is, or that there is none: that is told, and nothing is sent again."""
    receiver.answers = [answer]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(
            receiver.url,
            secret=SECRET,
            timeout=0.05 if answer is None else 5.0,
            duplicates=1.0,
            speed=1e6,
            delay=1,
        )
        assert await endpoint.send_test() == answer
        await endpoint.wait_idle()
        [delivery] = endpoint.deliveries
    assert len(receiver.seen) == 1
    assert (delivery.event, delivery.done) == ("webhook.test", True)
    assert [attempt.status for attempt in delivery.tries] == [answer]


async def test_a_test_needs_an_endpoint_that_is_on(run, receiver):
    """Once the endpoint was stopped, or the sandbox closed, there is nothing to test."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        stopped = sandbox.send_to(receiver.url, secret=SECRET)
        stopped.stop()
        with pytest.raises(RuntimeError, match="stopped"):
            await stopped.send_test()
    with pytest.raises(RuntimeError, match="not running"):
        await endpoint.send_test()
    assert receiver.seen == []
    assert endpoint.deliveries == []


# --- which votes, and where to -------------------------------------------------------------------


async def test_votes_of_chance_are_delivered(run, receiver):
    """What arrives by itself is delivered as well."""
    async with run(votes_per_minute=600_000) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        await receiver.wait(5)
    users = [body["data"]["user"]["platform_id"] for body in receiver.data]
    assert len(set(users)) == len(users)
    assert endpoint.pending == 0


async def test_every_endpoint_gets_every_vote(run, receiver):
    """There may be any number of endpoints, of both kinds; a vote has one id for all."""
    async with run() as (sandbox, _):
        sandbox.vote()
        endpoints = [
            sandbox.send_to(f"{receiver.url}/1", authorization="one"),
            sandbox.send_to(f"{receiver.url}/2", authorization="two"),
            sandbox.send_to(f"{receiver.url}/3", secret="whs_3"),
            sandbox.send_to(f"{receiver.url}/4", secret="whs_4"),
        ]
        sandbox.vote(5)
        for endpoint in endpoints:
            await endpoint.wait_idle()
    by_path = {received.path: received for received in receiver.seen}
    assert sorted(by_path) == ["/votes/1", "/votes/2", "/votes/3", "/votes/4"]
    assert len(receiver.seen) == 4
    assert by_path["/votes/1"].headers["Authorization"] == "one"
    assert by_path["/votes/2"].headers["Authorization"] == "two"
    assert by_path["/votes/3"].body == by_path["/votes/4"].body
    signed = {by_path[path].headers["x-topgg-signature"] for path in ("/votes/3", "/votes/4")}
    assert len(signed) == 2


async def test_a_stopped_endpoint_gets_nothing(run, receiver):
    """After `stop`, and after the `with` block, votes go to the others only."""
    async with run() as (sandbox, _):
        with sandbox.send_to(f"{receiver.url}/a", secret=SECRET) as first:
            second = sandbox.send_to(f"{receiver.url}/b", secret=SECRET)
            third = sandbox.send_to(f"{receiver.url}/c", secret=SECRET)
            assert first.is_on
            sandbox.vote()
            for endpoint in (first, second, third):
                await endpoint.wait_idle()
            second.stop()
            second.stop()
        sandbox.vote()
        await third.wait_idle()
    assert sorted(received.path[-1] for received in receiver.seen) == ["a", "b", "c", "c"]
    assert (first.is_on, second.is_on, third.is_on) == (False, False, True)
    assert [first.count, second.count, third.count] == [1, 1, 2]


async def test_votes_while_it_does_not_run_are_not_delivered(receiver):
    """An endpoint can be registered at any time; votes before the start and after close stay."""
    sandbox = Sandbox(bots=5, votes_per_minute=0)
    endpoint = sandbox.send_to(receiver.url, secret=SECRET)
    sandbox.vote(5)
    async with sandbox:
        sandbox.vote(6)
        await endpoint.wait_idle()
    sandbox.vote(7)
    async with sandbox:
        sandbox.vote(8)
        await endpoint.wait_idle()
    assert [body["data"]["user"]["platform_id"] for body in receiver.data] == ["6", "8"]
    assert (endpoint.count, endpoint.delivered, endpoint.lost) == (2, 2, 0)


def test_it_may_be_started_in_another_loop():
    """A sandbox that was closed with a retry waiting delivers in the next loop as well."""
    sandbox = Sandbox(bots=5, votes_per_minute=0)
    endpoint = sandbox.send_to("http://127.0.0.1:9/nobody", secret=SECRET, timeout=1)

    async def lose_one():
        async with sandbox:
            sandbox.vote()
            while not endpoint.deliveries[-1].tries:
                await asyncio.sleep(0.001)
            assert endpoint.pending == 1

    for _ in range(2):
        asyncio.run(lose_one())
    assert (endpoint.count, endpoint.lost, endpoint.pending) == (2, 2, 0)


# --- the record ----------------------------------------------------------------------------------


async def test_the_record_of_a_delivery(run, receiver, clock):
    """It tells where, what, whose, and each try with its time, pause and status."""
    receiver.answers = [503]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization=AUTHORIZATION)
        sandbox.vote(5)
        await receiver.wait(1)
        while not endpoint.deliveries[0].tries:
            await asyncio.sleep(0.001)
        assert not endpoint.deliveries[0].done
        assert endpoint.pending == 1
        clock.advance(seconds=1)
        endpoint.retry_now()
        await endpoint.wait_idle()
    second = NOON + timedelta(seconds=1)
    assert endpoint.deliveries == [
        Delivery(
            receiver.url,
            "v0",
            "upvote",
            5,
            (DeliveryAttempt(NOON, 0.0, 503), DeliveryAttempt(second, 1.0, 204)),
            True,
        )
    ]
    assert endpoint.deliveries[0].is_taken
    with pytest.raises(AttributeError):
        endpoint.deliveries[0].done = False


async def test_no_secret_is_in_a_repr(run, receiver):
    """Neither the words nor the secrets show in what is given out."""
    async with run() as (sandbox, _):
        for secrets in ({"authorization": AUTHORIZATION}, {"secret": SECRET}):
            endpoint = sandbox.send_to(receiver.url, **secrets)
            await endpoint.send_test()
            shown = f"{endpoint!r} {endpoint} {endpoint.deliveries!r} {vars(endpoint)!r}"
            assert AUTHORIZATION not in shown
            assert SECRET not in shown
            assert (
                repr(endpoint) == f"<WebhookTarget {endpoint.kind} {receiver.url} on delivered=1/1>"
            )


async def test_the_record_has_an_end(run, receiver, monkeypatch):
    """Only so many deliveries are kept; all of them count."""
    monkeypatch.setattr("rx_toppy.sandbox.endpoint.MOST_DELIVERIES_KEPT", 3)
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        for user_id in range(1, 6):
            sandbox.vote(user_id)
        await endpoint.wait_idle()
    assert [delivery.user_id for delivery in endpoint.deliveries] == [3, 4, 5]
    assert (endpoint.count, endpoint.delivered) == (5, 5)


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("url", "", ValueError),
        ("url", None, TypeError),
        ("url", "localhost:8080", ValueError),
        ("url", "ftp://localhost", ValueError),
        ("url", "http://", ValueError),
        ("url", "http://[::1", ValueError),
        ("url", "http://localhost:99999", ValueError),
        ("url", "http://me:secret@localhost", ValueError),
        ("secret", "", ValueError),
        ("secret", "ü", ValueError),
        ("secret", 5, TypeError),
        ("timeout", 0, ValueError),
        ("timeout", "5", TypeError),
        ("speed", 0, ValueError),
        ("speed", -1, ValueError),
        ("speed", float("inf"), ValueError),
        ("speed", True, TypeError),
        ("duplicates", 1.1, ValueError),
        ("duplicates", None, TypeError),
        ("delay", -1, ValueError),
        ("delay", (2, 1), ValueError),
        ("delay", "1", TypeError),
    ],
)
async def test_bad_arguments_of_an_endpoint(name, value, error):
    """What makes no sense is an error that names it, for endpoints and integrations alike."""
    sandbox = Sandbox(bots=1)
    given = {"url": "http://127.0.0.1:9", "secret": SECRET, name: value}
    with pytest.raises(error, match=name) as caught:
        sandbox.send_to(**given)
    assert "secret@" not in str(caught.value)
    with pytest.raises(error, match=name):
        await sandbox.connect(**given)


def test_an_endpoint_is_of_one_kind():
    """There is either an authorization or a secret, and v0 is not for games."""
    sandbox = Sandbox(bots=1)
    for secrets in ({}, {"authorization": "a", "secret": "b"}):
        with pytest.raises(ValueError, match="either authorization"):
            sandbox.send_to("http://127.0.0.1:9", **secrets)
    with pytest.raises(ValueError, match="authorization must be printable"):
        sandbox.send_to("http://127.0.0.1:9", authorization="")
    with pytest.raises(ValueError, match="no webhooks for games"):
        Sandbox(bots=1, project="roblox game").send_to("http://a.example", authorization="a")


def test_endpoints_are_told_apart():
    """What `send_to` gives knows its kind and its URL."""
    sandbox = Sandbox(bots=1)
    v0 = sandbox.send_to("http://a.example/0", authorization="a")
    v1 = sandbox.send_to("https://a.example/1", secret="a")
    assert isinstance(v0, WebhookTarget)
    assert [(v0.kind, v0.url), (v1.kind, v1.url)] == [
        ("v0", "http://a.example/0"),
        ("v1", "https://a.example/1"),
    ]
    gc.collect()
