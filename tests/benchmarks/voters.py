"""One process of a cluster, with its part in an inbox: what a line tells it, it does.

`python -m tests.benchmarks.voters URL` answers each line with a number: "add FIRST COUNT", "handle"
and "rest" with 0 when it is done, and "count" with how many votes it has handled so far.
"""

from __future__ import annotations

import asyncio
import sys

from reactivex.disposable import SerialDisposable

from rx_toppy.cluster import RedisInbox
from rx_toppy.models import Vote

from .intake import numbered_vote

TOGETHER = 200  # votes that wait for their acknowledgement at a time, as of many deliveries
HANDLERS = 100


async def add(inbox: RedisInbox, first: int, many: int) -> None:
    """Adds votes that nobody has seen before."""
    votes = map(numbered_vote, range(first, first + many))

    async def deliver() -> None:
        for vote in votes:
            await inbox.add(vote)

    await asyncio.gather(*(deliver() for _ in range(TOGETHER)))


async def run(url: str) -> None:
    """Does what it is told until its standard input ends."""
    handled = 0
    handling = SerialDisposable()

    async def handle(_: Vote) -> None:
        nonlocal handled
        handled += 1

    async with RedisInbox(url) as inbox:
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, *numbers = line.split()
            if what == "add":
                await add(inbox, *map(int, numbers))
            elif what == "handle":
                handling.disposable = inbox.process(handle, max_concurrent=HANDLERS).subscribe()
            elif what == "rest":
                handling.disposable = None
            print(handled if what == "count" else 0, flush=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
