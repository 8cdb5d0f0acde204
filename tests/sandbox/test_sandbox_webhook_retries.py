"""What becomes of deliveries: retries and their pauses, duplicates, delays, stop and close."""

import asyncio
import gc
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

SECRET = "whs_0123456789abcdef"
NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
KINDS = {"v0": {"authorization": "my-own-words"}, "v1": {"secret": SECRET}}
PAUSES = {"v0": [2.0**n for n in range(11)], "v1": [1.0, 2.0, 4.0]}
FAST = 1e6

both_kinds = pytest.mark.parametrize("kind", ["v0", "v1"])


def statuses(endpoint):
    return [[attempt.status for attempt in told.tries] for told in endpoint.deliveries]


async def tried(endpoint, times):
    """Wait until the newest delivery waits after so many tries."""
    async with asyncio.timeout(30):
        while len(endpoint.deliveries[-1].tries) < times:
            await asyncio.sleep(0.001)


# --- retries -------------------------------------------------------------------------------------


@both_kinds
async def test_the_whole_schedule(run, receiver, kind):
    """A receiver that is down is tried again after 1, 2, 4, ... seconds, and then given up."""
    receiver.otherwise = 500
    speed = 50_000
    now = asyncio.get_running_loop().time
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, speed=speed, **KINDS[kind])
        sandbox.vote(5)
        begun = now()
        await endpoint.wait_idle()
        taken = now() - begun
        [delivery] = endpoint.deliveries
    assert [attempt.pause for attempt in delivery.tries] == [0.0, *PAUSES[kind]]
    assert sum(PAUSES[kind]) == {"v0": 2047, "v1": 7}[kind]
    assert taken == pytest.approx(sum(PAUSES[kind]) / speed)
    assert statuses(endpoint) == [[500] * (1 + len(PAUSES[kind]))]
    assert delivery.done
    assert not delivery.is_taken
    assert (endpoint.count, endpoint.delivered, endpoint.lost) == (1, 0, 1)
    assert len({received.body for received in receiver.seen}) == 1
    assert len(receiver.seen) == len(delivery.tries)


@both_kinds
@pytest.mark.parametrize("status", [200, 201, 204, 299, 302, 304, 400, 401, 404, 410, 429, 499])
async def test_most_answers_end_it(run, receiver, kind, status):
    """2xx is taken; 4xx is refused, and so is a redirect, which is not followed."""
    receiver.answers = [status]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, speed=FAST, **KINDS[kind])
        sandbox.vote(5)
        await endpoint.wait_idle()
        [delivery] = endpoint.deliveries
    assert len(receiver.seen) == 1
    assert statuses(endpoint) == [[status]]
    assert (delivery.done, delivery.is_taken) == (True, status < 300)
    assert (endpoint.delivered, endpoint.lost) == ((1, 0) if status < 300 else (0, 1))


@both_kinds
@pytest.mark.parametrize("status", [500, 502, 503, 520, 599])
async def test_a_5xx_is_retried_until_it_is_taken(run, receiver, kind, status):
    """The first answer of 2xx ends the retries."""
    receiver.answers = [status, status]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, speed=FAST, **KINDS[kind])
        sandbox.vote(5)
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[status, status, 204]]
    assert (endpoint.delivered, endpoint.lost) == (1, 0)


async def test_a_4xx_ends_the_retries(run, receiver):
    """A receiver that comes up and refuses is left alone."""
    receiver.answers = [500, 401]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, speed=FAST, secret=SECRET)
        sandbox.vote(5)
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[500, 401]]


async def test_no_answer_is_retried(run, receiver):
    """A receiver that takes too long is tried again."""
    receiver.answers = [None, None]
    brief = timedelta(milliseconds=50)
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, speed=FAST, authorization="a", timeout=brief)
        sandbox.vote(5)
        await endpoint.wait_idle()
    [[first, second, *_, last]] = statuses(endpoint)
    assert (first, second, last) == (None, None, 204)


async def test_an_answer_may_take_five_seconds(run, receiver, monkeypatch):
    """Unless told otherwise it is top.gg's time that there is for an answer."""
    given = []

    def timeout(*, total):
        given.append(total)
        raise OSError

    monkeypatch.setattr("rx_toppy.sandbox.carrier.aiohttp.ClientTimeout", timeout)
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        await endpoint.send_test()
    assert given == [5.0]


