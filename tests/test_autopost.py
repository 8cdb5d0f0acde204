"""The autopost timer: whole timetables, in virtual time, against a real server."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from reactivex import operators as ops

from rx_toppy import (
    AutopostEvent,
    AutopostFailed,
    BotStatsPayload,
    ConnectionFailed,
    PostEvent,
    Ratelimited,
    RequestEvent,
    StandaloneBot,
    TopGG,
    TopGGServerError,
    ToppyError,
)
from tests.standin import StandIn, fault, ok, status
from tests.virtual import run_virtual

OWN_ID = 264811613708746752
STATS = f"/bots/{OWN_ID}/stats"


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


class Scene:
    """A stand-in, a client with autopost off, and all that was heard, with its time."""

    def __init__(self, topgg: StandIn, client: TopGG) -> None:
        self.topgg = topgg
        self.client = client
        self.events: list[Any] = []
        self.posted: list[tuple[float, BotStatsPayload]] = []
        loop = asyncio.get_running_loop()
        client.events.subscribe(self.events.append)
        client.autopost.subscribe(lambda stats: self.posted.append((loop.time(), stats)))

    def times(self) -> list[float]:
        """When posts arrived, rounded to a hundredth of a second."""
        return [round(seen.at, 2) for seen in self.topgg.seen]

    def bodies(self) -> list[Any]:
        """What was posted."""
        return [json.loads(seen.body) for seen in self.topgg.seen]

    def of(self, *kinds: type) -> list[Any]:
        """The events of some types."""
        return [event for event in self.events if isinstance(event, kinds)]


@asynccontextmanager
async def scene(
    *answers: Any, bot: Any = None, interval: float = 1800.0, **options: Any
) -> AsyncIterator[Scene]:
    """A scene whose server answers stats posts as told, the last answer again and again."""
    bot = StandaloneBot(OWN_ID, server_count=10) if bot is None else bot
    options = {"autopost": False, "retries": 0, "token": "secret-token"} | options
    async with StandIn() as topgg:
        topgg.script(f"POST {STATS}", *(answers or (ok({}),)))
        topgg.script("PATCH /v1/projects/@me/metrics", *(answers or (ok({}),)))
        client = TopGG(bot, base_url=topgg.base_url, interval=interval, **options)
        async with client:
            yield Scene(topgg, client)


@virtual
async def test_it_posts_at_once_and_then_every_interval() -> None:
    """The first post goes out at once, the others an interval apart, without drift."""
    async with scene(interval=1800) as it:
        it.client.autopost.start()
        await asyncio.sleep(3 * 1800 + 1)
        assert it.times() == [0.0, 1800.0, 3600.0, 5400.0]
        assert it.bodies() == [{"server_count": 10}] * 4
        assert [round(at, 2) for at, _ in it.posted] == [0.0, 1800.0, 3600.0, 5400.0]
        assert it.client.autopost.current_loop == 4


@virtual
async def test_each_post_is_told_of_in_order() -> None:
    """RequestEvent, PostEvent, AutopostEvent, and the value on the autopost observable."""
    async with scene() as it:
        order: list[str] = []
        it.client.events.subscribe(lambda event: order.append(type(event).__name__))
        it.client.autopost.subscribe(lambda stats: order.append(f"value {int(stats)}"))
        it.client.autopost.start()
        await asyncio.sleep(1)
        assert order == ["RequestEvent", "PostEvent", "AutopostEvent", "value 10"]
        assert it.of(AutopostEvent)[0].stats == it.of(PostEvent)[0].stats == it.posted[0][1]


@virtual
async def test_the_numbers_are_counted_for_each_post() -> None:
    """A callable is asked anew each time."""
    numbers = iter([5, 6, 7])
    async with scene(bot=StandaloneBot(OWN_ID, server_count=lambda: next(numbers))) as it:
        it.client.autopost.start()
        await asyncio.sleep(2 * 1800 + 1)
        assert [body["server_count"] for body in it.bodies()] == [5, 6, 7]


@virtual
async def test_subscribing_starts_nothing() -> None:
    """With autopost off, a day passes without a request."""
    async with scene() as it:
        await asyncio.sleep(86_400)
        assert it.topgg.seen == []
        assert not it.client.autopost.is_running()


@virtual
async def test_a_failed_post_is_tried_again_and_the_rhythm_goes_on() -> None:
    """A 503 is an AutopostFailed; the retry comes when it says; later posts keep their times."""
    async with scene(fault.status(503), fault.status(503), ok({}), interval=1800) as it:
        it.client.autopost.start()
        await asyncio.sleep(3601)
        first, second = it.of(AutopostFailed)
        assert isinstance(first.error, TopGGServerError)
        assert 7.5 <= first.retry_in <= 15.0 <= second.retry_in <= 30.0
        again = first.retry_in + second.retry_in
        expected = [0.0, first.retry_in, again, 1800.0, 3600.0]
        assert it.times() == pytest.approx(expected, abs=0.02)


@virtual
async def test_resets_do_not_end_it() -> None:
    """Connection errors are values on the events, and posts go on."""
    async with scene(fault.reset(), fault.reset(), ok({})) as it:
        it.client.autopost.start()
        await asyncio.sleep(1801)
        assert [type(failed.error) for failed in it.of(AutopostFailed)] == [ConnectionFailed] * 2
        assert len(it.posted) == 2


@virtual
async def test_after_an_outage_there_is_no_burst() -> None:
    """Beats that an outage swallowed are not made up for; the next one is on the old grid."""
    outage = [fault.status(500)] * 12
    async with scene(*outage, ok({}), interval=100) as it:
        it.client.autopost.start()
        await it.client.autopost.pipe(ops.first())
        recovered = it.posted[0][0]
        assert recovered > 300
        await asyncio.sleep(300)
        later = [round(at, 2) for at, _ in it.posted[1:]]
        next_beat = (recovered // 100 + 1) * 100
        assert later[:2] == [next_beat, next_beat + 100]


@virtual
async def test_a_429_is_waited_for() -> None:
    """No try comes sooner than top.gg allows, and nothing else of the client's either."""
    async with scene(fault.rate_limited(600), ok({}), interval=60) as it:
        it.client.autopost.start()
        await asyncio.sleep(700)
        (failed,) = it.of(AutopostFailed)
        assert isinstance(failed.error, Ratelimited)
        assert failed.retry_in >= 600
        assert it.times()[0] == 0.0
        assert it.times()[1] >= 600.0


