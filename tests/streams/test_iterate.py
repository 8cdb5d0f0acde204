"""`iterate`: any observable under `async for`, at the reader's pace."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import reactivex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rx_toppy import BufferOverflow, RequestEvent, TopGG, TopGGServerError, iterate, of_type
from rx_toppy.api.pagination import DEEPEST
from tests.standin import StandIn, hang, status

from .conftest import NewClient
from .helpers import PATIENCE, Boom, Calm, Catalogue, offsets, on_thread, settled, tasks_left, turns

pytestmark = pytest.mark.usefixtures("calm")


class Source:
    """An observable that is fed by hand, and knows who listens."""

    def __init__(self) -> None:
        self.subject: Subject[Any] = Subject()
        self.subscribed = 0
        self.disposed = 0

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            self.subscribed += 1
            inner = self.subject.subscribe(observer)

            def dispose() -> None:
                self.disposed += 1
                inner.dispose()

            return Disposable(dispose)

        self.observable: Observable[Any] = Observable(subscribe)

    def feed(self, *items: object) -> None:
        """Emits these."""
        for item in items:
            self.subject.on_next(item)


@pytest.fixture
def source() -> Source:
    """A source that nobody listens to yet."""
    return Source()


async def rest(items: Any) -> list[Any]:
    """What is still to come, up to the end."""
    async with asyncio.timeout(PATIENCE):
        return [item async for item in items]


async def until_error(items: Any) -> tuple[list[Any], Exception | None]:
    """What is still to come, and what it ends with."""
    came: list[Any] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for item in items:
                came.append(item)  # noqa: PERF401 - what came before an error is kept
    except Exception as error:
        return came, error
    return came, None


# --- what comes out ---


@pytest.mark.parametrize("buffer", [5, 6, 1000])
async def test_a_synchronous_source(buffer: int) -> None:
    """A source that emits all while it is subscribed to loses nothing that the buffer holds."""
    assert await rest(iterate(reactivex.of(1, 2, 3, 4, 5), buffer=buffer)) == [1, 2, 3, 4, 5]


async def test_an_empty_source() -> None:
    """A source that completes without a value is over at once."""
    assert await rest(iterate(reactivex.empty())) == []


async def test_a_source_that_fails_at_once() -> None:
    """A source that fails while it is subscribed to raises its error."""
    error = Boom()
    assert await until_error(iterate(reactivex.throw(error))) == ([], error)


async def test_items_come_as_they_are_emitted(source: Source) -> None:
    """A reader that waits gets an item as soon as it is there."""
    items = aiter(iterate(source.observable))
    reading = asyncio.ensure_future(anext(items))
    await turns()
    assert not reading.done()
    source.feed("a")
    assert await reading == "a"


async def test_items_are_handed_over_as_they_are(source: Source) -> None:
    """None, falsy values and exceptions are items like others."""
    items = aiter(iterate(source.observable))
    own = [None, 0, "", False, Boom(), StopAsyncIteration()]
    source.feed(*own)
    source.subject.on_completed()
    assert all(one is other for one, other in zip(await rest(items), own, strict=True))


async def test_it_subscribes_when_the_iteration_begins(source: Source) -> None:
    """What was emitted before the iteration began is not seen; there is one subscription."""
    iteration = iterate(source.observable)
    source.feed("too early")
    assert source.subscribed == 0
    items = aiter(iteration)
    assert aiter(items) is items
    source.feed("a")
    source.subject.on_completed()
    assert await rest(items) == ["a"]
    assert source.subscribed == 1


async def test_completion_comes_after_what_waits(source: Source) -> None:
    """The end comes after all items that were emitted before it, and stays the end."""
    items = aiter(iterate(source.observable))
    source.feed("a", "b")
    source.subject.on_completed()
    source.feed("too late")
    assert await rest(items) == ["a", "b"]
    assert await rest(items) == []
    assert source.disposed == 1


async def test_an_error_comes_after_what_waits(source: Source) -> None:
    """An error is raised after all items that were emitted before it."""
    items = aiter(iterate(source.observable))
    error = Boom()
    source.feed("a", "b")
    source.subject.on_error(error)
    assert await until_error(items) == (["a", "b"], error)
    assert source.disposed == 1


@pytest.mark.parametrize("kind", [Boom, StopAsyncIteration])
async def test_the_end_wakes_the_reader(kind: type[Exception], source: Source) -> None:
    """A reader that waits hears of an error, or of the end, at once."""
    reading = asyncio.ensure_future(_next(aiter(iterate(source.observable))))
    await turns()
    if kind is Boom:
        source.subject.on_error(Boom())
    else:
        source.subject.on_completed()
    assert type(await reading) is kind


async def _next(items: Any) -> Any:
    try:
        return await anext(items)
    except (Exception, StopAsyncIteration) as error:
        return error


# --- a full buffer ---


async def test_overflow_is_an_error_by_default(source: Source) -> None:
    """One item more than the buffer holds is a BufferOverflow, after all that it held."""
    iteration = iterate(source.observable, buffer=3)
    items = aiter(iteration)
    source.feed(1, 2, 3)
    assert source.disposed == 0
    source.feed(4)
    assert source.disposed == 1
    came, error = await until_error(items)
    assert came == [1, 2, 3]
    assert isinstance(error, BufferOverflow)
    assert "3" in str(error)


async def test_the_default_buffer_holds_a_thousand(source: Source) -> None:
    """By default a thousand items may wait."""
    for size, overflows in ((1000, False), (1001, True)):
        source.subject = Subject()
        items = aiter(iterate(source.observable))
        source.feed(*range(size))
        source.subject.on_completed()
        came, error = await until_error(items)
        assert came == list(range(1000))
        assert isinstance(error, BufferOverflow) is overflows


async def test_drop_oldest(source: Source) -> None:
    """ "drop_oldest" keeps the newest items, and counts what was lost."""
    iteration = iterate(source.observable, buffer=3, overflow="drop_oldest")
    items = aiter(iteration)
    source.feed(1, 2, 3, 4, 5)
    assert iteration.dropped == 2
    assert await anext(items) == 3
    source.feed(6, 7)
    source.subject.on_completed()
    assert await rest(items) == [5, 6, 7]
    assert iteration.dropped == 3


async def test_drop_newest(source: Source) -> None:
    """ "drop_newest" keeps the oldest items, and counts what was lost."""
    iteration = iterate(source.observable, buffer=3, overflow="drop_newest")
    items = aiter(iteration)
    source.feed(1, 2, 3, 4, 5)
    assert iteration.dropped == 2
    assert await anext(items) == 1
    source.feed(6, 7)
    source.subject.on_completed()
    assert await rest(items) == [2, 3, 6]
    assert iteration.dropped == 3


@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
async def test_a_reader_that_keeps_up_loses_nothing(overflow: Any, source: Source) -> None:
    """Whatever the policy, a reader that keeps up gets all, and the count of the dropped is 0."""
    iteration = iterate(source.observable, buffer=1, overflow=overflow)
    items = aiter(iteration)
    for item in range(50):
        source.feed(item)
        assert await anext(items) == item
    assert iteration.dropped == 0


async def test_nothing_is_dropped_by_overflowing(source: Source) -> None:
    """Where overflow is an error nothing counts as dropped."""
    iteration = iterate(source.observable, buffer=1)
    items = aiter(iteration)
    source.feed(1, 2, 3)
    await until_error(items)
    assert iteration.dropped == 0


async def test_overflow_stops_a_synchronous_source() -> None:
    """A source that emits all while it is subscribed to is left as soon as the buffer is full."""
    made = 0

    def numbers() -> Iterable[int]:
        nonlocal made
        while made < 100_000:  # it may as well be endless, and would never come back
            yield made
            made += 1

    came, error = await until_error(iterate(reactivex.from_iterable(numbers()), buffer=3))
    assert came == [0, 1, 2]
    assert isinstance(error, BufferOverflow)
    assert made < 10


class Model:
    """What a buffer of that size must do, in so many words."""

    def __init__(self, size: int, overflow: str) -> None:
        self.size = size
        self.overflow = overflow
        self.items: list[int] = []
        self.dropped = 0
        self.has_overflown = False

    def push(self, item: int) -> None:
        if self.has_overflown:
            return
        if len(self.items) < self.size:
            self.items.append(item)
        elif self.overflow == "error":
            self.has_overflown = True
        else:
            self.dropped += 1
            if self.overflow == "drop_oldest":
                self.items = [*self.items[1:], item]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    size=st.integers(1, 5),
    overflow=st.sampled_from(["error", "drop_oldest", "drop_newest"]),
    steps=st.lists(st.integers(0, 7), max_size=20),
)
def test_whatever_the_order_of_emitting_and_reading(
    size: int, overflow: Any, steps: list[int]
) -> None:
    """A buffer does what its policy says, however emitting and reading take turns."""

    async def main() -> None:
        model, source = Model(size, overflow), Source()
        iteration = iterate(source.observable, size, overflow)
        items = aiter(iteration)
        number = 0
        for step in steps:
            if step:
                for _ in range(step):
                    number += 1
                    source.feed(number)
                    model.push(number)
            elif model.items:
                assert await anext(items) == model.items.pop(0)
        assert iteration.dropped == model.dropped
        source.subject.on_completed()
        came, error = await until_error(items)
        assert came == model.items
        assert isinstance(error, BufferOverflow) is model.has_overflown

    asyncio.run(main())


@pytest.mark.parametrize(
    ("buffer", "kind"),
    [(0, ValueError), (-1, ValueError), ("9", TypeError), (1.5, TypeError), (True, TypeError)],
    ids=str,
)
def test_a_buffer_that_is_none(buffer: Any, kind: type[Exception]) -> None:
    """A buffer that holds nothing, or is no number, is refused at once."""
    with pytest.raises(kind, match="buffer"):
        iterate(reactivex.never(), buffer=buffer)


@pytest.mark.parametrize("overflow", ["drop", "", None, 1])
def test_an_overflow_policy_that_is_none(overflow: Any) -> None:
    """A policy that does not exist is a ValueError that names the three."""
    with pytest.raises(ValueError, match="drop_oldest"):
        iterate(reactivex.never(), overflow=overflow)


@pytest.mark.parametrize(
    "source", [None, [1, 2], iter(()), iterate], ids=lambda source: type(source).__name__
)
def test_what_is_no_observable(source: Any) -> None:
    """What is no observable is a TypeError."""
    with pytest.raises(TypeError, match="observable"):
        iterate(source)


# --- leaving ---


async def test_break_leaves_the_source(source: Source) -> None:
    """`break` disposes of the subscription, though nothing says so to the iterator."""
    feeding = asyncio.get_running_loop().call_soon(source.feed, "a")
    async for item in iterate(source.observable):
        assert item == "a"
        break
    feeding.cancel()
    assert source.disposed == 1


async def _raise_over(items: Any) -> None:
    async for _ in items:
        raise Boom


async def test_an_exception_leaves_the_source(source: Source) -> None:
    """An exception in the body of the `async for` disposes of the subscription."""
    asyncio.get_running_loop().call_soon(source.feed, "a")
    with pytest.raises(Boom):
        await _raise_over(iterate(source.observable))
    gc.collect()
    assert source.disposed == 1


async def test_a_cancelled_reader_leaves_the_source(source: Source) -> None:
    """A reader that is cancelled while it waits leaves the source."""
    reading = asyncio.ensure_future(_raise_over(iterate(source.observable)))
    await turns()
    assert source.subscribed == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    del reading
    await turns()  # the loop lets go of the task
    gc.collect()
    assert source.disposed == 1


async def test_a_cancelled_next_loses_nothing(source: Source) -> None:
    """An `anext` that is cancelled or timed out takes nothing along: the next one gets the item."""
    items = aiter(iterate(source.observable))
    for event in ("a", "b"):
        waiting = asyncio.ensure_future(anext(items))
        await turns()
        source.feed(event)
        waiting.cancel()  # just when the item has come
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await anext(items) == event
    assert source.disposed == 0


async def test_aclose_leaves_the_source(source: Source) -> None:
    """`aclose` disposes of the subscription, and forgets what waits; it can come twice."""
    items = aiter(iterate(source.observable))
    source.feed("a", "b")
    await items.aclose()
    await items.aclose()
    assert source.disposed == 1
    assert await rest(items) == []


async def test_aclose_ends_who_waits(source: Source) -> None:
    """A reader that waits comes to its end when the iteration is closed elsewhere."""
    items = aiter(iterate(source.observable))
    reading = asyncio.ensure_future(rest(items))
    await turns()
    await items.aclose()
    assert await reading == []


async def test_aclose_before_the_iteration_begins(client: TopGG, server: StandIn) -> None:
    """Closed before it began, an iteration sends nothing and is empty."""
    iteration = iterate(client.fetch_bot(2))
    await iteration.aclose()
    assert await rest(iteration) == []
    await settled()
    assert server.seen == []


async def test_an_iterator_that_is_garbage_leaves_the_source(source: Source) -> None:
    """An iterator that nobody holds any more leaves its source."""
    items = aiter(iterate(source.observable))
    assert source.subscribed == 1
    del items
    gc.collect()
    assert source.disposed == 1


async def test_garbage_on_another_thread(source: Source) -> None:
    """It may become garbage on another thread."""
    holder = [aiter(iterate(source.observable))]
    on_thread(holder.clear)
    assert source.disposed == 1


async def test_an_iterator_that_was_never_begun(source: Source) -> None:
    """What was never iterated over subscribes to nothing, and needs no closing."""
    iterate(source.observable)
    gc.collect()
    assert (source.subscribed, source.disposed) == (0, 0)


async def test_a_request_is_cancelled_by_break(client: TopGG, server: StandIn) -> None:
    """Leaving an iteration stops the request behind it, and closes its connection."""
    server.reply("GET /bots/2", hang())
    started: Observable[Any] = reactivex.merge(reactivex.of("now"), client.fetch_bot(2))
    async for item in iterate(started):
        assert item == "now"
        await server.arrived(1)
        break
    await settled()
    await server.connected(0)


async def test_leaving_a_hot_stream(client: TopGG) -> None:
    """Leaving an iteration over `client.events` unsubscribes from it."""
    posts = client.events.pipe(of_type(RequestEvent))
    items = aiter(iterate(posts))
    assert "1 subscribers" in repr(client.events)
    client.fetch_bot(2).subscribe()
    assert (await anext(items)).route == "/bots/{id}"
    del items
    gc.collect()
    assert "0 subscribers" in repr(client.events)


# --- several readers, other threads ---


async def test_several_readers_share_the_items(source: Source) -> None:
    """Several readers of one iteration each get some of the items: none is lost, none twice."""
    items = aiter(iterate(source.observable))
    readers = [asyncio.ensure_future(rest(items)) for _ in range(4)]
    await turns()
    for item in range(100):
        source.feed(item)
        if item % 3 == 0:
            await turns(1)
    source.subject.on_completed()
    shares = await asyncio.gather(*readers)
    assert sorted(item for share in shares for item in share) == list(range(100))


async def test_several_readers_all_hear_of_the_error(source: Source) -> None:
    """An error ends every reader."""
    items = aiter(iterate(source.observable))
    readers = [asyncio.ensure_future(until_error(items)) for _ in range(3)]
    await turns()
    error = Boom()
    source.subject.on_error(error)
    assert await asyncio.gather(*readers) == [([], error)] * 3


async def test_two_iterations_are_two_subscriptions(client: TopGG, server: StandIn) -> None:
    """Two iterations over one cold call are two requests."""
    call = client.fetch_bot(2)
    assert [bot.id for bot in await rest(iterate(call))] == [2]
    assert [bot.id for bot in await rest(iterate(call))] == [2]
    assert server.paths == ["GET /bots/2"] * 2


async def test_items_from_another_thread(source: Source) -> None:
    """What another thread emits arrives in order, to its end, whether or not the reader waits."""
    items = aiter(iterate(source.observable, buffer=100_000))

    def feed() -> None:
        source.feed(*range(20_000))
        source.subject.on_completed()

    thread = threading.Thread(target=feed)
    thread.start()
    assert await rest(items) == list(range(20_000))
    thread.join()


async def test_a_timer_as_a_source() -> None:
    """A source on reactivex's own timer threads can be iterated over."""
    ticks = reactivex.interval(0.001).pipe(ops.take(5))
    assert await rest(iterate(ticks)) == [0, 1, 2, 3, 4]


