"""The stand-in for top.gg does what it says, as raw sockets and aiohttp see it."""

import asyncio
import json
import random
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from tests.standin import (
    FAULTS,
    Jitter,
    Reply,
    Seen,
    StandIn,
    ThreadedStandIn,
    fault,
    most_in_window,
    ok,
    status,
    violations,
)

LUCA = {"id": "264811613708746752", "username": "Luca"}
GET = b"GET /api/bots/1 HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    """A raw connection to a stand-in or a proxy."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, data: bytes = GET) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """One answer with a Content-Length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        return head + await self.reader.readexactly(int(length[1]))

    async def rest(self) -> bytes:
        """All there is until the connection ends."""
        return await self.reader.read()


async def all_of(reply: Reply) -> bytes:
    """What a client gets from a reply that ends its connection."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(reply)
        await client.send()
        return await client.rest()


def parts(data: bytes) -> tuple[bytes, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


async def fetch(base_url: str, path: str = "/bots/1") -> object:
    async with aiohttp.ClientSession() as session, session.get(base_url + path) as response:
        return await response.json()


# --- recording ---


async def test_records_what_came() -> None:
    """A request is recorded as it was sent, and repeated ones come by the same connection."""
    async with StandIn() as topgg, aiohttp.ClientSession() as session:
        topgg.reply("/bots/1/stats", json={})
        before = asyncio.get_running_loop().time()
        for _ in range(2):
            await session.post(
                f"{topgg.base_url}/bots/1/stats?a=1&b=x%20y&c=",
                headers={"Authorization": "Bearer t"},
                data=b'{"server_count": 3}',
            )
        first, second = topgg.seen
        assert (first.method, first.path) == ("POST", "/bots/1/stats")
        assert first.target == "/api/bots/1/stats?a=1&b=x%20y&c="
        assert first.query == {"a": "1", "b": "x y", "c": ""}
        assert first.headers["authorization"] == "Bearer t"
        assert first.body == b'{"server_count": 3}'
        assert before <= first.at <= second.at <= asyncio.get_running_loop().time()
        assert (first.connection, second.connection, topgg.open_connections) == (1, 1, 1)
        assert topgg.paths == ["POST /bots/1/stats"] * 2


async def test_reads_chunked_bodies() -> None:
    """A chunked body is put together, however it is cut; the next request is found after it."""
    request = (
        b"POST /api/x HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(json={})
        for index in range(0, len(request), 7):
            await client.send(request[index : index + 7])
        await client.answer()
        await client.send()
        await client.answer()
        assert [seen.body for seen in topgg.seen] == [b"abc0123456789", b""]
        assert topgg.seen[0].headers["x-a"] == "1, 2"


async def test_arrival_is_when_the_body_is_complete() -> None:
    """`at` is the time of the last byte, and until then nothing has been seen."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        await client.send(b"POST /api/x HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.05)
        assert topgg.seen == []
        complete = asyncio.get_running_loop().time()
        await client.send(b"b")
        await topgg.arrived(1)
        assert topgg.seen[0].at >= complete


async def test_arrived_fails_clearly() -> None:
    """Waiting for requests that don't come ends with a list of those that came."""
    async with StandIn() as topgg:
        with suppress(aiohttp.ClientError):
            await fetch(topgg.base_url)
        with pytest.raises(AssertionError, match=r"2 requests.*1 requests came.*GET /bots/1"):
            await topgg.arrived(2, timeout=0.02)


async def test_what_is_not_http_is_reported() -> None:
    """A client that doesn't speak HTTP is an error of the test, not a silence."""

    async def talk() -> None:
        async with StandIn() as topgg, Client(topgg.port) as client:
            await client.send(b"what?\r\n\r\n")
            assert await client.rest() == b""

    with pytest.raises(Exception, match="not an HTTP request"):
        await talk()


# --- choosing the answer ---


async def test_scripts() -> None:
    """Answers come one after another, the last repeats; a method has its own if it wants."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.script("/bots/1", status(503), status(502), ok(LUCA))
        topgg.reply("POST /bots/1", status(400))
        codes = []
        for request in (GET, GET, GET.replace(b"GET", b"POST"), GET, GET):
            await client.send(request)
            codes.append(int((await client.answer())[9:12]))
        assert codes == [503, 502, 400, 200, 200]


async def test_defaults() -> None:
    """Without a script it is a 404, or what the default says; what lies outside /api is apart."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        await client.send()
        assert (await client.answer()).startswith(b"HTTP/1.1 404 Not Found\r\n")
        topgg.default(json=[1])
        topgg.reply("/bots/1", json=[2])
        await client.send(GET.replace(b"/api", b""))
        assert parts(await client.answer())[1] == b"[1]"
        assert topgg.paths == ["GET /bots/1", "GET /../bots/1"]


