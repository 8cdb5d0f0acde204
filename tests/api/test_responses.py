"""What comes back: any status and any bytes make a model or one of our errors; no value is lost.

Nor is one invented: what top.gg did not say is None or empty.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rx_toppy import errors
from rx_toppy.api import routes
from rx_toppy.api.responses import Decoder, failure
from rx_toppy.models import Bot, BotSearchResults, BotStats, SimpleUser, Socials, User

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LW9mLWx1Y2E.Zx9-_q3Kd0v"
URL = "https://top.gg/api/bots/1"
NOW = datetime(2026, 4, 15, 12, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0

LUCA = rb"""{"defAvatar": "6debd47ed13483642cf09e832ed0bc1b", "invite": "",
"website": "https://discordbots.org", "support": "KYZsaFb",
"github": "https://github.com/DiscordBotList/Luca",
"longdesc": "Luca only works in the **Discord Bot List** server.    \r\nPrepend commands with `-`.",
"shortdesc": "Luca is a bot for managing and informing members of the server",
"prefix": "- or @Luca#1375", "clientid": "264811613708746752",
"avatar": "7edcc4c6fbb0b23762455ca139f0e1c9", "id": "264811613708746752",
"discriminator": "1375", "username": "Luca", "date": "2017-04-26T18:08:17.125Z",
"server_count": 2, "shard_count": 1, "guilds": ["417723229721853963", "264445053596991498"],
"shards": [], "monthlyPoints": 19, "points": 397, "certifiedBot": false,
"owners": ["129908908096487424"], "tags": ["Moderation", "Role Management", "Logging"],
"donatebotguildid": ""}"""
XETERA = b"""{"discriminator": "0001", "avatar": "a_1241439d430def25c100dd28add2d42f",
"id": "140862798832861184", "username": "Xetera",
"defAvatar": "322c936a8c8be1b803cd94861bdfa868", "admin": true, "webMod": true, "mod": true,
"certifiedDev": false, "supporter": false, "social": {}}"""
VOTERS = b"""[{"username": "Xetera", "id": "140862798832861184",
"avatar": "a_1241439d430def25c100dd28add2d42f"}]"""
PROBLEM = b"""{"title": "User not found", "status": 404, "detail": "The user was not resolved into
a valid Top.gg user."}""".replace(b"\n", b" ")

DECODERS: dict[str, Decoder[Any]] = {
    name: route.decoder
    for name, route in vars(routes).items()
    if isinstance(route, routes.Route) and route.decoder is not None
}


def decode(route: routes.Route[Any], document: object) -> Any:
    """What a route makes of a document."""
    assert route.decoder is not None
    return route.decoder(document if isinstance(document, bytes) else msgspec.json.encode(document))


def failed(
    status: int, body: object = b"", headers: dict[str, str] | None = None, token: str = TOKEN
) -> errors.ToppyError:
    """The error of an answer."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return failure(status, headers or {}, content, method="GET", url=URL, token=token, now=NOW)


def wait(body: object = b"", header: str | None = None) -> float:
    """The seconds that a 429 asks for."""
    error = failed(429, body, {} if header is None else {"Retry-After": header})
    assert isinstance(error, errors.Ratelimited)
    assert not error.internal
    return error.retry_after


# --- the status ---


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (errors.Forbidden, [401, 403]),
        (errors.NotFound, [404]),
        (errors.Ratelimited, [429]),
        (errors.InvalidRequest, [400, 402, 405, 409, 410, 413, 418, 422, 451, 499]),
        (errors.TopGGServerError, [500, 501, 502, 503, 504, 520, 522, 530, 599]),
        (errors.InvalidResponse, [300, 301, 302, 303, 304, 307, 308, 399]),
        (errors.InvalidResponse, [0, -1, 1, 99, 100, 101, 199, 600, 999, 1000, 2**70]),
    ],
)
def test_every_status_has_its_error(kind: type[errors.ToppyError], statuses: list[int]) -> None:
    """The status alone decides which, and the error knows it and the request."""
    for status in statuses:
        error = failed(status, {"error": "so it is"})
        assert type(error) is kind
        assert (error.status, error.method, error.url) == (status, "GET", URL)
        assert error.text == "so it is"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"  \r\n ", ""),
        (b"I'm a teapot\n", "I'm a teapot"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b'{"message": "Bad id"}', "Bad id"),
        (b'{"error": "Bad id", "message": "Bad id"}', "Bad id"),
        (b'{"title": "Wrong", "detail": "Very wrong"}', "Wrong: Very wrong"),
        (b'{"error": {"code": 5}}', '{"error": {"code": 5}}'),
        (b'["no"]', '["no"]'),
        (b"<html><head><title> Just a moment </title>", "an HTML page: Just a moment"),
        (b"<!DOCTYPE html><TITLE lang='en'>Oops</TITLE>", "an HTML page: Oops"),
        (b"<p>", "an HTML page: (no title)"),
        (b"a\xffb", "a\ufffdb"),
        (PROBLEM, "User not found: The user was not resolved into a valid Top.gg user."),
    ],
)
def test_an_error_says_what_the_server_said(body: bytes, text: str) -> None:
    """In plain text, whatever form it came in."""
    error = failed(404, body)
    assert error.text == text
    assert text in str(error)
    assert f"(GET {URL})" in str(error)


@pytest.mark.parametrize(
    "body",
    [b"x" * 10_000, {"error": "x" * 10_000}, b"<title>" + b"x" * 2000 + b"</title>"],
    ids=["text", "json", "html"],
)
def test_what_the_server_said_is_cut_short(body: object) -> None:
    """An error holds 500 characters of it at the most."""
    error = failed(400, body)
    assert 400 < len(error.text) <= 500
    assert len(str(error)) < 700


# --- the token ---


@pytest.mark.parametrize(
    "body",
    [
        f"{TOKEN} is no token".encode(),
        {"error": f"{TOKEN} is no token; {TOKEN}"},
        {"title": "Bad token", "detail": TOKEN},
        {"reason": TOKEN},
        [TOKEN],
        f"<title>Bad token {TOKEN}</title>".encode(),
        b'{"error": "\\u0065' + TOKEN[1:].encode() + b' is no token"}',
    ],
    ids=["text", "error", "problem", "other", "list", "html", "escaped"],
)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 999])
def test_the_token_is_cleaned_from_what_the_server_said(status: int, body: object) -> None:
    """A server that repeats the token does not bring it into an error."""
    error = failed(status, body)
    assert TOKEN not in error.text
    assert TOKEN not in str(error)
    assert TOKEN not in repr(error)
    assert "***" in error.text


@pytest.mark.parametrize("form", ["text", "blanks", "json", "html"])
def test_a_token_that_is_cut_off_is_cleaned_as_well(form: str) -> None:
    """Where the text is cut short in the middle of the token, no part of it is left standing."""
    for before in (*range(430, 510), *range(3950, 4000)):
        said = "x" * before + TOKEN
        forms: dict[str, object] = {
            "text": said.encode(),
            "blanks": (" " * before + TOKEN).encode(),
            "json": {"error": said},
            "html": f"<title>{said}</title>".encode(),
        }
        text = failed(401, forms[form]).text
        assert not any(TOKEN[at : at + 8] in text for at in range(len(TOKEN) - 8)), before


# --- how long a 429 is ---


@pytest.mark.parametrize(
    ("body", "header", "seconds"),
    [
        ({"retry-after": 3600}, None, 3600.0),
        ({"retry-after": 120}, None, 120.0),
        ({"retry-after": 0.25}, None, 0.25),
        ({"retry-after": "90"}, None, 90.0),
        ({"retry_after": 90}, None, 90.0),
        (b"", "120", 120.0),
        (b"", " 120 ", 120.0),
        (b"<title>Too many</title>", "120", 120.0),
        (b"", format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (b"", "Wed, 15 Apr 2026 14:01:30 +0200", 90.0),
        ({"retry-after": 60}, "120", 120.0),
        ({"retry-after": 120}, "60", 120.0),
        ({"retry-after": 60}, format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ({"retry-after": 120}, "soon", 120.0),
        ({"retry-after": 120}, "-60", 120.0),
        ({"retry-after": "soon"}, "120", 120.0),
        ({"retry-after": -60}, "120", 120.0),
        ({"retry-after": True}, "120", 120.0),
    ],
)
def test_a_429_says_how_long(body: object, header: str | None, seconds: float) -> None:
    """In the body, in a header as seconds or date, or in both: then the longer one counts."""
    assert wait(body, header) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"3600",
        b"<html>",
        b"\xff\xfe",
        b'{"retry-after": NaN}',
        b'{"retry-after": 1e400}',
        b'{"retry-after": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        *(
            msgspec.json.encode({"retry-after": value})
            for value in (
                None,
                True,
                False,
                -1,
                -0.5,
                "soon",
                "",
                "NaN",
                "inf",
                "-5",
                [60],
                {"s": 6},
            )
        ),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_without_a_usable_time_means_an_hour(body: bytes) -> None:
    """Nothing, garbage, negative, not a number, a bool: an hour, and no error of another kind."""
    assert wait(body) == HOUR


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "soon",
        "-1",
        "-0.5",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1 hour",
        "12:00",
        "True",
        "None",
        "0x10",
        "Wed, 15 Apr",
        "Wed, 99 Apr 2026 12:00:00 GMT",
        "Wed, 15 Foo 2026 12:00:00 GMT",
        "Wed, 15 Apr 2026 99:00:00 GMT",
        "Wed, 15 Apr 2026 12:00:00 +9999",
        "Wed, 15 Apr 99999999999999999999 12:00:00 GMT",
        "Wed, 15 Apr 2026 12:00:00 +99999999999999999999",
        "Wed, 15 Apr 2026 99999999999999999999:00:00 GMT",
    ],
)
def test_a_header_without_a_usable_time_means_an_hour(header: str) -> None:
    """Whatever stands in Retry-After, the error is a Ratelimited."""
    assert wait(header=header) == HOUR


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("soon", None),
        ("-1", None),
        ("Wed, 15 Apr 99999999999999999999 12:00:00 GMT", None),
    ],
)
def test_a_503_may_say_how_long(header: str | None, seconds: float | None) -> None:
    """Where it does not, nothing is made up."""
    error = failed(503, headers={} if header is None else {"Retry-After": header})
    assert isinstance(error, errors.TopGGServerError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("body", "header"),
    [
        ({"retry-after": 86_401}, None),
        ({"retry-after": 1e300}, None),
        (b"", "99999999999"),
        (b"", "Wed, 15 Apr 9999 12:00:00 GMT"),
    ],
)
def test_no_429_is_believed_for_longer_than_a_day(body: object, header: str | None) -> None:
    """The error's retry_after is when a call may go out again, and that is within a day."""
    assert wait(body, header) == DAY


# --- any bytes at all ---

WIRE_NAMES = [
    *("id", "username", "discriminator", "avatar", "defAvatar", "prefix", "date", "points", "tags"),
    *(
        "owners",
        "guilds",
        "certifiedBot",
        "donatebotguildid",
        "results",
        "limit",
        "total",
        "shards",
    ),
    *("server_count", "shard_count", "voted", "is_weekend", "social", "color", "mod", "bio"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.integers(1, 2**64).map(str)
    | st.sampled_from(["", "12", "null", "2017-04-26T18:08:17.125Z", "#fff", "a_1"])
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WIRE_NAMES) | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=20,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A proper body, cut off, or with some of its bytes changed."""
    body = bytearray(draw(st.sampled_from([LUCA, XETERA, VOTERS, PROBLEM])))
    for _ in range(draw(st.integers(0, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[draw(st.integers(0, 20)) : draw(st.integers(0, len(body)))])


any_body = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | documents.map(msgspec.json.encode)
    | damaged()
)
any_header = st.one_of(
    st.text(st.characters(codec="latin-1"), max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.tuples(
        st.sampled_from(["Wed, ", "Wed ", "", "x, "]),
        st.integers(0, 40) | st.integers(),
        st.sampled_from([" Apr ", "-Apr-", " Foo ", " ", ":", "\t"]),
        st.integers(0, 10_000) | st.integers(),
        st.sampled_from([" ", "  ", "T", ""]),
        st.integers(0, 30) | st.integers(),
        st.sampled_from([":00:00 ", ":00 ", ".00 ", ""]),
        st.sampled_from(["GMT", "UTC", "EST", "+0000", "-0000", "-9999", "+" + "9" * 30, "", "Z"]),
    ).map(lambda parts: "".join(map(str, parts))),
)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=50)
@given(body=any_body)
def test_any_body_is_a_model_or_a_value_error(name: str, body: bytes) -> None:
    """Of every endpoint, whatever the bytes."""
    with suppress(ValueError):
        assert DECODERS[name](body) is not None


test_any_body_is_a_model_or_a_value_error_at_length = pytest.mark.slow(
    pytest.mark.parametrize("name", DECODERS)(
        settings(max_examples=150)(
            given(body=any_body)(test_any_body_is_a_model_or_a_value_error.hypothesis.inner_test)
        )
    )
)


@settings(max_examples=100)
@given(st.integers() | st.integers(100, 999), any_body, st.none() | any_header)
def test_any_failure_is_one_of_our_errors(status: int, body: bytes, header: str | None) -> None:
    """Whatever the status, the bytes and the header."""
    error = failed(status, body, {} if header is None else {"Retry-After": header})
    assert isinstance(error, errors.ToppyError)
    assert error.status == status
    assert len(error.text) <= 500
    assert str(error)


test_any_failure_is_one_of_our_errors_at_length = pytest.mark.slow(
    settings(max_examples=300)(
        given(st.integers() | st.integers(100, 999), any_body, st.none() | any_header)(
            test_any_failure_is_one_of_our_errors.hypothesis.inner_test
        )
    )
)


@settings(max_examples=100)
@given(any_body, any_header)
@example(b"", "Wed, 15 Apr 99999999999999999999 12:00:00 GMT")
def test_any_429_says_how_long(body: bytes, header: str) -> None:
    """It is always a number of seconds that can be waited for."""
    assert 0 <= wait(body, header) < float("inf")


test_any_429_says_how_long_at_length = pytest.mark.slow(
    settings(max_examples=300)(
        given(any_body, any_header)(test_any_429_says_how_long.hypothesis.inner_test)
    )
)


DEEP = 100_000


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP + b"]" * DEEP,
        b"[" * DEEP,
        b'{"x":' * DEEP + b"1" + b"}" * DEEP,
        b'{"id":"1","x":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"id":"1","username":5,"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"results":[{"id":"x","y":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
    ],
    ids=["lists", "open", "objects", "inside", "beside", "item"],
)
def test_json_without_a_bottom_is_a_value_error(name: str, body: bytes) -> None:
    """A body too deep for the decoder is no RecursionError."""
    with pytest.raises(ValueError, match=r"JSON"):
        DECODERS[name](body)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html><title>Just a moment</title></html>",
        b'{"id": "1", "username": ',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"nothing",
        b"null",
        b"5",
        b'"text"',
        b"true",
    ],
    ids=repr,
)
def test_a_body_of_another_kind_is_a_value_error(name: str, body: bytes) -> None:
    """Empty, HTML, cut off, not UTF-8, no JSON, JSON of another outline."""
    with pytest.raises(ValueError, match=r"\w"):
        DECODERS[name](body)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (routes.FETCH_BOT, b'{"id": "1", "username": "\xff\xfe\xc3("}'),
        (routes.FETCH_BOT, b'{"id": "1", "points": "x", "username": "\xff\xfe\xc3("}'),
        (routes.FETCH_USER, b'{"id": "1", "bio": "\xff\xfe\xc3("}'),
        (routes.FETCH_VOTES, b'[{"id": "1", "username": "\xff\xfe\xc3("}]'),
        (routes.FETCH_BOTS, b'{"results": [{"id": "1", "username": "\xff\xfe\xc3("}]}'),
    ],
)
def test_text_that_is_not_utf8_is_a_value_error(route: routes.Route[Any], body: bytes) -> None:
    """No UnicodeDecodeError that carries the whole body along."""
    with pytest.raises(ValueError, match="JSON") as caught:
        decode(route, body)
    assert type(caught.value) is ValueError


def test_html_is_told_by_its_title() -> None:
    """What is wrong with a body is said in a way that helps."""
    with pytest.raises(ValueError, match="Just a moment"):
        decode(routes.FETCH_BOT, b"<html><title>Just a moment...</title></html>")
    with pytest.raises(ValueError, match="empty body"):
        decode(routes.FETCH_BOT, b"")


# --- proper bodies ---


def test_a_bot_has_exactly_the_documented_values() -> None:
    """The sample of top.gg's documentation, attribute by attribute."""
    luca = decode(routes.FETCH_BOT, LUCA)
    expected = {
        "id": 264811613708746752,
        "username": "Luca",
        "discriminator": "1375",
        "user_avatar": "7edcc4c6fbb0b23762455ca139f0e1c9",
        "default_avatar": "6debd47ed13483642cf09e832ed0bc1b",
        "avatar": "7edcc4c6fbb0b23762455ca139f0e1c9",
        "prefix": "- or @Luca#1375",
        "short_description": "Luca is a bot for managing and informing members of the server",
        "long_description": "Luca only works in the **Discord Bot List** server.    \r\n"
        "Prepend commands with `-`.",
        "tags": ("Moderation", "Role Management", "Logging"),
        "website": "https://discordbots.org",
        "support": "KYZsaFb",
        "github": "https://github.com/DiscordBotList/Luca",
        "owners": (129908908096487424,),
        "featured_guilds": (417723229721853963, 264445053596991498),
        "approved_at": datetime(2017, 4, 26, 18, 8, 17, 125_000, UTC),
        "certified": False,
        "vanity_uri": None,
        "all_time_votes": 397,
        "monthly_votes": 19,
        "donations_guild": None,
        "server_count": 2,
        "shard_count": 1,
        "lib": None,
    }
    assert {name: getattr(luca, name) for name in expected} == expected
    assert luca.invite.startswith("https://discord.com/")
    assert "client_id=264811613708746752" in luca.invite


def test_a_user_has_exactly_the_documented_values() -> None:
    """The sample of top.gg's documentation, attribute by attribute."""
    user = decode(routes.FETCH_USER, XETERA)
    expected = {
        "id": 140862798832861184,
        "name": "Xetera",
        "discriminator": "0001",
        "bio": None,
        "banner_url": None,
        "colour": None,
        "color": None,
        "socials": Socials(),
        "supporter": False,
        "certified": False,
        "moderator": True,
        "admin": True,
        "avatar_url": "https://cdn.discordapp.com/avatars/140862798832861184/"
        "a_1241439d430def25c100dd28add2d42f.gif",
    }
    assert {name: getattr(user, name) for name in expected} == expected


def test_voters_have_exactly_the_documented_values() -> None:
    """The sample of top.gg's documentation."""
    (voter,) = decode(routes.FETCH_VOTES, VOTERS)
    assert isinstance(voter, SimpleUser)
    assert (voter.id, voter.username, voter.discriminator) == (140862798832861184, "Xetera", None)
    assert voter.avatar.endswith("/140862798832861184/a_1241439d430def25c100dd28add2d42f.gif")


def test_stats_have_exactly_the_documented_values() -> None:
    """With and without what a bot posted."""
    full = {"server_count": 6, "shards": [1, 2, 3], "shard_count": 3}
    stats = decode(routes.GET_STATS, full)
    assert (stats.server_count, stats.shards, stats.shard_count) == (6, {0: 1, 1: 2, 2: 3}, 3)
    assert stats.reliable
    never = decode(routes.GET_STATS, {"shards": []})
    assert (never.server_count, never.shards, never.shard_count) == (None, {}, None)
    assert not never.reliable


def test_a_page_has_exactly_the_documented_values() -> None:
    """Its bots in order, and the numbers beside them."""
    document = {"results": [{"id": "2"}, {"id": "1"}], "limit": 50, "offset": 4, "count": 2}
    page = decode(routes.FETCH_BOTS, document | {"total": 6})
    assert [bot.id for bot in page] == [2, 1]
    assert (page.limit, page.offset, page.count, page.total, page.skipped) == (50, 4, 2, 6, 0)


@pytest.mark.parametrize(("sent", "voted"), [(0, False), (1, True), (True, True), (False, False)])
def test_a_vote_check_takes_a_number(sent: object, voted: bool) -> None:
    """top.gg sends 0 or 1."""
    result = decode(routes.CHECK_VOTE, {"voted": sent})
    assert result.voted is voted
    assert bool(result) is voted


@pytest.mark.parametrize("sent", [None, 2, -1, "maybe", "", [], {}, 0.5])
def test_what_is_neither_yes_nor_no_is_a_value_error(sent: object) -> None:
    """A vote or a weekend is not made up from something else."""
    for route, name in ((routes.CHECK_VOTE, "voted"), (routes.IS_WEEKEND, "is_weekend")):
        with pytest.raises(ValueError, match="JSON"):
            decode(route, {name: sent})
        with pytest.raises(ValueError, match="JSON"):
            decode(route, {})


# --- documents with something wrong in them ---


@dataclass(frozen=True)
class Kind:
    """What a field may hold as top.gg sends it, and what it never should."""

    good: st.SearchStrategy[tuple[Any, Any]]
    """What comes, and what becomes of it."""
    bad: st.SearchStrategy[Any]
    empty: Any = None


def same(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return strategy.map(lambda value: (value, value))


ids = st.integers(1, 2**63 - 1)
no_lists = st.text(max_size=9) | st.integers() | st.booleans() | st.just({}) | st.floats(0, 1)
words = st.text(st.characters(categories=["L"]), min_size=1, max_size=9).filter(
    lambda text: text.lower() not in ("true", "false", "null", "nan", "inf", "infinity")
)

TEXT = Kind(
    same(st.text(max_size=20) | st.sampled_from(["null", "None", "12", ""])),
    st.integers() | st.floats(0, 1) | st.booleans() | st.just([]) | st.just({"a": "b"}),
)
WHOLE = Kind(
    same(st.integers(0, 2**53)) | st.integers(0, 2**53).map(lambda n: (str(n), n)),
    words | st.just(12.5) | st.booleans() | st.just([1]) | st.just({}),
)
FLAG = Kind(same(st.booleans()), words | st.integers(2) | st.just([True]) | st.just({}))
TEXTS = Kind(
    st.lists(st.text(max_size=9), max_size=4).map(lambda items: (items, tuple(items))), no_lists, ()
)
IDS = Kind(
    st.lists(ids, max_size=4).map(lambda items: ([str(item) for item in items], tuple(items))),
    no_lists,
    (),
)
DATE = Kind(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
        lambda moment: (moment.isoformat(), moment)
    ),
    words
    | st.integers()
    | st.floats(0, 1e12)
    | st.booleans()
    | st.just([])
    | st.sampled_from(["", "12", "1493229097", "2017-04-26", "2017-04-26T18:08:17", "18:08:17Z"])
    | st.sampled_from(["2017-13-26T18:08:17Z", "2017-04-26T18:08:17.125", "2017-04-26 18:08:17"]),
)
DONATIONS = Kind(
    ids.map(lambda number: (str(number), number)),
    words
    | st.booleans()
    | st.just([])
    | st.sampled_from(["", "-1", "1.5", "１２", "²", " ", "1 2"]),
)

BOT = {
    "username": ("username", TEXT),
    "discriminator": ("discriminator", TEXT),
    "avatar": ("user_avatar", TEXT),
    "defAvatar": ("default_avatar", TEXT),
    "prefix": ("prefix", TEXT),
    "shortdesc": ("short_description", TEXT),
    "longdesc": ("long_description", TEXT),
    "website": ("website", TEXT),
    "support": ("support", TEXT),
    "github": ("github", TEXT),
    "lib": ("lib", TEXT),
    "vanity": ("vanity_uri", TEXT),
    "certifiedBot": ("certified", FLAG),
    "points": ("all_time_votes", WHOLE),
    "monthlyPoints": ("monthly_votes", WHOLE),
    "server_count": ("server_count", WHOLE),
    "shard_count": ("shard_count", WHOLE),
    "tags": ("tags", TEXTS),
    "owners": ("owners", IDS),
    "guilds": ("featured_guilds", IDS),
    "date": ("approved_at", DATE),
    "donatebotguildid": ("donations_guild", DONATIONS),
}
USER = {
    "username": ("name", TEXT),
    "discriminator": ("discriminator", TEXT),
    "bio": ("bio", TEXT),
    "banner": ("banner_url", TEXT),
    "supporter": ("supporter", FLAG),
    "certifiedDev": ("certified", FLAG),
    "admin": ("admin", FLAG),
}
SOCIALS = {name: (name, TEXT) for name in ("youtube", "reddit", "instagram", "github", "twitter")}
VOTER = {"username": ("username", TEXT), "discriminator": ("discriminator", TEXT)}
PAGE = {name: (name, WHOLE) for name in ("limit", "offset", "count", "total")}
STATS = {"server_count": ("server_count", WHOLE), "shard_count": ("shard_count", WHOLE)}


@st.composite
def filled(
    draw: st.DrawFn, fields: dict[str, tuple[str, Kind]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document of which each field is well, missing, null or malformed; and what it should be."""
    document: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for name, (attribute, kind) in fields.items():
        state = draw(st.sampled_from(["good", "good", "missing", "null", "bad"]))
        expected[attribute] = kind.empty
        if state == "good":
            document[name], expected[attribute] = draw(kind.good)
        elif state == "null":
            document[name] = None
        elif state == "bad":
            document[name] = draw(kind.bad)
    return document, expected


def extra(known: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Fields that nobody knows of, the names of our own attributes among them."""
    ours = ["_tags", "_owners", "_skipped", "skipped", "all_time_votes", "approved_at", "tags_"]
    names = (st.text(max_size=8) | st.sampled_from(ours)).filter(
        lambda name: name not in known and name not in ("id", "results", "shards", "social")
    )
    return st.dictionaries(names, documents, max_size=3)


def values(model: object, expected: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in expected}


@settings(max_examples=60)
@given(ids, filled(BOT), extra(BOT))
def test_a_bot_keeps_all_that_was_fine(
    id: int, drawn: tuple[dict[str, Any], dict[str, Any]], more: dict[str, Any]
) -> None:
    """What is missing, null or malformed is None or empty; nothing else is touched."""
    document, expected = drawn
    bot = decode(routes.FETCH_BOT, more | document | {"id": str(id)})
    assert isinstance(bot, Bot)
    assert bot.id == id
    assert values(bot, expected) == expected
    assert bot.avatar == (expected["user_avatar"] or expected["default_avatar"])
    assert isinstance(hash(bot), int)


test_a_bot_keeps_all_that_was_fine_at_length = pytest.mark.slow(
    settings(max_examples=300)(
        given(ids, filled(BOT), extra(BOT))(
            test_a_bot_keeps_all_that_was_fine.hypothesis.inner_test
        )
    )
)


@given(ids, filled(USER), filled(SOCIALS), st.booleans(), extra(USER))
def test_a_user_keeps_all_that_was_fine(
    id: int,
    drawn: tuple[dict[str, Any], dict[str, Any]],
    social: tuple[dict[str, Any], dict[str, Any]],
    has_social: bool,
    more: dict[str, Any],
) -> None:
    """The accounts inside it, too."""
    document, expected = drawn
    unseen = {"color", "avatar", "mod", "webMod"}
    more = {name: value for name, value in more.items() if name not in unseen}
    document = more | document | {"id": str(id), "social": social[0] if has_social else "none"}
    user = decode(routes.FETCH_USER, document)
    assert isinstance(user, User)
    assert values(user, expected) == expected
    expected = social[1] if has_social else dict.fromkeys(SOCIALS)
    assert values(user.socials, expected) == expected


@given(st.lists(st.tuples(ids, filled(VOTER))))
def test_voters_keep_all_that_was_fine(
    drawn: list[tuple[int, tuple[dict[str, Any], dict[str, Any]]]],
) -> None:
    """Each of the list, in order."""
    voters = decode(routes.FETCH_VOTES, [document | {"id": id} for id, (document, _) in drawn])
    assert [voter.id for voter in voters] == [id for id, _ in drawn]
    for voter, (_, (_, expected)) in zip(voters, drawn, strict=True):
        assert values(voter, expected) == expected


@settings(max_examples=40)
@given(filled(STATS), extra(STATS))
def test_stats_keep_all_that_was_fine(
    drawn: tuple[dict[str, Any], dict[str, Any]], more: dict[str, Any]
) -> None:
    """And the shards beside a malformed number."""
    document, expected = drawn
    stats = decode(routes.GET_STATS, more | document | {"shards": [4, 5]})
    assert isinstance(stats, BotStats)
    assert values(stats, expected) == expected
    assert stats.shards == {0: 4, 1: 5}


test_stats_keep_all_that_was_fine_at_length = pytest.mark.slow(
    settings(max_examples=200)(
        given(filled(STATS), extra(STATS))(test_stats_keep_all_that_was_fine.hypothesis.inner_test)
    )
)


@given(
    filled(PAGE),
    st.lists(
        ids.map(lambda number: {"id": str(number)})
        | st.sampled_from([None, 5, "bot", [], {}, {"id": None}, {"id": "x"}, {"username": "a"}])
    ),
    extra(PAGE),
)
def test_a_page_keeps_all_that_was_fine(
    drawn: tuple[dict[str, Any], dict[str, Any]], items: list[Any], more: dict[str, Any]
) -> None:
    """Bots that are none are left out and counted; the others come in order."""
    document, expected = drawn
    page = decode(routes.FETCH_BOTS, more | document | {"results": items})
    fine = [
        int(item["id"])
        for item in items
        if isinstance(item, dict) and str(item.get("id", "")).isdigit()
    ]
    assert isinstance(page, BotSearchResults)
    assert [bot.id for bot in page] == fine
    assert page.skipped == len(items) - len(fine)
    assert values(page, expected) == expected


# --- single cases ---

NO_IDS = [None, "", "x", "0", 0, -1, "-1", 2**63, str(2**63), True, 1.5, "1.5", [], {}, "1 2"]
NO_IDS += ["264811613708746753.0", "2.64811613708746753e17", 264811613708746753.0]
NO_IDS += ["１２", "1e2", "1.0", "0x10", "1_000", " 1", "null", "true"]


@pytest.mark.parametrize("id", NO_IDS, ids=repr)
def test_what_is_no_id_is_a_value_error(id: object) -> None:
    """A bot without a proper id is no bot."""
    with pytest.raises(ValueError, match="JSON"):
        decode(routes.FETCH_BOT, {"id": id, "username": "Luca"})


@pytest.mark.parametrize("id", NO_IDS, ids=repr)
def test_what_is_no_id_is_left_out_of_a_list(id: object) -> None:
    """One bad owner is skipped, and the others stay."""
    bot = decode(routes.FETCH_BOT, {"id": "1", "owners": ["2", id, "3"]})
    assert bot.owners == (2, 3)


@pytest.mark.parametrize("id", [1, "1", 2**63 - 1, str(2**63 - 1), "264811613708746752"])
def test_ids_come_as_text_or_numbers(id: object) -> None:
    """Both are the same id, all 64 bits of it."""
    assert decode(routes.FETCH_BOT, {"id": id}).id == int(str(id))


@pytest.mark.parametrize(
    ("route", "document", "arrives"),
    [
        (routes.FETCH_BOTS, {"results": [{"id": "1"}, {"id": "x"}, 5, {"id": "2"}]}, [1, 2]),
        (routes.FETCH_VOTES, [{"id": "1"}, {}, None, {"id": "2"}], [1, 2]),
    ],
    ids=["bots", "voters"],
)
def test_bad_items_are_counted_and_warned_of(
    route: routes.Route[Any],
    document: object,
    arrives: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two items of a list make no sense: the others arrive, and one warning says how many."""
    with caplog.at_level(logging.WARNING):
        decoded = decode(route, document)
    assert [item.id for item in decoded] == arrives
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name.startswith("rx_toppy")
    assert "2" in record.getMessage()


@pytest.mark.parametrize(
    ("name", "item"),
    [
        *(("tags", item) for item in ([], 5, None)),
        *((name, item) for name in ("owners", "guilds") for item in ([], None, "x", "1e2", 0)),
    ],
)
def test_bad_items_inside_a_bot_are_warned_of(
    name: str, item: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A list of a single bot loses them likewise."""
    with caplog.at_level(logging.WARNING):
        bot = decode(routes.FETCH_BOT, {"id": "1", "username": "Luca", name: ["5", item, "6"]})
    assert len(bot.tags or bot.owners or bot.featured_guilds) == 2
    assert bot.username == "Luca"
    assert len(caplog.records) == 1


def test_what_is_fine_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Missing and null fields are everyday life."""
    with caplog.at_level(logging.WARNING):
        decode(routes.FETCH_BOT, LUCA)
        decode(routes.FETCH_BOT, {"id": "1", "tags": None, "username": None, "new": [1, None]})
        decode(routes.FETCH_BOTS, {"results": [{"id": "1", "owners": None}]})
    assert caplog.records == []


def test_an_entry_that_stayed_was_not_skipped() -> None:
    """`skipped` counts entries left out of the page, not what was left out inside of one."""
    bots = [{"id": "1", "tags": ["a", 5]}, {"id": "2", "owners": ["x", "y"]}]
    page = decode(routes.FETCH_BOTS, {"results": bots})
    assert [bot.id for bot in page] == [1, 2]
    assert page[0].tags == ("a",)
    assert page.skipped == 0


@pytest.mark.parametrize("name", ["skipped", "_skipped"])
def test_the_server_does_not_say_how_many_were_skipped(name: str) -> None:
    """That is ours to count."""
    assert decode(routes.FETCH_BOTS, {"results": [{"id": "1"}], name: 7}).skipped == 0


def test_a_malformed_shard_does_not_move_the_others() -> None:
    """A list of shards is told by position: what comes after a bad one keeps its shard id."""
    stats = decode(routes.GET_STATS, {"server_count": 9, "shards": [4, None, 5]})
    assert stats.shards == {0: 4, 2: 5}


def test_a_number_out_of_range_costs_one_field() -> None:
    """What no float can hold is malformed, and the rest arrives."""
    bot = decode(routes.FETCH_BOT, b'{"id": "1", "username": "Luca", "points": 1e400}')
    assert (bot.username, bot.all_time_votes) == ("Luca", None)


HALF = r'"a \ud83d"'  # of an emoji, as JavaScript writes a text that was cut in its middle


@pytest.mark.parametrize("name", ["username", "shortdesc", "new"])
def test_half_an_emoji_costs_one_field(name: str) -> None:
    """The rest arrives, and all text can be printed."""
    bot = decode(routes.FETCH_BOT, f'{{"id": "1", "{name}": {HALF}, "points": 5}}'.encode())
    assert (bot.id, bot.all_time_votes) == (1, 5)
    for text in (bot.username, bot.short_description):
        assert (text or "").encode() is not None


@pytest.mark.parametrize("name", ["username", "shortdesc", "new"])
def test_half_an_emoji_does_not_cost_a_page(name: str) -> None:
    """One bot's text is not the others' loss."""
    body = f'{{"results": [{{"id": "1", "{name}": {HALF}}}, {{"id": "2", "username": "b"}}]}}'
    page = decode(routes.FETCH_BOTS, body.encode())
    assert [bot.id for bot in page] == [1, 2]
    assert page[1].username == "b"


def test_half_an_emoji_beside_another_fault_can_be_printed() -> None:
    """However the body is read, no text comes out of it that can't be encoded."""
    bot = decode(routes.FETCH_BOT, f'{{"id": "1", "points": "x", "username": {HALF}}}'.encode())
    assert (bot.username or "").encode() is not None


@pytest.mark.parametrize("date", ["12", "1493229097", "0", "12.5", 12, 1493229097125])
def test_a_number_is_no_date(date: object) -> None:
    """ "12" is not a moment in 1970."""
    assert decode(routes.FETCH_BOT, {"id": "1", "date": date}).approved_at is None


@pytest.mark.parametrize("date", ["2017-04-26T18:08:17", "2017-04-26 18:08:17.125", "2017-04-26"])
def test_a_naive_date_is_none(date: str) -> None:
    """Without an offset it names no moment, and none is made up."""
    assert decode(routes.FETCH_BOT, {"id": "1", "date": date}).approved_at is None


def test_dates_beyond_microseconds_and_with_offsets_are_read() -> None:
    """Seven fractional digits, and an offset other than Z."""
    moment = decode(
        routes.FETCH_BOT, {"id": "1", "date": "2026-02-09T02:47:14.2510149+02:00"}
    ).approved_at
    assert moment.tzinfo is not None
    assert abs(moment - datetime(2026, 2, 9, 0, 47, 14, 251_015, UTC)) <= timedelta(microseconds=1)


@given(
    st.text(max_size=30)
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
)
def test_any_date_is_aware_or_none(date: str) -> None:
    """Whatever top.gg writes there."""
    moment = decode(routes.FETCH_BOT, {"id": "1", "date": date}).approved_at
    assert moment is None or moment.tzinfo is not None


@example("9" * 5000)
@given(st.text(max_size=30) | st.integers(1, 6000).map(lambda n: "9" * n))
def test_any_text_in_a_bot_can_be_looked_at(text: str) -> None:
    """No attribute raises, however odd the text is that it is made from."""
    names = ("invite", "donatebotguildid", "date", "avatar", "defAvatar", "discriminator")
    bot = decode(routes.FETCH_BOT, {"id": "1"} | dict.fromkeys(names, text))
    for name in dir(bot):
        if not name.startswith("_"):
            getattr(bot, name)


@example("9" * 5000)
@given(st.text(max_size=30) | st.integers(1, 6000).map(lambda n: "9" * n))
def test_any_text_in_a_user_can_be_looked_at(text: str) -> None:
    """No attribute raises, however odd the text is that it is made from."""
    user = decode(routes.FETCH_USER, {"id": "1"} | dict.fromkeys(("color", "discriminator"), text))
    voter = decode(routes.FETCH_VOTES, [{"id": "1", "discriminator": text}])[0]
    for model in (user, voter):
        for name in dir(model):
            if not name.startswith("_"):
                getattr(model, name)


# --- on the edge ---


@pytest.mark.parametrize("route", [routes.FETCH_BOT, routes.FETCH_USER], ids=["bot", "user"])
@pytest.mark.parametrize("id", ["15e3", "1e15", "1234567891e6", "923456789012345e0", "100.0"])
def test_an_exponent_is_no_part_of_an_id(id: str, route: routes.Route[Any]) -> None:
    """Text that only comes to a whole number is no id, however long that number is."""
    with pytest.raises(ValueError, match="JSON"):
        decode(route, {"id": id, "username": "Luca"})


@pytest.mark.parametrize(
    ("body", "header", "seconds"),
    [
        ({"retryAfter": 90}, None, 90.0),
        ({"retry-after": 0}, None, 0.0),
        (b"", "0", 0.0),
        (b"", "Wed, 15 Apr 2026 12:01:30 -0000", 90.0),
        (b"", "Wed, 15 Apr 2026 12:00:01 GMT", 1.0),
        (b"", "Wed, 15 Apr 2026 12:00:00 GMT", HOUR),
        (b"", "1e3", HOUR),
        (b"", "1_000", HOUR),
        (b"", "9" * 400, HOUR),
    ],
)
def test_a_time_that_is_nearly_none(body: object, header: str | None, seconds: float) -> None:
    """No time at all counts, and so does a date of no zone; the moment that it is now does not."""
    assert wait(body, header) == seconds


def test_a_date_is_told_from_now() -> None:
    """Without another clock, by the system's."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = failure(429, {"Retry-After": soon}, b"", method="GET", url=URL, token=TOKEN)
    assert isinstance(error, errors.Ratelimited)
    assert 60 < error.retry_after <= 90


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"title": 404, "detail": "no such bot"}, "no such bot"),
        ({"title": "", "detail": "no such bot"}, "no such bot"),
        ({"error": ["x"], "message": "no such bot"}, "no such bot"),
        ({"title": "Not Found", "detail": "no such bot"}, "Not Found: no such bot"),
        ({"error": "Not Found", "message": "Not Found"}, "Not Found"),
    ],
)
def test_only_words_are_quoted(body: object, text: str) -> None:
    """Of the fields that say what is wrong: those with text in it, each text once."""
    assert failed(404, body).text == text


@pytest.mark.parametrize(("length", "kept"), [(499, 499), (500, 500), (501, 499), (5000, 499)])
def test_what_the_server_said_is_five_hundred_characters_at_most(length: int, kept: int) -> None:
    """As many are whole; of more, the last one says that there was more."""
    text = failed(500, b"x" * length).text
    assert text == "x" * kept + ("…" if kept < length else "")


@pytest.mark.parametrize(("token", "text"), [("abc", "abcdef"), ("abcd", "***ef"), ("", "abcdef")])
def test_a_token_of_a_few_letters_is_part_of_any_word(token: str, text: str) -> None:
    """Three letters are no secret, and are left where they stand."""
    assert failed(500, b"abcdef", token=token).text == text


def test_a_number_too_long_for_python_costs_one_field() -> None:
    """It reads no more than 4300 digits: the other fields are kept all the same."""
    points = b"9" * 5000
    bot = decode(routes.FETCH_BOT, b'{"id": "1", "username": "Luca", "points": ' + points + b"}")
    assert (bot.id, bot.username, bot.all_time_votes) == (1, "Luca", None)


@pytest.mark.parametrize("shard", ["x", {}, [], 1.5])
def test_a_shard_that_is_no_number_keeps_its_place(shard: object) -> None:
    """It is left out of the counts, and those after it are not moved up."""
    stats = decode(routes.GET_STATS, {"server_count": 9, "shards": [4, shard, 5]})
    assert stats.shards == {0: 4, 2: 5}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_only_looks_like_a_number_is_no_json(number: bytes) -> None:
    """No reader of JSON takes these, but for Python's."""
    with pytest.raises(ValueError, match="no JSON"):
        decode(routes.FETCH_BOT, b'{"id": "1", "points": ' + number + b"}")


@pytest.mark.parametrize("id", ["1234567891234567.0", "1234567891234567e0", "12345678912345670e-1"])
def test_a_long_id_is_of_digits_too(id: str) -> None:
    """A text with a point or an exponent is no id, not even one whose number has no noughts."""
    with pytest.raises(ValueError, match="JSON"):
        decode(routes.FETCH_BOT, {"id": id, "username": "Luca"})
