"""Real bots of discord.py, logged in to a stand-in for Discord, as the hosts of a client.

Most of it is told in virtual time, so that intervals and pauses are real ones; what takes threads
or a process of its own takes real time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
import yarl
from reactivex import operators as ops

import rx_toppy
from rx_toppy import (
    AutopostFailed,
    Bot,
    ClientClosed,
    PostEvent,
    SimpleUser,
    TopGG,
    ToppyError,
    map_async,
    of_type,
)
from tests.bot.standin import BOT_ID, PATIENCE, TOKEN, VOTER_ID, Discord
from tests.bot.strangers import run_stranger
from tests.standin import StandIn, fault, ok
from tests.virtual import VirtualLoop

try:
    distribution("discord.py")
except PackageNotFoundError:  # or what is called `discord` is another library: see test_forks
    pytest.skip("discord.py is not installed", allow_module_level=True)

with warnings.catch_warnings():
    # discord.py plays sound with a module that Python 3.13 no longer has.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
    from discord.ext import commands

LIBRARY = Path(rx_toppy.__file__).parent
TOPGG_TOKEN = "topgg-token"
STATS = f"/bots/{BOT_ID}/stats"
INTERVAL = 600.0

# discord.py is ready when no guild has come for so long; a sharded bot's next shard waits for 5 s.
READY = 2.0

MakeBot = Callable[..., discord.Client]


def with_intents(options: dict[str, Any]) -> dict[str, Any]:
    """What every bot has to be given, unless the test gives it."""
    return {"intents": discord.Intents.default()} | options


def make_client(**options: Any) -> discord.Client:
    """A plain client."""
    return discord.Client(**with_intents(options))


def make_bot(**options: Any) -> commands.Bot:
    """A bot with commands."""
    return commands.Bot(commands.when_mentioned, **with_intents(options))


def make_sharded(**options: Any) -> discord.AutoShardedClient:
    """A client that runs all shards: two, as Discord recommends here."""
    return discord.AutoShardedClient(**with_intents(options))


MAKERS = {"Client": make_client, "Bot": make_bot, "AutoShardedClient": make_sharded}
every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
unsharded = pytest.mark.parametrize("make", [make_client, make_bot], ids=["Client", "Bot"])


class World:
    """Discord and top.gg on a loop that does not run while bots and clients are made."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.discord = Discord(guilds=12)
        self.topgg = StandIn()
        self.topgg.reply(f"POST {STATS}", json={})
        self.problems: list[dict[str, Any]] = []
        self._runner = runner
        runner.run(self._open())

    def host(self, bot: discord.Client, **options: Any) -> TopGG:
        """A client as users make it."""
        options = {"interval": INTERVAL, "base_url": self.topgg.base_url, **options}
        return TopGG(bot, token=TOPGG_TOKEN, **options)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Runs a test's life of a bot, and looks for what it has left behind."""
        self._runner.run(self._watched(main))

    @property
    def times(self) -> list[float]:
        """When posts arrived, to a tenth of a second."""
        return [round(seen.at, 1) for seen in self.topgg.seen]

    @property
    def bodies(self) -> list[Any]:
        """What was posted."""
        return [json.loads(seen.body) for seen in self.topgg.seen]

    @property
    def counts(self) -> list[int]:
        """How many servers were posted each time."""
        return [body["server_count"] for body in self.bodies]

    @asynccontextmanager
    async def running(self, bot: discord.Client) -> AsyncIterator[None]:
        """The bot runs as in `bot.run`, and is closed at the end."""
        async with bot:
            start = asyncio.create_task(bot.start(TOKEN))
            try:
                yield
            finally:
                await bot.close()
                await start

    async def close(self) -> None:
        """Ends both."""
        await self.discord.__aexit__(None, None, None)
        await self.topgg.__aexit__(None, None, None)

    async def _open(self) -> None:
        await self.discord.__aenter__()
        await self.topgg.__aenter__()

    async def _watched(self, main: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.problems.append(context))
        before = asyncio.all_tasks()
        await main
        assert [task for task in asyncio.all_tasks() if is_ours(task)] == []
        await self.topgg.connected(0)
        await self.discord.until(lambda: self.discord.connections == 0)
        # Discord's own leftovers: tasks for events that were just dispatched, connections of its
        # session that wait for a server's last word, and the wait of one closed before it is ready.
        await asyncio.sleep(READY + 10.0)
        assert asyncio.all_tasks() - before == set()
        gc.collect()
        assert self.problems == []


