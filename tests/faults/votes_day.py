"""A day of votes: the webhook away for a third of it, the bot killed, the history late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rx_toppy import VoteInbox
from rx_toppy.sandbox import Sandbox, WebhookTarget
from tests.votes.inbox import SECRET, WORDS

from .lives import Life, read_diary
from .mortal import Mortal, claimed_port
from .proxy import FaultProxy
from .votes_verdict import Evidence, judge
from .weather import Weather

__all__ = ["votes_day"]

# An hour of the day takes a second. (top.gg's clock and the bot's do not go faster: signatures have
# a time, and a delivery of v0 and a vote of the history are compared by theirs.)
HOUR = 1.0

VOTES_AN_HOUR = 8
LAG = 0.7 * HOUR
AT_ONCE = 3


def votes_day(
    seed: int,
    hours: float = 24.0,
    *,
    history: bool = True,
    on_kill: Callable[[Path], object] = lambda _: None,
    patience: float = 100.0,
) -> str:
    """Each vote of the day is handled; twice only what was being handled at a kill.

    Args:
        seed: Draws when votes come, the webhook is away, the bot is killed, and the faults.
        hours: How long the day is.
        history: Whether the bot follows the history: without it, votes are lost.
        on_kill: Is given the inbox's file after each kill, to do it harm.
        patience: How many seconds there are, after the day, for what is left to be handled.
    """
    with TemporaryDirectory() as folder, claimed_port() as port:
        day = _Day(seed, hours, Path(folder), port, history=history, on_kill=on_kill)
        return judge(asyncio.run(day.run(patience)))


class _Day:
    """The world of one day: top.gg, the bot, and the network between them."""

    def __init__(
        self,
        seed: int,
        hours: float,
        folder: Path,
        port: int,
        *,
        history: bool,
        on_kill: Callable[[Path], object],
    ) -> None:
        self._seed = seed
        self._length = hours * HOUR
        self._inbox = folder / "votes.db"
        self._diary = folder / "diary"
        self._history = history
        self._on_kill = on_kill
        self._port = port
        self._cast: list[int] = []
        self._polls: list[int | None] = []
        self._sandbox = Sandbox(
            seed=seed,
            bots=1,
            votes=0,
            votes_per_page=10,
            votes_per_minute=0,
            history_lag=LAG,
            rate_limits=(),
            on_request=lambda seen: self._polls.append(seen.status),
        )
        self._to_topgg = Weather(f"{seed} to top.gg", 0.1, delay=(0.0, 0.02))
        self._to_bot = Weather(f"{seed} to the bot", 0.1, delay=(0.0, 0.02))

    async def run(self, patience: float) -> Evidence:
        """Lets it all happen."""
        since = datetime.now(UTC)
        async with (
            self._sandbox as sandbox,
            FaultProxy(urlsplit(sandbox.base_url).port or 0, self._to_topgg) as topgg,
            FaultProxy(self._port, self._to_bot) as webhook,
        ):
            endpoints = self._endpoints(f"http://127.0.0.1:{webhook.port}/votes")
            bot = Mortal(self._life(topgg.base_url, since), self._seed, HOUR, self._on_kill)
            living = asyncio.create_task(bot.live())
            try:
                await asyncio.gather(self._vote(), self._strike(webhook))
                bot.is_immortal = True
                self._to_topgg.rate = self._to_bot.rate = 0.0
                with suppress(TimeoutError):  # the verdict says what is missing
                    async with asyncio.timeout(patience):
                        await self._settle(endpoints, bot)
                        await bot.is_killed_once_more()  # when all is done, and nothing happens
                        await self._settle(endpoints, bot)
            finally:
                living.cancel()
                with suppress(asyncio.CancelledError):
                    await living
            return await self._evidence(endpoints, bot.kills)

    def _life(self, base_url: str, since: datetime) -> Life:
        return Life(
            seed=self._seed,
            inbox=str(self._inbox),
            diary=str(self._diary),
            base_url=base_url,
            token=self._sandbox.token,
            bot_id=self._sandbox.bot_id,
            port=self._port,
            history=self._history,
            since=since,
            every=0.1 * HOUR,
            timeout=1.0,
            at_once=AT_ONCE,
            slowest=0.3 * HOUR,
        )

    def _endpoints(self, url: str) -> list[WebhookTarget]:
        """Both kinds of webhook, each vote held back for up to half an hour, some told twice."""
        kinds = ({"secret": SECRET}, {"authorization": WORDS})
        return [
            self._sandbox.send_to(
                url,
                **kind,
                timeout=1.0,
                speed=3600 / HOUR,
                duplicates=0.15,
                delay=(0, 1800),
            )
            for kind in kinds
        ]

    async def _vote(self) -> None:
        """Votes, at any time and each of somebody else."""
        rng, loop = Random(f"{self._seed} votes"), asyncio.get_running_loop()
        began = loop.time()
        at = rng.expovariate(VOTES_AN_HOUR / HOUR)
        while at < self._length:
            await asyncio.sleep(began + at - loop.time())
            self._cast.append(self._sandbox.vote(1_000 + len(self._cast)))
            at += rng.expovariate(VOTES_AN_HOUR / HOUR)

    async def _strike(self, webhook: FaultProxy) -> None:
        """Takes the webhook off the net, for a third of the day in all."""
        rng, loop = Random(f"{self._seed} outages"), asyncio.get_running_loop()
        count = max(2, round(self._length / HOUR / 2))
        ups, downs = ([rng.expovariate(1.0) for _ in range(count)] for _ in range(2))
        turn = loop.time()
        for up, down in zip(ups, downs, strict=True):
            turn += up / sum(ups) * self._length * 2 / 3
            await asyncio.sleep(turn - loop.time())
            await webhook.go_down()
            turn += down / sum(downs) * self._length / 3
            await asyncio.sleep(turn - loop.time())
            webhook.come_up()

    async def _settle(self, endpoints: list[WebhookTarget], bot: Mortal) -> None:
        """Waits until everything that was cast has gone all its ways, and nothing happens more."""
        for endpoint in endpoints:
            await endpoint.wait_idle()
        await asyncio.sleep(LAG)
        while not bot.kills or not set(self._cast) <= {
            entry.voter for entry in read_diary(self._diary) if entry.word == "returned"
        }:
            await asyncio.sleep(0.05)
        async with VoteInbox(self._inbox) as inbox:
            while any(vote.created_at is None for vote in await inbox.votes()):
                await asyncio.sleep(0.2)
        before = -1
        while (entries := len(read_diary(self._diary))) != before:
            before, polls = entries, len(self._polls)
            while len(self._polls) < polls + 5:  # which take longer than any handler
                await asyncio.sleep(0.05)

    async def _evidence(self, endpoints: list[WebhookTarget], kills: int) -> Evidence:
        async with VoteInbox(self._inbox) as inbox:
            kept, dead_letters = await inbox.votes(), await inbox.dead_letters()
        return Evidence(
            seed=self._seed,
            cast=self._cast,
            kept=kept,
            dead_letters=dead_letters,
            inbox=self._inbox,
            diary=read_diary(self._diary),
            kills=kills,
            at_once=AT_ONCE,
            endpoints=endpoints,
            polls=self._polls,
            to_topgg=self._to_topgg,
            to_bot=self._to_bot,
        )