async def test_function_replies() -> None:
    """A function makes the reply from the request, as a server with pages does."""

    def page(seen: Seen) -> Reply:
        offset = int(seen.query.get("offset", 0))
        return ok({"results": list(range(offset, min(offset + 2, 5)))})

    async with StandIn() as topgg:
        topgg.reply("/bots", fault.delay(0, page))
        pages = [await fetch(topgg.base_url, f"/bots?offset={offset}") for offset in (0, 2, 4)]
        assert pages == [{"results": [0, 1]}, {"results": [2, 3]}, {"results": [4]}]


async def test_a_function_that_raises_is_reported() -> None:
    """A reply function's own error reaches the test, alone or beside the test's failure."""

    def broken(_: Seen) -> Reply:
        raise LookupError("no such page")

    async def talk(expected: type[Exception]) -> None:
        async with StandIn() as topgg:
            topgg.default(broken)
            with suppress(expected):
                await fetch(topgg.base_url)

    with pytest.raises(LookupError, match="no such page"):
        await talk(expected=aiohttp.ServerDisconnectedError)
    with pytest.raises(aiohttp.ServerDisconnectedError) as failure:
        await talk(expected=KeyError)
    assert "no such page" in failure.value.__notes__[0]


# --- the faults ---

STATUSES = {
    "html": 200,
    "204": 204,
    "302": 302,
    "400": 400,
    "401": 401,
    "403": 403,
    "404": 404,
    "418": 418,
    "429_body": 429,
    "429_header": 429,
    "429_date": 429,
    "429_both": 429,
    "429_neither": 429,
    "500": 500,
    "520": 520,
}
BROKEN = {
    "reset": aiohttp.ClientOSError,
    "cut_off": aiohttp.ClientPayloadError,
    "garbage": aiohttp.ClientResponseError,
    "hang": TimeoutError,
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault(name: str) -> None:
    """Each of the faults is what its name says, and leaves a server that can go on."""
    async with StandIn() as topgg, aiohttp.ClientSession() as session:
        topgg.script("/bots/1", FAULTS[name](), ok(LUCA))

        async def get() -> int:
            async with asyncio.timeout(0.05 if name == "hang" else 5):
                url = f"{topgg.base_url}/bots/1"
                # aiohttp would send a GET again by itself, even on a fresh connection
                async with session.post(url, allow_redirects=False) as response:
                    await response.read()
                    return response.status

        if name in BROKEN:
            with pytest.raises(BROKEN[name]):
                await get()
        else:
            assert await get() == STATUSES[name]
        assert await get() == 200


def test_faults_are_all_tested() -> None:
    """The tables above leave no fault out."""
    assert sorted(FAULTS) == sorted([*STATUSES, *BROKEN])


@pytest.mark.parametrize(
    ("shape", "in_body", "in_header"),
    [
        ("body", True, False),
        ("header", False, True),
        ("both", True, True),
        ("neither", False, False),
    ],
)
async def test_rate_limits(shape: fault.RateLimitShape, in_body: bool, in_header: bool) -> None:
    """A 429 tells how long where it should, and nowhere else."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(fault.rate_limited(7, shape))
        await client.send()
        head, body = parts(await client.answer())
        assert (b"Retry-After: 7" in head) == in_header
        assert json.loads(body) == ({"retry-after": 7} if in_body else {})


async def test_rate_limit_with_a_date() -> None:
    """A 429 can give the time as an HTTP date, reckoned when it is sent and never too early."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(fault.rate_limited(7, "date"))
        before = time.time()
        await client.send()
        head, _ = parts(await client.answer())
        date = re.search(rb"Retry-After: (.* GMT)", head)
        assert date is not None
        assert 7 <= parsedate_to_datetime(date[1].decode()).timestamp() - before < 9


async def test_reset_and_close() -> None:
    """A reset is a RST, a close a FIN; either comes only after the request was read."""
    async with StandIn() as topgg:
        topgg.script("/bots/1", fault.reset(), fault.close())
        async with Client(topgg.port) as client:
            await client.send()
            with pytest.raises(ConnectionResetError):
                await client.rest()
        async with Client(topgg.port) as client:
            await client.send()
            assert await client.rest() == b""
        assert len(topgg.seen) == 2


async def test_raw_bytes() -> None:
    """Raw bytes are all that is sent."""
    assert await all_of(fault.raw(b"\x00\xffHTTP", close=True)) == b"\x00\xffHTTP"


async def test_cut_bodies() -> None:
    """A cut body is shorter than its Content-Length; a cut chunked one lacks the last chunk."""
    whole = json.dumps(LUCA).encode()
    head, body = parts(await all_of(fault.cut(LUCA, at=0.5)))
    assert b"Content-Length: %d" % len(whole) in head
    assert body == whole[: len(whole) // 2]
    head, body = parts(await all_of(fault.cut_chunked(LUCA, at=0.5)))
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"%x\r\n%b\r\n" % (len(whole) // 2, whole[: len(whole) // 2])


async def test_senseless_bodies() -> None:
    """Bad JSON, bad UTF-8, deep JSON, a page and nothing are all complete answers."""
    async with StandIn() as topgg, aiohttp.ClientSession() as session:

        async def get(reply: Reply) -> bytes:
            topgg.default(reply)
            async with session.get(topgg.base_url) as response:
                return await response.read()

        with pytest.raises(json.JSONDecodeError):
            json.loads(await get(fault.bad_json()))
        with pytest.raises(UnicodeDecodeError):
            (await get(fault.bad_utf8())).decode()
        with pytest.raises(RecursionError):
            json.loads(await get(fault.deep_json()))
        assert (await get(fault.html(502))).startswith(b"<!DOCTYPE html>")
        assert await get(fault.empty()) == b""
        assert {seen.connection for seen in topgg.seen} == {1}


async def test_headers_of_ones_own() -> None:
    """Headers can be added and replaced; `Connection: close` is kept as a promise."""
    reply = status(302, headers={"Location": "/x", "content-length": "0", "Connection": "close"})
    head, body = parts(await all_of(reply))
    assert head.lower().count(b"content-length") == 1
    assert b"Location: /x" in head
    assert body == b""


async def test_a_client_may_ask_to_close() -> None:
    """A request with `Connection: close` is the last one."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        await client.send(GET.replace(b"Host: x", b"Connection: close"))
        assert (await client.rest()).startswith(b"HTTP/1.1 404")


async def test_redirects() -> None:
    """A redirect leads where it says, if the client follows it."""
    async with StandIn() as topgg:
        topgg.reply("/bots/1", fault.redirect("/api/elsewhere"))
        topgg.reply("/elsewhere", json=LUCA)
        assert await fetch(topgg.base_url) == LUCA
        assert topgg.paths == ["GET /bots/1", "GET /elsewhere"]


async def test_oversized() -> None:
    """A large body is as large as it says, chunked or declared, and proper JSON."""
    async with StandIn() as topgg:
        for reply in (fault.oversized(1.3), fault.oversized(1.3, declared=True)):
            topgg.default(reply)
            assert len(str(await fetch(topgg.base_url))) == int(1.3 * (1 << 20)) - 2


async def test_endless() -> None:
    """A body without an end goes on until the client has had enough."""
    async with StandIn() as topgg:
        topgg.default(fault.oversized())
        async with Client(topgg.port) as client:
            await client.send()
            await client.reader.readexactly(3 << 20)
        await topgg.connected(0)


async def test_gzip_bomb() -> None:
    """A bomb is small on the wire and proper JSON of the size it says."""
    async with StandIn() as topgg:
        topgg.default(fault.gzip_bomb(4))
        async with Client(topgg.port) as client:
            await client.send()
            assert len(await client.answer()) < 10_000
        assert len(str(await fetch(topgg.base_url))) == 4 << 20


# --- time ---


async def test_hang_until_the_client_leaves() -> None:
    """A hang is in the middle of a request until its client leaves; then nothing remains of it."""
    async with StandIn() as topgg:
        topgg.default(fault.hang())
        async with Client(topgg.port) as client:
            await client.send()
            await topgg.arrived(1)
            with pytest.raises(AssertionError, match="every request to end"):
                await topgg.idle(timeout=0.02)
            assert topgg.open_connections == 1
        await topgg.idle()
        await topgg.connected(0)


async def test_half_a_request_is_not_idle() -> None:
    """A connection is busy from a request's first byte on; cut off there, it is not seen."""
    async with StandIn() as topgg:
        async with Client(topgg.port) as client:
            await topgg.connected(1)
            await topgg.idle()
            await client.send(GET[:10])
            await asyncio.sleep(0.01)
            with pytest.raises(AssertionError, match="every request to end"):
                await topgg.idle(timeout=0.02)
        await topgg.idle()
        assert topgg.seen == []


async def test_delay_and_wait() -> None:
    """An answer can come after a time, or once an event is set; others don't wait for it."""
    async with StandIn() as topgg:
        event = asyncio.Event()
        topgg.reply("/slow", fault.wait(event, fault.delay(0.05, ok(1))))
        topgg.reply("/fast", ok(2))
        slow = asyncio.create_task(fetch(topgg.base_url, "/slow"))
        await topgg.arrived(1)
        assert await fetch(topgg.base_url, "/fast") == 2
        assert not slow.done()
        event.set()
        now = asyncio.get_running_loop().time
        released = now()
        assert await slow == 1
        assert now() - released >= 0.05


async def test_stalled_bodies() -> None:
    """A stalled body stops in the middle; a dripping one goes on without an end, or with one."""
    async with StandIn() as topgg:
        topgg.script(
            "/bots/1",
            fault.stall_body(LUCA),
            fault.drip(LUCA, 0.01),
            fault.drip(LUCA, 0.01, finish=True),
        )
        for _ in range(2):
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{topgg.base_url}/bots/1") as response:
                    assert response.status == 200
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(response.read(), 0.1)
                response.close()
        assert await fetch(topgg.base_url) == LUCA
        await topgg.connected(0)


# --- keep-alive that breaks ---


async def test_then_close() -> None:
    """The answer promises keep-alive, the connection closes, and nothing more is answered."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(fault.then_close(ok(LUCA), after=0.05))
        await client.send()
        assert b"close" not in await client.answer()
        await client.send()
        assert await client.rest() == b""
        assert len(topgg.seen) == 2


async def test_drop_next() -> None:
    """The next request by the connection is dropped, and aiohttp sends it again by another."""
    async with StandIn() as topgg, aiohttp.ClientSession() as session:
        topgg.script("/bots/1", fault.drop_next(ok([1])), ok([2]))
        bodies = []
        for _ in range(2):
            async with session.get(f"{topgg.base_url}/bots/1") as response:
                bodies.append(await response.json())
        assert bodies == [[1], [2]]
        assert [seen.connection for seen in topgg.seen] == [1, 1, 2]


# --- the server's own life ---


async def test_closes_with_requests_under_way() -> None:
    """Leaving cuts whatever is open and leaves no task behind."""
    async with StandIn() as topgg:
        topgg.reply("/a", fault.hang())
        topgg.reply("/b", fault.oversized())
        clients = [Client(topgg.port) for _ in range(4)]
        for client, path in zip(clients, (b"/a", b"/b", b"/c", b""), strict=True):
            await client.__aenter__()
            if path:
                await client.send(GET.replace(b"/bots/1", path))
        await topgg.arrived(3)
    assert topgg.open_connections == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for client in clients:
        await client.__aexit__()


@pytest.mark.parametrize("turns", range(5))
async def test_closes_while_clients_come(turns: int) -> None:
    """Clients that are just connecting when it closes leave nothing half-made."""
    async with StandIn() as topgg, Jitter(topgg.port, random.Random(1)) as network:
        sockets = [socket.socket() for _ in range(6)]
        for index, sock in enumerate(sockets):
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", (topgg.port, network.port)[index % 2]))
        for _ in range(turns):
            await asyncio.sleep(0)
    for sock in sockets:
        sock.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_clients_that_vanish_with_a_reset() -> None:
    """A client that resets its connection in the middle of a reply harms nobody."""
    async with StandIn() as topgg:
        topgg.default(fault.oversized())
        for _ in range(3):
            async with Client(topgg.port) as client:
                await client.send()
                await client.reader.readexactly(1000)
                sock = client.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.writer.transport.abort()
        await topgg.connected(0)
        topgg.default(json=LUCA)
        assert await fetch(topgg.base_url) == LUCA


async def test_down_for_a_while() -> None:
    """While it is down connections are refused; afterwards it is back on the same port."""
    async with StandIn() as topgg, Client(topgg.port) as client:
        topgg.default(json=LUCA)
        await client.send()
        await client.answer()
        url = topgg.base_url
        async with topgg.down():
            assert await client.rest() == b""
            with pytest.raises(aiohttp.ClientConnectorError):
                await fetch(url)
        assert await fetch(url) == LUCA


def test_in_a_thread() -> None:
    """In a thread of its own it outlives the loops of its clients."""
    event = asyncio.Event()
    with ThreadedStandIn() as topgg:
        topgg.script("/bots/1", ok(1), ok(2), fault.wait(event, ok(3)))
        assert asyncio.run(fetch(topgg.base_url)) == 1
        assert asyncio.run(fetch(topgg.base_url)) == 2
        with topgg.down(), pytest.raises(aiohttp.ClientConnectorError):
            asyncio.run(fetch(topgg.base_url))
        topgg.set(event)
        assert asyncio.run(fetch(topgg.base_url)) == 3
        topgg.arrived(3)
        topgg.idle()
        topgg.connected(0)
        assert topgg.paths == ["GET /bots/1"] * 3


def test_a_threads_errors_are_reported() -> None:
    """What goes wrong in the thread reaches the test."""

    def talk() -> None:
        with ThreadedStandIn() as topgg:
            topgg.default(lambda _: 1 / 0)  # type: ignore[arg-type]
            with suppress(aiohttp.ServerDisconnectedError):
                asyncio.run(fetch(topgg.base_url))

    with pytest.raises(ZeroDivisionError):
        talk()


# --- the unsteady network ---


async def test_jitter_delays_requests() -> None:
    """Requests arrive late by what the generator says; the answers come unchanged."""
    async with StandIn() as topgg, Jitter(topgg.port, random.Random(1), (0.03, 0.06)) as network:
        topgg.default(json=LUCA)
        started = asyncio.get_running_loop().time()
        assert await fetch(network.base_url) == LUCA
        assert topgg.seen[0].at - started >= 0.03


async def test_jitter_delivers_what_was_sent() -> None:
    """A request arrives though its client has left, as it does on a real network."""
    async with StandIn() as topgg, Jitter(topgg.port, random.Random(1), (0.05, 0.05)) as network:
        async with Client(network.port) as client:
            await client.send()
            await asyncio.sleep(0.01)
        assert topgg.seen == []
        await topgg.arrived(1)
        await topgg.connected(0)


async def test_jitter_drops_kept_alive_connections() -> None:
    """A used connection is dropped at the next request, which may have arrived all the same."""
    calls = 60
    async with StandIn() as topgg, Jitter(topgg.port, random.Random(3), drop=0.5) as network:
        topgg.default(json=LUCA)
        async with aiohttp.ClientSession() as session:
            for _ in range(calls):
                async with session.get(f"{network.base_url}/bots/1") as response:
                    assert await response.json() == LUCA
        assert calls / 4 < network.dropped < calls
        assert calls < len(topgg.seen) < calls + network.dropped


async def test_jitter_hands_on_resets_and_ends() -> None:
    """A RST stays a RST, a FIN a FIN, and a server that is down is a closed connection."""
    async with StandIn() as topgg, Jitter(topgg.port, random.Random(1)) as network:
        topgg.script("/bots/1", fault.reset(), fault.cut(LUCA))
        async with Client(network.port) as client:
            await client.send()
            with pytest.raises(ConnectionResetError):
                await client.rest()
        async with Client(network.port) as client:
            await client.send()
            assert (await client.rest()).startswith(b"HTTP/1.1 200 OK")
        async with topgg.down(), Client(network.port) as client:
            assert await client.rest() == b""


async def test_jitter_closes_with_requests_under_way() -> None:
    """Leaving ends what is still on its way and leaves no task behind."""
    async with StandIn() as topgg:
        topgg.default(fault.hang())
        async with Jitter(topgg.port, random.Random(1), (0, 0.1)) as network:
            clients = [Client(network.port) for _ in range(3)]
            for client in clients:
                await client.__aenter__()
                await client.send()
            await topgg.arrived(1)
        for client in clients:
            await client.__aexit__()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- counting ---


def windows(times: list[float], window: float) -> Iterator[int]:
    for start in times:
        yield sum(start <= time < start + window for time in times)


def test_most_in_window() -> None:
    """The fullest window is found; half-open, so that its end is the next one's beginning."""
    assert most_in_window([], 1) == 0
    assert most_in_window([0, 1, 2], 1) == 1
    assert most_in_window([2, 0, 0.999, 1], 1) == 2
    rng = random.Random(1)
    for _ in range(50):
        times = [rng.randrange(100) / 8 for _ in range(rng.randrange(1, 60))]
        assert most_in_window(times, 3) == max(windows(times, 3))


def test_violations() -> None:
    """Each window that is too full is named with its beginning and its count."""
    assert violations([0, 1, 2, 60, 61], calls=3, window=60) == []
    assert violations([0, 1, 2, 60, 61], calls=2, window=60) == [(0, 3), (1, 3), (2, 3)]
