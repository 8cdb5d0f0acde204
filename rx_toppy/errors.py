"""What can go wrong, as one tree: catch `ToppyError` to catch all of it.

    ToppyError
    ├── Ratelimited        too many requests: top.gg's 429, or this client holding a call back
    ├── Forbidden          401 or 403: the token is wrong, or may not do this
    ├── NotFound           404: nobody by that id
    ├── InvalidRequest     any other 4xx: top.gg did not take what was sent
    ├── TopGGServerError   5xx: top.gg, or a proxy before it, is in trouble
    ├── InvalidResponse    an answer that makes no sense: HTML, a redirect, a wrong shape, too large
    ├── ConnectionFailed   no answer: refused, reset, cut off, timed out
    ├── ClientClosed       the client was closed before or during the call
    ├── BufferOverflow     a stream ran ahead of a reader who asked that nothing be dropped
    └── InboxError         an inbox could not do it: a full disk, a locked file, closed

The token never stands in an error: what the server said is cleaned of it.
"""

from __future__ import annotations

__all__ = [
    "BufferOverflow",
    "ClientClosed",
    "ConnectionFailed",
    "Forbidden",
    "InboxError",
    "InvalidRequest",
    "InvalidResponse",
    "NotFound",
    "Ratelimited",
    "TopGGServerError",
    "ToppyError",
]


class ToppyError(Exception):
    """The base of every error that this library raises or puts on a stream.

    Errors pickle and copy with all they know. Wrong arguments are not among them: those are a
    plain `ValueError` or `TypeError`, raised where the call is made, before anything is sent.

    Attributes:
        status: The HTTP status of the answer, any integer; None where there was no answer.
        method: The HTTP method of the request, None where the error is not about a request.
        url: The request's URL, None where the error is not about a request.
        text: What the server said, shortened to at most 500 characters; empty when it said nothing.
        posted_shards: Of a post shard by shard that failed midway: the shards posted before that.
        posted_samples: Of a batch of metrics that failed midway: how many samples, from its
            beginning, were posted before that.

    Example:
        >>> try:
        ...     me = await client.fetch_bot(bot.user)
        ... except rx_toppy.errors.ToppyError as error:
        ...     print(error.status, error.text)
    """

    posted_shards: tuple[int, ...] = ()
    posted_samples: int = 0

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        method: str | None = None,
        url: str | None = None,
        text: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.url = url
        self.text = text

    def __str__(self) -> str:
        message = self._message()
        if text := self._told():
            message = f"{message}: {text}" if message else text
        if self.posted_shards:
            message += f"; posted before that: shards {', '.join(map(str, self.posted_shards))}"
        if self.posted_samples:
            message += f"; posted before that: {self.posted_samples} samples"
        if self.method and self.url:
            message = f"{message} ({self.method} {self.url})"
        return message

    def _message(self) -> str:
        return str(self.args[0]) if self.args else ""

    def _told(self) -> str:
        return self.text


class Ratelimited(ToppyError):
    """Too many requests, and the call may not wait as long as it would have to.

    Attributes:
        retry_after: Seconds from the moment of the error until a call may go out again.
        internal: True when this client held the call (or a retry of it) back, so that nothing was
            sent; False when top.gg answered this very request with a 429.

    top.gg answers one request too many with a 429 and blocks the token for an hour; asking again
    meanwhile can make it longer. Waiting `retry_after` seconds is the only cure.
    """

    def __init__(
        self,
        retry_after: float = 0.0,
        internal: bool = False,
        *,
        status: int | None = None,
        method: str | None = None,
        url: str | None = None,
        text: str = "",
    ) -> None:
        super().__init__(status=status, method=method, url=url, text=text)
        self.args = (retry_after, internal)
        self.retry_after = retry_after
        self.internal = internal

    def _message(self) -> str:
        if self.internal:
            return f"held back to keep within top.gg's rate limits; try again in {self._wait} s"
        return f"top.gg says too many requests; try again in {self._wait} s"

    def _told(self) -> str:
        # Mere JSON says how long, and that has been said.
        return "" if self.text.startswith("{") else self.text

    @property
    def _wait(self) -> str:
        return f"{self.retry_after:.3g}" if self.retry_after < 100 else f"{self.retry_after:.0f}"


class Forbidden(ToppyError):
    """401 or 403: the token is wrong or expired, or may not do this."""


class NotFound(ToppyError):
    """404: top.gg lists nobody by that id."""


class InvalidRequest(ToppyError):
    """Any other 4xx: top.gg did not take what was sent; `text` has its reasons."""


class TopGGServerError(ToppyError):
    """5xx: top.gg, or a proxy before it, is in trouble. Repeatable calls were tried again.

    Attributes:
        retry_after: Seconds after which it asked to be tried again, None where it did not say.
    """

    retry_after: float | None = None


class InvalidResponse(ToppyError):
    """An answer that makes no sense: HTML, a redirect, an empty or huge body, a wrong shape."""


class ConnectionFailed(ToppyError):
    """There was no whole answer: refused, reset, cut off in the middle, or timed out.

    Attributes:
        was_kept_alive: Whether it was lost on a connection that an earlier request had left open.
            Then the server may have let go of it just when the request went out.
    """

    was_kept_alive: bool = False


class ClientClosed(ToppyError):
    """The client was closed, before the call or while it ran."""


class BufferOverflow(ToppyError):
    """A stream ran further ahead of its reader than the buffer holds; nothing may be dropped."""


class InboxError(ToppyError):
    """A `VoteInbox` could not do it: its disk is full, its file locked, or it was closed.

    Attributes:
        is_transient: Whether the same may well succeed later.
    """

    is_transient: bool = False
