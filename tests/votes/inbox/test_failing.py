"""Handlers that raise: another try after a pause, then a dead letter; and its own user waits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from reactivex import operators as ops

from rx_toppy import InboxError, Vote, VoteInbox
from rx_toppy.votes import DeadLetter, Outcome
from rx_toppy.votes import sqlite_worker as processing

from . import PATIENCE, Handler, by_history, by_v0, by_v1, until
from .conftest import MakeInbox


async def fill(inbox: VoteInbox, votes: list[Vote]) -> None:
    await asyncio.gather(*map(inbox.add, votes))


async def test_a_handler_that_fails_twice(inbox: VoteInbox) -> None:
    """The vote is tried again, and done the third time."""
    await inbox.add(by_history(1))
    handler = Handler()
    handler.failures[1] = 2
    outcomes: list[Any] = []
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 3)
    assert [(one.status, one.tries) for one in outcomes] == [
        ("failed", 1),
        ("failed", 2),
        ("done", 3),
    ]
    assert handler.voters == [1, 1, 1]
    assert await inbox.dead_letters() == []


async def test_a_failing_vote_holds_back_its_own_user_only(inbox: VoteInbox) -> None:
    """The user's later votes wait for it; everybody else's are handled meanwhile."""
    await fill(inbox, [by_history(1), by_history(1, 43_200), by_history(1, 86_400)])
    await fill(inbox, [by_history(voter, voter) for voter in range(2, 8)])
    handler = Handler()
    handler.failures[1] = 1_000_000
    inbox.process(handler, tries=1_000_000).subscribe()
    await until(lambda: len(handler.returned) == 6 and handler.voters.count(1) >= 3)
    handler.failures[1] = 1
    await until(lambda: len(handler.returned) == 9)
    assert handler.returned[:6] == [2, 3, 4, 5, 6, 7]
    ones = [vote.cast_at for vote in handler.votes if vote.voter_id == 1]
    assert ones == sorted(ones)
    assert ones[:4] == [by_history(1).cast_at] * 4


async def test_pauses_double_up_to_the_longest(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pause is twice the one before, up to a bound, and drawn from the upper half of that."""
    monkeypatch.setattr(processing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(processing, "LONGEST_PAUSE", 0.04)
    await inbox.add(by_history(1))
    handler = Handler()
    handler.failures[1] = 5
    outcomes: list[Any] = []
    inbox.process(handler, tries=10).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 6)
    ceilings = [0.01, 0.02, 0.04, 0.04, 0.04]
    for outcome, ceiling in zip(outcomes, ceilings, strict=False):
        assert ceiling / 2 <= outcome.retry_in <= ceiling


@pytest.mark.parametrize("tries", [1, 3])
async def test_a_dead_letter_after_so_many_tries(inbox: VoteInbox, tries: int) -> None:
    """It is given up, which is on disk; the user's next vote is handled."""
    await fill(inbox, [by_v1(1), by_v1(1, 43_200)])
    handler = Handler()
    handler.failures[1] = tries
    outcomes: list[Any] = []
    inbox.process(handler, tries=tries).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == tries + 1)
    assert [one.status for one in outcomes] == ["failed"] * (tries - 1) + ["dead", "done"]
    assert isinstance(outcomes[tries - 1].error, ValueError)
    [letter] = await inbox.dead_letters()
    assert isinstance(letter, DeadLetter)
    assert isinstance(letter, Vote)
    assert (letter.id, letter.cast_at, letter.tries) == (by_v1(1).id, by_v1(1).cast_at, tries)
    assert "no luck with 1" in letter.error


async def test_an_error_that_cannot_be_shown(inbox: VoteInbox) -> None:
    """An exception whose repr raises makes a dead letter as any other does, with its name."""

    class Unshowable(Exception):
        def __repr__(self) -> str:
            raise ValueError("there is no repr")

    async def handler(_: Vote) -> None:
        raise Unshowable

    await inbox.add(by_history(1))
    outcomes: list[Outcome] = []
    inbox.process(handler, tries=1).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 1)
    assert outcomes[0].status == "dead"
    (letter,) = await inbox.dead_letters()
    assert letter.error == "Unshowable"


