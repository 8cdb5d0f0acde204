"""The operators: `map_async`, for coroutine functions, and `of_type`."""

import asyncio
import gc
import threading
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rx_toppy import (
    Bot,
    BufferOverflow,
    PostEvent,
    RequestEvent,
    StandaloneBot,
    TopGG,
    iterate,
    map_async,
    of_type,
)
from tests.standin import StandIn, ThreadedStandIn, hang

from .conftest import NewClient
from .helpers import (
    BOT,
    PATIENCE,
    Boom,
    Catalogue,
    Heard,
    errors_of,
    no_op,
    on_thread,
    settled,
    tasks_left,
    turns,
)

pytestmark = pytest.mark.usefixtures("calm")


class Work:
    """A handler whose calls end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.cancelled: list[Any] = []
        self.ends: dict[Any, asyncio.Future[Any]] = {}
        self.most = 0
        self.running = 0

    async def __call__(self, value: Any) -> Any:
        self.begun.append(value)
        self.running += 1
        self.most = max(self.most, self.running)
        self.ends[value] = asyncio.get_running_loop().create_future()
        try:
            return await self.ends[value]
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise
        finally:
            self.running -= 1

    async def end(self, value: Any, result: Any = None) -> None:
        """Ends the call for a value: with that value in upper case, unless told otherwise."""
        if isinstance(result, Exception):
            self.ends[value].set_exception(result)
        else:
            self.ends[value].set_result(value.upper() if result is None else result)
        await turns()


@pytest.fixture
def work() -> Work:
    """A handler."""
    return Work()


# --- order, and how many at a time ---


async def test_one_at_a_time_by_default(work: Work) -> None:
    """By default one handler runs at a time; the next begins when it is done."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    assert work.begun == ["a"]
    await work.end("a")
    assert work.begun == ["a", "b"]
    assert heard.values == ["A"]
    await work.end("b")
    await work.end("c")
    assert heard.values == ["A", "B", "C"]
    assert work.most == 1
    assert not heard.is_over


async def test_results_come_in_the_order_of_the_values(work: Work) -> None:
    """However the handlers end, results come in the order of the values."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, max_concurrent=3)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    await work.end("c")
    await work.end("b")
    assert heard.values == []
    await work.end("a")
    assert heard.values == ["A", "B", "C"]


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_no_more_run_than_allowed(most: int) -> None:
    """At most `max_concurrent` handlers run at a time, and that many do."""
    running, seen = 0, []

    async def handle(value: int) -> int:
        nonlocal running
        running += 1
        seen.append(running)
        await turns(6 + value % 4)
        running -= 1
        return value

    heard = Heard()
    reactivex.range(100).pipe(map_async(handle, most)).subscribe(heard)
    await heard.over()
    assert heard.values == list(range(100))
    assert max(seen) == most


async def test_a_handler_that_does_not_wait() -> None:
    """A handler that never suspends works as well."""

    async def double(value: int) -> int:
        return 2 * value

    heard = Heard()
    reactivex.of(1, 2, 3).pipe(map_async(double)).subscribe(heard)
    await heard.over()
    assert (heard.values, heard.completed) == ([2, 4, 6], 1)


async def test_results_arrive_after_subscribe_has_returned() -> None:
    """Nothing is emitted before `subscribe` has returned, so that it can be disposed of."""

    async def same(value: int) -> int:
        return value

    heard = Heard()
    subscription = reactivex.of(1).pipe(map_async(same)).subscribe(heard)
    assert heard.nothing
    subscription.dispose()
    await turns()
    assert heard.nothing


async def test_whatever_a_handler_returns_is_a_result() -> None:
    """None, falsy values and exceptions that are returned are results like others."""
    own = [None, 0, "", Boom()]

    async def same(value: Any) -> Any:
        return value

    heard = Heard()
    reactivex.from_iterable(own).pipe(map_async(same)).subscribe(heard)
    await heard.over()
    assert all(one is other for one, other in zip(heard.values, own, strict=True))


# --- a full buffer ---


async def test_too_many_values_are_an_error(work: Work) -> None:
    """One value more than may wait is a BufferOverflow; what runs is cancelled, the source left."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, buffer=2)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    assert heard.nothing
    source.on_next("d")
    assert [type(error) for error in heard.errors] == [BufferOverflow]
    source.on_next("e")
    await settled()
    assert (heard.values, len(heard.errors), heard.completed) == ([], 1, 0)
    assert work.cancelled == ["a"]
    assert source.observers == []


