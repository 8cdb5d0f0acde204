"""What the tests of the inbox share: votes of each source, handlers, other processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rx_toppy import Vote, VoteInbox

ROOT = Path(__file__).parents[3]

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
SECRET = "whs_0123456789abcdef"
WORDS = "my-own-words"
BOT = 264811613708746752


def after(seconds: float) -> datetime:
    """A moment so long after noon."""
    return NOON + timedelta(seconds=seconds)


def by_history(voter: int, at: float = 0.0, **more: Any) -> Vote:
    """A vote as the history tells it: whose, and when."""
    known = {
        "user_id": voter + 10**6,
        "platform_id": voter,
        "weight": 1,
        "created_at": after(at),
        "expires_at": after(at + 43_200),
        "received_at": after(at + 60),
        "source": "history",
    }
    return Vote(**(known | more))


def by_v1(voter: int, at: float = 0.0, **more: Any) -> Vote:
    """A vote as v1's webhook tells it: with an id."""
    known = {
        "id": voter * 10**9 + int(at),
        "received_at": after(at + 1),
        "project_id": BOT,
        "source": "webhook_v1",
    }
    return by_history(voter, at, **(known | more))


def by_v0(voter: int, at: float = 0.0, late: float = 2.0, **more: Any) -> Vote:
    """A vote as v0's webhook tells it: no id, no time, but when it arrived."""
    known = {
        "platform_id": voter,
        "weight": 1,
        "received_at": after(at + late),
        "project_id": BOT,
        "source": "webhook_v0",
    }
    return Vote(**(known | more))


# However slow the machine, what takes longer than this hangs.
PATIENCE = 60.0


async def until(condition: Callable[[], object]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.003)


class Handler:
    """A handler that remembers what it was given.

    Attributes:
        voters: Whose votes it was given, in order.
        running: Whose votes run now.
        most: How many ran at a time at the most.
        clashes: How often two votes of one user ran at the same time.
        failures: By voter, how often it still raises.
        gate: What it waits for.
    """

    def __init__(self, pause: float = 0.0) -> None:
        self.votes: list[Vote] = []
        self.returned: list[int | None] = []
        self.running: Counter[int | None] = Counter()
        self.most = 0
        self.clashes = 0
        self.failures: Counter[int | None] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.pause = pause

    @property
    def voters(self) -> list[int | None]:
        return [vote.voter_id for vote in self.votes]

    async def __call__(self, vote: Vote) -> None:
        self.votes.append(vote)
        self.clashes += self.running[vote.voter_id] > 0
        self.running[vote.voter_id] += 1
        self.most = max(self.most, self.running.total())
        try:
            await self.gate.wait()
            if self.pause:
                await asyncio.sleep(self.pause)
            if self.failures[vote.voter_id] > 0:
                self.failures[vote.voter_id] -= 1
                raise ValueError(f"no luck with {vote.voter_id}")
        finally:
            self.running[vote.voter_id] -= 1
        self.returned.append(vote.voter_id)


async def kept(path: Path) -> list[Vote]:
    """What an inbox of its own finds in a file."""
    async with VoteInbox(path) as inbox:
        return await inbox.votes()


class Life:
    """A program of `lives.py` that runs: a process of its own, to be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, "it has ended"
        return text.strip()

    async def hear(self) -> Any:
        """The next thing that it says, without keeping the loop from its work."""
        return json.loads(await asyncio.to_thread(self.line))

    def kill(self) -> None:
        """SIGKILL: nothing of it is left to tidy up."""
        self.process.kill()
        self.process.wait()


def command(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.votes.inbox.lives", program, *map(str, arguments)]


@contextmanager
def life(program: str, *arguments: object, under: tuple[str, ...] = ()) -> Iterator[Life]:
    """Runs a program of `lives.py` in a process of its own, and kills it at the end."""
    process = subprocess.Popen(
        [*under, *command(program, *arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        running = Life(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.kill()
