"""The faults that can be switched on, latency and drops, as a client sees them on the wire."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from rx_toppy import StandaloneBot, TopGG
from rx_toppy.sandbox import FaultSwitch, Limit, Sandbox, faults

PATIENCE = 30.0  # only what hangs takes so long
LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


class Connection:
    """A bare connection to a sandbox: what comes is seen as it is, and nothing is sent again."""

    def __init__(self, sandbox, reader, writer):
        self._sandbox = sandbox
        self._reader = reader
        self._writer = writer

    async def send(self, path="/weekend", method="GET", body=b""):
        head = (
            f"{method} /api{path} HTTP/1.1\r\nHost: me\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: {self._sandbox.token}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._writer.drain()

    async def rest(self):
        """Everything until the end; a ConnectionResetError where the end is a RST."""
        return await asyncio.wait_for(self._reader.read(), PATIENCE)

    async def answer(self):
        """The status and the body of one whole answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        [length] = [line for line in head.split("\r\n") if line.startswith("Content-Length:")]
        return int(head.split()[1]), await self._reader.readexactly(int(length.split()[1]))


@asynccontextmanager
async def connected(sandbox):
    parts = urlsplit(sandbox.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Connection(sandbox, reader, writer)
    finally:
        writer.close()


def now():
    """The time of the loop, which is that of pauses and timeouts."""
    return asyncio.get_running_loop().time()


async def until(true):
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.001)


async def statuses(api, path, count):
    return [(await api.get(path)).status for _ in range(count)]


def seen(sandbox):
    return [request.status for request in sandbox.requests]


# --- each fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (faults.Status(503), 503, b'{"error":"Service Unavailable"}'),
        (faults.Status(520), 520, b'{"error":"Unknown Error"}'),
        (faults.Status(200), 200, b""),
        (faults.Status(500, body="oops"), 500, b"oops"),
        (faults.Status(500, body=b"\xff"), 500, b"\xff"),
        (faults.Status(200, body={"voted": "maybe"}), 200, b'{"voted":"maybe"}'),
    ],
)
async def test_a_status_replaces_the_answer(run, fault, status, body):
    """The status and the body are those that were asked for, and they are JSON by default."""
    async with run() as (sandbox, api):
        sandbox.fail(fault)
        answer = await api.get("/weekend")
    assert (answer.status, answer.body) == (status, body)
    assert answer.content_type == "application/json; charset=utf-8"
    assert seen(sandbox) == [status]


async def test_a_status_has_headers(run):
    """The headers that were asked for are sent, a content type in the place of JSON's."""
    headers = {"retry-after": "2", "content-type": "text/plain"}
    async with run() as (sandbox, _), aiohttp.ClientSession() as session:
        sandbox.fail(faults.Status(503, "later", headers))
        async with session.get(
            f"{sandbox.base_url}/weekend", headers={"Authorization": sandbox.token}
        ) as answer:
            assert answer.headers["Retry-After"] == "2"
            assert answer.headers.getall("Content-Type") == ["text/plain"]


@pytest.mark.parametrize("status", [200, 502, 520])
async def test_html_is_a_page(run, status):
    """A proxy's page comes as HTML, with its status in it."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.HtmlPage(status))
        answer = await api.get("/weekend")
    assert answer.status == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert str(status).encode() in answer.body


@pytest.mark.parametrize("shape", ["body", "header", "both", "date", "neither"])
async def test_too_many_is_said_in_every_shape(run, shape):
    """A 429 tells the time where it was asked to, and blocks nothing."""
    async with run() as (sandbox, _), aiohttp.ClientSession() as session:
        sandbox.fail(faults.TooManyRequests(timedelta(seconds=59.5), shape), times=1)
        headers = {"Authorization": sandbox.token}
        began = time.time()
        async with session.get(f"{sandbox.base_url}/weekend", headers=headers) as answer:
            body = await answer.json()
            ended = time.time()
            said = answer.headers.get("Retry-After")
        async with session.get(f"{sandbox.base_url}/weekend", headers=headers) as after:
            assert (answer.status, after.status) == (429, 200)
    assert body == ({"retry-after": 60} if shape in ("body", "both") else {})
    if shape == "date":
        assert began + 59 <= parsedate_to_datetime(said).timestamp() <= ended + 61
    else:
        assert said == ("60" if shape in ("header", "both") else None)


async def test_garbage_is_no_json(run):
    """Garbage says that it is JSON, with a status of 200, and is none."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.Garbage())
        answer = await api.get("/weekend")
    assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8")
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        _ = answer.data


