"""The HTTP of one client: puts requests on the wire by aiohttp, and fetches the answers.

Only this file knows aiohttp.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH
from multidict import CIMultiDict
from yarl import URL

from ..errors import ClientClosed, ConnectionFailed, InvalidResponse
from ..streams.loop import Home
from .responses import without
from .routes import Request, Route
from .timeouts import Deadlines

Answer = tuple[int, Any, bytes]

# A page of 500 bots with the longest descriptions is a tenth of this.
LARGEST_BODY = 64 * 2**20
# What matters of a body that only says what is wrong, or nothing at all.
LARGEST_REMARK = 2**16

# What aiohttp raises when a connection that had been made is no more.
DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)

# Timeouts are ours, one for each attempt: aiohttp's own would only cost time.
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class HTTP:
    """A session of aiohttp's, made when it is needed, and what is under way on it.

    Args:
        home: The client's loop.
        token: The token.
        session: The user's own session, which is not closed here; None to make one when needed.
        timeout: Seconds for one attempt, from sending to the end of the body.
        agent: The `User-Agent` header.

    Attributes:
        session: The session; None before the first request, if it is not the user's own.
    """

    def __init__(
        self,
        home: Home,
        *,
        token: str,
        session: aiohttp.ClientSession | None,
        timeout: float,
        agent: str,
    ) -> None:
        self._home = home
        self._token = token
        self._timeout = timeout
        self._deadlines = Deadlines(timeout)
        self._headers = _headers(token, agent)
        self.session = session
        self._is_own_session = session is None
        # Middlewares given to a request replace those of its session: a user's own come along.
        self._middlewares = (*(getattr(session, "_middlewares", None) or ()), _send_once)
        self._keeper: AsyncGenerator[None, None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session of our own that somebody has to close."""
        return self._keeper is not None

    async def exchange(
        self, request: Request[Any], url: str, loop: asyncio.AbstractEventLoop
    ) -> Answer:
        """Puts a request on the wire: status, headers and body of the answer.

        Raises:
            ConnectionFailed: there is no answer, or not a whole one where it matters.
            ClientClosed: the client was closed meanwhile.
        """
        route = request.route
        session = self.session
        status: int | None = None
        headers: Any = None
        reason: BaseException | None = None
        made: list[socket.socket] = []
        before = _made.set(made)
        try:
            with self._deadlines.begin(loop):
                if session is None or (self._is_own_session and session.closed):
                    session = self._open()
                response = await session.request(
                    route.method,
                    URL(url, encoded=True),
                    data=request.body or None,
                    headers=self._headers[route.is_v1, bool(request.body)],
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                    timeout=NO_TIMEOUT,
                    middlewares=self._middlewares,
                )
                status, headers = response.status, response.headers
                length = headers.get(CONTENT_LENGTH)
                if length is None or len(length) > 5 or CONTENT_ENCODING in headers:
                    body = await _body(response, whole=_matters(route, status))
                else:
                    body = await response.read()
                return status, headers, body
        except TimeoutError:
            text = f"no answer within {self._timeout:g} s"
        except InvalidResponse as oversized:
            oversized.status, oversized.method, oversized.url = status, route.method, url
            raise
        except Exception as failed:
            text, reason = _explained(failed)
        finally:
            _made.reset(before)
        if self._home.closed:
            text = "the client was closed before the answer came"
            raise ClientClosed(text, method=route.method, url=url) from None
        if status is not None and not _matters(route, status):
            return status, headers, b""  # the status says it all; the body was of no interest
        try:
            text = without(self._token, text)
            lost = ConnectionFailed(text, status=status, method=route.method, url=url)
            lost.was_kept_alive = isinstance(reason, DROPPED) and not made
            raise lost from reason
        finally:
            lost = reason = None  # type: ignore[assignment]  # as in `Transport.send`

    def end_all(self) -> None:
        """End what is under way: each raises as if its time were over."""
        self._deadlines.end_all()

    async def close(self) -> None:
        """Close the session once nothing is under way any more."""
        self._deadlines.close()
        await self.release()

    async def release(self) -> None:
        """Closes the session, unless it was handed in; the next call would open another."""
        keeper, self._keeper = self._keeper, None
        if self._is_own_session:
            self.session = None
        if keeper is not None:
            await keeper.aclose()

    def forget(self) -> None:
        """Leave what belongs to a loop that has closed; the next request opens a new session."""
        self._deadlines = Deadlines(self._timeout)
        self._keeper = None
        if self._is_own_session:
            self.session = None

    def _open(self) -> aiohttp.ClientSession:
        """A session of our own, on the loop that runs."""
        # No cookies: an API client has no use for them, and a proxy's would only be carried along.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=_make_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_TIMEOUT,
        )
        self.session = session
        self._keeper = _keep(session)
        with suppress(StopIteration):
            self._keeper.__anext__().send(None)
        return session


