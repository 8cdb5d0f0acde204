"""Deliveries as top.gg makes them: what is read of each, however its bytes come in."""

import gzip
from datetime import UTC, datetime, timedelta, timezone

import pytest

from rx_toppy import Vote
from rx_toppy.sandbox import Sandbox
from tests.votes.webhook import (
    AUTHORIZATION,
    LARGEST,
    NOW,
    SECRET,
    V0_BOT,
    V0_SERVER,
    V1_CREATED,
    V1_DELETED,
    V1_TEST,
    V1_VOTE,
    authorized,
    changed,
    chunked,
    digest,
    head,
    serving,
    signed,
    statuses,
)

ARRIVED = datetime.fromtimestamp(NOW, UTC)


# --- what a delivery says ------------------------------------------------------------------------


async def test_a_v1_vote():
    """All that `vote.create` tells is in the vote, and the answer is an empty 204."""
    async with serving() as served:
        answer = await served.v1(V1_VOTE)
    assert (answer.status, answer.body) == (204, b"")
    [vote] = served.votes
    assert isinstance(vote, Vote)
    assert vote.id == 808499215864008704
    assert vote.user_id == 8226924471638491136
    assert vote.platform_id == vote.voter_id == 661200758510977084
    assert vote.project_id == 160105994217586689
    assert (vote.weight, vote.is_test, vote.query) == (1, False, {})
    assert (vote.received_at, vote.source) == (ARRIVED, "webhook_v1")


