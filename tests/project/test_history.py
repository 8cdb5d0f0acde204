"""The vote history: page after page as they are wanted, and where to go on another time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from reactivex import operators as ops

from rx_toppy import InvalidRequest, InvalidResponse, RateLimit, Ratelimited, Vote
from tests.conftest import MakeClient
from tests.standin import Answer, Seen, StandIn, ok, status

from . import (
    AT,
    USER,
    VOTES,
    Heard,
    Ledger,
    awaited,
    pages_of,
    problem,
    scene,
    subscribed,
    virtual,
    vote,
    voters,
)

HISTORY = f"GET {AT}/votes"


def asked(topgg: StandIn) -> list[str | None]:
    """The cursor of each request."""
    return [seen.query.get("cursor") for seen in topgg.seen]


async def took(call: Any, count: int) -> list[Any]:
    """So many of its votes, by an `async for` that is left then."""
    votes = []
    async for one in call:
        votes.append(one)
        if len(votes) == count:
            break
    return votes


async def piped(call: Any, count: int) -> list[Any]:
    """So many of its votes, by the operator `take`."""
    heard = await subscribed(call.pipe(ops.take(count)))
    assert heard.ends == ["completed"]
    return heard.values


taking = pytest.mark.parametrize("take", [took, piped], ids=["async for", "take"])


# --- all of it ---


async def test_all_votes_come_in_order_and_none_twice(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """2,500 votes over 25 pages, one request for each and one that finds no more."""
    topgg.reply(HISTORY, Ledger(pages_of(2500, 100)))
    votes = await make_client().project.votes()
    assert voters(votes) == list(range(1, 2501))
    assert asked(topgg) == [None, *(f"cursor {n}" for n in range(1, 26))]


async def test_subscribed_the_votes_come_one_by_one(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """All of them, and then completion."""
    topgg.reply(HISTORY, Ledger(pages_of(250, 100)))
    heard = await subscribed(make_client().project.votes())
    assert voters(heard.values) == list(range(1, 251))
    assert heard.ends == ["completed"]


async def test_a_history_without_votes_is_empty(topgg: StandIn, make_client: MakeClient) -> None:
    """An empty list after one request; subscribed, nothing but completion."""
    topgg.reply(HISTORY, Ledger([]))
    project = make_client().project
    assert await project.votes() == []
    assert await subscribed(project.votes()) == Heard([], ["completed"])
    assert len(topgg.seen) == 2


async def test_each_reading_begins_anew(topgg: StandIn, make_client: MakeClient) -> None:
    """Awaited twice, the same call reads the same votes from the beginning."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    call = make_client().project.votes()
    assert voters(await call) == voters(await call) == list(range(1, 31))
    assert asked(topgg) == [None, "cursor 1", "cursor 2", "cursor 3"] * 2


async def test_two_readings_of_one_call_do_not_mix(topgg: StandIn, make_client: MakeClient) -> None:
    """At the same time, each reads all."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    call = make_client().project.votes()
    first, second = await asyncio.gather(call, call)
    assert voters(first) == voters(second) == list(range(1, 31))


@taking
async def test_no_more_is_fetched_than_is_wanted(
    take: Callable[..., Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """Five votes are one page, 100 still are; nothing is sent once the reader has left."""
    topgg.reply(HISTORY, Ledger(pages_of(2500, 100)))
    client = make_client()
    assert voters(await take(client.project.votes(), 5)) == [1, 2, 3, 4, 5]
    assert asked(topgg) == [None]
    assert voters(await take(client.project.votes(), 100)) == list(range(1, 101))
    assert asked(topgg) == [None, None]
    assert len(await take(client.project.votes(), 101)) == 101
    await topgg.idle()
    assert asked(topgg) == [None, None, None, "cursor 1"]
    await client.close()
    assert len(topgg.seen) == 4


async def test_the_next_page_is_asked_for_when_the_last_one_is_read(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """At the reader's pace: before the eleventh vote there is one request, with it two."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    requests = [len(topgg.seen) async for _ in make_client().project.votes()]
    assert requests == [1] * 10 + [2] * 10 + [3] * 10


