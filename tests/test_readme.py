"""The README: its examples run as they stand, its commands work, its tables leave nothing out."""

import ast
import asyncio
import builtins
import datetime as dates
import functools
import gc
import importlib
import inspect
import io
import logging
import os
import re
import signal
import sqlite3
import subprocess
import symtable
import sys
import threading
import time
import tomllib
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from operator import attrgetter
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import aiohttp
import msgspec
import pytest
from reactivex import operators as ops

import rx_toppy
import rx_toppy.notebook
import rx_toppy.project
from rx_toppy import (
    BotStatsPayload,
    NotFound,
    PollFailed,
    StandaloneBot,
    ToppyError,
    Vote,
    VoteEvent,
    VoteInbox,
    errors,
    events,
    of_type,
    widgets,
)
from rx_toppy.project import ProjectAPI
from rx_toppy.sandbox import Sandbox, faults
from rx_toppy.votes import VoteReceiver
from rx_toppy.votes import sqlite_worker as processing
from rx_toppy.votes.operators import timed as agenda
from rx_toppy.votes.sqlite_inbox import Inbox
from tests.cluster.server import PROGRAM, RedisServer
from tests.conftest import require
from tests.virtual import run_virtual

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ["pip install '.[cli]' && rx-toppy demo", "pip install -e '.[dev]' && pytest"]
STATED = "# -> "  # before what the README says is printed
HIDDEN = {"bot", "client", "sandbox", "TOKEN", "SECRET"}  # what an example may use unmade
PATIENCE = 60.0  # seconds that an example may take
TIMED = (
    "streams-of-votes",
    "recipes",
)  # sections whose examples run in virtual time, with a scenario each
DELIVERED = "votes-that-are-never-lost"  # one whose examples run in real time, with a scenario each
REDIS = "redis://localhost:6379"  # where the examples of clusters have theirs
COMMAND = {"id": "846097297812455424", "type": 1, "name": "play", "description": "Plays a song"}


# --- what stands in the README -------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block, the line in which it begins, and which one it is below its heading."""

    id: str
    section: str
    language: str
    line: int
    text: str

    @property
    def stated(self) -> list[str]:
        """What the README says that it prints."""
        lines = map(str.strip, self.text.splitlines())
        return [line.removeprefix(STATED) for line in lines if line.startswith(STATED)]

    @property
    def wanted(self) -> set[str]:
        """The names that it uses and nobody has made."""
        top = symtable.symtable(self.text, "README.md", "exec")
        made = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
        return set(_globals_of(top)) - made - set(dir(builtins))

    @property
    def code(self) -> CodeType:
        """It compiled, `await` at the top level included; a traceback shows the README's lines."""
        text = "\n" * self.line + self.text
        return compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _globals_of(scope: symtable.SymbolTable) -> Iterator[str]:
    yield from (s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced())
    for inner in scope.get_children():
        yield from _globals_of(inner)


def blocks() -> Iterator[Block]:
    """All fenced blocks in order."""
    heading, section, lines, numbers = "", "", README.splitlines(), Counter()
    opened: int | None = None
    for number, line in enumerate(lines):
        if opened is not None:
            if line == "```":
                language = lines[opened].removeprefix("```")
                numbers[heading, language] += 1
                id = f"{heading}-{numbers[heading, language]}"
                text = "\n".join(lines[opened + 1 : number])
                yield Block(id, section, language, opened + 1, text)
                opened = None
        elif line.startswith("```"):
            opened = number
        elif line.startswith("#"):
            heading = re.sub(r"\W+", "-", line.strip("# ").lower()).strip("-")
            if line.startswith("## "):
                section = heading


BLOCKS = list(blocks())
CODE = [block for block in BLOCKS if block.language == "python"]
CLUSTERED = [block for block in CODE if REDIS in block.text]
EXAMPLES = [
    block for block in CODE if block.section not in (*TIMED, DELIVERED) and block not in CLUSTERED
]
RECIPES = {block.id: block for block in CODE if block.section in TIMED}
RECEIVERS = {block.id: block for block in CODE if block.section == DELIVERED}


def table(first_column: str) -> list[list[str]]:
    """The cells of the table whose first column is headed so."""
    _, found, rest = README.partition(f"\n| {first_column} |")
    assert found, f"there is no table of {first_column}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in rows]


