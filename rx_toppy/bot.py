"""What a bot must offer, and what stands in for one.

Nothing here imports a Discord library: a bot is whatever has the attributes that are asked for, as
the clients of discord.py, py-cord, disnake and nextcord do.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec

from .api.transport import Transport
from .arguments import UserLike, count, snowflake
from .errors import ToppyError
from .models import BotStatsPayload

log = logging.getLogger("rx_toppy.bot")

Number = int | Callable[[], int]
Numbers = Sequence[int] | Callable[[], Sequence[int]]


class _Self(msgspec.Struct, frozen=True):
    """A bot's own user, as far as it is known: its id."""

    id: int


class StandaloneBot:
    """Stands in for a bot where there is no connection to Discord: notebooks, workers, tests.

    Args:
        id: The bot's id.
        server_count: How many servers it is in, or a function that says so. Left out, it is the
            sum of `shards`.
        shards: How many servers each shard has, by shard id, or a function that says so.

    The functions are called for each post, on the client's loop: they must be quick. Without
    numbers the bot can ask top.gg everything, but there is nothing that it could post.

    Raises:
        TypeError: what was given are no numbers, or a coroutine function.
        ValueError: an id or number that can't be.

    Example:
        >>> bot = StandaloneBot(264811613708746752, server_count=lambda: database.count_guilds())
        >>> async with TopGG(bot, token=token) as client: ...
    """

    def __init__(
        self, id: UserLike, server_count: Number | None = None, shards: Numbers | None = None
    ) -> None:
        self.user = _Self(snowflake(id, "id"))
        for name, given in (("server_count", server_count), ("shards", shards)):
            if inspect.iscoroutinefunction(given):
                raise TypeError(f"{name} takes a plain function, not a coroutine function")
        if server_count is not None and not callable(server_count):
            count(server_count, "server_count")
        if shards is not None and not callable(shards):
            shards = _shard_counts(shards)
        self._server_count = server_count
        self._shards = shards

    @property
    def id(self) -> int:
        """The bot's id."""
        return self.user.id

    @property
    def can_count(self) -> bool:
        """Whether there is anything that could be posted."""
        return self._server_count is not None or self._shards is not None

    def census(self) -> Census:
        """The numbers as they are now."""
        given = self._server_count() if callable(self._server_count) else self._server_count
        shards = self._shards() if callable(self._shards) else self._shards
        total = None if given is None else count(given, "server_count")
        if shards is None:
            if total is None:
                raise ToppyError(
                    "there is nothing to post: give StandaloneBot a server_count or shards"
                )
            return Census(total)
        counts = _shard_counts(shards)
        return Census(sum(counts) if total is None else total, dict(enumerate(counts)), len(counts))

    def __repr__(self) -> str:
        return f"<StandaloneBot {self.id}>"


class Census(msgspec.Struct, frozen=True):
    """How many guilds a process has, and on which shards.

    Attributes:
        server_count: Guilds in all.
        shards: Guilds by id of the shards that this process runs; None where it is unsharded.
        shard_count: Shards of the whole bot.
    """

    server_count: int
    shards: dict[int, int] | None = None
    shard_count: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether this process runs all of its bot's shards."""
        return self.shards is None or len(self.shards) >= self.shard_count

    def payload(self, *, force_shard_count: bool = False) -> BotStatsPayload:
        """As a post that tells all of it; an unsharded bot has a shard to tell of if forced to."""
        if self.shards is None:
            shards = (self.server_count,) if force_shard_count else ()
            return BotStatsPayload(self.server_count, shards)
        return BotStatsPayload(self.server_count, tuple(self.shards.values()), self.shard_count)


