"""One accepted connection: requests come out of it, any bytes at all can be put into it."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl

HOST = "127.0.0.1"
PREFIX = "/api"


class ClientGoneError(Exception):
    """The other side of the connection is no longer there."""


class MalformedRequestError(Exception):
    """What came over the wire was not an HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    """The request target, byte for byte."""
    path: str
    """The target's path below /api (still percent-encoded); "/../x" for a target /x outside it."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case; values of a repeated header are joined with a comma."""
    body: bytes
    at: float
    """`loop.time()` when the last byte of the request had arrived."""
    connection: int
    """The how manyth connection it came by, counted from 1."""


class Wire:
    """What the server and its replies can do with one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.number = number
        self.drop_next = False
        """Drop the connection when another request has come by it."""
        self.unanswered = 0
        self._receiving = False
        self._reader = reader
        self._writer = writer

    @property
    def busy(self) -> bool:
        """Whether a request has begun to arrive that is not yet dealt with."""
        return self._receiving or self.unanswered > 0

    @property
    def closed(self) -> bool:
        """Whether this side has ended the connection (or noticed that it is broken)."""
        return self._writer.is_closing()

    async def read(self) -> Seen | None:
        """The next request, or None when the client has gone, be it halfway through one."""
        try:
            first = await self._reader.read(1)
            self._receiving = bool(first)
            return await self._read_rest(first) if first else None
        except (asyncio.IncompleteReadError, OSError):
            return None
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise MalformedRequestError(f"not an HTTP request: {error}") from error
        finally:
            self._receiving = False

    async def send(self, data: bytes) -> None:
        """Put bytes on the wire, as they are."""
        if self.closed:  # writing on would only make asyncio log about it
            raise ClientGoneError
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise ClientGoneError from error

    def close(self) -> None:
        """End with a FIN, after what was sent."""
        self._writer.close()

    def reset(self) -> None:
        """End with a RST."""
        reset(self._writer)

    def abort(self) -> None:
        """End at once, without waiting for a client that does not read."""
        self._writer.transport.abort()

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        await end(self._writer)

    async def _read_rest(self, first: bytes) -> Seen:
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head[:-4].split("\r\n")
        method, target, version = request_line.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(request_line)
        headers = _headers(lines)
        body = await self._body(headers)
        path, _, query = target.partition("?")
        return Seen(
            method=method,
            target=target,
            path=_below_prefix(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=body,
            at=asyncio.get_running_loop().time(),
            connection=self.number,
        )

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunked_body()
        return await self._reader.readexactly(int(headers.get("content-length", "0")))

    async def _chunked_body(self) -> bytes:
        chunks = []
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            chunks.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(chunks)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _below_prefix(path: str) -> str:
    if path == PREFIX or path.startswith(f"{PREFIX}/"):
        return path.removeprefix(PREFIX)
    return f"/..{path}"


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST, which is what closing without lingering comes to."""
    sock: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):  # the other side may have been quicker
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def end(writer: asyncio.StreamWriter) -> None:
    """Wait until a connection that is being closed is closed, however it ends."""
    # A cancelled wait_closed() would leave the writer with nothing to wait for ever after.
    await asyncio.shield(_closed(writer))


async def _closed(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await writer.wait_closed()


async def stop_listening(listener: asyncio.Server) -> None:
    """Accept no more connections; those that asyncio is just accepting come through first.

    Closing at once would leave these half-made, and nobody to close them.
    """
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # a proactor has no readers
        for sock in listener.sockets:
            loop.remove_reader(sock.fileno())
    for _ in range(4):  # turns of the loop from accepting to the callback, and one to spare
        await asyncio.sleep(0)
    listener.close()