async def test_a_reader_in_another_loop(client: TopGG) -> None:
    """A reader in another thread's loop gets what the client's loop emits."""
    await client.is_weekend()
    begun = threading.Event()

    async def read() -> list[Any]:
        items = aiter(iterate(client.events.pipe(ops.take(500))))
        begun.set()
        return await rest(items)

    reading = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(read())))
    await asyncio.to_thread(begun.wait, PATIENCE)
    for number in range(500):
        client.events.on_next(number)
        if number % 10 == 0:
            await turns(1)
    assert await reading == list(range(500))


async def test_a_reader_whose_loop_has_gone(source: Source) -> None:
    """A source may go on after the loop of a reader has closed; nothing breaks."""
    kept: list[Any] = []

    async def read() -> None:
        kept.append(aiter(iterate(source.observable)))
        reading = asyncio.ensure_future(_next(kept[0]))
        await turns()
        reading.cancel()

    on_thread(lambda: asyncio.run(read()))
    source.feed("a")
    assert await anext(kept[0]) == "a"


# --- a reader that is slow ---


def _id(bot: Any) -> Any:
    return bot.id


Compose = Callable[[Observable[Any]], Observable[Any]]
COMPOSITIONS: dict[str, Compose] = {
    "plain": lambda source: source,
    "filter": ops.filter(lambda bot: bot.id % 2 == 0),
    "filter, map": lambda source: source.pipe(ops.filter(lambda b: b.id % 2 == 0), ops.map(_id)),
    "flat_map": ops.flat_map(lambda bot: reactivex.of(bot)),
}


