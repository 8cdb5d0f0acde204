"""Whatever goes wrong on the wire: one of our errors, the right number of sends, and no token."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from rx_toppy import (
    AutopostFailed,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    RateLimit,
    Ratelimited,
    RequestEvent,
    TopGG,
    TopGGServerError,
    ToppyError,
    of_type,
)
from tests.conftest import OWN_ID, TOKEN, MakeClient
from tests.standin import (
    FAULTS,
    Answer,
    Reply,
    Seen,
    StandIn,
    bad_json,
    bad_utf8,
    close,
    cut_chunked,
    deep_json,
    drip,
    drop_next,
    empty,
    gzip_bomb,
    ok,
    oversized,
    rate_limited,
    raw,
    redirect,
    reset,
    stall_body,
    status,
    then_close,
    wait,
)

LUCA = {"id": "1", "username": "Luca"}
PATIENCE = 5.0
# A timeout that is meant to pass, once the request has arrived and an answer may have begun.
ENOUGH = 0.25


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a few milliseconds between retries."""
    monkeypatch.setattr("rx_toppy.api.retries.FIRST_PAUSE", 0.01)


# --- the two calls that are tried, each in two ways ---


@dataclass(frozen=True)
class Tried:
    ask: Callable[[TopGG], Any]
    method: str
    path: str
    route: str
    value: Callable[[Any], bool]


GET = Tried(lambda c: c.fetch_bot(1), "GET", "/bots/1", "/bots/{id}", lambda bot: bot.id == 1)
POST = Tried(
    lambda c: c.post_stats(),
    "POST",
    f"/bots/{OWN_ID}/stats",
    "/bots/{id}/stats",
    lambda stats: int(stats) == 1234,
)


async def awaited(call: Any) -> Any:
    """The value or the error."""
    try:
        return await call
    except ToppyError as error:
        return error


async def subscribed(call: Any) -> Any:
    """The value or the error, after which nothing else came."""
    told: list[Any] = []
    over = asyncio.Event()

    def end(*error: Exception) -> None:
        told.extend(error or ["completed"])
        over.set()

    call.subscribe(told.append, end, end)
    async with asyncio.timeout(PATIENCE):
        await over.wait()
    assert len(told) == 1 or told[1:] == ["completed"]
    return told[0]


ways = pytest.mark.parametrize("way", [awaited, subscribed], ids=lambda way: way.__name__)
calls = pytest.mark.parametrize("tried", [GET, POST], ids=lambda tried: tried.method)


def requests(client: TopGG) -> list[RequestEvent]:
    """The client's RequestEvents from here on."""
    events: list[RequestEvent] = []
    client.events.pipe(of_type(RequestEvent)).subscribe(events.append)
    return events


def assert_no_token(*things: object, logs: pytest.LogCaptureFixture) -> None:
    """In nothing that a user may come to see, and in no error behind another."""
    said = [logs.text, *(repr((r.msg, r.args, r.exc_info, vars(r))) for r in logs.records)]
    errors = [thing for thing in things if isinstance(thing, BaseException)]
    for error in errors:
        errors += [e for e in (error.__cause__, error.__context__) if e and e not in errors]
        said += [*traceback.format_exception(error), repr(error.args), repr(vars(error))]
    said += [form(thing) for thing in (*things, *errors) for form in (repr, str)]
    pieces = {TOKEN[at : at + 12] for at in range(len(TOKEN) - 11)}
    assert not [text for text in said if any(piece in text for piece in pieces)]


# --- every fault ---


@dataclass(frozen=True)
class Failure:
    """What is to come of a fault, and what is said of it (`text` by the server)."""

    kind: type[ToppyError]
    status: int | None = None
    text: str | None = ""
    says: str = ""


@dataclass(frozen=True)
class Case:
    fault: Callable[[], Reply]
    get: Failure | None
    post: Failure | None
    """None where it is none: the body of a post is of no interest."""


def both(fault: Callable[[], Reply], failure: Failure) -> Case:
    return Case(fault, failure, failure)


