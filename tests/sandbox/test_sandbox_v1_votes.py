"""Votes at v1: the history and its cursors, single votes, ids, and how votes are made."""

import base64
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy.sandbox import Sandbox
from rx_toppy.sandbox.ids import discord_id, topgg_id

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
COOLDOWN = timedelta(hours=12)
START = (NOON - timedelta(days=301)).isoformat()


def time_of(text):
    return datetime.fromisoformat(text)


def voters(page):
    return [int(vote["platform_id"]) for vote in page["data"]]


async def end_of(api):
    """The cursor behind the newest vote."""
    return [page["cursor"] async for page in api.pages(startDate=START)][-1]


# --- the history ---------------------------------------------------------------------------------


async def test_the_history_tells_each_vote(run, clock):
    """A vote has both ids of its user, its weight, when it was cast and when it expires."""
    async with run(votes=0) as (sandbox, api):
        sandbox.vote(5)
        clock.advance(days=3, seconds=0.25)
        sandbox.vote(6)
        answer = await api.v1("GET", "/votes", startDate=START)
    assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8")
    assert list(answer.data) == ["cursor", "data"]
    first, second = answer.data["data"]
    assert first == {
        "user_id": topgg_id("5"),
        "platform_id": "5",
        "weight": 1,
        "created_at": "2026-04-15T12:00:00Z",
        "expires_at": "2026-04-16T00:00:00Z",
    }
    assert second == {
        "user_id": topgg_id("6"),
        "platform_id": "6",
        "weight": 2,
        "created_at": "2026-04-18T12:00:00.25Z",
        "expires_at": "2026-04-19T00:00:00.25Z",
    }


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [(0, "00Z"), (1, "00.000001Z"), (347_320, "00.34732Z"), (100_000, "00.1Z")],
)
async def test_times_are_no_longer_than_needed(run, microseconds, written):
    """A fraction has six digits at most and ends with none that says nothing."""
    at = NOON - timedelta(days=1) + timedelta(microseconds=microseconds)
    async with run(votes=0) as (sandbox, api):
        sandbox.vote(5, at=at)
        [vote] = await api.history(startDate=START)
    assert vote["created_at"] == f"2026-04-14T12:00:{written}"
    assert vote["expires_at"] == f"2026-04-15T00:00:{written}"


async def test_2500_votes_are_25_pages(run):
    """The pages hold every vote, oldest first and none twice; the last page is empty."""
    async with run(votes=2500) as (_, api):
        pages = [page async for page in api.pages(startDate=START)]
        again = [page async for page in api.pages(startDate=START)]
    assert [len(page["data"]) for page in pages] == [100] * 25 + [0]
    assert pages == again
    assert pages[-1]["cursor"] == pages[-2]["cursor"]
    votes = [vote for page in pages for vote in page["data"]]
    times = [time_of(vote["created_at"]) for vote in votes]
    assert times == sorted(times)
    assert len({(vote["user_id"], vote["created_at"]) for vote in votes}) == 2500


@pytest.mark.parametrize(
    ("size", "pages"), [(1, [1] * 5 + [0]), (2, [2, 2, 1, 0]), (5, [5, 0]), (6, [5, 0])]
)
async def test_the_size_of_a_page_can_be_chosen(run, size, pages):
    """A page is full as long as there are votes enough."""
    async with run(votes=5, votes_per_page=size) as (_, api):
        found = [len(page["data"]) async for page in api.pages(startDate=START)]
    assert found == pages


async def test_votes_may_arrive_while_it_is_read(run, clock):
    """New votes come at the end: what is read on finds them, misses none and has none twice."""
    seen, expected = [], []
    async with run(votes=250) as (sandbox, api):
        expected = voters({"data": await api.history(startDate=START)})
        async for page in api.pages(startDate=START):
            seen += voters(page)
            if len(expected) < 600:
                for _ in range(50):
                    clock.advance(seconds=1)
                    expected.append(sandbox.vote())
    assert len(seen) == 600
    assert seen == expected


