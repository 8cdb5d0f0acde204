"""The bot of a day of votes: a program that runs in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from rx_toppy import StandaloneBot, TopGG, Vote, receive_votes
from rx_toppy.votes import sqlite_worker as processing
from tests.votes.inbox import SECRET, WORDS

__all__ = ["Entry", "Life", "read_diary"]


class Life(msgspec.Struct, kw_only=True):
    """What a run of the bot is told.

    Attributes:
        number: The how manyth it is, from 0.
        seed: The scenario's: with whose votes its handler has no luck at first.
        inbox: The file that keeps the votes.
        diary: The file in which its handler writes down what it does.
        history: Whether it follows the history.
        since: From when on.
        every: Seconds from one look at the history to the next.
        timeout: Seconds that top.gg has for an answer.
        at_once: How many votes it handles at a time.
        slowest: How many seconds the handling of a vote takes at the most.
    """

    number: int = 0
    seed: int
    inbox: str
    diary: str
    base_url: str
    token: str
    bot_id: int
    port: int
    history: bool
    since: datetime
    every: float
    timeout: float
    at_once: int
    slowest: float


class Entry(NamedTuple):
    """A line of the diary: in which life what became of whose vote."""

    life: int
    word: str  # "began", and then "returned" or "raised"
    voter: int


def read_diary(path: Path) -> list[Entry]:
    """What has been written down so far, by all lives."""
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text().splitlines()]
    return [Entry(int(life), word, int(voter)) for life, word, voter in lines]


def handler(life: Life) -> Callable[[Vote], Awaitable[None]]:
    """A handler that takes its time, and raises the first time, or the first two, for some."""
    rng = Random(f"{life.seed} {life.number}")
    raised = Counter(
        entry.voter for entry in read_diary(Path(life.diary)) if entry.word == "raised"
    )
    file = os.open(life.diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(word: str, voter: int) -> None:
        os.write(file, f"{life.number} {word} {voter}\n".encode())

    async def handle(vote: Vote) -> None:
        voter = vote.voter_id or 0
        note("began", voter)
        await asyncio.sleep(rng.uniform(0.0, life.slowest))
        if raised[voter] < Random(f"{life.seed} {voter}").choice((0, 0, 0, 0, 1, 2)):
            raised[voter] += 1
            note("raised", voter)
            raise OSError("the bank is closed")
        note("returned", voter)

    return handle


async def main(life: Life) -> None:
    """Receives votes, and says so; until it is killed."""
    client = TopGG(
        StandaloneBot(life.bot_id, server_count=1),
        token=life.token,
        base_url=life.base_url,
        autopost=False,
        timeout=life.timeout,
    )
    await receive_votes(
        client,
        handler(life),
        inbox=life.inbox,
        secret=SECRET,
        authorization=WORDS,
        port=life.port,
        history=life.history,
        since=life.since,
        every=life.every,
        max_concurrent=life.at_once,
    )
    print("it receives votes", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    processing.FIRST_PAUSE = 0.05
    processing.LOOK_EVERY = 0.05
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Life)))
