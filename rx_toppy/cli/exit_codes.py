"""The exit statuses of all commands: one for each kind of error."""

from __future__ import annotations

from ..errors import (
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    Ratelimited,
    TopGGServerError,
)
from .arguments import VARIABLE

OTHER = 1
INTERRUPTED = 130

# status: (what it means, the errors that end with it)
STATUSES: tuple[tuple[int, str, tuple[type[Exception], ...]], ...] = (
    (0, "all went well", ()),
    (OTHER, "another failure, such as a file that can't be written", ()),
    (2, "the arguments make no sense, or there is no token", ()),
    (3, "top.gg refused the token", (Forbidden,)),
    (4, "top.gg knows nothing by that id", (NotFound,)),
    (5, "too many requests; the message says how long to wait", (Ratelimited,)),
    (6, "no connection to top.gg, or no answer in time", (ConnectionFailed,)),
    (7, "top.gg, or a proxy before it, is in trouble (5xx)", (TopGGServerError,)),
    (8, "top.gg did not take the request, or its answer makes no sense",
     (InvalidRequest, InvalidResponse)),
    (INTERRUPTED, "interrupted before it was done", ()),
)  # fmt: skip


def status_of(error: Exception) -> int:
    """The status that a command ends with which failed with this error."""
    return next((status for status, _, kinds in STATUSES if isinstance(error, kinds)), OTHER)


def said(error: Exception) -> str:
    """What is said of an error."""
    if isinstance(error, Forbidden):
        about = f" for {error.method} {error.url}" if error.url else ""
        return f"top.gg refuses the token in {VARIABLE} ({error.status}{about})"
    return str(error)


def table() -> str:
    """All of them, for a help text."""
    lines = (f"  {status:>3}  {meaning}" for status, meaning, _ in STATUSES)
    return "\n".join(("exit status:", *lines))