def is_ours(task: asyncio.Task[Any]) -> bool:
    """Whether the library's own code runs in a task."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(LIBRARY)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    """Discord and top.gg, in virtual time; nothing may have been logged as an error at the end."""
    with asyncio.Runner(debug=True, loop_factory=VirtualLoop) as runner:
        it = World(runner)
        point_to(it.discord, monkeypatch)
        yield it
        runner.run(it.close())
    let_heartbeats_go()
    records = caplog.get_records("call")
    assert [record for record in records if record.levelno >= logging.ERROR] == []
    assert [record for record in records if record.name.startswith("rx_toppy")] == []


def let_heartbeats_go() -> None:
    """Ends the threads that discord.py leaves behind where it is cut off at an odd moment.

    They would wake up a heartbeat later, in the middle of another test, and find their loop closed.
    """
    beating = [t for t in threading.enumerate() if isinstance(t, discord.gateway.KeepAliveHandler)]
    while beating:
        beating[-1].stop()
        beating.pop().join(PATIENCE)
    with warnings.catch_warnings():
        # What such a thread held on to is discord.py's, and is let go of unclosed.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def point_to(standin: Discord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes discord.py log in to the stand-in."""
    monkeypatch.setattr(discord.http.Route, "BASE", standin.api)
    gateway = yarl.URL(standin.gateway)
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)


# --- posts ---------------------------------------------------------------------------------------


@every_kind
def test_it_posts_once_ready_and_every_interval(world: World, make: MakeBot) -> None:
    """Made at import time, with no line to start or close it: posts, exact in number and time."""
    bot = make()
    client = world.host(bot)
    ready = READY + 5.0 * (make is make_sharded)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(ready - 0.1)
            assert len(bot.guilds) == 12, "there are guilds before it is ready"
            assert world.topgg.seen == []
            await asyncio.sleep(3 * INTERVAL + 1)
            assert world.times == pytest.approx([ready + n * INTERVAL for n in range(4)], abs=0.2)
        assert client.is_closed
        assert not client.autopost.is_running()
        await asyncio.sleep(2 * INTERVAL)
        assert len(world.topgg.seen) == 4

    world.run(life())
    shards = {"shards": [6, 6], "shard_count": 2} if make is make_sharded else {}
    assert world.bodies == [{"server_count": 12} | shards] * 4


@every_kind
def test_guilds_that_come_and_go_are_in_the_next_post(world: World, make: MakeBot) -> None:
    """Joining and leaving counts; an outage of some guilds does not."""
    bot = make()
    world.host(bot)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(10)
            await world.discord.join(5)
            await asyncio.sleep(INTERVAL)
            await world.discord.leave(9)
            await asyncio.sleep(INTERVAL)
            await world.discord.outage(4)
            await asyncio.sleep(INTERVAL)

    world.run(life())
    assert world.counts == [12, 17, 8, 8]


@every_kind
@pytest.mark.parametrize("how", ["drop", "cut", "ask_to_reconnect"])
def test_a_resumed_gateway_changes_nothing(world: World, make: MakeBot, how: str) -> None:
    """However the connection ends: one rhythm, and what was missed meanwhile is counted."""
    bot = make()
    world.host(bot)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(100)
            sessions = len(world.discord.identified)
            for _ in range(3):
                ending = getattr(world.discord, how)()
                if ending is not None:
                    await ending
                await world.discord.join()
                await asyncio.sleep(100)
            await asyncio.sleep(2 * INTERVAL)
            assert world.discord.resumed == 3 * sessions
            assert len(world.discord.identified) == sessions

    world.run(life())
    begun = world.times[0]
    assert world.times == pytest.approx([begun + n * INTERVAL for n in range(3)], abs=0.2)
    assert world.counts == [12, 15, 15]


