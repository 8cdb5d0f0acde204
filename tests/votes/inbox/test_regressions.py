"""Bugs of the inbox that were found, each of which may not come back."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as ops

from rx_toppy import (
    InboxError,
    TopGG,
    Vote,
    VoteEvent,
    VoteInbox,
    of_type,
    receive_votes,
)
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import file_lock as ownership
from rx_toppy.votes import sqlite_store as store
from rx_toppy.votes import sqlite_worker as processing
from rx_toppy.votes.sqlite_worker import Outcome

from . import PATIENCE, SECRET, Handler, after, by_history, by_v0, by_v1, kept, until
from .conftest import MakeInbox
from .test_disk_faults import locked

EVERY = 0.05


async def fill(inbox: VoteInbox, votes: list[Vote]) -> None:
    await asyncio.gather(*map(inbox.add, votes))


# --- handing over --------------------------------------------------------------------------------


@pytest.mark.parametrize("voters", [1, 50])
@pytest.mark.parametrize("most", [1, 10])
async def test_it_does_not_wait_between_votes(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch, voters: int, most: int
) -> None:
    """Fifty votes that wait are handed over one right after the other."""
    monkeypatch.setattr(processing, "LOOK_EVERY", 3_600.0)
    await fill(inbox, [by_history(1 + n % voters, n * 43_200) for n in range(50)])
    handler = Handler()
    inbox.process(handler, most).subscribe()
    await until(lambda: len(handler.returned) == 50)


@pytest.mark.parametrize("pause", [0.0, 0.02])
async def test_nothing_is_handed_over_after_close(make_inbox: MakeInbox, pause: float) -> None:
    """However slowly its outcomes are read; and the next life repeats only those that ran."""
    first, handler = make_inbox(), Handler(pause=0.005)
    await fill(first, [by_history(voter, voter) for voter in range(1, 21)])

    async def read() -> None:
        async for _ in first.process(handler, 2):
            await asyncio.sleep(pause)

    reading = asyncio.ensure_future(read())
    await until(lambda: len(handler.returned) >= 5)
    await first.close()
    given, returned = list(handler.voters), list(handler.returned)
    assert handler.running.total() == 0
    async with asyncio.timeout(PATIENCE):
        await reading
    await asyncio.sleep(0.03)
    assert handler.voters == given
    again = Handler()
    make_inbox().process(again).subscribe()
    await until(lambda: len(again.returned) == 20 - len(returned))
    assert again.voters == [voter for voter in range(1, 21) if voter not in returned]


async def test_disposed_of_while_a_completion_waits_for_the_disk(
    path: Path, inbox: VoteInbox
) -> None:
    """What was handled is written down before somebody else may handle what waits."""
    await fill(inbox, [by_history(1), by_history(2, 60)])
    handler = Handler()
    with locked(path):
        first = inbox.process(handler).subscribe()
        await until(lambda: handler.returned == [1])
        await asyncio.sleep(0.02)  # its completion is on its way to the disk
        first.dispose()
        inbox.process(handler).subscribe()
        await asyncio.sleep(0.05)
        assert handler.voters == [1]
    await until(lambda: len(handler.returned) == 2)
    assert handler.voters == [1, 2]


async def test_one_file_by_two_names(
    path: Path, inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reaches the file by a link may not process it beside the one who does already."""
    monkeypatch.setattr(ownership, "PATIENCE", 0.1)
    link = path.with_name("link.db")
    link.symlink_to(path)
    handler = Handler()
    inbox.process(handler).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: handler.returned == [1])
    async with VoteInbox(link) as other:
        assert other.path == link
        with pytest.raises(InboxError, match="handled already"):
            async for _ in other.process(Handler()):
                pass