async def test_garbage_is_no_http(run):
    """Garbage of the other kind is not even HTTP, and ends the connection."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.Garbage(http=False))
        async with connected(sandbox) as connection:
            await connection.send()
            came = await connection.rest()
        with pytest.raises(aiohttp.ClientResponseError):
            await api.post_stats({"server_count": 1})
    assert came
    assert not came.startswith(b"HTTP")
    assert seen(sandbox) == [None, None]
    assert sandbox.posted == []


async def test_a_reset_is_a_reset(run):
    """The client's next read fails with a RST, not with an end; what was posted is not taken."""
    async with run() as (sandbox, _):
        sandbox.fail(faults.Reset())
        async with connected(sandbox) as connection:
            body = b'{"server_count": 5}'
            await connection.send(f"/bots/{sandbox.bot_id}/stats", "POST", body)
            with pytest.raises(ConnectionResetError):
                await connection.rest()
    [request] = sandbox.requests
    assert (request.status, request.method, request.body) == (None, "POST", body)
    assert sandbox.posted == []


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
async def test_a_cut_off_body_is_shorter_than_said(run, share):
    """Content-Length tells the whole length, that share of it comes, then the connection ends."""
    async with run() as (sandbox, api):
        whole = (await api.own()).body
        sandbox.fail(faults.TruncatedBody(share))
        async with connected(sandbox) as connection:
            await connection.send(f"/bots/{sandbox.bot_id}")
            head, _, body = (await connection.rest()).partition(b"\r\n\r\n")
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.own()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(whole)}".encode() in head
    assert b"close" not in head
    assert body == whole[: int(len(whole) * share)]
    assert seen(sandbox) == [200, 200, 200]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/users/1", 404),
        ("POST", "/weekend", 405),
        ("POST", "/bots/{own}/stats", 200),
    ],
)
async def test_any_answer_can_be_cut_off(run, method, path, status):
    """Errors are cut off as well; a post whose answer is cut off was taken."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.TruncatedBody())
        path = path.format(own=sandbox.bot_id)
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.ask(method, path, data=b'{"server_count": 7}' if method == "POST" else None)
    assert seen(sandbox) == [status]
    assert sandbox.posted == ([{"server_count": 7}] if path.endswith("stats") else [])


async def test_an_empty_body_is_cut_off_too(run):
    """Where there is no body, one byte is promised that does not come."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.TruncatedBody())
        sandbox.fail(faults.Status(200))
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.get("/weekend")


async def test_a_delay_comes_before_the_answer(run):
    """The answer is the proper one, and comes no sooner than was asked for."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.Delay(timedelta(milliseconds=50)), times=1)
        began = now()
        assert (await api.get("/weekend")).status == 200
        assert now() - began >= 0.05


async def test_a_client_that_leaves_during_a_delay_is_not_heard(run):
    """What was posted by a client that gave up is not taken, and is in the record."""
    async with run() as (sandbox, api):
        switch = sandbox.fail(faults.Delay(3600))
        posting = asyncio.create_task(api.post_stats({"server_count": 1}))
        await until(lambda: switch.count)
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting
        await until(lambda: sandbox.requests)
    assert seen(sandbox) == [None]
    assert sandbox.posted == []


async def test_a_hang_has_no_end(run):
    """Nothing comes while the sandbox runs; the request is in the record meanwhile."""
    async with run() as (sandbox, _), connected(sandbox) as connection:
        sandbox.fail(faults.Hang())
        await connection.send()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(PATIENCE / 2):
                await connection.rest()
        assert seen(sandbox) == [None]


@pytest.mark.parametrize("fault", [faults.Hang(), faults.Delay(3600)])
async def test_waiting_requests_do_not_hold_up_close(fault):
    """Close ends what hangs or is delayed, at once, and leaves nothing behind."""
    before = asyncio.all_tasks()
    async with Sandbox(bots=5, votes_per_minute=0) as sandbox:
        switch = sandbox.fail(fault)
        async with connected(sandbox) as connection:
            await connection.send()
            await until(lambda: switch.count)
            began = now()
            await sandbox.close()
            assert now() - began < 0.9
            await connection.rest()
    assert asyncio.all_tasks() == before


async def test_a_delay_leads_to_the_next_fault(run):
    """Faults strike in the order in which they were switched on, and a delay is not the last."""
    async with run() as (sandbox, api):
        delay = sandbox.fail(faults.Delay(0.01))
        first = sandbox.fail(faults.Status(500), times=2)
        second = sandbox.fail(faults.Status(503))
        assert await statuses(api, "/weekend", 4) == [500, 500, 503, 503]
    assert (delay.count, first.count, second.count) == (4, 2, 2)


# --- switching -----------------------------------------------------------------------------------


async def test_times_are_counted(run):
    """It strikes as often as it was told to, counts that, and is off then."""
    async with run() as (sandbox, api):
        switch = sandbox.fail(faults.Status(503), times=3)
        assert (switch.count, switch.is_on) == (0, True)
        assert await statuses(api, "/weekend", 5) == [503, 503, 503, 200, 200]
        assert (switch.count, switch.is_on) == (3, False)
    assert seen(sandbox) == [503, 503, 503, 200, 200]


async def test_only_its_route_is_struck(run):
    """A fault for a route, or for a method of it, leaves all others alone."""
    async with run() as (sandbox, api):
        switch = sandbox.fail(faults.Status(503), route="/bots/{id}/stats", method="post")
        bots = sandbox.fail(faults.Status(500), route="/bots/{id}")
        assert (await api.post_stats({"server_count": 1})).status == 503
        assert (await api.own("/stats")).status == 200
        assert (await api.own()).status == 500
        assert await statuses(api, "/bots", 1) == [200]
    assert (switch.count, bots.count) == (1, 1)
    assert sandbox.posted == []


@pytest.mark.parametrize("route", [None, "/bots/{id}"])
async def test_without_a_route_everything_is_struck(run, route):
    """No route is every route, even those that are not there."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.Status(503), route=route)
        found = [(await api.get(path)).status for path in ("/weekend", "/nothing")]
    assert found == ([503, 503] if route is None else [200, 404])


