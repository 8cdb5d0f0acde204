"""`RedisInbox` where processes die, Redis dies, and either is cut off from the other."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rx_toppy import InboxError, StandaloneBot, TopGG, Vote
from rx_toppy.cluster import RedisInbox, inbox_following
from rx_toppy.cluster import inbox_worker as inbox_processing
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import inbox as base
from tests.votes.inbox import NOON, PATIENCE, ROOT, Handler, Life, after, by_history, by_v0, until

from .inbox_lives import CLAIM_AFTER, LOCKED_FOR, YEARS
from .server import RedisServer

MakeInbox = Callable[..., RedisInbox]

BLOCK = 0.3


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes tenths."""
    monkeypatch.setattr(inbox_processing, "CLAIM_AFTER", CLAIM_AFTER)
    monkeypatch.setattr(inbox_processing, "PAUSE", 0.02)
    monkeypatch.setattr(inbox_processing, "BLOCK", BLOCK)
    monkeypatch.setattr(inbox_following, "LOCKED_FOR", LOCKED_FOR)
    monkeypatch.setattr(inbox_following, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(base, "PAUSE", 0.02)


@pytest.fixture
async def made() -> AsyncIterator[list[RedisInbox]]:
    """Inboxes that are closed at the end."""
    inboxes: list[RedisInbox] = []
    yield inboxes
    for inbox in inboxes:
        await inbox.close()


@pytest.fixture
def make_inbox(made: list[RedisInbox], redis_url: str) -> MakeInbox:
    """Makes inboxes."""

    def make(url: str = redis_url, **options: Any) -> RedisInbox:
        made.append(RedisInbox(url, **({"keep": YEARS} | options)))
        return made[-1]

    return make


@contextmanager
def life(program: str, *arguments: object) -> Iterator[Life]:
    """Runs a program of `inbox_lives.py` in a process of its own, and kills it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.inbox_lives", program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        running = Life(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.kill()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the library has warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("rx_toppy")
    ]


async def fill(inbox: RedisInbox, votes: list[Vote]) -> None:
    assert all(await asyncio.gather(*map(inbox.add, votes)))


async def test_what_a_dead_process_held_is_claimed(make_inbox: MakeInbox, redis_url: str) -> None:
    """It was killed while its handlers ran: another process handles those votes, each once."""
    inbox = make_inbox()
    await fill(inbox, [by_history(voter) for voter in range(1, 8)])
    with life("hold", redis_url, 4) as process:
        held = {await process.hear() for _ in range(4)}
        handler = Handler()
        inbox.process(handler, 2).subscribe()
        await until(lambda: len(handler.returned) == 3)
        await asyncio.sleep(1.5 * CLAIM_AFTER)  # it lives, and keeps what it holds
        assert not held & set(handler.voters)
        process.kill()
        await until(lambda: len(handler.returned) == 7)
    assert sorted(handler.voters, key=str) == [1, 2, 3, 4, 5, 6, 7]


async def test_who_was_cut_off_corrupts_nothing(
    make_inbox: MakeInbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that gave no sign of life comes back with a vote that another has handled."""
    slow, quick = make_inbox(consumer="slow"), make_inbox()
    await fill(slow, [by_history(1), by_history(1, 43_200)])
    stuck, handler = Handler(), Handler()
    stuck.gate.clear()
    handler.gate.clear()
    outcomes: list[Any] = []

    async def nothing(_: object) -> None:
        pass

    with monkeypatch.context() as cut:
        cut.setattr(inbox_processing.RedisProcessing, "_give_sign", nothing)
        slow.process(stuck).subscribe(outcomes.append)
        await until(lambda: stuck.voters == [1])
        quick.process(handler).subscribe(outcomes.append)
        await until(lambda: handler.voters == [1])
    stuck.gate.set()  # it has been handed over again, and its first handler returns
    await until(lambda: "another one handles it too" in caplog.text)
    assert outcomes == []
    handler.gate.set()
    await until(lambda: len(outcomes) == 2)
    await asyncio.sleep(0.1)
    assert [(one.vote.cast_at, one.status) for one in outcomes] == [
        (after(0), "done"),
        (after(43_200), "done"),
    ]
    assert Counter(vote.cast_at for vote in stuck.votes + handler.votes)[after(43_200)] == 1


@pytest.mark.parametrize(
    ("rounds", "voters"), [(1, 80), pytest.param(5, 200, marks=pytest.mark.slow)]
)
async def test_kills_at_random(
    make_inbox: MakeInbox, redis_url: str, rounds: int, voters: int
) -> None:
    """Processes are killed again and again: every vote is done, no user's out of order."""
    inbox = make_inbox()
    rng = Random(7)
    votes = [by_history(voter, day * 43_200) for day in range(3) for voter in range(1, voters + 1)]
    await fill(inbox, votes)
    for _ in range(rounds):
        with life("work", redis_url) as one, life("work", redis_url) as other:
            for process in (one, other):
                assert await process.hear() == "ready"
                for _ in range(rng.randint(5, 40)):
                    assert (await process.hear())[0] == "done"
    handler = Handler()
    done: list[Any] = []
    inbox.process(handler, 20).subscribe(done.append)
    undone = f"{inbox._redis.keys}:undone"
    async with asyncio.timeout(PATIENCE):
        while await inbox._redis.link.redis.hlen(undone):
            await asyncio.sleep(0.02)
    times: dict[int | None, list[Any]] = {}
    for vote in handler.votes:
        times.setdefault(vote.voter_id, []).append(vote.cast_at)
    assert all(each == sorted(set(each)) for each in times.values())
    await until(lambda: len(done) == len(handler.votes))
    redis = inbox._redis.link.redis
    assert await redis.xlen(inbox._redis.turns) == 0
    assert await redis.keys(f"{inbox._redis.keys}:q:*") == []


async def test_a_redis_that_is_killed_loses_nothing(
    own_redis: RedisServer, make_inbox: MakeInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """What it acknowledged is there after its restart; all goes on by itself, and says so once."""
    caplog.set_level(logging.WARNING, "rx_toppy.votes")
    inbox, handler = make_inbox(own_redis.url), Handler()
    await fill(inbox, [by_history(voter) for voter in range(1, 4)])
    handler.gate.clear()
    inbox.process(handler, 2).subscribe()
    await until(lambda: len(handler.votes) == 2)
    await own_redis.kill()
    with pytest.raises(InboxError) as raised:
        await inbox.add(by_history(4))
    assert raised.value.is_transient
    handler.gate.set()
    await until(lambda: len(handler.returned) == 2)
    await own_redis.start()
    await until(lambda: len(handler.returned) == 3)
    assert await inbox.add(by_history(4))
    await until(lambda: len(handler.returned) == 4)
    assert sorted(handler.voters, key=str) == [1, 2, 3, 4]
    told = [one.getMessage() for one in caplog.records]
    assert len([text for text in told if "is away" in text]) == 1
    assert len([text for text in told if "is back" in text]) == 1


async def test_votes_that_were_acknowledged_outlive_a_kill_of_redis(
    own_redis: RedisServer, make_inbox: MakeInbox
) -> None:
    """Redis is killed while votes are added: those that were acknowledged are all there."""
    with life("keep", own_redis.url) as process:
        kept = [await process.hear() for _ in range(200)]
        await own_redis.restart(kill=True)
    voters = {vote.voter_id for vote in await make_inbox(own_redis.url).votes()}
    assert voters >= set(kept)


async def test_a_redis_that_comes_back_empty(own_redis: RedisServer, make_inbox: MakeInbox) -> None:
    """The group is made anew, and what is added then is handled."""
    inbox, handler = make_inbox(own_redis.url), Handler()
    inbox.process(handler).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: handler.returned == [1])
    await own_redis.restart(kill=True, empty=True)
    async with asyncio.timeout(PATIENCE):
        while not handler.voters[1:]:
            with suppress(InboxError):
                await inbox.add(by_history(2))
            await asyncio.sleep(0.02)
    await until(lambda: handler.returned == [1, 2])


async def test_a_frozen_redis(own_redis: RedisServer, make_inbox: MakeInbox) -> None:
    """Nobody waits longer than top.gg does; what was added all the same is handled once."""
    inbox, handler = make_inbox(own_redis.url), Handler()
    assert await inbox.add(by_v0(1))
    own_redis.pause()
    async with asyncio.timeout(4.5):
        with pytest.raises(InboxError) as raised:
            await inbox.add(by_v0(2))
    assert raised.value.is_transient
    own_redis.resume()
    await inbox.add(by_v0(2))  # top.gg tries again
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 2)
    assert [vote.voter_id for vote in await inbox.votes()] == [1, 2]


