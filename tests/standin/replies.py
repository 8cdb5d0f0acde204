"""What the stand-in can answer, from the proper to the hopeless.

A reply is a value: it can be given any number of times, to any number of requests at once.
"""

import asyncio
import json as jsonlib
import math
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from .wire import Seen, Wire

MISSING: Final = object()
JSON: Final = {"Content-Type": "application/json"}
MEGABYTE: Final = 1 << 20
BLOCK: Final = 1 << 16
HTML: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>"
    b"<body><h1>Checking your browser</h1></body></html>\n"
)
RateLimitShape: TypeAlias = Literal["body", "header", "date", "both", "neither"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A way to deal with a request; `play` does it."""

    name: str
    play: Callable[[Wire, Seen], Awaitable[None]] = field(repr=False)


Answer: TypeAlias = Reply | Callable[[Seen], "Answer"]
"""A reply, or a function that finds one for a request."""


async def play(answer: Answer, wire: Wire, seen: Seen) -> None:
    """Deal with a request as the answer says."""
    while not isinstance(answer, Reply):
        if not callable(answer):
            raise TypeError(f"neither a reply nor a function that makes one: {answer!r}")
        answer = answer(seen)
    await answer.play(wire, seen)


# --- proper answers ---


def ok(obj: object, *, headers: Mapping[str, str] | None = None) -> Reply:
    """A 200 with the object as JSON (bytes are taken to be JSON already)."""
    return status(200, headers=headers, json=obj)


def status(
    code: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    json: object = MISSING,
) -> Reply:
    """A complete answer with that status; with `Connection: close` among the headers it closes."""
    if json is not MISSING:
        body = _encoded(json)
        headers = {**JSON, **(headers or {})}
    return _answer(f"status({code})", code, body, headers or {})


def empty(code: int = 200) -> Reply:
    """An answer without a body, though it claims to be JSON."""
    return _answer(f"empty({code})", code, b"", JSON)


def rate_limited(seconds: int = 3600, shape: RateLimitShape = "body") -> Reply:
    """A 429 that tells how long in the body, a header, as a date, in both, or in neither."""

    async def send(wire: Wire, _: Seen) -> None:
        body = _encoded({"retry-after": seconds} if shape in ("body", "both") else {})
        headers = dict(JSON)
        if shape in ("header", "both"):
            headers["Retry-After"] = str(seconds)
        if shape == "date":  # whole seconds: rounded up, so that it is never too early
            headers["Retry-After"] = formatdate(math.ceil(time.time() + seconds), usegmt=True)
        await wire.send(_head(429, headers, body) + body)

    return Reply(f"rate_limited({seconds}, {shape!r})", send)


def raw(data: bytes, *, close: bool = False) -> Reply:
    """These bytes and no others; the connection stays open unless told otherwise."""

    async def send(wire: Wire, _: Seen) -> None:
        await wire.send(data)
        if close:
            wire.close()

    return Reply(f"raw({data[:20]!r})", send)


# --- an answer at some other time ---


def delay(seconds: float, reply: Answer) -> Reply:
    """The reply, after that time."""

    async def later(wire: Wire, seen: Seen) -> None:
        await asyncio.sleep(seconds)
        await play(reply, wire, seen)

    return Reply(f"delay({seconds})", later)


def wait(event: asyncio.Event, reply: Answer) -> Reply:
    """The reply, once the event is set."""

    async def later(wire: Wire, seen: Seen) -> None:
        await event.wait()
        await play(reply, wire, seen)

    return Reply("wait", later)


def hang() -> Reply:
    """Nothing, for as long as both sides stay."""

    async def never(_: Wire, __: Seen) -> None:
        await _forever()

    return Reply("hang", never)


# --- connections that end ---


def reset() -> Reply:
    """A RST instead of an answer."""

    async def send(wire: Wire, _: Seen) -> None:
        wire.reset()

    return Reply("reset", send)


def close() -> Reply:
    """A FIN instead of an answer."""

    async def send(wire: Wire, _: Seen) -> None:
        wire.close()

    return Reply("close", send)


def cut(obj: object, at: float = 0.5) -> Reply:
    """Content-Length promises the whole, a part of it comes, then a FIN."""
    body = _encoded(obj)
    return _named("cut", raw(_head(200, JSON, body) + body[: int(len(body) * at)], close=True))


def cut_chunked(obj: object, at: float = 0.5) -> Reply:
    """A proper chunk of the body, then a FIN where the next chunk should be."""
    part = _encoded(obj)
    part = part[: max(1, int(len(part) * at))]
    return _named("cut_chunked", raw(_chunked_head() + _chunk(part), close=True))


def then_close(reply: Answer, after: float = 0.01) -> Reply:
    """The reply, fit for keep-alive; a moment later a FIN, and no answer to what came meanwhile."""

    async def send(wire: Wire, seen: Seen) -> None:
        await play(reply, wire, seen)
        await asyncio.sleep(after)
        wire.close()

    return Reply("then_close", send)


def drop_next(reply: Answer | None = None) -> Reply:
    """The reply (200 and {} by default); the next request on the connection gets but a FIN.

    This is the race of keep-alive. The dropped request is seen, and takes no step of a script.
    """

    async def send(wire: Wire, seen: Seen) -> None:
        await play(reply or ok({}), wire, seen)
        wire.drop_next = True

    return Reply("drop_next", send)


# --- bodies that make no sense ---


def garbage() -> Reply:
    """Bytes that are not HTTP, then a FIN."""
    return _named(
        "garbage", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP\r\n" * 4, close=True)
    )


def html(code: int = 200) -> Reply:
    """The page of a proxy in between."""
    return _answer(f"html({code})", code, HTML, {"Content-Type": "text/html; charset=UTF-8"})


def bad_json() -> Reply:
    """A complete answer whose JSON breaks off."""
    return _named("bad_json", ok(b'{"id": "1", "username": '))


def bad_utf8() -> Reply:
    """JSON whose text is not UTF-8."""
    return _named("bad_utf8", ok(b'{"id": "1", "username": "\xff\xfe\xc3("}'))


def deep_json(depth: int = 100_000) -> Reply:
    """Proper JSON: lists in lists in lists."""
    return _named("deep_json", ok(b"[" * depth + b"]" * depth))


def redirect(to: str, code: int = 302) -> Reply:
    """Off to somewhere else."""
    return _named(f"redirect({to!r})", status(code, headers={"Location": to}))


# --- bodies that are too much, or too slow ---


def stall_body(obj: object, at: float = 0.5) -> Reply:
    """The head and a part of the body, then nothing."""
    body = _encoded(obj)
    start = _head(200, JSON, body) + body[: int(len(body) * at)]

    async def send(wire: Wire, _: Seen) -> None:
        await wire.send(start)
        await _forever()

    return Reply("stall_body", send)


def drip(obj: object, delay: float = 0.01, *, finish: bool = False) -> Reply:
    """The body byte by byte; then blanks, so that it never completes, unless it shall finish."""
    body = _encoded(obj)

    async def send(wire: Wire, _: Seen) -> None:
        await wire.send(_chunked_head())
        for byte in body:
            await wire.send(_chunk(bytes((byte,))))
            await asyncio.sleep(delay)
        while not finish:
            await wire.send(_chunk(b" "))
            await asyncio.sleep(delay)
        await wire.send(_chunk(b""))

    return Reply("drip", send)


def oversized(mb: float | None = None, *, declared: bool = False) -> Reply:
    """A JSON string of that many megabytes, without an end if None; `declared` by its length."""
    if mb is None and declared:
        raise ValueError("what has no end has no length")
    size = math.inf if mb is None else int(mb * MEGABYTE)
    framed = bytes if declared else _chunk
    length = {**JSON, "Content-Length": str(size)}
    head = _head(200, length) if declared else _chunked_head()
    block = framed(b"a" * BLOCK)

    async def send(wire: Wire, _: Seen) -> None:
        await wire.send(head)
        await wire.send(framed(b'"'))
        left = size - 2
        while left >= BLOCK:
            await wire.send(block)
            left -= BLOCK
        await wire.send(framed(b"a" * int(left) + b'"'))
        if not declared:
            await wire.send(_chunk(b""))

    return Reply(f"oversized({mb})", send)


def gzip_bomb(mb: int = 64) -> Reply:
    """A JSON string of that many megabytes, a thousandth of that on the wire."""
    headers = {**JSON, "Content-Encoding": "gzip"}
    return _answer(f"gzip_bomb({mb})", 200, _bomb(mb), headers)


FAULTS: Final[dict[str, Callable[[], Reply]]] = {
    "reset": reset,
    "cut_off": partial(cut, {"id": "1", "username": "Luca"}),
    "garbage": garbage,
    "html": html,
    "204": partial(empty, 204),
    "302": partial(redirect, "/api/elsewhere"),
    "400": partial(status, 400, json={"error": "Bad Request"}),
    "401": partial(status, 401, json={"error": "Unauthorized"}),
    "403": partial(status, 403, json={"error": "Forbidden"}),
    "404": partial(status, 404, json={"error": "Not Found"}),
    "418": partial(status, 418, b"I'm a teapot"),
    "429_body": partial(rate_limited, shape="body"),
    "429_header": partial(rate_limited, shape="header"),
    "429_date": partial(rate_limited, shape="date"),
    "429_both": partial(rate_limited, shape="both"),
    "429_neither": partial(rate_limited, shape="neither"),
    "500": partial(status, 500, json={"error": "Internal Server Error"}),
    "520": partial(html, 520),
    "hang": hang,
}
"""Ways in which a request can fail, by name."""


# --- bytes ---


def _answer(name: str, code: int, body: bytes, headers: Mapping[str, str]) -> Reply:
    data = _head(code, headers, body) + body
    closes = _value(headers, "connection").lower() == "close"
    return _named(name, raw(data, close=closes))


def _named(name: str, reply: Reply) -> Reply:
    return Reply(name, reply.play)


def _head(code: int, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    lines = [f"HTTP/1.1 {code} {_reason(code)}"]
    lines += (f"{name}: {value}" for name, value in headers.items())
    if code in (204, 304):
        if body:
            raise ValueError(f"a {code} has no body; raw() sends anything")
    elif body is not None and not _value(headers, "content-length"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _chunked_head() -> bytes:
    return _head(200, {**JSON, "Transfer-Encoding": "chunked"})


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _encoded(obj: object) -> bytes:
    return obj if isinstance(obj, bytes) else jsonlib.dumps(obj).encode()


def _value(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _reason(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"


@lru_cache(maxsize=4)
def _bomb(mb: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = b"a" * MEGABYTE
    parts = [packer.compress(b'"'), *(packer.compress(block) for _ in range(mb))]
    return b"".join([*parts, packer.compress(b'"'), packer.flush()])


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
