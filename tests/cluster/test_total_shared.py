"""One total of eight processes with two shards each, as top.gg gets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .harness import Cluster, TopGGSeen
from .lives import OWN_ID, Life, guilds_on

EIGHT = range(1, 9)
TWO, THREE, FOUR = range(1, 3), range(1, 4), range(1, 5)
INTERVAL = 1.0


def shards_of(number: int) -> list[int]:
    """The two shards of a process."""
    return [2 * number - 2, 2 * number - 1]


def total(numbers: Iterable[int]) -> int:
    """The servers on the shards of some processes."""
    return sum(guilds_on(shard) for number in numbers for shard in shards_of(number))


def posting(redis_url: str, topgg: TopGGSeen, numbers: range = FOUR, **more: Any) -> list[Life]:
    """Processes that autopost."""
    return [
        Life(
            number=number,
            redis=redis_url,
            base_url=topgg.base_url,
            limits=[(60, 60.0, "/bots")],
            shards=shards_of(number),
            shard_count=2 * len(numbers),
            interval=INTERVAL,
            beat=0.2,
            **more,
        )
        for number in numbers
    ]


def sums(topgg: TopGGSeen, since: float = 0.0) -> set[int]:
    """All that was posted as the number of servers."""
    return {body["server_count"] for _, body in topgg.posts(since=since)}


@pytest.mark.slow
async def test_one_total_whoever_leads(redis_url: str, tmp_path: Path) -> None:
    """One post in an interval, of all shards, by one process; another takes over from a dead one.

    There is none before all shards were told of, nor by somebody else just because they are new.
    """
    async with TopGGSeen() as topgg, Cluster(tmp_path, posting(redis_url, topgg, EIGHT)) as cluster:
        await cluster.start(*EIGHT[:-1])
        await asyncio.sleep(1.5)
        assert topgg.posts() == []
        await cluster.start(8)
        await cluster.until(lambda: len(topgg.posts()) >= 4, "four posts")
        first = topgg.posts()
        gaps = [after[0] - before[0] for before, after in pairwise(first)]
        assert min(gaps) > INTERVAL - 0.5, gaps
        assert {body["shard_count"] for _, body in first} == {2 * len(EIGHT)}
        assert set(topgg.paths) == {f"POST /bots/{OWN_ID}/stats"}
        posters = {one.number for one in cluster.heard("posted")}
        assert len(posters) == 1

        killed = time.monotonic()
        await cluster.kill(*posters)
        await cluster.until(lambda: len(topgg.posts(since=killed)) >= 2, "two posts")
        again = {one.number for one in cluster.heard("posted", since=killed)}
        assert len(again) == 1

        ended = time.monotonic()
        await cluster.end(*again)
        await cluster.until(lambda: bool(topgg.posts(since=ended)), "a post")
        assert topgg.posts(since=ended)[0][0] - ended < INTERVAL + 3.0  # it had said goodbye
        assert sums(topgg) == {total(EIGHT)}
    assert cluster.stderr() == ""


@pytest.mark.slow
async def test_what_is_not_heard_of_is_left_out_in_time(redis_url: str, tmp_path: Path) -> None:
    """A dead process counts until `drop_after`; after a standstill of all, all have that long.

    What is posted without some shards is logged, with these.
    """
    lost = f"without the shards {shards_of(4)[0]}, {shards_of(4)[1]}:"
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, posting(redis_url, topgg, drop_after=4.0)) as cluster,
    ):
        since = time.monotonic()
        await cluster.start(1, 2, 3)
        await cluster.until(lambda: bool(topgg.posts()), "a post")
        assert topgg.posts()[0][0] - since >= 4.0
        assert sums(topgg) == {total([1, 2, 3])}
        assert [one.level for one in cluster.heard("logged", lost)][:1] == ["WARNING"]

        await cluster.start(4)
        await cluster.until(lambda: total(FOUR) in sums(topgg), "a post of all")
        killed = time.monotonic()
        await cluster.kill(4)  # which is not the one that posts
        await asyncio.sleep(2.0)
        assert sums(topgg, killed) <= {total(FOUR)}
        left = total([1, 2, 3])
        await cluster.until(lambda: left in sums(topgg, killed), "a post without")
        assert sums(topgg, killed) <= {total(FOUR), left}

        await cluster.kill(1, 2, 3)
        await asyncio.sleep(5.5)
        again = time.monotonic()
        await cluster.start(1, 2)
        await asyncio.sleep(1.5)
        await cluster.start(3, 4)
        await cluster.until(lambda: bool(topgg.posts(since=again)), "a post")
        assert sums(topgg, again) == {total(FOUR)}
    assert cluster.stderr() == ""


async def test_one_total_outlives_who_posts_it(redis_url: str, tmp_path: Path) -> None:
    """There is none before all are there; and when the one that posts is killed, another does."""
    async with TopGGSeen() as topgg, Cluster(tmp_path, posting(redis_url, topgg, THREE)) as cluster:
        await cluster.start(1, 2)
        await cluster.until(lambda: bool(cluster.heard("logged", "posts for all")), "a leader")
        assert topgg.posts() == []
        await cluster.start(3)
        await cluster.until(lambda: bool(cluster.heard("posted")), "a post")
        (poster,) = {one.number for one in cluster.heard("posted")}
        killed = time.monotonic()
        await cluster.kill(poster)
        await cluster.until(lambda: bool(cluster.heard("posted", since=killed)), "a post")
        assert sums(topgg) == {total(THREE)}
        assert poster not in {one.number for one in cluster.heard("posted", since=killed)}
    assert cluster.stderr() == ""


async def test_one_total_in_v1(redis_url: str, tmp_path: Path) -> None:
    """The same for the metrics of v1, which know no shards."""
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, posting(redis_url, topgg, TWO, post_to="v1")) as cluster,
    ):
        await cluster.start()
        await cluster.until(lambda: len(topgg.posts()) >= 2, "two posts")
        assert {path.split()[1] for path in topgg.paths} <= {
            "/v1/projects/@me/metrics",
            "/v1/projects/@me/metrics/batch",
        }
        bodies = str([body for _, body in topgg.posts()])
        assert bodies.count(f"'server_count': {total(TWO)}") >= 2
        assert bodies.count("server_count") == bodies.count(f"'server_count': {total(TWO)}")
    assert cluster.stderr() == ""


@pytest.mark.parametrize("shards", [None, list(range(4))])
async def test_a_whole_census_is_the_total(
    redis_url: str, tmp_path: Path, shards: list[int] | None
) -> None:
    """Where each process knows all of the bot's servers, their numbers are not added."""
    async with TopGGSeen() as topgg, Cluster(tmp_path, posting(redis_url, topgg, TWO)) as cluster:
        for life in cluster.lives.values():
            life.shards = shards
            life.shard_count = 1 if shards is None else len(shards)
        await cluster.start()
        since = time.monotonic()  # both are there
        await cluster.until(lambda: len(topgg.posts(since=since)) >= 2, "two posts")
        expected = 100 if shards is None else sum(map(guilds_on, shards))
        assert {body["server_count"] for _, body in topgg.posts()} == {expected}
        assert len({one.number for one in cluster.heard("posted")}) == 1
    assert cluster.stderr() == ""