async def stands_still(server: StandIn) -> int:
    """How many requests have come when no more do: nothing is left to do but to wait."""
    before = -1
    while before != len(server.seen):
        before = len(server.seen)
        await server.idle()
        await asyncio.sleep(0.03)  # there is no event for "nothing happens"
    return before


@pytest.mark.parametrize(
    ("name", "buffer"), [("filter", 1), *((n, b) for n in COMPOSITIONS for b in (10, 1000))]
)
async def test_a_slow_reader_slows_the_fetching(
    name: str, buffer: int, client: TopGG, server: StandIn
) -> None:
    """While the reader stands still, so does the fetching; in the end nothing is missing."""
    catalogue = Catalogue(6_000)
    server.reply("GET /bots", catalogue)
    composed = client.bulk_fetch_bots(6_000).pipe(COMPOSITIONS[name])
    bots_per_item = 2 if "filter" in name else 1

    def most(read: int) -> int:
        """How many requests may have been sent when so many items were read."""
        ahead = DEEPEST if read * bots_per_item > 500 or buffer > 500 else 0
        return 1 + (read + buffer // 2) * bots_per_item // 500 + ahead

    items = aiter(iterate(composed, buffer=buffer))
    came = [await anext(items)]
    assert await stands_still(server) <= most(1)
    came += [await anext(items) for _ in range(700)]
    assert await stands_still(server) <= most(701) < 12
    came += await rest(items)
    expected = [id for id in catalogue.ids if bots_per_item == 1 or id % 2 == 0]
    assert [getattr(item, "id", item) for item in came] == expected
    assert len(server.seen) == 12


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_a_source_that_can_wait_drops_nothing(
    overflow: Any, client: TopGG, server: StandIn
) -> None:
    """Where the source can wait nothing is dropped, even where it may be."""
    catalogue = Catalogue(1_200)
    server.reply("GET /bots", catalogue)
    iteration = iterate(client.bulk_fetch_bots(1_200).pipe(ops.map(_id)), 10, overflow)
    items = aiter(iteration)
    came = [await anext(items)]
    assert await stands_still(server) == 1
    assert came + await rest(items) == catalogue.ids
    assert iteration.dropped == 0


async def test_a_reader_that_leaves_stops_the_fetching(client: TopGG, server: StandIn) -> None:
    """A slow reader that leaves has fetched no more than it needed, and no task is left."""
    server.reply("GET /bots", Catalogue(6_000))
    async for bot in iterate(client.bulk_fetch_bots(6_000).pipe(ops.map(_id)), 10):
        if bot == 1_003:
            break
    await settled()
    assert offsets(server) == [0]


async def test_a_slow_reader_on_another_loop(client: TopGG, server: StandIn) -> None:
    """A reader on another thread's loop slows the fetching on the client's loop as well."""
    catalogue = Catalogue(2_000)
    server.reply("GET /bots", catalogue)
    await client.is_weekend()
    server.seen.clear()
    go_on, stopped = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def read() -> list[int]:
        composed = client.bulk_fetch_bots(2_000).pipe(ops.map(_id))
        items = aiter(iterate(composed, buffer=10))
        came = [await anext(items)]
        loop.call_soon_threadsafe(stopped.set)
        go_on.wait(PATIENCE)
        return came + await rest(items)

    reading = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(read())))
    await stopped.wait()
    assert await stands_still(server) == 1
    go_on.set()
    assert await reading == catalogue.ids