# --- where it begins ---


async def test_without_arguments_it_begins_a_year_ago(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """As far back as top.gg's history goes, give or take a day."""
    topgg.reply(HISTORY, Ledger([]))
    await make_client().project.votes()
    (seen,) = topgg.seen
    (text,) = seen.query.values()
    ago = datetime.now(UTC) - datetime.fromisoformat(text)
    assert abs(ago - timedelta(days=365)) <= timedelta(days=1, minutes=1)


async def test_a_year_ago_is_counted_from_when_it_is_read(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """A call that is made once and read again later begins later."""
    topgg.reply(HISTORY, Ledger([]))
    call = make_client().project.votes()
    await call
    await call
    first, second = (datetime.fromisoformat(seen.query["startDate"]) for seen in topgg.seen)
    assert first < second


async def test_it_goes_on_from_a_cursor(topgg: StandIn, make_client: MakeClient) -> None:
    """What lies before that cursor is not read again."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    votes = await make_client().project.votes(cursor="cursor 2")
    assert voters(votes) == list(range(21, 31))
    assert asked(topgg) == ["cursor 2", "cursor 3"]


async def test_a_cursor_counts_more_than_since(topgg: StandIn, make_client: MakeClient) -> None:
    """Given both, only the cursor is sent."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    votes = await make_client().project.votes(yesterday, "cursor 1")
    assert voters(votes) == list(range(11, 31))
    assert topgg.seen[0].query == {"cursor": "cursor 1"}


async def test_since_is_only_sent_first(topgg: StandIn, make_client: MakeClient) -> None:
    """Later pages are asked for by their cursors alone."""
    topgg.reply(HISTORY, Ledger(pages_of(20, 10)))
    await make_client().project.votes(since=datetime.now(UTC) - timedelta(days=1))
    assert [list(seen.query) for seen in topgg.seen] == [["startDate"], ["cursor"], ["cursor"]]


# --- cursors ---


async def test_a_cursor_is_told_once_its_page_was_delivered(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """After the last vote of its page and before the first of the next, each once."""
    topgg.reply(HISTORY, Ledger(pages_of(5, 2)))
    told: list[Any] = []
    async for one in make_client().project.votes(on_cursor=told.append):
        told.append(one.platform_id)  # noqa: PERF401 - others are put in between
    assert told == [1, 2, "cursor 1", 3, 4, "cursor 2", 5, "cursor 3"]


class Keeper:
    """Keeps cursors, and takes its time."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    async def keep(self, cursor: str) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.log.append(cursor)

    async def __call__(self, cursor: str) -> None:
        await self.keep(cursor)


@pytest.mark.parametrize(
    "form",
    [
        lambda keeper: keeper.keep,
        lambda keeper: keeper,
        lambda keeper: functools.partial(Keeper.keep, keeper),
        lambda keeper: lambda cursor: asyncio.ensure_future(keeper.keep(cursor)),
    ],
    ids=["method", "object", "partial", "function that gives a task"],
)
async def test_a_coroutine_function_is_awaited_before_the_next_page(
    form: Callable[[Keeper], Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """Nothing is asked for before the last cursor is kept."""
    ledger, keeper = Ledger(pages_of(5, 2)), Keeper()

    def answer(seen: Seen) -> Answer:
        keeper.log.append("request")
        return ledger(seen)

    topgg.reply(HISTORY, answer)
    await make_client().project.votes(on_cursor=form(keeper))
    told = [one for n in (1, 2, 3) for one in ("request", f"cursor {n}")]
    assert keeper.log == [*told, "request"]


async def test_subscribers_are_told_in_the_same_order(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Votes to one callback, cursors to the other."""
    topgg.reply(HISTORY, Ledger(pages_of(5, 2)))
    told: list[Any] = []
    votes = make_client().project.votes(on_cursor=told.append)
    await subscribed(votes.pipe(ops.do_action(lambda one: told.append(one.platform_id))))
    assert told == [1, 2, "cursor 1", 3, 4, "cursor 2", 5, "cursor 3"]


@taking
@pytest.mark.parametrize("count", [1, 9, 10, 11, 15, 20, 25])
async def test_the_cursor_of_a_page_that_was_not_delivered_is_not_told(
    count: int, take: Callable[..., Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """Of one who leaves within a page: they would miss the rest of it."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    told: list[str] = []
    client = make_client()
    await take(client.project.votes(on_cursor=told.append), count)
    await client.close()
    assert told == [f"cursor {n}" for n in range(1, (count - 1) // 10 + 1)]


async def test_from_any_cursor_on_the_rest_comes(topgg: StandIn, make_client: MakeClient) -> None:
    """A restart misses nothing and repeats nothing, wherever it happens."""
    topgg.reply(HISTORY, Ledger(pages_of(55, 10)))
    project = make_client().project
    places: dict[str, int] = {}
    read: list[int] = []
    async for one in project.votes(on_cursor=lambda cursor: places.update({cursor: len(read)})):
        read.append(one.platform_id)  # noqa: PERF401 - it is looked at meanwhile
    assert list(places.values()) == [10, 20, 30, 40, 50, 55]
    for cursor, place in places.items():
        assert read[:place] + voters(await project.votes(cursor=cursor)) == read


async def test_the_last_cursor_finds_what_comes_later(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """It stays good: nothing now, and new votes once there are some."""
    ledger = Ledger(pages_of(5, 5))
    topgg.reply(HISTORY, ledger)
    project = make_client().project
    told: list[str] = []
    await project.votes(on_cursor=told.append)
    assert await project.votes(cursor=told[-1], on_cursor=told.append) == []
    assert told == ["cursor 1"]
    ledger.append([vote(6), vote(7)])
    assert voters(await project.votes(cursor=told[-1], on_cursor=told.append)) == [6, 7]
    assert told == ["cursor 1", "cursor 2"]


async def test_the_cursor_of_an_empty_history_is_told(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Nothing was missed up to there: from it on, the first vote of all will be found."""
    ledger = Ledger([])
    topgg.reply(HISTORY, ledger)
    project = make_client().project
    told: list[str] = []
    assert await project.votes(on_cursor=told.append) == []
    assert told == ["cursor 0"]
    ledger.append([vote(1)])
    assert voters(await project.votes(cursor=told[0])) == [1]


async def test_votes_that_arrive_while_reading_are_read_too(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """It reads up to the newest, of whenever it gets there."""
    ledger = Ledger(pages_of(20, 10))

    def answer(seen: Seen) -> Answer:
        if len(topgg.seen) in (2, 3):
            ledger.append([vote(19 + len(topgg.seen))])
        return ledger(seen)

    topgg.reply(HISTORY, answer)
    assert voters(await make_client().project.votes()) == list(range(1, 23))


class BoomError(Exception):
    """Somebody else's."""


async def test_an_on_cursor_that_raises_ends_the_reading(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Its error comes out as it is, after the votes of that page, and no more is sent."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    boom = BoomError()

    def broken(cursor: str) -> None:
        if cursor == "cursor 2":
            raise boom

    call = make_client().project.votes(on_cursor=broken)
    heard = await subscribed(call)
    assert voters(heard.values) == list(range(1, 21))
    assert heard.ends == [boom]
    assert await awaited(call) is boom
    assert asked(topgg) == [None, "cursor 1"] * 2


# --- what makes no sense ---

MALFORMED: dict[str, Any] = {
    "null": None,
    "number": 5,
    "text": "vote",
    "list": [],
    "empty": {},
    "no ids": {"weight": 1, "created_at": "2026-01-17T23:36:06Z"},
    "null ids": VOTES[0] | {"user_id": None, "platform_id": None},
    "bad ids": VOTES[0] | {"user_id": "1e2", "platform_id": "x"},
    "ids of nought": VOTES[0] | {"user_id": "0", "platform_id": "-5"},
    "ids of another type": VOTES[0] | {"user_id": True, "platform_id": [1]},
}


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_vote_is_left_out(
    item: Any, topgg: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The others arrive, and a warning says so."""
    topgg.reply(HISTORY, Ledger([[vote(1), item, vote(2)], [item, vote(3)]]))
    assert voters(await make_client().project.votes()) == [1, 2, 3]
    assert "left out" in caplog.text


@pytest.mark.parametrize("item", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_page_of_nothing_but_malformed_votes_is_not_the_last(
    item: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """Only a page that is empty ends the reading; the cursor behind this one is told."""
    topgg.reply(HISTORY, Ledger([[vote(1)], [item, item], [vote(2)]]))
    told: list[Any] = []
    async for one in make_client().project.votes(on_cursor=told.append):
        told.append(one.platform_id)  # noqa: PERF401 - others are put in between
    assert told == [1, "cursor 1", "cursor 2", 2, "cursor 3"]


ODD: dict[str, dict[str, Any]] = {
    "weight of text": {"weight": "heavy"},
    "half a weight": {"weight": 1.5},
    "no weight": {"weight": None},
    "a bad date": {"created_at": "yesterday"},
    "a date of a number": {"created_at": 12},
    "a date without zone": {"created_at": "2026-01-17T23:36:06"},
    "digits for a date": {"expires_at": "12"},
    "something new": {"level": {"a": 1}},
    "one bad id": {"user_id": "x"},
    "an id that is a number": {"platform_id": 1},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD.keys())
async def test_a_vote_with_an_odd_field_is_kept(
    fields: dict[str, Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """The field is None, nothing is invented, and the vote is there."""
    topgg.reply(HISTORY, Ledger([[vote(1) | fields, vote(2)]]))
    first, second = await make_client().project.votes()
    assert voters([first, second]) == [1, 2]
    for name in {"weight", "created_at", "expires_at", "user_id"} & set(fields):
        assert getattr(first, name) is None
        assert getattr(second, name) is not None


NO_CURSOR: dict[str, Callable[[str], dict[str, Any]]] = {
    "none": lambda cursor: {},
    "null": lambda cursor: {"cursor": None},
    "empty": lambda cursor: {"cursor": ""},
    "a number": lambda cursor: {"cursor": 5},
    "the same again": lambda cursor: {"cursor": cursor},
}


@pytest.mark.parametrize("page", NO_CURSOR.values(), ids=NO_CURSOR.keys())
@pytest.mark.parametrize("size", [1, 10])
async def test_votes_without_a_way_on_are_an_invalid_response(
    page: Callable[[str], dict[str, Any]], size: int, topgg: StandIn, make_client: MakeClient
) -> None:
    """Votes with no cursor behind them, or the one they were asked for by, would come for ever."""
    data = [vote(n) for n in range(11, 11 + size)]
    good = ok({"cursor": "cursor 1", "data": pages_of(10, 10)[0]})
    topgg.script(HISTORY, good, ok(page("cursor 1") | {"data": data}))
    told: list[str] = []
    heard = await subscribed(make_client().project.votes(on_cursor=told.append))
    assert voters(heard.values) == list(range(1, 11))
    assert [type(error) for error in heard.ends] == [InvalidResponse]
    assert told == ["cursor 1"]
    assert len(topgg.seen) == 2


async def test_a_cursor_that_leads_back_to_itself_gives_no_votes(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Begun with that cursor, none of its votes come at all."""
    topgg.default(json={"cursor": "mine", "data": [vote(1)]})
    heard = await subscribed(make_client().project.votes(cursor="mine"))
    assert heard.values == []
    assert [type(error) for error in heard.ends] == [InvalidResponse]
    assert len(topgg.seen) == 1


@pytest.mark.parametrize("cursor", [{}, {"cursor": None}, {"cursor": "cursor 1"}])
async def test_an_empty_page_needs_no_cursor(
    cursor: dict[str, Any], topgg: StandIn, make_client: MakeClient
) -> None:
    """It is the end, with or without one."""
    good = ok({"cursor": "cursor 1", "data": [vote(1)]})
    topgg.script(HISTORY, good, ok(cursor | {"data": []}))
    told: list[str] = []
    assert voters(await make_client().project.votes(on_cursor=told.append)) == [1]
    assert told == ["cursor 1"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "votes",
        {"cursor": "c"},
        {"cursor": "c", "data": None},
        {"data": {}},
        b"",
        b"<",
    ],
    ids=repr,
)
async def test_what_is_no_page_is_an_invalid_response(
    body: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """One of our errors, and not the end of the votes."""
    topgg.default(ok(body))
    assert type(await awaited(make_client().project.votes())) is InvalidResponse


# --- errors in the middle ---


async def test_an_error_in_the_middle_comes_after_what_was_read(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """The votes before it were delivered; from the last cursor on, all the others come."""
    ledger = Ledger(pages_of(30, 10))

    def answer(seen: Seen) -> Answer:
        return problem(400, "Bad Request", "No.") if len(topgg.seen) == 3 else ledger(seen)

    topgg.reply(HISTORY, answer)
    project = make_client().project
    told: list[str] = []
    heard = await subscribed(project.votes(on_cursor=told.append))
    assert voters(heard.values) == list(range(1, 21))
    assert [type(error) for error in heard.ends] == [InvalidRequest]
    assert told == ["cursor 1", "cursor 2"]
    assert voters(await project.votes(cursor=told[-1])) == list(range(21, 31))


async def test_a_bad_cursor_is_an_invalid_request(topgg: StandIn, make_client: MakeClient) -> None:
    """top.gg's own words are in it."""
    topgg.reply(HISTORY, Ledger(pages_of(30, 10)))
    error = await awaited(make_client().project.votes(cursor="of somebody else"))
    assert type(error) is InvalidRequest
    assert "no such cursor" in error.text


@virtual
async def test_trouble_in_the_middle_is_overcome() -> None:
    """A page that fails with a 503 is asked for again: no vote is lost, none comes twice."""
    async with scene(retries=1) as (topgg, client):
        ledger = Ledger(pages_of(50, 10))
        topgg.reply(HISTORY, lambda seen: status(503) if len(topgg.seen) % 2 else ledger(seen))
        assert voters(await client.project.votes()) == list(range(1, 51))
        assert len(topgg.seen) == 12


@virtual
async def test_later_pages_wait_for_their_windows() -> None:
    """`max_wait` is about the first; who has begun to read waits as long as it takes."""
    limits = (RateLimit(1, per=100),)
    async with scene(rate_limits=limits, max_wait=1) as (topgg, client):
        topgg.reply(HISTORY, Ledger(pages_of(20, 10)))
        assert len(await client.project.votes()) == 20
        first, second, third = (seen.at for seen in topgg.seen)
        assert second - first == pytest.approx(100, abs=0.1)
        assert third - second == pytest.approx(100, abs=0.1)


# --- the votes themselves ---


async def test_what_a_vote_of_the_history_knows(topgg: StandIn, make_client: MakeClient) -> None:
    """Ids as numbers, aware times, its weight and source, and when it came in here."""
    topgg.reply(HISTORY, Ledger([VOTES]))
    before = datetime.now(UTC)
    first, second = await make_client().project.votes()
    after = datetime.now(UTC)
    assert (first.user_id, first.platform_id, first.weight) == (
        800506814562787328,
        1461830808796139662,
        2,
    )
    assert first.created_at == datetime(2026, 1, 17, 23, 36, 6, 347320, tzinfo=UTC)
    assert first.expires_at == datetime(2026, 1, 18, 11, 36, 6, 347320, tzinfo=UTC)
    assert (second.user_id, second.platform_id, second.weight) == (8226924471638491136, USER, 1)
    assert second.created_at == datetime(2026, 2, 25, 22, 35, 36, 978392, tzinfo=UTC)
    for one in (first, second):
        assert one.source == "history"
        assert before <= one.received_at <= after
        assert (one.id, one.project_id, one.is_test, one.query) == (None, None, False, {})


@pytest.mark.parametrize(
    ("text", "micros", "hours"),
    [
        ("2026-02-09T00:47:14Z", 0, 0),
        ("2026-02-09T00:47:14.5Z", 500_000, 0),
        ("2026-02-09T00:47:14.34732Z", 347_320, 0),
        ("2026-02-09T00:47:14.978392Z", 978_392, 0),
        ("2026-02-09T00:47:14.2510149+00:00", 251_015, 0),
        ("2026-02-09T02:47:14.2510149+02:00", 251_015, 2),
    ],
)
async def test_times_of_any_precision_are_read(
    text: str, micros: int, hours: int, topgg: StandIn, make_client: MakeClient
) -> None:
    """No, five, six or seven digits of a second, to the microsecond; always aware."""
    topgg.reply(HISTORY, Ledger([[vote(1) | {"created_at": text}]]))
    (one,) = await make_client().project.votes()
    expected = datetime(2026, 2, 9, 0, 47, 14, micros, tzinfo=UTC)
    assert abs(one.created_at - expected) <= timedelta(microseconds=1)
    assert one.created_at.utcoffset() in (timedelta(hours=hours), timedelta(0))


async def test_each_page_has_its_own_time_of_arrival(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """Votes of a later page came in later."""
    topgg.reply(HISTORY, Ledger(pages_of(4, 2)))
    one, two, three, four = (v.received_at for v in await make_client().project.votes())
    assert one == two < three == four


def test_a_vote_can_be_hashed_though_its_query_is_a_dict() -> None:
    """The query is no part of the hash, but of equality."""
    now = datetime.now(UTC)
    votes = [Vote(platform_id=5, received_at=now, query={"a": str(n % 2)}) for n in range(4)]
    assert len(set(map(hash, votes))) == 1
    assert len(set(votes)) == 2
    assert votes[0] == votes[2] != votes[1]


def test_when_a_vote_was_cast_as_far_as_is_known() -> None:
    """`at` is when it was made, or else when it came in."""
    cast, came = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime.now(UTC)
    assert Vote(created_at=cast, received_at=came).cast_at == cast
    assert Vote(received_at=came).cast_at == came
    assert Vote().cast_at.tzinfo is not None


@pytest.mark.parametrize(
    ("ids", "voter"),
    [
        ({"user_id": 1, "platform_id": 2}, 2),
        ({"user_id": 1}, 1),
        ({"platform_id": 2}, 2),
        ({}, None),
    ],
)
def test_who_voted(ids: dict[str, int], voter: int | None) -> None:
    """`voter` is the id on Discord where that is known, or else the one on top.gg."""
    assert Vote(**ids).voter_id == voter


def test_the_discord_user_comes_from_the_cache() -> None:
    """`user(state)` asks a Discord client for the voter's Discord id, and for no other."""
    luca = object()
    cache = SimpleNamespace(get_user={USER: luca}.get)
    assert Vote(user_id=1, platform_id=USER).user(cache) is luca
    assert Vote(user_id=USER, platform_id=1).user(cache) is None
    assert Vote(user_id=USER).user(cache) is None


@pytest.mark.parametrize("known", ["user_id", "platform_id"])
async def test_one_id_is_enough_to_tell_who_voted(
    known: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """Top.gg's id of the voter or the platform's: either one will do."""
    topgg.reply(HISTORY, Ledger([[{known: "5", "weight": 1}]]))
    (vote,) = await make_client().project.votes()
    ids = {"user_id": vote.user_id, "platform_id": vote.platform_id}
    assert ids == {"user_id": None, "platform_id": None} | {known: 5}


@virtual
async def test_the_first_page_waits_no_longer_than_any_call() -> None:
    """Patience is for those who have begun to read."""
    async with scene(rate_limits=[RateLimit(1, per=100)], max_wait=1) as (topgg, client):
        topgg.default(ok({"cursor": "c", "data": []}))
        assert await client.project.votes() == []
        assert type(await awaited(client.project.votes())) is Ratelimited
        assert len(topgg.seen) == 1
