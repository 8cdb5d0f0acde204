"""Integrations: the handshake, its answer, and the leave."""

import json

import pytest

from rx_toppy import IntegrationCreated, IntegrationDeleted, IntegrationReply
from rx_toppy.sandbox import HandshakeFailed, Sandbox
from tests.votes.webhook import SECRET, V1_CREATED, V1_DELETED, V1_VOTE, changed, serving

URL = "https://bot.example/votes/112402021105124"


async def test_a_new_connection():
    """`integration.create` is emitted, and handed to the callback, with all that it tells."""
    asked = []

    def welcome(created):
        asked.append(created)
        return URL

    async with serving(on_integration=welcome) as served:
        await served.v1(V1_CREATED)
    [created] = served.integrations
    assert asked == [created]
    assert created == IntegrationCreated(
        connection_id=112402021105124,
        webhook_secret="whs_abcd",
        project_id=1230954036934033243,
        project_platform_id=3949456393249234923,
        project_type="bot",
        project_platform="discord",
        user_id=8226924471638491136,
        user_platform_id=661200758510977084,
        user_name="username",
    )
    assert served.votes == []


async def test_a_connection_of_which_little_is_told():
    """Id and secret are enough; what else is not told is unknown."""
    body = changed(V1_CREATED, project=..., user=None)
    async with serving(on_integration=lambda _: URL) as served:
        assert (await served.v1(body)).status == 200
    assert served.integrations == [
        IntegrationCreated(connection_id=112402021105124, webhook_secret="whs_abcd")
    ]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (URL, {"webhook_url": URL, "routes": ["vote.create"]}),
        (IntegrationReply(URL), {"webhook_url": URL, "routes": ["vote.create"]}),
        (
            IntegrationReply(URL, ("vote.create", "webhook.test")),
            {"webhook_url": URL, "routes": ["vote.create", "webhook.test"]},
        ),
        (IntegrationReply(URL, routes=()), {"webhook_url": URL, "routes": []}),
    ],
)
async def test_the_answer_to_a_new_connection(reply, answer, is_async):
    """The callback, a coroutine function or not, says where deliveries go, and which."""

    async def later(_):
        return reply

    async with serving(on_integration=later if is_async else lambda _: reply) as served:
        given = await served.v1(V1_CREATED)
    assert given.status == 200
    assert given.headers["Content-Type"].startswith("application/json")
    assert json.loads(given.body) == answer


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_callback_that_raises(caplog, is_async):
    """It is a 503 with a traceback in the log, which tells no secret; asked again, it may do."""
    calls = []

    def welcome(created):
        calls.append(created)
        if len(calls) == 1:
            raise LookupError("no room")
        return URL

    async def welcome_soon(created):
        return welcome(created)

    async with serving(on_integration=welcome_soon if is_async else welcome) as served:
        refused = await served.v1(V1_CREATED)
        assert (refused.status, bool(refused.reason)) == (503, True)
        assert served.integrations == []
        assert (await served.v1(V1_CREATED)).status == 200
        assert served.integrations == calls[1:]
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [LookupError]
    assert "whs_abcd" not in caplog.text


async def test_no_callback():
    """Who has no callback takes no integrations, and says so: a 422, which is final."""
    async with serving() as served:
        answer = await served.v1(V1_CREATED)
    assert answer.status == 422
    assert answer.reason
    assert served.integrations == []


async def test_the_end_of_a_connection():
    """`integration.delete` is emitted and answered with 204, callback or not."""
    async with serving() as served:
        answer = await served.v1(V1_DELETED)
    assert (answer.status, answer.body) == (204, b"")
    assert served.integrations == [IntegrationDeleted(connection_id=112402021105124)]


@pytest.mark.parametrize("body", [V1_CREATED, V1_DELETED])
async def test_a_forged_handshake(body):
    """Without the right signature nobody is asked, and nothing emitted."""
    asked = []
    async with serving(on_integration=asked.append) as served:
        assert (await served.v1(body, secret="whs_abcd")).status == 401
        assert (await served.v0(body)).status == 400
        assert (await served.post(body, {})).status == 401
    assert asked == served.integrations == []


def test_the_secret_of_a_connection_is_not_shown():
    """The repr of a new connection says who, but not its secret."""
    created = IntegrationCreated(connection_id=5, webhook_secret="whs_abcd", user_name="n")
    assert repr(created) == f"{created}" == "IntegrationCreated(connection_id=5)"


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_integration_from_the_sandbox(is_async):
    """Handshake, votes signed with the connection's own secret, and leave, from end to end."""
    secrets = {}

    def welcome(created):
        secrets[str(created.connection_id)] = created.webhook_secret
        return f"http://127.0.0.1:{served.port}/votes/{created.connection_id}"

    async def look_up(connection):
        return secrets.get(connection)

    async with (
        serving(
            authorization=None,
            on_integration=welcome,
            secrets=look_up if is_async else secrets.get,
            virtual_clock=False,
        ) as served,
        Sandbox(bots=3, votes=0, votes_per_minute=0) as sandbox,
    ):
        home = f"http://127.0.0.1:{served.port}/votes"
        first, second = [await sandbox.connect(home, secret=SECRET) for _ in range(2)]
        assert first.url == f"{home}/{first.connection_id}"
        assert first.routes == ("vote.create",)
        voters = {sandbox.vote() for _ in range(5)}
        for connection in (first, second):
            await connection.wait_idle()
            assert connection.lost == 0
        assert await first.disconnect() == 204
        # The one's secret is no good for the other's URL.
        wrong = await served.v1(
            V1_VOTE,
            secret=first.webhook_secret,
            path=f"/votes/{second.connection_id}",
        )
        assert wrong.status == 401
    assert {vote.platform_id for vote in served.votes} == voters
    assert len(served.votes) == 5
    created, other, deleted = served.integrations
    assert deleted == IntegrationDeleted(connection_id=created.connection_id)
    assert created.project_platform_id == sandbox.bot_id
    assert other.webhook_secret == second.webhook_secret


@pytest.mark.parametrize(("options", "status"), [({}, 422), ({"secret": "whs_another"}, 401)])
async def test_a_handshake_that_fails_in_the_sandbox(options, status):
    """Who takes no integrations, or has another secret, is not connected."""
    async with (
        serving(virtual_clock=False, **options) as served,
        Sandbox(bots=3, votes=0, votes_per_minute=0) as sandbox,
    ):
        with pytest.raises(HandshakeFailed) as failed:
            await sandbox.connect(f"http://127.0.0.1:{served.port}/votes", secret=SECRET)
    assert failed.value.status == status