async def test_the_cursor_at_the_end_finds_later_votes(run, clock):
    """Once there is nothing more, the same cursor gives what came later, again and again."""
    async with run() as (sandbox, api):
        end = await end_of(api)
        assert (await api.v1("GET", "/votes", cursor=end)).data == {"cursor": end, "data": []}
        first = sandbox.vote()
        for _ in range(2):
            page = (await api.v1("GET", "/votes", cursor=end)).data
            assert voters(page) == [first]
        clock.advance(hours=1)
        second = sandbox.vote()
        assert voters((await api.v1("GET", "/votes", cursor=end)).data) == [first, second]
        assert voters((await api.v1("GET", "/votes", cursor=page["cursor"])).data) == [second]


async def test_a_cursor_outlives_a_restart(run):
    """A sandbox that was closed and started again still takes it."""
    async with run() as (sandbox, api):
        end = await end_of(api)
        await sandbox.close()
        await sandbox.start()
        voter = sandbox.vote()
        assert voters((await api.v1("GET", "/votes", cursor=end)).data) == [voter]


async def test_the_cursor_says_nothing(run):
    """It is no number that a client could be tempted to count with."""
    async with run(votes=3) as (_, api):
        cursors = [page["cursor"] async for page in api.pages(startDate=START)]
    assert not any(cursor.isdigit() for cursor in cursors)


@pytest.mark.parametrize(
    ("start", "left"),
    [
        (timedelta(days=2, microseconds=1), 3),
        (timedelta(days=2), 3),
        (timedelta(days=2, microseconds=-1), 2),
        (timedelta(days=1), 2),
        (timedelta(0), 1),
        (timedelta(microseconds=-1), 0),
        (timedelta(days=-1), 0),
    ],
)
async def test_the_history_begins_at_the_start_date(run, start, left):
    """Votes of that very moment are in it, older ones are not; a date to come gives no votes."""
    async with run(votes=0) as (sandbox, api):
        for days in (2, 1, 0):
            sandbox.vote(5, at=NOON - timedelta(days=days))
        votes = await api.history(startDate=(NOON - start).isoformat())
    assert len(votes) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("2026-04-14", 2),
        ("2026-04-14T12:00:00Z", 2),
        ("2026-04-14T12:00:00.000001Z", 1),
        ("2026-04-14T12:00:00.0000001Z", 2),
        ("2026-04-14T13:30:00+01:30", 2),
        ("2026-04-14T12:00:01", 1),
        ("20260414T120000Z", 2),
        ("9999-12-31T23:59:59-23:59", 0),
    ],
)
async def test_a_start_date_is_iso_8601(run, text, left):
    """Any form will do; a date without a time is midnight, and without an offset it is UTC."""
    async with run(votes=0) as (sandbox, api):
        for days in (2, 1, 0):
            sandbox.vote(5, at=NOON - timedelta(days=days))
        assert len(await api.history(startDate=text)) == left


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({}, "startDate or cursor"),
        ({"startDate": ""}, "ISO 8601"),
        ({"startDate": "yesterday"}, "ISO 8601"),
        ({"startDate": "1776250000"}, "ISO 8601"),
        ({"startDate": "2026-02-30"}, "ISO 8601"),
        ({"startDate": "2026-04-14T12:00:00 00:00"}, "ISO 8601"),
        ({"startDate": "0001-01-01T00:00:00+23:59"}, "a year ago"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "5"}, "cursor"),
        ({"cursor": "dm90ZXM="}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
        ({"cursor": "A" * 5000}, "cursor"),
        ({"cursor": "*", "startDate": "2026-04-14"}, "cursor"),
    ],
)
async def test_bad_queries_are_refused(run, query, named):
    """No place to start, or one that makes no sense, is a 400 that says what is wrong."""
    async with run() as (_, api):
        answer = await api.v1("GET", "/votes", **query)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert named in answer.data["detail"]


async def test_a_cursor_can_not_be_ahead(run):
    """A cursor for votes that have not been cast is refused: it was never given out."""
    async with run(votes=5) as (_, api):
        end = await end_of(api)
        content = base64.urlsafe_b64decode(end)
        ahead = base64.urlsafe_b64encode(content[:-1] + bytes([content[-1] + 1])).decode()
        assert (await api.v1("GET", "/votes", cursor=end)).status == 200
        assert (await api.v1("GET", "/votes", cursor=ahead)).status == 400


@pytest.mark.parametrize(("ago", "status"), [(YEAR, 200), (YEAR + timedelta(microseconds=1), 400)])
async def test_the_history_goes_back_a_year(run, ago, status):
    """A start date may be 365 days ago, and not a moment more."""
    async with run() as (_, api):
        answer = await api.v1("GET", "/votes", startDate=(NOON - ago).isoformat())
    assert answer.status == status


