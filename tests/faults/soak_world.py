"""What a soak happens in: a sandbox behind bad weather, and the clients that outlast it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from aiohttp import web_app
from reactivex import Observable, abc

from rx_toppy import (
    Forbidden,
    InvalidRequest,
    RateLimit,
    Ratelimited,
    StandaloneBot,
    TopGG,
    ToppyError,
)
from rx_toppy.sandbox import Limit, Sandbox, faults

from .soak_complaints import Complaints
from .soak_network import Arrivals, SoakProxy, accepted
from .weather import Weather

__all__ = ["BOUND", "SECRET", "Activity", "Watch", "World", "world_of"]

T = TypeVar("T")

Activity = Callable[["World", Random], Awaitable[None]]
"""Something that is done in a world, and ends by itself."""

BOT = 264811613708746752
TOKEN = "token-of-a-soak"
SECRET = "whs_soak"

# However long a call waits for the limits, is tried again and times out: it ends within these
# seconds, or it hangs.
BOUND = 60.0

# Each client has budgets of its own, so that the two together keep to the token's.
LIMITS_V0 = (RateLimit(20, 1.0, "/bots"), RateLimit(70, 5.0, "/bots"))
LIMITS_V1 = (RateLimit(15, 0.7, "/v1"),)

# What no request of a soak deserves: they have the right token, and say what top.gg takes.
UNDESERVED = (Forbidden, InvalidRequest)


class World:
    """What activities act in.

    Attributes:
        v0: A client that posts to v0, and asks it.
        v1: A client that posts to v1, and asks it.
        sandbox: Their top.gg; another one in each phase.
        folder: For files.
        done: How many of which activities were brought to their end.
        ended: How calls ended: with a value, or which error.
        wrong: What must not happen and has, in words.
    """

    sandbox: Sandbox

    def __init__(self, weather: Weather, proxy: SoakProxy, folder: Path) -> None:
        self.weather = weather
        self.proxy = proxy
        self.folder = folder
        self.complaints = Complaints()
        self.arrivals = Arrivals((*LIMITS_V0, *LIMITS_V1), _clock)
        self.done: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.wrong = self.complaints.said
        self.longest = 0.0
        self.receptions = asyncio.Semaphore(2)
        self.voter = BOT
        self.v0 = self.client(LIMITS_V0, autopost=True, interval=0.4)
        self.v1 = self.client(LIMITS_V1, autopost=True, interval=0.5, post_to="v1")

    @property
    def clients(self) -> tuple[TopGG, TopGG]:
        """The two that are there from the beginning to the end."""
        return self.v0, self.v1

    def client(self, limits: tuple[RateLimit, ...] = (), **options: Any) -> TopGG:
        """Another client. It has to leave alone what the two have limits for."""
        quiet = {"autopost": False, "timeout": 1.5, "retries": 2, "max_wait": 1.5}
        return TopGG(
            StandaloneBot(BOT, server_count=lambda: 1_000 + self.done.total()),
            token=TOKEN,
            base_url=self.proxy.base_url,
            rate_limits=limits,
            **(quiet | options),
        )

    def took(self, error: Exception, *allowed: type[Exception]) -> None:
        """Something ended with an error: one of ours, or one that was to be expected."""
        self.ended[type(error).__name__] += 1
        is_ours = isinstance(error, ToppyError) and not isinstance(error, UNDESERVED)
        if isinstance(error, Ratelimited) and not error.internal:
            is_ours = False
        is_timeout = type(error) is Exception and error.args == ("Timeout",)  # of `ops.timeout`
        if not (is_ours or is_timeout or isinstance(error, allowed)):
            self.complaints.say("a call ended with what it must not", error)

    async def outcome(self, awaitable: Awaitable[T]) -> T | None:
        """Awaits something that ends with a value, or with an error of ours."""
        try:
            value = await awaitable
        except Exception as error:
            self.took(error)
            return None
        self.ended["a value"] += 1
        return value

    async def perform(self, activity: Activity, rng: Random) -> None:
        """Does something, and says what went wrong with it."""
        began = time.monotonic()
        name = getattr(activity, "__name__", "?")
        task = asyncio.ensure_future(activity(self, rng))
        try:
            await asyncio.wait([task], timeout=BOUND)
            if not task.done():
                self.complaints.say(
                    f"{name} hung: it did not end in {BOUND:g} s: {' > '.join(_awaits(task))}"
                )
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            self.complaints.say(f"{name} failed", error)
        self.done[name] += 1
        self.longest = max(self.longest, time.monotonic() - began)

    @asynccontextmanager
    async def phase(self, seed: object) -> AsyncIterator[None]:
        """A new top.gg, and autopost runs; at the end neither, and no connection to them."""
        doubled = [
            Limit(2 * limit.calls, limit.per, limit.prefix) for limit in self.arrivals.limits
        ]
        self.sandbox = Sandbox(
            seed=Random(f"sandbox {seed}").getrandbits(32),
            bots=200,
            bot_id=BOT,
            votes=300,
            votes_per_page=50,
            token=TOKEN,
            rate_limits=doubled,  # for what arrives twice, and is told apart by the arrivals
            votes_per_minute=90,
            latency=(0.0, 0.01),
            drop=0.01,
            clock=_clock,
            on_request=self.arrivals.note,
        )
        for fault in (
            faults.Status(503),
            faults.HtmlPage(502),
            faults.Garbage(),
            faults.TruncatedBody(),
        ):
            self.sandbox.fail(fault, rate=0.005)
        async with self.sandbox:
            self.proxy.lead_to(port_of(self.sandbox.base_url))
            watching = asyncio.create_task(self.arrivals.watch())
            for client in self.clients:
                client.autopost.restart()
            try:
                yield
            finally:
                for client in self.clients:
                    client.autopost.stop()
                await self.perform(_autopost_has_stopped, Random(0))
                watching.cancel()
                await asyncio.wait([watching])
                await self.proxy.cut_all()
                await accepted()
        del self.sandbox
        # aiohttp keeps the handlers of its last applications, and with them the sandboxes.
        web_app._cached_build_middleware.cache_clear()


class Watch(abc.ObserverBase[Any]):
    """A subscriber who notes whether it is told what it must not be told.

    Args:
        world: Where it is noted.
        allowed: What it may end with beside an error of ours.
    """

    def __init__(self, world: World, *allowed: type[Exception]) -> None:
        self.values = 0
        self._world = world
        self._allowed = allowed
        self._loop = asyncio.get_running_loop()
        self._is_over = False
        self._ended = asyncio.Event()
        self._subscription: abc.DisposableBase | None = None

    def on(self, observable: Observable[Any]) -> Watch:
        """Subscribes to it."""
        self._subscription = observable.subscribe(self)
        return self

    def on_next(self, value: Any) -> None:
        """One more."""
        self.values += 1
        if self._is_over:
            self._world.complaints.say(f"a subscriber was told {value!r} after the end")

    def on_error(self, error: Exception) -> None:
        """Over, by an error."""
        self._over()
        self._world.took(error, *self._allowed)

    def on_completed(self) -> None:
        """Over."""
        self._over()
        self._world.ended["completion"] += 1

    async def ended(self) -> None:
        """Waits for the end."""
        await self._ended.wait()

    async def leaves(self, after: float) -> None:
        """Disposes, unless it ends before that."""
        try:
            async with asyncio.timeout(after):
                await self.ended()
        except TimeoutError:
            self._world.ended["left"] += 1
        self.dispose()

    def dispose(self) -> None:
        """Leaves."""
        if self._subscription is not None:
            self._subscription.dispose()

    def _over(self) -> None:
        if self._is_over:
            self._world.complaints.say("a subscriber was told twice that it is over")
        self._is_over = True
        self._loop.call_soon_threadsafe(self._ended.set)


@asynccontextmanager
async def world_of(seed: int, rate: float, folder: Path) -> AsyncIterator[World]:
    """A world; at the end all that belongs to it is closed."""
    weather = Weather(seed, rate, delay=(0.0, 0.02))
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(SoakProxy(0, weather))
        world = World(weather, proxy, folder)
        for client in world.clients:
            client.autopost.cancel()  # the first phase begins with it
            stack.push_async_callback(client.close)
        yield world


def port_of(base_url: str) -> int:
    """The port that a URL names."""
    return int(base_url.split(":")[2].split("/")[0])


_BEGAN = time.time() - time.monotonic()


def _clock() -> float:
    """The time of day on a clock that nobody sets back."""
    return _BEGAN + time.monotonic()


def _awaits(task: asyncio.Task[Any]) -> Iterator[str]:
    """Where a task stands: what awaits what, from the outside in."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
        yield f"{getattr(waiting, '__qualname__', repr(waiting))}:{frame.f_lineno if frame else ''}"
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)


async def _autopost_has_stopped(world: World, _: Random) -> None:
    while any(client.autopost.is_running() for client in world.clients):
        await asyncio.sleep(0.02)
