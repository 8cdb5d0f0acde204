"""A client's life: the loops that it lives on, how it is closed, what it owns."""

import asyncio
import gc
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import aiohttp
import pytest
from reactivex import operators as ops

from rx_toppy import (
    ClientClosed,
    RateLimit,
    Ratelimited,
    RequestEvent,
    StandaloneBot,
    TopGG,
    TopGGServerError,
    iterate,
)
from rx_toppy.api import transport
from tests.standin import (
    Answer,
    Seen,
    StandIn,
    ThreadedStandIn,
    hang,
    ok,
    rate_limited,
    status,
    wait,
)

from .conftest import NewClient
from .helpers import (
    BOT,
    CASES,
    PATIENCE,
    TOKEN,
    Boom,
    Case,
    Catalogue,
    Heard,
    no_op,
    no_warnings,
    on_thread,
    settled,
    tasks_left,
    turns,
)

every_call = pytest.mark.parametrize("case", CASES, ids=str)

LATER = status(503, headers={"Retry-After": "30"})  # a retry that no slow machine gets to


# --- one loop after another ---


async def use(client: TopGG) -> None:
    """What a program does with a client."""
    assert (await client.fetch_bot(2)).id == 2


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_two_runs(closes: bool, far: ThreadedStandIn, far_client: NewClient) -> None:
    """One client works in one `asyncio.run` after another, and nothing warns."""
    with no_warnings():
        client = far_client()
        asyncio.run(use(client), debug=True)
        far.connected(0)
        asyncio.run(use(client), debug=True)
        if closes:
            asyncio.run(client.close(), debug=True)
        far.connected(0)
    assert len(far.seen) == 2
    if not closes:
        asyncio.run(client.close())


def test_two_runs_with_all_warnings_as_errors(far: ThreadedStandIn) -> None:
    """A program with two runs says nothing under `-W error -X dev`, nor when it ends."""
    program = f"""
        import asyncio
        from rx_toppy import StandaloneBot, TopGG

        client = TopGG(
            StandaloneBot({BOT}, server_count=7), token="{TOKEN}", base_url="{far.base_url}"
        )
        heard = []
        client.events.subscribe(heard.append)

        async def use():
            await client.fetch_bot(2)
            client.is_weekend().subscribe(heard.append)
            await client.is_weekend()

        asyncio.run(use())
        asyncio.run(use())
        asyncio.run(client.close())
        print(len(heard) >= 6)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_the_limiter_is_kept(far: ThreadedStandIn, far_client: NewClient) -> None:
    """What was sent in the first loop still counts in the second."""
    client = far_client(rate_limits=[RateLimit(1, per=60)], max_wait=0)

    async def again() -> None:
        with pytest.raises(Ratelimited) as raised:
            await client.is_weekend()
        assert raised.value.internal
        assert 50 < raised.value.retry_after <= 60

    asyncio.run(use(client))
    asyncio.run(again())
    asyncio.run(client.close())
    assert len(far.seen) == 1


def test_a_block_is_kept(far: ThreadedStandIn, far_client: NewClient) -> None:
    """A 429's block of the first loop still holds in the second."""
    client = far_client(max_wait=0)
    far.reply("GET /weekend", rate_limited(1800))

    async def blocked(internal: bool) -> None:
        with pytest.raises(Ratelimited) as raised:
            await client.is_weekend()
        assert raised.value.internal is internal
        assert 1700 < raised.value.retry_after <= 1800

    asyncio.run(blocked(False))
    asyncio.run(blocked(True))
    asyncio.run(client.close())
    assert len(far.seen) == 1


def test_events_go_on_in_the_second_loop(far_client: NewClient) -> None:
    """Subscribers of `events` hear of what happens in either loop, up to the end."""
    client = far_client()
    routes: list[str] = []
    ended: list[bool] = []
    client.events.subscribe(
        lambda event: routes.append(event.route), on_completed=lambda: ended.append(True)
    )
    asyncio.run(use(client))
    asyncio.run(use(client))
    assert ended == []
    asyncio.run(client.close())
    assert routes == ["/bots/{id}"] * 2
    assert ended == [True]