@virtual
async def test_a_503_that_says_when_is_waited_for() -> None:
    """Retry-After of a 503 counts, for the retries of a call and for autopost's own."""
    later = fault.status(503, headers={"Retry-After": "40"})
    latest = fault.status(503, headers={"Retry-After": "700"})
    async with scene(later, latest, ok({}), interval=1800, retries=1) as it:
        it.client.autopost.start()
        await asyncio.sleep(1000)
        assert it.times() == [0.0, 40.0, 740.0]


@virtual
async def test_a_bad_token_does_not_end_it() -> None:
    """Even a 401 is tried again, with pauses that stay within the interval."""
    async with scene(fault.status(401), interval=300) as it:
        it.client.autopost.start()
        await asyncio.sleep(3000)
        assert it.client.autopost.is_running()
        assert all(failed.retry_in <= 300 for failed in it.of(AutopostFailed))
        assert 10 <= len(it.topgg.seen) <= 40


@virtual
async def test_posts_never_overlap() -> None:
    """A post that takes longer than the interval delays the next one to a later beat."""
    async with scene(fault.delay(150, ok({})), interval=100, timeout=1000) as it:
        it.client.autopost.start()
        await asyncio.sleep(500)
        assert it.times() == [0.0, 200.0, 400.0]


@virtual
async def test_stop_lets_the_running_post_finish() -> None:
    """A graceful stop: what is under way is posted and told of, and nothing after it."""
    async with scene(fault.delay(5, ok({})), interval=10) as it:
        it.client.autopost.start()
        await asyncio.sleep(1)
        it.client.autopost.stop()
        assert it.client.autopost.is_running()
        await asyncio.sleep(100)
        assert not it.client.autopost.is_running()
        assert len(it.posted) == len(it.topgg.seen) == 1


