"""VoteWebhook: where top.gg delivers votes to.

The order of work on a delivery: who sent it (before a byte is read as anything but bytes), what it
says, whether it is safe; and only then the 2xx, after which top.gg forgets it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from hmac import HMAC
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from multidict import istr

from ..arguments import Seconds, count, seconds
from ..events import VoteEvent
from ..models import IntegrationCreated, IntegrationDeleted, IntegrationReply, Vote
from ..streams.hot import CountedStream, HotStream
from ..streams.loop import Home
from .deduplication import AROUND, Recent
from .deliveries import Refused, is_authorized, read_v0, read_v1, signed_at, signing_key
from .http_server import listen, stop_listening

if TYPE_CHECKING:
    from aiohttp import web

    from ..client import TopGG
    from .inbox import Inbox


T = TypeVar("T")

Secrets = str | Iterable[str] | None
Lookup = Callable[[str], Secrets | Awaitable[Secrets]]
Reply = IntegrationReply | str
Delivered = Vote | IntegrationCreated | IntegrationDeleted
OnIntegration = Callable[[IntegrationCreated], Reply | Awaitable[Reply]]

log = logging.getLogger("rx_toppy.votes")


def _without_bytes(record: logging.LogRecord) -> bool:
    """Takes what was sent out of what aiohttp says of requests that are no HTTP."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args = "a request that is no HTTP was refused", ()
        record.exc_info = record.exc_text = None
    return True


wire_log = logging.getLogger("rx_toppy.votes.wire")
wire_log.addFilter(_without_bytes)

LARGEST_BODY = 64 * 1024

# top.gg waits for 5 seconds. (An inbox knows that, too.)
BODY_SECONDS = 3.0
LAST_ANSWERS = 4.0

# So many deliveries in a row whose signature is right and whose time is not, and none with a right
# time between them, tell of a clock that is wrong.
ODD_TIMES = 3

SIGNATURE = istr("x-topgg-signature")
JSON = {"Content-Type": "application/json"}