async def test_a_file_that_is_locked_when_it_begins(
    path: Path,
    inbox: VoteInbox,
    make_inbox: MakeInbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It takes longer than anybody waits for it, and is begun with all the same."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.02)
    await inbox.add(by_history(1))
    handler, errors = Handler(), list[Exception]()
    with locked(path):
        make_inbox().process(handler).subscribe(on_error=errors.append)
        await until(lambda: caplog.text.count("locked; trying again") >= 2)
    await until(lambda: handler.returned == [1])
    assert errors == []


async def test_an_older_vote_that_comes_while_a_newer_one_waits(
    inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's votes are handled in the order of their times, whenever they are heard of."""
    reads: list[Any] = []
    read = processing.records.after

    def noted(*arguments: Any) -> Any:
        reads.append(read(*arguments))
        return reads[-1]

    monkeypatch.setattr(processing.records, "after", noted)
    handler = Handler()
    handler.gate.clear()
    await fill(inbox, [by_history(1), by_v1(2, 90_000)])
    inbox.process(handler).subscribe()
    await until(lambda: handler.running.total() == 1)
    await inbox.add(by_history(2, 3_600))
    await until(lambda: any(reads))  # it is read beside the one that waits
    handler.gate.set()
    await until(lambda: len(handler.returned) == 3)
    assert [(vote.voter_id, vote.cast_at) for vote in handler.votes] == [
        (1, after(0)),
        (2, after(3_600)),
        (2, after(90_000)),
    ]


async def test_a_handler_that_cancels_itself(inbox: VoteInbox) -> None:
    """That is a try which failed; when there were enough of them, the user goes on."""
    told: list[tuple[float, str]] = []

    async def handler(vote: Vote) -> None:
        task = asyncio.current_task()
        if vote.cast_at == after(0) and task is not None:
            task.cancel()

    def tell(outcome: Outcome) -> None:
        told.append(((outcome.vote.cast_at - after(0)).total_seconds(), outcome.status))

    await fill(inbox, [by_history(1), by_history(1, 43_200)])
    inbox.process(handler, tries=2).subscribe(tell)
    await until(lambda: len(told) == 3)
    assert told == [(0, "failed"), (0, "dead"), (43_200, "done")]
    [letter] = await inbox.dead_letters()
    assert "cancelled" in letter.error


async def test_a_plain_function_as_handler(inbox: VoteInbox) -> None:
    """It has done its work when it returns: the vote is done, and is not given to it again."""
    voters, outcomes = list[int | None](), list[Outcome]()

    def handler(vote: Vote) -> None:
        voters.append(vote.voter_id)

    await fill(inbox, [by_history(1), by_history(2, 60)])
    inbox.process(handler).subscribe(outcomes.append)  # type: ignore[arg-type]
    await until(lambda: len(outcomes) == 2)
    assert voters == [1, 2]
    assert [(outcome.status, outcome.tries) for outcome in outcomes] == [("done", 1)] * 2


# --- keeping and reading -------------------------------------------------------------------------


async def test_reading_while_the_file_is_made(path: Path, make_inbox: MakeInbox) -> None:
    """Who reads while the very first `add` is under way does not find a file without tables."""
    inbox = make_inbox()
    with locked(path):  # so that it is long under way
        adding = asyncio.ensure_future(inbox.add(by_history(1)))
        await asyncio.sleep(0.02)
        reading = asyncio.ensure_future(inbox.votes())
        await asyncio.sleep(0.02)
    assert await adding is True
    assert [vote.voter_id for vote in await reading] == [1]


@pytest.mark.parametrize("v1_comes_first", [True, False])
async def test_what_comes_together_completes_a_record(
    inbox: VoteInbox, v1_comes_first: bool
) -> None:
    """A v0 record that two sources complete at once has what both of them tell."""
    await inbox.add(by_v0(1))
    others = [by_v1(1), by_history(1)]
    new = await asyncio.gather(*map(inbox.add, others if v1_comes_first else others[::-1]))
    assert new == [False, False]
    [vote] = await inbox.votes()
    assert (vote.id, vote.user_id, vote.created_at) == (10**9, 1_000_001, after(0))
    assert await inbox.add(by_v1(1, 30, id=10**9)) is False  # by its id alone


def chain() -> list[Vote]:
    """Three records of a vote, of which the first and the last have nothing in common."""
    return [
        Vote(platform_id=5, received_at=after(2)),
        Vote(platform_id=5, user_id=55, created_at=after(0), received_at=after(3)),
        Vote(user_id=55, created_at=after(0), received_at=after(4)),
    ]


@pytest.mark.parametrize(
    "before",
    [0, 1, 2, 3],
)
async def test_records_that_are_the_same_by_way_of_another(inbox: VoteInbox, before: int) -> None:
    """They are one vote, in one batch (behind those that came before) as well as one by one."""
    votes = chain()
    new = [await inbox.add(vote) for vote in votes[:before]]
    new += await asyncio.gather(*map(inbox.add, votes[before:]))
    assert new == [True, False, False]
    [vote] = await inbox.votes()
    assert (vote.platform_id, vote.user_id, vote.created_at) == (5, 55, after(0))


async def test_the_file_of_a_newer_version(path: Path, make_inbox: MakeInbox) -> None:
    """It is refused each time, and not only the first."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    inbox = make_inbox()
    reads: list[Callable[[], Any]] = [
        inbox.votes,
        inbox.votes,
        inbox.dead_letters,
        inbox.top_voters,
        lambda: inbox.add(by_history(1)),
        inbox.votes,
    ]
    for read in reads:
        with pytest.raises(InboxError, match="newer version"):
            await read()


# --- filling -------------------------------------------------------------------------------------


async def test_feed_passes_over_what_can_not_be_kept(
    inbox: VoteInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A vote that no file can hold is logged; those behind it are kept."""
    feed = inbox.feed(rx.of(by_history(1), by_history(2, id=2**70), by_history(3)))
    async with asyncio.timeout(PATIENCE):
        await feed
    assert [vote.voter_id for vote in await inbox.votes()] == [1, 3]
    [logged] = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "can't be kept" in logged.getMessage()


async def test_a_second_follow(inbox: VoteInbox, client: TopGG) -> None:
    """It is refused while the first one runs, and not after that."""
    feed = inbox.follow(client, every=EVERY)
    with pytest.raises(InboxError, match="follows"):
        inbox.follow(client, every=EVERY)
    assert not feed.is_over
    feed.dispose()
    await until(lambda: feed.is_over)
    inbox.follow(client, every=EVERY)


# --- receive_votes -------------------------------------------------------------------------------


async def test_an_inbox_that_was_handed_in_stays_open(client: TopGG, inbox: VoteInbox) -> None:
    """Only what `receive_votes` has begun ends with it."""
    running = await receive_votes(client, Handler(), inbox=inbox, every=EVERY)
    await running.close()
    assert running.history is not None
    assert running.history.is_over
    assert await inbox.add(by_history(1)) is True
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: handler.returned == [1])


async def test_its_outcomes(client: TopGG, path: Path) -> None:
    """They tell of each try, and complete when it is closed."""
    told: list[tuple[int | None, str]] = []
    ends: list[bool] = []
    handler = Handler()
    handler.failures[1] = 1
    running = await receive_votes(client, handler, inbox=path, every=EVERY)
    running.outcomes.subscribe(
        lambda outcome: told.append((outcome.vote.voter_id, outcome.status)),
        on_completed=lambda: ends.append(True),
    )
    await running.inbox.add(by_history(1))
    await until(lambda: len(told) == 2)
    assert told == [(1, "failed"), (1, "done")]
    await running.close()
    assert ends == [True]


async def test_the_client_hears_of_what_the_history_brought(
    client: TopGG, sandbox: Sandbox, path: Path
) -> None:
    """Each vote is one `VoteEvent`, whether the webhook, the history or both brought it."""
    events: list[VoteEvent] = []
    client.events.pipe(of_type(VoteEvent)).subscribe(events.append)
    running = await receive_votes(client, Handler(), inbox=path, secret=SECRET, port=0, every=EVERY)
    assert running.webhook is not None
    await until(lambda: len(sandbox.requests) >= 2)
    sandbox.vote(1)  # no webhook is set up yet
    await until(lambda: len(events) == 1)
    endpoint = sandbox.send_to(f"http://127.0.0.1:{running.webhook.port}/votes", secret=SECRET)
    sandbox.vote(2)
    await endpoint.wait_idle()
    before = len(sandbox.requests)
    await until(lambda: len(sandbox.requests) >= before + 3)
    assert [event.vote.voter_id for event in events] == [1, 2]
    assert len(await kept(path)) == 2


async def test_a_handler_may_close_its_inbox(path: Path) -> None:
    """It is cancelled there and then, the inbox closes, and the vote waits for the next life."""
    inbox = VoteInbox(path)
    await inbox.add(Vote(platform_id=5))
    after: list[str] = []

    async def handler(_: Vote) -> None:
        await inbox.close()
        after.append("went on")

    async with asyncio.timeout(PATIENCE):
        assert [outcome async for outcome in inbox.process(handler)] == []
    assert after == []
    with pytest.raises(InboxError):
        await inbox.add(Vote(platform_id=6))
    async with VoteInbox(path) as again:
        outcomes = again.process(lambda _: asyncio.sleep(0)).pipe(ops.first())
        assert (await outcomes).status == "done"
