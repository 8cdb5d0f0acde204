"""A server that is no bottleneck: ready-made answers out of a bare asyncio protocol.

Only the vote history is made on the fly, out of a template: it is as long as its path says, as in
`/of/1000000/api/v1/projects/@me/votes`.

Run as a process of its own, it prints its port and serves until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar
from urllib.parse import parse_qs

import msgspec

BOTS = 30_000
VOTES = 100  # on a page of the history

# The ids and the time are what is filled in. (Days are as good as they need to be.)
VOTE = (
    b'{"user_id":"8226924%012d","platform_id":"6612007%011d","weight":1,'
    b'"created_at":"2026-01-17T%02d:%02d:%02d.34732Z",'
    b'"expires_at":"2026-01-18T11:36:06.34732Z"}'
)
VOTES_PAGE = b'{"cursor":"%d","data":[' + b",".join([VOTE] * VOTES) + b"]}"


def bot(number: int) -> dict[str, object]:
    """A bot with every documented attribute, and a description of the usual length."""
    id = str(264811613708746752 + number)
    return {
        "id": id,
        "username": f"Bot {number}",
        "discriminator": "1375",
        "avatar": "7edcc4c6fbb0b23762455ca139f0e1c9",
        "defAvatar": "6debd47ed13483642cf09e832ed0bc1b",
        "lib": "discord.py",
        "prefix": "- or @Bot#1375",
        "shortdesc": "A bot for managing and informing the members of a server",
        "longdesc": "It **works** in every server.\r\nPrepend commands with `-`.\r\n" * 20,
        "tags": ["Moderation", "Role Management", "Logging"],
        "website": "https://example.org",
        "support": "KYZsaFb",
        "github": "https://example.org/bot",
        "owners": ["129908908096487424", "140862798832861184"],
        "guilds": ["417723229721853963", "264445053596991498"],
        "invite": f"https://discord.com/oauth2/authorize?client_id={id}&scope=bot",
        "date": "2017-04-26T18:08:17.125Z",
        "server_count": number,
        "shard_count": 1,
        "certifiedBot": number % 10 == 0,
        "vanity": None,
        "points": 397,
        "monthlyPoints": 19,
        "donatebotguildid": "",
    }


def page(limit: int, offset: int) -> bytes:
    """The body of a page of the search."""
    results = [bot(number) for number in range(offset, min(offset + limit, BOTS))]
    return msgspec.json.encode(
        {"results": results, "limit": limit, "offset": offset, "count": limit, "total": BOTS}
    )


def answer(body: bytes) -> bytes:
    """A whole response around a JSON body."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def history(target: bytes) -> bytes:
    """The answer with a page of the vote history."""
    path, _, query = target.partition(b"?")
    total = int(path.split(b"/", 3)[2])
    begin = int(parse_qs(query).get(b"cursor", [b"0"])[0])
    if begin >= total:
        return answer(b'{"cursor":"%d","data":[]}' % begin)
    values = [begin + VOTES]
    for number in range(begin, begin + VOTES):
        hours, minutes, seconds = number // 3600 % 24, number // 60 % 60, number % 60
        values += (number, number, hours, minutes, seconds)
    return answer(VOTES_PAGE % tuple(values))


def search(target: bytes) -> bytes:
    """The answer to a search that is written otherwise than ours are."""
    offset = parse_qs(target.partition(b"?")[2]).get(b"offset", [b"0"])[0]
    return Server.ready[b"/api/bots?limit=500&offset=" + offset]


class Server(asyncio.Protocol):
    """One connection. `/slow/...` answers 50 ms later than anything else."""

    ready: ClassVar[dict[bytes, bytes]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            target = head.split(b" ", 2)[1]
            if target.startswith(b"/of/"):
                self.transport.write(history(target))
            elif target.startswith(b"/slow"):
                reply = self.ready[target.removeprefix(b"/slow")]
                asyncio.get_running_loop().call_later(0.05, self.transport.write, reply)
            else:
                self.transport.write(self.ready.get(target) or search(target))


async def serve() -> None:
    """Serves until standard input ends."""
    one = bot(0)
    Server.ready[b"/api/bots/1"] = answer(msgspec.json.encode(one))
    for offset in range(0, BOTS, 500):
        Server.ready[f"/api/bots?limit=500&offset={offset}".encode()] = answer(page(500, offset))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
