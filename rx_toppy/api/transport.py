"""Sends requests on one client's loop, again where it helps, and tells of each.

What to send, when it may go, how it goes, what came back and whether to try again is its
neighbours' business: this brings them together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from random import Random
from typing import Any, TypeVar

import msgspec

from ..errors import ClientClosed, ConnectionFailed, InvalidResponse, Ratelimited, ToppyError
from ..events import EventStream, RequestEvent
from ..streams.loop import Home
from .http import HTTP
from .rate_limiter import Gate
from .rate_limits import Budget, Ticket
from .responses import failure, refuse_page, without
from .retries import pause_before_retry
from .routes import Request

T = TypeVar("T")

log = logging.getLogger("rx_toppy.api")

# How long close() waits for calls that it has told to end.
LAST_WORDS = 5.0


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
    """One client's way to top.gg: its HTTP, its gate, and what is under way.

    Args:
        home: The client's loop.
        events: Where the `RequestEvent` of each send goes.
        http: What puts requests on the wire.
        token: The token, to be left out of what is said of failures.
        base_url: What all paths are below, without a slash at the end.
        retries: How many sends may come after the first.
        gate: What every send goes through.
    """

    def __init__(
        self,
        home: Home,
        events: EventStream,
        *,
        http: HTTP,
        token: str,
        base_url: str,
        retries: int,
        gate: Gate,
    ) -> None:
        self._home = home
        self._events = events
        self._http = http
        self._token = token
        self._base_url = base_url
        self._retries = retries
        self._rng = Random()
        self._gate = gate
        self._pauses: set[asyncio.Future[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0
        self._sends = 0
        self._failed = 0
        self._idle: asyncio.Future[None] | None = None
        home.release = http.release

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
                    status, headers, body = await self._http.exchange(request, url, loop)
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
        self._http.end_all()
        self._gate.close()
        for future in self._pauses:
            if not future.done():
                future.set_exception(ClientClosed("the client was closed meanwhile"))
        if self._calls:
            self._idle = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._idle
        await self._http.close()

    def moved(self, by: float) -> None:
        """The client is on a new loop: what was kept in the old one's time goes along."""
        self._gate.move(by, asyncio.get_running_loop().time())
        self._http.forget()
        self._pauses = set()
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0

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


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
