"""One inbox for many processes that take votes in and handle them, and that die doing so."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from rx_toppy.cluster import RedisInbox
from tests.faults.proxy import FaultProxy
from tests.faults.weather import Fate, Weather

from .harness import Cluster, Said
from .inbox_lives import YEARS
from .server import RedisServer
from .voting_lives import Voting, name_of

THREE, EIGHT = range(1, 4), range(1, 9)
CLAIM_AFTER = 3.0


def voting(
    redis_url: str, rng: Random, numbers: range = EIGHT, voters: int = 24, each: int = 6
) -> list[Voting]:
    """Some processes; each user's votes are delivered to two of them."""
    voters_of: dict[int, list[int]] = {number: [] for number in numbers}
    for voter in range(1, voters + 1):
        for number in rng.sample(numbers, 2):
            voters_of[number].append(voter)
    return [
        Voting(
            number=number,
            redis=redis_url,
            voters=voters_of[number],
            each=each,
            claim_after=CLAIM_AFTER,
        )
        for number in numbers
    ]


def deliveries(cluster: Cluster) -> set[tuple[int, str]]:
    """What is delivered to which process."""
    return {
        (number, f"{voter}.{which}")
        for number, life in cluster.lives.items()
        for voter in life.voters
        for which in range(life.each)
    }


def votes(cluster: Cluster) -> set[str]:
    """All of them."""
    return {vote for _, vote in deliveries(cluster)}


class Verdict:
    """What is said of all the votes once they are handled.

    Args:
        cluster: What they are of, and what was said in it.
        gone: When which process was killed, or cut off for longer than others wait.
    """

    def __init__(self, cluster: Cluster, gone: list[tuple[float, int]]) -> None:
        self._gone = gone
        self._votes = votes(cluster)
        self._by_vote: dict[str, list[Said]] = defaultdict(list)
        for one in sorted(cluster.said, key=lambda one: one.at):
            self._by_vote[one.text].append(one)

    def of(self, what: str, vote: str) -> list[Said]:
        """What was said of a vote."""
        return [one for one in self._by_vote[vote] if one.what == what]

    def unexplained(self) -> list[tuple[Said, Said]]:
        """Votes that were handed over again, though whoever had it before was not gone by then."""
        begun = {vote: self.of("handling", vote) for vote in self._votes}
        return [
            (first, again)
            for handed in begun.values()
            for first, again in pairwise(handed)
            if not self._was_gone(first, again.at)
        ]

    def clashes(self) -> list[tuple[Said, Said]]:
        """Votes that were begun before an earlier one of the same user had ended."""
        found = []
        for vote in self._votes:
            voter, which = vote.split(".")
            ends = self._ended(f"{voter}.{int(which) - 1}")
            begun = self.of("handling", vote)
            found += [(end, begun[0]) for end in ends if end.at > begun[0].at]
        return found

    def done_twice(self) -> list[str]:
        """Votes that were done more than once by those who were there all the time."""
        return [
            vote
            for vote in self._votes
            if sum(self._saw_it_through(one) for one in self.of("outcome", vote)) > 1
        ]

    def _saw_it_through(self, outcome: Said) -> bool:
        begun = [one for one in self.of("handling", outcome.text) if one.number == outcome.number]
        return outcome.level == "done" and not any(self._was_gone(one, outcome.at) for one in begun)

    def _ended(self, vote: str) -> list[Said]:
        """When it was handled by those who were there until then."""
        return [
            one
            for one in self.of("handled", vote)
            if not any(number == one.number and at <= one.at for at, number in self._gone)
        ]

    def _was_gone(self, first: Said, by: float) -> bool:
        return any(number == first.number and first.at <= at <= by for at, number in self._gone)


async def all_handled(cluster: Cluster) -> None:
    """Waits until each vote was delivered by both, and handled."""
    delivered, all_votes = deliveries(cluster), votes(cluster)
    await cluster.until(
        lambda: (
            {(one.number, one.text) for one in cluster.heard("kept")} >= delivered
            and {one.text for one in cluster.heard("handled")} >= all_votes
        ),
        "all to be handled",
    )


