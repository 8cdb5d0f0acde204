"""The line between client and sandbox: how long it takes, and whether it holds."""

from asyncio import Transport
from datetime import timedelta
from random import Random
from weakref import WeakSet

from aiohttp import web

from rx_toppy.sandbox import checks

Latency = float | timedelta | tuple[float | timedelta, float | timedelta]


class Line:
    """What the sandbox's connections are like.

    Args:
        seed: The sandbox's; latency and drops each have their own chance, made from it.
        latency: How long each answer is held back: a duration, or a pair of the shortest
            and the longest, between which it is drawn.
        drop: The rate at which a kept-alive connection ends when the next request comes.

    Raises:
        TypeError: One of these is of the wrong type.
        ValueError: One of these is out of range.
    """

    def __init__(self, seed: int, latency: Latency, drop: float) -> None:
        self._least, self._most = checks.span(latency, "latency")
        self._drop = checks.share(drop, "drop")
        self._latency_rng = Random(f"{seed} latency")
        self._drop_rng = Random(f"{seed} drop")
        self._used: WeakSet[Transport] = WeakSet()

    def lag(self) -> float:
        """Draw how many seconds the next answer is held back."""
        if self._most == self._least:
            return self._most
        return self._latency_rng.uniform(self._least, self._most)

    def drops(self, request: web.Request) -> bool:
        """Decide whether the connection ends instead of carrying this request."""
        transport = request.transport
        if not self._drop or transport is None:
            return False
        if transport not in self._used:
            self._used.add(transport)
            return False
        return self._drop_rng.random() < self._drop