def names_in(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


# --- what the examples run in --------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The first steps' sandbox on a thread (some examples run a loop), and without limits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def there(coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)

    sandbox = Sandbox(seed=1, rate_limits=(), votes_per_minute=0)
    there(sandbox.start())
    yield sandbox
    there(sandbox.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


@pytest.fixture
def world(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Sandbox]:
    """A world in which top.gg is the sandbox, and in which nothing may be logged as an error."""
    elsewhere = functools.partial(rx_toppy.TopGG, base_url=sandbox.base_url)
    monkeypatch.setattr(rx_toppy, "TopGG", elsewhere)
    monkeypatch.setenv("TOPGG_TOKEN", sandbox.token)
    monkeypatch.setenv("DISCORD_TOKEN", "a token of Discord")
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    yield sandbox
    gc.collect()  # what was left open is warned of here, which is an error
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def within_patience(action: Callable[[], None]) -> None:
    """Does it on a thread, so that one that hangs fails and does not hang the tests."""
    raised: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(PATIENCE + 5)
    assert not thread.is_alive(), "it hangs"
    if raised:
        raise raised[0]


@contextmanager
def printed() -> Iterator[Callable[[], list[str]]]:
    """The lines that were printed so far, on any thread."""
    with redirect_stdout(io.StringIO()) as out:
        yield lambda: out.getvalue().splitlines()


class GrowingBot(StandaloneBot):
    """The bot of the first steps, with seven servers more at each post, and with a command."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox.bot_id, server_count=count(1234, 7).__next__)
        self.tree = self

    async def fetch_commands(self) -> list[Any]:
        """Objects that can be made dictionaries, as those of discord.py's trees."""
        return [SimpleNamespace(to_dict=COMMAND.copy)]


async def run_beside_a_client(block: Block) -> Sandbox:
    """Runs an example that uses the first steps' client, which then does a few things.

    Time is virtual, so that between them the example is done with what there is. Closing the client
    ends the loops over its streams.
    """
    async with (
        Sandbox(seed=1, rate_limits=(), votes_per_minute=0) as sandbox,
        rx_toppy.TopGG(
            GrowingBot(sandbox), token=sandbox.token, base_url=sandbox.base_url
        ) as client,
    ):
        await client.autopost.pipe(ops.first())
        example = asyncio.create_task(run_alone(block, sandbox, client))
        await asyncio.sleep(1)
        await client.post_stats()
        with suppress(NotFound):
            await client.fetch_bot(2)
        await client.post_stats()
        await asyncio.sleep(1)
        await client.close()
        await example
    return sandbox


async def run_alone(block: Block, sandbox: Sandbox, client: Any = None) -> None:
    """Runs an example that awaits at its top level."""
    bot = GrowingBot(sandbox) if client is None else client.bot
    names = {"bot": bot, "client": client, "TOKEN": sandbox.token}
    running = eval(block.code, {name: names[name] for name in block.wanted})
    if running is not None:
        await running


async def told(lines: Callable[[], list[str]], enough: int) -> None:
    """Waits until enough was printed."""
    end = time.monotonic() + PATIENCE / 2
    while len(lines()) < enough and time.monotonic() < end:
        await asyncio.sleep(0.01)


def run(block: Block, sandbox: Sandbox) -> None:
    """Runs an example as a reader would: in a loop with their client, in a loop, or as a script."""
    if "client" in block.wanted:
        run_virtual(run_beside_a_client(block))
    elif block.code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(asyncio.wait_for(run_alone(block, sandbox), PATIENCE), debug=True)
    else:
        assert block.wanted <= {"bot"}
        names = {"bot": GrowingBot(sandbox)} if block.wanted else {}
        exec(block.code, {"__name__": "__main__"} | names)


# --- discord.py, without Discord -----------------------------------------------------------------


class FakeClient:
    """As much of `discord.Client` as an example needs, where discord.py is not installed."""

    def __init__(self, *, intents: object) -> None:
        self._closed = False

    def run(self, token: str) -> None:
        """Runs the bot in a loop of its own."""
        asyncio.run(self._run(token))

    async def _run(self, token: str) -> None:
        try:
            await self.login(token)
            await self.connect()
        finally:
            await self.close()

    async def close(self) -> None:
        """Closes the bot."""
        self._closed = True

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Tells listeners, of which there are none."""


def offline(base: Any, bot_id: int) -> Any:
    """A `discord.Client` that connects to nobody, and goes after the first autopost."""

    class Offline(base):
        made: list[Any] = []  # noqa: RUF012

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.made.append(self)
            self.heard: list[str] = []
            self._here, self._over = asyncio.Event(), asyncio.Event()

        user = property(lambda _: SimpleNamespace(id=bot_id))
        guilds = property(lambda _: [SimpleNamespace(id=id, shard_id=0) for id in (1, 2, 3)])

        async def login(self, token: str) -> None:
            """Logs in nowhere."""

        async def connect(self, *, reconnect: bool = True) -> None:
            self._here.set()
            await asyncio.wait_for(self._over.wait(), PATIENCE)

        def is_ready(self) -> bool:
            return self._here.is_set()

        async def wait_until_ready(self) -> None:
            await self._here.wait()

        def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
            super().dispatch(event, *args, **kwargs)
            self.heard.append(event)
            if event == "toppy_stat_autopost":
                self._over.set()

    return Offline


@pytest.fixture
def discord(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module `discord` whose `Client` is offline: discord.py's own, or a fake."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # discord.py's are not ours
            module: Any = importlib.import_module("discord")
    except ImportError:
        module = ModuleType("discord")
        module.Client = FakeClient
        module.Intents = SimpleNamespace(default=lambda: None)
        monkeypatch.setitem(sys.modules, "discord", module)
    monkeypatch.setattr(module, "Client", offline(module.Client, sandbox.bot_id))
    yield module
    for handler in logging.getLogger("discord").handlers[:]:  # run() adds one
        logging.getLogger("discord").removeHandler(handler)


# --- the examples --------------------------------------------------------------------------------


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.id)
@pytest.mark.usefixtures("discord")
def test_an_example_runs_and_prints_what_is_stated(block: Block, world: Sandbox) -> None:
    """As a reader would paste it, and with the output that stands below it."""
    assert block.wanted <= HIDDEN
    with printed() as lines:
        within_patience(lambda: run(block, world))
    if block.stated:
        assert lines() == block.stated
    else:
        assert bool(lines()) == ("print" in block.text)


def test_the_examples_state_what_they_print() -> None:
    """There are examples, and most of those that print say what: else nothing was checked above."""
    printing = [block for block in CODE if "print(" in block.text or "(print)" in block.text]
    assert len(EXAMPLES) > 10
    assert len([block for block in RECIPES.values() if block.section == "recipes"]) == 6
    assert RECIPES.keys() == SCENARIOS.keys()
    assert RECEIVERS.keys() == POSTS.keys() - {block.id for block in CLUSTERED}
    assert len([block for block in printing if not block.stated]) <= 1


def test_the_discord_example_needs_no_more_lines(world: Sandbox, discord: Any) -> None:
    """The bot's servers are posted, its listeners hear of it, and the client goes with the bot."""
    (block,) = [block for block in EXAMPLES if "bot.run(" in block.text]
    names: dict[str, Any] = {}
    before = len(world.posted)
    within_patience(lambda: exec(block.code, names))
    assert world.posted[before:] == [{"server_count": 3}]
    assert names["client"].is_closed
    assert discord.Client.made[-1].is_closed()
    assert discord.Client.made[-1].heard == ["toppy_request", "guild_post", "toppy_stat_autopost"]


async def test_the_command_example_knows_who_has_voted() -> None:
    """The command thanks who has voted, and tells all others where to."""
    (block,) = [block for block in EXAMPLES if "ctx" in block.text]
    said: list[str] = []

    async def send(text: str) -> None:
        said.append(text)

    async with (
        Sandbox(bots=10, bot_id=7, votes_per_minute=0) as sandbox,
        rx_toppy.TopGG(StandaloneBot(7), token=sandbox.token, base_url=sandbox.base_url) as client,
    ):
        names: dict[str, Any] = {"client": client}
        exec(block.code, names)
        voter, stranger = sandbox.vote(), 5
        for id in (voter, stranger):
            await names["daily"](SimpleNamespace(author=SimpleNamespace(id=id), send=send))
    assert "Thank you" in said[0]
    assert "https://top.gg/bot/7/vote" in said[1]


@pytest.mark.usefixtures("world")
def test_the_example_of_v1_tells_top_gg_what_it_says() -> None:
    """The headlines and the commands of the bot's tree arrive."""
    (block,) = [block for block in EXAMPLES if "post_commands" in block.text]
    with printed():
        sandbox = run_virtual(run_beside_a_client(block))
    assert sandbox.commands == [COMMAND]
    assert sandbox.headline.keys() == {"en", "de"}


async def test_a_loop_over_a_poll_is_done_with_a_page_when_its_cursor_is_told() -> None:
    """So that a crash repeats some votes, and loses none."""
    told: list[Any] = []
    long_ago = datetime.now(UTC) - timedelta(days=301)
    async with (
        Sandbox(bots=10, votes=5, votes_per_page=2, votes_per_minute=0) as sandbox,
        rx_toppy.TopGG(
            StandaloneBot(sandbox.bot_id), token=sandbox.token, base_url=sandbox.base_url
        ) as client,
    ):
        polled = client.poll_votes(since=long_ago, on_cursor=lambda _: told.append("cursor"))

        async def handle_all() -> None:
            async for _ in polled:
                await asyncio.sleep(0.01)
                told.append("done")

        handling = asyncio.create_task(handle_all())
        while told.count("cursor") < 3:
            await asyncio.sleep(0.01)
        await client.close()
        await handling
    page = ["done", "done", "cursor"]
    assert told == [*page, *page, "done", "cursor"]


def test_a_call_gathered_twice_is_sent_once(world: Sandbox) -> None:
    """`asyncio` folds equal awaitables into one, so that two requests want two calls."""

    async def gather() -> list[int]:
        async with rx_toppy.TopGG(
            StandaloneBot(world.bot_id), token=world.token, autopost=False
        ) as client:
            sent = [len(world.requests)]
            call = client.is_weekend()
            for calls in ([call, call], [client.is_weekend(), client.is_weekend()]):
                await asyncio.gather(*calls)
                sent.append(len(world.requests))
            return [after - before for before, after in pairwise(sent)]

    assert asyncio.run(gather()) == [1, 2]


# --- the recipes ---------------------------------------------------------------------------------


class Member:
    """Somebody in a guild, with roles."""

    def __init__(self, id: int, guild: "Guild", *roles: object) -> None:
        self.id = id
        self.guild = guild
        self.roles = list(roles)

    async def add_roles(self, role: "Role") -> None:
        """Gives one, unless Discord does not let us."""
        self.guild.refuse_some()
        self.roles.append(role)

    async def remove_roles(self, role: "Role") -> None:
        """Takes one away."""
        self.guild.refuse_some()
        self.roles.remove(role)


class Role:
    """The role of a guild."""

    def __init__(self, guild: "Guild") -> None:
        self.guild = guild

    @property
    def members(self) -> list[Member]:
        """Who has it."""
        return [member for member in self.guild.members.values() if self in member.roles]


class Guild:
    """A guild with one role, which refuses so many changes of it."""

    def __init__(self) -> None:
        self.role = Role(self)
        self.members: dict[int, Member] = {}
        self.refusals = 0

    def join(self, *ids: int, has_role: bool = False) -> None:
        """Members come."""
        for id in ids:
            self.members[id] = Member(id, self, *[self.role] * has_role)

    @property
    def holders(self) -> list[int]:
        """The ids of those who have the role, in order."""
        return sorted(member.id for member in self.role.members)

    def refuse_some(self) -> None:
        """What Discord says where the bot may not do it."""
        if self.refusals:
            self.refusals -= 1
            raise PermissionError("Missing Permissions")

    def get_member(self, id: int) -> Member | None:
        """From the cache."""
        return self.members.get(id)

    def get_role(self, id: int) -> Role:
        """From the cache."""
        return self.role


class Bot(GrowingBot):
    """As much of a Discord bot as the recipes use."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.said: list[str] = []
        self.mutes = 0
        self.guild: Guild | None = Guild()
        self.ready = asyncio.Event()
        self.ready.set()
        self.heard: list[tuple[Any, ...]] = []

    async def wait_until_ready(self) -> None:
        """Until its guilds are known."""
        await self.ready.wait()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Notes what it would tell its listeners of votes."""
        if event == "vote":
            self.heard.append(args)

    def event(self, listener: Any) -> Any:
        """Registers a listener."""
        setattr(self, listener.__name__, listener)
        return listener

    def get_partial_messageable(self, id: int) -> Any:
        """A channel."""
        return SimpleNamespace(send=self._send)

    async def _send(self, text: str) -> None:
        if self.mutes:
            self.mutes -= 1
            raise PermissionError("Missing Permissions")
        self.said.append(text)

    def get_guild(self, id: int) -> Guild | None:
        """From the cache, which is empty before the bot is ready."""
        return self.guild


class Kitchen(NamedTuple):
    """What a recipe runs in: a world whose time is virtual, and which keeps top.gg's limits."""

    sandbox: Sandbox
    bot: Bot
    client: Any
    names: dict[str, Any]  # of the recipe

    def routes(self, part: str = "") -> list[str]:
        """The requests that the sandbox has seen, with some of the path in common."""
        own = f"/api/bots/{self.sandbox.bot_id}"
        routes = [f"{r.method} {r.path.replace(own, 'own')}" for r in self.sandbox.requests]
        return [route for route in routes if part in route]


def now() -> datetime:
    """The time of day in a kitchen: it begins at eight in the morning of a Friday."""
    return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())


BEGINNING = datetime(2027, 1, 15, 8, tzinfo=UTC)


@contextmanager
def time_of_day(client: Any) -> Iterator[None]:
    """Has `datetime.now()` tell it, to the recipe and to what depends on it in the library."""
    clock = type("Clock", (datetime,), {"now": staticmethod(lambda _=None: now())})
    client._home.clock = now
    with ExitStack() as patches:
        for module in (dates, rx_toppy.project, agenda):
            patches.enter_context(patch.object(module, "datetime", clock))
        yield


async def pass_by(seconds: float) -> None:
    """Lets time pass at once, as for a machine that slept: what was due meanwhile is due now."""
    asyncio.get_running_loop().now += seconds  # type: ignore[attr-defined]
    await asyncio.sleep(1)


Scenario = Callable[[Kitchen], Coroutine[Any, Any, None]]
SCENARIOS: dict[str, tuple[Scenario, dict[str, Any]]] = {}


def cooks(
    id: str, *, bots: int = 20, votes: int | None = None, **options: Any
) -> Callable[[Scenario], Scenario]:
    """Marks what is to happen after a recipe was begun, with options of the client."""

    def mark(scenario: Scenario) -> Scenario:
        SCENARIOS[id] = (scenario, {"world": {"bots": bots, "votes": votes}, **options})
        return scenario

    return mark


async def cook(
    block: Block, scenario: Scenario, world: dict[str, Any], refused: int = 0, **options: Any
) -> None:
    """Runs a recipe and what is to happen; then the client closes, and nothing may be left."""
    loop = asyncio.get_running_loop()
    sandbox = Sandbox(seed=1, votes_per_minute=0, clock=lambda: now().timestamp(), **world)
    # Connections that are kept want to be looked after, which costs a virtual day too much.
    connector = aiohttp.TCPConnector(force_close=True)
    async with sandbox, aiohttp.ClientSession(connector=connector) as session:
        bot = Bot(sandbox)
        options |= {"token": sandbox.token, "base_url": sandbox.base_url, "session": session}
        async with rx_toppy.TopGG(bot, **options) as client:
            given = {"bot": bot, "client": client}
            names = {name: given[name] for name in block.wanted}
            with time_of_day(client):
                running = eval(block.code, names)
                if running is not None:
                    await running
                await scenario(Kitchen(sandbox, bot, client, names))
        await asyncio.sleep(1)  # in which the sandbox lets go of a request that was given up
        assert asyncio.all_tasks() == {asyncio.current_task()}
        before = len(sandbox.requests)
        await asyncio.sleep(3 * 24 * 3600)
        assert len(sandbox.requests) == before
    assert sum(request.status == 429 for request in sandbox.requests) == refused
    assert not [handle for handle in loop._scheduled if not handle.cancelled()]


@cooks("tell-me-when-a-post-fails-1")
async def a_post_fails(at: Kitchen) -> None:
    """Two bad hours, in the second of which nothing can be said at first."""
    await asyncio.sleep(3600)
    assert at.bot.said == []
    for mutes in (0, 1):
        at.bot.mutes = mutes
        at.sandbox.fail(faults.Status(503), method="POST", times=12)
        await asyncio.sleep(3 * 3600)
    failed, again = "top.gg was not told: ", "top.gg is told again."
    first, *others = at.bot.said
    assert first.startswith(failed)
    assert "503" in first
    assert others == [again, again]
    at.sandbox.fail(faults.Status(404), method="POST")
    await asyncio.sleep(3600)
    assert len(at.bot.said) == 4
    assert at.bot.said[-1].startswith(failed)


@cooks("servers-gained-a-day-1")
async def days_pass(at: Kitchen) -> None:
    """A day and six hours, with a failure in the first."""
    await asyncio.sleep(3600 * 5)
    at.sandbox.fail(faults.Status(404), method="POST", times=2)
    await asyncio.sleep(3600 * 25)


@cooks("requests-a-minute-by-route-1")
async def minutes_pass(at: Kitchen) -> None:
    """A minute with an autopost, one with nothing, and one with failures and retries."""
    for id in (at.bot.id, 2, 3):
        with suppress(NotFound):
            await at.client.fetch_bot(id)
    await asyncio.sleep(121)
    at.sandbox.fail(faults.Status(503), route="/weekend", times=3)
    await at.client.is_weekend()
    await at.client.fetch_bot(at.bot.id)


@cooks("post-when-the-guild-count-settles-1", autopost=False)
async def guilds_come(at: Kitchen) -> None:
    """Bursts of joins: one while all is well, one while nothing is, one that the end cuts off."""

    async def burst(joins: int) -> None:
        for _ in range(joins):
            await at.bot.on_guild_join(object())  # type: ignore[attr-defined]
            await asyncio.sleep(20)

    await burst(7)
    assert len(at.sandbox.posted) == 0
    await asyncio.sleep(15)
    assert len(at.sandbox.posted) == 1
    at.sandbox.fail(faults.Status(404), method="POST", times=1)
    await burst(3)
    await asyncio.sleep(60)
    at.sandbox.fail(faults.Delay(8), method="POST")
    await burst(2)
    await asyncio.sleep(60)
    assert len(at.sandbox.posted) == 2
    assert at.routes() == ["POST own/stats"] * 3
    await burst(1)


@cooks("top-certified-bots-by-votes-this-month-1", bots=3000, autopost=False)
async def nothing_more(at: Kitchen) -> None:
    """It fetches a page, and perhaps some more ahead."""
    await asyncio.sleep(10)
    assert 1 <= len(at.routes("/bots")) < 6


@cooks("a-role-for-12-hours-after-a-vote-1", autopost=False)
async def members_vote(at: Kitchen) -> None:
    """Votes come and run out, while top.gg and Discord fail."""
    guild = at.bot.guild
    assert guild is not None
    fan, lapsed, regular, stranger, *crowd = range(1001, 1035)
    guild.join(fan, lapsed, regular, *crowd)
    guild.join(5, 6, has_role=True)  # who have never voted
    guild.join(7, has_role=True)
    at.bot.guild = None
    at.bot.ready.clear()
    at.sandbox.vote(lapsed)
    await asyncio.sleep(2 * 3600)
    for id in (7, regular, stranger):  # the last is in no guild of ours
        at.sandbox.vote(id)
    await asyncio.sleep(11 * 3600)
    assert at.routes() == []  # before the bot is ready, nothing is known of its guilds

    # At first: who has the role and no vote loses it, unless Discord refuses.
    at.sandbox.fail(faults.Status(503), times=5)
    guild.refusals = 1
    at.bot.guild = guild
    at.bot.ready.set()
    await asyncio.sleep(60)
    assert guild.holders == [5, 7, regular]
    assert len(at.routes("votes/")) == 5 + 3

    # Those who vote get it within a minute, whatever top.gg fails at.
    at.sandbox.vote(fan)
    await asyncio.sleep(61)
    assert guild.holders == [5, 7, fan, regular]
    at.sandbox.vote(lapsed)
    with at.sandbox.fail(faults.Status(503)) as failing:
        await asyncio.sleep(120)
    assert failing.count > 4
    await asyncio.sleep(61)
    assert guild.holders == [5, 7, fan, lapsed, regular]

    # A change that is refused costs nobody else theirs.
    guild.refusals = 1
    for id in crowd:
        at.sandbox.vote(id)
    await asyncio.sleep(61)
    assert guild.holders == [5, 7, fan, lapsed, regular, *crowd[1:]]

    # All of them lose it when their vote is 12 hours old.
    await pass_by(3000)
    assert guild.holders == [5, 7, fan, lapsed, regular, *crowd[1:]]
    await asyncio.sleep(300)
    assert guild.holders == [5, fan, lapsed, *crowd[1:]]
    at.sandbox.vote(regular)
    await asyncio.sleep(61)
    await pass_by(11 * 3600 - 600)
    assert guild.holders == [5, fan, lapsed, regular, *crowd[1:]]
    await asyncio.sleep(680)
    assert guild.holders == [5, regular, *crowd[1:]]
    await asyncio.sleep(180)
    assert guild.holders == [5, regular]
    guild.members.pop(regular)  # who leaves
    at.sandbox.vote(5)
    await asyncio.sleep(61)
    await pass_by(13 * 3600)
    assert guild.holders == []
    assert len(at.routes("votes/")) == 5 + 3
    at.sandbox.fail(faults.Delay(9))
    await asyncio.sleep(61)  # a look is under way when the client closes


@cooks("streams-of-votes-1", autopost=False, votes=0)
async def votes_are_polled(at: Kitchen) -> None:
    """Two votes, and failures between them. The cursor is kept, and one poll serves both."""
    failed: list[PollFailed] = []
    at.client.events.pipe(of_type(PollFailed)).subscribe(failed.append)
    await asyncio.sleep(1)
    begun = at.names["file"].read_text()
    await asyncio.sleep(120)
    assert len(at.routes()) == 3
    at.sandbox.vote(1001)
    await asyncio.sleep(61)
    with at.sandbox.fail(faults.Status(503)):
        await asyncio.sleep(600)
    with at.sandbox.fail(faults.Reset()):
        await asyncio.sleep(600)
    at.sandbox.vote(1002)
    await asyncio.sleep(600)
    assert len(failed) > 4
    for cursor, unread in ((begun, [1001, 1002]), (at.names["file"].read_text(), [])):
        votes = await at.client.project.votes(cursor=cursor)
        assert [vote.platform_id for vote in votes] == unread


@cooks("streams-of-votes-2", autopost=False, votes=0)
async def votes_are_events(at: Kitchen) -> None:
    """A vote is on the events, and the bot hears of it."""
    heard: list[VoteEvent] = []
    at.client.events.pipe(of_type(VoteEvent)).subscribe(heard.append)
    await asyncio.sleep(1)
    at.sandbox.vote(1001)
    await asyncio.sleep(61)
    assert [event.vote.platform_id for event in heard] == [1001]
    assert at.bot.heard == [(event.vote,) for event in heard]


@cooks("streams-of-votes-3", autopost=False)
async def hours_pass(at: Kitchen) -> None:
    """Five more votes in two more hours."""
    await asyncio.sleep(1800)
    for id in (1001, 1002, 1003):
        at.sandbox.vote(id)
    await asyncio.sleep(3600)
    for id in (1004, 1005):
        at.sandbox.vote(id)
    await asyncio.sleep(1860)


def test_the_recipes_ask_discord_for_what_it_has() -> None:
    """What the recipes' bot offers in these tests is what discord.py offers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # discord.py's are not ours
        discord = pytest.importorskip("discord")
    used = {name for block in RECIPES.values() for name in re.findall(r"\.(\w+)", block.text)}
    for ours, theirs in (
        (Bot, discord.Client),
        (Guild, discord.Guild),
        (Role, discord.Role),
        (Member, discord.Member),
    ):
        for name in used & vars(ours).keys() - vars(StandaloneBot).keys():
            assert hasattr(theirs, name), f"{theirs}.{name}"


@pytest.mark.parametrize("block", RECIPES.values(), ids=lambda block: block.id)
def test_a_recipe_does_what_it_says(
    block: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In virtual time: what is printed, what survives failures, and that it ends with the client.

    Of failures only warnings are logged, and no request comes that top.gg would refuse.
    """
    assert block.wanted <= HIDDEN
    scenario, options = SCENARIOS[block.id]
    with chdir(tmp_path), printed() as lines:
        within_patience(lambda: run_virtual(cook(block, scenario, **options)))
    assert lines() == block.stated
    gc.collect()
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


# --- deliveries ----------------------------------------------------------------------------------


class Office(NamedTuple):
    """What an example runs in that is about deliveries: a top.gg that sends them, in real time."""

    sandbox: Sandbox
    bot: Bot
    client: Any
    names: dict[str, Any]  # of the example
    receptions: list[VoteReceiver]
    lines: Callable[[], list[str]]


Post = Callable[[Office], AsyncGenerator[None, None]]
POSTS: dict[str, Post] = {}
SECRET = "whs_0123456789abcdef"


def sends(id: str) -> Callable[[Post], Post]:
    """Marks what is to happen before an example runs, up to its `yield`, and afterwards."""

    def mark(post: Post) -> Post:
        POSTS[id] = post
        return post

    return mark


async def deliver(block: Block, post: Post, lines: Callable[[], list[str]]) -> None:
    """Runs an example and what is to happen; then the client closes, and nothing may be left."""
    receptions: list[VoteReceiver] = []
    receive_votes = rx_toppy.receive_votes

    async def receive(*args: Any, **options: Any) -> VoteReceiver:
        receptions.append(await receive_votes(*args, **{"port": 0} | options))
        return receptions[-1]

    async with (
        asyncio.timeout(PATIENCE),
        Sandbox(seed=1, bots=20, votes=0, votes_per_minute=0) as sandbox,
    ):
        bot = Bot(sandbox)
        async with rx_toppy.TopGG(
            bot, token=sandbox.token, base_url=sandbox.base_url, autopost=False
        ) as client:
            given = {"bot": bot, "client": client, "sandbox": sandbox, "SECRET": SECRET}
            office = Office(sandbox, bot, client, {}, receptions, lines)
            office.names.update({name: given[name] for name in block.wanted})
            happening = post(office)
            await anext(happening)
            free = functools.partial(rx_toppy.VoteWebhook, port=0)
            with (
                patch.object(rx_toppy, "receive_votes", receive),
                patch.object(rx_toppy, "VoteWebhook", free),
            ):
                running = eval(block.code, office.names)
                if running is not None:
                    await running
                await anext(happening, None)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@sends("votes-that-are-never-lost-1")
async def a_vote_comes_twice(at: Office) -> AsyncGenerator[None, None]:
    """The bot starts, somebody votes, and the history brings the same and one more."""
    yield
    await at.bot.setup_hook()  # type: ignore[attr-defined]
    (reception,) = at.receptions
    assert reception.webhook is not None
    endpoint = at.sandbox.send_to(f"http://127.0.0.1:{reception.webhook.port}/votes", secret=SECRET)
    at.sandbox.vote(1001)
    await endpoint.wait_idle()
    assert endpoint.delivered == 1
    await told(at.lines, 1)
    assert [vote.voter_id for vote in await reception.inbox.votes()] == [1001]
    assert at.bot.heard
    await at.client.close()
    assert reception.history is not None
    assert reception.history.is_over
    with pytest.raises(rx_toppy.InboxError):
        await reception.inbox.add(Vote(platform_id=1))


@sends("votes-that-are-never-lost-2")
async def votes_are_handled_again(at: Office) -> AsyncGenerator[None, None]:
    """A vote of v0 of which the history tells more, one that fails midway, one of the next day."""
    yield
    reward, database = at.names["reward"], at.names["db"]
    noon = datetime(2026, 4, 1, 12, tzinfo=UTC)
    arrived = Vote(platform_id=5, received_at=noon + timedelta(minutes=34))
    known = Vote(platform_id=5, created_at=noon, received_at=arrived.received_at)
    tomorrow = Vote(platform_id=5, created_at=noon + timedelta(hours=12))
    for vote in (arrived, arrived, known, tomorrow, Vote(platform_id=6, created_at=noon)):
        await reward(vote)
    database.execute("ALTER TABLE coins RENAME TO gone")
    late = Vote(platform_id=5, created_at=noon + timedelta(hours=24))
    with pytest.raises(sqlite3.OperationalError):
        await reward(late)
    database.execute("ALTER TABLE gone RENAME TO coins")
    await reward(late)
    assert database.execute("SELECT * FROM coins").fetchall() == [(5, 30), (6, 10)]
    database.close()


@sends("the-webhook-by-itself-1")
async def the_sandbox_sends_votes(at: Office) -> AsyncGenerator[None, None]:
    """Which the bot hears of as well, once."""
    heard: list[Vote] = []
    at.client.events.pipe(of_type(VoteEvent)).subscribe(lambda event: heard.append(event.vote))
    yield
    assert at.names["endpoint"].delivered == 3
    assert [vote.is_test for vote in heard] == [True, False]
    assert [vote for (vote,) in at.bot.heard] == heard


@sends("the-inbox-by-itself-1")
async def a_dead_letter_is_tried_again(at: Office) -> AsyncGenerator[None, None]:
    """A database that was down is up again."""
    is_up = False
    done: list[Any] = []

    async def reward(vote: Vote) -> None:
        if not is_up:
            raise ConnectionError("the database is down")

    async with VoteInbox("votes.db") as inbox:
        with patch.object(processing, "FIRST_PAUSE", 0.001):
            await inbox.add(Vote(platform_id=1001))
            inbox.process(reward).subscribe(done.append)
            while not await inbox.dead_letters():
                await asyncio.sleep(0.01)
            yield
        is_up = True
        while done[-1].status != "done":
            await asyncio.sleep(0.01)
        assert await inbox.dead_letters() == []
    await at.client.close()
    with pytest.raises(rx_toppy.InboxError):
        await at.names["inbox"].add(Vote(platform_id=1))


@pytest.mark.parametrize("block", RECEIVERS.values(), ids=lambda block: block.id)
def test_an_example_of_deliveries_does_what_it_says(
    block: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is printed, what is asked of it, and that it ends with the client."""
    assert block.wanted <= HIDDEN
    caplog.set_level(logging.CRITICAL, "rx_toppy.votes")  # of handlers that raise on purpose

    def run_it() -> None:
        asyncio.run(deliver(block, POSTS[block.id], lines), debug=True)

    with chdir(tmp_path), printed() as lines:
        within_patience(run_it)
    assert lines() == block.stated
    gc.collect()
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


@sends("from-one-process-to-many-2")
async def a_vote_is_delivered(at: Office) -> AsyncGenerator[None, None]:
    """To whichever process."""
    yield
    (reception,) = at.receptions
    assert reception.webhook is not None
    endpoint = at.sandbox.send_to(f"http://127.0.0.1:{reception.webhook.port}/votes", secret=SECRET)
    at.sandbox.vote(1001)
    await endpoint.wait_idle()
    await told(at.lines, 1)
    await at.client.close()
    with pytest.raises(rx_toppy.InboxError):
        await at.names["inbox"].add(Vote(platform_id=1))


@pytest.mark.parametrize("block", CLUSTERED, ids=lambda block: block.id)
async def test_an_example_of_clusters_does_what_it_says(
    block: Block, world: Sandbox, tmp_path: Path
) -> None:
    """With a Redis that is there."""
    require(PROGRAM, "redis-server")
    assert block.wanted <= HIDDEN
    async with RedisServer(tmp_path) as redis:
        block = block._replace(text=block.text.replace(REDIS, redis.url))
        with printed() as lines:
            if block.id in POSTS:
                await deliver(block, POSTS[block.id], lines)
            else:
                await run_alone(block, world)
    assert lines() == block.stated


# --- the commands --------------------------------------------------------------------------------


def test_the_two_commands_stand_there_word_for_word() -> None:
    """Each in a block of its own, and before all else."""
    assert [block.text for block in BLOCKS if block.language == "sh"] == COMMANDS
    assert [block.language for block in BLOCKS[:2]] == ["sh", "sh"]


def test_the_commands_have_what_they_need() -> None:
    """The extras and the script exist, and the extra for development brings pytest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cli", "dev"} <= set(project["optional-dependencies"])
    assert any(need.startswith("pytest") for need in project["optional-dependencies"]["dev"])
    assert "rx-toppy" in project["scripts"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in README


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_demo_prints_what_is_shown() -> None:
    """Line by line, but for the numbers and how wide they are."""
    (shown,) = [block.text for block in BLOCKS if block.language == "text"]
    command = [sys.executable, "-m", "rx_toppy", "demo"]

    def shapes(text: str) -> set[str]:
        return set(re.sub(r" *(\d[\d,.:]*\d|\d)", " 0", text).splitlines())

    wanted = shapes(shown)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as demo:
        assert demo.stdout is not None
        try:
            while wanted:
                line = demo.stdout.readline()
                assert line, wanted
                wanted -= shapes(line)
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=PATIENCE)
        finally:
            demo.kill()
    assert demo.returncode == 0


# --- the tables ----------------------------------------------------------------------------------


def as_shown(name: str, function: Callable[..., Any]) -> str:
    """A function with its arguments and their defaults, as the tables have it."""
    signature = inspect.signature(function)
    arguments = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "scheduler")
    ]
    given = signature.replace(parameters=arguments, return_annotation=signature.empty)
    return f"{name}{given}".replace("'", '"')