@virtual
async def test_stop_between_posts_ends_it_at_once() -> None:
    """A stop while it waits for the next beat ends the waiting."""
    async with scene() as it:
        it.client.autopost.start()
        await asyncio.sleep(10)
        it.client.autopost.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not it.client.autopost.is_running()
        assert it.client.autopost.next_iteration is None


@virtual
async def test_cancel_gives_the_running_post_up() -> None:
    """A cancelled post is not told of, and its connection is gone."""
    async with scene(fault.hang(), interval=10) as it:
        it.client.autopost.start()
        await it.topgg.arrived(1)
        it.client.autopost.cancel()
        await asyncio.sleep(1)
        assert not it.client.autopost.is_running()
        assert it.posted == []
        await it.topgg.connected(0)


@virtual
async def test_starting_it_twice_is_an_error() -> None:
    """start() while it runs says so; after a stop it may be started again."""
    async with scene() as it:
        it.client.autopost.start()
        with pytest.raises(RuntimeError, match="running"):
            it.client.autopost.start()
        await asyncio.sleep(1)
        it.client.autopost.stop()
        await asyncio.sleep(1)
        it.client.autopost.start()
        await asyncio.sleep(1)
        assert len(it.posted) == 2


@virtual
async def test_restart_posts_at_once() -> None:
    """restart() begins a new rhythm from now, whether it runs or not."""
    async with scene(interval=100) as it:
        it.client.autopost.restart()
        await asyncio.sleep(30)
        it.client.autopost.restart()
        await asyncio.sleep(150)
        assert it.times() == [0.0, 30.0, 130.0]


@virtual
async def test_a_shorter_interval_counts_from_the_last_post() -> None:
    """change_interval() moves the next post, which may be due at once."""
    async with scene(interval=1800) as it:
        it.client.autopost.start()
        await asyncio.sleep(100)
        it.client.autopost.change_interval(minutes=1, seconds=30)
        assert it.client.autopost.interval == 90
        await asyncio.sleep(171)
        assert it.times() == [0.0, 100.0, 180.0, 270.0]


@virtual
async def test_a_longer_interval_moves_the_next_post_away() -> None:
    """change_interval() to a longer one is kept from the last post on."""
    async with scene(interval=60) as it:
        it.client.autopost.start()
        await asyncio.sleep(30)
        it.client.autopost.change_interval(hours=1)
        await asyncio.sleep(3600)
        assert it.times() == [0.0, 3600.0]


@virtual
async def test_next_iteration_says_when() -> None:
    """An aware datetime in the future while it waits, None otherwise."""
    async with scene(interval=600) as it:
        assert it.client.autopost.next_iteration is None
        it.client.autopost.start()
        await asyncio.sleep(1)
        due = it.client.autopost.next_iteration
        assert due is not None
        left = (due - datetime.now(due.tzinfo)).total_seconds()
        assert 590 < left <= 600


@virtual
async def test_only_close_completes_it() -> None:
    """stop() and cancel() leave the observable open; closing the client completes it."""
    async with scene() as it:
        ends: list[str] = []
        it.client.autopost.subscribe(on_completed=lambda: ends.append("completed"))
        it.client.autopost.start()
        await asyncio.sleep(1)
        it.client.autopost.stop()
        await asyncio.sleep(1)
        it.client.autopost.start()
        it.client.autopost.cancel()
        await asyncio.sleep(1)
        assert ends == []
        await it.client.close()
        assert ends == ["completed"]


