"""What the terminals of one demo have in common: a local top.gg, and places, by their Redis."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ....cluster.connection import Link, RedisAway, shown_redis_url
from ....errors import ToppyError
from ....sandbox import Sandbox
from ..pipelines import BOTS, SEED, VOTES_PER_MINUTE

if TYPE_CHECKING:
    from redis.asyncio.lock import Lock


MOST = 9  # terminals

# Seconds for which a terminal is taken to be there, and the session, without a word of any.
PRESENT = 3.0
LASTS = 15.0


class Terminal(msgspec.Struct, frozen=True):
    """What a terminal says of itself to the others.

    Attributes:
        number: Its place, from 1.
        shards: Those that it has.
        posts_since: Since when it posts for all, in seconds since 1970; None where it does not.
        hosts: Whether the local top.gg runs in it.
    """

    number: int
    shards: tuple[int, ...]
    posts_since: float | None = None
    hosts: bool = False


class Common(msgspec.Struct, frozen=True):
    """What all terminals of a session use: the local top.gg's port and token."""

    port: int
    token: str


class Session:
    """One terminal's part in a demo that runs in several, on one machine.

    The first one starts the local top.gg. Who can listen at its port has it: when that terminal
    ends, be it by SIGKILL, the port is free, and another one goes on there, with the same token.

    Args:
        url: Where the Redis is.

    Attributes:
        number: This terminal's place, from 1.
        terminals: Those that there are, this one among them, as was last heard.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._link = Link(url)
        # A machine's own: a local top.gg can't be reached from another one.
        self._key = partial("rx_toppy:{{demo:{}}}:{}".format, socket.gethostname())
        self._common: Common
        self._sandbox: Sandbox
        self._place: Lock
        self._hosts = False
        self.number = 0
        self.terminals: tuple[Terminal, ...] = ()

    @property
    def token(self) -> str:
        """The local top.gg's token."""
        return self._common.token

    @property
    def base_url(self) -> str:
        """Where the local top.gg is, whichever terminal it runs in."""
        return f"http://127.0.0.1:{self._common.port}/api"

    @property
    def bot_id(self) -> int:
        """The bot that all are processes of."""
        return self._sandbox.bot_id

    @property
    def hosts(self) -> bool:
        """Whether the local top.gg runs here."""
        return self._hosts

    async def __aenter__(self) -> Self:
        try:
            await self._join()
        except RedisAway as away:
            await self._leave()
            raise ToppyError(
                f"no Redis at {shown_redis_url(self._url)} that could be used "
                f"({str(away).rstrip('.')}): start one with "
                "`redis-server`, or say where yours is: "
                "rx-toppy demo --cluster redis://user:password@host:6379"
            ) from None
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def beat(self, me: Terminal) -> None:
        """Tells the others of this one, hears of them, and looks after what all need.

        Raises:
            ToppyError: there is no place any more for this terminal.
        """
        await self._host()
        with suppress(RedisAway):  # who uses the cluster sees that
            await self._keep_session()
            if not await self._keep(self._place):
                raise ToppyError(
                    f"terminal {self.number} was away for too long, and another one has its place "
                    "now: start this one again"
                )
            await self._tell(me)

    async def _join(self) -> None:
        found = await self._get("session")
        while found is None:
            # Whatever port is free; the first to say so has made the session.
            await self._make(Common(0, f"demo-{token_hex(16)}"))
            await self._sandbox.start()
            self._hosts = True
            self._common = Common(_port(self._sandbox.base_url), self._common.token)
            if await self._set("session", self._common, LASTS, nx=True):
                break
            await self._sandbox.close()
            self._hosts = False
            found = await self._get("session")
        else:
            await self._make(msgspec.json.decode(found, type=Common))
            await self._host()
        await self._take_place()

    async def _make(self, common: Common) -> None:
        self._common = common
        # The same seed: whoever has it, it is the same top.gg. A world takes its time, in which
        # the loop should not stand still.
        self._sandbox = await asyncio.to_thread(
            Sandbox,
            seed=SEED,
            bots=BOTS,
            votes=0,  # so that one world's voters are no news in the next one
            votes_per_minute=VOTES_PER_MINUTE,
            token=common.token,
            port=common.port,
        )

    async def _host(self) -> None:
        if not self._hosts:
            with suppress(OSError):  # another terminal has it
                await self._sandbox.start()
                self._hosts = True

    async def _take_place(self) -> None:
        from redis.asyncio.lock import Lock

        for number in range(1, MOST + 1):
            name = self._key(f"place:{number}")
            place = Lock(self._link.redis, name, timeout=PRESENT, thread_local=False)
            if await self._keep(place):
                self._place, self.number = place, number
                return
        raise ToppyError(f"there are {MOST} terminals already")

    async def _keep_session(self) -> None:
        """It is there for as long as any terminal is; a Redis may have lost it."""
        if not await self._set("session", self._common, LASTS, nx=True):
            found = await self._get("session")
            if found is not None and msgspec.json.decode(found, type=Common) != self._common:
                raise ToppyError("another demo has begun at this Redis: start this one again")
            await self._set("session", self._common, LASTS)

    async def _keep(self, place: Lock) -> bool:
        """Takes a place, or keeps it; whether it is this terminal's."""
        from redis.exceptions import LockError

        if place.local.token is not None:
            with suppress(LockError):  # it was away for longer than that lasts
                return bool(await self._link.answered(place.reacquire()))
        return bool(await self._link.answered(place.acquire(blocking=False)))

    async def _tell(self, me: Terminal) -> None:
        await self._set(f"terminal:{me.number}", me, PRESENT)
        keys = [self._key(f"terminal:{number}") for number in range(1, MOST + 1)]
        self.terminals = _terminals(await self._link.answered(self._link.redis.mget(keys)))

    async def _leave(self) -> None:
        with suppress(RedisAway):
            if self.number:
                await self._link.answered(
                    self._link.redis.delete(self._key(f"terminal:{self.number}"))
                )
                await self._release()
        await self._link.close()
        if self._hosts:
            await self._sandbox.close()

    async def _release(self) -> None:
        from redis.exceptions import LockError

        with suppress(LockError):
            await self._link.answered(self._place.release())

    async def _get(self, name: str) -> Any:
        return await self._link.answered(self._link.redis.get(self._key(name)))

    async def _set(self, name: str, value: Any, lasts: float, *, nx: bool = False) -> bool:
        setting = self._link.redis.set(
            self._key(name), msgspec.json.encode(value), px=round(lasts * 1000), nx=nx
        )
        return bool(await self._link.answered(setting))


def _terminals(told: Iterable[bytes | None]) -> tuple[Terminal, ...]:
    return tuple(msgspec.json.decode(one, type=Terminal) for one in told if one is not None)


def _port(base_url: str) -> int:
    return int(base_url.rpartition(":")[2].partition("/")[0])
