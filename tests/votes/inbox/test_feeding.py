"""`follow` and `feed`: what fills an inbox in the background."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx
from reactivex.subject import Subject

from rx_toppy import InboxError, StandaloneBot, TopGG, ToppyError, Vote, VoteInbox, VoteWebhook
from rx_toppy.sandbox import Sandbox, faults

from . import NOON, PATIENCE, SECRET, Handler, by_history, by_v1, kept, life, until
from .conftest import MakeInbox

VOTES = "/v1/projects/@me/votes"
EVERY = 0.03


def cast(sandbox: Sandbox, first: int, last: int) -> None:
    """Votes from a year's spring, a minute apart."""
    for voter in range(first, last + 1):
        sandbox.vote(voter, at=sandbox_time(voter))


def sandbox_time(voter: int) -> Any:
    return NOON + timedelta(minutes=voter)


@pytest.fixture
async def sandbox() -> Any:
    """A sandbox whose clock is a day after noon, three votes to a page."""
    clock = (NOON + timedelta(days=1)).timestamp
    async with Sandbox(
        bots=1, votes=0, votes_per_page=3, votes_per_minute=0, rate_limits=(), clock=clock
    ) as sandbox:
        yield sandbox


def queries(sandbox: Sandbox) -> list[str]:
    return [one.query.split("=")[0] for one in sandbox.requests if one.path.endswith("votes")]


async def test_follow_keeps_the_history(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox, path: Path
) -> None:
    """From `since` on, page after page, and then what comes; the feed is the stream of them."""
    cast(sandbox, 1, 7)
    new: list[Any] = []
    feed = inbox.follow(client, since=NOON, every=EVERY)
    feed.subscribe(lambda vote: new.append(vote.voter_id))
    await until(lambda: len(new) == 7)
    cast(sandbox, 8, 9)
    await until(lambda: len(new) == 9)
    assert new == list(range(1, 10))
    assert [vote.voter_id for vote in await kept(path)] == new
    assert "running" in repr(feed)
    feed.dispose()


