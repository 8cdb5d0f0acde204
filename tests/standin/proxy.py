"""An unsteady network between a client and the stand-in."""

import asyncio
import random
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from .wire import HOST, PREFIX, end, reset, stop_listening

CHUNK = 1 << 16


class Proxy:
    """Hands bytes on to a port of this machine; what becomes of them on the way is its links'."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._links: dict[AnyLink, asyncio.Task[None]] = {}
        self._listener: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """What to give a client as its base URL."""
        return f"http://{HOST}:{self.port}{PREFIX}"

    def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "AnyLink":
        """What looks after a connection that has been accepted."""
        raise NotImplementedError

    async def cut_all(self) -> None:
        """End all connections at once."""
        links = dict(self._links)
        for task in links.values():
            task.cancel()
        outcomes = await asyncio.gather(*links.values(), return_exceptions=True)
        for link in links:
            await link.cut()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        await stop_listening(listener)
        try:
            await self.cut_all()
        finally:
            await listener.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = self.link(reader, writer)
        self._links[link] = asyncio.get_running_loop().create_task(self._run(link))

    async def _run(self, link: "AnyLink") -> None:
        try:
            await link.run(self._target_port)
        finally:
            del self._links[link]


class AnyLink(Protocol):
    """One client's connection, and whatever belongs to it."""

    async def run(self, port: int) -> None: ...
    async def cut(self) -> None: ...


class Jitter(Proxy):
    """Hands on each chunk towards the server after a random delay.

    What the client has sent arrives, even if it has left meanwhile, as on any network.
    `drop` is the chance that a kept-alive connection turns out to be gone when the next request
    is sent by it. In half of these cases the server has got the request all the same.
    """

    def __init__(
        self,
        target_port: int,
        rng: random.Random,
        delay: tuple[float, float] = (0.0, 0.0),
        *,
        drop: float = 0.0,
    ) -> None:
        super().__init__(target_port)
        self.dropped = 0
        """How many connections have been dropped."""
        self._rng = rng
        self._delay = delay
        self._drop = drop

    def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "Link":
        """A link that is late and drops."""
        return Link(self, reader, writer)

    async def latency(self) -> None:
        """Let the time pass that a chunk takes."""
        await asyncio.sleep(self._rng.uniform(*self._delay))

    def drops(self) -> bool:
        """Whether to drop a connection now."""
        dropping = self._rng.random() < self._drop
        self.dropped += dropping
        return dropping

    def loses(self) -> bool:
        """Whether what comes by a dropped connection is lost."""
        return self._rng.random() < 0.5


class Link:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(
        self, jitter: Jitter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._jitter = jitter
        self._from_client = reader
        self._to_client = writer
        self._to_server: asyncio.StreamWriter | None = None
        self._answered = False

    async def run(self, port: int) -> None:
        """Hand on what comes, both ways, until one side has had enough."""
        try:
            from_server, self._to_server = await asyncio.open_connection(HOST, port)
        except OSError:
            await self.cut()
            return
        back = asyncio.ensure_future(self._back(from_server))
        try:
            with suppress(OSError):
                await self._forth(self._to_server)
            self._to_server.close()  # not cut: what is under way shall arrive
            await end(self._to_server)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            await self.cut()

    async def cut(self) -> None:
        """End both connections."""
        writers = [self._to_client, *([self._to_server] if self._to_server else [])]
        for writer in writers:
            writer.transport.abort()
        for writer in writers:
            await end(writer)

    async def _forth(self, to_server: asyncio.StreamWriter) -> None:
        while chunk := await self._from_client.read(CHUNK):
            dropping = self._answered and self._jitter.drops()
            if dropping and self._jitter.loses():
                return
            self._answered = False
            await self._jitter.latency()
            to_server.write(chunk)
            await to_server.drain()
            if dropping:
                return

    async def _back(self, from_server: asyncio.StreamReader) -> None:
        try:
            while chunk := await from_server.read(CHUNK):
                self._answered = True
                self._to_client.write(chunk)
                await self._to_client.drain()
        except OSError:
            reset(self._to_client)
        else:
            self._to_client.close()