def checked_session(session: Any) -> aiohttp.ClientSession | None:
    """A session of the user's own, or None."""
    if session is not None and not isinstance(session, aiohttp.ClientSession):
        raise TypeError(f"session takes an aiohttp.ClientSession, not {type(session).__name__}")
    return session


# The sockets that were made for the present attempt: none when a connection was at hand. (Of a
# session that was handed in nobody can tell; aiohttp takes all of its connections for old ones.)
_made: ContextVar[list[socket.socket]] = ContextVar("rx_toppy_made")


def _make_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    _made.get([]).append(made)
    return made


class _DroppedError(Exception):
    """A connection was lost, said so that aiohttp does not send the request again by itself."""


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Holds a session until it is closed, or its loop is shut down.

    `asyncio.run` closes the asynchronous generators of its loop before the loop: that is how a
    client that outlives it (a second `asyncio.run`, a new test) leaves no open socket behind.
    """
    try:
        yield
    finally:
        await session.close()
        # The transports have been told to close, and do so when the loop comes round to it.
        await asyncio.sleep(0)


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A middleware that keeps aiohttp from sending again what was lost with its connection.

    It would, once, for GET and PUT, behind the limiter's back: every send has to take a slot.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except DROPPED as error:
        raise _DroppedError from error


def _explained(error: Exception) -> tuple[str, BaseException | None]:
    """What kept an answer from coming, in words, and as a cause.

    A cause is kept only where it is known to carry neither the request's headers, and with them the
    token, nor what the server said, which may repeat it.
    """
    if isinstance(error, _DroppedError):
        return f"the connection was lost: {error.__cause__!r}", error.__cause__
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"there is no connection: {error}", error
    if isinstance(error, aiohttp.ClientResponseError):
        return f"that was no HTTP: {error.message}", None
    return f"the connection failed: {type(error).__name__}: {error}", None


def _matters(route: Route[Any], status: int) -> bool:
    """Whether all of a body is wanted: that of an error, or of a post, is a mere remark."""
    return route.decoder is not None and 200 <= status < 300


async def _body(response: aiohttp.ClientResponse, *, whole: bool) -> bytes:
    """A body of unknown or considerable length; a remark is cut where it gets too long.

    The connection of a body that was not read to its end is not used again.

    Raises:
        InvalidResponse: the whole is wanted, and it is larger than anything that makes sense.
    """
    limit = LARGEST_BODY if whole else LARGEST_REMARK
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await response.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit and whole:
                raise InvalidResponse(f"top.gg sent a body of more than {limit:,} bytes")
            if size > limit:
                break
        return b"".join(chunks)
    finally:
        response.release()


def _headers(token: str, agent: str) -> dict[tuple[bool, bool], CIMultiDict[str]]:
    """The headers of a request, by whether it goes to v1 and whether it has a body."""
    common = {"User-Agent": agent, "Accept": "application/json"}
    return {
        (is_v1, has_body): CIMultiDict(
            {"Authorization": f"Bearer {token}" if is_v1 else token}
            | common
            | ({"Content-Type": "application/json"} if has_body else {})
        )
        for is_v1 in (False, True)
        for has_body in (False, True)
    }
