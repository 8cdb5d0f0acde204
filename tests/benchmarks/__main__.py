"""How fast the library is, against the bare thing, side by side in one run.

    python -m tests.benchmarks            # all of it, a minute or two
    python -m tests.benchmarks awaited    # what has "awaited" in its name

Each line is the median of paired runs that take turns, so that what else the machine does hits
both. Nothing here is asserted: the numbers are for reading.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rx_toppy import PostEvent, RateLimit, StandaloneBot, TopGG, of_type
from rx_toppy.api.routes import FETCH_BOTS
from rx_toppy.bots import Host
from rx_toppy.events import RequestEvent
from rx_toppy.models import BotStatsPayload

from .server import page
from .toppy_like import decode_as_toppy

ROUNDS = 9
TOKEN = "benchmark-token"


class PlainBot(msgspec.Struct):
    """A bot as somebody in a hurry would write it."""

    id: str
    username: str
    discriminator: str
    avatar: str | None
    defAvatar: str | None  # noqa: N815
    lib: str | None
    prefix: str | None
    shortdesc: str | None
    longdesc: str | None
    tags: list[str]
    website: str | None
    support: str | None
    github: str | None
    owners: list[str]
    guilds: list[str]
    invite: str | None
    date: str | None
    server_count: int | None
    shard_count: int | None
    certifiedBot: bool  # noqa: N815
    vanity: str | None
    points: int
    monthlyPoints: int  # noqa: N815
    donatebotguildid: str | None


class PlainPage(msgspec.Struct):
    """A page of such bots."""

    results: list[PlainBot]
    limit: int
    offset: int
    count: int
    total: int


Run = Callable[[], Awaitable[Any]]


async def compare(name: str, goal: str, ours: Run, bare: Run, rounds: int = ROUNDS) -> None:
    """Prints how much longer `ours` takes than `bare`: the median of paired rounds."""
    ratios, times = [], []
    await ours()
    await bare()
    for _ in range(rounds):
        gc.collect()
        begun = time.perf_counter()
        await bare()
        between = time.perf_counter()
        await ours()
        ended = time.perf_counter()
        ratios.append((ended - between) / (between - begun))
        times.append(ended - between)
    line = f"{statistics.median(ratios):6.3f} x  ({min(ratios):.3f} to {max(ratios):.3f})"
    print(f"{name:<46} {line}  {statistics.median(times) * 1e3:9.1f} ms   {goal}", flush=True)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The server, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"{__package__}.server",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        await process.wait()


def make_client(base_url: str, **options: Any) -> TopGG:
    bot = StandaloneBot(1, server_count=1)
    return TopGG(bot, token=TOKEN, autopost=False, base_url=base_url + "/api", **options)


class Bare:
    """The bare client: aiohttp and a msgspec decoder, nothing else."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._get = session.get
        self._url = base_url + "/api"
        self._headers = {"Authorization": TOKEN}
        self._bot = msgspec.json.Decoder(PlainBot)
        self._page = msgspec.json.Decoder(PlainPage)

    async def fetch_bot(self, id: int) -> PlainBot:
        async with self._get(f"{self._url}/bots/{id}", headers=self._headers) as response:
            return self._bot.decode(await response.read())

    async def fetch_page(self, offset: int, prefix: str = "") -> PlainPage:
        url = f"{self._url.replace('/api', prefix + '/api')}/bots?limit=500&offset={offset}"
        async with self._get(url, headers=self._headers) as response:
            return self._page.decode(await response.read())


MANY = 400  # requests in a round

Fetch = Callable[[int], Awaitable[Any]]


def by_one(fetch: Fetch) -> Run:
    """One request after another."""

    async def run() -> None:
        for _ in range(MANY):
            await fetch(1)

    return run


