"""The rules of the streams, held against every observable that a client has."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import reactivex
from reactivex import operators as ops
from reactivex.observer import Observer
from reactivex.testing import TestScheduler

from rx_toppy import ClientClosed, RateLimit, Ratelimited, RequestEvent, TopGG, TopGGServerError
from tests.standin import Answer, StandIn, ThreadedStandIn, hang, ok, stall_body, status

from .conftest import NewClient
from .helpers import (
    CASES,
    PATIENCE,
    Boom,
    Case,
    Heard,
    errors_of,
    no_op,
    no_warnings,
    on_thread,
    raised_in,
    settled,
    tasks_left,
    turns,
)

every_call = pytest.mark.parametrize("case", CASES, ids=str)


@dataclass(frozen=True)
class Hot:
    """A stream without an end: where it is, and how to make it emit."""

    name: str
    of: Callable[[TopGG], Any]
    emit: Callable[[TopGG], None]

    def __str__(self) -> str:
        return self.name


HOT = [
    Hot("events", lambda c: c.events, lambda c: c.events.on_next("an event")),
    Hot("autopost", lambda c: c.autopost, lambda c: c.autopost.restart()),
]
every_hot = pytest.mark.parametrize("hot", HOT, ids=str)

ALL: list[Any] = [case.make for case in CASES] + [hot.of for hot in HOT]
every_stream = pytest.mark.parametrize("make", ALL, ids=[*map(str, CASES), *map(str, HOT)])


# --- cold: each subscription, await and iteration is a request of its own ---


@every_call
async def test_a_call_sends_nothing_before_it_is_used(
    case: Case, client: TopGG, server: StandIn
) -> None:
    """To make a call, to compose it and to look at it sends nothing, and starts no task."""
    call = case.make(client)
    call.pipe(ops.map(no_op), ops.retry(3))
    repr(call)
    await turns()
    assert not tasks_left()
    assert server.seen == []


@every_call
async def test_each_subscription_is_a_request(case: Case, client: TopGG, server: StandIn) -> None:
    """Two subscriptions to one call are two requests; each hears the values, then completion."""
    call = case.make(client)
    for requests in (1, 2):
        heard = Heard()
        call.subscribe(heard)
        await heard.over()
        assert [case.brief(value) for value in heard.values] == case.items
        assert (heard.errors, heard.completed) == ([], 1)
        assert server.paths == [case.path] * requests


@every_call
async def test_each_await_is_a_request(case: Case, client: TopGG, server: StandIn) -> None:
    """Two awaits of one call are two requests."""
    call = case.make(client)
    assert case.whole(await call) == case.items
    assert case.whole(await call) == case.items
    assert server.paths == [case.path] * 2


@every_call
async def test_each_iteration_is_a_request(case: Case, client: TopGG, server: StandIn) -> None:
    """Two iterations over one call are two requests."""
    call = case.make(client)
    assert [case.brief(value) async for value in call] == case.items
    assert [case.brief(value) async for value in call] == case.items
    assert server.paths == [case.path] * 2


@every_call
async def test_retry_sends_again(case: Case, client: TopGG, server: StandIn) -> None:
    """`ops.retry(3)` over a call that keeps failing sends three requests, then errs once."""
    server.reply(case.path, status(503))
    heard = Heard()
    case.make(client).pipe(ops.retry(3)).subscribe(heard)
    await heard.over()
    assert [type(error) for error in heard.errors] == [TopGGServerError]
    assert (heard.values, heard.completed) == ([], 0)
    assert server.paths == [case.path] * 3


@every_call
async def test_retry_ends_with_success(case: Case, client: TopGG, server: StandIn) -> None:
    """`ops.retry` over a call that fails once gives the values of the second request."""
    server.script(case.path, status(503), ok(case.body))
    heard = Heard()
    case.make(client).pipe(ops.retry(3)).subscribe(heard)
    await heard.over()
    assert [case.brief(value) for value in heard.values] == case.items
    assert (heard.errors, heard.completed) == ([], 1)
    assert server.paths == [case.path] * 2


@every_call
async def test_repeat_sends_again(case: Case, client: TopGG, server: StandIn) -> None:
    """`ops.repeat(2)` over a call sends two requests, and gives what both of them give."""
    heard = Heard()
    case.make(client).pipe(ops.repeat(2)).subscribe(heard)
    await heard.over()
    assert [case.brief(value) for value in heard.values] == case.items * 2
    assert (heard.errors, heard.completed) == ([], 1)
    assert server.paths == [case.path] * 2


# --- dispose means cancel ---

LATER = status(503, headers={"Retry-After": "30"})  # a retry that no slow machine gets to


class Stage:
    """A moment in the life of a request, and how to get there."""

    def __init__(self, name: str, requests: int, **options: Any) -> None:
        self.name = name
        self.requests = requests
        self.options = options

    def __str__(self) -> str:
        return self.name

    async def reach(
        self, case: Case, client: TopGG, server: StandIn, start: Callable[[], object]
    ) -> None:
        """Starts it, and returns when it has come that far."""
        sent = asyncio.Event()
        with client.events.subscribe(lambda _: sent.set()):
            if self.name == "in flight":
                server.reply(case.path, hang())
            elif self.name == "before a retry":
                server.reply(case.path, LATER)
            elif self.name == "waiting for the limiter":
                await client.is_weekend()
                server.seen.clear()
                sent.clear()
            start()
            if self.name == "in flight":
                await server.arrived(1)
            elif self.name == "before a retry":
                async with asyncio.timeout(PATIENCE):
                    await sent.wait()
            elif self.name == "waiting for the limiter":
                await turns()
                assert tasks_left()


STAGES = [
    Stage("before it is sent", 0),
    Stage("in flight", 1, retries=3),
    Stage("waiting for the limiter", 0, rate_limits=[RateLimit(1, per=60)], max_wait=None),
    Stage("before a retry", 1, retries=3),
]
every_stage = pytest.mark.parametrize("stage", STAGES, ids=str)

Stop = Callable[[], Awaitable[None]]


class Run:
    """A way to use a call, and to give it up."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.heard = Heard()

    def start(self) -> None:
        """Use it."""
        self.subscription = self.call.subscribe(self.heard)

    async def stop(self) -> None:
        """Give it up."""
        self.subscription.dispose()