@pytest.mark.parametrize(
    ("heading", "owner", "kinds"),
    [
        ("call", rx_toppy.TopGG, ("Call[", "Paged[")),
        ("v1 call", ProjectAPI, ("Call[", "Paged[")),
        ("poll", rx_toppy.TopGG, ("Poll[",)),
    ],
)
def test_every_call_stands_in_its_table_with_its_arguments(
    heading: str, owner: type, kinds: tuple[str, ...]
) -> None:
    """What gives an observable is a call: its arguments, their defaults and what it emits."""
    rows = {names_in(row[0])[0].partition("(")[0]: row for row in table(heading)}
    calls: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    for name, value in vars(owner).items():
        if name.startswith("_") or not inspect.isfunction(value):
            continue
        if str(inspect.signature(value).return_annotation).startswith(kinds):
            if name == value.__name__:
                calls[name] = value
            else:
                aliases[name] = value.__name__
    assert set(rows) == set(calls)
    for name, value in calls.items():
        assert names_in(rows[name][0]) == [as_shown(name, value)]
        emitted = inspect.signature(value).return_annotation.partition("[")[2].removesuffix("]")
        if emitted != "T":
            assert set(emitted.split(" | ")) <= set(names_in(rows[name][1]))
    for alias, name in aliases.items():
        assert alias in names_in(rows[name][2])


