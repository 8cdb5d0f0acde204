"""What a soak's requests go through, and how often they arrived within how short a time."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable

from rx_toppy import RateLimit
from rx_toppy.sandbox import RecordedRequest
from tests.standin import violations

from .proxy import FaultLink, FaultProxy
from .weather import Fate

__all__ = ["Arrivals", "SoakProxy", "accepted"]

AGAIN = "sent-again"

# The limiter believes that what was given up arrives within a second of leaving. A loop that stands
# still for longer than this may make it later, and what arrives about that time proves nothing.
STANDSTILL = 0.15
AFTERMATH = 2.0
TICK = 0.05

# Of a long answer only so many bytes drip, as each is a turn of the loop; the rest comes in pieces.
DRIPS = 400
PIECE = 4_000


async def accepted() -> None:
    """Waits until all connections that were begun have been accepted.

    Who is accepted just when a listener closes is lost by asyncio, with a ResourceWarning.
    """
    for _ in range(20):  # turns of the loop, however long each may take
        await asyncio.sleep(0.005)


class SoakProxy(FaultProxy):
    """A fault proxy whose server may be exchanged, and who marks what it sends again."""

    def lead_to(self, port: int) -> None:
        """From now on new connections are made to this port."""
        self._target_port = port

    def link(self, reader: StreamReader, writer: StreamWriter) -> SoakLink:
        """A link that marks what it sends again."""
        return SoakLink(self.weather, reader, writer)


class SoakLink(FaultLink):
    """As its base, but no client is blamed for what it has not sent, or has given up long ago."""

    async def _write(self, writer: StreamWriter, data: bytes) -> None:
        self._check_client()
        if self._fate is not Fate.DRIPS:
            await super()._write(writer, data)
            return
        rest = range(DRIPS, len(data), PIECE)
        for drop in (
            *(data[i : i + 1] for i in range(min(DRIPS, len(data)))),
            *(data[i : i + PIECE] for i in rest),
        ):
            self._check_client()
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0)

    def _check_client(self) -> None:
        """Ends the link where its client has left: what was given up arrives soon, or never."""
        if self._from_client.at_eof() or self._from_client.exception() is not None:
            raise ConnectionAbortedError("the client has left")

    async def _send_again(self) -> None:
        method, target, rest = self._request.split(b" ", 2)
        target += (b"&" if b"?" in target else b"?") + AGAIN.encode()
        self._request = b" ".join((method, target, rest))
        await super()._send_again()


class Arrivals:
    """When requests came to the server, but for those that the network has doubled.

    Args:
        limits: What the clients were told to keep to.
        clock: The server's, in seconds.
    """

    def __init__(self, limits: tuple[RateLimit, ...], clock: Callable[[], float]) -> None:
        self.refused = 0
        self.total = 0
        self.slowest = 0.0
        self.limits = limits
        self._clock = clock
        self._times: dict[RateLimit, list[float]] = {limit: [] for limit in limits}
        self._standstills: list[float] = []

    def note(self, seen: RecordedRequest) -> None:
        """A request has come."""
        self.total += 1
        self.refused += seen.status == 429
        if AGAIN in seen.query:
            return
        for limit in self.limits:
            if seen.path.removeprefix("/api").startswith(limit.prefix):
                self._times[limit].append(seen.at.timestamp())

    async def watch(self) -> None:
        """Notes when the loop stands still, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            late = loop.time() - due
            self.slowest = max(self.slowest, late)
            if late > STANDSTILL:
                self._standstills.append(self._clock())

    def broken(self) -> list[str]:
        """Which limits were broken, and how; what has come so far is forgotten."""
        told = []
        for limit, times in self._times.items():
            per = float(limit.per)  # type: ignore[arg-type]
            for start, count in violations(times, limit.calls, per):
                if not any(start - AFTERMATH < at < start + per + 1 for at in self._standstills):
                    told.append(f"{count} arrivals within {per:g} s, {limit} broken")
            times.clear()
        self._standstills.clear()
        return told
