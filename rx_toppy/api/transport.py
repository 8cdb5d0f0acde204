"""The I/O: sends requests on one client's loop, when the limiter lets them go, and tells of each.

Only this file knows aiohttp. What to send, what came back and whether to try again is decided by
its pure neighbours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any, TypeVar

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ..errors import ClientClosed, ConnectionFailed, InvalidResponse, Ratelimited, ToppyError
from ..events import RequestEvent
from ..streams import Home
from .limits import Limiter, RateLimit, Ticket
from .responses import failure
from .retries import pause_before_retry
from .routes import Request

__all__ = ["Transport"]

T = TypeVar("T")

log = logging.getLogger("rx_toppy.api")

# A page of 500 bots with the longest descriptions is a tenth of this.
LARGEST_BODY = 64 * 2**20
LARGEST_BODY_OF_NO_INTEREST = 2**16

# How long close() waits for calls that it has told to end.
LAST_WORDS = 5.0

# What aiohttp raises when a connection that had been made is no more.
DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)

# Timeouts are ours, one for each attempt: aiohttp's own would only cost time.
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class Transport:
    """One client's way to top.gg: its session, its limiter, and what is under way.

    Args:
        home: The client's loop.
        tell: Where the `RequestEvent` of each send goes.
        token: The token, as `Authorization` takes it.
        base_url: What all paths are below, without a slash at the end.
        session: The user's own session, which is not closed here; None to make one when needed.
        timeout: Seconds for one attempt, from sending to the end of the body.
        retries: How many sends may come after the first.
        max_wait: Seconds that a call may be held back, None for as long as it takes.
        limits: The rate limits to keep.
        agent: The `User-Agent` header.
    """

    def __init__(
        self,
        home: Home,
        tell: Callable[[RequestEvent], None],
        *,
        token: str,
        base_url: str,
        session: aiohttp.ClientSession | None,
        timeout: float,
        retries: int,
        max_wait: float | None,
        limits: Sequence[RateLimit],
        agent: str,
    ) -> None:
        self._home = home
        self._tell = tell
        self._token = token
        self._base_url = base_url
        self._own_session = session is None
        # Middlewares given to a request replace those of its session: a user's own come along.
        handed_in = getattr(session, "_middlewares", None) or ()
        self._middlewares = (*handed_in, _send_once)
        self._timeout = timeout
        self._retries = retries
        self._max_wait = max_wait
        self._limiter = Limiter(limits)
        self._rng = Random()
        common = {"User-Agent": agent, "Accept": "application/json"}
        self._headers = {
            (is_v1, has_body): CIMultiDict(
                {"Authorization": f"Bearer {token}" if is_v1 else token}
                | common
                | ({"Content-Type": "application/json"} if has_body else {})
            )
            for is_v1 in (False, True)
            for has_body in (False, True)
        }
        self.session = session
        self._keeper: AsyncGenerator[None, None] | None = None
        self._deadlines: set[asyncio.Timeout] = set()
        self._pauses: set[asyncio.Future[None]] = set()
        self._calls = 0
        self._idle: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Whether a connection may be lying around that the server has let go of meanwhile.
        self._may_be_stale = False
        home.release = self.release

    @property
    def is_open(self) -> bool:
        """Whether there is a session of our own that somebody has to close."""
        return self._keeper is not None

    async def send(self, request: Request[T], *, patient: bool = False) -> T:
        """Sends a request, again where it may be and it helps, and gives what its body means.

        `patient` waits for the windows as long as it takes (for a block no longer than others).

        Raises:
            ToppyError: what became of it in the end.
            RuntimeError: the client lives on another loop.
        """
        loop = self._home.bind()
        self._calls += 1
        try:
            attempt = 0
            began = loop.time()
            while True:
                attempt += 1
                ticket = self._limiter.ask(request.path, loop.time())
                if not ticket.granted:
                    await self._turn(ticket, request, loop, patient=patient)
                if attempt == 1:
                    began = ticket.started
                may_be_stale = self._may_be_stale
                try:
                    return await self._attempt(request, ticket, loop, attempt)
                except ToppyError as failed:
                    error = failed
                if not request.route.repeatable:
                    raise error
                if attempt == 1 and may_be_stale and isinstance(error.__cause__, DROPPED):
                    # The keep-alive race: the server let go of an idle connection just when the
                    # request went out on it. Nobody has answered it; it is sent again at once,
                    # and even where `retries` is 0: the race is none of the caller's business.
                    self._may_be_stale = False
                    continue
                pause = pause_before_retry(
                    error,
                    attempt=attempt,
                    retries=self._retries,
                    elapsed=loop.time() - began,
                    rng=self._rng,
                )
                if pause is None:
                    raise error
                log.debug("%s; trying again in %.1f s", error, pause)
                await self.pause(pause)
        finally:
            self._calls -= 1
            if self._calls == 0 and self._idle is not None and not self._idle.done():
                self._idle.set_result(None)

    async def pause(self, seconds: float) -> None:
        """Sleeps, unless the client is closed meanwhile: then `ClientClosed`."""
        loop = self._home.bind()
        future: asyncio.Future[None] = loop.create_future()
        handle = loop.call_later(seconds, _succeed, future)
        self._pauses.add(future)
        try:
            await future
        finally:
            self._pauses.discard(future)
            handle.cancel()

    async def until(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Waits for something that is not ours, unless the client is closed meanwhile."""
        loop = self._home.bind()
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
        loop = asyncio.get_running_loop()
        for deadline in self._deadlines:
            with suppress(RuntimeError):  # it has just passed by itself
                deadline.reschedule(loop.time())
        for ticket in self._limiter.waiting():
            _fail(ticket.waiter.turn, ClientClosed("the client was closed before this was sent"))
        for future in self._pauses:
            _fail(future, ClientClosed("the client was closed before this was sent again"))
        if self._calls:
            self._idle = loop.create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._idle
        if self._timer is not None:
            self._timer.cancel()
        await self.release()

    async def release(self) -> None:
        """Closes the session, unless it was handed in; the next call would open another."""
        keeper, self._keeper = self._keeper, None
        if self._own_session:
            self.session = None
        if keeper is not None:
            await keeper.aclose()

    async def _attempt(
        self, request: Request[T], ticket: Ticket, loop: asyncio.AbstractEventLoop, attempt: int
    ) -> T:
        """One send: the model, or the one error that came of it. Either way there is an event."""
        route = request.route
        url = self._base_url + request.target
        status: int | None = None
        error: ToppyError | None = None
        began = loop.time()
        try:
            try:
                status, headers, body = await self._exchange(request, url)
            except ToppyError as failed:
                status = failed.status
                raise
            if not 200 <= status < 300:
                about: dict[str, Any] = {"method": route.method, "url": url, "token": self._token}
                raise failure(status, headers, body, **about)
            if route.decoder is None:
                return None  # type: ignore[return-value]
            try:
                return route.decoder(body)
            except ValueError as reason:
                raise InvalidResponse(
                    f"top.gg sent {reason}", status=status, method=route.method, url=url
                ) from None
        except ToppyError as failed:
            error = failed
            raise
        finally:
            now = loop.time()
            self._limiter.end(ticket, now, answered=status is not None)
            if isinstance(error, Ratelimited):
                self._block(error, now)
            if self._limiter.is_waited_for:
                self._wake(loop)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s %s: %s in %.3f s", route.method, url, status or error, now - began)
            self._tell(
                RequestEvent(route.method, url, route.path, status, now - began, attempt, error)
            )

    async def _exchange(self, request: Request[Any], url: str) -> tuple[int, Any, bytes]:
        """Puts a request on the wire: status, headers and body of the answer.

        Raises:
            ConnectionFailed: there is no answer, or not a whole one that would matter.
            ClientClosed: the client was closed meanwhile.
        """
        route = request.route
        status: int | None = None
        headers: Any = {}
        matters = route.decoder is not None
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                self._deadlines.add(deadline)
                try:
                    session = self.session
                    if session is None or (self._own_session and session.closed):
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
                    try:
                        status, headers = response.status, response.headers
                        matters = matters and 200 <= status < 300
                        body = await _body(response, LARGEST_BODY if matters else None)
                    finally:
                        response.release()
                    self._may_be_stale = True
                    return status, headers, body
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            reason: BaseException | None = None
            text = f"no answer within {self._timeout:g} s"
        except InvalidResponse as failed:
            failed.status, failed.method, failed.url = status, route.method, url
            raise
        except _DroppedError as dropped:
            reason, text = dropped.__cause__, f"the connection was lost: {dropped.__cause__!r}"
        except Exception as failed:
            # A response error carries the request's headers, and so the token: it goes no further.
            reason = None if isinstance(failed, aiohttp.ClientResponseError) else failed
            text = f"there is no connection: {type(failed).__name__}: {_plain(failed)}"
        if self._home.closed:
            raise ClientClosed(
                "the client was closed before the answer came", method=route.method, url=url
            )
        if status is not None and not matters:
            return status, headers, b""
        error = ConnectionFailed(text, status=status, method=route.method, url=url)
        raise error from reason

    def _block(self, error: Ratelimited, now: float) -> None:
        """A 429: nobody sends before it has passed, and who may not wait that long hears of it."""
        self._limiter.block(now + error.retry_after, now)
        until = self._limiter.blocked_until
        log.warning(
            "top.gg says too many requests (%s); nothing is sent for %.0f s",
            error.url,
            until - now,
        )
        for ticket in self._limiter.waiting():
            waiter: _Waiter | None = ticket.waiter
            if waiter is not None and until > waiter.longest(now):
                _fail(waiter.turn, Ratelimited(until - now, internal=True, url=waiter.url))

    async def _turn(
        self,
        ticket: Ticket,
        request: Request[Any],
        loop: asyncio.AbstractEventLoop,
        *,
        patient: bool,
    ) -> None:
        """Waits until a ticket may send.

        Raises:
            Ratelimited: that would take longer than it may; nothing was sent, its place is free.
        """
        limiter, most = self._limiter, self._max_wait
        self._wake(loop)
        if ticket.granted:
            return
        now = loop.time()
        wait = limiter.wait(ticket, now)
        blocked = limiter.blocked_until - now
        about: dict[str, Any] = {
            "method": request.route.method,
            "url": self._base_url + request.target,
        }
        if most is not None and (blocked > most or (wait > most and not patient)):
            limiter.leave(ticket)
            raise Ratelimited(wait, internal=True, **about)
        log.debug("%s waits %.1f s or more for the rate limits", request.path, wait)
        turn: asyncio.Future[None] = loop.create_future()
        ticket.waiter = _Waiter(turn, now, most, patient, about["url"])
        expiry = None
        if most is not None and not patient:
            expiry = loop.call_later(most, self._expire, ticket, loop, about)
        self._wake(loop)
        try:
            await turn
        except BaseException:
            limiter.leave(ticket)
            self._wake(loop)
            raise
        finally:
            if expiry is not None:
                expiry.cancel()

    def _expire(
        self, ticket: Ticket, loop: asyncio.AbstractEventLoop, about: dict[str, Any]
    ) -> None:
        wait = self._limiter.wait(ticket, loop.time())
        _fail(ticket.waiter.turn, Ratelimited(wait, internal=True, **about))

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets those go whose turn it is, and looks again when the next one's comes."""
        now = loop.time()
        for ticket in self._limiter.due(now):
            if ticket.waiter is not None:
                _succeed(ticket.waiter.turn)
        if self._timer is not None:
            self._timer.cancel()
        at = self._limiter.next_due(now)
        self._timer = None if at is None else loop.call_at(at, self._wake, loop)

    def _open(self) -> aiohttp.ClientSession:
        """A session of our own, on the loop that runs."""
        # No cookies: an API client has no use for them, and a proxy's would only be carried along.
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=NO_TIMEOUT)
        self.session = session
        self._keeper = _keep(session)
        with suppress(StopIteration):
            self._keeper.__anext__().send(None)
        return session

    def moved(self, by: float) -> None:
        """The client is on a new loop: what was kept in the old one's time goes along."""
        self._limiter = self._limiter.moved(by, asyncio.get_running_loop().time())
        self._timer = self._keeper = None
        self._may_be_stale = False
        if self._own_session:
            self.session = None


