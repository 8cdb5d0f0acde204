"""The way to a Redis: connections, scripts, and what it means when there is no answer."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import msgspec

if TYPE_CHECKING:
    from redis.asyncio import Redis


# How long an answer of Redis's may take, in seconds; it should be there in less than a thousandth.
ANSWER = 2.0

# More milliseconds than that Redis's scripts don't write as a whole number.
LONGEST = 10**12

SCHEMES = ("redis", "rediss", "unix")


class RedisAway(Exception):
    """Redis can't be reached, or can't do what it is asked for now; the same may work later.

    Attributes:
        is_refusal: Whether it is there, and said that it can't.
        is_forbidden: Whether it said that this user may not.
    """

    is_refusal = False
    is_forbidden = False


def checked_redis_url(url: Any, what: str) -> str:
    """A URL of a Redis; an error that does not show it where it is none: it may have a password."""
    if not isinstance(url, str):
        raise TypeError(
            f"{what} takes a URL, as in redis://localhost:6379, not {type(url).__name__}"
        )
    try:
        from redis.asyncio import ConnectionPool
    except ImportError as error:
        raise ImportError(f"{what} needs the package redis: install rx_toppy[redis]") from error
    try:
        is_url = _is_place(urlsplit(url))
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)  # which connects to nothing yet
    except (ValueError, TypeError):
        is_url = False
    if not is_url:
        raise ValueError(
            f"{what} takes a URL of a Redis, as redis://localhost:6379, "
            "rediss://user:password@host/1 or unix:///run/redis.sock, with options as redis has "
            "them; what is special in a password is %-encoded"
        )
    return url


def _is_place(parts: SplitResult) -> bool:
    """Whether it says where a Redis is, in no way that could mean something else."""
    if parts.scheme == "unix":
        return bool(parts.path)
    is_database = parts.path in ("", "/") or parts.path[1:].isdigit()
    return parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0 and is_database


def shown_redis_url(url: str) -> str:
    """The URL for people to read: without a name, a password, and what comes after `?`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


class Link:
    """Connections to one Redis, made when they are needed, on the loop that runs then.

    Args:
        url: Where it is.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: Redis | None = None
        self._scripts: dict[str, Any] = {}

    @property
    def redis(self) -> Redis:
        """The client of Redis, for commands; within `answered`."""
        if self._redis is None:
            from redis.asyncio import ConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            pool = ConnectionPool.from_url(self._url)
            # Whatever the URL says about these: it is relied upon.
            pool.connection_kwargs |= {
                "decode_responses": False,
                "socket_timeout": ANSWER,
                "socket_connect_timeout": ANSWER,
                # What failed is done again where it is known to be harmless, and nowhere else.
                "retry": Retry(NoBackoff(), 0),
                "retry_on_timeout": False,
            }
            # Named, a protocol changes what redis makes of some answers.
            pool.connection_kwargs.pop("protocol", None)
            self._redis = Redis.from_pool(pool)
        return self._redis

    async def run(self, name: str, keys: list[str], *arguments: Any) -> Any:
        """Runs a script of `lua/`, which Redis does as one step.

        Args:
            name: The script's.
            keys: The keys that it touches.
            arguments: Bytes, text or numbers; anything else goes as MessagePack.

        Returns:
            What it gives, unpacked where that is MessagePack (as bytes).

        Raises:
            RedisAway: it may have run, or not.
        """
        script = self._scripts.get(name)
        if script is None:
            source = files(__package__).joinpath("lua", f"{name}.lua").read_text()
            script = self._scripts[name] = self.redis.register_script(source)
        given = [
            one if isinstance(one, (bytes, str, int, float)) else msgspec.msgpack.encode(one)
            for one in arguments
        ]
        answer = await self.answered(script(keys=keys, args=given))
        return msgspec.msgpack.decode(answer) if isinstance(answer, bytes) else answer

    async def answered(self, asking: Any) -> Any:
        """Awaits something that was asked of Redis.

        Raises:
            RedisAway: there is no answer, or Redis does not do it.
            redis.exceptions.LockError: a lock of redis's is somebody else's.
        """
        from redis.exceptions import LockError, NoPermissionError, RedisError, ResponseError

        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        failure: RedisAway | None = None
        try:
            answer = await asking
        except LockError:
            raise
        except (RedisError, OSError) as error:
            failure = RedisAway(self._explained(error))
            failure.is_refusal = isinstance(error, ResponseError)
            failure.is_forbidden = isinstance(error, NoPermissionError)
        if task is not None and task.cancelling() > before:
            # Python 3.11's `wait_for`, on which redis relies, loses a cancellation that comes
            # together with an answer; and a connection that ends just then hides it.
            raise asyncio.CancelledError
        if failure is not None:
            raise failure
        return answer

    def _explained(self, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        return text.replace(self._url, shown_redis_url(self._url))

    async def close(self) -> None:
        """Closes the connections; the next use makes new ones."""
        client, self._redis = self._redis, None
        self._scripts.clear()
        if client is not None:
            await client.aclose()

    def forget(self) -> None:
        """Lets go of connections whose loop has gone."""
        self._redis = None
        self._scripts.clear()