def test_every_call_of_an_inbox_stands_in_the_table_with_its_arguments() -> None:
    """All that it can be asked for but its end, and what that gives."""
    rows = {names_in(row[0])[0]: names_in(row[1])[0] for row in table("inbox call")}
    shown = {}
    for name, value in vars(Inbox).items():
        if not name.startswith("_") and inspect.isfunction(value) and name != "close":
            annotation = str(inspect.signature(value).return_annotation)
            for wrapper in ("Poll[", "Paged[", "Call["):
                if annotation.startswith(wrapper):
                    annotation = annotation.removeprefix(wrapper).removesuffix("]")
            shown[as_shown(name, value)] = annotation
    assert rows == shown


def test_every_operator_on_votes_stands_in_the_table_with_its_arguments() -> None:
    """All operators of `rx_toppy.votes`, and what they emit."""
    rows = {names_in(row[0])[0]: set(names_in(row[1])) for row in table("operator")}
    functions = {name: getattr(rx_toppy.votes, name) for name in rx_toppy.votes.__all__}
    shown = {}
    for name, value in functions.items():
        if inspect.isfunction(value) and not inspect.iscoroutinefunction(value):
            annotation = inspect.signature(value).return_annotation.removeprefix("Operator[")
            emitted = re.findall(r"\w+", annotation.rpartition("Observable[")[2])
            shown[as_shown(name, value)] = set(emitted)
    assert rows == shown


