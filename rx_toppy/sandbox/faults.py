"""What can go wrong on purpose: the faults that `Sandbox.fail` switches on.

Each is a value, to be given any number of times. A fault strikes a request that would have
been answered properly otherwise: one that has the token and that the limits let through, so
it counts in them. All but `Delay` and `TruncatedBody` take the place of the API: what was posted is
not taken.

Example:
    ::

        from rx_toppy.sandbox import Sandbox, faults

        async with Sandbox(seed=1) as sandbox:
            sandbox.fail(faults.Status(503), times=3)
            sandbox.fail(faults.Reset(), route="/bots/{id}/stats", method="POST", rate=0.2)
            with sandbox.fail(faults.HtmlPage(502)):
                ...  # every request is answered with a page of HTML
            sandbox.clear_faults()
"""

import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import formatdate
from http import HTTPStatus
from math import ceil
from typing import Literal, get_args

import msgspec
from aiohttp import web

from rx_toppy.sandbox import checks
from rx_toppy.sandbox.responses import Shortened, Unanswered, answer

__all__ = [
    "Delay",
    "Fault",
    "Garbage",
    "Hang",
    "HtmlPage",
    "Reset",
    "Shape",
    "Status",
    "TooManyRequests",
    "TruncatedBody",
]

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Pause = Callable[[float | None], Awaitable[None]]
Shape = Literal["body", "header", "both", "date", "neither"]

_JSON = "application/json; charset=utf-8"
_NO_JSON = b'{"id": "\xff\xfe\x00", "username": ]]\x1b[ }'
_NO_HTTP = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n"
_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
    "<body><h1>{title}</h1><p>The web server reported an error.</p></body></html>\n"
)
# On, and wait 0 seconds for what was not sent: close() then sends a RST, not a FIN.
_LINGER = struct.pack("ii", 1, 0)
_FRAMING = {"content-length", "transfer-encoding", "connection"}


class Fault(msgspec.Struct, frozen=True):
    """What all faults are."""

    async def strike(
        self, request: web.Request, proceed: Proceed, pause: Pause
    ) -> web.StreamResponse:
        """Deal with a request; the sandbox calls this.

        Args:
            request: What came.
            proceed: Gives the answer there would have been without this fault.
            pause: Sleeps for so many seconds, None for ever; no longer than the sandbox runs.
        """
        raise NotImplementedError


class Status(Fault, frozen=True):
    """An answer with another status.

    Args:
        code: From 200 to 599.
        body: bytes and text are sent as they are, anything else as JSON. None stands for
            `{"error": ...}` with the status in words, and for nothing below 400.
        headers: More headers; a `Content-Type` among them replaces that of JSON.

    Raises:
        TypeError: The code is no int, or the headers are no mapping of texts.
        ValueError: The code is out of range, a header can't be sent, or would contradict
            how the body is sent (that is for `TruncatedBody`).

    Example:
        ``Status(503, headers={"Retry-After": "2"})``
    """

    code: int
    body: object = None
    headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        checks.whole(self.code, "code", least=200, most=599)
        if self.headers is not None and not isinstance(self.headers, Mapping):
            raise TypeError(f"headers must be a mapping, not {self.headers!r}")
        for name, value in (self.headers or {}).items():
            checks.secret(name, "the name of a header")
            checks.secret(value, f"the header {name}")
            if name.lower() in _FRAMING:
                raise ValueError(f"the header {name} is not for a fault to say")
        self._body()  # what can't be encoded is an error here, and not at the first request

    async def strike(self, request: web.Request, proceed: Proceed, pause: Pause) -> web.Response:
        """Answer."""
        headers = {name.title(): value for name, value in (self.headers or {}).items()}
        headers = {"Content-Type": _JSON} | headers
        return web.Response(body=self._body(), status=self.code, headers=headers)

    def _body(self) -> bytes:
        if self.code in {204, 304} or (self.body is None and self.code < 400):
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return msgspec.json.encode(
            {"error": _phrase(self.code)} if self.body is None else self.body
        )