@pytest.mark.parametrize(
    "compose", ["retry", "repeat", "concat", "catch", "flat_map", "start_with"]
)
async def test_a_slow_reader_over_what_is_subscribed_to_later(
    compose: str, client: TopGG, server: StandIn
) -> None:
    """A call that an operator subscribes to later on waits for a slow reader as well."""
    catalogue = Catalogue(1_500)
    server.reply("GET /bots", catalogue)
    bulk = client.bulk_fetch_bots(1_500)
    expected = catalogue.ids
    composed: Observable[Any]
    if compose == "retry":
        server.script("GET /bots", status(503), catalogue)
        composed = bulk.pipe(ops.retry(2))
    elif compose == "repeat":
        composed = bulk.pipe(ops.repeat(2))
        expected = expected * 2
    elif compose == "concat":
        composed = reactivex.concat(bulk, bulk)
        expected = expected * 2
    elif compose == "catch":
        server.reply("GET /bots/2", status(404))
        composed = client.fetch_bot(2).pipe(ops.catch(bulk))
    elif compose == "flat_map":
        composed = client.is_weekend().pipe(ops.flat_map(lambda _: bulk))
    else:
        composed = bulk.pipe(ops.start_with(None), ops.filter(bool))
    items = aiter(iterate(composed.pipe(ops.map(_id)), buffer=100))
    came = [await anext(items)]
    await stands_still(server)
    ids, error = await until_error(items)
    assert error is None
    assert came + ids == expected