@pytest.mark.parametrize("start", ["1999-01-01", "nonsense"])
async def test_a_cursor_wins(run, start):
    """Beside a cursor the start date does not matter, whatever it says."""
    async with run() as (sandbox, api):
        end = await end_of(api)
        voter = sandbox.vote()
        page = (await api.v1("GET", "/votes", cursor=end, startDate=start)).data
    assert voters(page) == [voter]


# --- the lag of the history ----------------------------------------------------------------------

LAGS = pytest.mark.parametrize("lag", [60, timedelta(minutes=1)])


@LAGS
async def test_a_vote_is_in_the_history_after_its_lag(run, clock, lag):
    """By a date and by a cursor it is missing to the last moment, and then there for good."""
    async with run(votes=0, history_lag=lag) as (sandbox, api):
        start = (await api.v1("GET", "/votes", startDate=START)).data["cursor"]
        sandbox.vote(5)
        for seconds, found in ((0, []), (59.999, []), (0.001, [5]), (3600, [5])):
            clock.advance(seconds=seconds)
            assert voters({"data": await api.history(startDate=START)}) == found
            assert voters({"data": await api.history(cursor=start)}) == found


async def test_a_cursor_does_not_go_beyond_what_is_shown(run, clock):
    """Who reads on from each page's cursor gets every vote once, however they ask meanwhile."""
    seen, cast = [], []
    async with run(votes=0, history_lag=2, votes_per_page=2) as (sandbox, api):
        query = {"startDate": NOON.isoformat()}
        for second in range(60):
            clock.advance(seconds=1)
            if second < 50:
                cast.append(sandbox.vote())
            page = (await api.v1("GET", "/votes", **query)).data
            seen += voters(page)
            assert seen == cast[: len(seen)]
            assert len(seen) == max(0, min(second - 1, 50))
            query = {"cursor": page["cursor"]}
    assert len(cast) == 50


async def test_a_start_within_the_lag(run, clock):
    """Its cursor leads to the votes from then on, once they are shown, and to no older ones."""
    async with run(votes=0, history_lag=60) as (sandbox, api):
        sandbox.vote(5)
        clock.advance(seconds=10)
        start = (NOON + timedelta(seconds=5)).isoformat()
        page = (await api.v1("GET", "/votes", startDate=start)).data
        assert page["data"] == []
        sandbox.vote(6)
        clock.advance(seconds=60)
        assert voters((await api.v1("GET", "/votes", cursor=page["cursor"])).data) == [6]


async def test_only_the_history_lags(run, receiver):
    """The vote's own route, the voters of v0 and webhooks tell of it at once."""
    async with run(votes=0, history_lag=60) as (sandbox, api):
        sandbox.send_to(receiver.url, secret="whs_abc")
        sandbox.vote(5)
        await receiver.wait(1)
        assert (await api.v1("GET", "/votes/5", source="discord")).status == 200
        assert [voter["id"] for voter in (await api.own("/votes")).data] == ["5"]
        assert await api.history(startDate=START) == []


async def test_a_cursor_outlives_a_clock_that_was_set_back(run, clock):
    """What was shown may be hidden again, but the cursor behind it stays as it is, and good."""
    async with run(votes=0, history_lag=60) as (sandbox, api):
        sandbox.vote(5)
        clock.advance(seconds=60)
        end = await end_of(api)
        clock.advance(seconds=-30)
        assert (await api.v1("GET", "/votes", cursor=end)).data == {"cursor": end, "data": []}


# --- one vote ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weekend", "weight"), [(True, 2), (False, 1)])
async def test_a_vote_is_told_by_either_id(run, weekend, weight):
    """Who voted is found by the id of top.gg, the default, and by that of Discord."""
    async with run(weekend=weekend) as (sandbox, api):
        sandbox.vote(5)
        answers = [
            await api.v1("GET", f"/votes/{topgg_id('5')}"),
            await api.v1("GET", f"/votes/{topgg_id('5')}", source="topgg"),
            await api.v1("GET", "/votes/5", source="discord"),
        ]
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        assert answer.data == {
            "created_at": "2026-04-15T12:00:00Z",
            "expires_at": "2026-04-16T00:00:00Z",
            "weight": weight,
        }


