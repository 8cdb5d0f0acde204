"""`VoteInbox.process`: every vote to the handler, in order, and what becomes of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import pytest
from reactivex import operators as ops

from rx_toppy import InboxError, Vote, VoteInbox, iterate
from rx_toppy.votes import file_lock as ownership
from rx_toppy.votes import sqlite_worker as processing

from . import PATIENCE, Handler, after, by_history, by_v0, by_v1, life, until
from .conftest import MakeInbox


async def fill(inbox: VoteInbox, votes: list[Vote]) -> None:
    await asyncio.gather(*map(inbox.add, votes))


# --- order ---------------------------------------------------------------------------------------


async def test_oldest_first(inbox: VoteInbox) -> None:
    """Votes are handled in the order in which they were cast, not in that in which they came."""
    votes = [by_history(voter, voter * 60) for voter in range(1, 31)]
    Random(1).shuffle(votes)
    await fill(inbox, votes)
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 30)
    assert handler.voters == list(range(1, 31))


async def test_a_backlog_of_many_pages(inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read bit by bit, it is handled oldest first all the same, each vote once."""
    monkeypatch.setattr(processing, "CHUNK", 2)
    monkeypatch.setattr(processing, "MOST_HELD", 4)
    await fill(inbox, [by_history(voter, voter * 60) for voter in (4, 7, 1, 6, 3, 5, 2)])
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) >= 7)
    await asyncio.sleep(0.05)
    assert handler.voters == list(range(1, 8))


async def test_new_votes_do_not_overtake_the_backlog(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come meanwhile, those that waited when it began are handled before them."""
    monkeypatch.setattr(processing, "CHUNK", 2)
    await fill(inbox, [by_history(voter, voter * 60) for voter in range(1, 6)])
    handled: list[int | None] = []

    async def handler(vote: Vote) -> None:
        handled.append(vote.voter_id)
        if len(handled) < 5:
            await inbox.add(by_history(100 + len(handled), 6_000 + len(handled)))
        await asyncio.sleep(0.02)

    inbox.process(handler).subscribe()
    await until(lambda: len(handled) == 9)
    assert handled == [1, 2, 3, 4, 5, 101, 102, 103, 104]


async def test_votes_that_come_while_a_backlog_is_read(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no part of it: the next vote of a user whose last one still runs is handled once."""
    monkeypatch.setattr(processing, "CHUNK", 2)
    await fill(inbox, [by_history(voter, voter * 60) for voter in range(1, 7)])
    gates = {1: asyncio.Event(), 2: asyncio.Event()}
    handled: list[int | None] = []

    async def handler(vote: Vote) -> None:
        if vote.voter_id in gates:
            await gates[vote.voter_id].wait()
        handled.append(vote.voter_id)

    inbox.process(handler, max_concurrent=2).subscribe()
    await asyncio.sleep(0.05)
    await inbox.add(by_history(1, 50_000))
    await asyncio.sleep(0.05)
    gates[2].set()
    await until(lambda: handled == [2, 3, 4, 5, 6])
    gates[1].set()
    await until(lambda: len(handled) >= 7)
    await asyncio.sleep(0.05)
    assert handled == [2, 3, 4, 5, 6, 1, 1]


@pytest.mark.parametrize("most", [1, 4])
async def test_the_votes_of_a_user_are_in_order(inbox: VoteInbox, most: int) -> None:
    """However many run at a time, a user's votes are handled one after another, oldest first."""
    votes = [by_history(voter, day * 43_200 + voter) for day in range(6) for voter in range(1, 6)]
    Random(2).shuffle(votes)
    await fill(inbox, votes)
    handler = Handler(pause=0.002)
    inbox.process(handler, most).subscribe()
    await until(lambda: len(handler.returned) == 30)
    assert handler.clashes == 0
    for voter in range(1, 6):
        times = [vote.cast_at for vote in handler.votes if vote.voter_id == voter]
        assert times == sorted(times)
        assert len(times) == 6


async def test_votes_of_unknown_users_are_handled(inbox: VoteInbox) -> None:
    """A vote that does not say who cast it reaches the handler as well."""
    await fill(inbox, [Vote(received_at=after(0)), Vote(received_at=after(1))])
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 2)


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_so_many_at_a_time(inbox: VoteInbox, most: int) -> None:
    """As many handlers run as may, and never more."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 31)])
    handler = Handler(pause=0.001)
    handler.gate.clear()
    inbox.process(handler, max_concurrent=most).subscribe()
    await until(lambda: handler.running.total() == most)
    handler.gate.set()
    await until(lambda: len(handler.returned) == 30)
    assert handler.most == most


async def test_votes_that_come_later(inbox: VoteInbox) -> None:
    """It goes on for ever: what is added while it runs is handled too."""
    handler = Handler()
    inbox.process(handler).subscribe()
    for voter in range(1, 6):
        await inbox.add(by_history(voter, voter))
        await until(lambda voter=voter: len(handler.returned) == voter)
    assert handler.voters == [1, 2, 3, 4, 5]


async def test_what_happens_is_noticed_at_once(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new vote, another try and the end are not left to the next look at the file."""
    monkeypatch.setattr(processing, "LOOK_EVERY", 3_600.0)
    handler = Handler()
    handler.failures[2] = 1
    outcomes: list[Any] = []
    ends: list[str] = []
    inbox.process(handler).subscribe(outcomes.append, on_completed=lambda: ends.append("end"))
    await asyncio.sleep(0.05)
    await inbox.add(by_history(1))
    await until(lambda: len(outcomes) == 1)
    await inbox.add(by_history(2))
    await until(lambda: len(outcomes) == 3)
    async with asyncio.timeout(PATIENCE):
        await inbox.close()
    await until(lambda: ends == ["end"])
    assert [one.status for one in outcomes] == ["done", "failed", "done"]