async def test_follow_without_since_begins_now(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """What was cast before the very first run is left alone."""
    cast(sandbox, 1, 4)
    inbox.follow(client, every=EVERY)
    await until(lambda: len(queries(sandbox)) >= 3)
    assert await inbox.votes() == []


async def test_follow_goes_on_from_the_cursor_and_from_nothing_else(
    make_inbox: MakeInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """The second run asks by cursor, whatever `since` and the newest vote are."""
    cast(sandbox, 1, 5)
    first = make_inbox()
    new: list[Any] = []
    first.follow(client, since=NOON, every=EVERY).subscribe(new.append)
    await until(lambda: len(new) == 5)
    await first.close()
    cast(sandbox, 6, 8)
    second = make_inbox()
    # A live vote, newer than all that was missed.
    await second.add(by_v1(9, 540, platform_id=9, project_id=sandbox.bot_id))
    before = len(queries(sandbox))
    missed: list[Any] = []
    feed = second.follow(client, since=NOON + timedelta(hours=20), every=EVERY)
    feed.subscribe(lambda vote: missed.append(vote.voter_id))
    await until(lambda: len(missed) == 3)
    assert missed == [6, 7, 8]
    assert queries(sandbox)[0] == "startDate"
    assert set(queries(sandbox)[before:]) == {"cursor"}
    assert len(await second.votes()) == 9


async def test_follow_goes_on_from_the_last_of_many_cursors(
    make_inbox: MakeInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """What one run has read is not asked for again by the next."""
    cast(sandbox, 1, 8)  # of which three are on a page
    first = make_inbox()
    new: list[Any] = []
    first.follow(client, since=NOON, every=EVERY).subscribe(new.append)
    await until(lambda: len(new) == 8)
    before = len(queries(sandbox))
    await until(lambda: len(queries(sandbox)) >= before + 2)
    await first.close()
    asked = [one.query for one in sandbox.requests if one.path.endswith("votes")]
    make_inbox().follow(client, every=EVERY)
    await until(lambda: len(queries(sandbox)) > len(asked))
    later = [one.query for one in sandbox.requests if one.path.endswith("votes")][len(asked)]
    assert later == asked[-1] != asked[1]


async def test_a_first_run_without_votes_is_gone_on_from(
    make_inbox: MakeInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """Nobody had voted yet when the bot went down: what was cast meanwhile is not missed."""
    first = make_inbox()
    first.follow(client, every=EVERY)
    await until(lambda: len(queries(sandbox)) >= 2)
    await first.close()
    cast(sandbox, 1, 3)
    second = make_inbox()
    second.follow(client, every=EVERY)
    async with asyncio.timeout(PATIENCE):
        while len(await second.votes()) < 3:
            await asyncio.sleep(0.01)


async def test_page_and_cursor_are_stored_together(path: Path, sandbox: Sandbox) -> None:
    """Killed at any moment, a run leaves whole pages and the cursor behind them."""
    cast(sandbox, 1, 60)
    arguments = (path, sandbox.base_url, sandbox.token, sandbox.bot_id)
    async with VoteInbox(path) as inbox:
        client = TopGG(
            StandaloneBot(sandbox.bot_id, server_count=1),
            token=sandbox.token,
            base_url=sandbox.base_url,
            autopost=False,
        )
        async with client:
            feed = inbox.follow(client, since=NOON, every=EVERY)
            async for _ in feed:
                break
    told = len(await kept(path))
    for _ in range(2):
        with life("follow", *arguments) as follower:
            for _ in range(7):
                await follower.hear()
            follower.kill()
        votes = await kept(path)
        assert len(votes) % 3 == 0
        assert len(votes) >= min(told + 7, 60)
        told = len(votes)
    with life("follow", *arguments) as follower:
        left = [await follower.hear() for _ in range(60 - told)]
    assert left == list(range(told + 1, 61))
    assert queries(sandbox).count("startDate") == 1


async def test_what_the_webhook_brought_is_not_new(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """Votes that were delivered come in the history again, and are told of and handled once."""
    handler = Handler()
    inbox.process(handler).subscribe()
    clock = sandbox._clock
    async with VoteWebhook(secret=SECRET, port=0, inbox=inbox) as webhook:
        webhook._clock = clock
        endpoint = sandbox.send_to(f"http://127.0.0.1:{webhook.port}/votes", secret=SECRET)
        cast(sandbox, 1, 4)
        await endpoint.wait_idle()
    endpoint.stop()
    cast(sandbox, 5, 6)
    new: list[Any] = []
    inbox.follow(client, since=NOON, every=EVERY).subscribe(lambda vote: new.append(vote.voter_id))
    await until(lambda: new == [5, 6] and len(handler.returned) == 6)
    assert handler.voters == [1, 2, 3, 4, 5, 6]
    assert len(await inbox.votes()) == 6


@pytest.mark.parametrize(
    "fault",
    [faults.Status(503), faults.Reset(), faults.Garbage(), faults.HtmlPage(502)],
    ids=lambda fault: type(fault).__name__,
)
async def test_follow_outlives_faults(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox, fault: Any
) -> None:
    """What passes ends nothing: every vote is there in the end, each once."""
    cast(sandbox, 1, 10)
    sandbox.fail(fault, route=VOTES, rate=0.5)
    new: list[Any] = []
    inbox.follow(client, since=NOON, every=EVERY).subscribe(lambda vote: new.append(vote.voter_id))
    await until(lambda: len(new) >= 10)
    assert new == list(range(1, 11))
    assert len(await inbox.votes()) == 10


async def test_a_bad_token_ends_the_feed(inbox: VoteInbox, sandbox: Sandbox) -> None:
    """With that error: for whoever awaits it, subscribes, or subscribes too late."""
    client = TopGG(
        StandaloneBot(1, server_count=1), token="a.b.c", base_url=sandbox.base_url, autopost=False
    )
    errors: list[Any] = []
    async with client:
        feed = inbox.follow(client, every=EVERY)
        feed.subscribe(None, errors.append)
        with pytest.raises(ToppyError) as raised:
            async with asyncio.timeout(PATIENCE):
                await feed
    feed.subscribe(None, errors.append)
    assert raised.value.status == 401
    assert errors == [raised.value] * 2
    assert "over" in repr(feed)


@pytest.mark.parametrize("by", ["dispose", "inbox", "client"])
async def test_the_end_of_a_feed(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox, by: str
) -> None:
    """Disposed of, or with its inbox or its client: it completes, and asks no more."""
    feed = inbox.follow(client, every=EVERY)
    ends: list[Any] = []
    feed.subscribe(None, ends.append, lambda: ends.append("completed"))
    await until(lambda: len(queries(sandbox)) >= 2)
    if by == "dispose":
        feed.dispose()
        feed.dispose()
    else:
        await {"inbox": inbox, "client": client}[by].close()
    async with asyncio.timeout(PATIENCE):
        await feed
    assert ends == ["completed"]
    asked = len(queries(sandbox))
    await asyncio.sleep(3 * EVERY)
    assert len(queries(sandbox)) == asked


async def test_a_feed_is_disposed_of_from_any_thread(inbox: VoteInbox) -> None:
    """Another thread may end it."""
    feed = inbox.feed(rx.never())
    await asyncio.to_thread(feed.dispose)
    async with asyncio.timeout(PATIENCE):
        await feed


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"since": NOON.replace(tzinfo=None)}, ValueError),
        ({"since": "yesterday"}, TypeError),
        ({"every": 0}, ValueError),
        ({"every": "60"}, TypeError),
    ],
)
async def test_what_follow_refuses(
    inbox: VoteInbox, client: TopGG, arguments: Any, error: Any
) -> None:
    """An argument that can't be is refused where the call is made."""
    with pytest.raises(error):
        inbox.follow(client, **arguments)


# --- feed ----------------------------------------------------------------------------------------


async def test_feed_keeps_any_observable(inbox: VoteInbox) -> None:
    """All of a stream is kept; what is new is told; it ends with the stream."""
    await inbox.add(by_history(2))
    new: list[Any] = []
    feed = inbox.feed(rx.of(by_history(1), by_history(2), by_history(3), by_v1(3)))
    feed.subscribe(lambda vote: new.append(vote.voter_id), None, lambda: new.append("completed"))
    await feed
    await asyncio.sleep(0)
    assert new == [1, 3, "completed"]
    assert {vote.voter_id for vote in await inbox.votes()} == {1, 2, 3}


async def test_feed_of_a_flood(inbox: VoteInbox) -> None:
    """A stream that can't wait, and emits thousands in one go, loses none."""
    await inbox.feed(rx.from_iterable([by_history(voter) for voter in range(1, 2_501)]))
    assert len(await inbox.votes()) == 2_500


async def test_feed_from_another_thread(inbox: VoteInbox) -> None:
    """A stream may emit on any thread."""
    source: Subject[Vote] = Subject()
    new: list[Any] = []
    inbox.feed(source).subscribe(lambda vote: new.append(vote.voter_id))
    await until(lambda: source.observers)
    for voter in range(1, 6):
        await asyncio.to_thread(source.on_next, by_history(voter))
    await until(lambda: new == [1, 2, 3, 4, 5])


async def test_feed_of_the_history_is_slowed(
    inbox: VoteInbox, client: TopGG, sandbox: Sandbox
) -> None:
    """A source that can wait does: all of it is kept."""
    cast(sandbox, 1, 40)
    await inbox.feed(client.project.votes(since=NOON))
    assert len(await inbox.votes()) == 40


async def test_an_error_ends_a_feed(inbox: VoteInbox, caplog: pytest.LogCaptureFixture) -> None:
    """What the stream ends with is what the feed ends with; what came before is kept."""
    error = ValueError("broken")
    feed = inbox.feed(rx.concat(rx.of(by_history(1)), rx.throw(error)))
    with pytest.raises(ValueError, match="broken"):
        await feed
    assert len(await inbox.votes()) == 1
    assert "inbox.feed has ended" in caplog.text


async def test_a_stream_of_something_else(inbox: VoteInbox) -> None:
    """What is no vote ends the feed with a TypeError."""
    with pytest.raises(TypeError, match="takes a Vote, not int"):
        await inbox.feed(rx.of(1))


@pytest.mark.parametrize("wrong", [None, [by_history(1)], "votes"])
async def test_feed_takes_observables(inbox: VoteInbox, wrong: Any) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError, match="takes an observable"):
        inbox.feed(wrong)


def test_a_feed_needs_a_loop(path: Path) -> None:
    """Without a running loop there is nowhere to run."""
    with pytest.raises(RuntimeError, match="needs an event loop"):
        VoteInbox(path).feed(rx.never())


async def test_a_closed_inbox_takes_no_feeds(inbox: VoteInbox, client: TopGG) -> None:
    """It is an `InboxError` that says so."""
    await inbox.close()
    for begin in (lambda: inbox.feed(rx.never()), lambda: inbox.follow(client)):
        with pytest.raises(InboxError, match="closed"):
            begin()
