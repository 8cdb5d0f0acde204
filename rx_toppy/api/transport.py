"""The I/O: sends requests on one client's loop, again where it helps, and tells of each.

Only this file knows aiohttp. What to send, when it may go, what came back and whether to try again
is decided by its neighbours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from random import Random
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH
from multidict import CIMultiDict
from yarl import URL

from ..errors import ClientClosed, ConnectionFailed, InvalidResponse, Ratelimited, ToppyError
from ..events import EventStream, RequestEvent
from ..streams.loop import Home
from .rate_limiter import Gate
from .rate_limits import Budget, Ticket
from .responses import failure, refuse_page, without
from .retries import pause_before_retry
from .routes import Request, Route
from .timeouts import Deadlines

__all__ = ["Transport", "Usage"]

T = TypeVar("T")
Answer = tuple[int, Any, bytes]

log = logging.getLogger("rx_toppy.api")

# A page of 500 bots with the longest descriptions is a tenth of this.
LARGEST_BODY = 64 * 2**20
# What matters of a body that only says what is wrong, or nothing at all.
LARGEST_REMARK = 2**16

# How long close() waits for calls that it has told to end.
LAST_WORDS = 5.0

# What aiohttp raises when a connection that had been made is no more.
DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)

# Timeouts are ours, one for each attempt: aiohttp's own would only cost time.
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class Usage(msgspec.Struct, frozen=True):
    """What a client has sent, and may send, at some moment.

    Attributes:
        sends: How many requests have been on the wire, each repetition counted.
        failed: How many of these ended with an error.
        waiting: How many calls wait for the rate limits.
        budgets: What is left of each limit.
        blocked_for: Seconds for which a 429 forbids everything, 0 where none does.
        held: Seconds for which a 429 forbids one route alone, by route.
    """

    sends: int
    failed: int
    waiting: int
    budgets: list[Budget]
    blocked_for: float
    held: dict[str, float]


class Transport:
    """One client's way to top.gg: its session, its gate, and what is under way.

    Args:
        home: The client's loop.
        events: Where the `RequestEvent` of each send goes.
        token: The token.
        base_url: What all paths are below, without a slash at the end.
        session: The user's own session, which is not closed here; None to make one when needed.
        timeout: Seconds for one attempt, from sending to the end of the body.
        retries: How many sends may come after the first.
        gate: What every send goes through.
        agent: The `User-Agent` header.
    """

    def __init__(
        self,
        home: Home,
        events: EventStream,
        *,
        token: str,
        base_url: str,
        session: aiohttp.ClientSession | None,
        timeout: float,
        retries: int,
        gate: Gate,
        agent: str,
    ) -> None:
        self._home = home
        self._events = events
        self._token = token
        self._base_url = base_url
        self._timeout = timeout
        self._retries = retries
        self._rng = Random()
        self._gate = gate
        self._deadlines = Deadlines(timeout)
        self._headers = _headers(token, agent)
        self.session = session
        self._is_own_session = session is None
        # Middlewares given to a request replace those of its session: a user's own come along.
        self._middlewares = (*(getattr(session, "_middlewares", None) or ()), _send_once)
        self._keeper: AsyncGenerator[None, None] | None = None
        self._pauses: set[asyncio.Future[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0
        self._sends = 0
        self._failed = 0
        self._idle: asyncio.Future[None] | None = None
        home.release = self.release

    @property
    def is_open(self) -> bool:
        """Whether there is a session of our own that somebody has to close."""
        return self._keeper is not None

    def usage(self) -> Usage:
        """What was sent, and what may be sent now; from any thread, and after the end too."""
        loop = self._home.loop
        now = 0.0 if loop is None else loop.time()  # without a loop nothing was sent yet
        gate = self._gate
        return Usage(
            self._sends,
            self._failed,
            gate.waiting,
            gate.budgets(now),
            gate.blocked_for(now),
            gate.held_for(now),
        )

    async def send(self, request: Request[T], *, patient: bool = False) -> T:
        """Sends a request, again where it may be and it helps, and gives what its body means.

        `patient` waits for the windows as long as it takes (for a block no longer than others).

        Raises:
            ToppyError: what became of it in the end.
            RuntimeError: the client lives on another loop.
        """
        loop = self._home.bind()
        route = request.route
        url = self._base_url + request.target
        attempt = 0
        first: float | None = None
        error: ToppyError | None = None
        self._calls += 1
        try:
            while True:
                attempt += 1
                ticket = self._gate.ask(request.path, loop.time())
                if not ticket.granted:
                    ticket = await self._granted(ticket, request, url, loop, patient=patient)
                began = ticket.started
                first = began if first is None else first
                status: int | None = None
                try:
                    status, headers, body = await self._exchange(request, url, loop)
                    value = self._read(request, url, status, headers, body)
                except ToppyError as failed:
                    error = failed
                    self._end(request, url, ticket, loop, began, attempt, status, error)
                except BaseException:
                    self._end(request, url, ticket, loop, began, attempt, status, None)
                    raise
                else:
                    self._end(request, url, ticket, loop, began, attempt, status, None)
                    return value
                if not route.repeatable:
                    raise error
                if attempt == 1 and isinstance(error, ConnectionFailed) and error.was_kept_alive:
                    # The keep-alive race: nobody has answered it; it is sent again at once, and
                    # even where `retries` is 0: the race is none of the caller's business.
                    continue
                pause = pause_before_retry(
                    error,
                    attempt=attempt,
                    retries=self._retries,
                    elapsed=loop.time() - first,
                    rng=self._rng,
                )
                if pause is None:
                    raise error
                log.debug("%s; trying again in %.1f s", error, pause)
                await self.pause(pause)
        finally:
            error = None  # its traceback has this frame: each would keep the other alive
            self._left(loop)

    async def _granted(
        self,
        ticket: Ticket,
        request: Request[Any],
        url: str,
        loop: asyncio.AbstractEventLoop,
        *,
        patient: bool,
    ) -> Ticket:
        """The ticket once it is granted; another one, if the route was forbidden meanwhile."""
        route = request.route
        while True:
            await self._gate.wait(ticket, loop, patient=patient, method=route.method, url=url)
            if not route.has_own_limit or route.path not in self._gate.held_for(loop.time()):
                return ticket
            # Another process was told 429 while this one waited for its place.
            self._gate.leave(ticket, loop)
            await self.pause(self._gate.held(route.path, loop.time(), route.method, url))
            ticket = self._gate.ask(request.path, loop.time())

    def _left(self, loop: asyncio.AbstractEventLoop) -> None:
        """A call is over; `close` may be waiting for the last one."""
        if loop is not self._home.loop:
            return  # it was under way when its loop was closed, and is being collected
        self._calls -= 1
        if self._idle is not None and self._calls == 0:
            _succeed(self._idle)

    async def send_alone(self, request: Request[T]) -> T:
        """Sends what has a limit of its own: one at a time, as soon as that limit lets it go.

        Those who have waited together don't go together: the first one's 429 is for all of them.

        Raises:
            Ratelimited: it would have to wait longer than it may.
            ToppyError: as `send` does.
        """
        route, url = request.route, self._base_url + request.target
        loop = self._home.bind()
        self._calls += 1
        try:
            async with self._one_at_a_time:
                self._home.bind()  # it may have been closed while another was sent
                while wait := self._gate.held(route.path, loop.time(), route.method, url):
                    await self.pause(wait)
                return await self.send(request)
        finally:
            self._left(loop)

    async def pause(self, seconds: float) -> None:
        """Sleeps, unless the client is closed meanwhile: then `ClientClosed`."""
        loop = self._home.bind()
        future: asyncio.Future[None] = loop.create_future()
        handle = loop.call_later(seconds, _succeed, future)
        self._pauses.add(future)
        try:
            await future
            self._home.bind()  # it may have been closed just when the time was up
        finally:
            self._pauses.discard(future)
            handle.cancel()

    async def until(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Waits for something that is not ours, unless the client is closed meanwhile."""
        try:
            loop = self._home.bind()
        except BaseException:
            waiting.close()  # else Python would say that nobody has awaited it
            raise
        over: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(waiting)
        task.add_done_callback(lambda _: _succeed(over))
        self._pauses.add(over)
        try:
            await over
        finally:
            self._pauses.discard(over)
            task.cancel()
            await asyncio.wait([task])
        task.result()

    async def close(self) -> None:
        """Ends what is under way with `ClientClosed`, hears its last words, frees the session."""
        self._deadlines.end_all()
        self._gate.close()
        for future in self._pauses:
            if not future.done():
                future.set_exception(ClientClosed("the client was closed meanwhile"))
        if self._calls:
            self._idle = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._idle
        self._deadlines.close()
        await self.release()

    async def release(self) -> None:
        """Closes the session, unless it was handed in; the next call would open another."""
        keeper, self._keeper = self._keeper, None
        if self._is_own_session:
            self.session = None
        if keeper is not None:
            await keeper.aclose()

    def moved(self, by: float) -> None:
        """The client is on a new loop: what was kept in the old one's time goes along."""
        self._gate.move(by, asyncio.get_running_loop().time())
        self._deadlines = Deadlines(self._timeout)
        self._pauses = set()
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0
        self._keeper = None
        if self._is_own_session:
            self.session = None

    async def _exchange(
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
            lost = reason = None  # type: ignore[assignment]  # as in `send`

    def _read(self, request: Request[T], url: str, status: int, headers: Any, body: bytes) -> T:
        """What an answer means: a model, or the one error that it is."""
        route = request.route
        if not 200 <= status < 300:
            raise failure(
                status,
                headers,
                body,
                method=route.method,
                url=url,
                token=self._token,
                is_v1=route.is_v1,
            )
        try:
            if route.decoder is None:
                refuse_page(body)
                return None  # type: ignore[return-value]
            return route.decoder(body)
        except ValueError as reason:
            text = without(self._token, f"top.gg sent {reason}")
        # Not from within `except`: the reason holds the body, which is too much to keep.
        raise InvalidResponse(text, status=status, method=route.method, url=url)

    def _end(
        self,
        request: Request[Any],
        url: str,
        ticket: Ticket,
        loop: asyncio.AbstractEventLoop,
        began: float,
        attempt: int,
        status: int | None,
        error: ToppyError | None,
    ) -> None:
        """A send is over: its place, what it means for others, and the event."""
        if loop is not self._home.loop:
            return  # as in `_left`
        self._sends += 1
        if error is not None:
            status = error.status
            self._failed += 1
        now = loop.time()
        if isinstance(error, Ratelimited):  # before its place is given back: nobody may go now
            if request.route.has_own_limit:
                self._gate.hold(request.route.path, now + error.retry_after)
            else:
                block = self._gate.block(error.retry_after, loop)
                log.warning(
                    "top.gg says too many requests (%s); nothing is sent for %.0f s", url, block
                )
        self._gate.end(ticket, now, loop, answered=status is not None)
        elapsed = now - began
        route = request.route
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s: %s in %.3f s", route.method, url, error or status, elapsed)
        if self._events.is_heard:
            self._events.emit(
                RequestEvent(route.method, url, route.path, status, elapsed, attempt, error)
            )

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


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