async def test_nobody_there_is_retried(run, receiver):
    """A port that nobody listens at, and a host that nobody knows, are tried again."""
    async with run() as (sandbox, _):
        for url in (f"http://127.0.0.1:{unused_port()}/", f"http://{'a' * 70}.invalid/"):
            endpoint = sandbox.send_to(url, speed=FAST, secret=SECRET)
            sandbox.vote()
            await endpoint.wait_idle()
            assert statuses(endpoint) == [[None] * 4]
            assert endpoint.lost == 1
            endpoint.stop()


async def test_a_lost_connection_is_retried(run):
    """A receiver that hangs up without an answer is tried again."""
    calls = []

    async def hang_up(request):
        calls.append(await request.read())
        if len(calls) < 3:
            request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hang_up)
    async with TestServer(app) as server, run() as (sandbox, _):
        endpoint = sandbox.send_to(str(server.make_url("/")), speed=FAST, secret=SECRET)
        sandbox.vote()
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[None, None, 200]]


async def test_each_retry_is_signed_anew(run, receiver, clock):
    """Body and trace stay, time and signature are those of the try."""
    receiver.answers = [500, 500, 500]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote(5)
        for times in (1, 2, 3):
            await tried(endpoint, times)
            clock.advance(seconds=400)
            endpoint.retry_now()
        await endpoint.wait_idle()
        [delivery] = endpoint.deliveries
    assert [attempt.at for attempt in delivery.tries] == [
        NOON + timedelta(seconds=400 * n) for n in range(4)
    ]
    for n, received in enumerate(receiver.seen):
        seconds = int(NOON.timestamp()) + 400 * n
        message = f"{seconds}.{received.body.decode()}".encode()
        digest = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        assert received.headers["x-topgg-signature"] == f"t={seconds},v1={digest}"
    assert len({received.headers["x-topgg-trace"] for received in receiver.seen}) == 1


# --- the adjustable clock ------------------------------------------------------------------------


async def test_hurry_ends_the_pauses_of_now(run, receiver):
    """What waits goes at once; a retry that fails waits for the next pause."""
    receiver.otherwise = 503
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization="a")
        endpoint.retry_now()
        for user_id in (5, 6):
            sandbox.vote(user_id)
        for times in range(1, 12):
            await receiver.wait(2 * times)
            await asyncio.sleep(0.9)  # nothing happens unasked
            assert len(receiver.seen) == 2 * times
            assert endpoint.pending == 2
            endpoint.retry_now()
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[503] * 12] * 2
    assert endpoint.lost == 2


async def test_endpoints_do_not_wait_for_each_other(run, receiver):
    """One that is down, and one that hangs, take nothing from the others."""
    receiver.answers = [500]
    async with run() as (sandbox, _):
        down = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote()
        await tried(down, 1)
        fine = sandbox.send_to(receiver.url, secret=SECRET)
        for _ in range(3):
            sandbox.vote()
        await fine.wait_idle()
        assert (fine.delivered, down.pending >= 1) == (3, True)


# --- duplicates and delays -----------------------------------------------------------------------


async def test_a_vote_can_come_twice(run, receiver):
    """The copy has the same body, and a trace and a record of its own."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET, duplicates=1.0)
        sandbox.vote(5)
        await endpoint.wait_idle()
    first, second = receiver.seen
    assert first.body == second.body
    assert first.headers["x-topgg-trace"] != second.headers["x-topgg-trace"]
    assert [delivery.user_id for delivery in endpoint.deliveries] == [5, 5]
    assert (endpoint.count, endpoint.delivered) == (2, 2)


async def test_duplicates_are_seeded(run, receiver):
    """The same seed sends the same votes twice, whatever other endpoints there are."""
    sent = []
    for others in (0, 2):
        async with run(seed=3) as (sandbox, _):
            endpoint = sandbox.send_to(receiver.url, secret=SECRET, duplicates=0.5)
            for _ in range(others):
                sandbox.send_to(receiver.url, secret=SECRET, duplicates=0.5)
            for user_id in range(1, 25):
                sandbox.vote(user_id)
            sent.append([delivery.user_id for delivery in endpoint.deliveries])
            assert endpoint.count == len(sent[-1])
    assert sent[0] == sent[1]
    assert 26 < len(sent[0]) < 46


async def test_votes_can_come_in_another_order(run, receiver):
    """Each is held back for a time of its own, which the seed decides."""
    async with run(seed=3) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET, delay=(0, 10), speed=200)
        for user_id in range(1, 21):
            sandbox.vote(user_id)
        await endpoint.wait_idle()
    came = [int(body["data"]["user"]["platform_id"]) for body in receiver.data]
    assert sorted(came) == list(range(1, 21))
    assert came != sorted(came)
    delays = [delivery.tries[0].pause for delivery in endpoint.deliveries]
    assert 0 <= min(delays) < 3
    assert 7 < max(delays) <= 10


async def test_hurry_ends_delays(run, receiver):
    """What is held back is not sent by itself, but when it is told to."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET, delay=timedelta(hours=1))
        sandbox.vote(5)
        await asyncio.sleep(3599)
        assert receiver.seen == []
        endpoint.retry_now()
        await endpoint.wait_idle()
        sandbox.vote(6)
        endpoint.retry_now()
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[204], [204]]
    assert endpoint.deliveries[0].tries[0].pause == 3600