def test_what_was_in_flight_when_the_loop_ended(
    far: ThreadedStandIn, far_client: NewClient
) -> None:
    """A subscription that was in flight when its loop ended is over; the next loop works."""
    client = far_client(rate_limits=[RateLimit(2, per=60)], max_wait=0)
    far.script("GET /bots/2", hang(), ok({"id": "2"}))
    heard: list[Any] = []

    async def leave() -> None:
        client.fetch_bot(2).subscribe(heard.append, heard.append)
        await asyncio.to_thread(far.arrived, 1)

    async def limited() -> None:
        with pytest.raises(Ratelimited):  # what was in flight counts as sent
            await client.fetch_bot(2)

    with no_warnings():
        asyncio.run(leave())
        asyncio.run(use(client))
        asyncio.run(limited())
        asyncio.run(client.close())
    assert heard == []
    assert len(far.seen) == 2


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_what_a_closed_loop_left_behind_is_collected_without_a_trace(
    far: ThreadedStandIn, far_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that was closed under its calls: once these are collected, the next is as it was."""
    client = far_client(rate_limits=[RateLimit(1, per=0.3)], max_wait=None)
    far.script("GET /bots/2", hang(), ok({"id": "2"}))
    first = asyncio.new_event_loop()
    left = [first.create_task(_wait_for(client.fetch_bot(2))) for _ in range(2)]
    # One is in flight, one waits for its place.
    first.run_until_complete(first.run_in_executor(None, far.arrived, 1))
    first.run_until_complete(first.shutdown_default_executor())
    first.close()
    monkeypatch.setattr(transport, "LAST_WORDS", 2 * PATIENCE)

    async def go_on() -> None:
        next_one = asyncio.ensure_future(_wait_for(client.fetch_bot(2)))
        await asyncio.sleep(0)
        left.clear()
        gc.collect()
        async with asyncio.timeout(PATIENCE):
            assert (await next_one).id == 2
        async with asyncio.timeout(PATIENCE):  # it waits for no call that there is not
            await client.close()

    asyncio.run(go_on())
    assert len(far.seen) == 2


def test_made_in_a_loop_that_has_gone(far_client: NewClient) -> None:
    """Made in one loop and not used there, it works in the next."""

    async def make() -> TopGG:
        return far_client()

    client = asyncio.run(make())
    asyncio.run(use(client))
    asyncio.run(client.close())


async def test_from_another_living_loop(client: TopGG, server: StandIn) -> None:
    """An await from another loop, while the client's is open, is a RuntimeError that says so."""
    await client.is_weekend()
    for call in (client.fetch_bot(2), client.bulk_fetch_bots(5), client.post_stats()):
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda call=call: asyncio.run(_wait_for(call)))
    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(_enter(client)))
    assert server.paths == ["GET /weekend"]
    await use(client)


async def _wait_for(call: Any) -> Any:
    return await call


async def _enter(client: TopGG) -> None:
    async with client:
        raise AssertionError("it has entered")


def test_while_the_loop_stands_still(far: ThreadedStandIn, far_client: NewClient) -> None:
    """A loop that is open but does not run is a living one too."""
    client = far_client()
    with asyncio.Runner() as runner:
        runner.run(use(client))
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(use(client))
        runner.run(use(client))
        runner.run(client.close())
    assert len(far.seen) == 2


# --- closing ---


async def test_closing_twice(client: TopGG, server: StandIn) -> None:
    """`close` may be called any number of times, one after the other or all at once."""
    heard = Heard()
    client.events.subscribe(heard)
    await client.is_weekend()
    await asyncio.gather(*(client.close() for _ in range(5)))
    await client.close()
    assert client.is_closed
    assert heard.completed == 1
    assert not tasks_left()
    await server.connected(0)


async def test_closing_what_was_never_used(new_client: NewClient, server: StandIn) -> None:
    """A client that was never used is closed as well."""
    client = new_client()
    heard = Heard()
    client.events.subscribe(heard)
    await client.close()
    assert client.is_closed
    assert heard.completed == 1
    assert server.seen == []