class ThreadRun(Run):
    """Disposed of from another thread."""

    async def stop(self) -> None:
        on_thread(self.subscription.dispose)


class PipedRun(Run):
    """Composed, and disposed of downstream."""

    def start(self) -> None:
        self.subscription = self.call.pipe(ops.map(lambda x: x), ops.retry(3)).subscribe(self.heard)


class TaskRun(Run):
    """A task that is cancelled."""

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.work())

    async def work(self) -> None:
        """What the task does."""
        self.heard.on_next(await self.call)

    async def stop(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


class IterationRun(TaskRun):
    """A task with an `async for`, that is cancelled."""

    async def work(self) -> None:
        async for value in self.call:
            self.heard.on_next(value)


RUNS = {
    "dispose": Run,
    "dispose on a thread": ThreadRun,
    "dispose downstream": PipedRun,
    "cancel the await": TaskRun,
    "cancel the iteration": IterationRun,
}


@every_call
@every_stage
@pytest.mark.parametrize("way", RUNS)
async def test_giving_up_stops_the_request(
    case: Case, stage: Stage, way: str, new_client: NewClient, server: StandIn
) -> None:
    """Given up at any stage, nothing more is sent or heard, no task and no connection is left."""
    client = new_client(**stage.options)
    run = RUNS[way](case.make(client))
    await stage.reach(case, client, server, run.start)
    await run.stop()
    await settled()
    assert run.heard.nothing
    assert len(server.seen) == stage.requests
    await server.idle()
    if stage.name == "in flight":
        await server.connected(0)


@every_call
async def test_a_call_works_after_one_was_given_up(
    case: Case, new_client: NewClient, server: StandIn
) -> None:
    """What was given up in flight does not stand in the way of the next call."""
    client = new_client(retries=0)
    server.script(case.path, hang(), ok(case.body))
    call = case.make(client)
    subscription = call.subscribe()
    await server.arrived(1)
    subscription.dispose()
    assert case.whole(await call) == case.items


async def test_dispose_while_the_body_comes(server: StandIn, new_client: NewClient) -> None:
    """Disposed of halfway through the body, the connection is closed and not used again."""
    head = asyncio.Event()
    trace = aiohttp.TraceConfig()

    async def on_head(*_: object) -> None:
        head.set()

    trace.on_request_end.append(on_head)
    server.script("GET /bots/2", stall_body({"id": "2", "username": "Luca"}), ok({"id": "2"}))
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = new_client(session=session)
        heard = Heard()
        subscription = client.fetch_bot(2).subscribe(heard)
        async with asyncio.timeout(PATIENCE):
            await head.wait()
        await turns()
        subscription.dispose()
        await settled()
        await server.connected(0)
        assert heard.nothing
        assert (await client.fetch_bot(2)).id == 2
        assert [seen.connection for seen in server.seen] == [1, 2]


@every_call
async def test_dispose_in_its_own_on_next(case: Case, client: TopGG, server: StandIn) -> None:
    """Disposed of inside its first on_next, it says nothing more, and the connection is kept."""
    heard = Heard()

    def first_only(value: Any) -> None:
        heard.on_next(value)
        subscription.dispose()

    subscription = case.make(client).subscribe(first_only, heard.on_error, heard.on_completed)
    await heard.count(1)
    await settled()
    assert [case.brief(value) for value in heard.values] == case.items[:1]
    assert not heard.is_over
    await client.is_weekend()
    assert [seen.connection for seen in server.seen] == [1, 1]


@every_call
async def test_take_one(case: Case, client: TopGG, server: StandIn) -> None:
    """`ops.take(1)`, which disposes inside of on_next, completes after one value and one send."""
    heard = Heard()
    case.make(client).pipe(ops.take(1)).subscribe(heard)
    await heard.over()
    await settled()
    assert [case.brief(value) for value in heard.values] == case.items[:1]
    assert (heard.errors, heard.completed) == ([], 1)
    assert server.paths == [case.path]


@every_call
async def test_dispose_after_completion(case: Case, client: TopGG, server: StandIn) -> None:
    """Disposing of what is complete does nothing; the connection is used again."""
    heard = Heard()
    subscription = case.make(client).subscribe(heard)
    await heard.over()
    subscription.dispose()
    subscription.dispose()
    await case.make(client)
    assert (len(heard.values), heard.completed) == (len(case.items), 1)
    assert [seen.connection for seen in server.seen] == [1, 1]


async def test_a_disposed_waiter_gives_its_place_back(
    new_client: NewClient, server: StandIn
) -> None:
    """Who comes after waiters that were disposed of need not wait for their turns."""
    client = new_client(rate_limits=[RateLimit(2, per=60)], max_wait=90)
    await client.is_weekend()
    await client.is_weekend()
    waiting = [client.is_weekend().subscribe() for _ in range(2)]
    await turns()
    with pytest.raises(Ratelimited):  # its turn comes after two minutes
        await client.is_weekend()
    for subscription in waiting:
        subscription.dispose()
    await turns()
    heard = Heard()
    subscription = client.is_weekend().subscribe(heard)
    await turns()
    assert heard.nothing  # it waits a minute
    subscription.dispose()
    assert len(server.seen) == 2


@every_call
@pytest.mark.parametrize("answer", [None, status(503)], ids=["success", "failure"])
async def test_dispose_when_its_request_is_over(
    case: Case, answer: Answer | None, new_client: NewClient, server: StandIn
) -> None:
    """Disposed of by a subscriber of its own RequestEvent, it is neither heard nor sent again."""
    client = new_client(retries=3)
    if answer is not None:
        server.reply(case.path, answer)
    heard, events = Heard(), Heard()

    def leave(event: RequestEvent) -> None:
        events.on_next(event)
        subscription.dispose()

    client.events.subscribe(leave)
    subscription = case.make(client).subscribe(heard)
    await events.count(1)
    await settled()
    assert heard.nothing
    assert server.paths == [case.path]


async def test_many_are_disposed_of_at_once(client: TopGG, server: StandIn) -> None:
    """Fifty calls in flight that are disposed of at once leave no connection behind."""
    server.reply("GET /bots/2", hang())
    heard = Heard()
    subscriptions = [client.fetch_bot(2).subscribe(heard) for _ in range(50)]
    await server.arrived(50)
    for subscription in subscriptions:
        subscription.dispose()
    await settled()
    await server.connected(0)
    assert heard.nothing


async def test_sharing_a_call(client: TopGG, server: StandIn) -> None:
    """`ops.share()` makes one request for several subscribers; the last to leave cancels it."""
    server.script("GET /bots/2", hang(), ok({"id": "2"}))
    shared = client.fetch_bot(2).pipe(ops.share())
    one, other = Heard(), Heard()
    first, second = shared.subscribe(one), shared.subscribe(other)
    await server.arrived(1)
    first.dispose()
    await turns()
    assert tasks_left()
    second.dispose()
    await settled()
    await server.connected(0)
    shared.subscribe(one)
    shared.subscribe(other)
    await other.over()
    assert len(one.values) == len(other.values) == 1
    assert len(server.seen) == 2


async def test_cancelling_the_await_of_a_composition(client: TopGG, server: StandIn) -> None:
    """Cancelling the task that awaits a composition stops the request behind it."""
    server.reply("GET /bots/2", hang())

    async def work() -> None:
        await client.fetch_bot(2).pipe(ops.map(no_op))

    task = asyncio.ensure_future(work())
    await server.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled()
    await server.connected(0)


async def test_timeout_operator_cancels(client: TopGG, server: StandIn) -> None:
    """`ops.timeout`, which disposes on a timer thread, stops the request."""
    server.reply("GET /bots/2", hang())
    heard, clock = Heard(), TestScheduler()
    client.fetch_bot(2).pipe(ops.timeout(10, scheduler=clock)).subscribe(heard)
    await server.arrived(1)
    threading.Timer(0, clock.advance_by, [10]).start()
    await heard.over()
    await settled()
    await server.connected(0)
    assert len(heard.errors) == 1


async def test_dispose_before_the_loop_hears_of_it(client: TopGG, server: StandIn) -> None:
    """Subscribed to and disposed of on a thread before the loop has come round, nothing is sent."""
    await client.is_weekend()
    heard = Heard()
    on_thread(lambda: client.fetch_bot(2).subscribe(heard).dispose())
    await settled()
    assert heard.nothing
    assert server.paths == ["GET /weekend"]


def test_dispose_after_the_loop_has_gone(far: ThreadedStandIn, far_client: NewClient) -> None:
    """Disposing when the loop is closed is no error."""
    client = far_client()
    far.reply("GET /bots/2", hang())

    async def main() -> Any:
        subscription = client.fetch_bot(2).subscribe()
        await asyncio.to_thread(far.arrived, 1)
        return subscription

    subscription = asyncio.run(main())
    subscription.dispose()
    asyncio.run(client.close())


@every_call
async def test_dispose_is_told_of_as_given_up(case: Case, client: TopGG, server: StandIn) -> None:
    """A request that was given up in flight has its RequestEvent, without a status and error."""
    events = Heard()
    client.events.subscribe(events)
    server.reply(case.path, hang())
    subscription = case.make(client).subscribe()
    await server.arrived(1)
    subscription.dispose()
    await events.count(1)
    await settled()
    [event] = events.values
    assert isinstance(event, RequestEvent)
    assert (event.status, event.error, event.attempt) == (None, None, 1)


# --- leaving an `async for` ---


async def _raise_over(stream: Any) -> None:
    async for _ in stream:
        raise Boom


@every_call
async def test_break_leaves_nothing(case: Case, client: TopGG, server: StandIn) -> None:
    """`break` in an `async for` leaves no task, and the connection can be used again."""
    async for _ in case.make(client):
        break
    await settled()
    await client.is_weekend()
    assert [seen.connection for seen in server.seen] == [1, 1]


@every_call
async def test_raise_leaves_nothing(case: Case, client: TopGG, server: StandIn) -> None:
    """An exception in the body of an `async for` comes out of it, and no task is left."""
    with pytest.raises(Boom):
        await _raise_over(case.make(client))
    await settled()
    assert server.paths == [case.path]


@every_call
async def test_an_iteration_that_fails(case: Case, client: TopGG, server: StandIn) -> None:
    """The error of the request comes out of the `async for`."""
    server.reply(case.path, status(503))
    with pytest.raises(TopGGServerError):
        await _raise_over(case.make(client))


async def _break_over(stream: Any) -> None:
    async for _ in stream:
        break


@every_hot
async def test_leaving_a_hot_stream(hot: Hot, new_client: NewClient) -> None:
    """`break`, an exception and cancelling all end an `async for` over a hot stream."""
    client = new_client()
    breaking = asyncio.ensure_future(_break_over(hot.of(client)))
    raising = asyncio.ensure_future(_raise_over(hot.of(client)))
    await turns()
    hot.emit(client)
    async with asyncio.timeout(PATIENCE):
        await breaking
        with pytest.raises(Boom):
            await raising
    waiting = asyncio.ensure_future(_raise_over(hot.of(client)))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    client.autopost.cancel()
    await settled()
    assert "0 subscribers" in repr(client.events)


# --- any thread ---


async def _from_thread(call: Any, heard: Heard) -> None:
    await asyncio.to_thread(call.subscribe, heard)


# What is heard here is what comes out of the call: a foreign operator behind it may well complete
# on its own thread.


async def _from_timer(call: Any, heard: Heard) -> None:
    reactivex.timer(0.01).pipe(ops.flat_map(lambda _: call.pipe(ops.do(heard)))).subscribe(no_op)


async def _after_delay(call: Any, heard: Heard) -> None:
    reactivex.of(1).pipe(
        ops.delay(0.01), ops.flat_map(lambda _: call.pipe(ops.do(heard)))
    ).subscribe(no_op)


ELSEWHERE = {"thread": _from_thread, "timer": _from_timer, "delay": _after_delay}


@every_call
@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
async def test_subscribed_from_another_thread(
    case: Case, where: str, used: bool, client: TopGG, server: StandIn
) -> None:
    """Subscribed to on another thread, a call runs and emits on the client's loop all the same."""
    if used:
        await client.is_weekend()
        server.seen.clear()
    heard = Heard()
    await ELSEWHERE[where](case.make(client), heard)
    await heard.over()
    assert [case.brief(value) for value in heard.values] == case.items
    assert heard.errors == []
    assert heard.threads == {threading.get_ident()}
    assert server.paths == [case.path]


@every_call
async def test_an_error_arrives_on_the_loop(case: Case, client: TopGG, server: StandIn) -> None:
    """The error of a call that was subscribed to on another thread arrives on the loop."""
    server.reply(case.path, status(503))
    heard = Heard()
    await _from_thread(case.make(client), heard)
    await heard.over()
    assert [type(error) for error in heard.errors] == [TopGGServerError]
    assert heard.threads == {threading.get_ident()}


@every_hot
async def test_a_hot_stream_emits_on_the_loop(hot: Hot, new_client: NewClient) -> None:
    """What a subscriber on another thread hears of a hot stream, it hears on the client's loop."""
    client = new_client()
    await client.is_weekend()
    heard = Heard()
    await asyncio.to_thread(hot.of(client).subscribe, heard)
    hot.emit(client)
    await heard.count(1)
    assert heard.threads == {threading.get_ident()}


async def test_retried_on_another_thread(client: TopGG, server: StandIn) -> None:
    """What `ops.retry` subscribes to again on a timer thread runs on the client's loop as well."""
    server.script("GET /bots/2", hang(), ok({"id": "2"}))
    heard, clock = Heard(), TestScheduler()
    call = client.fetch_bot(2).pipe(ops.do(heard))
    call.pipe(ops.timeout(10, scheduler=clock), ops.retry(2)).subscribe(no_op)
    await server.arrived(1)
    threading.Timer(0, clock.advance_by, [10]).start()
    await heard.over()
    await settled()
    assert [bot.id for bot in heard.values] == [2]
    assert heard.threads == {threading.get_ident()}
    assert len(server.seen) == 2
    await server.connected(1)


async def test_running_a_composition_on_a_thread(client: TopGG, server: StandIn) -> None:
    """reactivex's own `run()` of a composition works on another thread."""
    await client.is_weekend()
    named = client.fetch_bot(2).pipe(ops.map(lambda bot: bot.id))
    assert await asyncio.to_thread(named.run) == 2


async def test_subscribed_from_another_loop(client: TopGG, server: StandIn) -> None:
    """Subscribed to on a thread with a loop of its own, a call runs on the client's loop."""
    await client.is_weekend()
    heard = Heard()

    async def elsewhere() -> None:
        client.fetch_bot(2).subscribe(heard)

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    await heard.over()
    assert [bot.id for bot in heard.values] == [2]
    assert heard.threads == {threading.get_ident()}


def test_subscribed_to_without_any_loop(
    far_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no loop to run on, the subscription errs with a RuntimeError that says so."""
    errors: list[Exception] = []
    client = far_client()
    client.fetch_bot(2).subscribe(no_op, errors.append)
    assert [type(error) for error in errors] == [RuntimeError]
    assert "event loop" in str(errors[0])
    client.fetch_bot(2).subscribe()
    [(_, error, _)] = errors_of(caplog)
    assert isinstance(error, RuntimeError)


# --- callbacks that raise ---


@every_call
async def test_on_next_that_raises(
    case: Case, client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """An on_next that raises is logged with its traceback, and that subscription is over."""
    heard = Heard()

    def raising(value: Any) -> None:
        heard.on_next(value)
        raise Boom("in on_next")

    case.make(client).subscribe(raising, heard.on_error, heard.on_completed)
    await heard.count(1)
    await settled()
    assert len(heard.values) == 1
    assert not heard.is_over
    [(message, error, traceback)] = errors_of(caplog)
    assert isinstance(error, Boom)
    assert "raising" in raised_in(traceback)
    assert case.name in message
    assert await client.is_weekend() is True


@every_call
async def test_on_next_that_raises_a_cancellation(
    case: Case, client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """A CancelledError out of an on_next is an exception like others: logged, the end of that."""
    heard = Heard()

    def raising(value: Any) -> None:
        heard.on_next(value)
        raise asyncio.CancelledError

    case.make(client).subscribe(raising, heard.on_error, heard.on_completed)
    await heard.count(1)
    await settled()
    assert len(heard.values) == 1
    assert not heard.is_over
    assert len(errors_of(caplog)) == 1


@every_call
async def test_on_error_that_raises(
    case: Case, client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """An on_error that raises is logged with its traceback, and that is all."""
    server.reply(case.path, status(503))
    heard = Heard()

    def raising(error: Exception) -> None:
        heard.on_error(error)
        raise Boom("in on_error")

    case.make(client).subscribe(on_error=raising)
    await heard.over()
    await settled()
    [(_, error, traceback)] = errors_of(caplog)
    assert isinstance(error, Boom)
    assert "raising" in raised_in(traceback)


@every_call
async def test_on_completed_that_raises(
    case: Case, client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """An on_completed that raises is logged with its traceback; no on_error follows."""
    heard = Heard()

    def raising() -> None:
        heard.on_completed()
        raise Boom("in on_completed")

    case.make(client).subscribe(heard.on_next, heard.on_error, raising)
    await heard.over()
    await settled()
    assert heard.errors == []
    [(_, error, traceback)] = errors_of(caplog)
    assert isinstance(error, Boom)
    assert "raising" in raised_in(traceback)


@every_call
async def test_an_error_without_on_error(
    case: Case, client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody listens to is logged, with the call's name."""
    server.reply(case.path, status(503))
    over = Heard()
    client.events.subscribe(over)
    case.make(client).subscribe(no_op)
    await over.count(1)
    await settled()
    [(message, error, _)] = errors_of(caplog)
    assert isinstance(error, TopGGServerError)
    assert case.name in message


@every_call
async def test_an_operator_that_raises(
    case: Case, client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator that raises after a call ends the pipeline with its error, once."""
    heard = Heard()

    def raising(_: Any) -> None:
        raise Boom

    case.make(client).pipe(ops.map(raising)).subscribe(heard)
    await heard.over()
    await settled()
    assert [type(error) for error in heard.errors] == [Boom]
    assert (heard.values, heard.completed) == ([], 0)
    assert errors_of(caplog) == []


@every_call
async def test_an_operator_that_raises_unheard(
    case: Case, client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator that raises where nobody listens to errors is logged, with its traceback."""
    raised = asyncio.Event()

    def raising(_: Any) -> None:
        raised.set()
        raise Boom

    case.make(client).pipe(ops.map(raising)).subscribe(no_op)
    await raised.wait()
    await settled()
    [(_, error, traceback)] = errors_of(caplog)
    assert isinstance(error, Boom)
    assert "raising" in raised_in(traceback)


@every_hot
async def test_a_hot_subscriber_that_raises_stays(
    hot: Hot, new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscriber of a hot stream that raises is logged and stays; the others hear all."""
    client = new_client()
    before, after, raising = Heard(), Heard(), Heard()

    def on_next(value: Any) -> None:
        raising.on_next(value)
        raise Boom

    for callback in (before, on_next, after):
        hot.of(client).subscribe(callback)
    for count in (1, 2):
        hot.emit(client)
        await raising.count(count)
    await after.count(2)
    assert before.values == raising.values == after.values
    logged = errors_of(caplog)
    assert [type(error) for _, error, _ in logged] == [Boom] * 2
    assert all("on_next" in raised_in(traceback) for _, _, traceback in logged)


# --- callbacks that are coroutine functions ---


async def handler(_: object) -> None:
    """A coroutine function, as a careless user would subscribe it."""


class Handler:
    """An object whose call is a coroutine function."""

    async def __call__(self, _: object) -> None: ...

    async def method(self, _: object) -> None:
        """A coroutine function with a self."""


class AsyncObserver(Observer[Any]):
    """An observer whose on_next is a coroutine function."""

    async def on_next(self, value: Any) -> None: ...  # type: ignore[override]


class DuckObserver:
    """No Observer by name, but taken for one."""

    async def on_next(self, _: object) -> None: ...
    def on_error(self, _: Exception) -> None: ...
    def on_completed(self) -> None: ...


ASYNC_CALLBACKS = {
    "function": (handler, "handler"),
    "lambda-like partial": (functools.partial(handler), "handler"),
    "bound method": (Handler().method, "Handler.method"),
    "callable object": (Handler(), "Handler"),
    "observer": (AsyncObserver(), "AsyncObserver.on_next"),
    "duck observer": (DuckObserver(), "DuckObserver.on_next"),
}


@every_stream
@pytest.mark.parametrize("kind", ASYNC_CALLBACKS)
async def test_a_coroutine_function_is_no_callback(
    make: Callable[[TopGG], Any], kind: str, client: TopGG, server: StandIn
) -> None:
    """To subscribe a coroutine function is a TypeError that names it and `map_async`."""
    callback, name = ASYNC_CALLBACKS[kind]
    with pytest.raises(TypeError, match=name) as raised:
        make(client).subscribe(callback)
    assert "map_async" in str(raised.value)
    await settled()
    assert server.seen == []


async def test_a_partial_of_an_async_object_is_no_callback(client: TopGG, server: StandIn) -> None:
    """Nor is a partial of an object whose call is a coroutine function."""
    with pytest.raises(TypeError, match="Handler"):
        client.fetch_bot(2).subscribe(functools.partial(Handler()))
    await settled()
    assert server.seen == []


@every_stream
@pytest.mark.parametrize("place", ["on_error", "on_completed"])
async def test_no_other_callback_may_be_async(
    make: Callable[[TopGG], Any], place: str, client: TopGG, server: StandIn
) -> None:
    """A coroutine function for on_error or on_completed is a TypeError as well."""
    with pytest.raises(TypeError, match="handler"):
        make(client).subscribe(no_op, **{place: handler})
    await settled()
    assert server.seen == []


# --- awaiting ---


@every_hot
async def test_awaiting_what_has_no_end(hot: Hot, client: TopGG) -> None:
    """To await or run a stream without an end is a TypeError that names `ops.first()`."""
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        await hot.of(client)
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        await asyncio.ensure_future(hot.of(client))
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        hot.of(client).run()
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        on_thread(hot.of(client).run)


@every_hot
async def test_awaiting_the_first(hot: Hot, new_client: NewClient) -> None:
    """`await stream.pipe(ops.first())` gives the next value."""
    client = new_client()
    first = asyncio.ensure_future(hot.of(client).pipe(ops.first()))
    await turns()
    hot.emit(client)
    async with asyncio.timeout(PATIENCE):
        value = await first
    assert value == "an event" or int(value) == 7


@every_call
async def test_ensure_future(case: Case, client: TopGG, server: StandIn) -> None:
    """`asyncio.ensure_future(call)` is a task of it."""
    task = asyncio.ensure_future(case.make(client))
    assert isinstance(task, asyncio.Task)
    assert case.whole(await task) == case.items
    assert server.paths == [case.path]


@every_call
async def test_gather(case: Case, client: TopGG, server: StandIn) -> None:
    """`asyncio.gather` of two calls sends two; a call given twice has its answer at both."""
    both = await asyncio.gather(case.make(client), case.make(client))
    assert [case.whole(answer) for answer in both] == [case.items] * 2
    assert server.paths == [case.path] * 2
    call = case.make(client)
    both = await asyncio.gather(call, call)
    assert [case.whole(answer) for answer in both] == [case.items] * 2


@every_call
async def test_wait_for(case: Case, client: TopGG, server: StandIn) -> None:
    """`asyncio.wait_for(call, ...)` that runs out cancels the request."""
    server.reply(case.path, hang())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(case.make(client), 0.05)
    await settled()
    await server.connected(0)


@every_call
async def test_an_awaited_error(case: Case, client: TopGG, server: StandIn) -> None:
    """An await raises the error itself; nothing is logged."""
    server.reply(case.path, status(503))
    with pytest.raises(TopGGServerError) as raised:
        await case.make(client)
    assert raised.value.status == 503


# --- run() ---


@every_call
def test_run_outside_of_a_loop(case: Case, far: ThreadedStandIn, far_client: NewClient) -> None:
    """`call.run()` sends and waits, twice in a row, and leaves nothing that would warn."""
    with no_warnings():
        client = far_client()
        for requests in (1, 2):
            assert case.whole(case.make(client).run()) == case.items
            assert far.paths == [case.path] * requests
            far.connected(0)
        del client


@every_call
def test_run_raises_the_error(case: Case, far: ThreadedStandIn, far_client: NewClient) -> None:
    """`call.run()` raises the error of the request, and leaves nothing that would warn."""
    far.reply(case.path, status(503))
    with no_warnings():
        client = far_client(retries=0)
        with pytest.raises(TopGGServerError):
            case.make(client).run()
        far.connected(0)
        del client


@every_call
async def test_run_on_a_thread(case: Case, client: TopGG, server: StandIn) -> None:
    """`call.run()` on another thread uses the client's loop, while that runs."""
    await client.is_weekend()
    answer = await asyncio.to_thread(case.make(client).run)
    assert case.whole(answer) == case.items
    assert server.paths == ["GET /weekend", case.path]
    assert [seen.connection for seen in server.seen] == [1, 1]


async def test_run_on_a_thread_with_an_unused_client(client: TopGG, server: StandIn) -> None:
    """`call.run()` on another thread uses the loop that the client was made in."""
    assert (await asyncio.to_thread(client.fetch_bot(2).run)).id == 2
    assert (await client.fetch_bot(2)).id == 2
    assert [seen.connection for seen in server.seen] == [1, 1]


@every_call
async def test_run_on_the_loop(case: Case, client: TopGG, server: StandIn) -> None:
    """`call.run()` on a running loop raises at once, and sends nothing."""
    with pytest.raises(RuntimeError, match="await"):
        case.make(client).run()
    await client.is_weekend()
    with pytest.raises(RuntimeError, match="await"):
        case.make(client).run()
    await settled()
    assert server.paths == ["GET /weekend"]


def test_run_after_a_loop_has_gone(far: ThreadedStandIn, far_client: NewClient) -> None:
    """`call.run()` works before, between and after two loops of the user's."""
    with no_warnings():
        client = far_client()

        async def use() -> None:
            assert await client.is_weekend() is True

        assert client.is_weekend().run() is True
        asyncio.run(use())
        assert client.is_weekend().run() is True
        asyncio.run(use())
        assert client.is_weekend().run() is True
        asyncio.run(client.close())
    assert len(far.seen) == 5


def test_run_on_a_loop_that_stands_still(far: ThreadedStandIn, far_client: NewClient) -> None:
    """`call.run()` uses the client's loop while that is open but not running."""
    client = far_client()
    with asyncio.Runner() as runner:

        async def use() -> None:
            await client.is_weekend()

        runner.run(use())
        assert client.fetch_bot(2).run().id == 2
        runner.run(client.close())
    assert [seen.connection for seen in far.seen] == [1, 1]


def test_subscribed_while_the_loop_stands_still(
    far: ThreadedStandIn, far_client: NewClient
) -> None:
    """Subscribed to while the client's loop is open but not running, it runs when that does."""
    client = far_client()
    heard: list[int] = []
    with asyncio.Runner() as runner:

        async def use() -> None:
            await client.is_weekend()

        runner.run(use())
        client.fetch_bot(2).subscribe(lambda bot: heard.append(bot.id))
        on_thread(lambda: client.fetch_bot(2).subscribe(lambda bot: heard.append(bot.id)))
        assert heard == []

        async def wait() -> None:
            await asyncio.to_thread(far.arrived, 3)
            while len(heard) < 2:
                await asyncio.sleep(0.001)
            await client.close()

        runner.run(wait())
    assert heard == [2, 2]


async def test_run_on_a_thread_when_the_client_is_closed(client: TopGG, server: StandIn) -> None:
    """`call.run()` on another thread raises ClientClosed when the client is closed meanwhile."""
    server.reply("GET /bots/2", hang())
    running = asyncio.ensure_future(asyncio.to_thread(client.fetch_bot(2).run))
    await server.arrived(1)
    await client.close()
    with pytest.raises(ClientClosed):
        await running


def test_run_on_a_thread_when_the_loop_ends(far: ThreadedStandIn, far_client: NewClient) -> None:
    """`call.run()` on another thread does not hang when the loop that it runs on ends."""
    client = far_client()
    far.reply("GET /bots/2", hang())
    raised: list[BaseException] = []

    def run() -> None:
        try:
            client.fetch_bot(2).run()
        except BaseException as error:  # whatever it is
            raised.append(error)

    async def main() -> threading.Thread:
        await client.is_weekend()
        thread = threading.Thread(target=run)
        thread.start()
        await asyncio.to_thread(far.arrived, 2)
        return thread

    thread = asyncio.run(main())
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(raised) == 1
    asyncio.run(client.close())


# --- hot ---


async def test_subscribing_to_autopost_does_not_start_it(
    new_client: NewClient, server: StandIn
) -> None:
    """Subscribing to `client.autopost` starts nothing."""
    client = new_client()
    client.autopost.subscribe(no_op)
    client.autopost.pipe(ops.first()).subscribe(no_op)
    await turns()
    assert not client.autopost.is_running()
    assert not tasks_left()
    assert server.seen == []


@every_hot
async def test_nothing_is_heard_after_dispose(hot: Hot, new_client: NewClient) -> None:
    """Whoever has disposed of a subscription to a hot stream hears no more, not even its end."""
    client = new_client()
    heard, other = Heard(), Heard()
    subscription = hot.of(client).subscribe(heard)
    hot.of(client).subscribe(other)
    subscription.dispose()
    subscription.dispose()
    hot.emit(client)
    await other.count(1)
    await client.close()
    assert other.completed == 1
    assert heard.nothing


@every_hot
async def test_dispose_of_a_hot_stream_on_a_thread(hot: Hot, new_client: NewClient) -> None:
    """A subscription to a hot stream can be disposed of on another thread."""
    client = new_client()
    heard, other = Heard(), Heard()
    subscription = hot.of(client).subscribe(heard)
    hot.of(client).subscribe(other)
    on_thread(subscription.dispose)
    hot.emit(client)
    await other.count(1)
    assert heard.nothing


@every_hot
async def test_hot_streams_complete_with_the_client(hot: Hot, new_client: NewClient) -> None:
    """A hot stream completes, once, when the client is closed; who comes later hears just that."""
    client = new_client()
    heard, late = Heard(), Heard()
    hot.of(client).subscribe(heard)
    await client.close()
    hot.of(client).subscribe(late)
    await client.close()
    for one in (heard, late):
        assert (one.values, one.errors, one.completed) == ([], [], 1)


@every_hot
async def test_an_iteration_ends_with_the_client(hot: Hot, new_client: NewClient) -> None:
    """An `async for` over a hot stream ends when the client is closed."""
    client = new_client()

    async def read() -> list[Any]:
        return [value async for value in hot.of(client)]

    reading = asyncio.ensure_future(read())
    await turns()
    hot.emit(client)
    await client.close()
    async with asyncio.timeout(PATIENCE):
        values = await reading
    assert len(values) <= 1
