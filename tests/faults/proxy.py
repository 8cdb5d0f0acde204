"""A proxy that does to each exchange of HTTP what a seeded chance has drawn for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.standin.proxy import CHUNK, Proxy
from tests.standin.wire import HOST, end, reset

from .weather import Fate, Weather

__all__ = ["FaultProxy"]

DRIPPING = 1_000  # bytes of a chunk that come one at a time: the head, and the beginning of a body
LAST_BYTES = 1.0  # seconds that whoever is left may take to read them


class FaultProxy(Proxy):
    """Stands between a client and a server on this machine, and fails as `weather` says.

    It knows no HTTP. An exchange begins with the first bytes from the client after those of an
    answer, so it is for clients that don't pipeline.
    """

    def __init__(self, target_port: int, weather: Weather) -> None:
        super().__init__(target_port)
        self.weather = weather

    def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> FaultLink:
        """A link with chances of its own."""
        return FaultLink(self.weather, reader, writer)

    async def go_down(self) -> None:
        """From now on connections are reset as soon as they are made; those that were, too."""
        self.weather.is_down = True
        await self.cut_all()

    def come_up(self) -> None:
        """From now on connections are taken again."""
        self.weather.is_down = False


class FaultLink:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(
        self, weather: Weather, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._weather = weather
        self._from_client = reader
        self._to_client = writer
        self._to_server: asyncio.StreamWriter | None = None
        self._fate = Fate.PASSES
        self._is_new = True
        self._request = b""
        self._port = 0

    async def run(self, port: int) -> None:
        """Hands on what comes, both ways, until something ends it."""
        self._port = port
        if self._weather.is_down:
            reset(self._to_client)
            await self.cut()
            return
        try:
            from_server, self._to_server = await asyncio.open_connection(HOST, port)
        except OSError:
            await self.cut()
            return
        ways = [
            asyncio.ensure_future(self._forth(self._to_server)),
            asyncio.ensure_future(self._back(from_server)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._finish()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await self.cut()

    async def _finish(self) -> None:
        """Ends both connections after what has been written to them."""
        for writer in filter(None, (self._to_client, self._to_server)):
            writer.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(end(writer), LAST_BYTES)

    async def cut(self) -> None:
        """Ends both connections at once."""
        for writer in filter(None, (self._to_client, self._to_server)):
            writer.transport.abort()
            await end(writer)

    async def _forth(self, to_server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await self._from_client.read(CHUNK):
                if self._is_new:
                    self._is_new, self._request = False, b""
                    self._fate = self._weather.fate()
                await self._weather.latency()
                if self._fate is Fate.LOST:
                    reset(self._to_client)
                    return
                self._request += chunk
                if self._fate is not Fate.HALF_OPEN:
                    await self._write(to_server, chunk)

    async def _back(self, from_server: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while chunk := await from_server.read(CHUNK):
                if self._fate is Fate.TWICE and not self._is_new:
                    await self._send_again()
                self._is_new = True
                await self._weather.latency()
                if self._fate is Fate.UNANSWERED:
                    reset(self._to_client)
                    return
                if self._fate is Fate.CUT:
                    await self._write(self._to_client, chunk[: len(chunk) // 2])
                    self._to_client.close()
                    await end(self._to_client)
                    return
                if self._fate is not Fate.MUTE:
                    await self._write(self._to_client, chunk)
        if self._fate in (Fate.HALF_OPEN, Fate.MUTE):
            await asyncio.Event().wait()  # nothing is heard of the server's end either

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._fate is not Fate.DRIPS:
            writer.write(data)
            await writer.drain()
            return
        for byte in data[:DRIPPING]:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)  # so that the other side finds this one by itself
        writer.write(data[DRIPPING:])
        await writer.drain()

    async def _send_again(self) -> None:
        """Sends the same bytes once more, as somebody does who has not heard the answer."""
        with suppress(OSError):
            from_server, to_server = await asyncio.open_connection(HOST, self._port)
            try:
                to_server.write(self._request)
                await from_server.read(CHUNK)
            finally:
                to_server.close()
                await end(to_server)
