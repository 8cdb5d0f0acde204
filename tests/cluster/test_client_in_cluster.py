"""Clients of one cluster, as their users see them: two on one loop stand for two processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from rx_toppy import (
    Announcement,
    ClientClosed,
    NotFound,
    RateLimit,
    Ratelimited,
    RequestEvent,
    StandaloneBot,
    TopGG,
    TopGGServerError,
)
from rx_toppy.cluster import Membership, RedisCoordinator, budget
from rx_toppy.cluster import totals as roll
from tests.conftest import OWN_ID, TOKEN, MakeClient
from tests.standin import ThreadedStandIn, ok, rate_limited, status

from .harness import TopGGSeen
from .server import RedisServer

ANNOUNCE = "POST /v1/projects/@me/announcements"
ANNOUNCED = ok({"title": "Version 2", "content": "It is here.", "created_at": "2026-01-02T03:04Z"})
# So long that no test outlasts it: for those who are not to wait.
LONG = 30.0
PATIENCE = 60.0

MakePair = Callable[..., Awaitable[tuple[TopGG, TopGG]]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes a tenth, and an empty Redis is known to have lost nothing."""
    monkeypatch.setattr(budget, "BEAT", 0.1)
    monkeypatch.setattr(budget, "SETTLING", 0.0)


@pytest.fixture
async def topgg() -> AsyncIterator[TopGGSeen]:
    """A top.gg that answers everything."""
    async with TopGGSeen() as topgg:
        yield topgg


@pytest.fixture
def make_pair(make_client: MakeClient, redis_url: str) -> MakePair:
    """Make two clients with the same options that have heard of each other."""

    async def make(*limits: RateLimit, **options: Any) -> tuple[TopGG, TopGG]:
        options = {"rate_limits": limits, "max_wait": PATIENCE} | options
        pair = [make_client(cluster=RedisCoordinator(redis_url), **options) for _ in range(2)]
        await asyncio.gather(*(client.__aenter__() for client in pair))
        await until(lambda: all(client.cluster.process_count == 2 for client in pair))
        return pair[0], pair[1]

    return make


async def until(true: Callable[[], bool]) -> None:
    """Waits until something is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def refused(call: Any) -> Ratelimited:
    """The error of a call that is held back for too long, which it hears long before that."""
    async with asyncio.timeout(LONG / 3):
        with pytest.raises(Ratelimited) as caught:
            await call
    assert caught.value.internal
    return caught.value


async def heard_of_it(client: TopGG) -> None:
    """Waits until it has heard of what the other one was told: at its next turn."""
    await until(lambda: any(client.cluster.budget._blocked))


def soon(client: TopGG, ids: Iterable[int]) -> list[asyncio.Task[Any]]:
    """Calls that are under way, in this order."""
    return [asyncio.ensure_future(client.fetch_bot(id)) for id in ids]


def announce(client: TopGG) -> Any:
    """An announcement."""
    return client.project.announce("Version 2", "It is here.")


# --- one limit -----------------------------------------------------------------------------------


async def test_two_clients_share_a_limit(make_pair: MakePair, topgg: TopGGSeen) -> None:
    """All calls of both get through, and no window holds more than one client's limit."""
    one, other = await make_pair(RateLimit(10, per=0.3, prefix="/bots"))
    bots = await asyncio.gather(*soon(one, range(1, 16)), *soon(other, range(101, 116)))
    assert [bot.id for bot in bots] == [*range(1, 16), *range(101, 116)]
    assert len(topgg.arrivals("/bots")) == 30
    assert topgg.overfull([(10, 0.3, "/bots")]) == []


async def test_fifty_that_wait_do_not_starve_one_at_a_time(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """Who makes one call after another has a turn in every window or two, whatever others ask."""
    calls = 5
    one, other = await make_pair(RateLimit(calls, per=0.2, prefix="/bots"))
    many = soon(one, range(1, 51))
    for id in range(101, 106):
        await other.fetch_bot(id)
    assert sum(task.done() for task in many) < len(many)
    turns = [at for at, path in enumerate(topgg.paths) if int(path.rpartition("/")[2]) > 100]
    assert max(now - then for then, now in pairwise(turns)) <= 2 * calls, topgg.paths
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)


