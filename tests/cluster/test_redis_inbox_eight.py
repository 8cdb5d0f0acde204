"""One inbox for eight processes that take votes in and handle them, and that die doing so."""

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

EIGHT = range(1, 9)
VOTERS = range(1, 25)
EACH = 6
VOTES = {f"{voter}.{which}" for voter in VOTERS for which in range(EACH)}
CLAIM_AFTER = 3.0


def voting(redis_url: str, rng: Random) -> list[Voting]:
    """Eight processes; each user's votes are delivered to two of them."""
    voters: dict[int, list[int]] = {number: [] for number in EIGHT}
    for voter in VOTERS:
        for number in rng.sample(EIGHT, 2):
            voters[number].append(voter)
    return [
        Voting(
            number=number,
            redis=redis_url,
            voters=voters[number],
            each=EACH,
            claim_after=CLAIM_AFTER,
        )
        for number in EIGHT
    ]


class Verdict:
    """What is said of all the votes once they are handled.

    Args:
        said: What the processes have said.
        gone: When which process was killed, or cut off for longer than others wait.
    """

    def __init__(self, said: list[Said], gone: list[tuple[float, int]]) -> None:
        self._gone = gone
        self._by_vote: dict[str, list[Said]] = defaultdict(list)
        for one in sorted(said, key=lambda one: one.at):
            self._by_vote[one.text].append(one)

    def of(self, what: str, vote: str) -> list[Said]:
        """What was said of a vote."""
        return [one for one in self._by_vote[vote] if one.what == what]

    def unexplained(self) -> list[tuple[Said, Said]]:
        """Votes that were handed over again, though whoever had it before was not gone by then."""
        begun = {vote: self.of("handling", vote) for vote in VOTES}
        return [
            (first, again)
            for handed in begun.values()
            for first, again in pairwise(handed)
            if not self._was_gone(first, again.at)
        ]

    def clashes(self) -> list[tuple[Said, Said]]:
        """Votes that were begun before an earlier one of the same user had ended."""
        found = []
        for vote in VOTES:
            voter, which = vote.split(".")
            ends = self._ended(f"{voter}.{int(which) - 1}")
            begun = self.of("handling", vote)
            found += [(end, begun[0]) for end in ends if end.at > begun[0].at]
        return found

    def done_twice(self) -> list[str]:
        """Votes that were done more than once by those who were there all the time."""
        return [
            vote
            for vote in VOTES
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


async def all_handled(cluster: Cluster, patience: float = 30.0) -> None:
    """Waits until each vote was delivered by both, and handled."""
    deliveries = {
        (number, f"{voter}.{which}")
        for number, life in cluster.lives.items()
        for voter in life.voters
        for which in range(EACH)
    }
    await cluster.until(
        lambda: (
            {(one.number, one.text) for one in cluster.heard("kept")} >= deliveries
            and {one.text for one in cluster.heard("handled")} >= VOTES
        ),
        "all to be handled",
        patience,
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
    verdict = Verdict(cluster.said, gone)
    assert verdict.unexplained() == []
    assert verdict.clashes() == []
    assert verdict.done_twice() == []
    async with RedisInbox(server.url, keep=YEARS) as inbox:
        await cluster.until(
            lambda: {one.text for one in cluster.heard("outcome")} <= VOTES, "outcomes"
        )
        assert sorted(map(name_of, await inbox.votes())) == sorted(VOTES)
        async with asyncio.timeout(2 * CLAIM_AFTER + 2):
            while await left_in(server, inbox):
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 9))]
)
async def test_eight_processes_handle_each_vote_whoever_is_killed(
    redis_server: RedisServer, tmp_path: Path, seed: int
) -> None:
    """Each vote reaches two of them, and is handled; a second time only where one was killed."""
    rng, gone = Random(seed), list[tuple[float, int]]()
    async with Cluster(tmp_path, voting(redis_server.url, rng)) as cluster:
        await cluster.start()
        for _ in range(3):
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            victims = rng.sample(EIGHT, rng.randint(1, 3))
            await cluster.kill(*victims)
            gone += [(time.monotonic(), victim) for victim in victims]
            await cluster.start(*victims)
        await all_handled(cluster)
        await check(cluster, redis_server, gone)
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""


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