async def test_a_fault_can_be_stopped(run):
    """It is off after `stop`, after the block it was switched on for, and after `clear_faults`."""
    async with run() as (sandbox, api):
        switch = sandbox.fail(faults.Status(500))
        assert await statuses(api, "/weekend", 1) == [500]
        switch.stop()
        switch.stop()
        assert await statuses(api, "/weekend", 1) == [200]
        with sandbox.fail(faults.Status(501)) as outage:
            assert isinstance(outage, FaultSwitch)
            assert await statuses(api, "/weekend", 2) == [501, 501]
        assert await statuses(api, "/weekend", 1) == [200]
        switches = [sandbox.fail(faults.Status(502)), sandbox.fail(faults.Reset(), rate=0.5)]
        sandbox.clear_faults()
        assert set(await statuses(api, "/weekend", 10)) == {200}
        sandbox.clear_faults()
    assert [one.is_on for one in switches] == [False, False]
    assert (switch.count, outage.count) == (1, 2)
    assert repr(outage) == f"<FaultSwitch {outage.fault!r}, off, count=2>"


async def test_a_rate_is_kept(run):
    """Over many requests it strikes about as many as the rate says; 0 is none and 1 is all."""
    async with run(seed=3) as (sandbox, api):
        with sandbox.fail(faults.Status(503), rate=0.25) as some:
            found = await statuses(api, "/weekend", 400)
        with sandbox.fail(faults.Status(503), rate=0):
            assert set(await statuses(api, "/weekend", 20)) == {200}
        with sandbox.fail(faults.Status(503), rate=1):
            assert set(await statuses(api, "/weekend", 20)) == {503}
        with sandbox.fail(faults.Status(503), rate=0.5, times=2) as few:
            assert (await statuses(api, "/weekend", 40)).count(503) == few.count == 2
    assert found.count(503) == some.count
    assert 70 < some.count < 130


async def test_a_run_can_be_repeated(run):
    """The same seed and the same calls meet the same faults, however many votes arrive meanwhile;
    another seed gives others."""

    async def play(seed, votes):
        async with run(seed=seed, votes_per_minute=votes, drop=0.3) as (sandbox, api):
            sandbox.fail(faults.Status(503), rate=0.3)
            sandbox.fail(faults.Reset(), route="/weekend", rate=0.3)
            for path in ("/weekend", "/bots", "/users/1") * 15:
                await asyncio.sleep(0.01)
                with suppress(*LOST):
                    await api.ask("POST" if path == "/users/1" else "GET", path)
            assert (len(sandbox._world.votes) > 70) == bool(votes)
            return seen(sandbox)

    first = await play(1, 0)
    assert {None, 200, 405, 503} == set(first)
    assert await play(1, 30_000) == first
    assert await play(2, 0) != first