def test_every_option_stands_in_the_table_with_its_default() -> None:
    """All that `TopGG` takes but the bot and the token."""
    parameters = inspect.signature(rx_toppy.TopGG).parameters
    options = {
        name: "DEFAULT_RATE_LIMITS" if name == "rate_limits" else parameter.default
        for name, parameter in parameters.items()
        if name not in ("bot", "token")
    }
    rows = {names_in(row[0])[0]: names_in(row[1])[0] for row in table("option")}
    assert {
        name: value if name == "rate_limits" else ast.literal_eval(value)
        for name, value in rows.items()
    } == options
    assert parameters["rate_limits"].default is rx_toppy.DEFAULT_RATE_LIMITS


def test_every_event_stands_in_the_table_with_its_fields() -> None:
    """The fields in their order; `at`, which all have, is told below the table."""
    rows = {names_in(row[0])[0]: names_in(row[1]) for row in table("event")}
    assert rows == {
        kind.__name__: [field.name for field in msgspec.structs.fields(kind) if field.name != "at"]
        for kind in events.Event.__subclasses__()
        if kind.__module__ == events.__name__
    }
    assert set(rows) <= set(rx_toppy.__all__)


def test_the_bot_hears_of_events_as_the_table_says() -> None:
    """Each event reaches a bot's listeners under the name and with the arguments in the table."""
    values: dict[str, Any] = {
        "method": "GET",
        "url": "https://top.gg/api/weekend",
        "route": "/weekend",
        "status": 200,
        "elapsed": 0.1,
        "attempt": 1,
        "error": None,
        "retry_in": 1.0,
        "stats": BotStatsPayload(5),
        "vote": Vote(platform_id=5),
    }
    heard: list[str] = []

    def dispatch(event: str, *args: object, **kwargs: object) -> None:
        given = ["vote" if arg == values["vote"] else "stats" for arg in args]
        if kwargs:
            given.append("*, " + ", ".join(sorted(kwargs, reverse=True)))
        stats = {"server_count": 5, "shards": [], "shard_count": 1}
        assert all(arg in (stats, values["vote"]) for arg in args)
        heard.append(f"on_{event}({', '.join(given)})")

    bot = SimpleNamespace(user=SimpleNamespace(id=1), dispatch=dispatch, can_count=False)
    client = rx_toppy.TopGG(bot, token="unused")
    for name, fields, _, listener in ([*row, ""][:4] for row in table("event")):
        heard.clear()
        kind = getattr(rx_toppy, names_in(name)[0])
        client.events.on_next(kind(**{field: values[field] for field in names_in(fields)}))
        assert heard == names_in(listener)