LOST = Failure(ConnectionFailed)
CUT = Failure(ConnectionFailed, 200)
LATE = Failure(ConnectionFailed, says="no answer within")
LATE_BODY = Failure(ConnectionFailed, 200, says="no answer within")
HOUR = Failure(Ratelimited, 429, None, says="3600 s")
NO_JSON = Failure(InvalidResponse, 200, says="JSON")
HUGE = Failure(InvalidResponse, 200, says="more than")

CASES: dict[str, Case] = {
    "reset": both(FAULTS["reset"], LOST),
    "cut_off": Case(FAULTS["cut_off"], CUT, None),
    "garbage": both(FAULTS["garbage"], LOST),
    "html": both(FAULTS["html"], Failure(InvalidResponse, 200, says="Just a moment")),
    "204": Case(FAULTS["204"], Failure(InvalidResponse, 204, says="empty"), None),
    "302": both(FAULTS["302"], Failure(InvalidResponse, 302, says="redirect")),
    "400": both(FAULTS["400"], Failure(InvalidRequest, 400, "Bad Request")),
    "401": both(FAULTS["401"], Failure(Forbidden, 401, "Unauthorized")),
    "403": both(FAULTS["403"], Failure(Forbidden, 403, "Forbidden")),
    "404": both(FAULTS["404"], Failure(NotFound, 404, "Not Found")),
    "418": both(FAULTS["418"], Failure(InvalidRequest, 418, "I'm a teapot")),
    "429_body": both(FAULTS["429_body"], HOUR),
    "429_header": both(FAULTS["429_header"], HOUR),
    "429_date": both(FAULTS["429_date"], Failure(Ratelimited, 429, None)),
    "429_both": both(FAULTS["429_both"], HOUR),
    "429_neither": both(FAULTS["429_neither"], HOUR),
    "500": both(FAULTS["500"], Failure(TopGGServerError, 500, "Internal Server Error")),
    "520": both(FAULTS["520"], Failure(TopGGServerError, 520, "an HTML page: Just a moment...")),
    "hang": both(FAULTS["hang"], LATE),
    "close": both(close, LOST),
    "cut_chunked": Case(partial(cut_chunked, LUCA), CUT, None),
    "bad_json": Case(bad_json, NO_JSON, None),
    "bad_utf8": Case(bad_utf8, NO_JSON, None),
    "deep_json": Case(deep_json, NO_JSON, None),
    "empty": Case(empty, Failure(InvalidResponse, 200, says="empty"), None),
    "wrong_shape": Case(partial(ok, ["a", "list"]), NO_JSON, None),
    "oversized": Case(oversized, HUGE, None),
    "oversized_declared": Case(partial(oversized, 65, declared=True), HUGE, None),
    "gzip_bomb": Case(partial(gzip_bomb, 65), HUGE, None),
    "stall_body": Case(partial(stall_body, LUCA), LATE_BODY, None),
    "drip": Case(partial(drip, LUCA, 0.005), LATE_BODY, None),
    "999": both(partial(status, 999), Failure(InvalidResponse, 999)),
}
SLOW = ("hang", "stall_body", "drip")


def test_every_fault_is_tried() -> None:
    """What the stand-in can do wrong is in the table."""
    assert set(FAULTS) <= set(CASES)


