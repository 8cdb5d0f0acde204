"""Bugs of the webhook that were found, each of which may not come back."""

import asyncio
import gzip
import logging
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from rx_toppy import ClientClosed, StandaloneBot, TopGG, Vote, VoteWebhook
from rx_toppy.votes import webhook
from tests.votes.webhook import (
    NOW,
    SECRET,
    V0_BOT,
    V1_CREATED,
    V1_DELETED,
    V1_TEST,
    V1_VOTE,
    authorized,
    changed,
    head,
    serving,
    signed,
    statuses,
)

from .test_lifecycle import is_listened_at, running

MARK = "UNSIGNED-BODY"


def new_client() -> TopGG:
    """A client that does nothing by itself."""
    return TopGG(StandaloneBot(5, server_count=1), token="a-token", autopost=False)


# --- what is said of it in the log ---------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{}, signed(V1_VOTE), authorized()], ids=["of nobody", "signed", "authorized"]
)
@pytest.mark.parametrize(
    "garbage",
    [
        (MARK, "\r\n\r\n"),
        ("", f"{MARK}\r\n\r\n"),
        ("", f"5\r\nhello{MARK}\r\n"),
        (f"X-Long: {MARK * 1_000}\r\n", "\r\n"),
        (f"{MARK} no colon\r\n", "\r\n"),
        (f"Content-Length: {MARK}\r\n", "\r\n"),
    ],
    ids=["line", "chunk", "later chunk", "long header", "no header", "length"],
)
@pytest.mark.parametrize("pause", [0.0, 0.01])
async def test_garbage_is_not_logged(
    garbage: tuple[str, str],
    headers: dict[str, str],
    pause: float,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No logger at any level repeats a byte of what is no HTTP."""
    monkeypatch.setattr(webhook, "BODY_SECONDS", 0.05)
    caplog.set_level(logging.DEBUG)
    more, body = garbage
    start = head(headers, None).decode()[:-2]
    async with serving() as served:
        answer = await served.raw(f"{start}{more}\r\n".encode(), body.encode(), pause=pause)
    assert all(400 <= status < 600 for status in statuses(answer))
    assert MARK not in caplog.text
    assert not any(MARK in str(vars(record)) for record in caplog.records)
    assert served.votes == []


# --- how it begins and ends ----------------------------------------------------------------------


async def test_started_with_a_closed_client() -> None:
    """That is an error, and nothing listens."""
    client = new_client()
    await client.close()
    port = unused_port()
    hook = VoteWebhook(secret=SECRET, port=port, client=client)
    with pytest.raises(ClientClosed):
        await hook.start()
    assert not await is_listened_at(port)
    assert "not listening" in repr(hook)


async def test_in_an_application_it_closes_with_its_client() -> None:
    """Its streams complete, and what is delivered afterwards is not taken."""
    client, ends = new_client(), list[bool]()
    hook = VoteWebhook(authorization="words", client=client)
    hook.votes.subscribe(lambda _: None, on_completed=lambda: ends.append(True))
    app = web.Application()
    hook.add_to(app)
    async with running(app) as base, aiohttp.ClientSession() as session:
        await client.close()
        assert ends == [True]
        async with session.post(
            f"{base}/votes", data=V0_BOT, headers=authorized("words")
        ) as response:
            assert response.status == 503


async def test_added_to_an_application_after_its_end() -> None:
    """What was closed takes no deliveries there, either."""
    hook = VoteWebhook(secret=SECRET)
    await hook.close()
    with pytest.raises(RuntimeError, match="closed"):
        hook.add_to(web.Application())


async def test_closed_by_two_at_once() -> None:
    """Each of them waits for the delivery that is under way."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def look_up(_: str) -> str:
        asked.set()
        await go.wait()
        return SECRET

    async with serving(secrets=look_up) as served:
        delivery = asyncio.ensure_future(served.v1(V1_VOTE, path="/votes/5"))
        await asked.wait()
        closings = [asyncio.ensure_future(served.hook.close()) for _ in range(2)]
        await asyncio.sleep(0.02)
        assert not any(closing.done() for closing in closings)
        go.set()
        await asyncio.gather(*closings)
        assert len(served.votes) == 1
        assert (await delivery).status == 204


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"secret": []}, ValueError, "secret takes a secret that is not empty"),
        ({"secret": "whs_a\n"}, ValueError, "line break"),
        ({"authorization": "words\r\n"}, ValueError, "authorization .* line break"),
        ({"secret": 5}, TypeError, "secret takes text, not int"),
        ({"secret": "whs_a", "host": ""}, ValueError, "host takes an address"),
        ({"secret": "whs_a", "path": "/v\n"}, ValueError, "path takes"),
        ({"secret": "whs_a", "inbox": 5}, TypeError, "inbox takes a VoteInbox, not int"),
        ({"secret": "whs_a", "client": 5}, TypeError, "client takes a TopGG, not int"),
    ],
)
def test_arguments_that_can_not_be(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    """It is said of each which argument it is, and what it takes."""
    with pytest.raises(error, match=said):
        VoteWebhook(**options)


# --- deliveries ----------------------------------------------------------------------------------


async def test_a_middleware_that_reads_the_body() -> None:
    """In an application, somebody may have read it before."""
    votes: list[Vote] = []
    bodies: list[bytes] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        bodies.append(await request.read())
        response: web.StreamResponse = await handler(request)
        return response

    hook = VoteWebhook(secret=SECRET)
    hook._clock = lambda: float(NOW)
    hook.votes.subscribe(votes.append)
    app = web.Application(middlewares=[look])
    hook.add_to(app)
    async with (
        running(app) as base,
        aiohttp.request("POST", f"{base}/votes", data=V1_VOTE, headers=signed(V1_VOTE)) as response,
    ):
        assert response.status == 204
    assert bodies == [V1_VOTE]
    assert [vote.id for vote in votes] == [808499215864008704]


@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize(
    "body",
    [b"this is no gzip", gzip.compress(V1_VOTE)[:50] + b"spoilt" * 50],
    ids=["none", "spoilt"],
)
async def test_a_body_that_is_not_compressed_as_it_says(body: bytes, pause: float) -> None:
    """That is the sender's fault: a 400, so that it does not come again."""
    headers = signed(V1_VOTE) | {"Content-Encoding": "gzip"}
    async with serving() as served:
        answer = await served.raw(head(headers, len(body)), body, pause=pause)
    assert statuses(answer) == [400]
    assert served.votes == []


USER = {"id": "8226924471638491136", "platform_id": "661200758510977084"}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"user": USER | {"name": 7}}, None),
        ({"user": USER | {"avatar_url": 7}}, None),
        ({"weight": "2"}, "weight"),
        ({"weight": 2**70}, "weight"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": 5}, "expires_at"),
    ],
)
async def test_odd_values_in_v1(fields: dict[str, Any], name: str | None) -> None:
    """What nobody needs does not cost the vote, and is not known where it makes no sense."""
    async with serving() as served:
        await served.v1(changed(V1_VOTE, id="1", created_at="2026-01-01T00:00:00Z"))
        assert (await served.v1(changed(V1_VOTE, **fields))).status == 204
    [_, vote] = served.votes
    assert (vote.id, vote.platform_id) == (808499215864008704, 661200758510977084)
    assert vote.created_at == datetime(2026, 2, 9, 0, 47, 14, 251015, tzinfo=UTC)
    assert name is None or getattr(vote, name) is None
    assert name == "weight" or vote.weight == 1


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [({"isWeekend": "yes"}, "weight", None), ({"query": 5}, "query", {})],
)
async def test_odd_values_in_v0(fields: dict[str, Any], name: str, value: object) -> None:
    """They do not cost a vote of v0, either."""
    async with serving() as served:
        assert (await served.v0(changed(V0_BOT, **fields))).status == 204
    [vote] = served.votes
    assert vote.platform_id == 160105994217586689
    assert getattr(vote, name) == value