async def test_calls_of_one_client_keep_their_order(make_pair: MakePair, topgg: TopGGSeen) -> None:
    """However the turns of two clients mix, each client's calls go in the order they were made."""
    one, other = await make_pair(RateLimit(1, per=0.03, prefix="/bots"))
    await asyncio.gather(*soon(one, range(1, 6)), *soon(other, range(101, 106)))
    ids = [int(path.rpartition("/")[2]) for path in topgg.paths]
    assert [id for id in ids if id < 100] == [*range(1, 6)]
    assert [id for id in ids if id > 100] == [*range(101, 106)]


async def test_who_would_wait_too_long_is_told_at_once(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """What the other client has used up is a Ratelimited at once, and nothing is sent."""
    one, other = await make_pair(RateLimit(2, per=LONG, prefix="/bots"), max_wait=LONG / 2)
    await asyncio.gather(*soon(one, [1, 2]))
    error = await refused(other.fetch_bot(3))
    assert LONG / 2 < error.retry_after <= LONG
    assert (error.method, error.url) == ("GET", f"{topgg.base_url}/bots/3")
    await other.fetch_user(4)  # which is in no window
    assert sorted(topgg.paths) == ["GET /bots/1", "GET /bots/2", "GET /users/4"]


async def test_who_may_not_wait_goes_where_there_is_room(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """With `max_wait=0` a call goes out if the limit allows it now, as without a cluster."""
    one, other = await make_pair(RateLimit(8, per=LONG, prefix="/bots"), max_wait=0)
    # The first has given up what the second may have.
    await until(lambda: all(client.cluster.limits()[0].left for client in (one, other)))
    await one.fetch_bot(1)
    await other.fetch_bot(2)
    assert len(topgg.seen) == 2


async def test_a_call_that_is_given_up_leaves_its_place_to_the_other(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """Cancelled or disposed of while they wait, two calls of one client cost the other no time."""
    per = 1.0
    one, other = await make_pair(RateLimit(1, per=per, prefix="/bots"))
    await one.fetch_bot(1)
    (waiting,) = soon(one, [2])
    subscription = one.fetch_bot(3).subscribe()
    await asyncio.sleep(per / 8)
    (next_one,) = soon(other, [101])
    await asyncio.sleep(per / 8)
    waiting.cancel()
    subscription.dispose()
    await next_one
    assert topgg.paths == ["GET /bots/1", "GET /bots/101"]
    first, second = topgg.arrivals()
    assert per <= second - first < 2 * per


async def test_a_client_that_closes_leaves_its_place_to_the_other(
    make_pair: MakePair, topgg: TopGGSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its waiting calls err with ClientClosed and are never sent; the other one's go on."""
    monkeypatch.setattr(budget, "SILENCE", LONG)
    one, other = await make_pair(RateLimit(1, per=0.5, prefix="/bots"))
    await one.fetch_bot(1)
    waiting, others = soon(one, range(2, 12)), soon(other, [101, 102])
    await asyncio.sleep(0.05)
    await one.close()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in errors} == {ClientClosed}
    async with asyncio.timeout(LONG / 2):  # and not as late as for somebody who is silent
        await asyncio.gather(*others)
        await other.fetch_bot(103)
    assert topgg.paths == [f"GET /bots/{id}" for id in (1, 101, 102, 103)]
    await until(lambda: other.cluster.process_count == 1)


# --- what is forbidden ---------------------------------------------------------------------------


async def test_a_429_keeps_the_other_client_off(
    make_pair: MakePair, topgg: TopGGSeen, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs what it has heard, sends nothing until that time is over, and tells of no event."""
    one, other = await make_pair(RateLimit(90, per=0.3))
    events: list[RequestEvent] = []
    other.events.subscribe(events.append)
    topgg.reply("/bots/1", rate_limited(2))
    with pytest.raises(Ratelimited):
        await one.fetch_bot(1)
    await until(lambda: "another process" in caplog.text)
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in records if r.name.startswith("rx_toppy")] == [
        f"top.gg says too many requests ({topgg.base_url}/bots/1); nothing is sent for 2 s",
        "another process was told too many requests; nothing is sent for 2 s",
    ]
    assert events == []
    await other.fetch_user(2)
    assert [(e.route, e.status, e.attempt) for e in events] == [("/users/{id}", 200, 1)]
    forbidden, allowed = topgg.arrivals()
    assert allowed - forbidden >= 2.0


async def test_a_429_that_outlasts_max_wait_is_told_at_once(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """Those who wait in the other client, and those who come later, hear of it; nothing is sent."""
    one, other = await make_pair(RateLimit(2, per=PATIENCE / 2, prefix="/bots"))
    topgg.reply("/users/1", rate_limited(3600))
    await asyncio.gather(*soon(one, [1]), *soon(other, [2]))
    (waiting,) = soon(other, [3])
    await asyncio.sleep(0.05)
    with pytest.raises(Ratelimited):
        await one.fetch_user(1)
    for call in (waiting, other.fetch_user(4)):
        assert (await refused(call)).retry_after == pytest.approx(3600, abs=10)
    assert len(topgg.seen) == 3


async def test_a_429_about_announcements_holds_only_these(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """In the other client too, a second later; whatever else both ask goes out."""
    one, other = await make_pair(RateLimit(90, per=0.3))
    topgg.script(ANNOUNCE, rate_limited(3600), ANNOUNCED)
    topgg.reply("/v1/projects/@me", ok({"id": "1", "name": "Luca"}))
    with pytest.raises(Ratelimited):
        await announce(one)
    await heard_of_it(other)
    assert (await refused(announce(other))).retry_after == pytest.approx(3600, abs=10)
    for client in (one, other):
        await asyncio.gather(client.fetch_bot(1), client.fetch_user(1), client.project.fetch())
    assert topgg.paths.count(ANNOUNCE) == 1


async def test_a_429_about_announcements_holds_one_that_comes_right_after(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """Once the client that was told has said so, an announcement of the other is not sent."""
    one, other = await make_pair(RateLimit(90, per=0.3))
    topgg.script(ANNOUNCE, rate_limited(3600), ANNOUNCED)
    with pytest.raises(Ratelimited):
        await announce(one)
    await one.fetch_user(1)  # a turn at Redis, which tells of the 429 as well
    await refused(announce(other))
    assert topgg.paths.count(ANNOUNCE) == 1


async def test_a_short_429_about_announcements_holds_the_other_client_too(
    make_pair: MakePair, topgg: TopGGSeen
) -> None:
    """One of a second is waited for, as the client does that was told it."""
    one, other = await make_pair(RateLimit(90, per=0.3))
    topgg.script(ANNOUNCE, rate_limited(1), ANNOUNCED)
    with pytest.raises(Ratelimited):
        await announce(one)
    await heard_of_it(other)
    assert type(await announce(other)) is Announcement
    first, second = topgg.arrivals("/v1")
    assert second - first >= 1.0


# --- who shares what -----------------------------------------------------------------------------


async def test_other_tokens_share_nothing(make_client: MakeClient, redis_url: str) -> None:
    """Two bots on one Redis have a whole limit each, and count their own processes only."""
    cluster = RedisCoordinator(redis_url)
    limits = [RateLimit(3, per=LONG, prefix="/bots")]
    clients = [
        make_client(token=token, cluster=cluster, rate_limits=limits, max_wait=1.0)
        for token in ("one-token", "another-token")
    ]
    for client in clients:
        await asyncio.gather(*soon(client, [1, 2, 3]))
        await refused(client.fetch_bot(4))
    assert [client.cluster.process_count for client in clients] == [1, 1]


async def test_clients_with_differing_limits_share_the_windows_that_are_the_same(
    make_client: MakeClient, redis_url: str
) -> None:
    """What one has sent is missing in the other's equal window, and in no other."""
    shared = RateLimit(4, per=LONG, prefix="/bots")
    one, other = (
        make_client(cluster=RedisCoordinator(redis_url), rate_limits=[shared, own], max_wait=1.0)
        for own in (RateLimit(90, per=1.0), RateLimit(3, per=LONG, prefix="/users"))
    )
    await asyncio.gather(*soon(one, [1, 2]))
    await asyncio.gather(*(one.fetch_user(id) for id in range(1, 6)))
    await asyncio.gather(*soon(other, [3, 4]))
    for client in (one, other):
        await refused(client.fetch_bot(5))
    await asyncio.gather(*(other.fetch_user(id) for id in range(1, 4)))
    await refused(other.fetch_user(4))


async def test_one_cluster_object_serves_two_clients(
    make_client: MakeClient, redis_url: str
) -> None:
    """They are two of its processes: what the first has used the second lacks."""
    cluster = RedisCoordinator(redis_url)
    limits = [RateLimit(3, per=LONG, prefix="/bots")]
    one, other = (make_client(cluster=cluster, rate_limits=limits, max_wait=1.0) for _ in range(2))
    await asyncio.gather(*soon(one, [1, 2, 3]))
    await refused(other.fetch_bot(4))
    assert other.cluster.process_count == 2
    await one.close()
    await other.fetch_user(1)


# --- as without a cluster ------------------------------------------------------------------------


@pytest.mark.parametrize("in_cluster", [False, True])
async def test_events_are_the_same(
    make_client: MakeClient, redis_url: str, topgg: TopGGSeen, in_cluster: bool
) -> None:
    """A cluster changes nothing about what is told of requests: one event for each send."""
    topgg.reply("/bots/2", status(404))
    topgg.script("/bots/3", status(503), ok({"id": "3"}))
    topgg.reply("/bots/4", rate_limited(1))
    client = make_client(retries=1, cluster=RedisCoordinator(redis_url) if in_cluster else None)
    told: list[tuple[Any, ...]] = []
    client.events.subscribe(
        lambda e: told.append((e.method, e.url, e.route, e.status, e.attempt, type(e.error)))
    )
    for id in range(1, 5):
        await asyncio.gather(client.fetch_bot(id), return_exceptions=True)
    base, bot, nothing = f"{topgg.base_url}/bots", "/bots/{id}", type(None)
    assert told == [
        ("GET", f"{base}/1", bot, 200, 1, nothing),
        ("GET", f"{base}/2", bot, 404, 1, NotFound),
        ("GET", f"{base}/3", bot, 503, 1, TopGGServerError),
        ("GET", f"{base}/3", bot, 200, 2, nothing),
        ("GET", f"{base}/4", bot, 429, 1, Ratelimited),
    ]


async def test_a_closed_client_stays_closed(make_client: MakeClient, redis_url: str) -> None:
    """Calls err with ClientClosed, entering it again as well; to close it again is harmless."""
    client = make_client(cluster=RedisCoordinator(redis_url))
    await client.fetch_bot(1)
    await client.close()
    with pytest.raises(ClientClosed):
        await client.fetch_bot(2)
    with pytest.raises(ClientClosed):
        await client.__aenter__()
    await client.close()


def test_a_client_goes_on_in_another_loop(redis_is_installed: None, one_redis: RedisServer) -> None:
    """It knows what it has sent in the first one, and shares it with others in the second."""
    asyncio.run(one_redis.start())
    asyncio.run(one_redis.ask("FLUSHALL"))
    with ThreadedStandIn() as topgg:
        topgg.default(ok({"id": "1"}))
        limits = [RateLimit(3, per=LONG, prefix="/bots")]

        def make() -> TopGG:
            return TopGG(
                StandaloneBot(OWN_ID, server_count=1),
                token=TOKEN,
                autopost=False,
                base_url=topgg.base_url,
                cluster=RedisCoordinator(one_redis.url),
                rate_limits=limits,
                max_wait=2.0,
            )

        client = make()

        async def first() -> None:
            await asyncio.gather(*soon(client, [1, 2]))

        async def second() -> None:
            async with make() as other:
                await client.fetch_bot(3)
                assert client.cluster.process_count == 2
                for one in (client, other):
                    await refused(one.fetch_bot(4))

        asyncio.run(first(), debug=True)
        asyncio.run(second(), debug=True)
        assert client.fetch_user(5).run().id == 1  # on a loop that is only lent, twice
        assert client.fetch_user(6).run().id == 1
        with pytest.raises(Ratelimited):
            client.fetch_bot(7).run()
        assert sum(path.startswith("GET /bots") for path in topgg.paths) == 3
        asyncio.run(client.close(), debug=True)


# --- client.cluster ------------------------------------------------------------------------------


async def test_a_client_without_a_cluster_says_so(make_client: MakeClient) -> None:
    """`client.cluster` is None."""
    assert make_client().cluster is None


async def test_what_a_client_knows_of_its_cluster(make_pair: MakePair, topgg: TopGGSeen) -> None:
    """Both count two processes, know what is left and how many servers there are; none leads."""
    limits = RateLimit(8, per=LONG, prefix="/bots"), RateLimit(90, per=LONG)
    one, other = await make_pair(*limits)
    await asyncio.gather(*soon(one, [1, 2]))
    for client in (one, other):
        membership = client.cluster
        assert membership is not None
        assert membership.process_count == 2
        assert not membership.is_offline
        assert not membership.is_leader  # as neither autoposts
        assert tuple(budget.limit for budget in membership.limits()) == limits

        def is_known(membership: Membership = membership) -> bool:
            bots, everything = (budget.left for budget in membership.limits())
            return 1 <= bots <= 6 and 44 <= everything <= 88

        await until(is_known)
        assert (await membership.total()).server_count == 1234


async def test_a_limit_that_the_other_has_used_up_is_not_free_now(make_pair: MakePair) -> None:
    """Where nothing is left, `free_in` does not say that a request may leave at once."""
    one, other = await make_pair(RateLimit(2, per=LONG, prefix="/bots"))
    await asyncio.gather(*soon(one, [1, 2]))
    await until(lambda: other.cluster.limits()[0].left == 0)
    assert other.cluster.limits()[0].free_in != 0.0


async def test_one_leads_and_another_takes_over(make_pair: MakePair, topgg: TopGGSeen) -> None:
    """Of two that autopost one posts; when it is closed, the other one leads."""
    pair = await make_pair(RateLimit(90, per=0.3), autopost=True, interval=600)
    await until(lambda: bool(topgg.posts()))
    assert sorted(client.cluster.is_leader for client in pair) == [False, True]
    leader, other = sorted(pair, key=lambda client: not client.cluster.is_leader)
    await leader.close()
    await until(lambda: other.cluster.is_leader)
    assert [payload for _, payload in topgg.posts()] == [{"server_count": 1234}]


async def test_asking_a_closed_client_for_the_total_leaves_no_connection(
    make_client: MakeClient, redis_server: RedisServer
) -> None:
    """Whatever it is answered, nothing is open afterwards that nobody closes."""
    client = make_client(cluster=RedisCoordinator(redis_server.url))
    await client.fetch_bot(1)
    await client.close()
    try:
        await asyncio.gather(client.cluster.total(), return_exceptions=True)
        open_ones = await asked(redis_server.url, "CLIENT", "LIST")
        assert open_ones.count("addr=") == 2, open_ones  # addr and laddr of the one that asks
    finally:
        await client.cluster.close()


# --- what stays in Redis -------------------------------------------------------------------------


async def asked(url: str, *command: str) -> Any:
    """What Redis answers to a command."""
    from redis.asyncio import Redis

    async with Redis.from_url(url, decode_responses=True) as redis:
        return await redis.execute_command(*command)


async def lasting_keys(url: str) -> set[str]:
    """The keys that stay as long as Redis does."""
    keys = await asked(url, "KEYS", "*")
    return {key for key in keys if await asked(url, "PTTL", key) == -1}


async def test_nothing_stays_in_redis_for_ever(
    make_client: MakeClient, redis_url: str, topgg: TopGGSeen
) -> None:
    """All that clients keep there has a time after which it goes, be they closed or not."""
    topgg.script("/bots/1", rate_limited(1))
    for _ in range(2):
        client = make_client(
            cluster=RedisCoordinator(redis_url),
            rate_limits=[RateLimit(3, per=0.2)],
            max_wait=PATIENCE,
            autopost=True,
            interval=600,
        )
        calls = soon(client, range(1, 20))
        await asyncio.gather(*calls[:3], return_exceptions=True)
        await until(lambda: bool(topgg.posts()))
        assert await lasting_keys(redis_url) == set()
        await client.close()
        await asyncio.gather(*calls[3:], return_exceptions=True)
        assert await lasting_keys(redis_url) == set()


async def test_a_redis_that_forgets_the_last_post_makes_no_other(
    make_pair: MakePair, redis_server: RedisServer, topgg: TopGGSeen, monkeypatch: Any
) -> None:
    """It comes back empty: the processes know when it was, and tell it."""
    monkeypatch.setattr(roll, "BEAT", 0.05)
    monkeypatch.setattr(roll, "REPORT_EVERY", 0.1)
    await make_pair(RateLimit(90, per=0.3), autopost=True, interval=600)
    await until(lambda: bool(topgg.posts()))
    await asyncio.sleep(0.4)
    for _ in range(3):
        await redis_server.ask("FLUSHALL")
        await asyncio.sleep(0.4)
    assert len(topgg.posts()) == 1


class NotReady(StandaloneBot):
    """A bot that fails when it is asked whether it is there."""

    async def wait_until_ready(self) -> None:
        """Never is it."""

    def is_ready(self) -> bool:
        """Whether it is, which it does not know."""
        raise LookupError("no such shard")


@pytest.mark.parametrize(
    ("bot", "why"),
    [
        (NotReady(OWN_ID, server_count=1), "no such shard"),
        (StandaloneBot(OWN_ID, server_count=lambda: 10**30), "serialize ints"),
    ],
)
async def test_a_bot_that_can_not_be_counted_keeps_no_call_from_being_sent(
    bot: StandaloneBot,
    why: str,
    make_client: MakeClient,
    redis_url: str,
    topgg: TopGGSeen,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says once why its servers are not told of, and the budget goes on."""
    monkeypatch.setattr(roll, "BEAT", 0.02)
    client = make_client(bot, cluster=RedisCoordinator(redis_url))
    for number in range(1, 4):
        async with asyncio.timeout(PATIENCE):
            await client.fetch_bot(number)
        await until(lambda: why in caplog.text)
        await asyncio.sleep(0.1)
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in told] == ["this process's servers are not told of"]
    assert why in caplog.text


async def test_a_redis_that_talks_nonsense_is_as_good_as_away(
    make_client: MakeClient,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The process goes on with its share, says what it heard, and is back when that has gone."""
    monkeypatch.setattr(budget, "SILENCE", 0.3)
    client = make_client(cluster=RedisCoordinator(redis_server.url), max_wait=PATIENCE)
    await client.fetch_bot(1)
    blocks = f"rx_toppy:{{{sha256(TOKEN.encode()).hexdigest()[:16]}}}:blocks"
    await redis_server.ask("HSET", blocks, r'"\xff"', "9e15")
    await until(lambda: client.cluster.is_offline)
    await client.fetch_bot(2)
    assert caplog.text.count("what Redis said is not understood") == 1
    assert await redis_server.ask("DEL", blocks) == ":1"
    await until(lambda: not client.cluster.is_offline)
    await client.fetch_bot(3)