async def test_closing_that_is_cancelled(client: TopGG, server: StandIn) -> None:
    """Whoever waits for `close` may be cancelled: what is begun is brought to its end."""
    await client.is_weekend()
    closing = asyncio.ensure_future(client.close())
    await turns(1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await settled()
    await server.connected(0)
    await client.close()


async def test_closing_from_another_loop(client: TopGG, server: StandIn) -> None:
    """`close` may come from a loop in another thread: it is done on the client's."""
    await client.is_weekend()
    heard = Heard()
    client.events.subscribe(heard)
    await asyncio.to_thread(lambda: asyncio.run(client.close()))
    assert client.is_closed
    assert heard.completed == 1
    assert heard.threads == {threading.get_ident()}
    await server.connected(0)


async def test_closing_from_both_loops(client: TopGG, server: StandIn) -> None:
    """Closed here and in another thread at once, both return when it is done."""
    await client.is_weekend()
    heard = Heard()
    client.events.subscribe(heard)
    elsewhere = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(client.close())))
    await client.close()
    await elsewhere
    assert heard.completed == 1
    await server.connected(0)


def test_closing_after_the_loop_has_gone(far: ThreadedStandIn, far_client: NewClient) -> None:
    """A client whose loop is closed can be closed in any other."""
    with no_warnings():
        client = far_client()
        asyncio.run(use(client))
        ended: list[bool] = []
        client.events.subscribe(on_completed=lambda: ended.append(True))
        asyncio.run(client.close())
        asyncio.run(client.close())
        far.connected(0)
    assert client.is_closed
    assert ended == [True]


def test_closing_while_the_loop_stands_still(far: ThreadedStandIn, far_client: NewClient) -> None:
    """In another loop, while its own is open but does not run, it is closed or a clear refusal."""
    with no_warnings():
        client = far_client()
        ended: list[bool] = []
        client.events.subscribe(on_completed=lambda: ended.append(True))
        with asyncio.Runner() as runner:
            runner.run(use(client))
            try:
                asyncio.run(client.close())
            except RuntimeError as error:
                assert "another event loop" in str(error)  # noqa: PT017 - it need not be raised
                assert not client.is_closed
            runner.run(client.close())
            assert client.is_closed
            assert ended == [True]
        far.connected(0)


class State:
    """A moment at which the client is closed."""

    def __init__(self, name: str, sent: int, **options: Any) -> None:
        self.name = name
        self.sent = sent
        self.options = options

    def __str__(self) -> str:
        return self.name

    async def reach(
        self, case: Case, client: TopGG, server: StandIn, start: Callable[[], None]
    ) -> None:
        """Starts a call, and returns when it has come that far."""
        tried = asyncio.Event()
        with client.events.subscribe(lambda _: tried.set()):
            if self.name == "waiting for the limiter":
                await client.is_weekend()
                server.seen.clear()
            tried.clear()
            server.reply(case.path, LATER if self.name == "before a retry" else hang())
            start()
            if self.name == "before a retry":
                async with asyncio.timeout(PATIENCE):
                    await tried.wait()
            elif self.name == "waiting for the limiter":
                await turns()
            elif self.name == "in flight":
                await server.arrived(1)


STATES = [
    State("just begun", 0),
    State("in flight", 1, retries=3),
    State("waiting for the limiter", 0, rate_limits=[RateLimit(1, per=60)], max_wait=None),
    State("before a retry", 1, retries=3),
]