class _DroppedError(Exception):
    """A connection was lost, said so that aiohttp does not send the request again by itself."""


class _Waiter:
    """Somebody who waits for a turn: since when, and for how long at the most."""

    __slots__ = ("_most", "_patient", "_since", "turn", "url")

    def __init__(
        self,
        turn: asyncio.Future[None],
        since: float,
        most: float | None,
        patient: bool,
        url: str,
    ) -> None:
        self.turn = turn
        self.url = url
        self._since = since
        self._most = most
        self._patient = patient

    def longest(self, now: float) -> float:
        """Until when this one may wait for a block to pass."""
        if self._most is None:
            return float("inf")
        return (now if self._patient else self._since) + self._most


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


async def _body(response: aiohttp.ClientResponse, largest: int | None) -> bytes:
    """The whole body, of `largest` bytes at the most; None: as much as tells what is wrong.

    The connection of a body that was not read to its end is not used again.
    """
    length = response.headers.get("Content-Length", "")
    is_plain = length.isdigit() and "Content-Encoding" not in response.headers
    limit = LARGEST_BODY_OF_NO_INTEREST if largest is None else largest
    if is_plain and int(length) <= limit:
        return await response.read()
    chunks: list[bytes] = []
    room = -1 if is_plain and largest is not None else limit
    while room >= 0:
        chunk = await response.content.readany()
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        room -= len(chunk)
    if largest is None:
        return b"".join(chunks)[:limit]
    raise InvalidResponse(f"top.gg sent a body of more than {limit:,} bytes")


def _plain(error: Exception) -> str:
    """What an error says, without what a response error says of the request's headers."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}"
    return str(error)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
