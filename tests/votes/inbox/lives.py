"""Programs that the tests run in processes of their own, and kill.

Each says what it has done as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from rx_toppy import InboxError, StandaloneBot, TopGG, Vote, VoteInbox, VoteWebhook, receive_votes
from rx_toppy.votes import sqlite_store as store
from rx_toppy.votes import sqlite_worker as processing

from . import PATIENCE, SECRET, WORDS, by_history, by_v0, by_v1

processing.LOOK_EVERY = 0.01
processing.FIRST_PAUSE = 0.02
store.BUSY_SECONDS = store.LONGEST_WAIT = PATIENCE


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


async def forever() -> None:
    await asyncio.Event().wait()


def writing_to(out: str, pause: float = 0.0) -> Callable[[Vote], Awaitable[None]]:
    """A handler whose work is a line in a file."""
    file = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handle(vote: Vote) -> None:
        os.write(file, f"{vote.voter_id}\n".encode())
        await asyncio.sleep(pause)

    return handle


async def keep(path: str, count: str) -> None:
    """Adds votes one after another, and says of each that it is kept."""
    inbox = VoteInbox(path)
    for voter in range(1, int(count) + 1):
        await inbox.add(by_history(voter, voter))
        say(voter)
    await forever()


async def add(path: str, count: str, seed: str) -> None:
    """Adds the same votes of all three sources in some order, and says how many were new."""
    voters = range(1, int(count) + 1)
    votes = [source(voter, voter) for source in (by_history, by_v0, by_v1) for voter in voters]
    Random(seed).shuffle(votes)
    async with VoteInbox(path) as inbox:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        new = []
        for start in range(0, len(votes), 50):
            new += await asyncio.gather(*map(inbox.add, votes[start : start + 50]))
        say(sum(new))


async def burst(path: str, count: str) -> None:
    """Adds votes all at once."""
    async with VoteInbox(path) as inbox:
        await inbox.votes()
        os.write(2, b"begin\n")
        await asyncio.gather(*(inbox.add(by_history(voter)) for voter in range(1, int(count) + 1)))
        os.write(2, b"end\n")


async def handle(path: str) -> None:
    """Processes: says what its handler is given, and never finishes any."""

    async def stuck(vote: Vote) -> None:
        say(vote.voter_id)
        await forever()

    VoteInbox(path).process(stuck).subscribe()
    await forever()


async def handle_all(path: str, out: str) -> None:
    """Processes."""
    VoteInbox(path).process(writing_to(out), 5).subscribe()
    say("running")
    await forever()


async def follow(path: str, base_url: str, token: str, bot: str) -> None:
    """Follows a history, and says what is new."""
    client = TopGG(
        StandaloneBot(int(bot), server_count=1), token=token, base_url=base_url, autopost=False
    )
    inbox = VoteInbox(path)
    async for vote in inbox.follow(client, every=0.05):
        say(vote.voter_id)


async def receive(path: str, out: str) -> None:
    """A webhook, an inbox and a handler."""
    inbox = VoteInbox(path)
    webhook = VoteWebhook(secret=SECRET, authorization=WORDS, port=0, inbox=inbox)
    inbox.process(writing_to(out, 0.01), 5).subscribe()
    await webhook.start()
    say(webhook.port)
    await forever()


async def receive_one(path: str) -> None:
    """A webhook and an inbox, until a vote was handled."""
    done = asyncio.Event()

    async def handle(vote: Vote) -> None:
        done.set()

    async with (
        VoteInbox(path) as inbox,
        VoteWebhook(authorization=WORDS, port=0, inbox=inbox) as webhook,
    ):
        await inbox.votes()
        subscription = inbox.process(handle).subscribe()
        say(webhook.port)
        async with asyncio.timeout(PATIENCE):
            await done.wait()
        await asyncio.sleep(0.1)
        subscription.dispose()
        await asyncio.sleep(0.1)


async def reception(path: str, out: str, base_url: str, token: str, bot: str) -> None:
    """The whole arrangement."""
    client = TopGG(
        StandaloneBot(int(bot), server_count=1), token=token, base_url=base_url, autopost=False
    )
    running = await receive_votes(
        client, writing_to(out), inbox=path, secret=SECRET, port=0, every=0.1
    )
    assert running.webhook is not None
    say(running.webhook.port)
    await forever()


async def full(path: str, most: str) -> None:
    """Adds votes until no file may grow any more, says which were kept; then there is room."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    async with VoteInbox(path) as inbox:
        await inbox.votes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), hard))
        voters: list[int] = []
        error = ""
        while not error:
            vote = by_history(len(voters) + 1, query={"text": "x" * 3_000})
            try:
                await inbox.add(vote)
                voters.append(len(voters) + 1)
            except InboxError as raised:
                error = str(raised)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        say([voters, error, await inbox.add(by_history(len(voters) + 1))])


if __name__ == "__main__":
    programs: dict[str, Any] = {
        one.__name__: one
        for one in (
            *(keep, add, burst, handle, handle_all),
            *(follow, receive, receive_one, reception, full),
        )
    }
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))
