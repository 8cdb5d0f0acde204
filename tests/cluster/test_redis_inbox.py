"""`RedisInbox`: what a `VoteInbox` does, on a Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rx_toppy import InboxError, StandaloneBot, TopGG, Vote, VoteInbox, receive_votes
from rx_toppy.cluster import RedisInbox
from rx_toppy.cluster import inbox as inbox_module
from rx_toppy.cluster import inbox_worker as inbox_processing
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import DeadLetter
from rx_toppy.votes import inbox as base
from rx_toppy.votes import sqlite_worker as processing
from rx_toppy.votes.operators.leaderboard import LeaderboardEntry
from rx_toppy.votes.sqlite_inbox import Inbox
from tests.votes.inbox import NOON, PATIENCE, Handler, after, by_history, by_v0, by_v1, until
from tests.votes.inbox.test_adding import RULES

from .server import RedisServer

SOURCES = {"history": by_history, "v0": by_v0, "v1": by_v1}
YEARS = timedelta(days=36_500)

MakeInbox = Callable[..., RedisInbox]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes hundredths; but a busy machine has its time to add."""
    monkeypatch.setattr(inbox_module, "LONGEST_WAIT", PATIENCE)
    monkeypatch.setattr(processing, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(processing, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(base, "PAUSE", 0.02)
    monkeypatch.setattr(inbox_processing, "PAUSE", 0.02)
    monkeypatch.setattr(inbox_processing, "TIDY_EVERY", 0.02)
    monkeypatch.setattr(inbox_processing, "LOOK_EVERY", 0.05)


@pytest.fixture
async def make_inbox(redis_url: str) -> AsyncIterator[MakeInbox]:
    """Makes inboxes on one Redis; what is cast in the tests' years is kept."""
    made: list[RedisInbox] = []

    def make(url: str = redis_url, **options: Any) -> RedisInbox:
        made.append(RedisInbox(url, **({"keep": YEARS} | options)))
        return made[-1]

    yield make
    for inbox in made:
        await inbox.close()


@pytest.fixture
def inbox(make_inbox: MakeInbox) -> RedisInbox:
    """An inbox on an empty Redis."""
    return make_inbox()


@pytest.fixture(params=["file", "redis"])
async def either(request: Any, make_inbox: MakeInbox, tmp_path: Path) -> AsyncIterator[Inbox]:
    """An inbox of each kind."""
    if request.param == "redis":
        yield make_inbox()
        return
    async with VoteInbox(tmp_path / "votes.db") as inbox:
        yield inbox


async def fill(inbox: Inbox, votes: list[Vote]) -> None:
    assert all(await asyncio.gather(*map(inbox.add, votes)))


async def add_all(inbox: Inbox, votes: list[Vote], together: bool) -> list[bool]:
    if together:
        return await asyncio.gather(*map(inbox.add, votes))
    return [await inbox.add(vote) for vote in votes]


# --- adding --------------------------------------------------------------------------------------


async def test_all_that_is_known_of_a_vote_is_kept(either: Inbox) -> None:
    """It comes back as it was put in, from whichever inbox."""
    votes = [
        by_v1(1, 0.123456, weight=2, query={"a": "1", "ä": "ö & 日本" * 30}),
        by_v0(2, 5),
        by_history(3, 10),
        by_v0(4, 20, is_test=True),
        Vote(user_id=2**63 - 1, received_at=after(30), project_id=2**63 - 1),
        by_history(5, 40, weight=2**63 - 1),
    ]
    assert await add_all(either, votes, together=True) == [True] * 6
    assert await either.votes() == votes
    assert not any(await add_all(either, votes[:3], together=False))


@pytest.mark.parametrize("order", list(permutations(SOURCES)), ids=" ".join)
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
async def test_sources_tell_of_the_same_vote(
    inbox: RedisInbox, order: tuple[str, ...], together: bool
) -> None:
    """History, v0 and v1 are one vote, which knows what each of them knew."""
    votes = [SOURCES[name](1) for name in order]
    assert await add_all(inbox, votes, together) == [True, False, False]
    [vote] = await inbox.votes()
    assert (vote.id, vote.platform_id, vote.user_id) == (10**9, 1, 10**6 + 1)
    assert vote.created_at == after(0)
    assert (vote.received_at, vote.source) == (votes[0].received_at, votes[0].source)


@pytest.mark.parametrize(("a", "b", "same"), RULES)
async def test_when_two_records_are_one_vote(
    make_inbox: MakeInbox, a: Vote, b: Vote, same: bool
) -> None:
    """The rule of the embedded inbox, by each branch, order and batch."""
    for number, pair in enumerate(([a, b], [b, a])):
        for together in (False, True):
            inbox = make_inbox(name=f"{number}-{together}")
            assert await add_all(inbox, pair, together) == [True, not same]
            assert len(await inbox.votes()) == (1 if same else 2)
            await inbox.close()


USER = 10**6 + 1


# Votes of one voter for two projects: a vote of theirs that does not say the project may be either.
OF_BOTH = [by_v0(1, 1, late=0, project_id=3), by_history(1, 2, project_id=4)]


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
@pytest.mark.parametrize(("at", "expected"), [(1.25, {3: 1.25, 4: 2}), (1.75, {3: None, 4: 2})])
async def test_of_several_it_is_the_nearest(
    either: Inbox, order: int, at: float, expected: dict[int, float | None]
) -> None:
    """A vote that may be either of two kept ones is the one that is nearer in time."""
    await fill(either, OF_BOTH[::order])
    assert await either.add(by_history(1, at)) is False
    assert await times_by_project(either) == expected


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
@pytest.mark.parametrize(("older", "newer"), [(3, 4), (4, 3)])
async def test_of_equally_near_ones_it_is_the_oldest(
    either: Inbox, older: int, newer: int, together: bool
) -> None:
    """The one that was kept first, be it in the same batch."""
    votes = [by_v0(1, project_id=older), by_v0(1, project_id=newer), by_history(1)]
    assert await add_all(either, votes, together) == [True, True, False]
    assert await times_by_project(either) == {older: 0, newer: None}


async def test_an_equal_id_counts_more_than_time(either: Inbox) -> None:
    """A vote whose id is kept is that one, however near another is."""
    await fill(either, [by_v1(1, project_id=3), by_v0(1, 2_000, late=0, project_id=4)])
    again = by_v1(1, created_at=after(2_000), project_id=4)
    assert await either.add(again) is False
    assert [vote.id for vote in await either.votes()] == [again.id, None]


async def test_a_time_that_was_learned_later_counts(either: Inbox) -> None:
    """A kept vote is found by its time, though it has its place by when it was first heard of."""
    votes = [by_v0(1, 2_390), by_history(1), by_v0(1, -2_390)]
    assert await add_all(either, votes, together=False) == [True, False, False]


@pytest.mark.parametrize(
    "other",
    [by_history(3, 1, user_id=USER), by_v0(1, 2_300, project_id=5)],
    ids=["of that user elsewhere", "of that voter"],
)
async def test_what_comes_with_a_vote_changes_nothing(either: Inbox, other: Vote) -> None:
    """Which kept vote it is does not depend on what else is looked for at the same time."""
    await fill(either, OF_BOTH)
    assert await add_all(either, [other, by_history(1, 1.25)], together=True) == [True, False]
    known = await times_by_project(either)
    assert (known[3], known[4]) == (1.25, 2)


async def times_by_project(inbox: Inbox) -> dict[int | None, float | None]:
    """When each was cast, in seconds after noon."""
    return {
        vote.project_id: vote.created_at and (vote.created_at - NOON).total_seconds()
        for vote in await inbox.votes()
    }


SOME_VOTES = st.builds(
    lambda source, voter, at, more: source(voter, at, **more),
    st.sampled_from([by_history, by_v0, by_v1]),
    st.integers(1, 3),
    st.sampled_from([0, 0.5, 1.5, 1_000, 2_399, 2_401, 4_000, 43_200]),
    st.fixed_dictionaries(
        {},
        optional={
            "user_id": st.sampled_from([None, 1, 10**6 + 1]),
            "project_id": st.sampled_from([3, 4]),
            "is_test": st.booleans(),
            "received_at": st.sampled_from([after(0), after(2_000)]),
        },
    ),
)


async def compare(url: str, path: Path, batches: list[list[Vote]]) -> None:
    """Adds the same to an inbox of each kind."""
    async with RedisInbox(url, keep=YEARS) as inbox, VoteInbox(path) as other:
        await inbox.votes()
        await inbox._redis.link.redis.flushall()
        for batch in batches:
            assert await add_all(inbox, batch, True) == await add_all(other, batch, True)
        assert await inbox.votes() == await other.votes()
        assert set(await inbox.top_voters()) == set(await other.top_voters())


@example(
    batches=[
        [by_v0(1, 2_399, project_id=3)],
        [by_history(1, 2_401, user_id=1, project_id=4, received_at=after(2_000))],
        [by_history(3, 1_000, user_id=1), by_history(1, 2_401)],
    ]
)
@example(
    batches=[
        [by_history(3, 2_401, user_id=1)],
        [by_history(3, 0.5)],
        [by_v1(1, 1_000, user_id=1), by_v0(3, 0.5, user_id=USER, project_id=4)],
    ]
)
@example(
    batches=[
        [by_v1(3, 0.5, user_id=1, project_id=4, received_at=after(0)), by_v0(3, user_id=USER)],
        [by_v1(1, 1_000), by_history(3)],
    ]
)
@settings(max_examples=25)
@given(batches=st.lists(st.lists(SOME_VOTES, min_size=1, max_size=4), max_size=5))
def test_it_merges_as_the_embedded_one(
    redis_url_of_all: str, tmp_path_factory: pytest.TempPathFactory, batches: list[list[Vote]]
) -> None:
    """Whatever comes in whichever order, both kinds keep the same votes."""
    path = tmp_path_factory.mktemp("compared") / "votes.db"
    asyncio.run(compare(redis_url_of_all, path, batches))


@pytest.fixture(scope="session")
def redis_url_of_all(one_redis: RedisServer) -> str:
    """The server of all tests, for those without a loop."""
    asyncio.run(one_redis.start())
    return one_redis.url


async def test_many_inboxes_add_the_same(make_inbox: MakeInbox) -> None:
    """However many processes are told of the same votes at once, each vote is new once."""
    inboxes = [make_inbox() for _ in range(4)]
    votes = [source(voter) for voter in range(1, 25) for source in (by_v0, by_v1, by_history)]
    adding = [
        inbox.add(vote) for place, inbox in enumerate(inboxes) for vote in votes[place:] + votes
    ]
    assert sum(await asyncio.gather(*adding)) == 24
    kept = await inboxes[0].votes()
    assert sorted(vote.id or 0 for vote in kept) == [voter * 10**9 for voter in range(1, 25)]


async def test_names_tell_inboxes_apart(make_inbox: MakeInbox) -> None:
    """Several bots on one Redis have nothing to do with each other."""
    one, other = make_inbox(name="one"), make_inbox(name="other")
    assert await one.add(by_v1(1))
    assert await other.add(by_v1(1))
    handler = Handler()
    one.process(handler).subscribe()
    await until(lambda: handler.returned == [1])
    assert await other.votes() == [by_v1(1)]


async def test_a_vote_that_cannot_be_written_harms_no_other(either: Inbox) -> None:
    """What goes with it is kept all the same."""
    votes = [by_history(1), by_history(2, query={"a": "\ud800"}), by_history(3)]
    results = await asyncio.gather(*map(either.add, votes), return_exceptions=True)
    assert results[::2] == [True, True]
    assert isinstance(results[1], InboxError)
    assert [vote.voter_id for vote in await either.votes()] == [1, 3]


async def test_a_cancelled_add_breaks_nothing(inbox: RedisInbox) -> None:
    """Whoever stops waiting for an add leaves the others' as they are."""
    adding = [asyncio.ensure_future(inbox.add(by_history(voter))) for voter in (1, 2, 3)]
    await asyncio.sleep(0)
    adding[1].cancel()
    assert await asyncio.gather(adding[0], adding[2]) == [True, True]
    assert not await inbox.add(by_history(3))


# --- reading -------------------------------------------------------------------------------------


async def test_votes_are_read_page_by_page(either: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oldest first, each once, many of one moment, from any time on."""
    monkeypatch.setattr(base, "PAGE", 7)
    votes = [by_history(voter, voter // 20) for voter in range(1, 61)]
    await fill(either, votes[30:])
    await fill(either, votes[:30])
    expected = votes[:19] + votes[30:39] + votes[19:30] + votes[39:]
    assert await either.votes() == sorted(expected, key=lambda vote: vote.cast_at)
    assert await either.votes(since=after(3)) == votes[59:]
    assert await either.votes(since=after(3.5)) == []


async def test_top_voters(either: Inbox) -> None:
    """Who has voted most is first, then whose votes weigh more, then who began first."""
    await fill(
        either,
        [
            *(by_history(1, day * 43_200) for day in range(3)),
            by_history(2, 50, weight=2),
            by_history(3, 10, weight=None),
            by_history(4, 5),
            by_history(5, 90, platform_id=None),
            by_v0(9, is_test=True),
            Vote(received_at=NOON),
        ],
    )
    assert await either.top_voters() == [
        LeaderboardEntry(1, 3, 3),
        LeaderboardEntry(2, 1, 2),
        LeaderboardEntry(4, 1, 1),
        LeaderboardEntry(3, 1, 1),
        LeaderboardEntry(10**6 + 5, 1, 1),
    ]
    assert await either.top_voters(since=after(43_200), limit=1) == [LeaderboardEntry(1, 2, 2)]


# --- handling ------------------------------------------------------------------------------------


async def test_every_vote_reaches_the_handler(either: Inbox) -> None:
    """Those that wait and those that come, tests and unknown voters' too; an outcome for each."""
    await fill(either, [by_history(1), by_v0(2, is_test=True), Vote(received_at=NOON)])
    handler = Handler()
    handler.failures[1] = 1
    outcomes: list[Any] = []
    either.process(handler, 2).subscribe(outcomes.append)
    await fill(either, [by_history(3), Vote(received_at=after(1))])
    await until(lambda: len(outcomes) == 6)
    await asyncio.sleep(0.03)
    assert len(handler.returned) == 5
    assert {one.vote.voter_id for one in outcomes} == {1, 2, 3, None}
    [failed] = [one for one in outcomes if one.status == "failed"]
    assert (failed.vote.voter_id, failed.tries, str(failed.error)) == (1, 1, "no luck with 1")
    assert 0.01 <= failed.retry_in <= 0.02
    [again] = [one for one in outcomes if one.tries == 2]
    assert (again.vote.voter_id, again.status) == (1, "done")
    assert [vote.voter_id for vote in await either.votes()] == [1, None, 3, None, 2]


async def test_a_users_votes_are_in_order_over_two_processes(make_inbox: MakeInbox) -> None:
    """One at a time and oldest first, whoever handles them; a failing one holds back its own."""
    one, other = make_inbox(), make_inbox()
    votes = [by_history(voter, day * 43_200) for voter in range(1, 6) for day in range(5)]
    await fill(one, votes[::2])
    await fill(other, votes[1::2])
    handler = Handler(pause=0.002)
    handler.failures[3] = 2
    handler.gate.clear()
    one.process(handler, 3).subscribe()
    other.process(handler, 3).subscribe()
    await until(lambda: handler.most == 5)  # more than either of them takes
    handler.gate.set()
    await until(lambda: len(handler.returned) == 25)
    assert handler.clashes == 0
    assert len(handler.votes) == 27
    for voter in range(1, 6):
        times = [vote.cast_at for vote in handler.votes if vote.voter_id == voter]
        assert times == sorted(times)


async def test_no_more_than_may_run(inbox: RedisInbox) -> None:
    """As many handlers run as may."""
    await fill(inbox, [by_history(voter) for voter in range(1, 21)])
    handler = Handler(pause=0.005)
    inbox.process(handler, 3).subscribe()
    await until(lambda: len(handler.returned) == 20)
    assert handler.most == 3


async def test_a_dead_letter_and_its_second_life(either: Inbox) -> None:
    """Given up after its tries, its user's next one goes on; retried, it is tried as a new one."""
    await fill(either, [by_v1(1), by_v1(1, 43_200), by_v0(2)])
    handler = Handler()
    handler.failures.update({1: 2, 2: 2})
    outcomes: list[Any] = []
    either.process(handler, tries=2).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 5)
    letters = await either.dead_letters()
    assert [(one.voter_id, one.cast_at, one.tries) for one in letters] == [
        (1, after(0), 2),
        (2, by_v0(2).cast_at, 2),
    ]
    assert all(isinstance(one, DeadLetter) and "no luck" in one.error for one in letters)
    assert not await either.add(by_history(2))  # it stays dead
    with pytest.raises(InboxError, match="no dead letter"):
        await either.retry(by_v1(1, 43_200))
    handler.failures[1] = 1
    await either.retry(by_history(1))
    await until(lambda: len(outcomes) == 7)
    assert [(one.status, one.tries) for one in outcomes[5:]] == [("failed", 1), ("done", 2)]
    assert [one.voter_id for one in await either.dead_letters()] == [2]


async def test_what_was_begun_is_given_back_at_once(make_inbox: MakeInbox) -> None:
    """A process that closes does not keep the others waiting; what ran has its tries left."""
    first, second = make_inbox(), make_inbox()
    await fill(first, [by_history(voter) for voter in range(1, 6)])
    stuck, handler = Handler(), Handler()
    stuck.gate.clear()
    first.process(stuck, 3).subscribe()
    await until(lambda: stuck.running.total() == 3)
    outcomes: list[Any] = []
    second.process(handler, 3, tries=1).subscribe(outcomes.append)
    await until(lambda: len(handler.returned) == 2)
    await first.close()
    await until(lambda: len(outcomes) == 5)
    assert sorted(handler.voters, key=str) == [1, 2, 3, 4, 5]
    assert {(one.status, one.tries) for one in outcomes} == {("done", 1)}


async def test_dispose_and_a_new_run(inbox: RedisInbox) -> None:
    """Disposing cancels what runs and gives it back; the next run has all of it."""
    await fill(inbox, [by_history(voter) for voter in range(1, 5)])
    stuck, handler = Handler(), Handler()
    stuck.gate.clear()
    subscription = inbox.process(stuck, 2).subscribe()
    await until(lambda: stuck.running.total() == 2)
    subscription.dispose()
    await until(lambda: stuck.running.total() == 0)
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 4)


async def test_a_slow_reader_slows_the_handing_over(inbox: RedisInbox) -> None:
    """Nobody asks for outcomes: nothing more is handled than may run at a time."""
    await fill(inbox, [by_history(voter) for voter in range(1, 31)])
    handler = Handler()
    outcomes = aiter(inbox.process(handler, max_concurrent=3))
    await anext(outcomes)
    await asyncio.sleep(0.1)
    assert len(handler.voters) <= 6
    await outcomes.aclose()  # type: ignore[attr-defined]


# --- keeping -------------------------------------------------------------------------------------


async def test_old_votes_are_forgotten_once_they_are_done(
    make_inbox: MakeInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before `keep` has passed, and never one that waits or is a dead letter."""
    monkeypatch.setattr(inbox_processing, "MOST_OLD", 3)
    inbox = make_inbox(keep=timedelta(hours=2))
    now = Vote().received_at
    old = [
        by_v1(voter, created_at=now - timedelta(hours=2, seconds=-1.2 - voter / 100), id=voter)
        for voter in range(1, 12)
    ]
    young = [by_history(voter, created_at=now) for voter in range(21, 24)]
    await fill(inbox, old + young)
    handler = Handler()
    handler.failures[3] = 1
    handler.gate.clear()
    first = Handler()
    first.failures[3] = 1
    done: list[Any] = []

    async def handle(vote: Vote) -> None:
        await (handler if vote.voter_id == 5 else first)(vote)

    inbox.process(handle, 20, tries=1).subscribe(done.append)
    await until(lambda: len(done) == 13)
    await until_kept(inbox, {3, 5, 21, 22, 23})
    assert not await inbox.add(by_history(3, created_at=old[2].created_at))
    handler.gate.set()  # what is settled late is kept for as long again
    await until(lambda: len(done) == 14)
    await asyncio.sleep(0.1)
    await until_kept(inbox, {3, 5, 21, 22, 23})
    assert [one.voter_id for one in await inbox.dead_letters()] == [3]
    left = await inbox._redis.link.redis.keys("*")
    assert len([key for key in left if b":p:" in key]) == 5
    assert await inbox._redis.link.redis.hlen(f"{inbox._redis.keys}:ids") == 2


async def until_kept(inbox: Inbox, voters: set[int]) -> None:
    async with asyncio.timeout(PATIENCE):
        while {vote.voter_id for vote in await inbox.votes()} != voters:
            await asyncio.sleep(0.02)


# --- what it is made with ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        (None, {}, TypeError),
        ("votes.db", {}, ValueError),
        ("redis://localhost", {"name": ""}, ValueError),
        ("redis://localhost", {"name": "a{b"}, ValueError),
        ("redis://localhost", {"name": 5}, TypeError),
        ("redis://localhost", {"consumer": "a b"}, ValueError),
        ("redis://localhost", {"keep": "31 days"}, TypeError),
        ("redis://localhost", {"keep": timedelta(minutes=59)}, ValueError),
    ],
)
def test_what_is_refused(url: Any, options: Any, error: Any) -> None:
    """What can't be is refused where it is made, without a Redis."""
    with pytest.raises(error):
        RedisInbox(url, **options)


async def test_a_closed_inbox(inbox: RedisInbox) -> None:
    """It says so."""
    await inbox.add(by_v0(1))
    await inbox.close()
    with pytest.raises(InboxError, match="closed"):
        await inbox.add(by_v0(1))


def test_one_loop_after_another(redis_url_of_all: str) -> None:
    """An inbox may be used on a new loop once the one before is closed."""
    inbox = RedisInbox(redis_url_of_all, name="loops", keep=YEARS)

    async def add() -> bool:
        try:
            return await inbox.add(by_v1(1, is_test=True))
        finally:
            await inbox._redis.link.close()

    assert asyncio.run(add())
    assert asyncio.run(add())
    asyncio.run(inbox.close())


async def test_receive_votes_takes_it(redis_url: str, client: Any) -> None:
    """The whole arrangement works with either inbox."""
    handler = Handler()
    async with (
        RedisInbox(redis_url, keep=YEARS) as inbox,
        await receive_votes(client, handler, inbox=inbox, authorization="x", port=0),
    ):
        await inbox.add(by_v0(1))
        await until(lambda: handler.returned == [1])
        assert await inbox.add(by_v0(2))


async def test_a_password_is_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its repr, an error or a log, be it right or wrong."""
    caplog.set_level(logging.DEBUG)
    async with RedisServer(tmp_path / "redis", password="hush-hush") as server:
        right, wrong = server.url, server.url.replace("hush-hush", "wrong-word")
        async with RedisInbox(right) as inbox, RedisInbox(wrong) as other:
            assert await inbox.add(by_v0(1))
            with pytest.raises(InboxError) as raised:
                await other.add(by_v0(1))
            shown = [repr(inbox), repr(raised.value), str(raised.value), caplog.text]
    assert not any(word in text for text in shown for word in ("hush-hush", "wrong-word"))


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    """A client of a top.gg of our own."""
    async with (
        Sandbox(bots=1, votes=0, votes_per_page=3, votes_per_minute=0, rate_limits=()) as sandbox,
        TopGG(
            StandaloneBot(sandbox.bot_id, server_count=1),
            token=sandbox.token,
            base_url=sandbox.base_url,
            autopost=False,
        ) as client,
    ):
        yield client