async def test_dead_letters_come_in_order(inbox: VoteInbox, make_inbox: MakeInbox) -> None:
    """They can be awaited, iterated and read by another inbox; what is done is not there."""
    await fill(inbox, [by_history(voter, voter) for voter in range(1, 6)])
    handler = Handler()
    handler.failures.update([1, 3, 5])
    inbox.process(handler, tries=1).subscribe()
    await until(lambda: len(handler.votes) == 5)
    async with asyncio.timeout(PATIENCE):
        while len(await inbox.dead_letters()) < 3:
            await asyncio.sleep(0.005)
    await inbox.close()
    other = make_inbox()
    assert [letter.voter_id async for letter in other.dead_letters()] == [1, 3, 5]


async def dead(inbox: VoteInbox, handler: Handler, votes: list[Vote]) -> None:
    """Has some votes given up."""
    await fill(inbox, votes)
    for vote in votes:
        handler.failures[vote.voter_id] += 1
    outcomes: list[Any] = []
    subscription = inbox.process(handler, tries=1).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == len(votes))
    assert {one.status for one in outcomes} == {"dead"}
    subscription.dispose()
    await asyncio.sleep(0.02)


async def test_retry_lets_a_dead_letter_be_tried_again(inbox: VoteInbox) -> None:
    """As often as a new vote; then it is no dead letter any more."""
    handler = Handler()
    await dead(inbox, handler, [by_history(1), by_history(2, 1)])
    [one, _] = await inbox.dead_letters()
    outcomes: list[Any] = []
    inbox.process(handler, tries=2).subscribe(outcomes.append)
    await asyncio.sleep(0.05)
    handler.failures[1] = 1
    await inbox.retry(one)
    await until(lambda: len(outcomes) == 2)
    assert [(each.vote.voter_id, each.status, each.tries) for each in outcomes] == [
        (1, "failed", 1),
        (1, "done", 2),
    ]
    assert [letter.voter_id for letter in await inbox.dead_letters()] == [2]


@pytest.mark.parametrize("told", [by_v1(1), by_history(1), by_v0(1)], ids=["v1", "history", "v0"])
async def test_retry_takes_any_record_of_the_vote(inbox: VoteInbox, told: Vote) -> None:
    """The dead letter need not be at hand: the vote, from whichever source, says which it is."""
    await dead(inbox, Handler(), [by_v1(1), by_v1(2, 1)])
    await inbox.retry(told)
    assert [letter.voter_id for letter in await inbox.dead_letters()] == [2]


async def test_retry_of_a_test(inbox: VoteInbox) -> None:
    """Of several tests that were given up, the one is tried again that is meant."""
    tests = [by_v0(1, second, is_test=True) for second in range(3)]
    await dead(inbox, Handler(), tests)
    await inbox.retry(tests[1])
    left = [letter.received_at for letter in await inbox.dead_letters()]
    assert left == [tests[0].received_at, tests[2].received_at]


async def test_any_number_of_dead_letters_can_be_retried(inbox: VoteInbox) -> None:
    """One after the other; each is handled once more, and so is a vote that comes after them."""
    handler = Handler()
    await dead(inbox, handler, [by_history(voter, voter) for voter in (1, 2, 3)])
    for letter in await inbox.dead_letters():
        await inbox.retry(letter)
    await inbox.add(by_history(4, 4))
    assert await inbox.dead_letters() == []
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 4)
    assert handler.returned == [1, 2, 3, 4]


async def test_a_dead_letter_behind_many_can_be_retried(inbox: VoteInbox) -> None:
    """It is found beyond the page of them that is read at a time."""
    votes = [by_history(voter, voter) for voter in range(1, 502)]
    await fill(inbox, votes)
    outcomes: list[Any] = []
    handler = Handler()
    handler.failures.update(range(1, 502))
    inbox.process(handler, 200, tries=1).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == len(votes))
    await inbox.retry(votes[-1])
    await until(lambda: handler.returned == [501])


async def test_retry_of_what_is_no_dead_letter(inbox: VoteInbox) -> None:
    """A vote that waits, or that nobody knows, or that was tried again before, can't be."""
    await dead(inbox, Handler(), [by_history(1)])
    await inbox.add(by_history(2))
    await inbox.retry(by_history(1))
    for vote in (by_history(1), by_history(2), by_history(3)):
        with pytest.raises(InboxError, match="no dead letter"):
            await inbox.retry(vote)
    with pytest.raises(TypeError):
        await inbox.retry(5)  # type: ignore[arg-type]