async def test_an_empty_bot_beside_a_guild() -> None:
    """It is a server's vote: of v0's two fields the one that says something counts."""
    async with serving() as served:
        assert (await served.v0(changed(V0_BOT, bot="", guild="729779146682793984"))).status == 204
    assert [vote.project_id for vote in served.votes] == [729779146682793984]


async def test_a_replay_while_signatures_may_be_old() -> None:
    """What `max_age` lets in again is remembered for as long."""
    other = changed(V1_VOTE, id="1", user=USER | {"platform_id": "7"})
    async with serving(max_age=7_200) as served:
        await served.v1(V1_VOTE)
        served.now += 3_600
        await served.v1(other)
        assert (await served.v1(V1_VOTE, at=NOW)).status == 204
    assert [vote.id for vote in served.votes] == [808499215864008704, 1]


@pytest.mark.parametrize("body", [V1_VOTE, V1_TEST])
async def test_who_takes_a_vote(body: bytes) -> None:
    """Only who is told of votes: subscribers that wait for the end alone take none."""
    async with serving(listening=False) as served:
        served.hook.votes.subscribe(on_completed=lambda: None)
        served.hook.votes.subscribe(on_error=lambda _: None)
        assert (await served.v1(body)).status == 503
        served.hook.votes.subscribe(served.votes.append)
        assert (await served.v1(body)).status == 204
    assert len(served.votes) == 1


# --- integrations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [None, 5, "", object()], ids=["none", "number", "empty", "object"]
)
async def test_a_callback_that_gives_no_url(reply: object) -> None:
    """top.gg is asked to try again, and nobody hears of a connection."""
    async with serving(on_integration=lambda _: reply) as served:
        assert (await served.v1(V1_CREATED)).status == 503
    assert served.integrations == []


async def test_nobody_hears_that_a_connection_ended() -> None:
    """That is a 503 as well: it comes again, to who listens then."""
    async with serving(listening=False) as served:
        assert (await served.v1(V1_DELETED)).status == 503
        served.hook.integrations.subscribe(served.integrations.append)
        assert (await served.v1(V1_DELETED)).status == 204
    assert len(served.integrations) == 1
