"""Deliveries of votes: requests a second, acknowledged, with an inbox and without one."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import msgspec

from rx_toppy.models import Vote
from rx_toppy.votes import VoteInbox

from .load import EPOCH, Job
from .measuring import Bench, Goal, Growth, Row
from .peers import installed

WEBHOOK = "webhook votes, signed, decoded, emitted"
CPU = "webhook votes, CPU of the server"
INBOXES = {
    0: "durable intake",
    100_000: "durable intake, 100,000 in the inbox",
    1_000_000: "durable intake, 1,000,000 in the inbox",
}

SHARED = "durable intake, two processes with one inbox"

MANY = 10_000  # deliveries in a round
ROUNDS = 9


class Child:
    """A process of this package that answers line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._in, self._out = process.stdin, process.stdout

    async def ask(self, line: bytes = b"") -> float:
        """The number that it answers."""
        self._in.write(line + b"\n")
        return float(await self.line())

    async def line(self) -> bytes:
        """What it says next."""
        while line := await self._out.readline():
            word = line.removeprefix(b"port ").strip()
            if word.replace(b".", b"").replace(b"e-", b"").isdigit():  # peers print, too
                return word
        raise RuntimeError("a process of the benchmark has ended")


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """A module of this package, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"{__package__}.{module}", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answering = Child(process)
    try:
        yield answering
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Receiver:
    """A server, what it is sent, and what came of it."""

    def __init__(self, server: Child, port: int, dialect: str) -> None:
        self._server = server
        self._port = port
        self._dialect = dialect
        self.rates: list[float] = []
        self.cpu: list[float] = []

    async def take(self, load: Child, first: int) -> None:
        """One round of votes that it has not seen before."""
        before = await self._server.ask()
        job = Job(self._port, first, MANY, self._dialect)
        took = await load.ask(msgspec.json.encode(job))
        self.cpu.append((await self._server.ask() - before) / MANY * 1e6)
        self.rates.append(MANY / took)

    def forget(self) -> None:
        """Leaves out the rounds so far."""
        self.rates.clear()
        self.cpu.clear()


async def duel(kinds: dict[str, tuple[str, str]], rounds: int, first: int) -> dict[str, Receiver]:
    """Servers that are loaded in turn: those of `kinds`, with a path each and a dialect."""
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(child("load"))
        receivers = {}
        for kind, (path, dialect) in kinds.items():
            server = await stack.enter_async_context(child("receivers", kind, path))
            receivers[kind] = Receiver(server, int(await server.line()), dialect)
        batches = count(first, MANY)
        order = list(receivers.values())
        for number in range(rounds + 1):
            for receiver in order:
                await receiver.take(load, next(batches))
                if number == 0:
                    receiver.forget()
            order.reverse()
    return receivers


async def webhook(bench: Bench) -> None:
    """Votes that are handed to a subscriber."""
    if not bench.wanted(WEBHOOK, CPU):
        return
    kinds = {"bare": ("", "v1"), "ours": ("", "v1")}
    kinds |= dict.fromkeys(installed(), ("", "v0"))
    taken = await duel(kinds, 3 if bench.quick else ROUNDS, 0)
    ours, bare = taken.pop("ours"), taken.pop("bare")
    for name, unit, goal, values in (
        (WEBHOOK, "requests/s", Goal(0.8, at_least=True), "rates"),
        (CPU, "us a request", None, "cpu"),
    ):
        own, floor = getattr(ours, values), getattr(bare, values)
        row = Row(name=name, unit=unit, goal=goal, ours=statistics.median(own))
        row.floor = statistics.median(floor)
        row.ratios = [a / b for a, b in zip(own, floor, strict=True)]
        row.peers = {peer: statistics.median(getattr(one, values)) for peer, one in taken.items()}
        row.note = "peers: v0, unsigned" if row.peers else ""
        bench.add(row)


async def durable(bench: Bench) -> None:
    """Votes that are on disk before they are acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        for size, name in INBOXES.items():
            if not bench.wanted(name) or (size > 100_000 and not bench.long):
                continue
            if size > 0 and bench.quick and not bench.long:
                continue
            path = str(Path(folder) / f"{size}.db")
            await fill(path, size)
            kinds = {"bare": ("", "v1"), "inbox": (path, "v1")}
            taken = await duel(kinds, 3 if bench.quick else 7, size)
            own, bare = taken["inbox"], taken["bare"]
            row = Row(name=name, unit="votes/s", ours=statistics.median(own.rates))
            row.floor = statistics.median(bare.rates)
            row.ratios = [b / a for a, b in zip(own.rates, bare.rates, strict=True)]
            row.goal = Goal(10_000, at_least=True, of="ours")
            row.growth = Growth("votes in the inbox", size, with_work=False)
            row.note = f"CPU {statistics.median(own.cpu):.0f} us a vote, writing included"
            bench.add(row)


async def shared(bench: Bench) -> None:
    """Two processes that keep their votes in one file, both loaded at the same time."""
    if not bench.wanted(SHARED):
        return
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shared.db")
        async with AsyncExitStack() as stack:
            pairs = []
            for _ in range(2):
                load = await stack.enter_async_context(child("load"))
                server = await stack.enter_async_context(child("receivers", "inbox", path))
                pairs.append((load, Receiver(server, int(await server.line()), "v1")))
            batches = count(0, MANY)
            for number in range(1 + (2 if bench.quick else 5)):
                begun = time.perf_counter()
                await asyncio.gather(*(one.take(load, next(batches)) for load, one in pairs))
                if number:
                    rates.append(2 * MANY / (time.perf_counter() - begun))
    note = "both together; making the requests is in it"
    bench.add(Row(name=SHARED, unit="votes/s", ours=statistics.median(rates), note=note))


async def fill(path: str, size: int) -> None:
    """Puts votes into an inbox."""
    async with VoteInbox(path) as inbox:
        for first in range(0, size, 5_000):
            await asyncio.gather(*map(inbox.add, map(numbered_vote, range(first, first + 5_000))))


def numbered_vote(number: int) -> Vote:
    """One that no other number gives."""
    return Vote(
        id=808499215864008704 + number,
        user_id=8226924471638491136 + number,
        platform_id=661200758510977084 + number,
        weight=1,
        created_at=EPOCH + timedelta(milliseconds=number),
        project_id=160105994217586689,
        source="webhook_v1",
    )
