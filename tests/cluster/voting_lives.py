"""One process of a cluster that takes votes in and handles them, that the tests run and kill.

It says what happens as lines of JSON, and ends when there is nobody any more who listens:
`python -m tests.cluster.voting_lives VOTING`, with a `Voting` as JSON.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from random import Random

import msgspec

from rx_toppy import InboxError, Vote
from rx_toppy.cluster import RedisInbox
from rx_toppy.cluster import inbox_worker as inbox_processing
from rx_toppy.votes import Outcome
from tests.votes.inbox import NOON, by_history, by_v0, by_v1

from .inbox_lives import YEARS
from .lives import Saying, say

__all__ = ["Voting", "run"]

APART = 50_000.0  # seconds from one vote of a user's to the next: no two are the same


class Voting(msgspec.Struct, kw_only=True):
    """What a process is told.

    Attributes:
        number: Which process it is, from 1.
        redis: The Redis's URL, or that of a proxy before it.
        voters: Whose votes are delivered to it, each user's one after another.
        each: How many votes each of them casts.
        claim_after: After how many seconds it claims what a silent process held.
    """

    number: int
    redis: str
    voters: list[int]
    each: int
    claim_after: float


def name_of(vote: Vote) -> str:
    """Whose it is, and which of theirs: the same for all that is told of one vote."""
    return f"{vote.voter_id}.{round((vote.cast_at - NOON).total_seconds() / APART)}"


async def deliver(inbox: RedisInbox, voter: int, life: Voting) -> None:
    """Delivers a user's votes, each as often as it takes until it is acknowledged."""
    chance = Random(f"{life.number} {voter}")
    told_by = chance.choice([by_v0, by_v1, by_history])
    for which in range(life.each):
        vote = told_by(voter, which * APART)
        while True:
            try:
                is_new = await inbox.add(vote)
                break
            except InboxError as error:
                say("failed", error=type(error).__name__, text=str(error))
                await asyncio.sleep(0.05)
        say("kept", text=name_of(vote), total=int(is_new))
        await asyncio.sleep(chance.random() * 0.8)


async def handle(vote: Vote) -> None:
    """Takes a moment, and says when it began and when it was over."""
    say("handling", text=name_of(vote))
    await asyncio.sleep(0.03)
    say("handled", text=name_of(vote))


def tell(outcome: Outcome) -> None:
    """Says what became of a vote."""
    say("outcome", text=name_of(outcome.vote), level=outcome.status)


async def run(life: Voting) -> None:
    """Lives until its standard input ends."""
    inbox_processing.CLAIM_AFTER = life.claim_after
    async with RedisInbox(life.redis, keep=YEARS) as inbox, asyncio.TaskGroup() as group:
        inbox.process(handle, max_concurrent=4).subscribe(tell)
        say("began")
        deliveries = [group.create_task(deliver(inbox, voter, life)) for voter in life.voters]
        await asyncio.to_thread(sys.stdin.read)
        for delivery in deliveries:
            delivery.cancel()
    say("ended")


if __name__ == "__main__":
    logging.getLogger("rx_toppy").addHandler(Saying())
    logging.getLogger("rx_toppy").setLevel(logging.INFO)
    asyncio.run(run(msgspec.json.decode(sys.argv[1], type=Voting)))