@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.slow), "frozen"])
async def test_an_outage_makes_nothing_be_handled_twice(
    own_redis: RedisServer, make_inbox: MakeInbox, how: str
) -> None:
    """Redis is away for longer than others wait: who lives keeps what it has in hand."""
    one, other = make_inbox(own_redis.url), make_inbox(own_redis.url)
    slow, idle = Handler(), Handler()
    await fill(one, [by_history(voter) for voter in range(1, 6)])
    slow.gate.clear()
    one.process(slow, 5).subscribe()
    await until(lambda: len(slow.votes) == 5)
    other.process(idle, 5).subscribe()
    await asyncio.sleep(CLAIM_AFTER)
    if how == "killed":
        await own_redis.kill()
    else:
        own_redis.pause()
    await asyncio.sleep(max(2.5, 1.2 * CLAIM_AFTER))
    if how == "killed":
        await own_redis.start()
    else:
        own_redis.resume()
    await asyncio.sleep(1.5 * CLAIM_AFTER)
    assert idle.voters == []
    slow.gate.set()
    await until(lambda: len(slow.returned) == 5)
    assert await other.add(by_history(6))
    await until(lambda: len(slow.votes) + len(idle.votes) == 6)


async def test_a_redis_that_refuses_some_things_is_told_once(
    own_redis: RedisServer, make_inbox: MakeInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """While it only reads, there is one warning; and one when it writes again."""
    inbox, handler = make_inbox(own_redis.url), Handler()
    inbox.process(handler).subscribe()
    await inbox.add(by_history(1))
    await until(lambda: handler.returned == [1])
    caplog.clear()
    caplog.set_level(logging.WARNING, "rx_toppy")
    assert await own_redis.ask("CONFIG", "SET", "maxmemory", "1") == "+OK"
    for _ in range(3):
        with pytest.raises(InboxError):
            await inbox.add(by_history(2))
        assert len(await inbox.votes()) == 1
        await asyncio.sleep(0.1)
    (told,) = warnings(caplog)
    assert told.count("is away") == 1
    assert await own_redis.ask("CONFIG", "SET", "maxmemory", "0") == "+OK"
    assert await inbox.add(by_history(2))
    await until(lambda: handler.returned == [1, 2])
    await until(lambda: len(warnings(caplog)) == 2)
    assert "is back" in warnings(caplog)[1]


async def test_a_user_of_redis_that_may_not_do_everything(
    own_redis: RedisServer, make_inbox: MakeInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Without INFO and CLIENT it works all the same, and keeps its connection for waiting."""
    from redis.asyncio import Redis

    rights = "on >her-word ~* &* +@all -info -client"
    assert await own_redis.ask("ACL", "SETUSER", "bot", rights) == "+OK"
    inbox = make_inbox(own_redis.url.replace("://", "://bot:her-word@"))
    handler = Handler()
    inbox.process(handler).subscribe()
    for voter in range(1, 4):
        assert await inbox.add(by_history(voter))
        await until(lambda voter=voter: len(handler.returned) == voter)
    async with Redis.from_url(own_redis.url) as redis:
        before = (await redis.info("stats"))["total_connections_received"]
        await asyncio.sleep(2.5 * BLOCK)
        assert (await redis.info("stats"))["total_connections_received"] == before
    assert "her-word" not in caplog.text


async def test_a_feed_waits_for_redis(own_redis: RedisServer, make_inbox: MakeInbox) -> None:
    """What comes while it is away is kept once it is back."""
    import reactivex as rx

    await own_redis.kill()
    inbox = make_inbox(own_redis.url)
    feed = inbox.feed(rx.of(by_v0(1), by_v0(2)))
    await asyncio.sleep(0.1)
    await own_redis.start()
    async with asyncio.timeout(PATIENCE):
        await feed
    assert len(await inbox.votes()) == 2


async def test_what_loses_votes_is_told_once(
    tmp_path: Path, make_inbox: MakeInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis without a file, and one that makes room by throwing things away."""
    async with RedisServer(tmp_path / "redis", appendonly=False) as server:
        await server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        inbox = make_inbox(server.url)
        for voter in (1, 2, 3):
            await inbox.add(by_v0(voter))
        assert caplog.text.count("appendonly yes") == 1
        assert caplog.text.count("noeviction") == 1
        await inbox.close()


# --- the history ---------------------------------------------------------------------------------


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A top.gg whose clock is a day after noon, three votes to a page."""
    clock = (NOON + timedelta(days=1)).timestamp
    async with Sandbox(
        bots=1, votes=0, votes_per_page=3, votes_per_minute=0, rate_limits=(), clock=clock
    ) as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[TopGG]:
    """A client of it."""
    async with TopGG(
        StandaloneBot(sandbox.bot_id, server_count=1),
        token=sandbox.token,
        base_url=sandbox.base_url,
        autopost=False,
        rate_limits=(),
    ) as client:
        yield client


def cast(sandbox: Sandbox, first: int, last: int) -> None:
    for voter in range(first, last + 1):
        sandbox.vote(voter, at=NOON + timedelta(minutes=voter))


async def test_the_history_is_handed_over(
    make_inbox: MakeInbox, redis_url: str, sandbox: Sandbox, client: TopGG
) -> None:
    """One process follows; killed, another one goes on from its cursor; each vote is told once."""
    cast(sandbox, 1, 5)
    new: list[Any] = []
    with life("follow", redis_url, sandbox.base_url, sandbox.token, sandbox.bot_id) as process:
        assert await process.hear() == "ready"
        assert [await process.hear() for _ in range(5)] == [1, 2, 3, 4, 5]
        inbox = make_inbox()
        feed = inbox.follow(client, since=NOON, every=0.05)
        feed.subscribe(lambda vote: new.append(vote.voter_id))
        cast(sandbox, 6, 7)
        assert [await process.hear() for _ in range(2)] == [6, 7]
        await asyncio.sleep(1.5 * LOCKED_FOR)
        assert new == []
        process.kill()
    cast(sandbox, 8, 12)
    await until(lambda: len(new) == 5)
    assert new == [8, 9, 10, 11, 12]
    assert len([one for one in sandbox.requests if "startDate" in one.query]) == 1
    assert len(await inbox.votes()) == 12
    feed.dispose()
    await feed


async def test_who_ends_following_hands_over_at_once(
    make_inbox: MakeInbox, sandbox: Sandbox, client: TopGG, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed that is disposed of, and an inbox that closes, let go of the lock."""
    monkeypatch.setattr(inbox_following, "LOCKED_FOR", 60.0)
    monkeypatch.setattr(inbox_following, "LOOK_EVERY", 0.02)
    new: list[list[Any]] = []
    for end in ("dispose", "close", "last"):
        inbox = make_inbox()
        told: list[Any] = []
        feed = inbox.follow(client, since=NOON, every=0.02)
        feed.subscribe(told.append)
        cast(sandbox, 3 * len(new) + 1, 3 * len(new) + 3)
        await until(lambda told=told: len(told) == 3)
        new.append([vote.voter_id for vote in told])
        feed.dispose() if end == "dispose" else await inbox.close()
    assert new == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


async def test_follow_goes_on_after_redis_was_away(
    own_redis: RedisServer, make_inbox: MakeInbox, sandbox: Sandbox, client: TopGG
) -> None:
    """What is voted meanwhile comes once it is back."""
    inbox = make_inbox(own_redis.url)
    told: list[Any] = []
    inbox.follow(client, since=NOON, every=0.05).subscribe(lambda vote: told.append(vote.voter_id))
    cast(sandbox, 1, 4)
    await until(lambda: len(told) == 4)
    await own_redis.kill()
    cast(sandbox, 5, 8)
    await asyncio.sleep(1.2 * LOCKED_FOR)  # so that it can't be sure of the lock any more
    await own_redis.start()
    await until(lambda: len(told) == 8)
    assert told == list(range(1, 9))