async def test_a_dead_letter_that_is_told_of_again_stays_dead(inbox: VoteInbox) -> None:
    """Another record of it is not new, and does not bring it back."""
    handler = Handler()
    await dead(inbox, handler, [by_v0(1)])
    assert not await inbox.add(by_history(1))
    inbox.process(handler).subscribe()
    await asyncio.sleep(0.05)
    assert handler.voters == [1]
    assert len(await inbox.dead_letters()) == 1


async def test_tries_are_kept_over_a_restart(make_inbox: MakeInbox) -> None:
    """Two tries in one life and one in the next are three."""
    handler = Handler()
    handler.failures[1] = 100
    first = make_inbox()
    await first.add(by_history(1))
    outcomes: list[Any] = []
    first.process(handler, tries=3).pipe(ops.take(2)).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 2)
    await first.close()
    made = len(handler.votes)
    second = make_inbox()
    second.process(handler, tries=3).subscribe(outcomes.append)
    await until(lambda: outcomes[-1].status == "dead")
    assert [one.tries for one in outcomes] == [1, 2, 3]
    assert made == 2
    assert len(handler.votes) == 3


@pytest.mark.parametrize("end", ["close", "dispose"])
async def test_a_try_that_was_broken_off_does_not_count(make_inbox: MakeInbox, end: str) -> None:
    """What ran when it was ended has as many tries left as before, in the next run."""
    handler = Handler()
    handler.gate.clear()
    first = make_inbox()
    await first.add(by_history(1))
    subscription = first.process(handler, tries=1).subscribe()
    await until(lambda: handler.voters == [1])
    if end == "dispose":
        subscription.dispose()
        await asyncio.sleep(0.02)
    await first.close()
    handler.gate.set()
    outcomes: list[Any] = []
    second = make_inbox()
    assert await second.dead_letters() == []
    second.process(handler, tries=1).subscribe(outcomes.append)
    await until(lambda: outcomes)
    assert [(one.status, one.tries) for one in outcomes] == [("done", 1)]


async def test_a_handler_that_raises_cancelled_error(inbox: VoteInbox) -> None:
    """It is a failure like any other, as of a task inside that was cancelled: it ends nothing."""
    calls: list[int | None] = []

    async def handler(vote: Vote) -> None:
        calls.append(vote.voter_id)
        if calls == [1]:
            raise asyncio.CancelledError

    await fill(inbox, [by_history(1), by_history(2, 1)])
    outcomes: list[Any] = []
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 3)
    assert sorted((one.vote.voter_id, one.status) for one in outcomes) == [
        (1, "done"),
        (1, "failed"),
        (2, "done"),
    ]


async def test_a_handler_that_times_out(inbox: VoteInbox) -> None:
    """`asyncio.timeout` inside of a handler works: its TimeoutError is a failure."""
    calls = 0

    async def handler(vote: Vote) -> None:
        nonlocal calls
        calls += 1
        async with asyncio.timeout(0.01):
            await asyncio.sleep(0 if calls > 1 else 60)

    await inbox.add(by_history(1))
    outcomes: list[Any] = []
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 2)
    assert [one.status for one in outcomes] == ["failed", "done"]
    assert isinstance(outcomes[0].error, TimeoutError)


async def test_an_error_of_any_length_is_kept(inbox: VoteInbox) -> None:
    """What a handler raised stands in the dead letter, cut to a sensible length."""

    async def handler(vote: Vote) -> None:
        raise ValueError("x" * 100_000)

    await inbox.add(by_history(1))
    outcomes: list[Any] = []
    inbox.process(handler, tries=1).subscribe(outcomes.append)
    await until(lambda: outcomes)
    [letter] = await inbox.dead_letters()
    assert letter.error.startswith("ValueError('xxx")
    assert len(letter.error) <= 500


async def test_failures_are_logged(inbox: VoteInbox, caplog: pytest.LogCaptureFixture) -> None:
    """A failed try is a warning, a dead letter an error, both with the traceback."""
    await inbox.add(by_history(1))
    handler = Handler()
    handler.failures[1] = 2
    outcomes: list[Any] = []
    inbox.process(handler, tries=2).subscribe(outcomes.append)
    await until(lambda: len(outcomes) == 2)
    records = [one for one in caplog.records if one.name == "rx_toppy.votes"]
    assert [one.levelno for one in records] == [logging.WARNING, logging.ERROR]
    assert all(one.exc_info for one in records)