async def test_a_vote_that_comes_while_the_reader_is_busy(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is handled as soon as the reader asks for more."""
    monkeypatch.setattr(processing, "LOOK_EVERY", 3_600.0)
    await inbox.add(by_history(1))
    outcomes = aiter(inbox.process(Handler()))
    assert (await anext(outcomes)).vote.voter_id == 1
    await inbox.add(by_history(2))
    async with asyncio.timeout(PATIENCE):
        assert (await anext(outcomes)).vote.voter_id == 2
    await outcomes.aclose()  # type: ignore[attr-defined]


async def test_it_reads_nothing_while_nothing_happens(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks at the file it rests."""
    looks: list[int] = []
    look = processing.records.after

    def counted(newest: int, *others: Any) -> Any:
        looks.append(newest)
        return look(newest, *others)

    monkeypatch.setattr(processing, "LOOK_EVERY", 3_600.0)
    monkeypatch.setattr(processing.records, "after", counted)
    handler = Handler()
    inbox.process(handler).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: handler.returned == [1])
    before = -1
    async with asyncio.timeout(PATIENCE):  # it comes to rest at some time
        while len(looks) != before:
            before = len(looks)
            await asyncio.sleep(0.1)
    assert before > 0


async def test_votes_of_another_inbox(make_inbox: MakeInbox) -> None:
    """What somebody else adds to the file is found."""
    one, other = make_inbox(), make_inbox()
    await one.votes()
    handler = Handler()
    one.process(handler).subscribe()
    await other.add(by_history(1))
    await until(lambda: handler.returned == [1])


async def test_votes_of_another_process(path: Path, inbox: VoteInbox) -> None:
    """What another process adds to the file is found."""
    handler = Handler()
    inbox.process(handler).subscribe()
    with life("keep", path, 5) as keeper:
        for _ in range(5):
            await keeper.hear()
        await until(lambda: len(handler.returned) == 5)
    assert handler.voters == [1, 2, 3, 4, 5]


async def test_a_vote_of_several_sources_is_handled_once(inbox: VoteInbox) -> None:
    """Other records of a vote come before, while and after it is handled: once is enough."""
    handler = Handler()
    handler.gate.clear()
    await inbox.add(by_v0(1))
    inbox.process(handler).subscribe()
    await until(lambda: handler.running.total() == 1)
    await inbox.add(by_history(1))
    handler.gate.set()
    await until(lambda: handler.returned == [1])
    await inbox.add(by_v1(1))
    await inbox.add(by_history(2))
    await until(lambda: 2 in handler.returned)
    assert handler.voters == [1, 2]


# --- outcomes ------------------------------------------------------------------------------------