# --- stop and close ------------------------------------------------------------------------------


async def test_stop_gives_up_what_waits(run, receiver):
    """Neither retries nor delayed deliveries are sent after it; they are lost."""
    receiver.otherwise = 500
    async with run() as (sandbox, _):
        retrying = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote()
        await tried(retrying, 1)
        delayed = sandbox.send_to(receiver.url, secret=SECRET, delay=60)
        sandbox.vote()
        await tried(retrying, 1)
        for endpoint in (retrying, delayed):
            endpoint.stop()
            await endpoint.wait_idle()
    assert statuses(retrying) == [[500], [500]]
    assert statuses(delayed) == [[]]
    assert not delayed.deliveries[0].is_taken
    assert (retrying.lost, delayed.lost) == (2, 1)
    assert all(told.done for told in retrying.deliveries + delayed.deliveries)


async def test_stop_hears_what_is_being_sent(run, receiver):
    """An answer to what was sent before the stop still counts."""
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        sandbox.vote()
        await receiver.wait(1)
        endpoint.stop()
        await endpoint.wait_idle()
    assert statuses(endpoint) == [[204]]
    assert endpoint.delivered == 1


async def test_only_so_many_are_sent_at_once(run, receiver, monkeypatch):
    """A burst of votes does not open a connection for each; the rest waits without a timeout."""
    monkeypatch.setattr("rx_toppy.sandbox.endpoint.MOST_AT_ONCE", 2)
    receiver.answers = [None, None]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization="a", timeout=0.1, speed=FAST)
        for _ in range(5):
            sandbox.vote()
        await receiver.wait(2)
        await asyncio.sleep(0.005)
        assert len(receiver.seen) == 2
        await endpoint.wait_idle()
    assert endpoint.delivered == 5
    # The two that hung were retried; of the others none was, however long it waited its turn.
    assert [tries[0] for tries in statuses(endpoint)] == [None, None, 204, 204, 204]


@both_kinds
async def test_close_ends_everything(run, receiver, kind):
    """What is being sent, what waits and what has not begun: nothing of it is left."""
    receiver.answers = [500, None]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, **KINDS[kind])
        sandbox.vote()
        await tried(endpoint, 1)
        sandbox.vote()
        await receiver.wait(2)
        sandbox.vote()
        assert endpoint.pending == 3
        await sandbox.close()
        assert endpoint.pending == 0
        sandbox.vote()
    assert statuses(endpoint) == [[500], [None], []]
    assert all(delivery.done for delivery in endpoint.deliveries)
    assert (endpoint.count, endpoint.lost) == (3, 3)
    left = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    assert [name for name in left if "RequestHandler" not in name] == ["test_close_ends_everything"]
    gc.collect()


async def test_votes_while_it_closes_are_fine(run, receiver):
    """Votes that keep arriving until the end neither fail nor are sent after it."""
    async with run(votes_per_minute=6_000_000) as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, authorization="a")
        await receiver.wait(20)
        closing = asyncio.create_task(sandbox.close())
        while not closing.done():
            sandbox.vote()
            await asyncio.sleep(0)
        await closing
    count = endpoint.count
    sandbox.vote()
    assert endpoint.count == count
    assert endpoint.pending == 0


async def test_close_ends_a_test(run, receiver):
    """A test that is not answered by the end was not answered."""
    receiver.answers = [None]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        test = asyncio.create_task(endpoint.send_test())
        await receiver.wait(1)
        await sandbox.close()
        assert await test is None


async def test_a_test_can_be_cancelled(run, receiver):
    """Whoever does not want to wait any longer ends it, and only it."""
    receiver.answers = [None]
    async with run() as (sandbox, _):
        endpoint = sandbox.send_to(receiver.url, secret=SECRET)
        test = asyncio.create_task(endpoint.send_test())
        await receiver.wait(1)
        test.cancel()
        with pytest.raises(asyncio.CancelledError):
            await test
        await endpoint.wait_idle()
        assert await endpoint.send_test() == 204
    assert statuses(endpoint) == [[None], [204]]