def test_every_error_stands_in_the_table() -> None:
    """All of `rx_toppy.errors`, and no others."""
    rows = [names_in(row[0])[0] for row in table("error")]
    assert sorted(rows) == sorted(errors.__all__)
    assert all(issubclass(getattr(rx_toppy, name), ToppyError) for name in rows)


# --- the text ------------------------------------------------------------------------------------


def test_the_names_in_the_text_exist() -> None:
    """`client.something` and `rx_toppy.Something` in the text are attributes of these."""
    owners = {
        "client": rx_toppy.TopGG(StandaloneBot(1), token="unused", autopost=False),
        "rx_toppy": rx_toppy,
        "sandbox": Sandbox(bots=1),
        "widgets": widgets,
    }
    found = re.findall(rf"`(?:await |help\(|async .* in )?({'|'.join(owners)})((?:\.\w+)+)", README)
    assert {owner for owner, _ in found} == owners.keys()
    for owner, path in found:
        attrgetter(path.removeprefix("."))(owners[owner])


def test_the_readme_is_no_advertisement() -> None:
    """No badges, no links that lead away, and the files that it names exist."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert "![" not in prose
    assert "](" not in prose
    assert set(re.findall(r"https?://[\w./]+", prose)) <= {"https://top.gg/api"}
    for path in re.findall(r"`([\w/]+\.ipynb)`|`(LICENSE)`", README):
        assert (ROOT / "".join(path)).exists()