@virtual
async def test_a_raising_subscriber_is_not_its_business(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that raises is logged; posts and other subscribers go on."""
    async with scene() as it:

        def broken(_: object) -> None:
            raise ZeroDivisionError

        it.client.autopost.subscribe(broken)
        it.client.autopost.start()
        await asyncio.sleep(1801)
        assert len(it.posted) == 2
        assert caplog.text.count("raise ZeroDivisionError") == 2


@virtual
async def test_a_raising_count_is_a_failed_post() -> None:
    """A callable that raises is an AutopostFailed, and is asked again."""
    answers = iter([ZeroDivisionError("no database"), 7])

    def server_count() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with scene(bot=StandaloneBot(OWN_ID, server_count=server_count)) as it:
        it.client.autopost.start()
        await asyncio.sleep(60)
        (failed,) = it.of(AutopostFailed)
        assert isinstance(failed.error, ToppyError)
        assert "no database" in str(failed.error)
        assert [int(stats) for _, stats in it.posted] == [7]


@virtual
async def test_the_next_value_can_be_awaited_with_first() -> None:
    """`autopost.pipe(ops.first())` gives the next post."""
    async with scene() as it:
        it.client.autopost.start()
        assert int(await it.client.autopost.pipe(ops.first())) == 10


def guilds(count: int, shards: int) -> list[SimpleNamespace]:
    """Guilds spread over shards one after another."""
    return [SimpleNamespace(id=number + 1, shard_id=number % shards) for number in range(count)]


def sharded_bot(count: int, shard_count: int, own: list[int] | None) -> SimpleNamespace:
    """A process of a sharded bot that has no connect() and is ready."""
    mine = [g for g in guilds(count, shard_count) if own is None or g.shard_id in own]
    return SimpleNamespace(
        user=SimpleNamespace(id=OWN_ID),
        guilds=mine,
        shard_count=shard_count,
        shard_ids=own,
        is_ready=lambda: True,
    )


@virtual
async def test_a_whole_sharded_bot_posts_all_in_one() -> None:
    """All shards here: one request with every shard's count."""
    async with scene(bot=sharded_bot(50_000, 64, None)) as it:
        it.client.autopost.start()
        await asyncio.sleep(1)
        (body,) = it.bodies()
        assert body["server_count"] == 50_000
        assert body["shard_count"] == 64
        assert len(body["shards"]) == 64
        assert sum(body["shards"]) == 50_000


@virtual
async def test_some_shards_are_posted_one_by_one_over_the_interval() -> None:
    """2 of 8 shards: two posts half an interval apart, from a random moment on; one PostEvent."""
    async with scene(bot=sharded_bot(83, 8, [2, 5]), interval=100) as it:
        it.client.autopost.start()
        await asyncio.sleep(199.9)
        times = it.times()
        assert len(times) == 4
        assert 0 <= times[0] < 50
        assert [round(t - times[0], 1) for t in times] == [0, 50, 100, 150]
        assert it.bodies()[:2] == [
            {"server_count": 11, "shard_id": 2, "shard_count": 8},
            {"server_count": 10, "shard_id": 5, "shard_count": 8},
        ]
        assert [event.stats for event in it.of(PostEvent)] == [BotStatsPayload(21, (11, 10), 8)] * 2
        assert len(it.posted) == 2


@virtual
async def test_a_failure_between_shards_repeats_only_what_is_missing() -> None:
    """The failure says which shards were posted; these are not posted again in this round."""
    answers = [ok({}), fault.status(500), ok({})]
    async with scene(*answers, bot=sharded_bot(80, 8, [1, 2, 3]), interval=300) as it:
        it.client.autopost.start()
        # The round may begin at 100 s, and wait for 30 s before its retry.
        await asyncio.sleep(399)
        (failed,) = it.of(AutopostFailed)
        assert failed.error.posted_shards == (1,)
        assert "shards 1" in str(failed.error)
        assert [body["shard_id"] for body in it.bodies()[:4]] == [1, 2, 2, 3]
        assert len(it.posted) == 1


@virtual
async def test_processes_that_start_together_do_not_post_together() -> None:
    """The random moment differs from one client to the next."""
    firsts = set()
    for _ in range(5):
        async with scene(bot=sharded_bot(8, 8, [0, 1]), interval=1000) as it:
            begun = asyncio.get_running_loop().time()
            it.client.autopost.start()
            await it.topgg.arrived(1, timeout=2000)
            firsts.add(round(it.topgg.seen[0].at - begun))
    assert len(firsts) > 1


@virtual
async def test_post_stats_of_some_shards_says_what_it_posted_before_a_failure() -> None:
    """A post shard by shard that fails midway is an error that names the shards done."""
    answers = [ok({}), ok({}), fault.status(403)]
    async with scene(*answers, bot=sharded_bot(80, 8, [4, 5, 6])) as it:
        with pytest.raises(ToppyError) as caught:
            await it.client.post_stats()
        assert caught.value.posted_shards == (4, 5)
        assert caught.value.status == 403
        assert it.of(PostEvent) == []


@virtual
async def test_v1_posts_metrics() -> None:
    """post_to="v1": server and shard count by PATCH, with a bearer's token."""
    async with scene(bot=StandaloneBot(OWN_ID, shards=[3, 4]), post_to="v1") as it:
        it.client.autopost.start()
        await asyncio.sleep(1)
        (seen,) = it.topgg.seen
        assert (seen.method, seen.path) == ("PATCH", "/v1/projects/@me/metrics")
        assert seen.headers["authorization"] == "Bearer secret-token"
        assert json.loads(seen.body) == {"server_count": 7, "shard_count": 2}
        assert it.posted[0][1] == BotStatsPayload(7, (3, 4), 2)


@virtual
async def test_v1_refuses_some_shards_and_names_the_way_out() -> None:
    """Metrics know no shards: nothing is sent, and the error says what to do."""
    async with scene(bot=sharded_bot(80, 8, [1]), post_to="v1") as it:
        it.client.autopost.start()
        await asyncio.sleep(1)
        assert it.topgg.seen == []
        (failed,) = it.of(AutopostFailed)
        assert "StandaloneBot" in str(failed.error)


METRICS = "PATCH /v1/projects/@me/metrics"
BATCH = "POST /v1/projects/@me/metrics/batch"
NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)