class Host:
    """A client's bot: who it is, whether it is there yet, how many guilds it has.

    `hosted_by` makes the client come and go with the bot. discord.py and its forks call `connect`
    and `close` through the instance, so that they can be wrapped there; nobody overrides them
    later, as they would `setup_hook`.
    """

    def __init__(self, bot: Any) -> None:
        self.bot = bot
        self._has_begun = False

    @property
    def user_id(self) -> int:
        """The bot's own id.

        Raises:
            ToppyError: it has none, as it has not logged in.
        """
        user = getattr(self.bot, "user", None)
        if user is None:
            raise ToppyError("the bot has no user yet: it has not logged in")
        try:
            return snowflake(user, "bot.user")
        except (TypeError, ValueError) as error:
            raise ToppyError(str(error)) from None

    @property
    def can_count(self) -> bool:
        """Whether there will be anything to post."""
        return getattr(self.bot, "can_count", True)

    @property
    def connects(self) -> bool:
        """Whether the bot has a connection to wait for."""
        return inspect.iscoroutinefunction(getattr(self.bot, "connect", None))

    @property
    def has_begun(self) -> bool:
        """Whether readiness can come: the bot is connected, connecting, or needs no connection."""
        return (
            not self.connects
            or self._has_begun
            or self._is_ready()
            or getattr(self.bot, "ws", None) is not None
            or bool(getattr(self.bot, "shards", None))
        )

    @property
    def is_there(self) -> bool:
        """Whether the bot can be counted now."""
        waits = getattr(self.bot, "wait_until_ready", None) is not None
        return self.can_count and (not waits or self._is_ready())

    def running_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that the bot runs on, if it has one and says so."""
        # discord.py's `loop` raises before the bot has one.
        with suppress(AttributeError, RuntimeError):
            loop = self.bot.loop
            if isinstance(loop, asyncio.AbstractEventLoop) and loop.is_running():
                return loop
        return None

    def hosted_by(
        self, on_connect: Callable[[], None], on_close: Callable[[], Awaitable[None]]
    ) -> None:
        """Calls `on_connect` when the bot begins to connect, and `on_close` before it closes."""
        bot = self.bot
        if self.connects:
            connect = bot.connect

            @functools.wraps(connect)
            async def connecting(*args: Any, **kwargs: Any) -> Any:
                self._has_begun = True
                try:
                    on_connect()
                except Exception:
                    log.exception("the client of %r could not begin with it", bot)
                return await connect(*args, **kwargs)

            bot.connect = connecting
        close = getattr(bot, "close", None)
        if inspect.iscoroutinefunction(close):

            @functools.wraps(close)
            async def closing(*args: Any, **kwargs: Any) -> Any:
                try:
                    await on_close()
                except Exception:
                    log.exception("the client of %r could not be closed", bot)
                finally:  # even if somebody loses patience and cancels this
                    closed = await close(*args, **kwargs)
                return closed

            bot.close = closing

    async def ready(self, transport: Transport) -> None:
        """Waits until the bot knows its guilds.

        Raises:
            ToppyError: it has not begun to connect, or was closed: that would never come.
        """
        wait = getattr(self.bot, "wait_until_ready", None)
        if wait is None:
            return
        is_closed = getattr(self.bot, "is_closed", None)
        if is_closed is not None and is_closed():
            raise ToppyError("the bot is closed: it has no guilds to count")
        if self._is_ready():
            return
        if not self.has_begun:
            raise ToppyError(
                "the bot has not begun to connect, so that it can't become ready: "
                "call this once it runs (on_ready is a good place)"
            )
        try:
            await transport.until(wait())
        except RuntimeError as error:
            raise ToppyError(f"the bot can't become ready: {error}") from error

    def census(self) -> Census:
        """Counts the guilds, in one pass.

        Raises:
            ToppyError: they can't be counted.
        """
        try:
            if isinstance(self.bot, StandaloneBot):
                return self.bot.census()
            return _count_guilds(self.bot)
        except ToppyError:
            raise
        except Exception as error:
            raise ToppyError(f"the servers could not be counted: {error!r}") from error

    def _is_ready(self) -> bool:
        is_ready = getattr(self.bot, "is_ready", None)
        return bool(is_ready()) if callable(is_ready) else False


def _count_guilds(bot: Any) -> Census:
    guilds = bot.guilds
    shard_count = getattr(bot, "shard_count", None)
    if shard_count is None:
        return Census(len(guilds))
    counts = Counter(map(attrgetter("shard_id"), guilds))
    shards = {shard: counts[shard] for shard in _shards_of(bot, shard_count)}
    is_whole = len(shards) >= shard_count
    return Census(len(guilds) if is_whole else sum(shards.values()), shards, shard_count)


def _shards_of(bot: Any, shard_count: int) -> Iterable[int]:
    """The shards that this process runs, in order."""
    chosen = getattr(bot, "shard_ids", None) or getattr(bot, "shards", None)
    if not chosen and getattr(bot, "shard_id", None) is not None:
        chosen = [bot.shard_id]
    return sorted(chosen) if chosen else range(shard_count)


def _shard_counts(values: Any) -> tuple[int, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"shards takes a list of numbers, not {type(values).__name__}")
    counts = tuple(count(value, "each of shards") for value in values)
    if not counts:
        raise ValueError("shards takes at least one shard's number")
    return counts


def dispatch_of(bot: Any) -> Callable[..., Any] | None:
    """How a bot's own listeners are told of events, if it has any."""
    if not callable(getattr(bot, "dispatch", None)):
        return None

    def dispatch(*args: Any, **kwargs: Any) -> None:
        # Looked up anew each time: a bot may be given another one later.
        if _can_listen(bot):
            bot.dispatch(*args, **kwargs)

    return dispatch


def _can_listen(bot: Any) -> bool:
    """Whether a bot's listeners can run: before it starts discord.py has no loop for them."""
    try:
        loop = getattr(bot, "loop", None)
    except RuntimeError:
        return False
    # In its place there is an object then that can nothing at all.
    return loop is None or hasattr(loop, "create_task")