async def left_in(server: RedisServer, inbox: RedisInbox) -> list[str]:
    """What waits or is in hand."""
    redis, keys = inbox._redis.link.redis, inbox._redis.keys
    names = [f"{keys}:{name}" for name in ("undone", "later", "dead", "tries", "errors")]
    left = [name for name in names if await redis.exists(name)]
    if await redis.xlen(inbox._redis.turns):
        left.append("turns")
    left += [str(key) for key in await redis.keys(f"{keys}:q:*")]
    return left


async def check(cluster: Cluster, server: RedisServer, gone: list[tuple[float, int]]) -> None:
    """Each vote is kept once, was handled in order, and again only where somebody was gone."""
    verdict = Verdict(cluster, gone)
    assert verdict.unexplained() == []
    assert verdict.clashes() == []
    assert verdict.done_twice() == []
    async with RedisInbox(server.url, keep=YEARS) as inbox:
        await cluster.until(
            lambda: {one.text for one in cluster.heard("outcome")} <= votes(cluster), "outcomes"
        )
        assert sorted(map(name_of, await inbox.votes())) == sorted(votes(cluster))
        async with asyncio.timeout(60):
            while await left_in(server, inbox):
                await asyncio.sleep(0.1)


async def live_and_die(
    server: RedisServer, folder: Path, rng: Random, lives: list[Voting], rounds: int
) -> None:
    """They handle all of it, though some of them are killed again and again."""
    gone = list[tuple[float, int]]()
    async with Cluster(folder, lives) as cluster:
        await cluster.start()
        for _ in range(rounds):
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            victims = rng.sample(list(cluster.lives), rng.randint(1, max(1, len(lives) // 3)))
            await cluster.kill(*victims)
            gone += [(time.monotonic(), victim) for victim in victims]
            await cluster.start(*victims)
        await all_handled(cluster)
        await check(cluster, server, gone)
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""


async def test_each_vote_is_handled_though_a_process_is_killed(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Each vote reaches two of three processes, and is handled: what the dead one had as well."""
    rng = Random(1)
    lives = voting(redis_server.url, rng, THREE, voters=9, each=3)
    await live_and_die(redis_server, tmp_path, rng, lives, rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
async def test_eight_processes_handle_each_vote_whoever_is_killed(
    redis_server: RedisServer, tmp_path: Path, seed: int
) -> None:
    """Each vote reaches two of them, and is handled; a second time only where one was killed."""
    rng = Random(seed)
    await live_and_die(redis_server, tmp_path, rng, voting(redis_server.url, rng), rounds=3)


@pytest.mark.slow
async def test_eight_processes_handle_each_vote_though_redis_is_killed(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    """It comes back with its data: no vote that was acknowledged is lost, none is handled twice."""
    async with Cluster(tmp_path, voting(own_redis.url, Random(1))) as cluster:
        await cluster.start()
        for _ in range(3):
            await asyncio.sleep(0.7)
            await own_redis.restart(kill=True)
        await all_handled(cluster)
        await check(cluster, own_redis, [])
    assert cluster.stderr() == ""


@pytest.mark.slow
async def test_a_partition_of_those_that_handle(own_redis: RedisServer, tmp_path: Path) -> None:
    """What those had in hand that are cut off is handled by the others; nothing is lost or kept
    twice, and when all is well again each handles its part.
    """
    weather, far = Weather("partition", faults=[Fate.HALF_OPEN]), EIGHT[4:]
    async with (
        FaultProxy(own_redis.port, weather) as proxy,
        Cluster(tmp_path, voting(own_redis.url, Random(1))) as cluster,
    ):
        for number in far:
            cluster.lives[number].redis = own_redis.url_by(proxy.port)
        await cluster.start()
        await asyncio.sleep(0.7)
        weather.rate = 1.0
        await asyncio.sleep(0.05)  # what was on its way may still arrive, and be begun
        gone = [(time.monotonic(), number) for number in far]
        await asyncio.sleep(2 * CLAIM_AFTER)
        weather.rate = 0.0
        await proxy.cut_all()
        await all_handled(cluster)
        await check(cluster, own_redis, gone)
    assert cluster.stderr() == ""