class HtmlPage(Fault, frozen=True):
    """A page of HTML, as a proxy in front of top.gg sends it; from 200 to 599."""

    status: int = 502

    def __post_init__(self) -> None:
        checks.whole(self.status, "status", least=200, most=599)

    async def strike(self, request: web.Request, proceed: Proceed, pause: Pause) -> web.Response:
        """Answer."""
        page = _PAGE.format(title=f"{self.status} {_phrase(self.status)}")
        return web.Response(text=page, status=self.status, content_type="text/html")


class TooManyRequests(Fault, frozen=True):
    """A 429, though the limits were kept; it blocks nothing, unlike that of the limits.

    Args:
        seconds: When to come back (a number or a timedelta), said in whole seconds.
        shape: Where it is said: in the `"body"`, as top.gg mostly does, in a Retry-After
            `"header"`, in `"both"`, in that header as a `"date"`, or in `"neither"`.

    Raises:
        TypeError: `seconds` is no duration.
        ValueError: It is not above 0, or there is no such shape.
    """

    seconds: float | timedelta = 3600.0
    shape: Shape = "body"

    def __post_init__(self) -> None:
        checks.seconds(self.seconds, "seconds")
        if self.shape not in get_args(Shape):
            known = ", ".join(get_args(Shape))
            raise ValueError(f"shape must be one of {known}, not {self.shape!r}")

    async def strike(self, request: web.Request, proceed: Proceed, pause: Pause) -> web.Response:
        """Answer."""
        seconds = ceil(checks.seconds(self.seconds, "seconds"))
        said = self.shape in {"body", "both"}
        response = answer({"retry-after": seconds} if said else {}, status=429)
        if self.shape in {"header", "both"}:
            response.headers["Retry-After"] = str(seconds)
        elif self.shape == "date":
            # Rounded up, so that it is never too early.
            response.headers["Retry-After"] = formatdate(ceil(time.time() + seconds), usegmt=True)
        return response


class Garbage(Fault, frozen=True):
    """A 200 that says it is JSON, with a body that is none.

    Args:
        http: False sends bytes that are not even HTTP, and ends the connection.
    """

    http: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.http, bool):
            raise TypeError(f"http must be True or False, not {self.http!r}")

    async def strike(
        self, request: web.Request, proceed: Proceed, pause: Pause
    ) -> web.StreamResponse:
        """Answer with nonsense."""
        if self.http:
            return web.Response(body=_NO_JSON, headers={"Content-Type": _JSON})
        return Unanswered(_send_nonsense)


class TruncatedBody(Fault, frozen=True):
    """The proper answer, but its body breaks off: the connection ends before all has come.

    The request is dealt with as ever, so what was posted is taken.

    Args:
        share: How much of the body comes, from 0 to below 1.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        if checks.share(self.share, "share") == 1:
            raise ValueError("share must be below 1: there is nothing cut off of all")

    async def strike(
        self, request: web.Request, proceed: Proceed, pause: Pause
    ) -> web.StreamResponse:
        """Answer in part."""
        whole = await proceed()
        return Shortened(whole, self.share) if isinstance(whole, web.Response) else whole


class Delay(Fault, frozen=True):
    """The request waits before it is dealt with; whoever leaves meanwhile has not been heard.

    Other faults may still strike after it.

    Args:
        seconds: How long, a number or a timedelta.

    Raises:
        TypeError: It is no duration.
        ValueError: It is not above 0.
    """

    seconds: float | timedelta

    def __post_init__(self) -> None:
        checks.seconds(self.seconds, "seconds")

    async def strike(
        self, request: web.Request, proceed: Proceed, pause: Pause
    ) -> web.StreamResponse:
        """Wait, and go on."""
        await pause(checks.seconds(self.seconds, "seconds"))
        return await proceed()


class Reset(Fault, frozen=True):
    """No answer: the connection is reset (RST), when the request has come in whole."""

    async def strike(self, request: web.Request, proceed: Proceed, pause: Pause) -> Unanswered:
        """Reset the connection."""
        return Unanswered(_reset)


class Hang(Fault, frozen=True):
    """No answer, for as long as the client waits or the sandbox runs."""

    async def strike(self, request: web.Request, proceed: Proceed, pause: Pause) -> Unanswered:
        """Wait for ever."""
        return Unanswered(lambda _: pause(None))


async def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        transport.abort()


async def _send_nonsense(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.write(_NO_HTTP)


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown Error"