async def test_a_thousand_may_wait_by_default(work: Work) -> None:
    """By default a thousand values may wait for a handler."""
    heard, source = Heard(), Subject[int]()
    source.pipe(map_async(work)).subscribe(heard)
    for value in range(1_001):
        source.on_next(value)
    assert heard.nothing
    source.on_next(1_001)
    assert [type(error) for error in heard.errors] == [BufferOverflow]
    await settled()


# --- errors ---


async def test_the_error_of_a_handler_ends_it(work: Work) -> None:
    """A handler's error comes after the results before it; others are cancelled, no more begin."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, 3)).subscribe(heard)
    for value in "abcd":
        source.on_next(value)
    await turns()
    error = Boom()
    await work.end("b", error)
    assert heard.errors == []
    await work.end("a")
    assert heard.values == ["A"]
    assert heard.errors == [error]
    source.on_next("e")
    await settled()
    assert work.cancelled == ["c"]
    assert "e" not in work.begun
    assert (len(heard.errors), heard.completed) == (1, 0)
    assert source.observers == []


async def test_the_error_of_the_source_ends_it_at_once(work: Work) -> None:
    """An error of the source goes on at once; handlers that run are cancelled."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, 2)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    error = Boom()
    source.on_error(error)
    assert heard.errors == [error]
    await settled()
    assert work.cancelled == ["a", "b"]
    assert (heard.values, heard.completed) == ([], 0)


async def test_two_handlers_that_fail(work: Work) -> None:
    """Of several handlers that fail the first in order counts; the others are retrieved."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, 3)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    first = Boom("first")
    await work.end("c", Boom("third"))
    await work.end("b", Boom("second"))
    await work.end("a", first)
    assert heard.errors == [first]
    await settled()


async def test_dispose_with_a_failed_handler_out_of_turn(work: Work) -> None:
    """The error of a handler that was not yet its turn is retrieved when it is disposed of."""
    heard, source = Heard(), Subject[str]()
    subscription = source.pipe(map_async(work, 2)).subscribe(heard)
    source.on_next("a")
    source.on_next("b")
    await turns()
    await work.end("b", Boom())
    subscription.dispose()
    await settled()
    assert heard.nothing


async def test_a_handler_that_is_cancelled(work: Work) -> None:
    """A handler that somebody else cancels is an error, not a silence."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work)).subscribe(heard)
    source.on_next("a")
    await turns()
    work.ends["a"].cancel()
    await heard.over()
    assert heard.values == []
    assert len(heard.errors) == 1
    assert "cancel" in str(heard.errors[0])


async def test_a_handler_that_is_no_coroutine_function() -> None:
    """A plain function is an error in on_error, or refused; never a silence."""
    heard = Heard()
    reactivex.of(1).pipe(map_async(lambda value: value)).subscribe(heard)  # type: ignore[arg-type]
    await heard.over()
    assert [type(error) for error in heard.errors] == [TypeError]


async def test_an_error_without_on_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A handler's error that nobody listens to is not lost: the loop or the log hears of it."""
    loop = asyncio.get_running_loop()
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context.get("exception")))

    async def fail(_: object) -> None:
        raise Boom

    reactivex.of(1).pipe(map_async(fail)).subscribe(no_op)
    await turns()
    gc.collect()
    told += [error for _, error, _ in errors_of(caplog)]
    assert [type(error) for error in told] == [Boom]