async def test_other_faults_do_not_change_what_becomes_of_a_route(run):
    """Each fault has a chance of its own: one for another route draws nothing from it."""
    outcomes = []
    for noise in (None, 0.5):
        async with run(seed=5) as (sandbox, api):
            sandbox.fail(faults.Status(503), route="/weekend", rate=0.5)
            if noise:
                sandbox.fail(faults.Status(500), route="/bots", rate=noise)
            found = []
            for _ in range(30):
                found += await statuses(api, "/weekend", 1)
                await api.get("/bots")
            outcomes.append(found)
    assert outcomes[0] == outcomes[1]


async def test_struck_requests_cost_their_limit(run):
    """A struck request counts in the limits as any other; one too many is refused as ever."""
    async with run(rate_limits=[Limit(3, 60)]) as (sandbox, api):
        switch = sandbox.fail(faults.Status(503))
        assert await statuses(api, "/weekend", 5) == [503, 503, 503, 429, 429]
        assert (await api.ask("GET", "/weekend", headers={})).status == 401
    assert switch.count == 3


async def test_a_reset_costs_its_limit(run):
    """A request that was reset had come in, so that it counts."""
    async with run(rate_limits=[Limit(1, 60)]) as (sandbox, api):
        sandbox.fail(faults.Reset())
        with pytest.raises(aiohttp.ClientConnectionError):
            await api.ask("POST", "/weekend")
        assert (await api.get("/weekend")).status == 429


async def test_faults_outlive_a_restart():
    """A fault can be switched on before the sandbox runs, and stays on when it starts again."""
    sandbox = Sandbox(bots=5, votes_per_minute=0)
    switch = sandbox.fail(faults.Hang())
    for count in (1, 2):
        async with sandbox, connected(sandbox) as connection:
            await connection.send()
            await until(lambda count=count: switch.count >= count)


# --- the line ------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0.03, timedelta(seconds=0.03), (0.03, 0.04)])
async def test_latency_holds_back_each_answer(run, latency):
    """Every answer takes at least as long, the errors too."""
    async with run(latency=latency) as (sandbox, api):
        for method, path in (("GET", "/weekend"), ("GET", "/nothing"), ("POST", "/weekend")):
            began = now()
            await api.ask(method, path)
            assert now() - began >= 0.03
    assert seen(sandbox) == [200, 404, 405]


async def test_latency_does_not_hold_up_close(run):
    """Close sends what is held back, at once."""
    async with run(latency=3600) as (sandbox, _), connected(sandbox) as connection:
        await connection.send()
        await until(lambda: sandbox.requests)
        began = now()
        await sandbox.close()
        assert now() - began < 0.9


async def test_a_kept_alive_connection_is_dropped(run):
    """The first request on a connection is answered; the next one gets an end and no answer."""
    async with run(drop=1, rate_limits=[Limit(2, 60)]) as (sandbox, _):
        for _ in range(2):
            async with connected(sandbox) as connection:
                await connection.send()
                assert (await connection.answer())[0] == 200
                await connection.send()
                assert await connection.rest() == b""
    # The dropped ones cost no limit: top.gg had let go before they came.
    assert seen(sandbox) == [200, None, 200, None]


async def test_no_connection_is_dropped_by_default(run):
    """A connection is kept as long as the client wants it."""
    async with run() as (sandbox, _), connected(sandbox) as connection:
        for _ in range(50):
            await connection.send()
            assert (await connection.answer())[0] == 200


async def test_each_request_is_told_of(run):
    """`on_request` hears what the record gets, in its order; what it raises spoils no answer."""
    told = []

    def hear(request):
        told.append(request)
        if request.path.endswith("/bots"):
            raise RuntimeError("a listener's own")

    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
    async with run(on_request=hear) as (sandbox, api):
        sandbox.fail(faults.Status(503), times=1)
        assert await statuses(api, "/weekend", 2) == [503, 200]
        assert await statuses(api, "/bots", 1) == [200]
    assert told == sandbox.requests
    assert [str(said["exception"]) for said in complaints] == ["a listener's own"]


# --- a client in all of this ---------------------------------------------------------------------