async def test_a_vote_expires_after_12_hours(run, clock):
    """It is told to its last moment; then it is a 404, as for a user who never voted."""
    async with run() as (sandbox, api):
        sandbox.vote(5)
        clock.advance(hours=12, seconds=-0.5)
        assert (await api.v1("GET", "/votes/5", source="discord")).status == 200
        clock.advance(seconds=0.5)
        expired = await api.v1("GET", "/votes/5", source="discord")
        owner = (await api.get("/bots", limit=1)).data["results"][0]["owners"][0]
        never = await api.v1("GET", f"/votes/{topgg_id(owner)}")
        sandbox.vote(5)
        assert (await api.v1("GET", "/votes/5", source="discord")).status == 200
    for answer in (expired, never):
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert answer.data["title"] == "Vote not found"


@pytest.mark.parametrize("source", ["topgg", "discord"])
@pytest.mark.parametrize("user_id", ["1", "me", "0", "²", "-5", "9" * 19, "9" * 5000])
async def test_an_unknown_user_is_not_found(run, user_id, source):
    """Who is no user, by that kind of id, is a 404 of another title."""
    async with run() as (_, api):
        answer = await api.v1("GET", f"/votes/{user_id}", source=source)
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert answer.data["title"] == "User not found"
    assert answer.data["detail"].startswith("The user was not resolved into a valid Top.gg user.")


async def test_an_id_of_one_kind_is_none_of_the_other(run):
    """The Discord id finds nobody where one of top.gg is asked for, and the other way round."""
    async with run() as (sandbox, api):
        sandbox.vote(5)
        assert (await api.v1("GET", "/votes/5")).status == 404
        by_topgg = await api.v1("GET", f"/votes/{topgg_id('5')}", source="discord")
    assert by_topgg.status == 404


@pytest.mark.parametrize("source", ["", "Discord", "roblox"])
async def test_the_source_is_one_of_two(run, source):
    """Any other source is refused with an error that names it."""
    async with run() as (_, api):
        answer = await api.v1("GET", "/votes/5", source=source)
    assert answer.status == 400
    assert "source" in answer.data["detail"]


# --- ids -----------------------------------------------------------------------------------------

any_id = st.integers(1, 2**63 - 1).map(str)


@given(any_id)
def test_each_user_has_another_id_at_topgg(user_id):
    """It is an id too, never the Discord one, and leads back to that: so no two are the same."""
    own = topgg_id(user_id)
    assert own != user_id
    assert 1 <= int(own) < 2**63
    assert discord_id(own) == user_id


@given(any_id)
def test_each_id_of_topgg_is_of_one_user(user_id):
    """Read the other way round it is the same."""
    assert topgg_id(discord_id(user_id)) == user_id


@pytest.mark.parametrize("number", [1, 2, 2**62, 2**63 - 2, 2**63 - 1])
def test_ids_at_the_edges(number):
    """The smallest and the largest ids have their counterparts as well."""
    assert discord_id(topgg_id(str(number))) == str(number) != topgg_id(str(number))


# --- both APIs -----------------------------------------------------------------------------------


async def test_both_apis_tell_the_same_votes(run, clock):
    """The voters of v0, its check and the history of v1 agree, after new votes as well."""
    async with run(votes=None) as (sandbox, api):
        for _ in range(30):
            clock.advance(hours=1)
            sandbox.vote()
        votes = await api.history(startDate=(NOON - timedelta(days=360)).isoformat())
        listed = [voter["id"] for voter in (await api.own("/votes")).data]
        now = NOON + timedelta(hours=30)
        expiry = {vote["platform_id"]: time_of(vote["expires_at"]) for vote in votes}
        for voter in listed[:60]:
            check = (await api.own("/check", userId=voter)).data["voted"]
            one = await api.v1("GET", f"/votes/{voter}", source="discord")
            assert bool(check) == (one.status == 200) == (expiry[voter] > now)
        newest_first = list(dict.fromkeys(vote["platform_id"] for vote in reversed(votes)))
        month = sum(
            vote["weight"]
            for vote in votes
            if time_of(vote["created_at"]) >= NOON - timedelta(days=30)
        )
        assert (await api.v1("GET", "")).data["votes"] == month
    assert listed[: len(newest_first)] == newest_first