@every_call
@pytest.mark.parametrize("state", STATES, ids=str)
async def test_closing_ends_a_call(
    case: Case,
    state: State,
    new_client: NewClient,
    server: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closed at any moment, calls err with ClientClosed, soon; their events come before the end."""
    monkeypatch.setattr(transport, "LAST_WORDS", 2 * PATIENCE)  # that long it takes for none
    client = new_client(**state.options)
    heard, events = Heard(), Heard()
    tasks: list[asyncio.Future[Any]] = []

    def start() -> None:
        case.make(client).subscribe(heard)
        tasks.append(asyncio.ensure_future(case.make(client)))

    await state.reach(case, client, server, start)
    if state.name == "in flight":
        await server.arrived(2)
    client.events.subscribe(events)
    async with asyncio.timeout(PATIENCE):
        await client.close()
    [task] = tasks
    with pytest.raises(ClientClosed):
        await task
    await heard.over()
    assert [type(error) for error in heard.errors] == [ClientClosed]
    assert (heard.values, heard.completed) == ([], 0)
    assert events.completed == 1
    told = [event.error for event in events.values if isinstance(event, RequestEvent)]
    if state.name == "in flight":
        assert [type(error) for error in told] == [ClientClosed] * 2
    assert len(server.seen) <= 2 * state.sent
    assert not tasks_left()
    await server.connected(0)


async def test_closing_while_pages_are_under_way(new_client: NewClient, server: StandIn) -> None:
    """Closed in the middle of a list, its reader gets what had come, then ClientClosed."""
    client = new_client()
    catalogue = Catalogue(5_000)
    catalogue.special = {offset: hang() for offset in range(500, 5_000, 500)}
    server.reply("GET /bots", catalogue)
    heard = Heard()
    client.bulk_fetch_bots(5_000).subscribe(heard)
    await server.arrived(2)
    await client.close()
    assert len(heard.values) == 500
    assert [type(error) for error in heard.errors] == [ClientClosed]
    assert not tasks_left()


async def test_closing_while_an_iteration_is_open(new_client: NewClient, server: StandIn) -> None:
    """Closed while an `async for` is at a bot, it ends with ClientClosed at the next page."""
    client = new_client()
    server.reply("GET /bots", Catalogue(5_000))
    bots = aiter(client.bulk_fetch_bots(5_000))
    await anext(bots)
    await client.close()
    for _ in range(499):
        await anext(bots)
    with pytest.raises(ClientClosed):
        await anext(bots)
    await settled()


async def test_closing_while_a_post_waits_for_the_bot(
    new_client: NewClient, server: StandIn
) -> None:
    """A post that waits for a bot to be ready ends with ClientClosed as well."""
    client = new_client(NeverReadyBot())
    posting = asyncio.ensure_future(client.post_stats())
    await turns()
    assert not posting.done()
    await client.close()
    with pytest.raises(ClientClosed):
        await posting
    assert not tasks_left()
    assert server.seen == []


class NeverReadyBot:
    """A bot that is connecting for ever."""

    def __init__(self) -> None:
        self.user = StandaloneBot(BOT).user
        self.guilds: list[Any] = []
        self.ws = object()

    async def wait_until_ready(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    def is_ready(self) -> bool:
        """No."""
        return False


async def test_closing_and_cancelling_at_once(new_client: NewClient, server: StandIn) -> None:
    """A task that is cancelled at the moment of closing stays cancelled; a disposed one silent."""
    server.reply("GET /bots/2", hang())
    for first in ("cancel", "close"):
        client = new_client()
        heard = Heard()
        call = asyncio.ensure_future(client.fetch_bot(2))
        subscription = client.fetch_bot(2).subscribe(heard)
        server.seen.clear()
        await server.arrived(2)
        closing = asyncio.ensure_future(client.close())
        if first == "close":
            await turns(2)
        call.cancel()
        subscription.dispose()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await call
        await settled()
        assert heard.nothing


async def test_the_order_of_the_end(new_client: NewClient, server: StandIn) -> None:
    """At the end calls in flight hear of it, their events come, and all streams complete."""
    client = new_client()
    order: list[str] = []
    client.events.subscribe(
        lambda event: order.append(type(event.error).__name__), None, lambda: order.append("events")
    )
    client.autopost.subscribe(on_completed=lambda: order.append("autopost"))
    server.reply("GET /bots/2", hang())
    client.fetch_bot(2).subscribe(no_op, lambda error: order.append("call"))
    await server.arrived(1)
    await client.close()
    assert sorted(order[:2]) == ["ClientClosed", "call"]
    assert sorted(order[2:]) == ["autopost", "events"]


@pytest.mark.parametrize("answer", [ok({}), hang(), status(503)], ids=["idle", "posting", "failed"])
async def test_closing_while_autopost_runs(
    answer: Answer, new_client: NewClient, server: StandIn
) -> None:
    """Autopost ends with the client, whatever it is doing, and completes."""
    client = new_client(autopost=True, retries=0)
    server.reply(f"POST /bots/{BOT}/stats", answer)
    posts = Heard()
    client.autopost.subscribe(posts)
    await client.is_weekend()
    await server.arrived(2)
    await client.close()
    assert not client.autopost.is_running()
    assert (posts.errors, posts.completed) == ([], 1)
    assert not tasks_left()
    with pytest.raises(ClientClosed):
        client.autopost.start()


async def test_closing_within_a_subscriber(new_client: NewClient, server: StandIn) -> None:
    """A subscriber may have the client closed: the call behind the event is done all the same."""
    client = new_client()
    heard = Heard()
    closing: list[asyncio.Future[None]] = []
    client.events.pipe(ops.take(1)).subscribe(
        lambda _: closing.append(asyncio.ensure_future(client.close()))
    )
    client.fetch_bot(2).subscribe(heard)
    await heard.over()
    await closing[0]
    assert [bot.id for bot in heard.values] == [2]
    assert client.is_closed


async def test_a_reader_hears_of_the_close(new_client: NewClient, server: StandIn) -> None:
    """A reader that waits for a composition in flight gets ClientClosed."""
    client = new_client()
    server.reply("GET /bots/2", hang())
    reading = asyncio.ensure_future(anext(aiter(iterate(client.fetch_bot(2).pipe(ops.map(id))))))
    await server.arrived(1)
    await client.close()
    with pytest.raises(ClientClosed):
        await reading


# --- after the end ---


@every_call
async def test_calls_after_close(case: Case, new_client: NewClient, server: StandIn) -> None:
    """After `close` a call errs with ClientClosed: awaited, iterated over, and subscribed to."""
    client = new_client()
    await client.is_weekend()
    early = case.make(client)
    await client.close()
    for call in (early, case.make(client)):
        with pytest.raises(ClientClosed):
            await call
        with pytest.raises(ClientClosed):
            await anext(aiter(call))
        heard = Heard()
        call.subscribe(heard)
        await heard.over()
        assert [type(error) for error in heard.errors] == [ClientClosed]
    await settled()
    assert server.paths == ["GET /weekend"]


@every_call
async def test_calls_of_other_threads_after_close(
    case: Case, new_client: NewClient, server: StandIn
) -> None:
    """Subscribed to or run on another thread, they err with ClientClosed as well."""
    client = new_client()
    await client.close()
    heard = Heard()
    on_thread(lambda: case.make(client).subscribe(heard))
    await heard.over()
    assert [type(error) for error in heard.errors] == [ClientClosed]
    with pytest.raises(ClientClosed):
        await asyncio.to_thread(case.make(client).run)
    assert server.seen == []


def test_calls_without_a_loop_after_close(far: ThreadedStandIn, far_client: NewClient) -> None:
    """After `close`, and without any loop, they err with ClientClosed."""
    client = far_client()
    client.is_weekend().run()
    asyncio.run(client.close())
    with pytest.raises(ClientClosed):
        client.fetch_bot(2).run()
    errors: list[Exception] = []
    client.fetch_bot(2).subscribe(no_op, errors.append)
    assert [type(error) for error in errors] == [ClientClosed]
    assert len(far.seen) == 1


async def test_entering_what_is_closed(new_client: NewClient) -> None:
    """`async with` over a closed client is a ClientClosed."""
    client = new_client()
    await client.close()
    with pytest.raises(ClientClosed):
        await _enter(client)


# --- `async with` ---


async def test_async_with(new_client: NewClient, server: StandIn) -> None:
    """`async with` gives the client, and closes it at the end."""
    made = new_client()
    async with made as client:
        assert client is made
        await use(client)
        assert not client.is_closed
    assert made.is_closed
    await server.connected(0)


async def test_async_with_an_exception(new_client: NewClient, server: StandIn) -> None:
    """An exception comes out of an `async with`, and the client is closed."""
    client = new_client()
    with pytest.raises(Boom):
        await _raise_within(client)
    assert client.is_closed
    await server.connected(0)


async def _raise_within(client: TopGG) -> None:
    async with client:
        await use(client)
        raise Boom


async def test_async_with_a_cancelled_task(new_client: NewClient, server: StandIn) -> None:
    """A task that is cancelled within an `async with` leaves a closed client."""
    client = new_client()
    server.reply("GET /bots/2", hang())

    async def work() -> None:
        async with client:
            await client.fetch_bot(2)

    task = asyncio.ensure_future(work())
    await server.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.is_closed
    await server.connected(0)


# --- the session ---


async def test_the_session(new_client: NewClient) -> None:
    """`client.session` is None until the first call, then the client's own; closed with it."""
    client = new_client()
    assert client.session is None
    await client.is_weekend()
    session = client.session
    assert isinstance(session, aiohttp.ClientSession)
    await client.is_weekend()
    assert client.session is session
    await client.close()
    assert session.closed


async def test_a_session_that_was_handed_in(new_client: NewClient, server: StandIn) -> None:
    """A session that was handed in is used, and not closed."""
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        client = new_client(session=session)
        assert client.session is session
        await client.is_weekend()
        await client.close()
        assert not session.closed
        assert [seen.headers["x-mine"] for seen in server.seen] == ["yes"]
        async with session.get(f"{server.base_url}/weekend") as response:
            assert response.status == 200


async def test_the_middlewares_of_a_session(new_client: NewClient, server: StandIn) -> None:
    """The middlewares of a session that was handed in still run, in their order, for each send."""
    told: list[str] = []

    def middleware(name: str) -> Any:
        async def run(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
            told.append(f"{name} {request.url.path}")
            request.headers[f"X-{name}"] = "yes"
            return await handler(request)

        return run

    server.script("GET /bots/2", status(503), ok({"id": "2"}))
    async with aiohttp.ClientSession(middlewares=[middleware("a"), middleware("b")]) as session:
        client = new_client(session=session, retries=1)
        await client.fetch_bot(2)
    assert told == ["a /api/bots/2", "b /api/bots/2"] * 2
    assert all("x-a" in seen.headers and "x-b" in seen.headers for seen in server.seen)


async def test_closing_with_a_session_that_was_handed_in(
    new_client: NewClient, server: StandIn
) -> None:
    """Calls in flight over a session that was handed in err with ClientClosed too."""
    server.reply("GET /bots/2", hang())
    async with aiohttp.ClientSession() as session:
        client = new_client(session=session)
        call = asyncio.ensure_future(client.fetch_bot(2))
        await server.arrived(1)
        await client.close()
        with pytest.raises(ClientClosed):
            await call
        assert not session.closed
        await server.connected(0)


async def test_two_clients_on_one_session(new_client: NewClient, server: StandIn) -> None:
    """Two clients can share a session; closing one leaves the other alone."""
    async with aiohttp.ClientSession() as session:
        one, other = new_client(session=session), new_client(session=session)
        await use(one)
        await one.close()
        await use(other)


async def test_a_session_that_is_closed(new_client: NewClient, server: StandIn) -> None:
    """A session that was handed in and then closed is one of our errors, not aiohttp's."""
    session = aiohttp.ClientSession()
    client = new_client(session=session, retries=0)
    await session.close()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what this is about
        await client.fetch_bot(2)
    assert type(raised.value).__module__.startswith("rx_toppy")


# --- never closed ---


def test_never_closed(far: ThreadedStandIn, far_client: NewClient) -> None:
    """A client that was used and never closed warns when it is garbage, and says what to do."""
    clients = [far_client()]
    asyncio.run(use(clients[0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clients.clear()
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    message = str(caught[0].message)
    assert "TopGG" in message
    assert "close()" in message
    assert TOKEN not in message


async def test_never_closed_in_a_running_loop(server: StandIn) -> None:
    """So it does in a running loop; its connections are freed."""
    bot = StandaloneBot(BOT)
    clients = [TopGG(bot, token=TOKEN, base_url=server.base_url)]
    await use(clients[0])
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(no_op)  # aiohttp complains of its own session there, too
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clients.clear()
        gc.collect()
        await settled()
    said = [str(w.message) for w in caught if w.category is ResourceWarning]
    assert any("TopGG" in message and "close()" in message for message in said)
    await server.connected(0)


@pytest.mark.parametrize("way", ["closed", "async with", "never used", "handed-in session", "run"])
def test_nothing_to_warn_of(way: str, far: ThreadedStandIn, far_client: NewClient) -> None:
    """Closed, never used, used by `run()` or on the user's own session, it warns of nothing."""

    async def life() -> None:
        if way == "closed":
            client = far_client()
            await use(client)
            await client.close()
        elif way == "async with":
            async with far_client() as client:
                await use(client)
        elif way == "never used":
            far_client()
        elif way == "handed-in session":
            async with aiohttp.ClientSession() as session:
                await use(far_client(session=session))

    with no_warnings():
        if way == "run":
            far_client().is_weekend().run()
        else:
            asyncio.run(life(), debug=True)


def test_a_client_that_could_not_be_made() -> None:
    """A client whose arguments were refused has nothing to warn of, nor anything to trip over."""
    with no_warnings():
        for wrong in (
            {"token": ""},
            {"token": TOKEN, "post_to": "v2"},
            {"token": TOKEN, "timeout": -1},
        ):
            with pytest.raises(ValueError, match=r"token|post_to|timeout"):
                TopGG(StandaloneBot(BOT), **wrong)


# --- two clients ---


async def test_two_clients_share_no_limiter(new_client: NewClient, server: StandIn) -> None:
    """What one client has sent, or was blocked for, is none of another's business."""
    one, other = (
        new_client(rate_limits=[RateLimit(1, per=60)], max_wait=0, retries=0) for _ in range(2)
    )
    server.script("GET /bots/2", rate_limited(3600), ok({"id": "2"}))
    with pytest.raises(Ratelimited):
        await one.fetch_bot(2)
    with pytest.raises(Ratelimited):
        await one.fetch_bot(2)
    await use(other)
    assert len(server.seen) == 2


async def test_two_clients_share_no_stream(new_client: NewClient) -> None:
    """Events, autopost and the end are of each client's own."""
    one, other = new_client(), new_client()
    ones, others, posts = Heard(), Heard(), Heard()
    one.events.subscribe(ones)
    other.events.subscribe(others)
    other.autopost.subscribe(posts)
    await one.is_weekend()
    one.autopost.start()
    await ones.count(4)
    assert not other.autopost.is_running()
    await one.close()
    assert ones.completed == 1
    assert others.nothing
    assert posts.nothing
    await use(other)
    assert len(others.values) == 1


async def test_closing_one_of_two(new_client: NewClient, server: StandIn) -> None:
    """Closing one client leaves the calls of another in flight alone."""
    one, other = new_client(), new_client()
    go_on = asyncio.Event()

    def answer(seen: Seen) -> Answer:
        return hang() if "one" in seen.query.get("search", "") else later

    later = wait(go_on, ok({"results": [], "total": 0}))
    server.reply("GET /bots", answer)
    closed = asyncio.ensure_future(one.fetch_bots(search="one"))
    open_ = asyncio.ensure_future(other.fetch_bots(search="other"))
    await server.arrived(2)
    await one.close()
    with pytest.raises(ClientClosed):
        await closed
    go_on.set()
    assert len(await open_) == 0


async def test_failures_of_one_call_leave_others_alone(client: TopGG, server: StandIn) -> None:
    """A call that fails, or is cancelled, leaves those beside it alone."""
    server.reply("GET /users/5", status(503))
    server.reply("GET /bots/3", hang())
    doomed = asyncio.ensure_future(client.fetch_bot(3))
    beside = asyncio.gather(*(client.fetch_bot(2) for _ in range(5)))
    with pytest.raises(TopGGServerError):
        await client.fetch_user(5)
    doomed.cancel()
    assert [bot.id for bot in await beside] == [2] * 5
    with pytest.raises(asyncio.CancelledError):
        await doomed
