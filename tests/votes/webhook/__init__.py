"""The webhook under test: real bytes over a real socket, and signatures computed here."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from rx_toppy import Vote, VoteWebhook

SECRET = "whs_5b1d7a9c3e8f4f60"
AUTHORIZATION = "words-that-i-chose-myself"
NOW = 1_770_598_034  # 2026-02-09T00:47:14Z, when the sample's vote was cast

LARGEST = 64 * 1024

# What top.gg sends, as its documentation has it.
V0_BOT = (
    b'{"bot": "803190510032756736", "user": "160105994217586689", "type": "upvote", '
    b'"isWeekend": false, "query": "?source=site&b=2"}'
)
V0_SERVER = (
    b'{"guild": "729779146682793984", "user": "421698654189912064", "type": "test", "query": ""}'
)
_USER = (
    b'"user": {"id": "8226924471638491136", "platform_id": "661200758510977084", '
    b'"name": "username", "avatar_url": "https://example.org/a.png"}'
)
_PROJECT = (
    b'"project": {"id": "803190510032756736", "type": "bot", "platform": "discord", '
    b'"platform_id": "160105994217586689"}'
)
V1_VOTE = (
    b'{"type": "vote.create", "data": {"id": "808499215864008704", "weight": 1, '
    b'"created_at": "2026-02-09T00:47:14.2510149+00:00", '
    b'"expires_at": "2026-02-09T12:47:14.2510149+00:00", ' + _PROJECT + b", " + _USER + b"}}"
)
V1_TEST = b'{"type": "webhook.test", "data": {' + _USER + b", " + _PROJECT + b"}}"
V1_CREATED = (
    b'{"type": "integration.create", "data": {"connection_id": "112402021105124", '
    b'"webhook_secret": "whs_abcd", "project": {"id": "1230954036934033243", '
    b'"platform": "discord", "platform_id": "3949456393249234923", "type": "bot"}, ' + _USER + b"}}"
)
V1_DELETED = b'{"type": "integration.delete", "data": {"connection_id": "112402021105124"}}'


def digest(body: bytes, at: int | str = NOW, secret: str = SECRET) -> str:
    """What the documentation says a signature is: HMAC-SHA256 of `<t>.<body>`, in hex."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, at: int | str = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers of a v1 delivery."""
    return {
        "x-topgg-signature": f"t={at},v1={digest(body, at, secret)}",
        "x-topgg-trace": "0f9d1c5e",
    }


def authorized(authorization: str = AUTHORIZATION) -> dict[str, str]:
    """The headers of a v0 delivery."""
    return {"Authorization": authorization}


def changed(sample: bytes, **fields: Any) -> bytes:
    """A sample with other values in its (innermost common) object; `...` leaves a field out."""
    body = json.loads(sample)
    inner = body.get("data", body)
    for name, value in fields.items():
        if value is ...:
            inner.pop(name, None)
        else:
            inner[name] = value
    return json.dumps(body).encode()


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The reason that a refusal gives."""
        assert self.headers["Content-Type"].startswith("application/json")
        reason = json.loads(self.body)["error"]
        assert isinstance(reason, str)
        assert 0 < len(reason) < 100
        return reason


@dataclass
class Served:
    """A webhook that listens, what it has emitted, and the means to send to it."""

    hook: VoteWebhook
    session: aiohttp.ClientSession
    votes: list[Vote] = field(default_factory=list)
    integrations: list[Any] = field(default_factory=list)
    now: float = NOW

    @property
    def port(self) -> int:
        return self.hook.port

    async def post(
        self, body: Any, headers: Mapping[str, str], path: str = "/votes", method: str = "POST"
    ) -> Answer:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=body, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def v1(
        self, body: bytes, *, at: int | None = None, secret: str = SECRET, path: str = "/votes"
    ) -> Answer:
        """Sends a signed delivery: now, unless told otherwise."""
        at = int(self.now) if at is None else at
        return await self.post(body, signed(body, at, secret), path)

    async def v0(self, body: bytes) -> Answer:
        """Sends an authorized delivery."""
        return await self.post(body, authorized())

    async def raw(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Sends bytes as they are, part after part, and gives all that is answered."""
        return await raw(self.port, *parts, pause=pause)


@asynccontextmanager
async def serving(
    *, listening: bool = True, virtual_clock: bool = True, **options: Any
) -> AsyncIterator[Served]:
    """A webhook of both kinds on a port of its own, whose clock stands at `NOW`."""
    usual = {"secret": SECRET, "authorization": AUTHORIZATION, "port": 0}
    hook = VoteWebhook(**(usual | options))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        served = Served(hook, session)
        if virtual_clock:
            hook._clock = lambda: served.now
        if listening:
            hook.votes.subscribe(served.votes.append)
            hook.integrations.subscribe(served.integrations.append)
        async with hook:
            yield served


async def raw(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Sends bytes to a port, part after part, and gives all that comes until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Closes a connection, whatever the other side made of it."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def head(
    headers: Mapping[str, str], length: int | None, *, path: str = "/votes", last: bool = True
) -> bytes:
    """The head of a POST, with a Content-Length, or (None) to be followed by chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *map(": ".join, headers.items())]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    if last:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(parts: Iterable[bytes]) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers in a stretch of bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
