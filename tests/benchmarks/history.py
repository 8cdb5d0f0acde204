"""A long vote history, read to its end: its speed, and the memory meanwhile.

    python -m tests.benchmarks.history URL TOTAL

is the process that reads it and prints the megabytes that it takes, at the start and at each tenth:
what the rest of the benchmarks leave behind does not disturb it there.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import tracemalloc
from pathlib import Path

import aiohttp
import msgspec

from .bare import Bare
from .measuring import Bench, Goal, Row
from .serving import make_client, served

SPEED = "vote history, pages of 100"
MEMORY = "memory of a million votes of history"

TOTAL = 1_000_000
PAIRED = 50_000

STATM = Path("/proc/self/statm")


async def history(bench: Bench) -> None:
    """Both rows."""
    if not bench.wanted(SPEED, MEMORY):
        return
    async with served() as base_url:
        if bench.wanted(SPEED):
            await paired(bench, f"{base_url}/of/{PAIRED}")
        if bench.wanted(MEMORY):
            total = TOTAL // 10 if bench.quick else TOTAL
            bench.add(await curve(f"{base_url}/of/{total}", total))


async def paired(bench: Bench, base_url: str) -> None:
    """A shorter history, beside the floor."""
    async with (
        aiohttp.ClientSession() as session,
        make_client(base_url, rate_limits=()) as client,
    ):
        bare = Bare(session, base_url)

        async def ours() -> None:
            count = 0
            async for _ in client.project.votes():
                count += 1
            assert count == PAIRED

        async def floor() -> None:
            count = 0
            cursor = "0"
            while data := (page := await bare.fetch_votes(cursor)).data:
                cursor = page.cursor
                for _ in data:
                    count += 1
            assert count == PAIRED

        await bench.compare(SPEED, "votes/s", ours, floor, work=PAIRED, rounds=7)


async def curve(base_url: str, total: int) -> Row:
    """The memory of a process that reads the history."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{__package__}.history", base_url, str(total)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    seconds, points = msgspec.json.decode(output, type=tuple[float, list[tuple[float, float]]])
    start = points[0][1]
    above = [(done, now - start) for done, now in points]
    row = Row(name=MEMORY, unit="MB more", ours=max(more for _, more in above), curve=above)
    row.goal = Goal(10, of="ours")
    row.note = f"{total:,} votes at {total / seconds:,.0f} votes/s; {start:.0f} MB at the start"
    return row


def taken() -> float:
    """The megabytes that this process takes: of the machine's, or else of Python's own memory."""
    gc.collect()
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return tracemalloc.get_traced_memory()[0] / 1e6


async def read(base_url: str, total: int) -> None:
    """Reads it all, and prints how that went."""
    async with make_client(base_url, rate_limits=()) as client:
        points = [(0.0, taken())]
        begun = time.perf_counter()
        count = 0
        async for _ in client.project.votes():
            count += 1
            if count % (total // 10) == 0:
                points.append((count, taken()))
        assert count == total
        sys.stdout.buffer.write(msgspec.json.encode((time.perf_counter() - begun, points)))


if __name__ == "__main__":
    if not STATM.exists():
        tracemalloc.start()
    asyncio.run(read(sys.argv[1], int(sys.argv[2])))