def together(fetch: Fetch) -> Run:
    """Fifty at a time."""

    async def some() -> None:
        for _ in range(MANY // 50):
            await fetch(1)

    async def run() -> None:
        await asyncio.gather(*(some() for _ in range(50)))

    return run


def subscribed(client: TopGG) -> Run:
    """One subscription after another."""

    async def run() -> None:
        for _ in range(MANY):
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            client.fetch_bot(1).subscribe(done.set_result, done.set_exception)
            await done

    return run


async def requests(base_url: str, wanted: Callable[[str], bool]) -> None:
    """Single calls, one after another and together."""
    wide = (RateLimit(10**6, 1.0), RateLimit(10**6, 60.0, "/bots"))
    async with (
        aiohttp.ClientSession() as session,
        make_client(base_url, rate_limits=()) as free,
        make_client(base_url, rate_limits=wide) as limited,
    ):
        bare = Bare(session, base_url)
        for name, goal, ours, plain in (
            ("awaited, no limits", "<= 1.10", by_one(free.fetch_bot), by_one(bare.fetch_bot)),
            ("awaited, limits kept", "<= 1.15", by_one(limited.fetch_bot), by_one(bare.fetch_bot)),
            ("subscribed", "<= 1.25", subscribed(free), by_one(bare.fetch_bot)),
            ("50 in flight", "<= 1.10", together(free.fetch_bot), together(bare.fetch_bot)),
        ):
            if wanted(name):
                await compare(name, goal, ours, plain, 15)


async def lists(base_url: str, wanted: Callable[[str], bool]) -> None:
    """30,000 bots, page by page."""
    for prefix, name, goal, rounds in (
        ("", "30,000 bots", "<= 1.10", 9),
        ("/slow", "30,000 bots, 50 ms away", "<= 0.25", 2),
    ):
        if not wanted(name):
            continue
        async with (
            aiohttp.ClientSession() as session,
            make_client(base_url + prefix, rate_limits=()) as client,
        ):
            bare = Bare(session, base_url)

            async def ours(client: TopGG = client) -> None:
                count = 0
                async for _ in client.bulk_fetch_bots(30_000):
                    count += 1
                assert count == 30_000

            async def plain(bare: Bare = bare, prefix: str = prefix) -> None:
                count = 0
                for offset in range(0, 30_000, 500):
                    for _ in (await bare.fetch_page(offset, prefix)).results:
                        count += 1
                assert count == 30_000

            await compare(name, goal, ours, plain, rounds)


async def decoding(wanted: Callable[[str], bool]) -> None:
    """A page of 500 bots, as bytes."""
    body = page(500, 0)
    plain = msgspec.json.Decoder(PlainPage)
    assert FETCH_BOTS.decoder is not None
    decode = FETCH_BOTS.decoder

    def times(count: int, action: Callable[[bytes], Any]) -> Run:
        async def run() -> None:
            for _ in range(count):
                action(body)

        return run

    if wanted("decoding, against a plain Struct"):
        await compare(
            "decoding, against a plain Struct",
            "<= 1.10",
            times(40, decode),
            times(40, plain.decode),
            15,
        )
    if wanted("decoding, against toppy's way"):
        await compare(
            "decoding, against toppy's way",
            "<= 0.167",
            times(10, decode),
            times(10, decode_as_toppy),
        )


async def counting(wanted: Callable[[str], bool]) -> None:
    """The guilds of a large bot, one by one."""
    if not wanted("counting 50,000 guilds on 64 shards"):
        return

    class Guild:
        def __init__(self, id: int) -> None:
            self.id = id

        @property
        def shard_id(self) -> int:
            return (self.id >> 22) % 64

    guilds = [Guild(number << 22) for number in range(50_000)]
    bot = SimpleNamespace(guilds=guilds, shard_count=64)
    host = Host(bot)

    async def ours() -> None:
        assert host.census().server_count == 50_000

    async def plain() -> None:
        assert sum(guild.shard_id >= 0 for guild in guilds) == 50_000

    await compare("counting 50,000 guilds on 64 shards", "< 50 ms", ours, plain)


async def fan_out(base_url: str, wanted: Callable[[str], bool]) -> None:
    """Ten filtered subscribers."""
    if not wanted("10 subscribers of events"):
        return
    request = RequestEvent("GET", "url", "/bots/{id}", 200, 0.001, 1, None)
    events = [request, request, request, PostEvent(BotStatsPayload(1))]
    async with make_client(base_url) as client:
        subject: Subject[Any] = Subject()
        for stream, keep in (
            (client.events, of_type(PostEvent)),
            (subject, ops.filter(lambda event: isinstance(event, PostEvent))),
        ):
            for _ in range(10):
                stream.pipe(keep).subscribe(lambda _: None)

        def emit(stream: reactivex.Subject[Any]) -> Run:
            async def run() -> None:
                for _ in range(1000):
                    for event in events:
                        stream.on_next(event)

            return run

        await compare("10 subscribers of events", "<= 1.00", emit(client.events), emit(subject))


def imports(wanted: Callable[[str], bool]) -> None:
    """The time of an import, in processes of their own."""
    if not wanted("import"):
        return

    def timed(statement: str, cache: str) -> float:
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        # Compiled files are part of what an import is; some machines are told not to keep any.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env=environment
        )
        return float(run.stdout)

    ratios = []
    with tempfile.TemporaryDirectory() as cache:
        timed("import rx_toppy", cache)
        for _ in range(15):
            bare = timed("import aiohttp, reactivex, msgspec", cache)
            ratios.append(timed("import rx_toppy", cache) / bare)
    span = f"({min(ratios):.3f} to {max(ratios):.3f})"
    print(f"{'import':<46} {statistics.median(ratios):6.3f} x  {span:<34} <= 1.05")


async def main() -> None:
    chosen = sys.argv[1:]

    def wanted(name: str) -> bool:
        return not chosen or any(part in name for part in chosen)

    print(f"{'what':<46} {'ours / bare':<28}  {'ours':>12}   goal")
    await decoding(wanted)
    await counting(wanted)
    async with served() as base_url:
        await fan_out(base_url, wanted)
        await requests(base_url, wanted)
        await lists(base_url, wanted)
    imports(wanted)


if __name__ == "__main__":
    asyncio.run(main())
