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
SHARDS = 16
INTERVAL = 1.5
DROP_AFTER = 4.0
LIMITS = [(60, 60.0, "/bots")]


def shards_of(number: int) -> list[int]:
    """The two shards of a process."""
    return [2 * number - 2, 2 * number - 1]


def total(numbers: Iterable[int] = EIGHT) -> int:
    """The servers on the shards of some processes."""
    return sum(guilds_on(shard) for number in numbers for shard in shards_of(number))


def posting(redis_url: str, topgg: TopGGSeen, **more: Any) -> list[Life]:
    """Eight processes that autopost."""
    return [
        Life(
            number=number,
            redis=redis_url,
            base_url=topgg.base_url,
            limits=LIMITS,
            shards=shards_of(number),
            shard_count=SHARDS,
            interval=INTERVAL,
            **({"drop_after": DROP_AFTER} | more),
        )
        for number in EIGHT
    ]


async def test_one_total_whoever_dies(redis_url: str, tmp_path: Path) -> None:
    """One post in an interval, of all shards, by one process; another takes over from a dead one.

    What a dead one reported counts until `drop_after`; and it is never a part that is posted.
    """
    async with TopGGSeen() as topgg, Cluster(tmp_path, posting(redis_url, topgg)) as cluster:
        await cluster.start(*EIGHT[:-1])
        await asyncio.sleep(1.5)
        assert topgg.posts() == []  # it waits for shards that it has never heard of
        await cluster.start(8)
        await cluster.until(lambda: len(topgg.posts()) >= 4, "four posts")
        first = topgg.posts()
        gaps = [after[0] - before[0] for before, after in pairwise(first)]
        assert all(INTERVAL - 0.5 < gap < INTERVAL + 0.7 for gap in gaps), gaps
        assert {body["server_count"] for _, body in first} == {total()}
        assert {body["shard_count"] for _, body in first} == {SHARDS}
        assert topgg.paths[0] == f"POST /bots/{OWN_ID}/stats"
        posters = {one.number for one in cluster.heard("posted")}
        assert len(posters) == 1

        (leader,) = posters
        left = [number for number in EIGHT if number != leader]
        killed = time.monotonic()
        await cluster.kill(leader)
        await cluster.until(lambda: bool(topgg.posts(since=killed)), "another leader's post", 8.0)
        assert topgg.posts(since=killed)[0][1]["server_count"] == total()
        await cluster.until(
            lambda: topgg.posts()[-1][1]["server_count"] == total(left), "it to be left out", 15.0
        )
        assert time.monotonic() - killed >= 6.0 - 1.5  # it may have been heard of that long before
        assert cluster.heard("logged", ", ".join(map(str, shards_of(leader))), since=killed)
        assert {body["server_count"] for _, body in topgg.posts()} == {total(), total(left)}

        await cluster.start(leader)
        await cluster.until(lambda: topgg.posts()[-1][1]["server_count"] == total(), "all of them")
        again = time.monotonic()
        await cluster.kill(*EIGHT)
        await cluster.start(*EIGHT[4:])
        await asyncio.sleep(1.0)
        await cluster.start(*EIGHT[:4])
        started = time.monotonic()
        await cluster.until(lambda: len(topgg.posts(since=started)) >= 2, "two posts")
        assert {body["server_count"] for _, body in topgg.posts(since=again)} == {total()}
    assert cluster.stderr() == ""


async def test_shards_that_never_come_are_not_waited_for_for_ever(
    redis_url: str, tmp_path: Path
) -> None:
    """After `drop_after` what is there is posted, and the log says what is missing."""
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, posting(redis_url, topgg, drop_after=3.0)) as cluster,
    ):
        since = time.monotonic()
        await cluster.start(*EIGHT[:6])
        await cluster.until(lambda: bool(topgg.posts()), "a post", 12.0)
        assert topgg.posts()[0][0] - since >= 3.0
        assert topgg.posts()[0][1]["server_count"] == total(EIGHT[:6])
        missing = cluster.heard("logged", "12")
        assert missing, "nothing was logged of shard 12"
        assert missing[0].level == "WARNING"
    assert cluster.stderr() == ""


async def test_one_total_in_v1(redis_url: str, tmp_path: Path) -> None:
    """The same for the metrics of v1, which know no shards."""
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, posting(redis_url, topgg, post_to="v1")) as cluster,
    ):
        await cluster.start()
        await cluster.until(lambda: len(topgg.posts()) >= 2, "two posts")
        assert {path.split()[1] for path in topgg.paths} <= {
            "/v1/projects/@me/metrics",
            "/v1/projects/@me/metrics/batch",
        }
        bodies = str([body for _, body in topgg.posts()])
        assert bodies.count(f"'server_count': {total()}") >= 2
        assert bodies.count("server_count") == bodies.count(f"'server_count': {total()}")
    assert cluster.stderr() == ""


@pytest.mark.parametrize("shards", [None, list(range(4))])
async def test_a_whole_census_is_the_total(
    redis_url: str, tmp_path: Path, shards: list[int] | None
) -> None:
    """Where each process knows all of the bot's servers, their numbers are not added."""
    async with TopGGSeen() as topgg, Cluster(tmp_path, posting(redis_url, topgg)[:3]) as cluster:
        for life in cluster.lives.values():
            life.shards = shards
            life.shard_count = 1 if shards is None else len(shards)
        await cluster.start()
        await cluster.until(lambda: len(topgg.posts()) >= 2, "two posts")
        expected = 100 if shards is None else sum(map(guilds_on, shards))
        assert {body["server_count"] for _, body in topgg.posts()} == {expected}
        assert len({one.number for one in cluster.heard("posted")}) == 1
    assert cluster.stderr() == ""