async def test_times_finer_than_microseconds():
    """Seven fractional digits and `+00:00` are an aware time, right to the microsecond."""
    async with serving() as served:
        await served.v1(V1_VOTE)
    [vote] = served.votes
    exact = datetime(2026, 2, 9, 0, 47, 14, 251014, tzinfo=UTC)
    assert vote.created_at.utcoffset() == vote.expires_at.utcoffset() == timedelta(0)
    assert timedelta(0) <= vote.created_at - exact <= timedelta(microseconds=1)
    assert vote.expires_at - vote.created_at == timedelta(hours=12)
    assert vote.cast_at == vote.created_at


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-09T00:47:14Z", datetime(2026, 2, 9, 0, 47, 14, tzinfo=UTC)),
        ("2026-02-09T00:47:14.5+00:00", datetime(2026, 2, 9, 0, 47, 14, 500_000, tzinfo=UTC)),
        (
            "2026-02-09T02:47:14+02:00",
            datetime(2026, 2, 9, 2, 47, 14, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("2026-12-31T23:59:59.9999999+00:00", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
async def test_other_forms_of_times(text, moment):
    """Times with fewer digits, another offset or a rounding across midnight are read as well."""
    async with serving() as served:
        await served.v1(changed(V1_VOTE, created_at=text))
    assert abs(served.votes[0].created_at - moment) <= timedelta(microseconds=1)


async def test_a_v1_test():
    """`webhook.test` is a vote that says it is a test, and has neither id, weight nor times."""
    async with serving() as served:
        assert (await served.v1(V1_TEST)).status == 204
    [vote] = served.votes
    assert vote.is_test
    assert vote.id is vote.weight is vote.created_at is vote.expires_at is None
    assert (vote.user_id, vote.platform_id) == (8226924471638491136, 661200758510977084)
    assert vote.project_id == 160105994217586689
    assert (vote.received_at, vote.source) == (ARRIVED, "webhook_v1")


async def test_a_v0_vote_for_a_bot():
    """A bot's v0 delivery tells voter, bot, weekend and query."""
    async with serving() as served:
        answer = await served.v0(V0_BOT)
    assert (answer.status, answer.body) == (204, b"")
    [vote] = served.votes
    assert vote.id is vote.user_id is vote.created_at is vote.expires_at is None
    assert (vote.platform_id, vote.project_id) == (160105994217586689, 803190510032756736)
    assert (vote.weight, vote.is_test) == (1, False)
    assert vote.query == {"source": "site", "b": "2"}
    assert (vote.received_at, vote.cast_at, vote.source) == (ARRIVED, ARRIVED, "webhook_v0")


async def test_a_v0_test_for_a_server():
    """A server's v0 delivery tells the server; what it does not know of weekends is unknown."""
    async with serving() as served:
        assert (await served.v0(V0_SERVER)).status == 204
    [vote] = served.votes
    assert (vote.platform_id, vote.project_id) == (421698654189912064, 729779146682793984)
    assert vote.is_test
    assert vote.weight is None
    assert vote.query == {}


@pytest.mark.parametrize(
    ("weight", "known"), [(0, None), (1, 1), (2, 2), (2**31 - 1, 2**31 - 1), (2**31, None)]
)
async def test_what_a_v1_vote_weighs(weight, known):
    """Any weight that makes sense is the vote's; of any other nothing is known."""
    async with serving() as served:
        assert (await served.v1(changed(V1_VOTE, weight=weight))).status == 204
    assert [vote.weight for vote in served.votes] == [known]


@pytest.mark.parametrize(
    ("sample", "fields", "named"),
    [
        (V0_BOT, {"user": "x"}, "user"),
        (V0_BOT, {"bot": "x"}, "bot"),
        (V0_SERVER, {"guild": "x"}, "guild"),
        (V1_VOTE, {"id": "x"}, "id"),
        (V1_VOTE, {"user": {"id": "x"}}, "user.id"),
        (V1_VOTE, {"user": {"platform_id": "x"}}, "user.platform_id"),
        (V1_VOTE, {"project": {"id": "x"}}, "project.id"),
        (V1_VOTE, {"project": {"platform_id": "x"}}, "project.platform_id"),
        (V1_VOTE, {"created_at": "x"}, "created_at"),
        (V1_CREATED, {"connection_id": "x"}, "connection_id"),
        (V1_CREATED, {"project": {"id": "x"}}, "project.id"),
        (V1_CREATED, {"project": {"platform_id": "x"}}, "project.platform_id"),
        (V1_CREATED, {"user": {"id": "x"}}, "user.id"),
        (V1_CREATED, {"user": {"platform_id": "x"}}, "user.platform_id"),
        (V1_DELETED, {"connection_id": "x"}, "connection_id"),
    ],
)
async def test_a_refusal_names_the_field(sample, fields, named):
    """What is no id or no time is refused by its name, as top.gg has it."""
    body = changed(sample, **fields)
    async with serving(on_integration=lambda created: "https://example.org/") as served:
        answer = await (served.v0 if sample in {V0_BOT, V0_SERVER} else served.v1)(body)
    assert (answer.status, answer.reason.split(" is no ")[0]) == (400, named)


@pytest.mark.parametrize(("weekend", "weight"), [(True, 2), (False, 1), (None, None), (..., None)])
async def test_a_weekend_counts_double(weekend, weight):
    """v0 tells of weekends, and the vote of its weight; nothing told is nothing known."""
    async with serving() as served:
        await served.v0(changed(V0_BOT, isWeekend=weekend))
    assert served.votes[0].weight == weight


@pytest.mark.parametrize(
    ("query", "read"),
    [
        (..., {}),
        (None, {}),
        ("", {}),
        ("?", {}),
        ("?a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1", {"a": "1"}),
        ("?a=&b", {"a": "", "b": ""}),
        ("?a=%20%C3%BC+x", {"a": " ü x"}),
        ("?a=1&a=2", {"a": "2"}),
        ("?a=b=c", {"a": "b=c"}),
        ({"a": "1"}, {"a": "1"}),
    ],
)
async def test_the_query_of_the_vote_page(query, read):
    """The query string comes as a dict of texts, escapes undone, without the question mark."""
    async with serving() as served:
        assert (await served.v0(changed(V0_BOT, query=query))).status == 204
    assert served.votes[0].query == read


@pytest.mark.parametrize(
    ("send", "fields"),
    [
        ("v0", {"user": 5}),
        ("v0", {"user": str(2**63 - 1)}),
        ("v0", {"user": 2**63 - 1}),
        ("v0", {"news": {"of": ["tomorrow"]}}),
        ("v1", {"id": 5}),
        ("v1", {"user": {"id": "5"}}),
        ("v1", {"user": {"platform_id": "5"}}),
        ("v1", {"project": None}),
        ("v1", {"project": ...}),
        ("v1", {"project": {"id": "5", "platform_id": None}}),
        ("v1", {"weight": None, "expires_at": None, "created_at": None}),
        ("v1", {"news": {"of": ["tomorrow"]}}),
    ],
)
async def test_votes_that_say_more_or_less_than_the_documentation(send, fields):
    """Ids as numbers, fields left out, null or unheard of do not keep a vote from arriving."""
    sample = V0_BOT if send == "v0" else V1_VOTE
    async with serving() as served:
        assert (await getattr(served, send)(changed(sample, **fields))).status == 204
    assert len(served.votes) == 1


async def test_a_project_without_an_id_of_its_platform():
    """Where the platform's id is not told, the project's id is that of top.gg."""
    async with serving() as served:
        await served.v1(changed(V1_VOTE, project={"id": "5"}))
    assert served.votes[0].project_id == 5


# --- signatures and secrets ----------------------------------------------------------------------

GOOD = digest(V1_VOTE)
BAD = "0" * 64


@pytest.mark.parametrize(
    "signature",
    [
        f"t={NOW},v1={GOOD}",
        f"v1={GOOD},t={NOW}",
        f" t={NOW} , v1={GOOD} ",
        f"t={NOW},v1={GOOD.upper()}",
        f"t={NOW},v1={BAD},v1={GOOD}",
        f"t={NOW},v1={GOOD},v1={BAD}",
        f"t={NOW},v1=,v1={GOOD}",
        f"t={NOW},v0={BAD},v1={GOOD},v2=of tomorrow",
    ],
)
async def test_forms_of_a_right_signature(signature):
    """The order, spaces, upper case, further signatures and parts of tomorrow do no harm."""
    async with serving() as served:
        answer = await served.post(V1_VOTE, {"X-TopGG-Signature": signature})
    assert answer.status == 204
    assert len(served.votes) == 1


@pytest.mark.parametrize("used", ["whs_new", "whs_old", "schlüssel"])
async def test_any_of_several_secrets(used):
    """Of several secrets each will do, so that they can be changed without a gap."""
    async with serving(secret=["whs_new", "whs_old", "schlüssel"]) as served:
        assert (await served.v1(V1_VOTE, secret=used)).status == 204
        assert (await served.v1(V1_VOTE, secret=SECRET)).status == 401
    assert len(served.votes) == 1


@pytest.mark.parametrize("kind", ["text", "list", "coroutine"])
async def test_secrets_by_connection(kind):
    """What stands behind the path names a connection, whose secret (or secrets) is looked up."""
    asked = []
    known = {"112402021105124": "whs_abcd"}

    def lookup(connection):
        asked.append(connection)
        secret = known.get(connection)
        return [secret, "whs_next"] if kind == "list" and secret else secret

    async def lookup_soon(connection):
        return lookup(connection)

    secrets = lookup_soon if kind == "coroutine" else lookup
    async with serving(secret=None, authorization=None, secrets=secrets) as served:
        path = "/votes/112402021105124"
        assert (await served.v1(V1_VOTE, secret="whs_abcd", path=path)).status == 204
        assert (await served.v1(V1_VOTE, secret="whs_other", path=path)).status == 401
        assert (await served.v1(V1_VOTE, secret="whs_abcd", path="/votes/5")).status == 401
        assert (await served.v1(V1_VOTE, secret="whs_abcd")).status == 401
        if kind == "list":
            assert (await served.v1(V1_VOTE, secret="whs_next", path=path)).status == 204
    assert asked[:3] == ["112402021105124", "112402021105124", "5"]
    assert len(served.votes) == 1


def failing(_):
    """A lookup that fails, as when a database is away."""
    raise ConnectionError("the database is away")


async def failing_soon(_):
    """The same, a moment later."""
    raise ConnectionError("the database is away")


@pytest.mark.parametrize("found", [failing, failing_soon, "", ["whs_a", ""], 5, [5]])
async def test_a_lookup_that_fails(found, caplog):
    """It is nobody's fault but ours: a 503, so that the delivery comes again, and a traceback."""
    results = [found]

    def lookup(connection):
        result = results.pop() if results else "whs_abcd"
        return result(connection) if callable(result) else result

    async with serving(secrets=lookup) as served:
        answer = await served.v1(V1_VOTE, secret="whs_abcd", path="/votes/5")
        assert (answer.status, bool(answer.reason)) == (503, True)
        assert (await served.v1(V1_VOTE, secret="whs_abcd", path="/votes/5")).status == 204
    assert len(served.votes) == 1
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_the_own_secret_holds_for_connections_too():
    """The webhook's own secret is good for the URL of a connection as well."""
    async with serving(secrets=lambda connection: None) as served:
        assert (await served.v1(V1_VOTE, path="/votes/5")).status == 204


@pytest.mark.parametrize("text", ["a%2Fb", "a%20b", "%C3%BC"])
async def test_names_of_connections_are_unescaped(text):
    """A connection's name comes to the lookup as it was before it became part of a URL."""
    asked = []
    async with serving(secrets=asked.append) as served:
        await served.raw(head(signed(V1_VOTE), len(V1_VOTE), path=f"/votes/{text}") + V1_VOTE)
    assert asked == [{"a%2Fb": "a/b", "a%20b": "a b", "%C3%BC": "ü"}[text]]


@pytest.mark.parametrize(
    ("options", "statuses"),
    [({"secret": None}, (204, 401)), ({"authorization": None}, (401, 204)), ({}, (204, 204))],
)
async def test_each_kind_needs_its_own_secret(options, statuses):
    """v0 is taken where there is an authorization, v1 where there is a secret; else a 401."""
    async with serving(**options) as served:
        v0, v1 = await served.v0(V0_BOT), await served.v1(V1_VOTE)
    assert (v0.status, v1.status) == statuses


async def test_an_authorization_that_is_not_ascii():
    """A v0 secret may be of any text; it comes as UTF-8."""
    async with serving(authorization="größe") as served:
        words = "größe".encode().decode("latin-1")
        answer = await served.raw(head(authorized(words), len(V0_BOT)) + V0_BOT)
    assert statuses(answer) == [204]


# --- the same vote again -------------------------------------------------------------------------

# The same voter and the same bot at v0 as in the sample of v1.
SAME_V0 = changed(V0_BOT, user="661200758510977084", bot="160105994217586689")


@pytest.mark.parametrize("kinds", ["v1 v1", "v0 v0", "v1 v0", "v0 v1", "v1 v0 v1 v0 v0"])
async def test_the_same_vote_again(kinds):
    """A vote that comes again, by whichever kind, is answered with 204 and not emitted again."""
    async with serving() as served:
        for kind in kinds.split():
            answer = await (served.v1(V1_VOTE) if kind == "v1" else served.v0(SAME_V0))
            assert answer.status == 204
            served.now += 1
    assert len(served.votes) == 1


async def test_the_same_vote_again_after_others():
    """Votes of others in between do not make a vote forgotten."""
    async with serving() as served:
        for _ in range(2):
            for voter in range(1, 21):
                served.now += 30
                body = changed(V0_BOT, user=voter)
                assert (await served.v0(body)).status == 204
    assert [vote.voter_id for vote in served.votes] == list(range(1, 21))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (V0_BOT, changed(V0_BOT, user="7")),
        (V0_BOT, changed(V0_BOT, bot="7")),
        (V0_BOT, changed(V0_BOT, bot=..., guild="7")),
        (V0_BOT, changed(V0_BOT, type="test")),
        (changed(V0_BOT, type="test"), V0_BOT),
        (V0_SERVER, V0_SERVER),
    ],
)
async def test_another_vote_at_v0(first, second):
    """Another voter or project is another vote; tests are always emitted."""
    async with serving() as served:
        assert (await served.v0(first)).status == (await served.v0(second)).status == 204
    assert len(served.votes) == 2


@pytest.mark.parametrize(("minutes", "emitted"), [(34.2, 1), (39.9, 1), (40.1, 2), (720, 2)])
async def test_a_v0_delivery_again_after_a_while(minutes, emitted):
    """v0 tries again for 2,047 seconds; within 40 minutes it is the same vote, later another."""
    async with serving() as served:
        await served.v0(V0_BOT)
        served.now += minutes * 60
        assert (await served.v0(V0_BOT)).status == 204
    assert len(served.votes) == emitted


async def test_the_next_vote_of_a_voter_at_v1():
    """12 hours later, with another id, it is another vote."""
    later = changed(V1_VOTE, id="9", created_at="2026-02-09T12:47:15.0000000+00:00")
    async with serving() as served:
        await served.v1(V1_VOTE)
        served.now += 12 * 3600 + 1
        await served.v1(later)
    assert [vote.id for vote in served.votes] == [808499215864008704, 9]


# --- paths and methods ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/votes", "/votes/5"])
async def test_other_methods(method, path):
    """Anything but POST is a 405 with a reason that says what is allowed."""
    async with serving() as served:
        answer = await served.post(V1_VOTE, signed(V1_VOTE), path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert "POST" in answer.reason
    assert not served.votes


@pytest.mark.parametrize(
    "path", ["/", "/vote", "/votes/", "/votes/5/6", "/votesx", "/VOTES", "//votes", "/x/votes"]
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_other_paths(path, method):
    """Any other path is a 404 with a reason, and nothing is taken there."""
    async with serving() as served:
        answer = await served.post(V1_VOTE, signed(V1_VOTE), path, method)
    assert answer.status == 404
    assert answer.reason
    assert not served.votes


@pytest.mark.parametrize(
    ("path", "connection"),
    [("/votes", "/votes/5"), ("/", "/5"), ("/a/b", "/a/b/5"), ("/hook/", "/hook/5")],
)
async def test_a_path_of_ones_own(path, connection):
    """Deliveries are taken at the path that was asked for, and below it those of connections."""
    async with serving(path=path) as served:
        assert (await served.v1(V1_VOTE, path=path)).status == 204
        assert (await served.v1(V1_VOTE, path=path + "?shard=5")).status == 204
        assert (await served.v1(V1_VOTE, path=connection)).status == 204


# --- bytes on the wire ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v0", "v1"])
async def test_one_byte_at_a_time(kind):
    """A delivery whose bytes come one by one is the same as one that comes at once."""
    body, headers = (V0_BOT, authorized()) if kind == "v0" else (V1_VOTE, signed(V1_VOTE))
    request = head(headers, len(body)) + body
    async with serving() as served:
        answer = await served.raw(*(request[i : i + 1] for i in range(len(request))))
    assert statuses(answer) == [204]
    assert len(served.votes) == 1


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_body_in_chunks(size):
    """A body without a Content-Length, in chunks of any size, is signed as a whole."""
    parts = [V1_VOTE[i : i + size] for i in range(0, len(V1_VOTE), size)]
    async with serving() as served:
        answer = await served.raw(head(signed(V1_VOTE), None), chunked(parts))
    assert statuses(answer) == [204]
    assert len(served.votes) == 1


async def test_a_body_that_comes_after_its_head():
    """Head and body in packets of their own, some time apart."""
    async with serving() as served:
        answer = await served.raw(head(signed(V1_VOTE), len(V1_VOTE)), V1_VOTE, pause=0.05)
    assert statuses(answer) == [204]


async def test_many_deliveries_on_one_connection():
    """A connection that is kept alive serves one delivery after another, refused ones among them.

    They may also be sent without waiting for the answers, which come in the same order.
    """
    requests = []
    for voter in range(1, 21):
        body = changed(V0_BOT, user=str(voter))
        headers = authorized("forged") if voter % 5 == 0 else authorized()
        requests.append(head(headers, len(body), last=voter == 20) + body)
    async with serving() as served:
        answer = await served.raw(b"".join(requests))
    assert statuses(answer) == [401 if voter % 5 == 0 else 204 for voter in range(1, 21)]
    assert [vote.voter_id for vote in served.votes] == [v for v in range(1, 21) if v % 5]


@pytest.mark.parametrize("in_chunks", [False, True])
async def test_the_largest_body(in_chunks):
    """64 KiB are still taken."""
    body = V1_VOTE.ljust(LARGEST)
    async with serving() as served:
        request = head(signed(body), None if in_chunks else len(body))
        answer = await served.raw(request, chunked([body]) if in_chunks else body)
    assert statuses(answer) == [204]
    assert len(served.votes) == 1


async def test_the_body_is_json_whatever_its_content_type_says():
    """Neither a missing nor an odd Content-Type matters."""
    async with serving() as served:
        for voter, kind in enumerate(["", "text/plain", "application/json; charset=latin-1"], 1):
            body = changed(V0_BOT, user=voter)
            answer = await served.post(body, authorized() | {"Content-Type": kind})
            assert answer.status == 204
    assert len(served.votes) == 3


async def test_a_compressed_body():
    """A proxy may have compressed a body: what counts is what was signed, before that."""
    body = gzip.compress(V1_VOTE)
    headers = signed(V1_VOTE) | {"Content-Encoding": "gzip"}
    async with serving() as served:
        answer = await served.raw(head(headers, len(body)) + body)
    assert statuses(answer) == [204]


# --- from the sandbox ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [{"secret": SECRET}, {"authorization": AUTHORIZATION}])
async def test_votes_of_the_sandbox(kind):
    """What the sandbox delivers arrives, each vote once though half of them come twice."""
    async with (
        serving(virtual_clock=False) as served,
        Sandbox(bots=3, votes=0, votes_per_minute=0) as sandbox,
    ):
        url = f"http://127.0.0.1:{served.port}/votes"
        with sandbox.send_to(url, **kind, duplicates=0.5) as endpoint:
            assert await endpoint.send_test() == 204
            voters = {sandbox.vote(query="?from=here") for _ in range(30)}
            await endpoint.wait_idle()
            assert endpoint.delivered == endpoint.count > 31
            assert endpoint.lost == 0
    test, *votes = served.votes
    assert test.is_test
    assert {vote.platform_id for vote in votes} == voters
    assert len(votes) == 30
    assert {vote.project_id for vote in served.votes} == {sandbox.bot_id}
    if "authorization" in kind:
        assert votes[0].query == {"from": "here"}


async def test_one_vote_by_both_kinds_from_the_sandbox():
    """Who has both kinds of webhooks set to one URL hears of a vote once."""
    async with (
        serving(virtual_clock=False) as served,
        Sandbox(bots=3, votes=0, votes_per_minute=0) as sandbox,
    ):
        url = f"http://127.0.0.1:{served.port}/votes"
        ends = [
            sandbox.send_to(url, secret=SECRET),
            sandbox.send_to(url, authorization=AUTHORIZATION),
        ]
        voters = [sandbox.vote() for _ in range(10)]
        for end in ends:
            await end.wait_idle()
            assert end.delivered == 10
    assert sorted(vote.platform_id for vote in served.votes) == sorted(voters)