async def test_on_next_that_raises_after_it(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    """What follows may raise: it is logged, and later results still come."""
    source, values = Subject[str](), []

    def raising(value: str) -> None:
        values.append(value)
        raise Boom

    source.pipe(map_async(work)).subscribe(raising)
    for value in "ab":
        source.on_next(value)
    await turns()
    await work.end("a")
    await work.end("b")
    assert values == ["A", "B"]
    assert [type(error) for _, error, _ in errors_of(caplog)] == [Boom] * 2


@pytest.mark.parametrize("fn", [None, 1, "work"], ids=repr)
def test_what_can_not_be_called(fn: Any) -> None:
    """A handler that can't be called is refused at once."""
    with pytest.raises(TypeError, match="map_async"):
        map_async(fn)


@pytest.mark.parametrize("name", ["max_concurrent", "buffer"])
@pytest.mark.parametrize(
    ("number", "kind"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_numbers_that_are_none(name: str, number: Any, kind: type[Exception], work: Work) -> None:
    """A number that is none, or too small, is refused at once."""
    with pytest.raises(kind, match=name):
        map_async(work, **{name: number})


# --- completion ---


async def test_completion_comes_after_the_last_handler(work: Work) -> None:
    """The source's completion goes on once the last result has come, also of those who waited."""
    heard = Heard()
    reactivex.of("a", "b", "c").pipe(map_async(work, 2)).subscribe(heard)
    await turns()
    await work.end("b")
    await work.end("a")
    assert (heard.values, heard.completed) == (["A", "B"], 0)
    await work.end("c")
    assert (heard.values, heard.completed) == (["A", "B", "C"], 1)


async def test_an_empty_source_completes(work: Work) -> None:
    """A source without values completes."""
    heard = Heard()
    reactivex.empty().pipe(map_async(work)).subscribe(heard)
    await heard.over()
    assert (heard.values, heard.errors, heard.completed) == ([], [], 1)


# --- dispose ---


async def test_dispose_cancels_what_runs(work: Work) -> None:
    """Disposing cancels the handlers that run, begins no other, and nothing is heard."""
    heard, source = Heard(), Subject[str]()
    subscription = source.pipe(map_async(work, 2)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    subscription.dispose()
    assert source.observers == []
    await settled()
    assert work.cancelled == ["a", "b"]
    assert work.begun == ["a", "b"]
    assert heard.nothing


async def test_dispose_before_a_handler_has_begun(work: Work) -> None:
    """A handler that has not begun when it is disposed of never begins."""
    heard, source = Heard(), Subject[str]()
    subscription = source.pipe(map_async(work)).subscribe(heard)
    source.on_next("a")
    subscription.dispose()
    await settled()
    assert work.begun == []
    assert heard.nothing


async def test_dispose_on_another_thread(work: Work) -> None:
    """Disposing on another thread cancels the handlers on their loop."""
    heard, source = Heard(), Subject[str]()
    subscription = source.pipe(map_async(work)).subscribe(heard)
    source.on_next("a")
    await turns()
    on_thread(subscription.dispose)
    await settled()
    assert work.cancelled == ["a"]
    assert heard.nothing


async def test_take_one_cancels_the_others(work: Work) -> None:
    """`ops.take(1)` after it, which disposes inside of on_next, cancels the other handlers."""
    heard, source = Heard(), Subject[str]()
    source.pipe(map_async(work, 3), ops.take(1)).subscribe(heard)
    for value in "abc":
        source.on_next(value)
    await turns()
    await work.end("b")
    await work.end("a")
    await settled()
    assert (heard.values, heard.completed) == (["A"], 1)
    assert work.cancelled == ["c"]


async def test_dispose_in_a_handler() -> None:
    """A handler may dispose of the pipeline that it runs in."""
    heard = Heard()

    async def leave(value: int) -> int:
        subscription.dispose()
        await asyncio.sleep(0)
        return value

    subscription = reactivex.of(1, 2).pipe(map_async(leave)).subscribe(heard)
    await settled()
    assert heard.nothing


async def test_a_handler_that_cleans_up(work: Work) -> None:
    """A handler has its time to clean up when it is cancelled."""
    cleaned = asyncio.Event()

    async def careful(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns()
            cleaned.set()

    source = Subject[int]()
    subscription = source.pipe(map_async(careful)).subscribe(no_op)
    source.on_next(1)
    await turns()
    subscription.dispose()
    await settled()
    assert cleaned.is_set()


async def test_each_subscription_has_its_own_handlers(work: Work) -> None:
    """Two subscriptions to one pipeline share neither handlers nor turns."""
    source = Subject[str]()
    pipeline = source.pipe(map_async(work))
    one, other = Heard(), Heard()
    subscription = pipeline.subscribe(one)
    pipeline.subscribe(other)
    source.on_next("a")
    await turns()
    assert work.begun == ["a", "a"]
    subscription.dispose()
    await work.end("a")
    assert one.nothing
    assert other.values == ["A"]


# --- threads and loops ---


async def test_values_of_another_thread(work: Work) -> None:
    """Values of another thread are handled on the loop of the subscriber, in order."""
    heard, source = Heard(), Subject[int]()

    async def where(value: int) -> tuple[int, int]:
        return value, threading.get_ident()

    source.pipe(map_async(where)).subscribe(heard)

    def feed() -> None:
        for value in range(500):
            source.on_next(value)
        source.on_completed()

    await asyncio.to_thread(feed)
    await heard.over()
    assert heard.values == [(value, threading.get_ident()) for value in range(500)]
    assert heard.threads == {threading.get_ident()}
    assert heard.completed == 1


async def test_an_error_of_another_thread(work: Work) -> None:
    """An error that another thread emits arrives on the loop."""
    heard, source = Heard(), Subject[int]()
    source.pipe(map_async(work)).subscribe(heard)
    error = Boom()
    await asyncio.to_thread(source.on_error, error)
    await heard.over()
    assert heard.errors == [error]
    assert heard.threads == {threading.get_ident()}


async def test_values_of_a_timer() -> None:
    """Values of reactivex's timer threads are handled on the loop."""
    heard = Heard()

    async def where(value: int) -> int:
        return threading.get_ident()

    reactivex.interval(0.001).pipe(ops.take(3), map_async(where)).subscribe(heard)
    await heard.over()
    assert heard.values == [threading.get_ident()] * 3


def test_without_a_loop(work: Work) -> None:
    """Where no loop runs, neither at the subscription nor at the value, it errs and says so."""
    errors: list[Exception] = []
    source = Subject[str]()
    source.pipe(map_async(work)).subscribe(no_op, errors.append)
    source.on_next("a")
    source.on_next("b")
    assert [type(error) for error in errors] == [RuntimeError]
    assert "event loop" in str(errors[0])
    assert work.begun == []


def test_the_error_of_a_source_without_a_loop(work: Work) -> None:
    """The error of a source needs no loop: it is that error that comes."""
    errors: list[Exception] = []
    error = Boom()
    reactivex.throw(error).pipe(map_async(work)).subscribe(no_op, errors.append)
    assert errors == [error]


def test_the_end_of_a_source_without_a_loop(work: Work) -> None:
    """The completion of a source without values needs no loop."""
    ended: list[str] = []
    reactivex.empty().pipe(map_async(work)).subscribe(
        no_op, lambda error: ended.append(repr(error)), lambda: ended.append("completed")
    )
    assert ended == ["completed"]


def test_subscribed_to_before_the_loop(far: ThreadedStandIn, far_client: NewClient) -> None:
    """Subscribed to before any loop runs, handlers run on that of the first value."""
    client = far_client()
    routes: list[str] = []

    async def note(event: RequestEvent) -> None:
        await asyncio.sleep(0)
        routes.append(event.route)

    client.events.pipe(of_type(RequestEvent), map_async(note)).subscribe()

    async def main() -> None:
        async with client:
            await client.is_weekend()
            await client.fetch_bot(2)
            await turns(10)

    asyncio.run(main(), debug=True)
    assert routes == ["/weekend", "/bots/{id}"]


# --- with a client ---


async def test_calls_within_a_handler(client: TopGG, server: StandIn) -> None:
    """A handler may await calls."""

    async def name(id: int) -> int:
        return (await client.fetch_bot(id)).id

    heard = Heard()
    reactivex.of(2, 2, 2).pipe(map_async(name, 2)).subscribe(heard)
    await heard.over()
    assert heard.values == [2, 2, 2]
    assert server.paths == ["GET /bots/2"] * 3


async def test_dispose_cancels_the_calls_of_handlers(client: TopGG, server: StandIn) -> None:
    """Disposing cancels the requests that handlers wait for."""
    server.reply("GET /bots/2", hang())

    async def name(id: int) -> int:
        return (await client.fetch_bot(id)).id

    subscription = reactivex.of(2, 2).pipe(map_async(name, 2)).subscribe(no_op)
    await server.arrived(2)
    subscription.dispose()
    await settled()
    await server.connected(0)


async def test_a_handler_behind_a_call(client: TopGG) -> None:
    """`call.pipe(map_async(f))` gives what the handler makes of the answer."""

    async def double(stats: Any) -> int:
        return 2 * int(stats)

    assert await client.post_stats().pipe(map_async(double)) == 14


async def test_a_handler_may_close_the_client(new_client: NewClient) -> None:
    """A handler of an event may close the client; the pipeline completes after it."""
    client = new_client()
    heard = Heard()

    async def shut(_: object) -> str:
        await client.close()
        return "closed"

    client.events.pipe(map_async(shut)).subscribe(heard)
    await client.is_weekend()
    await heard.over()
    assert (heard.values, heard.completed) == (["closed"], 1)


async def test_iterating_over_it(work: Work) -> None:
    """`iterate` over a pipeline with it; leaving cancels the handler that runs."""
    source = Subject[str]()
    items = aiter(iterate(source.pipe(map_async(work))))
    source.on_next("a")
    source.on_next("b")
    await turns()
    await work.end("a")
    async with asyncio.timeout(PATIENCE):
        assert await anext(items) == "A"
    await items.aclose()
    await settled()
    assert work.cancelled == ["b"]
    assert not tasks_left()


# --- of_type ---


async def test_of_type(client: TopGG) -> None:
    """`of_type` lets instances of the types through, those of their subclasses too, in order."""
    requests, both, every = [], [], []
    client.events.pipe(of_type(RequestEvent)).subscribe(requests.append)
    client.events.pipe(of_type(RequestEvent, PostEvent)).subscribe(both.append)
    client.events.pipe(of_type(object)).subscribe(every.append)
    await client.post_stats()
    client.events.on_next("an event of the user's own")
    assert [type(event) for event in requests] == [RequestEvent]
    assert [type(event) for event in both] == [RequestEvent, PostEvent]
    assert len(every) == 3


async def test_of_type_passes_the_rest_on() -> None:
    """`of_type` passes errors and completion on."""
    for source in (reactivex.of(1, "a", 2.0, True), reactivex.throw(Boom())):
        heard = Heard()
        source.pipe(of_type(int)).subscribe(heard)
        assert heard.values in ([1, True], [])
        assert heard.is_over


@pytest.mark.parametrize("kinds", [(), (1,), (RequestEvent, "PostEvent"), (None,)], ids=repr)
def test_what_is_no_type(kinds: tuple[Any, ...]) -> None:
    """`of_type` without a type, or of something that is none, is a TypeError at once."""
    with pytest.raises(TypeError, match="of_type"):
        of_type(*kinds)


def test_of_type_needs_no_loop() -> None:
    """`of_type` works before there is a loop."""
    client = TopGG(StandaloneBot(BOT), token="token")
    numbers: list[int] = []
    client.events.pipe(of_type(int)).subscribe(numbers.append)
    client.events.on_next(1)
    client.events.on_next("a")
    assert numbers == [1]


@pytest.mark.parametrize("buffer", [20, 1000])
async def test_pages_at_the_source_wait_for_slow_handlers(
    buffer: int, client: TopGG, server: StandIn
) -> None:
    """Neither the handlers nor a reader behind them are overrun by a source that can wait."""
    server.reply("GET /bots", Catalogue(3_000))

    async def slow(bot: Bot) -> int:
        await asyncio.sleep(0)
        return bot.id

    source = client.bulk_fetch_bots(3_000).pipe(map_async(slow, 5, buffer=buffer))
    came: list[int] = []
    async for id in iterate(source, buffer=20):
        came.append(id)
        if len(came) == 100:
            fetched = len(server.seen)
            await asyncio.sleep(0.05)
            assert len(server.seen) == fetched == 1  # it stands still, as its reader does
    assert len(came) == 3_000
    assert len(set(came)) == 3_000


@pytest.mark.parametrize("way", ["a handler that raises", "dispose"])
async def test_a_shared_source_goes_on_without_it(way: str, client: TopGG, server: StandIn) -> None:
    """A source that waits for handlers, and has another subscriber, goes on when they have gone."""
    release = asyncio.Event()

    async def handle(value: Any) -> None:
        await release.wait()
        raise Boom

    server.reply("GET /weekend", json={"is_weekend": True})
    shared = client.poll(client.is_weekend, every=0.001).pipe(ops.share())
    handled = shared.pipe(map_async(handle)).subscribe(no_op, no_op)
    heard = Heard()
    subscription = shared.subscribe(heard)
    await heard.count(2)
    await turns(20)
    if way == "dispose":
        handled.dispose()
    else:
        release.set()
    await heard.count(len(heard.values) + 5)
    subscription.dispose()
    await settled()