class VoteWebhook:
    """Takes top.gg's deliveries of votes: v0 and v1, for bots and servers, on one endpoint.

    A delivery is answered with a 2xx only when its vote is safe: with an `inbox`, when it is on
    disk; without one, when at least one subscriber of `votes` has taken it and did not raise.
    Otherwise it is a 503, and top.gg tries again. So without an inbox, subscribe before you start.
    A delivery that comes again is answered as well, and not emitted again.

    Deliveries that can't be from top.gg get a 4xx and a reason, and nothing of them is emitted.

    Args:
        secret: v1's webhook secret (`whs_...`), or several; deliveries are signed with it.
        authorization: v0's secret: the one that you chose in the dashboard.
        host: The address to listen at: "0.0.0.0" for all of this machine's.
        port: The port, 0 for any that is free.
        path: The path of the URL.
        max_age: Seconds (or a `timedelta`) that a v1 delivery's signature may be old, or ahead.
        inbox: Where votes are kept until they are handled.
        client: Whose `events` get a `VoteEvent` for each vote, and whose bot hears `on_vote`. The
            webhook closes with it.
        on_integration: Called for each new connection of an integration; gives the URL for its
            deliveries (or an `IntegrationReply`). It may be a coroutine function.
        secrets: Looks up the secret (or secrets, or None) of a connection's deliveries, by what
            stands behind `path` in their URL, as in `/votes/112402021105124`. It may be a coroutine
            function.

    Raises:
        TypeError, ValueError: an argument can't be, or there is no secret of any kind.

    Example:
        >>> inbox = VoteInbox("votes.db")
        >>> async with VoteWebhook(secret=SECRET, inbox=inbox, client=client, host="0.0.0.0"):
        ...     await inbox.process(reward).pipe(ops.last())
    """

    def __init__(
        self,
        *,
        secret: Secrets = None,
        authorization: str | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
        path: str = "/votes",
        max_age: Seconds = 300.0,
        inbox: Inbox | None = None,
        client: TopGG | None = None,
        on_integration: OnIntegration | None = None,
        secrets: Lookup | None = None,
    ) -> None:
        self._keys = _keys(secret, "secret")
        self._authorization = _checked_authorization(authorization)
        if not self._keys and self._authorization is None and secrets is None:
            raise ValueError(
                "VoteWebhook takes a secret (v1), an authorization (v0), or both: without one, "
                "anybody could send votes"
            )
        for name, function in (("on_integration", on_integration), ("secrets", secrets)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} takes a function, not {type(function).__name__}")
        if inbox is not None and not callable(getattr(inbox, "add", None)):
            raise TypeError(f"inbox takes a VoteInbox, not {type(inbox).__name__}")
        if client is not None and not callable(getattr(client, "on_close", None)):
            raise TypeError(f"client takes a TopGG, not {type(client).__name__}")
        if not isinstance(host, str):
            raise TypeError(f"host takes an address as text, not {type(host).__name__}")
        if not host:
            raise ValueError('host takes an address; "0.0.0.0" is all of this machine\'s')
        self._host = host
        self._port = count(port, "port", most=65535)
        self._path = _checked_path(path)
        self._max_age = seconds(max_age, "max_age")
        self._inbox = inbox
        self._client = client
        self._on_integration = on_integration
        self._lookup = secrets
        self._clock: Callable[[], float] = time.time
        self._home = Home()
        self._votes: CountedStream[Vote] = CountedStream(self._home, "webhook.votes")
        self._integrations: CountedStream[IntegrationCreated | IntegrationDeleted] = CountedStream(
            self._home, "webhook.integrations"
        )
        self._recent = Recent(max(AROUND, timedelta(seconds=2 * self._max_age)))
        self._odd_times = 0
        self._told: set[str] = set()
        self._runner: web.ServerRunner | None = None
        self._listener: asyncio.Server | None = None
        self._left_client: Callable[[], None] = _nothing
        self._closing: asyncio.Future[None] | None = None

    @property
    def votes(self) -> HotStream[Vote]:
        """The votes that were delivered, each once; dashboard tests too (`vote.is_test`). Hot."""
        return self._votes

    @property
    def integrations(self) -> HotStream[IntegrationCreated | IntegrationDeleted]:
        """The connections of an integration that were made and ended. Hot."""
        return self._integrations

    @property
    def port(self) -> int:
        """The port that it listens at; before that, the one that was asked for."""
        if self._listener is not None and self._listener.sockets:
            return int(self._listener.sockets[0].getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            RuntimeError: it listens, or was closed.
            ClientClosed: its client was closed.
            OSError: the address can't be listened at.
        """
        from aiohttp import web  # here, for it takes long to load and most never need it

        if self._runner is not None:
            raise RuntimeError("this webhook listens already")
        self._open()
        self._home.bind()
        # A refused body is not waited for.
        server = web.Server(self._serve, access_log=None, lingering_time=0, logger=wire_log)
        runner = self._runner = web.ServerRunner(server, shutdown_timeout=LAST_ANSWERS)
        try:
            await runner.setup()
            self._listener = await listen(server, self._host, self._port)
        except BaseException:
            self._runner = None
            await runner.cleanup()
            raise

    def add_to(self, app: web.Application) -> None:
        """Takes deliveries in an application that there is already, at `path`; not at a port.

        It closes with the application, and with its client.

        Raises:
            RuntimeError: it was closed.
        """
        self._open()

        async def deliver(request: web.Request) -> web.Response:
            return await self._deliver(request, request.match_info.get("connection", ""))

        async def close(_: web.Application) -> None:
            await self.close()

        app.router.add_post(self._path, deliver)
        app.router.add_post(f"{self._path.rstrip('/')}/{{connection}}", deliver)
        app.on_cleanup.append(close)

    async def close(self) -> None:
        """Stops listening once the deliveries under way are answered; its streams complete.

        It may be called any number of times.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> VoteWebhook:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = f"port {self.port}" if self._runner is not None else "not listening"
        return f"<VoteWebhook {self._path}: {state}>"

    def _open(self) -> None:
        """It is about to take deliveries, for as long as its client is there."""
        if self._closing is not None:
            raise RuntimeError("this webhook was closed")
        if self._client is not None:
            self._left_client = self._client.on_close(self.close)

    async def _close(self) -> None:
        listener, self._listener = self._listener, None
        runner, self._runner = self._runner, None
        if listener is not None:
            await stop_listening(listener)
        if runner is not None:
            await runner.cleanup()
            await asyncio.sleep(0)  # connections have been told to close: they do so now
        self._home.closed = True
        self._left_client()
        self._votes.finish()
        self._integrations.finish()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """A request to the port of its own."""
        path = request.raw_path.partition("?")[0]
        connection = ""
        if path != self._path:
            base, _, tail = path.rpartition("/")
            connection = unquote(tail)
            if base != self._path.rstrip("/") or not connection:
                return _answer(404, "there is nothing here")
        if request.method != "POST":
            return _answer(405, "deliveries are POSTed", {"Allow": "POST"})
        return await self._deliver(request, connection)

    async def _deliver(self, request: web.BaseRequest, connection: str) -> web.Response:
        try:
            signature = request.headers.get(SIGNATURE)
            if signature is None and not is_authorized(
                request.headers.get(AUTHORIZATION), self._authorization
            ):
                raise Refused(401, "neither a signature nor the right Authorization")
            body = await _body(request)
            now = self._clock()
            received_at = datetime.fromtimestamp(now, UTC)
            if signature is None:
                delivered: Delivered = read_v0(body, received_at)
            else:
                keys = await self._keys_of(connection) if connection else self._keys
                self._check_age(now - signed_at(signature, body, keys))
                delivered = read_v1(body, received_at)
            if not isinstance(delivered, Vote):
                return await self._connect(delivered)
            if self._inbox is not None:
                await self._keep(self._inbox, delivered)
            else:
                self._hand_out(delivered)
            return _answer(204)
        except Refused as refused:
            level = logging.WARNING if refused.reason not in self._told else logging.DEBUG
            self._told.add(refused.reason)
            log.log(level, "a delivery was answered with %d: %s", refused.status, refused.reason)
            return _answer(refused.status, refused.reason)

    async def _keys_of(self, connection: str) -> list[HMAC]:
        """What a connection's deliveries may be signed with."""
        if self._lookup is None:
            return self._keys
        try:
            found = _keys(await _awaited(self._lookup(connection)), "secrets")
        except Exception as error:
            log.exception("secrets raised; top.gg will deliver it again")
            raise Refused(503, "the secret could not be looked up") from error
        return [*found, *self._keys]

    def _check_age(self, age: float) -> None:
        """Refuses what was signed too long ago, or will be only later."""
        if abs(age) <= self._max_age:
            self._odd_times = 0
            return
        self._odd_times += 1
        if self._odd_times == ODD_TIMES:
            log.warning(
                "the last %d deliveries were signed %.0f s %s: is this machine's clock right?",
                ODD_TIMES,
                abs(age),
                "ago" if age > 0 else "ahead",
            )
        raise Refused(401, "the signature is too old" if age > 0 else "the signature is of later")

    async def _keep(self, inbox: Inbox, vote: Vote) -> None:
        """Makes a vote safe on disk."""
        try:
            is_new = await inbox.add(vote)
        except Exception as error:
            log.exception("a vote could not be kept; top.gg will deliver it again")
            raise Refused(503, "the vote could not be kept") from error
        if is_new:
            self._votes.emit(vote)
            self._tell_client(vote)

    def _hand_out(self, vote: Vote) -> None:
        """Makes a vote safe in the hands of whoever takes it."""
        if not self._recent.has(vote):
            self._votes.emit(vote)
            if not self._votes.taken:
                raise Refused(
                    503, "nobody here takes votes: subscribe to webhook.votes, or give it an inbox"
                )
            self._recent.add(vote)
            self._tell_client(vote)

    def _tell_client(self, vote: Vote) -> None:
        if self._client is not None:
            self._client.events.on_next(VoteEvent(vote))

    async def _connect(self, told: IntegrationCreated | IntegrationDeleted) -> web.Response:
        """Takes note of a connection of an integration."""
        if isinstance(told, IntegrationCreated):
            answer = await self._welcome(told)
            self._integrations.emit(told)
            return answer
        self._integrations.emit(told)
        if not self._integrations.taken:
            raise Refused(503, "nobody here takes this: subscribe to webhook.integrations")
        return _answer(204)

    async def _welcome(self, created: IntegrationCreated) -> web.Response:
        """Answers where a new connection's deliveries go."""
        if self._on_integration is None:
            raise Refused(422, "no integrations are taken here")
        try:
            reply = await _awaited(self._on_integration(created))
            if isinstance(reply, str):
                reply = IntegrationReply(reply)
            if not isinstance(reply, IntegrationReply) or not reply.webhook_url:
                raise TypeError(f"on_integration gives a URL, not {reply!r}")
            return _answer(200, body=msgspec.json.encode(reply))
        except Exception as error:
            log.exception("on_integration failed; top.gg will ask again")
            raise Refused(503, "the integration could not be taken") from error


async def _body(request: web.BaseRequest) -> bytes:
    """The body, if it is not too large and does not take too long."""
    content = request.content
    if content.is_eof():  # as nearly always: then a timeout would cost more than reading does
        # (A middleware of the application's may have read it: then it is kept elsewhere.)
        body = content.read_nowait() or await request.read()
    elif (request.content_length or 0) > LARGEST_BODY:
        raise Refused(413, "the body is too large")
    else:
        body = await _slow_body(content)
    if len(body) > LARGEST_BODY:
        raise Refused(413, "the body is too large")
    return body


async def _slow_body(content: Any) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while size <= LARGEST_BODY and (chunk := await content.readany()):
                chunks.append(chunk)
                size += len(chunk)
    except Exception as error:
        if isinstance(error.__cause__, ContentEncodingError):
            raise Refused(400, "the body is not compressed as it says") from None
        # The network's fault and not the sender's: a 4xx would be the end of it.
        raise Refused(503, "the body did not come whole, or not in time") from error
    return b"".join(chunks)


def _nothing() -> None:
    """What leaving its client is where it has none."""


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _answer(
    status: int,
    reason: str = "",
    headers: dict[str, str] | None = None,
    *,
    body: bytes | None = None,
) -> web.Response:
    if reason:
        body = msgspec.json.encode({"error": reason})
    response = _response_class()
    if body is None:
        return response(status=status)
    return response(status=status, body=body, headers=JSON | (headers or {}))


@cache
def _response_class() -> type[web.Response]:
    from aiohttp import web

    return web.Response


def _keys(secrets: Any, name: str) -> list[HMAC]:
    """What deliveries may be signed with; what is wrong with one is said without showing it."""
    if secrets is None:
        return []
    given = [secrets] if isinstance(secrets, str) or not isinstance(secrets, Iterable) else secrets
    given = list(given) or [""]
    for secret in given:
        if not isinstance(secret, str):
            raise TypeError(f"{name} takes text, not {type(secret).__name__}")
        if not secret or secret != secret.strip():
            raise ValueError(
                f"{name} takes a secret that is not empty and has no space or line break around it "
                "(is the environment variable set?)"
            )
    return [signing_key(secret) for secret in given]


def _checked_authorization(authorization: Any) -> bytes | None:
    if authorization is None:
        return None
    _keys([authorization], "authorization")  # which says what is wrong with it, if anything
    return bytes(authorization, "utf-8")


def _checked_path(path: Any) -> str:
    if not isinstance(path, str):
        raise TypeError(f"path takes text, not {type(path).__name__}")
    is_plain = path.isascii() and path.isprintable() and not set(path) & set("?#{} ")
    if not path.startswith("/") or not is_plain:
        raise ValueError(f'path takes a URL\'s path, as in "/votes", not {path!r}')
    return path