async def test_outcomes_are_a_stream(inbox: VoteInbox) -> None:
    """Each try is an `Outcome`: subscribed to, it arrives after it is on disk."""
    await fill(inbox, [by_history(1), by_history(2, 1)])
    handler = Handler()
    handler.failures[1] = 1
    outcomes: list[Any] = []
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 3)
    [other] = [one for one in outcomes if one.vote.voter_id == 2]
    failed, done = [one for one in outcomes if one is not other]
    assert (failed.vote.voter_id, failed.status, failed.tries) == (1, "failed", 1)
    assert str(failed.error) == "no luck with 1"
    assert 0 < failed.retry_in <= 0.02
    assert (other.vote.voter_id, other.status, other.tries, other.error) == (2, "done", 1, None)
    assert (done.vote.voter_id, done.status, done.tries, done.retry_in) == (1, "done", 2, None)


async def test_outcomes_by_async_for(inbox: VoteInbox) -> None:
    """Iterated, it goes on as long as it is asked for more; leaving it stops it."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 11)])
    handler = Handler()
    seen = []
    outcomes = aiter(inbox.process(handler))
    async for outcome in outcomes:
        seen.append(outcome.vote.voter_id)
        if len(seen) == 3:
            break
    await outcomes.aclose()  # type: ignore[attr-defined]
    count = len(handler.voters)
    await asyncio.sleep(0.05)
    assert seen == [1, 2, 3]
    assert len(handler.voters) == count <= 4


async def test_a_slow_reader_slows_the_handing_over(inbox: VoteInbox) -> None:
    """Nobody asks for outcomes: nothing more is handled than may run at a time."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 31)])
    handler = Handler()
    outcomes = aiter(inbox.process(handler, max_concurrent=3))
    await anext(outcomes)
    await asyncio.sleep(0.1)
    assert len(handler.voters) <= 6
    await outcomes.aclose()  # type: ignore[attr-defined]


async def test_outcomes_come_in_order(inbox: VoteInbox) -> None:
    """Who reads them more slowly than they come hears of the votes as they were settled."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 6)])
    told = []
    async with asyncio.timeout(PATIENCE):
        async for outcome in inbox.process(Handler(), 5):
            told.append(outcome.vote.voter_id)
            if len(told) == 5:
                break
            await asyncio.sleep(0.05)
    assert told == [1, 2, 3, 4, 5]


async def test_outcomes_can_be_composed(inbox: VoteInbox) -> None:
    """`process` is an observable like any other: operators and `iterate` work on it."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 6)])
    first = inbox.process(Handler()).pipe(ops.map(lambda one: one.vote.voter_id), ops.take(3))
    assert [voter async for voter in iterate(first)] == [1, 2, 3]


async def test_process_is_cold(inbox: VoteInbox) -> None:
    """Nothing is handled before somebody subscribes; it can't be awaited, for it has no end."""
    await inbox.add(by_history(1))
    handler = Handler()
    outcomes = inbox.process(handler)
    await asyncio.sleep(0.05)
    assert handler.voters == []
    with pytest.raises(TypeError, match="no end"):
        await outcomes
    assert "inbox.process" in repr(outcomes)


# --- the end -------------------------------------------------------------------------------------


