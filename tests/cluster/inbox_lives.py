"""Programs that the tests of `RedisInbox` run in processes of their own, and kill.

Each says what it has done as one line of JSON.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

from rx_toppy import StandaloneBot, TopGG, Vote
from rx_toppy.cluster import RedisInbox, inbox_following
from rx_toppy.cluster import inbox_worker as inbox_processing
from rx_toppy.votes import inbox as base
from tests.votes.inbox import by_history
from tests.votes.inbox.lives import forever, say

# A process that lives gives a sign three or four times as often, however busy its machine is.
CLAIM_AFTER = 1.5
LOCKED_FOR = 1.5
YEARS = timedelta(days=36_500)

inbox_processing.CLAIM_AFTER = CLAIM_AFTER
inbox_processing.PAUSE = 0.02
inbox_following.LOCKED_FOR = LOCKED_FOR
inbox_following.LOOK_EVERY = 0.05
base.PAUSE = 0.02


async def hold(url: str, most: str) -> None:
    """Processes: says what its handler is given, and never finishes any."""

    async def stuck(vote: Vote) -> None:
        say(vote.voter_id)
        await forever()

    RedisInbox(url, keep=YEARS).process(stuck, int(most)).subscribe()
    await forever()


async def keep(url: str) -> None:
    """Adds votes one after another, and says of each that it is kept."""
    inbox = RedisInbox(url, keep=YEARS)
    voter = 0
    while True:
        voter += 1
        await inbox.add(by_history(voter, voter))
        say(voter)


async def work(url: str) -> None:
    """Processes, and says what is done."""
    inbox = RedisInbox(url, keep=YEARS)

    async def handle(vote: Vote) -> None:
        await asyncio.sleep(0.05)

    outcomes = inbox.process(handle, 8)
    say("ready")
    async for outcome in outcomes:
        say([outcome.status, outcome.vote.voter_id])


async def follow(url: str, base_url: str, token: str, bot: str) -> None:
    """Follows a history, and says what is new."""
    client = TopGG(
        StandaloneBot(int(bot), server_count=1), token=token, base_url=base_url, autopost=False
    )
    inbox = RedisInbox(url, keep=YEARS)
    say("ready")
    async for vote in inbox.follow(client, since=base_time(), every=0.05):
        say(vote.voter_id)


def base_time() -> Any:
    return by_history(1).created_at


if __name__ == "__main__":
    programs: dict[str, Any] = {one.__name__: one for one in (hold, keep, work, follow)}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))
