"""The sender of deliveries: many connections that stay open, and requests made beforehand.

Run as a process of its own, it reads jobs from its standard input, a JSON object a line, and
answers each with the seconds that it took.
"""

from __future__ import annotations

import hmac
import selectors
import socket
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta

import msgspec

SECRET = "whs_benchmark"
AUTHORIZATION = "benchmark-authorization"
CONNECTIONS = 50
PATH = "/votes"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Job(msgspec.Struct):
    """Deliveries to send: `count` votes from number `first` on, which makes them distinct."""

    port: int
    first: int
    count: int
    dialect: str = "v1"


def body_v1(number: int) -> bytes:
    """A vote as v1 delivers it, with all that the documentation shows."""
    moment = EPOCH + timedelta(milliseconds=number)
    return msgspec.json.encode(
        {
            "type": "vote.create",
            "data": {
                "id": str(808499215864008704 + number),
                "weight": 1,
                "created_at": moment.isoformat(),
                "expires_at": (moment + timedelta(hours=12)).isoformat(),
                "project": {
                    "id": "803190510032756736",
                    "type": "bot",
                    "platform": "discord",
                    "platform_id": "160105994217586689",
                },
                "user": {
                    "id": str(8226924471638491136 + number),
                    "platform_id": str(661200758510977084 + number),
                    "name": "username",
                    "avatar_url": "https://example.org/a.png",
                },
            },
        }
    )


def body_v0(number: int) -> bytes:
    """A vote as v0 delivers it."""
    user, bot = str(661200758510977084 + number), "160105994217586689"
    vote = {"bot": bot, "user": user, "type": "upvote", "isWeekend": False, "query": ""}
    return msgspec.json.encode(vote)


def delivery(number: int, dialect: str) -> bytes:
    """A whole request."""
    if dialect == "v0":
        body, proof = body_v0(number), f"Authorization: {AUTHORIZATION}"
    else:
        body = body_v1(number)
        moment = int(time.time())
        signed = hmac.new(SECRET.encode(), b"%d.%s" % (moment, body), "sha256").hexdigest()
        proof = f"x-topgg-signature: t={moment},v1={signed}"
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{proof}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send_all(port: int, requests: deque[bytes]) -> float:
    """Sends them over all connections, one at a time on each; the seconds that it took."""
    selector = selectors.DefaultSelector()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    left = len(requests)
    begun = time.perf_counter()
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(one, selectors.EVENT_READ)
        if requests:
            one.sendall(requests.popleft())
    while left:
        for key, _ in selector.select():
            one = key.fileobj
            assert isinstance(one, socket.socket)
            # An answer is so short that it comes in one piece.
            answer = one.recv(4096)
            if not answer.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(f"a delivery was refused: {answer!r}")
            left -= 1
            if requests:
                one.sendall(requests.popleft())
    took = time.perf_counter() - begun
    for one in sockets:
        one.close()
    selector.close()
    return took


def main() -> None:
    for line in sys.stdin:
        job = msgspec.json.decode(line, type=Job)
        numbers = range(job.first, job.first + job.count)
        requests = deque(delivery(number, job.dialect) for number in numbers)
        print(send_all(job.port, requests), flush=True)


if __name__ == "__main__":
    main()
