"""What every call puts on the wire, byte for byte, and what never gets that far."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

import rx_toppy
from rx_toppy import PostEvent, RateLimit, StandaloneBot, TopGG, errors, of_type
from tests.conftest import ADDRESS, OWN_ID, TOKEN, MakeClient
from tests.standin import Reply, Seen, StandIn, ok, status

Ask = Callable[[TopGG], Any]
USER = 140862798832861184

CALLS: list[tuple[Ask, str, object]] = [
    (lambda c: c.fetch_bot(USER), f"/api/bots/{USER}", {"id": "1"}),
    (lambda c: c.fetch_bots(), "/api/bots?limit=50&offset=0", {"results": []}),
    (lambda c: c.fetch_bots(500, 1000), "/api/bots?limit=500&offset=1000", {"results": []}),
    (
        lambda c: c.fetch_bots(limit=10, offset=5, search={"tags": "music"}, sort="-points"),
        "/api/bots?limit=10&offset=5&search=tags%3A%20music&sort=-points",
        {"results": []},
    ),
    (lambda c: c.fetch_bots(1, search={}, sort=""), "/api/bots?limit=1&offset=0", {"results": []}),
    (lambda c: c.bulk_fetch_bots(3), "/api/bots?limit=3&offset=0", {"results": []}),
    (lambda c: c.bulk_fetch_bots(), "/api/bots?limit=500&offset=0", {"results": []}),
    (
        lambda c: c.bulk_fetch_bots(700, 20, {"library": "x"}, "date"),
        "/api/bots?limit=500&offset=20&search=library%3A%20x&sort=date",
        {"results": []},
    ),
    (lambda c: c.fetch_votes(), f"/api/bots/{OWN_ID}/votes", []),
    (lambda c: c.upvote_check(USER), f"/api/bots/{OWN_ID}/check?userId={USER}", {"voted": 1}),
    (lambda c: c.get_stats(), f"/api/bots/{OWN_ID}/stats", {"shards": []}),
    (lambda c: c.get_stats(USER), f"/api/bots/{USER}/stats", {"shards": []}),
    (lambda c: c.fetch_user(USER), f"/api/users/{USER}", {"id": "1"}),
    (lambda c: c.is_weekend(), "/api/weekend", {"is_weekend": True}),
]
NAMES = [target for _, target, _ in CALLS]


def check_headers(seen: Seen, authorization: str = TOKEN) -> None:
    """The token where it belongs and nowhere else, and who we are."""
    others = dict(seen.headers)
    assert others.pop("authorization") == authorization
    assert TOKEN not in repr(others)
    assert TOKEN not in seen.target
    assert TOKEN.encode() not in seen.body
    assert others["user-agent"].startswith(f"rx_toppy/{rx_toppy.__version__}")
    assert "cookie" not in others


# --- calls ---


@pytest.mark.parametrize(("ask", "target", "answer"), CALLS, ids=NAMES)
async def test_a_call_is_one_get(
    ask: Ask, target: str, answer: object, topgg: StandIn, make_client: MakeClient
) -> None:
    """Method, target, headers and no body, exactly."""
    topgg.default(json=answer)
    await ask(make_client())
    (seen,) = topgg.seen
    assert (seen.method, seen.target, seen.body) == ("GET", target, b"")
    assert "content-type" not in seen.headers
    check_headers(seen)


@pytest.mark.parametrize(("ask", "target", "answer"), CALLS, ids=NAMES)
async def test_making_a_call_sends_nothing(
    ask: Ask, target: str, answer: object, topgg: StandIn, make_client: MakeClient
) -> None:
    """It is sent when it is awaited, and again when it is awaited again."""
    topgg.default(json=answer)
    client = make_client()
    call = ask(client)
    assert client.session is None
    assert topgg.seen == []
    await call
    await call
    assert [seen.target for seen in topgg.seen] == [target, target]


WHO: dict[str, object] = {
    "int": USER,
    "str": str(USER),
    "object": SimpleNamespace(id=USER),
    "object with text": SimpleNamespace(id=str(USER)),
    "model": rx_toppy.SimpleUser(id=USER),
    "bot": StandaloneBot(USER),
}


@pytest.mark.parametrize("who", WHO.values(), ids=WHO.keys())
async def test_who_is_meant_comes_in_any_form(
    who: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """A number, a text of digits, or anything with an id: the wire form is the same."""
    topgg.default(json={"id": "1", "voted": 0, "shards": []})
    client = make_client()
    for call in (client.fetch_bot, client.fetch_user, client.get_stats, client.upvote_check):
        await call(who)
    assert [seen.target for seen in topgg.seen] == [
        f"/api/bots/{USER}",
        f"/api/users/{USER}",
        f"/api/bots/{USER}/stats",
        f"/api/bots/{OWN_ID}/check?userId={USER}",
    ]


@pytest.mark.parametrize("id", [1, 2**63 - 1])
async def test_ids_of_all_sizes_are_sent(id: int, topgg: StandIn, make_client: MakeClient) -> None:
    """From 1 to 2**63-1."""
    topgg.default(json={"id": str(id)})
    assert (await make_client().fetch_bot(id)).id == id
    assert topgg.paths == [f"GET /bots/{id}"]


@pytest.mark.parametrize(
    ("search", "sent"),
    [
        ({"tags": "music"}, "tags: music"),
        ({"tags": "music", "prefix": "!"}, "tags: music, prefix: !"),
        ({"points": 5}, "points: 5"),
        ("tags: music", "tags: music"),
        ({"username": "a&b=c#d?e/f+g%20h"}, "username: a&b=c#d?e/f+g%20h"),
        ({"username": "Lücka 🤖 ü"}, "username: Lücka 🤖 ü"),
        ({"username": 'x" HTTP/1.1\r\nHost: evil'}, 'username: x" HTTP/1.1\r\nHost: evil'),
    ],
)
async def test_a_search_arrives_as_it_was_meant(
    search: Any, sent: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """As "key: value, key: value", percent-encoded: nothing of it spills into the request."""
    topgg.default(json={"results": []})
    await make_client().fetch_bots(search=search, sort="a&b")
    (seen,) = topgg.seen
    query = parse_qsl(urlsplit(seen.target).query, strict_parsing=True)
    assert query == [("limit", "50"), ("offset", "0"), ("search", sent), ("sort", "a&b")]
    assert re.fullmatch(r"[\w/?&=%.~-]+", seen.target, re.ASCII)


def page(seen: Seen) -> Reply:
    """As many bots as were asked for, of endless many."""
    first = int(seen.query["offset"])
    ids = range(first + 1, first + int(seen.query["limit"]) + 1)
    return ok({"results": [{"id": str(id)} for id in ids], "total": 100_000})


async def test_many_bots_are_fetched_in_pages(topgg: StandIn, make_client: MakeClient) -> None:
    """Of 500 at the most, each with the same search, the last one no larger than wanted."""
    topgg.reply("/bots", page)
    bots = await make_client().bulk_fetch_bots(1200, 40, search={"tags": "x"}, sort="-date")
    assert [bot.id for bot in bots] == list(range(41, 1241))
    asked = [(int(seen.query["offset"]), int(seen.query["limit"])) for seen in topgg.seen]
    assert sorted(asked) == [(40, 500), (540, 500), (1040, 200)]
    for seen in topgg.seen:
        assert (seen.query["search"], seen.query["sort"]) == ("tags: x", "-date")


async def test_no_bots_are_no_request(topgg: StandIn, make_client: MakeClient) -> None:
    """bulk_fetch_bots(0) is empty, and costs nothing."""
    assert await make_client().bulk_fetch_bots(0) == []
    assert topgg.seen == []


@pytest.mark.parametrize("tail", ["", "/", "//"])
async def test_a_slash_at_the_end_of_the_base_url_makes_no_difference(
    tail: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """Paths begin with one slash."""
    topgg.default(json={"id": "1"})
    await make_client(base_url=topgg.base_url + tail).fetch_bot(1)
    assert topgg.seen[0].target == "/api/bots/1"


async def test_a_base_url_may_lie_anywhere(topgg: StandIn, make_client: MakeClient) -> None:
    """Without a path, too."""
    topgg.default(json={"id": "1"})
    base = f"http://127.0.0.1:{topgg.port}"
    await make_client(base_url=base).fetch_bot(1)
    await make_client(base_url=f"{base}/a/b").fetch_bot(1)
    assert [seen.target for seen in topgg.seen] == ["/bots/1", "/a/b/bots/1"]


async def test_a_session_that_was_handed_in_sends_our_token(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Its own headers come along, but for those that are ours; and it stays open."""
    topgg.default(json={"id": "1"})
    theirs = {"Authorization": "theirs", "X-Mine": "yes"}
    async with aiohttp.ClientSession(headers=theirs) as session:
        client = make_client(session=session)
        assert client.session is session
        await client.fetch_bot(1)
        await client.close()
        assert not session.closed
    check_headers(topgg.seen[0])
    assert topgg.seen[0].headers["x-mine"] == "yes"