async def test_dispose_cancels_what_runs(inbox: VoteInbox) -> None:
    """Handlers that run are cancelled, and their votes are handed over again the next time."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 6)])
    stuck = Handler()
    stuck.gate.clear()
    outcomes: list[Any] = []
    subscription = inbox.process(stuck, 2).subscribe(outcomes.append)
    await until(lambda: stuck.running.total() == 2)
    subscription.dispose()
    await until(lambda: stuck.running.total() == 0)
    stuck.gate.set()
    await asyncio.sleep(0.05)
    assert stuck.voters == [1, 2]
    assert stuck.returned == []
    assert outcomes == []
    handler = Handler()
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 5)
    assert handler.returned == [1, 2, 3, 4, 5]
    assert {outcome.tries for outcome in outcomes} == {1}


async def test_close_completes(make_inbox: MakeInbox, inbox: VoteInbox) -> None:
    """Closing the inbox cancels what runs and completes `process`; nothing is lost by it."""
    await fill(inbox, [by_history(1), by_history(2, 1)])
    stuck = Handler()
    stuck.gate.clear()
    ends: list[object] = []
    inbox.process(stuck).subscribe(
        on_error=ends.append, on_completed=lambda: ends.append("completed")
    )
    await until(lambda: stuck.running.total() == 1)
    await inbox.close()
    assert stuck.running.total() == 0
    assert ends == ["completed"]
    handler = Handler()
    make_inbox().process(handler).subscribe()
    await until(lambda: handler.returned == [1, 2])


async def test_close_right_after_dispose(inbox: VoteInbox, make_inbox: MakeInbox) -> None:
    """What was disposed of a moment ago is waited for, and the file is closed."""
    await inbox.add(by_history(1))
    stuck = Handler()
    stuck.gate.clear()
    subscription = inbox.process(stuck).subscribe()
    await until(lambda: stuck.running.total() == 1)
    subscription.dispose()
    await inbox.close()
    assert stuck.running.total() == 0
    handler = Handler()
    make_inbox().process(handler).subscribe()
    await until(lambda: handler.returned == [1])


async def test_close_ends_an_idle_async_for(inbox: VoteInbox) -> None:
    """Whoever iterates and waits for votes is told the end."""
    seen = []

    async def run() -> None:
        async for outcome in inbox.process(Handler()):
            seen.append(outcome)  # noqa: PERF401

    task = asyncio.ensure_future(run())
    await inbox.add(by_history(1))
    await until(lambda: seen)
    await inbox.close()
    async with asyncio.timeout(PATIENCE):
        await task
    assert [outcome.vote.voter_id for outcome in seen] == [1]


async def test_what_was_done_is_never_handled_again(make_inbox: MakeInbox) -> None:
    """The next life begins with what was not done."""
    first = make_inbox()
    await fill(first, [by_history(voter, voter) for voter in range(1, 11)])
    some = first.process(Handler()).pipe(ops.take(4))
    outcomes = [outcome async for outcome in iterate(some)]
    await first.close()
    handler = Handler()
    make_inbox().process(handler).subscribe()
    await until(lambda: len(handler.returned) >= 10 - len(outcomes))
    assert set(handler.voters) | {one.vote.voter_id for one in outcomes} == set(range(1, 11))
    assert not set(handler.voters) & {one.vote.voter_id for one in outcomes[:3]}


async def test_what_ran_at_a_kill_runs_again(path: Path, inbox: VoteInbox) -> None:
    """A process is killed while its handler has a vote: the next one's handler gets it."""
    await fill(inbox, [by_history(1), by_history(2, 1)])
    with life("handle", path) as process:
        assert await process.hear() == 1
        process.kill()
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: handler.returned == [1, 2])


# --- one at a time -------------------------------------------------------------------------------


async def refusal(inbox: VoteInbox) -> Exception:
    """What somebody is told who does not wait long for whoever handles the votes already."""
    errors: list[Exception] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownership, "PATIENCE", 0.1)
        inbox.process(Handler()).subscribe(None, errors.append)
        await until(lambda: errors)
    return errors[0]


async def test_a_second_process_is_refused(inbox: VoteInbox, make_inbox: MakeInbox) -> None:
    """While a file's votes are handled, neither this inbox nor another one may begin to."""
    handler = Handler()
    subscription = inbox.process(handler).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: handler.returned == [1])
    for box in (inbox, make_inbox()):
        error = await refusal(box)
        assert isinstance(error, InboxError)
        assert "votes.db are being handled already" in str(error)
    await inbox.add(by_history(2))
    await until(lambda: handler.returned == [1, 2])
    subscription.dispose()


async def test_a_second_process_waits_a_moment(inbox: VoteInbox) -> None:
    """One that has just been told to end may still be about it: the next one takes over."""
    first, second = Handler(), Handler()
    subscription = inbox.process(first).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: first.returned == [1])
    inbox.process(second).subscribe()
    await asyncio.sleep(0)
    subscription.dispose()
    await inbox.add(by_history(2, 1))
    await until(lambda: second.returned == [2])
    assert first.returned == [1]