async def test_the_client_lives_through_a_bad_day(monkeypatch):
    """503s, resets and drops at once: with retries none of 40 calls comes to grief."""
    monkeypatch.setattr("rx_toppy.api.retries.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("rx_toppy.api.retries.LONGEST_PAUSE", 0.02)
    async with Sandbox(seed=2, bots=50, rate_limits=(), votes_per_minute=0, drop=0.15) as sandbox:
        bad = sandbox.fail(faults.Status(503), rate=0.3)
        worse = sandbox.fail(faults.Reset(), rate=0.15)
        bot = StandaloneBot(sandbox.bot_id, server_count=1234)
        async with TopGG(
            bot,
            token=sandbox.token,
            base_url=sandbox.base_url,
            autopost=False,
            rate_limits=(),
            retries=8,
        ) as client:
            for _ in range(20):
                assert (await client.fetch_bot(sandbox.bot_id)).id == sandbox.bot_id
                await client.post_stats()
    assert len(sandbox.posted) == 20
    assert bad.count > 10  # what is struck is the same each time: the seed has no run of nine
    assert worse.count > 3
    assert seen(sandbox).count(None) > worse.count
    assert seen(sandbox).count(200) == 40


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"times": 0}, ValueError, "times must be at least 1"),
        ({"times": 1.5}, TypeError, "times"),
        ({"times": True}, TypeError, "times"),
        ({"rate": -0.1}, ValueError, "rate must be from 0 to 1"),
        ({"rate": 1.1}, ValueError, "rate"),
        ({"rate": float("nan")}, ValueError, "rate"),
        ({"rate": "0.5"}, TypeError, "rate"),
        ({"route": "/bot/{id}"}, ValueError, r"'/bot/\{id\}', only /bots, /bots/\{id\}, "),
        ({"route": "/api/bots"}, ValueError, "/weekend"),
        ({"route": ""}, ValueError, "route"),
        ({"route": 5}, TypeError, "route"),
        ({"method": "DELETE"}, ValueError, "GET, PATCH, POST and PUT, not 'DELETE'"),
        ({"method": "PUT", "route": "/v1/projects/@me"}, ValueError, "GET and PATCH, not 'PUT'"),
        ({"method": "POST", "route": "/bots"}, ValueError, "takes, GET, not 'POST'"),
        ({"method": 1}, TypeError, "method"),
    ],
)
def test_bad_switches_are_refused_at_once(options, error, said):
    """What can't be switched on is an error that says why, and nothing is on after it."""
    sandbox = Sandbox(bots=5)
    with pytest.raises(error, match=said):
        sandbox.fail(faults.Reset(), **options)
    assert not sandbox._switches.any_on


@pytest.mark.parametrize("fault", [503, "reset", None, faults.Reset])
def test_only_faults_can_be_switched_on(fault):
    """Something else than a fault, or its class, is an error that shows what is one."""
    with pytest.raises(TypeError, match=r"faults\.Status\(503\)"):
        Sandbox(bots=5).fail(fault)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: faults.Status(199), ValueError),
        (lambda: faults.Status(600), ValueError),
        (lambda: faults.Status("503"), TypeError),
        (lambda: faults.Status(503, headers=[]), TypeError),
        (lambda: faults.Status(503, headers={"a": "b\r\nc"}), ValueError),
        (lambda: faults.Status(503, headers={"a": 1}), TypeError),
        (lambda: faults.Status(503, headers={"Content-length": "5"}), ValueError),
        (lambda: faults.Status(503, body=object()), TypeError),
        (lambda: faults.HtmlPage(100), ValueError),
        (lambda: faults.HtmlPage("502"), TypeError),
        (lambda: faults.TooManyRequests(0), ValueError),
        (lambda: faults.TooManyRequests("1"), TypeError),
        (lambda: faults.TooManyRequests(1, "heder"), ValueError),
        (lambda: faults.Garbage(1), TypeError),
        (lambda: faults.TruncatedBody(1), ValueError),
        (lambda: faults.TruncatedBody(-0.1), ValueError),
        (lambda: faults.TruncatedBody("half"), TypeError),
        (lambda: faults.Delay(0), ValueError),
        (lambda: faults.Delay(float("inf")), ValueError),
        (lambda: faults.Delay(None), TypeError),
        (lambda: Sandbox(latency=-1), ValueError),
        (lambda: Sandbox(latency=(0.2, 0.1)), ValueError),
        (lambda: Sandbox(latency=(0.1,)), ValueError),
        (lambda: Sandbox(latency="1"), TypeError),
        (lambda: Sandbox(drop=1.5), ValueError),
        (lambda: Sandbox(drop=True), TypeError),
        (lambda: Sandbox(on_request=1), TypeError),
    ],
)
def test_bad_faults_are_refused_at_once(make, error):
    """A fault, a latency or a rate of drops that makes no sense is an error where it is made."""
    with pytest.raises(error):
        make()
