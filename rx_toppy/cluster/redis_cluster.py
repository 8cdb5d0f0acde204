"""RedisCluster: what makes the clients of several processes one."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from secrets import token_hex

from ..api.rate_limits import RateLimit
from ..arguments import Seconds, seconds
from ..bot import Host
from .budget import SILENCE
from .link import Link, checked_redis_url, shown_redis_url
from .membership import Membership

__all__ = ["RedisCluster"]


class RedisCluster:
    """Makes the clients of several processes, on any machines, one: by a Redis that all reach.

    ```
    process 1 --+                        one budget: the limits hold for all sends together
    process 2 --+-- Redis -- top.gg      one total: one process posts the servers of all
    process 3 --+                        one block: what one was forbidden, none does
    ```

    *One budget.* Every send takes a place that Redis has counted, by Redis's clock, until `per`
    seconds after it ended: no window of top.gg's holds more than its limit, whichever process
    sends. Who waits gets one place in turn with the other processes. A 429 that one is told keeps
    all of them off the network.

    *One total.* Each process tells what its shards have. The one that is elected among those whose
    autopost runs posts the sum in one request, every interval. When it dies, another one posts
    within six seconds of when it is due. Two processes that tell of the same shard are not added;
    a process that has all shards, or a bot without any, tells the total.

    *Without Redis.* A process that has not heard of Redis for three seconds says so in the log and
    goes on with its share: at once with what Redis had put aside for it out of what was free, and
    when what Redis granted has left the windows, with the limit divided by the number of processes.
    So the limits hold in that time too. When Redis is back, it hears of what was sent meanwhile and
    after two seconds all is as before. Autopost waits for it. On a Redis that is empty the first
    call waits for as long: others may know what it has forgotten.

    Give each process one of these with the same Redis, and the same `rate_limits`. Bots with other
    tokens may use the same Redis. It needs the extra `redis`, and Redis 7 or Valkey.

    Args:
        url: Where the Redis is: `redis://host:6379/0`, `rediss://...` for TLS, `unix:///path`, with
            the options that redis knows (but for timeouts, which the budget relies on). Its
            password is shown nowhere.
        drop_after: Seconds (or a `timedelta`), at least 3, after which a process that is not heard
            of is taken for dead: its shards are left out of the total, and what was put aside for
            it is the others'. As long, the first total waits for shards that nobody has told of
            yet; then it is posted without them, and the log says so. (A process that is cut off
            from Redis for longer, and not replaced, may send a share beyond the limits.)

    Raises:
        TypeError, ValueError: an argument can't be.
        ImportError: the package `redis` is not installed.

    Example:
        >>> cluster = RedisCluster("redis://localhost:6379")
        >>> client = TopGG(bot, token=TOKEN, cluster=cluster)
    """

    def __init__(self, url: str, *, drop_after: Seconds = 300.0) -> None:
        self._url = checked_redis_url(url, "RedisCluster")
        self._drop_after = seconds(drop_after, "drop_after")
        if self._drop_after < SILENCE:  # one that lives is not always heard of sooner
            raise ValueError(f"drop_after takes at least {SILENCE:g} seconds, not {drop_after}")

    def join(
        self,
        host: Host,
        *,
        token: str,
        limits: Sequence[RateLimit],
        max_wait: float | None,
        timeout: float,
    ) -> Membership:
        """A client's part in the cluster. For the client."""
        # Those with one token share its limits; the token itself does not go to Redis.
        group = sha256(token.encode()).hexdigest()[:16]
        me = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        return Membership(
            Link(self._url),
            partial("rx_toppy:{{{}}}:{}".format, group),
            me,
            host,
            limits,
            max_wait=max_wait,
            timeout=timeout,
            drop_after=self._drop_after,
        )

    def __repr__(self) -> str:
        return f"<RedisCluster at {shown_redis_url(self._url)}>"