async def test_an_error_in_the_middle_for_a_slow_reader(client: TopGG, server: StandIn) -> None:
    """The error of a later page comes after all items of the pages before it."""
    catalogue = Catalogue(2_000)
    catalogue.special[1_000] = status(503)
    server.reply("GET /bots", catalogue)
    composed = client.bulk_fetch_bots(2_000).pipe(ops.map(_id))
    came, error = await until_error(iterate(composed, buffer=10))
    assert came == catalogue.ids[:1_000]
    assert isinstance(error, TopGGServerError)
    await settled()


async def test_a_hot_stream_does_not_wait(client: TopGG, calm: Calm) -> None:
    """A hot stream waits for nobody: a reader that is too slow is told so by a BufferOverflow."""
    items = aiter(client.events)
    for number in range(1_001):
        client.events.on_next(number)
    came, error = await until_error(items)
    assert came == list(range(1_000))
    assert isinstance(error, BufferOverflow)


async def test_closing_while_a_reader_stands_still(new_client: NewClient, server: StandIn) -> None:
    """`close` does not wait for a reader that stands still, and leaves no task behind."""
    client = new_client()
    server.reply("GET /bots", Catalogue(2_000))
    items = aiter(iterate(client.bulk_fetch_bots(2_000).pipe(ops.map(_id)), buffer=10))
    assert await anext(items) == 1_000
    await stands_still(server)
    assert len(tasks_left()) == 1
    await client.close()
    left = tasks_left()
    await items.aclose()
    assert not left