@every_kind
@pytest.mark.parametrize("how", ["lose_sessions", "invalidate_sessions"])
def test_a_lost_session_leaves_one_rhythm(world: World, make: MakeBot, how: str) -> None:
    """A new session (and another on_ready) neither starts a second rhythm nor moves the first."""
    bot = make()
    client = world.host(bot)
    readies: list[float] = []

    async def on_ready() -> None:
        readies.append(asyncio.get_running_loop().time())

    bot.event(on_ready)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(100)
            sessions = len(world.discord.identified)
            for _ in range(2):
                await getattr(world.discord, how)()
                await world.discord.leave()
                await asyncio.sleep(100)
            assert len(world.discord.identified) == 3 * sessions
            await asyncio.sleep(2 * INTERVAL)
            assert client.autopost.current_loop == 3

    world.run(life())
    begun = world.times[0]
    assert world.times == pytest.approx([begun + n * INTERVAL for n in range(3)], abs=0.2)
    # A sharded one is not ready anew, and never learns of guilds that it left meanwhile.
    if make is not make_sharded:
        assert len(readies) == 3
        assert world.counts == [12, 10, 10]


def test_some_shards_are_posted_one_by_one(world: World) -> None:
    """A process of an AutoShardedClient posts its own shards, spread, with one PostEvent each."""
    bot = make_sharded(shard_ids=[1, 3], shard_count=5)
    client = world.host(bot)
    posted: list[int] = []
    client.events.pipe(of_type(PostEvent)).subscribe(lambda event: posted.append(int(event.stats)))

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(2 * INTERVAL)

    world.run(life())
    first, third = world.discord.on_shard(1, 5), world.discord.on_shard(3, 5)
    assert world.discord.identified == [(1, 5), (3, 5)]
    assert world.bodies[:2] == [
        {"server_count": first, "shard_id": 1, "shard_count": 5},
        {"server_count": third, "shard_id": 3, "shard_count": 5},
    ]
    assert [body["shard_id"] for body in world.bodies] in ([1, 3, 1], [1, 3, 1, 3])
    pauses = [later - sooner for sooner, later in zip(world.times, world.times[1:], strict=False)]
    assert pauses == pytest.approx([INTERVAL / 2] * len(pauses), abs=0.3)
    assert posted == [first + third] * (len(world.bodies) // 2)


@unsharded
def test_a_client_of_one_shard_posts_that_shard(world: World, make: MakeBot) -> None:
    """`Client(shard_id=2, shard_count=4)` is one of four processes."""
    bot = make(shard_id=2, shard_count=4)
    client = world.host(bot, autopost=False)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(READY)
            await client.post_stats()

    world.run(life())
    assert world.bodies == [{"server_count": 3, "shard_id": 2, "shard_count": 4}]


def test_a_failed_post_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A bot whose top.gg is down for a while stays in its rhythm."""
    caplog.set_level(logging.ERROR)
    world.topgg.script(f"POST {STATS}", fault.status(503), fault.status(502), ok({}))
    bot = make_bot()
    client = world.host(bot, retries=0)
    failures: list[Any] = []
    client.events.pipe(of_type(AutopostFailed)).subscribe(failures.append)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(INTERVAL + 10)

    world.run(life())
    assert len(failures) == 2
    assert world.times[-1] == pytest.approx(world.times[0] + INTERVAL, abs=0.2)


# --- listeners -----------------------------------------------------------------------------------

NAMES = ("on_toppy_request", "on_guild_post", "on_toppy_stat_autopost")


def heard_once(world: World) -> list[tuple[str, Any]]:
    """What a listener hears of one autopost of an unsharded bot."""
    stats = {"server_count": 12, "shards": [], "shard_count": 1}
    request = {"url": world.topgg.base_url + STATS, "method": "POST"}
    return [(NAMES[0], request), (NAMES[1], stats), (NAMES[2], stats)]


@unsharded
def test_events_reach_bot_event(world: World, make: MakeBot) -> None:
    """`@bot.event` under toppy's names, with toppy's arguments."""
    bot = make()
    world.host(bot)
    heard: list[tuple[str, Any]] = []

    @bot.event
    async def on_toppy_request(url: str, method: str) -> None:
        heard.append(("on_toppy_request", {"url": url, "method": method}))

    @bot.event
    async def on_guild_post(stats: dict[str, Any]) -> None:
        heard.append(("on_guild_post", stats))

    @bot.event
    async def on_toppy_stat_autopost(stats: dict[str, Any]) -> None:
        heard.append(("on_toppy_stat_autopost", stats))

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(INTERVAL + 10)

    world.run(life())
    assert heard == heard_once(world) * 2


def test_events_reach_bot_listen_and_cogs(world: World) -> None:
    """`@bot.listen()`, a cog's listeners, and `wait_for` hear the same."""
    bot = make_bot()
    world.host(bot)
    heard: list[tuple[str, Any]] = []

    @bot.listen()
    async def on_toppy_request(**request: str) -> None:
        heard.append(("on_toppy_request", request))

    @bot.listen("on_guild_post")
    async def posted(stats: dict[str, Any]) -> None:
        heard.append(("on_guild_post", stats))

    class Stats(commands.Cog):
        @commands.Cog.listener()
        async def on_toppy_stat_autopost(self, stats: dict[str, Any]) -> None:
            heard.append(("on_toppy_stat_autopost", stats))

    async def life() -> None:
        await bot.add_cog(Stats())
        async with world.running(bot):
            assert (await bot.wait_for("guild_post"))["server_count"] == 12
            await asyncio.sleep(1)

    world.run(life())
    assert heard == heard_once(world)


def test_a_sharded_bots_listeners_hear_of_shards(world: World) -> None:
    """`shards` is a list with every shard's servers, `shard_count` how many there are."""
    bot = make_sharded()
    world.host(bot)
    heard: list[dict[str, Any]] = []

    @bot.event
    async def on_guild_post(stats: dict[str, Any]) -> None:
        heard.append(stats)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(30)

    world.run(life())
    assert heard == [{"server_count": 12, "shards": [6, 6], "shard_count": 2}]


def test_a_listener_may_close_the_bot(world: World) -> None:
    """Closing from within an event that autopost caused ends bot and client alike."""
    bot = make_client()
    client = world.host(bot)

    @bot.event
    async def on_guild_post(stats: dict[str, Any]) -> None:
        await bot.close()

    async def life() -> None:
        async with bot:
            await bot.start(TOKEN)
        assert client.is_closed
        assert len(world.topgg.seen) == 1

    world.run(life())


# --- wherever a client is made --------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("where", ["setup_hook", "on_connect", "on_ready"])
def test_it_may_be_made_while_the_bot_runs(world: World, make: MakeBot, where: str) -> None:
    """In setup_hook, on_connect or on_ready: it posts once ready, and closes with the bot."""
    bot = make()
    clients: list[TopGG] = []

    async def hook() -> None:
        if not clients:
            clients.append(world.host(bot))

    setattr(bot, where, hook)

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(INTERVAL + 10)
        assert clients[0].is_closed

    world.run(life())
    ready = READY + 5.0 * (make is make_sharded)
    assert world.times == pytest.approx([ready, ready + INTERVAL], abs=0.2)
    assert world.counts == [12, 12]


def test_it_may_be_made_by_a_cog(world: World) -> None:
    """In cog_load, closed by nobody but the bot; the cog's own use of it works."""

    class Stats(commands.Cog):
        def __init__(self, bot: commands.Bot) -> None:
            self.bot = bot

        async def cog_load(self) -> None:
            self.topgg = world.host(self.bot)

    class MyBot(commands.Bot):
        async def setup_hook(self) -> None:
            await self.add_cog(Stats(self))

    bot = MyBot(commands.when_mentioned, intents=discord.Intents.default())

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(INTERVAL + 10)
            cog = bot.get_cog("Stats")
            assert isinstance(cog, Stats)
            assert int(await cog.topgg.post_stats()) == 12
        assert cog.topgg.is_closed

    world.run(life())
    assert world.counts == [12, 12, 12]


@every_kind
def test_post_stats_in_setup_hook_errs(world: World, make: MakeBot) -> None:
    """Readiness can't come there: it says so at once; other calls work, as the bot is known."""
    bot = make()
    client = world.host(bot, autopost=False)
    world.topgg.reply(f"GET {STATS}", json={"server_count": 11})
    seen: list[Any] = []

    async def setup_hook() -> None:
        assert client.vote_url == f"https://top.gg/bot/{BOT_ID}/vote"
        with pytest.raises(ToppyError, match="not begun to connect"):
            await client.post_stats()
        seen.append((await client.get_stats()).server_count)

    setattr(bot, "setup_hook", setup_hook)  # noqa: B010 - as a subclass would, for any class

    async def life() -> None:
        with pytest.raises(ToppyError, match="no user"):
            await client.get_stats()
        async with world.running(bot):
            await asyncio.sleep(1)
            assert int(await client.post_stats()) == 12
            seen.append(round(asyncio.get_running_loop().time()))

    world.run(life())
    assert seen == [11, 7 if make is make_sharded else 2]
    assert world.topgg.paths == [f"GET {STATS}", f"POST {STATS}"]


@every_kind
def test_models_find_the_bots_users(world: World, make: MakeBot) -> None:
    """`model.user(bot)` is the cached user, or None for who is not there."""
    intents = discord.Intents.default()
    intents.members = True
    bot = make(intents=intents, chunk_guilds_at_startup=False)
    client = world.host(bot, autopost=False)
    world.topgg.reply(f"/bots/{BOT_ID}", json={"id": str(BOT_ID), "username": "Luca"})

    async def life() -> None:
        async with world.running(bot):
            await bot.wait_until_ready()
            assert bot.user is not None
            me = await client.fetch_bot(bot.user)
            assert isinstance(me, Bot)
            assert me.user(bot) == bot.user
            voter = SimpleUser(id=VOTER_ID).user(bot)
            assert isinstance(voter, discord.User)
            assert voter.id == VOTER_ID
            assert SimpleUser(id=1).user(bot) is None

    world.run(life())


# --- how it ends ----------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("when", ["before READY", "before it is ready"])
def test_a_bot_closed_before_it_is_ready(world: World, make: MakeBot, when: str) -> None:
    """Closing takes no time, and autopost no longer waits; nothing was sent."""
    bot = make(**({"shard_ids": [0], "shard_count": 1} if make is make_sharded else {}))
    client = world.host(bot)
    if when == "before READY":
        world.discord.ready.clear()

    async def life() -> None:
        loop = asyncio.get_running_loop()
        async with bot:
            start = asyncio.create_task(bot.start(TOKEN))
            await asyncio.sleep(1)
            assert client.autopost.is_running()
            assert not bot.is_ready()
            posting = asyncio.ensure_future(client.post_stats())
            await asyncio.sleep(0.1)
            assert not posting.done(), "it waits for readiness, which may yet come"
            before = loop.time()
            await bot.close()
            assert loop.time() - before < 0.5
            with pytest.raises(ClientClosed):
                await posting
            await start
        assert client.is_closed
        assert not client.autopost.is_running()
        await asyncio.sleep(INTERVAL)
        assert world.topgg.seen == []

    world.run(life())


def test_a_sharded_bot_closed_while_it_launches_shards(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """discord.py's start() is at a loss then; the client is closed all the same, and at once."""
    bot = make_sharded(shard_count=4)
    client = world.host(bot)

    async def life() -> None:
        loop = asyncio.get_running_loop()
        async with bot:
            start = asyncio.create_task(bot.start(TOKEN))
            await asyncio.sleep(8)
            assert len(bot.shards) == 2
            before = loop.time()
            await bot.close()
            assert loop.time() - before < 0.5
            assert client.is_closed
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
        assert world.topgg.seen == []

    world.run(life())


@every_kind
def test_a_call_in_flight_ends_with_the_bot(world: World, make: MakeBot) -> None:
    """What is under way when the bot closes errs with ClientClosed; the streams complete."""
    bot = make()
    client = world.host(bot, autopost=False)
    world.topgg.reply("/weekend", fault.hang())
    ended: list[str] = []
    client.events.subscribe(on_completed=lambda: ended.append("events"))
    client.autopost.subscribe(on_completed=lambda: ended.append("autopost"))

    async def life() -> None:
        async with world.running(bot):
            await bot.wait_until_ready()
            call = asyncio.ensure_future(client.is_weekend())
            await world.topgg.arrived(1)
        with pytest.raises(ClientClosed):
            await call
        with pytest.raises(ClientClosed):
            await client.is_weekend()
        assert sorted(ended) == ["autopost", "events"]

    world.run(life())


@every_kind
def test_a_post_under_way_does_not_hold_the_bot_up(world: World, make: MakeBot) -> None:
    """top.gg hangs on autopost's post; the bot closes at once."""
    bot = make()
    client = world.host(bot)
    world.topgg.reply(f"POST {STATS}", fault.hang())

    async def life() -> None:
        loop = asyncio.get_running_loop()
        async with world.running(bot):
            await world.topgg.arrived(1, timeout=60)
            before = loop.time()
            await bot.close()
            assert loop.time() - before < 0.5
        assert client.is_closed

    world.run(life())


@every_kind
@pytest.mark.parametrize("after", [0.0, 1.0, 30.0])
def test_a_cancelled_start(world: World, make: MakeBot, after: float) -> None:
    """What a KeyboardInterrupt comes to: the main task is cancelled, `async with bot` closes."""
    bot = make(**({"shard_ids": [0], "shard_count": 1} if make is make_sharded else {}))
    client = world.host(bot)

    async def main() -> None:
        async with bot:
            await bot.start(TOKEN)

    async def life() -> None:
        running = asyncio.create_task(main())
        await asyncio.sleep(after)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert client.is_closed

    world.run(life())
    assert world.counts == [12] * (after > 2)


@every_kind
def test_a_bot_that_cannot_log_in(world: World, make: MakeBot) -> None:
    """A wrong token of Discord's: its own error comes out, and nothing is left."""
    bot = make()
    client = world.host(bot)

    async def life() -> None:
        with pytest.raises(discord.LoginFailure):
            async with bot:
                await bot.start("wrong")
        assert client.is_closed

    world.run(life())
    assert world.topgg.seen == []


@every_kind
def test_a_bot_that_never_starts(world: World, make: MakeBot) -> None:
    """Entered and left without a start: the client is closed as well."""
    bot = make()
    client = world.host(bot)

    async def life() -> None:
        async with bot:
            pass
        assert client.is_closed

    world.run(life())


@every_kind
def test_a_gateway_that_turns_the_bot_away(
    world: World, make: MakeBot, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord ends it for good (4014, intents that it may not have): the client ends too."""
    caplog.set_level(logging.CRITICAL)
    bot = make()
    client = world.host(bot)

    async def life() -> None:
        async with bot:
            start = asyncio.create_task(bot.start(TOKEN))
            await asyncio.sleep(10)
            await world.discord.drop(4014)
            with pytest.raises(discord.PrivilegedIntentsRequired):
                await start
        assert client.is_closed

    world.run(life())
    assert world.counts == [12]


@every_kind
def test_a_handler_of_the_stream_may_close_the_bot(world: World, make: MakeBot) -> None:
    """From an async handler, which is not cut short by the client's end."""
    bot = make()
    client = world.host(bot)

    closed: list[PostEvent] = []

    async def handle(event: PostEvent) -> None:
        await bot.close()
        closed.append(event)

    client.events.pipe(of_type(PostEvent), map_async(handle)).subscribe(lambda _: None)

    async def life() -> None:
        async with asyncio.timeout(60):
            await bot.start(TOKEN)
        assert client.is_closed
        await asyncio.sleep(1)
        assert len(closed) == 1

    world.run(life())


def test_a_reader_of_the_stream_may_close_the_bot(world: World) -> None:
    """From within an `async for` over the events."""
    bot = make_bot()
    client = world.host(bot)

    async def read() -> None:
        async for event in client.events:
            if isinstance(event, PostEvent):
                await bot.close()

    async def life() -> None:
        reading = asyncio.create_task(read())
        async with asyncio.timeout(60):
            await bot.start(TOKEN)
            await reading
        assert client.is_closed

    world.run(life())


def test_a_bot_that_closes_more_of_its_own(world: World) -> None:
    """`close` overridden, as many do, the client closed by hand as well: once each, in order."""
    closed: list[str] = []

    class MyBot(commands.Bot):
        async def setup_hook(self) -> None:
            self.topgg = world.host(self)

        async def close(self) -> None:
            await self.topgg.close()
            closed.append("mine")
            await super().close()
            closed.append("all")

    bot = MyBot(commands.when_mentioned, intents=discord.Intents.default())

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(10)
        assert bot.topgg.is_closed

    world.run(life())
    assert world.counts == [12]
    assert closed[:2] == ["mine", "all"]


def test_a_call_before_the_bot_has_a_loop(world: World) -> None:
    """Before the bot is started it answers too; listeners can't run yet, and nothing is logged."""
    bot = make_client()
    client = world.host(bot, autopost=False)
    world.topgg.reply("/weekend", json={"is_weekend": True})

    @bot.event
    async def on_toppy_request(url: str, method: str) -> None:
        """Whom discord.py can't call without a loop."""

    async def life() -> None:
        assert await client.is_weekend()
        async with world.running(bot):
            await asyncio.sleep(10)

    world.run(life())


def test_a_client_that_is_closed_first_leaves_the_bot_alone(world: World) -> None:
    """`await client.close()` ends the posts; the bot goes on, and closes as ever."""
    bot = make_bot()
    client = world.host(bot)

    async def life() -> None:
        async with world.running(bot):
            await client.autopost.pipe(ops.first())
            await client.close()
            await asyncio.sleep(INTERVAL * 2)
            assert not bot.is_closed()
            assert len(world.topgg.seen) == 1

    world.run(life())


def test_two_clients_of_one_bot(world: World) -> None:
    """Each has its rhythm, and the bot's end is the end of both."""
    bot = make_bot()
    clients = [world.host(bot, interval=200), world.host(bot, autopost=False)]

    async def life() -> None:
        async with world.running(bot):
            await asyncio.sleep(INTERVAL)
            await clients[1].post_stats()
        assert all(client.is_closed for client in clients)

    world.run(life())
    assert world.counts == [12] * 4


# --- real time ------------------------------------------------------------------------------------


async def test_heartbeats_from_discords_thread_are_no_matter(
    topgg: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time, with discord.py's own heartbeats from its thread: posts go out and it ends."""
    topgg.reply(f"POST {STATS}", json={})
    async with Discord(guilds=3, heartbeat_interval=0.1) as standin:
        point_to(standin, monkeypatch)
        bot = make_bot(guild_ready_timeout=0.2)
        client = TopGG(bot, token=TOPGG_TOKEN, base_url=topgg.base_url, interval=0.3)
        async with bot:
            start = asyncio.create_task(bot.start(TOKEN))
            await topgg.arrived(3)
            await standin.until(lambda: standin.heartbeats >= 5)
            await bot.close()
            await start
        assert client.is_closed
        await topgg.connected(0)
    assert {seen.body for seen in topgg.seen} == {b'{"server_count":3}'}


@pytest.mark.parametrize("kind", [*MAKERS, "AutoShardedBot"])
@pytest.mark.parametrize("end", ["close", "interrupt"])
async def test_bot_run_in_a_process_of_its_own(topgg: StandIn, kind: str, end: str) -> None:
    """`bot.run(token)`, ended by the bot or by Ctrl-C: no word on stderr, with all warnings on."""
    options = ("-X", "dev", "-W", "error", "-W", "ignore:'audioop' is deprecated")
    assert await run_stranger(topgg, sys.executable, options, "discord", kind, end) == ""