# --- a bot's own id ---


class LoggingIn:
    """A bot that has not logged in yet."""

    user: Any = None
    guilds: tuple[Any, ...] = ()


OWN: list[Ask] = [
    lambda c: c.fetch_votes(),
    lambda c: c.upvote_check(USER),
    lambda c: c.get_stats(),
    lambda c: c.post_stats(),
]


@pytest.mark.parametrize("ask", OWN)
async def test_without_a_user_own_calls_err_when_they_run(
    ask: Ask, topgg: StandIn, make_client: MakeClient
) -> None:
    """Making one is fine; running it is a ToppyError at once, and nothing is sent."""
    call = ask(make_client(LoggingIn()))
    with pytest.raises(errors.ToppyError, match="logged in"):
        await call
    assert topgg.seen == []


async def test_who_the_bot_is_shows_when_a_call_runs(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """A call that was made before the login works after it."""
    topgg.default(json=[])
    bot = LoggingIn()
    client = make_client(bot)
    call = client.fetch_votes()
    bot.user = SimpleNamespace(id=5)
    assert await call == []
    assert topgg.paths == ["GET /bots/5/votes"]


async def test_urls_need_the_bots_id_alone(make_client: MakeClient) -> None:
    """They are made from it, and a ToppyError before there is one."""
    client = make_client()
    assert client.vote_url == f"https://top.gg/bot/{OWN_ID}/vote"
    assert str(OWN_ID) in client.invite_url
    early = make_client(LoggingIn())
    for name in ("vote_url", "invite_url"):
        with pytest.raises(errors.ToppyError, match="logged in"):
            getattr(early, name)


# --- statistics ---


def hosted(*shards_of_guilds: int, **attributes: Any) -> Any:
    """A bot as Discord libraries make them, with a guild on each of these shards."""
    guilds = [SimpleNamespace(shard_id=shard) for shard in shards_of_guilds]
    user = SimpleNamespace(id=OWN_ID)
    return SimpleNamespace(user=user, guilds=guilds, **({"shard_count": None} | attributes))


STATS: dict[str, tuple[Any, dict[str, Any], list[dict[str, Any]]]] = {
    "unsharded": (hosted(0, 0, 0), {}, [{"server_count": 3}]),
    "nowhere": (hosted(), {}, [{"server_count": 0}]),
    "forced": (
        hosted(0, 0, 0),
        {"force_shard_count": True},
        [{"server_count": 3, "shards": [3], "shard_count": 1}],
    ),
    "sharded": (
        hosted(2, 0, 0, 2, 2, shard_count=3),
        {},
        [{"server_count": 5, "shards": [2, 0, 3], "shard_count": 3}],
    ),
    "sharded and forced": (
        hosted(1, 0, 1, shard_count=2),
        {"force_shard_count": True},
        [{"server_count": 3, "shards": [1, 2], "shard_count": 2}],
    ),
    "two of eight": (
        hosted(5, 3, 5, 5, 3, shard_count=8, shard_ids=[3, 5]),
        {},
        [
            {"server_count": 2, "shard_id": 3, "shard_count": 8},
            {"server_count": 3, "shard_id": 5, "shard_count": 8},
        ],
    ),
    "one of two": (
        hosted(1, 1, shard_count=2, shard_id=1),
        {},
        [{"server_count": 2, "shard_id": 1, "shard_count": 2}],
    ),
    "standing alone": (StandaloneBot(OWN_ID, server_count=7), {}, [{"server_count": 7}]),
    "standing alone on shards": (
        StandaloneBot(OWN_ID, shards=lambda: [10, 20, 30]),
        {},
        [{"server_count": 60, "shards": [10, 20, 30], "shard_count": 3}],
    ),
}


@pytest.mark.parametrize(("bot", "options", "bodies"), STATS.values(), ids=STATS.keys())
async def test_stats_are_posted(
    bot: Any,
    options: dict[str, Any],
    bodies: list[dict[str, Any]],
    topgg: StandIn,
    make_client: MakeClient,
) -> None:
    """One POST that tells all; or one for each shard, where others run the rest."""
    topgg.default(status(200))
    client = make_client(bot)
    posts: list[Any] = []
    client.events.pipe(of_type(PostEvent)).subscribe(posts.append)
    payload = await client.post_stats(**options)
    assert [json.loads(seen.body) for seen in topgg.seen] == bodies
    for seen in topgg.seen:
        assert (seen.method, seen.target) == ("POST", f"/api/bots/{OWN_ID}/stats")
        assert seen.headers["content-type"] == "application/json"
        check_headers(seen)
    assert [event.stats for event in posts] == [payload]
    assert int(payload) == sum(body["server_count"] for body in bodies)
    assert payload.shard_count == bodies[0].get("shard_count", 1)


async def test_a_post_that_fails_between_shards_says_which_were_posted(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """The error of the second of three shards names the first; there is no PostEvent."""
    topgg.script(f"/bots/{OWN_ID}/stats", status(200), status(400))
    client = make_client(hosted(4, 5, 6, shard_count=8, shard_ids=[4, 5, 6]))
    posts: list[Any] = []
    client.events.pipe(of_type(PostEvent)).subscribe(posts.append)
    with pytest.raises(errors.InvalidRequest) as caught:
        await client.post_stats()
    assert caught.value.posted_shards == (4,)
    assert len(topgg.seen) == 2
    assert posts == []


@pytest.mark.parametrize(
    ("bot", "body"),
    [
        (StandaloneBot(OWN_ID, server_count=7), {"server_count": 7, "shard_count": 1}),
        (StandaloneBot(OWN_ID, shards=[3, 4]), {"server_count": 7, "shard_count": 2}),
    ],
)
async def test_metrics_go_to_v1_with_a_bearers_token(
    bot: StandaloneBot, body: dict[str, int], topgg: StandIn, make_client: MakeClient
) -> None:
    """post_to="v1" makes autopost PATCH the project's metrics."""
    topgg.default(status(204))
    client = make_client(bot, post_to="v1")
    client.autopost.start()
    await topgg.arrived(1)
    (seen,) = topgg.seen
    assert (seen.method, seen.target) == ("PATCH", "/api/v1/projects/@me/metrics")
    assert json.loads(seen.body) == body
    assert seen.headers["content-type"] == "application/json"
    check_headers(seen, f"Bearer {TOKEN}")


# --- bad arguments ---

NOBODY: list[Any] = [
    *(True, False, 1.0, math.nan, 0, -1, 2**63, b"1", [1], (1,), {"id": 1}, object()),
    *("", "0", "abc", "１２", "²", "1 ", " 1", "1\n", "-1", "+1", "1.0", "1e3", "0x1", "1_000"),
    *(str(2**63), "9" * 5000, "1/../2", "@me"),
    *(SimpleNamespace(id=id) for id in (None, True, 0, -1, 1.5, "x", 2**63)),
    SimpleNamespace(),
]
ABOUT_SOMEBODY = ["fetch_bot", "fetch_user", "upvote_check", "get_stats"]
BAD: list[Ask] = [
    lambda c: c.fetch_bot(None),
    lambda c: c.fetch_user(None),
    lambda c: c.upvote_check(None),
    *(
        lambda c, value=value: c.fetch_bots(limit=value)
        for value in (0, -1, 501, 10**9, True, False, 1.5, 50.0, "50", None)
    ),
    *(
        lambda c, value=value: c.bulk_fetch_bots(limit=value)
        for value in (-1, True, False, 1.5, math.inf, "50", None)
    ),
    *(
        lambda c, name=name, value=value: getattr(c, name)(offset=value)
        for name in ("fetch_bots", "bulk_fetch_bots")
        for value in (-1, True, 1.5, "0", None)
    ),
    *(
        lambda c, name=name, value=value: getattr(c, name)(search=value)
        for name in ("fetch_bots", "bulk_fetch_bots")
        for value in (5, True, b"x", ["tags", "x"], object(), {1, 2})
    ),
    *(
        lambda c, name=name, value=value: getattr(c, name)(sort=value)
        for name in ("fetch_bots", "bulk_fetch_bots")
        for value in (5, True, b"points", ["points"], {"points": 1})
    ),
    *(lambda c, value=value: c.post_stats(force_shard_count=value) for value in (1, 0, None, "no")),
]


@pytest.mark.parametrize("name", ABOUT_SOMEBODY)
@pytest.mark.parametrize("who", NOBODY, ids=lambda who: ADDRESS.sub("", repr(who))[:30])
async def test_who_is_nobody_is_refused_where_the_call_is_made(
    name: str, who: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """No id can look like that: a TypeError or ValueError, and nothing is sent."""
    client = make_client()
    with pytest.raises((TypeError, ValueError), match=name):
        getattr(client, name)(who)
    assert client.session is None
    assert topgg.open_connections == 0


@pytest.mark.parametrize("ask", BAD, ids=range(len(BAD)))
async def test_bad_arguments_are_refused_where_the_call_is_made(
    ask: Ask, topgg: StandIn, make_client: MakeClient
) -> None:
    """Before anything is subscribed to, awaited or sent."""
    client = make_client()
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        ask(client)
    assert client.session is None
    assert topgg.open_connections == 0


async def test_too_many_bots_at_once_are_told_what_to_call(make_client: MakeClient) -> None:
    """501 are a ValueError that names bulk_fetch_bots."""
    with pytest.raises(ValueError, match="bulk_fetch_bots"):
        make_client().fetch_bots(501)


@pytest.mark.parametrize(
    "token",
    [
        *(
            "",
            " ",
            "sec ret-token",
            "secret-token\n",
            "secret-token\r\nX-Evil: 1",
            "\tsecret-token",
        ),
        *("secret-tokén", "secret\x00token", "secret-token\x7f", "secret\N{NO-BREAK SPACE}token"),
        *(None, 5, b"secret-token", ["secret-token"], True),
    ],
    ids=repr,
)
def test_a_token_that_cannot_be_is_refused_without_being_named(token: Any) -> None:
    """It may be a real one with a slip in it, so the message does not repeat it."""
    with pytest.raises((TypeError, ValueError), match="token") as caught:
        TopGG(StandaloneBot(OWN_ID), token=token)
    said = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    for secret in ("sec ret", "secret", "Evil"):
        assert secret not in said


def test_a_token_is_wanted() -> None:
    """There is no client without one."""
    with pytest.raises(TypeError, match="token"):
        TopGG(StandaloneBot(OWN_ID))  # type: ignore[call-arg]


DURATIONS: list[Any] = [0, -1, -0.5, math.nan, math.inf, True, "30", b"30", [30], timedelta(0)]
OPTIONS: list[tuple[str, Any]] = [
    *(("interval", value) for value in (*DURATIONS, None, timedelta(seconds=-1))),
    *(("timeout", value) for value in (*DURATIONS, None, timedelta(seconds=-1))),
    *(("max_wait", value) for value in (-1, math.nan, math.inf, True, "60", timedelta(seconds=-1))),
    *(("retries", value) for value in (-1, True, False, 1.5, 3.0, "3", None)),
    *(("rate_limits", value) for value in (None, 60, RateLimit(1, 1), [60], [None], "60", {60: 1})),
    *(
        ("base_url", value)
        for value in ("", "top.gg/api", "/api", "ftp://top.gg", "https://", None)
    ),
    *(("base_url", value) for value in (5, b"https://top.gg/api", "https://top.gg/api?a=1")),
    *(("base_url", value) for value in ("https://top.gg/api#x", "https://me:pw@top.gg/api")),
    *(("base_url", value) for value in ("http://top.gg:99999/api", "http://top.gg:port/api")),
    *(
        ("base_url", value)
        for value in ("http://top.gg/a pi", "http://top.gg/\r\napi", "http://[x")
    ),
    *(("session", value) for value in ("x", object(), aiohttp.ClientSession, True)),
    *(("post_to", value) for value in ("v2", "", None, 0, ["v0"])),
    *(("autopost", value) for value in ("no", 1, None)),
]


@pytest.mark.parametrize(("name", "value"), OPTIONS)
def test_an_option_that_cannot_be_is_refused(name: str, value: Any) -> None:
    """A TypeError or ValueError that names it, where the client is made."""
    with pytest.raises((TypeError, ValueError), match=name):
        TopGG(StandaloneBot(OWN_ID), token=TOKEN, **{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"interval": 0.5, "timeout": 0.5, "max_wait": 0, "retries": 0},
        {"interval": timedelta(minutes=5), "timeout": timedelta(seconds=5)},
        {"max_wait": timedelta(seconds=5), "rate_limits": ()},
        {"max_wait": None, "rate_limits": [RateLimit(1, per=timedelta(seconds=1))]},
        {"base_url": "HTTPS://top.gg/api", "post_to": "v1"},
        {"base_url": "http://[::1]:8080", "autopost": False},
    ],
)
def test_options_that_can_be_are_taken(options: dict[str, Any]) -> None:
    """Durations as seconds or timedelta; zero and None where they mean something."""
    assert not TopGG(StandaloneBot(OWN_ID), token=TOKEN, **options).is_closed


def test_one_client_has_two_names() -> None:
    """rx_toppy.Client is the same."""
    assert rx_toppy.Client is TopGG