@asynccontextmanager
async def v1_scene(*answers: Any, interval: float = 600.0) -> AsyncIterator[Scene]:
    """A scene that posts to v1, by a clock that shows noon at first; it counts 1, 2, 3 ... servers.

    Metrics and batches are answered from one script.
    """
    counts = itertools.count(1)
    bot = StandaloneBot(OWN_ID, server_count=lambda: next(counts))
    async with scene(bot=bot, interval=interval, post_to="v1") as it:
        loop = asyncio.get_running_loop()
        it.client._home.clock = lambda: NOON + timedelta(seconds=loop.time())
        script = iter(answers)
        for path in (METRICS, BATCH):
            it.topgg.reply(path, lambda _: next(script, status(204)))
        yield it


def samples(seen: Any) -> list[tuple[float, int]]:
    """What a batch told: how many seconds after noon, and how many servers."""
    return [
        (
            round((datetime.fromisoformat(entry["timestamp"]) - NOON).total_seconds()),
            entry["metrics"]["server_count"],
        )
        for entry in json.loads(seen.body)["data"]
    ]


@virtual
async def test_v1_leaves_no_hole_in_the_history() -> None:
    """Beats that fall into an outage are sampled, and sent with their times when it is over."""
    async with v1_scene() as it:
        loop = asyncio.get_running_loop()
        is_down = lambda: 590 < loop.time() < 2500  # noqa: E731
        for path in (METRICS, BATCH):
            it.topgg.reply(path, lambda _: status(503 if is_down() else 204))
        it.client.autopost.start()
        await asyncio.sleep(3601)
        successes = [seen for seen in it.topgg.seen if not 590 < seen.at < 2500]
        first, batch, *usual = successes
        assert [seen.method for seen in successes] == ["PATCH", "POST"] + ["PATCH"] * len(usual)
        # The try that succeeds comes after the outage, by chance before or after the next beat.
        beats = range(600, int(batch.at) + 1, 600)
        assert 4 <= len(beats) <= 5
        assert samples(batch) == [(beat, beat // 600 + 1) for beat in beats]
        assert [round(seen.at) for seen in (first, *usual)] == [
            0,
            *range(beats[-1] + 600, 3601, 600),
        ]
        assert [int(stats) for _, stats in it.posted] == [1, *range(len(beats) + 1, 8)]


@virtual
async def test_v1_samples_every_beat_of_a_long_block() -> None:
    """A block of an hour loses no beat: they come in one batch after it, then the usual post."""
    async with v1_scene(fault.rate_limited(3600)) as it:
        it.client.autopost.start()
        await asyncio.sleep(4201)
        first, batch, usual = it.topgg.seen
        assert (first.method, round(first.at)) == ("PATCH", 0)
        assert (batch.method, round(batch.at)) == ("POST", 3600)
        assert samples(batch) == [(600 * n, n + 1) for n in range(7)]
        assert (usual.method, round(usual.at)) == ("PATCH", 4200)
        assert json.loads(usual.body) == {"server_count": 8, "shard_count": 1}
        assert [int(stats) for _, stats in it.posted] == [7, 8]
        assert it.client.autopost.dropped == 0


@virtual
@pytest.mark.parametrize(("answer", "takes"), [(204, 7.5), (503, 4.4)])
async def test_v1_samples_a_beat_that_passes_while_a_try_is_under_way(
    answer: int, takes: float
) -> None:
    """However that try ends: the beat is sampled right after it, and not left out."""
    slow = fault.delay(takes, status(answer))
    async with v1_scene(*[slow] * 4, interval=5.0) as it:
        it.client.autopost.start()
        await asyncio.sleep(58)
        times = [seen.at for seen in it.topgg.seen if seen.method == "PATCH"]
        times += [at for seen in it.topgg.seen if seen.method == "POST" for at, _ in samples(seen)]
        beats = range(10, 50, 5)
        assert [beat for beat in beats if not any(beat <= at < beat + 5 for at in times)] == []


@virtual
async def test_v1_drops_the_oldest_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded: the oldest samples are dropped, and counted."""
    monkeypatch.setattr("rx_toppy.stats.MOST_KEPT", 3)
    async with v1_scene(fault.rate_limited(3600)) as it:
        it.client.autopost.start()
        await asyncio.sleep(3601)
        assert samples(it.topgg.seen[-1]) == [(2400, 5), (3000, 6), (3600, 7)]
        assert it.client.autopost.dropped == 4


@virtual
async def test_v1_sends_many_samples_in_hundreds() -> None:
    """250 samples take three requests; a failure in the middle sends none of them twice."""
    async with v1_scene(fault.rate_limited(249), status(204), status(503), interval=1) as it:
        it.client.autopost.start()
        await asyncio.sleep(252)
        batches = [samples(seen) for seen in it.topgg.seen[1:] if seen.method == "POST"]
        assert [len(batch) for batch in batches[:3]] == [100, 100, 100]
        assert batches[1] == batches[2]  # the one that failed
        arrived = [batches[0], *batches[2:]]
        times = [at for batch in arrived for at, _ in batch]
        assert times == list(range(len(times)))


@virtual
async def test_v1_gives_up_what_topgg_refuses() -> None:
    """A batch that top.gg does not take is dropped and counted, and does not stand in the way."""
    async with v1_scene(fault.rate_limited(700), status(422, json={"detail": "too old"})) as it:
        it.client.autopost.start()
        await asyncio.sleep(1201)
        assert [seen.method for seen in it.topgg.seen] == ["PATCH", "POST", "PATCH", "PATCH"]
        assert it.client.autopost.dropped == 2
        assert "too old" in str(it.of(AutopostFailed)[-1].error)


@virtual
async def test_v1_keeps_samples_while_it_is_stopped() -> None:
    """Stopped in an outage and started again later, it still sends what it had kept."""
    async with v1_scene(*[status(503)] * 2) as it:
        it.client.autopost.start()
        await asyncio.sleep(1)
        it.client.autopost.cancel()
        await asyncio.sleep(3000)
        it.client.autopost.start()
        await asyncio.sleep(16)
        assert samples(it.topgg.seen[-1]) == [(0, 1), (3001, 2)]


@virtual
async def test_it_waits_for_a_window_as_long_as_it_takes() -> None:
    """A full rate limit delays a post beyond max_wait instead of failing it."""
    from rx_toppy import RateLimit

    limits = (RateLimit(1, per=100),)
    async with scene(interval=50, rate_limits=limits, max_wait=1.0) as it:
        it.client.autopost.start()
        await asyncio.sleep(299)
        assert it.of(AutopostFailed) == []
        assert it.times() == pytest.approx([0.0, 100.0, 200.0], abs=0.1)


class HostedBot:
    """As much of a Discord client as matters: it connects, becomes ready, and closes."""

    def __init__(self) -> None:
        self.user: Any = None
        self.guilds: list[Any] = []
        self.heard: list[tuple[str, Any]] = []
        self._ready: asyncio.Event | None = None
        self._closed = False

    async def start(self, ready_after: float) -> None:
        self._ready = asyncio.Event()
        self.user = SimpleNamespace(id=OWN_ID)
        self.guilds = [SimpleNamespace(id=1, unavailable=True)]
        await self.setup_hook()
        asyncio.get_running_loop().call_later(ready_after, self._becomes_ready)
        await self.connect(reconnect=True)

    async def setup_hook(self) -> None:
        """For tests to override."""

    async def connect(self, *, reconnect: bool) -> None:
        assert reconnect
        while not self._closed:
            await asyncio.sleep(1)

    async def close(self) -> None:
        self._closed = True

    def is_closed(self) -> bool:
        return self._closed

    def is_ready(self) -> bool:
        return self._ready is not None and self._ready.is_set()

    async def wait_until_ready(self) -> None:
        if self._ready is None:
            raise RuntimeError("Client has not been properly initialised.")
        await self._ready.wait()

    def dispatch(self, event: str, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args[0] if args else kwargs))

    def _becomes_ready(self) -> None:
        assert self._ready is not None
        self.guilds = guilds(12, 1)
        self._ready.set()


@virtual
async def test_it_comes_and_goes_with_its_bot() -> None:
    """Made before the bot connects: it starts by itself, posts once ready, closes with the bot."""
    bot = HostedBot()
    async with StandIn() as topgg:
        topgg.reply(f"POST {STATS}", json={})
        client = TopGG(bot, token="secret-token", base_url=topgg.base_url, interval=100)
        assert not client.autopost.is_running()
        running = asyncio.create_task(bot.start(ready_after=30))
        await asyncio.sleep(150)
        assert [(round(seen.at), json.loads(seen.body)) for seen in topgg.seen] == [
            (30, {"server_count": 12}),
            (130, {"server_count": 12}),
        ]
        await bot.close()
        await running
        assert client.is_closed
        assert not client.autopost.is_running()
        stats = {"server_count": 12, "shards": [], "shard_count": 1}
        url = f"{topgg.base_url}{STATS}"
        once = [
            ("toppy_request", {"url": url, "method": "POST"}),
            ("guild_post", stats),
            ("toppy_stat_autopost", stats),
        ]
        assert bot.heard == once * 2


@virtual
async def test_a_bot_that_closes_before_it_is_ready_is_not_held_up() -> None:
    """Autopost waits for a readiness that never comes; closing the bot still takes no time."""
    bot = HostedBot()
    async with StandIn() as topgg:
        client = TopGG(bot, token="secret-token", base_url=topgg.base_url)
        running = asyncio.create_task(bot.start(ready_after=1e9))
        await asyncio.sleep(10)
        assert client.autopost.is_running()
        before = asyncio.get_running_loop().time()
        await bot.close()
        assert asyncio.get_running_loop().time() == before
        await running
        assert client.is_closed
        assert topgg.seen == []


@virtual
async def test_post_stats_before_the_bot_connects_errs_instead_of_hanging() -> None:
    """In setup_hook readiness cannot come: the call says so, and sends nothing."""
    errors: list[ToppyError] = []
    async with StandIn() as topgg:
        bot = HostedBot()
        client = TopGG(bot, token="secret-token", base_url=topgg.base_url, autopost=False)

        async def setup_hook() -> None:
            with pytest.raises(ToppyError, match="not begun to connect") as caught:
                await client.post_stats()
            errors.append(caught.value)

        bot.setup_hook = setup_hook  # type: ignore[method-assign]
        with pytest.raises(ToppyError, match="no user"):
            await client.fetch_votes()
        running = asyncio.create_task(bot.start(ready_after=5))
        await asyncio.sleep(1)
        assert len(errors) == 1
        topgg.reply(f"POST {STATS}", json={})
        assert int(await client.post_stats()) == 12
        assert round(topgg.seen[0].at) == 5
        await bot.close()
        await running


@virtual
async def test_a_client_without_autopost_closes_with_its_bot_too() -> None:
    """`autopost=False` has no say in whether the client is closed."""
    bot = HostedBot()
    client = TopGG(bot, token="secret-token", autopost=False)
    running = asyncio.create_task(bot.start(ready_after=1))
    await asyncio.sleep(2)
    await bot.close()
    await running
    assert client.is_closed


@virtual
async def test_a_standalone_client_starts_on_first_use_in_a_loop() -> None:
    """Made in a loop, with a bot that needs no connection: at once."""
    async with StandIn() as topgg:
        topgg.reply(f"POST {STATS}", json={})
        bot = StandaloneBot(OWN_ID, server_count=3)
        client = TopGG(bot, token="secret-token", base_url=topgg.base_url)
        await topgg.arrived(1)
        assert client.autopost.is_running()
        await client.close()


def test_made_before_the_loop_it_starts_in_it_and_again_in_the_next() -> None:
    """One client over two loops: autopost runs in both, and nothing is left of the first."""
    bot = StandaloneBot(OWN_ID, server_count=3)
    counts: list[int] = []
    client: TopGG | None = None

    async def life(last: bool) -> None:
        nonlocal client
        async with StandIn() as topgg:
            topgg.reply(f"POST {STATS}", json={})
            assert client is not None
            client._transport._base_url = topgg.base_url  # the port is only known by now
            client.events.subscribe(lambda event: None)
            assert not client.autopost.is_running()
            topgg.reply("/weekend", json={"is_weekend": True})
            await client.is_weekend()
            await asyncio.sleep(0)
            await topgg.arrived(2)
            counts.append(len(topgg.seen))
            if last:
                await client.close()

    client = TopGG(bot, token="secret-token", base_url="http://127.0.0.1:1/api")
    run_virtual(life(last=False))
    run_virtual(life(last=True))
    assert counts == [2, 2]


@virtual
async def test_a_bot_without_numbers_is_not_posted_for() -> None:
    """A StandaloneBot that only asks questions starts no autopost; post_stats says what lacks."""
    async with StandIn() as topgg:
        bot = StandaloneBot(OWN_ID)
        async with TopGG(bot, token="secret-token", base_url=topgg.base_url) as client:
            await asyncio.sleep(10)
            assert not client.autopost.is_running()
            with pytest.raises(ToppyError, match="server_count"):
                await client.post_stats()
        assert topgg.seen == []


@virtual
async def test_every_send_of_it_is_a_request_event() -> None:
    """Retries of a post show as requests with their attempt numbers."""
    async with scene(fault.status(503), ok({}), retries=2) as it:
        it.client.autopost.start()
        await asyncio.sleep(30)
        requests = it.of(RequestEvent)
        assert [(event.status, event.attempt) for event in requests] == [(503, 1), (200, 2)]
        assert it.of(AutopostFailed) == []


@pytest.mark.parametrize(
    "change", [{"seconds": -1}, {"seconds": 0}, {"minutes": float("nan")}, {}, {"hours": -2}]
)
def test_an_interval_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    """change_interval() takes more than zero seconds, and no parts below zero."""
    bot = StandaloneBot(OWN_ID, server_count=1)
    client = TopGG(bot, token="secret-token", autopost=False)
    with pytest.raises(ValueError, match="takes"):
        client.autopost.change_interval(**change)
    assert client.autopost.interval == 1800