async def test_another_process_is_refused_until_this_one_is_dead(
    path: Path, inbox: VoteInbox
) -> None:
    """Its lock dies with it: the moment it is killed, the votes are free to be handled."""
    await inbox.add(by_history(1))
    with life("handle", path) as process:
        assert await process.hear() == 1
        assert isinstance(await refusal(inbox), InboxError)
        process.kill()
        handler = Handler()
        inbox.process(handler).subscribe()
        await until(lambda: handler.returned == [1])


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"handler": None}, TypeError),
        ({"handler": "reward"}, TypeError),
        ({"max_concurrent": 0}, ValueError),
        ({"max_concurrent": 1.5}, TypeError),
        ({"max_concurrent": True}, TypeError),
        ({"tries": 0}, ValueError),
        ({"tries": "5"}, TypeError),
    ],
)
async def test_what_process_refuses(inbox: VoteInbox, arguments: Any, error: Any) -> None:
    """An argument that can't be is refused where the call is made."""
    with pytest.raises(error):
        inbox.process(**({"handler": Handler()} | arguments))


async def test_process_on_a_closed_inbox(inbox: VoteInbox) -> None:
    """It ends with an error that says why."""
    await inbox.close()
    error = await refusal(inbox)
    assert isinstance(error, InboxError)
    assert "closed" in str(error)


# --- many ----------------------------------------------------------------------------------------

# Makes many of the vote that there is: of other voters, and each a second later.
MULTIPLY = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :many)
INSERT INTO votes (
    at, user_id, platform_id, weight, created_at, expires_at, received_at, is_test, query, source
)
SELECT
    at + n * 1000000, user_id + n, platform_id + n, weight, created_at + n * 1000000,
    expires_at + n * 1000000, received_at + n * 1000000, is_test, query, source
FROM votes, numbers
"""


async def test_a_large_backlog(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """20,000 votes wait: a few hundred of them are in memory at a time."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(processing, "LOOK_EVERY", 0.001)
    await inbox.add(by_history(1))
    await inbox._store.write(lambda database: database.execute(MULTIPLY, {"many": 19_999}))
    assert len(await inbox.top_voters(limit=20_001)) == 20_000
    asyncio.get_running_loop().set_debug(False)
    count = 0
    enough = asyncio.Event()

    async def handler(vote: Vote) -> None:
        nonlocal count
        count += 1
        if count == 1_500:
            enough.set()

    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        subscription = inbox.process(handler, max_concurrent=100).subscribe()
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    subscription.dispose()
    await asyncio.sleep(0.05)
    assert peak - before < 4_000_000


async def test_more_than_a_few_pages(inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of many reads is handled whole, each vote once, oldest first."""
    monkeypatch.setattr(processing, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(processing, "CHUNK", 50)
    votes = [by_history(voter % 70 + 1, voter * 43_200) for voter in range(490)]
    await fill(inbox, votes)
    handler = Handler()
    inbox.process(handler, max_concurrent=20).subscribe()
    await until(lambda: len(handler.returned) >= 490)
    await asyncio.sleep(0.05)
    assert sorted(vote.cast_at for vote in handler.votes) == [vote.cast_at for vote in votes]
    assert handler.clashes == 0
    for voter in range(1, 71):
        times = [vote.cast_at for vote in handler.votes if vote.voter_id == voter]
        assert times == sorted(times)


async def test_one_user_does_not_hold_back_the_others(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More votes of one slow user wait than are read at a time: another one's is handled."""
    monkeypatch.setattr(processing, "CHUNK", 20)
    await fill(inbox, [by_history(1, day * 43_200) for day in range(100)])
    await inbox.add(by_history(2, 10**7))
    handler = Handler()
    handler.gate.clear()
    inbox.process(handler, max_concurrent=2).subscribe()
    await until(lambda: 2 in handler.voters)
    assert sorted(handler.voters) == [1, 2]


@pytest.mark.parametrize("moved", [-1_700.0, 30.0], ids=["earlier", "later"])
async def test_a_vote_whose_time_becomes_known_meanwhile(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch, moved: float
) -> None:
    """v0's votes wait, and the history says when they were cast: each is handled, once."""
    monkeypatch.setattr(processing, "CHUNK", 20)
    await fill(inbox, [by_v0(voter, voter * 3, late=1_800) for voter in range(1, 61)])
    handler = Handler(pause=0.002)
    handler.gate.clear()
    inbox.process(handler, max_concurrent=2).subscribe()
    await until(lambda: handler.running.total() == 2)
    for voter in range(10, 61, 5):
        assert not await inbox.add(by_history(voter, voter * 3 + 1_800 + moved))
    handler.gate.set()
    await until(lambda: len(handler.returned) >= 60)
    await asyncio.sleep(0.1)
    assert sorted(handler.voters) == list(range(1, 61))