# --- how votes are made --------------------------------------------------------------------------


@pytest.mark.parametrize("votes", [0, 1, 2, 299, 301, 3000])
async def test_the_number_of_votes_can_be_chosen(run, votes):
    """There are as many as were asked for, nobody twice within 12 hours, in the last 300 days."""
    async with run(votes=votes) as (sandbox, api):
        history = await api.history(startDate=START)
        project = (await api.v1("GET", "")).data
        sandbox.vote()
    assert len(history) == votes
    assert project["votes_total"] > sum(vote["weight"] for vote in history) >= project["votes"]
    last = {}
    for vote in history:
        at = time_of(vote["created_at"])
        assert NOON - timedelta(days=300) <= at <= NOON
        assert vote["weight"] == (2 if at.weekday() >= 5 else 1)
        assert at - last.get(vote["user_id"], NOON - YEAR) >= COOLDOWN
        last[vote["user_id"]] = at


def test_many_votes_have_many_voters():
    """Of a long history, too, nobody votes twice within 12 hours; the votes are spread evenly."""
    log = Sandbox(bots=5, votes=60_000, clock=NOON.timestamp)._world.votes
    last = {}
    for vote in log.page(0, len(log)):
        assert vote.at - last.get(vote.user_id, NOON - YEAR) >= COOLDOWN
        last[vote.user_id] = vote.at
    days = Counter((NOON - vote.at).days for vote in log.page(0, len(log)))
    assert len(last) == 600
    assert set(days) == set(range(300))
    assert all(198 <= count <= 202 for count in days.values())


async def test_the_same_seed_gives_the_same_history(run):
    """Chosen or not, the votes of one seed are the same each time, and of another are others."""
    seen = []
    for seed in (1, 1, 2):
        async with run(seed=seed, votes=120) as (_, api):
            seen.append(await api.history(startDate=START))
    assert seen[0] == seen[1]
    assert not {vote["user_id"] for vote in seen[0]} & {vote["user_id"] for vote in seen[2]}


async def test_a_vote_can_be_of_an_earlier_time(run):
    """With a time it is cast then: it counts double on a weekend, and in its own month only."""
    saturday = datetime(2026, 4, 11, 12, tzinfo=timezone(timedelta(hours=2)))
    async with run(votes=0) as (sandbox, api):
        before = (await api.v1("GET", "")).data
        sandbox.vote(5, at=NOON - timedelta(days=40))
        sandbox.vote(5, at=saturday)
        someone = sandbox.vote(at=NOON)
        votes = await api.history(startDate=START)
        after = (await api.v1("GET", "")).data
    assert [vote["platform_id"] for vote in votes] == ["5", "5", str(someone)]
    assert [vote["weight"] for vote in votes] == [1, 2, 1]
    assert votes[1]["created_at"] == "2026-04-11T10:00:00Z"
    assert after["votes_total"] == before["votes_total"] + 4
    assert after["votes"] == before["votes"] + 3


@pytest.mark.parametrize(
    ("at", "error", "said"),
    [
        (NOON - timedelta(hours=25), ValueError, "would come before"),
        (NOON - timedelta(hours=13), ValueError, "12 hours"),
        (NOON + timedelta(microseconds=1), ValueError, "in the future"),
        (NOON.replace(tzinfo=None), ValueError, "aware"),
        (NOON.timestamp(), TypeError, "at must be a datetime"),
        ("2026-04-15", TypeError, "at must be a datetime"),
    ],
)
async def test_a_time_that_can_not_be_is_refused(run, at, error, said):
    """A vote is neither in the future nor before the newest; a refused one changes nothing."""
    async with run(votes=0) as (sandbox, api):
        sandbox.vote(5, at=NOON - timedelta(hours=24))
        with pytest.raises(error, match=said):
            sandbox.vote(5, at=at)
        assert len(await api.history(startDate=START)) == 1


async def test_a_clock_that_was_set_back_stops_no_votes(run, clock):
    """Votes go on to come in, after the newest one that there is."""
    async with run(votes=0) as (sandbox, api):
        sandbox.vote(5)
        clock.advance(hours=-1)
        sandbox.vote(6)
        times = [vote["created_at"] for vote in await api.history(startDate=START)]
    assert times == ["2026-04-15T12:00:00Z"] * 2