@ways
@calls
@pytest.mark.parametrize("name", CASES)
async def test_a_fault_is_one_of_our_errors(
    name: str,
    tried: Tried,
    way: Callable[[Any], Any],
    topgg: StandIn,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Which one, what it knows, one event for its one send; and no token anywhere."""
    caplog.set_level(logging.DEBUG)
    case = CASES[name]
    expected = case.get if tried is GET else case.post
    topgg.reply(tried.path, case.fault())
    client = make_client(retries=0, timeout=ENOUGH if name in SLOW else PATIENCE)
    events = requests(client)
    outcome = await way(tried.ask(client))
    assert topgg.paths == [f"{tried.method} {tried.path}"]
    (event,) = events
    url = topgg.base_url + tried.path
    assert (event.method, event.url, event.route) == (tried.method, url, tried.route)
    assert event.attempt == 1
    assert event.elapsed >= 0
    assert_no_token(outcome, event, client, client.events, logs=caplog)
    if expected is None:
        assert tried.value(outcome)
        assert event.error is None
        return
    assert type(outcome) is expected.kind
    assert outcome is event.error
    assert (outcome.status, outcome.method, outcome.url) == (expected.status, tried.method, url)
    assert event.status == expected.status
    assert expected.text in (outcome.text, None)
    assert expected.says in str(outcome)
    if isinstance(outcome, Ratelimited):
        assert not outcome.internal
        assert outcome.retry_after == pytest.approx(3600, abs=5)


@ways
@calls
async def test_nobody_at_home_is_a_connection_that_failed(
    tried: Tried,
    way: Callable[[Any], Any],
    topgg: StandIn,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refused connection has no status."""
    caplog.set_level(logging.DEBUG)
    client = make_client(retries=2)
    events = requests(client)
    async with topgg.down():
        outcome = await way(tried.ask(client))
    assert type(outcome) is ConnectionFailed
    assert (outcome.status, outcome.method) == (None, tried.method)
    assert [event.attempt for event in events] == [1, 2, 3]
    assert_no_token(outcome, *events, logs=caplog)


async def test_a_host_that_is_not_found_is_a_connection_that_failed(
    make_client: MakeClient,
) -> None:
    """No name server knows it."""
    client = make_client(base_url="http://nowhere.invalid/api", retries=0)
    assert type(await awaited(client.fetch_bot(1))) is ConnectionFailed


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n" + b'{"error": "nobody',
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("closes", [True, False])
async def test_a_status_counts_though_its_body_is_cut_off_or_late(
    head: bytes, closes: bool, topgg: StandIn, make_client: MakeClient
) -> None:
    """The status is looked at before the body: it was a 404."""
    topgg.default(raw(head, close=closes))
    outcome = await awaited(make_client(timeout=ENOUGH).fetch_bot(1))
    assert type(outcome) is NotFound
    assert len(topgg.seen) == 1


async def test_an_error_may_go_on_for_ever(topgg: StandIn, make_client: MakeClient) -> None:
    """Of the body of an error only the beginning is read."""
    head = b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    topgg.default(raw(head + b"%x\r\n" % 10**9 + b"no! " * 50_000))
    outcome = await awaited(make_client(retries=0).fetch_bot(1))
    assert type(outcome) is TopGGServerError
    assert outcome.text.startswith("no! no! ")


@calls
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "unheard-of"])
async def test_a_body_that_cannot_be_unpacked_is_one_of_our_errors(
    encoding: str, tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """Whatever it claims to be packed with; a post succeeds all the same."""
    topgg.default(status(200, b"no such thing", {"Content-Encoding": encoding}))
    outcome = await awaited(tried.ask(make_client(retries=0)))
    if tried is GET:
        assert type(outcome) in (ConnectionFailed, InvalidResponse)
        assert outcome.status == 200
    else:
        assert tried.value(outcome)


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_an_encoding_that_was_not_asked_for_is_one_of_our_errors(
    encoding: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """Whether it can be unpacked depends on what is installed."""
    topgg.default(status(200, b"no such thing", {"Content-Encoding": encoding}))
    assert isinstance(await awaited(make_client(retries=0).fetch_bot(1)), ToppyError)


async def test_redirects_are_not_followed(topgg: StandIn, make_client: MakeClient) -> None:
    """Neither elsewhere nor here, whatever kind they are."""
    client = make_client()
    for code in (301, 302, 303, 307, 308):
        topgg.reply("/bots/1", redirect(f"{topgg.base_url}/elsewhere", code))
        assert type(await awaited(client.fetch_bot(1))) is InvalidResponse
    assert topgg.paths == ["GET /bots/1"] * 5


# --- sends on the wire ---

REPEATED = ("reset", "close", "garbage", "500", "520", "hang")


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize(
    ("tried", "name"),
    [
        *((GET, name) for name in (*REPEATED, "cut_off", "cut_chunked")),
        *((POST, name) for name in REPEATED),
    ],
    ids=lambda value: value.method if isinstance(value, Tried) else value,
)
async def test_what_may_pass_is_sent_again(
    tried: Tried, name: str, retries: int, topgg: StandIn, make_client: MakeClient
) -> None:
    """As many sends as retries and one, each with an event that has its number."""
    topgg.reply(tried.path, CASES[name].fault())
    client = make_client(retries=retries, timeout=ENOUGH if name in SLOW else PATIENCE)
    events = requests(client)
    outcome = await awaited(tried.ask(client))
    assert CASES[name].get is not None
    assert type(outcome) is CASES[name].get.kind
    assert topgg.paths == [f"{tried.method} {tried.path}"] * (retries + 1)
    assert [event.attempt for event in events] == list(range(1, retries + 2))
    assert {type(event.error) for event in events} == {type(outcome)}
    assert events[-1].error is outcome


ONCE = [name for name in CASES if name not in (*REPEATED, "cut_off", "cut_chunked", *SLOW)]


@calls
@pytest.mark.parametrize("name", [name for name in ONCE if "oversized" not in name])
async def test_what_does_not_pass_is_sent_once(
    name: str, tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """No 4xx, least of all a 429, and no answer that makes no sense is asked for again."""
    topgg.reply(tried.path, CASES[name].fault())
    client = make_client(retries=3)
    events = requests(client)
    await awaited(tried.ask(client))
    assert len(topgg.seen) == len(events) == 1


@ways
@calls
async def test_the_third_send_succeeds(
    tried: Tried, way: Callable[[Any], Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """A reset, a 503, an answer: the caller hears of the answer alone."""
    topgg.script(tried.path, reset(), status(503), ok(LUCA))
    client = make_client(retries=2)
    events = requests(client)
    assert tried.value(await way(tried.ask(client)))
    assert len(topgg.seen) == 3
    assert [(event.attempt, event.status, type(event.error)) for event in events] == [
        (1, None, ConnectionFailed),
        (2, 503, TopGGServerError),
        (3, 200, type(None)),
    ]


async def test_a_503_is_sent_again_when_it_asks_to_be(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """The pause is no shorter than its Retry-After."""
    topgg.script("/bots/1", status(503, headers={"Retry-After": "0.2"}), ok(LUCA))
    assert (await make_client(retries=1).fetch_bot(1)).id == 1
    first, second = topgg.seen
    assert second.at - first.at >= 0.2


async def test_a_503_that_asks_for_too_long_is_not_sent_again(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Retries are bounded in time: the call fails at once."""
    topgg.default(status(503, headers={"Retry-After": "3600"}))
    outcome = await awaited(make_client(retries=3).fetch_bot(1))
    assert type(outcome) is TopGGServerError
    assert outcome.retry_after == 3600
    assert len(topgg.seen) == 1


async def test_pauses_between_sends_grow(
    topgg: StandIn, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is at least half of what the doubling makes of the first."""
    monkeypatch.setattr("rx_toppy.api.retries.FIRST_PAUSE", 0.04)
    topgg.default(status(500))
    await awaited(make_client(retries=3).fetch_bot(1))
    pauses = [after.at - before.at for before, after in pairwise(topgg.seen)]
    assert all(pause >= least for pause, least in zip(pauses, (0.02, 0.04, 0.08), strict=True))


# --- the race of keep-alive ---


@calls
async def test_a_kept_connection_that_was_dropped_is_no_failure(
    tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """The server let go of it as the request went out: it is sent again, even with retries=0."""
    topgg.script(tried.path, drop_next(ok(LUCA)), ok(LUCA))
    client = make_client(retries=0)
    events = requests(client)
    await tried.ask(client)
    assert tried.value(await tried.ask(client))
    assert len(topgg.seen) == 3
    assert topgg.seen[0].connection == topgg.seen[1].connection != topgg.seen[2].connection
    assert [(event.attempt, event.status, type(event.error)) for event in events] == [
        (1, 200, type(None)),
        (1, None, ConnectionFailed),
        (2, 200, type(None)),
    ]


@calls
async def test_what_was_dropped_is_sent_again_once(
    tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """When the second send is lost as well, that is a failure."""
    topgg.script(tried.path, drop_next(ok(LUCA)), reset())
    client = make_client(retries=0)
    await tried.ask(client)
    assert type(await awaited(tried.ask(client))) is ConnectionFailed
    assert len(topgg.seen) == 3


async def test_a_dropped_send_takes_a_place_of_its_own(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Every send on the wire counts for the rate limits, that of a race too."""
    topgg.script("/bots/1", drop_next(ok(LUCA)), ok(LUCA))
    limits = [RateLimit(2, per=60)]
    client = make_client(retries=0, rate_limits=limits, max_wait=1)
    await client.fetch_bot(1)
    assert isinstance(await awaited(client.fetch_bot(1)), ToppyError)
    assert len(topgg.seen) == 2


@calls
async def test_a_reset_on_the_first_connection_is_a_failure(
    tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """No connection was kept, so there is no race: with retries=0 that was it."""
    topgg.script(tried.path, reset(), ok(LUCA))
    assert type(await awaited(tried.ask(make_client(retries=0)))) is ConnectionFailed
    assert len(topgg.seen) == 1


@calls
@pytest.mark.parametrize(
    "before",
    [
        [status(200, headers={"Connection": "close"}, json=LUCA)],
        [status(200, headers={"Connection": "Close"}, json=LUCA)],
        [ok(LUCA), status(200, headers={"Connection": "close"}, json=LUCA)],
        [then_close(ok(LUCA))],
    ],
    ids=["close", "Close", "kept, then close", "closed while idle"],
)
async def test_a_reset_on_a_fresh_connection_is_a_failure(
    before: list[Reply], tried: Tried, topgg: StandIn, make_client: MakeClient
) -> None:
    """The connection before was properly closed, so there is no race on the new one either."""
    topgg.script(tried.path, *before, reset(), ok(LUCA))
    client = make_client(retries=0)
    for _ in before:
        await tried.ask(client)
    await topgg.connected(0)
    for _ in range(5):  # until the client has heard of it as well
        await asyncio.sleep(0)
    assert type(await awaited(tried.ask(client))) is ConnectionFailed
    assert len(topgg.seen) == len(before) + 1
    assert topgg.seen[-1].connection != topgg.seen[-2].connection


# --- too many requests ---


@ways
@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("429")])
async def test_after_a_429_nothing_is_sent(
    name: str, way: Callable[[Any], Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """The next calls, whatever they are, fail at once and know how long it is."""
    topgg.default(FAULTS[name]())
    client = make_client()
    events = requests(client)
    first = await way(client.fetch_bot(1))
    assert (type(first), first.internal, first.status) == (Ratelimited, False, 429)
    for call in (client.fetch_bot(1), client.fetch_user(1), client.post_stats()):
        outcome = await way(call)
        assert type(outcome) is Ratelimited
        assert outcome.internal
        assert 3590 < outcome.retry_after <= 3602
        assert outcome.status is None
        assert outcome.url.startswith(topgg.base_url)
    assert len(topgg.seen) == len(events) == 1


async def test_who_waits_for_a_window_hears_of_a_429(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """A call that waits for its turn fails as soon as the turn is too far away."""
    answered = asyncio.Event()
    topgg.default(wait(answered, rate_limited(3600)))
    client = make_client(rate_limits=[RateLimit(1, per=20)])
    first = asyncio.ensure_future(awaited(client.fetch_bot(1)))
    await topgg.arrived(1)
    second = asyncio.ensure_future(awaited(client.fetch_bot(2)))
    await asyncio.sleep(0)
    assert not second.done()
    answered.set()
    async with asyncio.timeout(PATIENCE):
        refused, held_back = await first, await second
    assert (type(refused), refused.internal) == (Ratelimited, False)
    assert (type(held_back), held_back.internal) == (Ratelimited, True)
    assert len(topgg.seen) == 1


@ways
async def test_who_may_wait_as_long_as_a_429_does(
    way: Callable[[Any], Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """A block that is shorter than max_wait is waited for; the refused call itself is not."""
    topgg.script("/bots/1", status(429, json={"retry-after": 0.2}), ok(LUCA))
    client = make_client(max_wait=5)
    refused = await way(client.fetch_bot(1))
    assert (type(refused), refused.retry_after) == (Ratelimited, 0.2)
    assert (await way(client.fetch_bot(1))).id == 1
    first, second = topgg.seen
    assert second.at - first.at >= 0.2


async def test_who_may_not_wait_does_not(topgg: StandIn, make_client: MakeClient) -> None:
    """With max_wait=0 even a short block fails the next call."""
    topgg.script("/bots/1", status(429, json={"retry-after": 5}), ok(LUCA))
    client = make_client(max_wait=0)
    await awaited(client.fetch_bot(1))
    assert type(await awaited(client.fetch_bot(1))) is Ratelimited
    assert len(topgg.seen) == 1


async def test_no_block_is_believed_to_last_longer_than_a_day(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Whatever the 429 says."""
    topgg.default(status(429, json={"retry-after": 1e300}))
    client = make_client()
    await awaited(client.fetch_bot(1))
    outcome = await awaited(client.fetch_bot(1))
    assert 86_000 < outcome.retry_after <= 86_400


@pytest.mark.parametrize(
    "answer",
    [
        status(429, json={"retry-after": 1e300}),
        status(429, headers={"Retry-After": "9" * 30}),
        status(503, headers={"Retry-After": "9" * 30}),
        status(503, headers={"Retry-After": "Wed, 15 Apr 9999 12:00:00 GMT"}),
        status(503, headers={"Retry-After": f"Wed, 15 Apr {'9' * 30} 12:00:00 GMT"}),
    ],
    ids=["429 body", "429 header", "503 header", "503 date", "503 no date"],
)
async def test_autopost_outlives_an_absurd_retry_after(
    answer: Reply, topgg: StandIn, make_client: MakeClient
) -> None:
    """It fails, will try again within a day, and runs on."""
    topgg.default(answer)
    client = make_client(retries=0)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # the assertions below tell it all
    failed: asyncio.Future[AutopostFailed] = loop.create_future()
    client.events.pipe(of_type(AutopostFailed)).subscribe(failed.set_result)
    client.autopost.start()
    async with asyncio.timeout(PATIENCE):
        event = await failed
        await asyncio.sleep(0.01)
    assert client.autopost.is_running()
    assert client.autopost.next_iteration is not None
    assert event.retry_in <= 86_400


async def test_two_clients_share_nothing(topgg: StandIn, make_client: MakeClient) -> None:
    """One is blocked, its windows full: the other, with the same token, hears nothing of it."""
    topgg.script("/bots/1", rate_limited(3600), ok(LUCA))
    limits = [RateLimit(1, per=60)]
    one, other = make_client(rate_limits=limits), make_client(rate_limits=limits)
    heard = requests(other)
    assert type(await awaited(one.fetch_bot(1))) is Ratelimited
    assert type(await awaited(one.fetch_bot(1))) is Ratelimited
    assert heard == []
    assert (await other.fetch_bot(1)).id == 1
    assert one.session is not other.session
    assert len(heard) == 1


# --- a server that repeats the token ---


def repeating(template: str, **options: Any) -> Callable[[Seen], Answer]:
    """These bytes, with the token in place of TOKEN."""

    def answer(seen: Seen) -> Answer:
        token = seen.headers["authorization"]
        data = template.replace("TOKEN", token).encode("latin-1")
        head, blank, body = data.partition(b"\r\n\r\n")
        head = head.replace(b"LENGTH", b"%d" % len(body))
        return raw(head + blank + body, **options)

    return answer


PROPER = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSED = PROPER.replace("200 OK", "401 Unauthorized")
TOLD: dict[str, Callable[[Seen], Answer]] = {
    "json error": repeating(REFUSED + '{"error": "bad token TOKEN"}'),
    "html error": repeating(REFUSED + "<html><title>bad token TOKEN</title></html>"),
    "text error": repeating(REFUSED + "Authorization: TOKEN\r\nis no good"),
    "long error": repeating(REFUSED + "x" * 450 + "TOKEN"),
    "server error": repeating(PROPER.replace("200 OK", "500 Oops") + "at f(TOKEN)"),
    "reason": repeating("HTTP/1.1 401 bad token TOKEN\r\nContent-Length: 0\r\n\r\n"),
    "redirect": repeating(
        "HTTP/1.1 302 Found\r\nLocation: /login?token=TOKEN\r\nContent-Length: 0\r\n\r\n"
    ),
    "429 header": repeating("HTTP/1.1 429 Slow\r\nRetry-After: TOKEN\r\nContent-Length: 0\r\n\r\n"),
    "429 body": repeating(PROPER.replace("200 OK", "429 Slow") + '{"retry-after": "TOKEN"}'),
    "html page": repeating(PROPER + "<html><title>TOKEN</title></html>"),
    "long html page": repeating(PROPER + f"<html><title>{'x' * 470}TOKEN</title></html>"),
    "wrong shape": repeating(PROPER + '{"TOKEN": "TOKEN"}'),
    "wrong id": repeating(PROPER + '{"id": "TOKEN"}'),
    "bad json": repeating(PROPER + '{"id": "1", "username": "TOKEN'),
    "bad utf8": repeating(PROPER + '{"id": "1", "username": "TOKEN \xff\xc3("}'),
    "no json": repeating(PROPER + "TOKEN"),
    "no http": repeating("TOKEN\r\n\r\n", close=True),
    "long and no http": repeating("x" * 470 + "TOKEN\r\n\r\n", close=True),
    "bad status": repeating("HTTP/1.1 TOKEN OK\r\n\r\n", close=True),
    "bad version": repeating("HTTP/TOKEN 200 OK\r\n\r\n", close=True),
    "bad header": repeating("HTTP/1.1 200 OK\r\nTOKEN\r\n\r\n", close=True),
    "bad name": repeating("HTTP/1.1 200 OK\r\n(TOKEN): x\r\n\r\n", close=True),
    "bad length": repeating("HTTP/1.1 200 OK\r\nContent-Length: TOKEN\r\n\r\n", close=True),
    "bad encoding": repeating(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: LENGTH\r\n\r\nTOKEN"
    ),
    "bad chunk": repeating(CHUNKED + "TOKEN\r\n", close=True),
    "cut off": repeating(CHUNKED + '80\r\n{"id": "1", "username": "TOKEN', close=True),
    "cookie": repeating(
        PROPER.replace("\r\n\r\n", "\r\nSet-Cookie: TOKEN\r\nServer: TOKEN\r\n\r\n") + "{"
    ),
}


@pytest.mark.parametrize("name", TOLD)
async def test_a_server_that_repeats_the_token_is_not_quoted(
    name: str, topgg: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it does: the error, those behind it, the events and the logs are clean of it."""
    caplog.set_level(logging.DEBUG)
    topgg.default(TOLD[name])
    client = make_client(retries=1)
    events = requests(client)
    outcome = await awaited(client.fetch_bot(1))
    assert isinstance(outcome, ToppyError)
    assert_no_token(outcome, *events, client, logs=caplog)


async def test_a_retry_is_logged_without_the_token(
    topgg: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Sends, retries and waits are told of at DEBUG, and a 429 as a warning."""
    caplog.set_level(logging.DEBUG)
    topgg.script("/bots/1", status(503), rate_limited(3600))
    client = make_client()
    outcome = await awaited(client.fetch_bot(1))
    assert type(outcome) is Ratelimited
    ours = [record for record in caplog.records if record.name.startswith("rx_toppy")]
    assert any(record.levelno == logging.WARNING for record in ours)
    assert any("/bots/1" in record.getMessage() for record in ours)
    assert_no_token(outcome, logs=caplog)


async def test_an_error_that_nobody_hears_is_logged_without_the_token(
    topgg: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscription without on_error logs it, traceback and all."""
    caplog.set_level(logging.DEBUG)
    topgg.default(TOLD["json error"])
    client = make_client()
    over = asyncio.Event()
    client.fetch_bot(1).subscribe(on_completed=over.set)
    client.events.subscribe(lambda _: over.set())
    await over.wait()
    await topgg.idle()
    await asyncio.sleep(0)
    assert "Forbidden" in caplog.text
    assert_no_token(logs=caplog)
