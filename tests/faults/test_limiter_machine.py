"""The limiter in any order of events: its gate, with real waiters, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from rx_toppy import ClientClosed, RateLimit, Ratelimited
from rx_toppy.api.rate_limiter import Gate
from rx_toppy.api.rate_limits import Ticket

from .machines import Asked, Books, StillLoop, unhurried

PREFIXES = ("", "", "/bots", "/bots/1", "/users")
PATHS = ("/bots", "/bots/1", "/bots/2", "/users/1", "/weekend")
PERS = (0.5, 2.0, 8.0, 8.0, 60.0)
BLOCKS = (0.5, 2.0, 30.0, 60.0, 3600.0, 1e6)


def limits_of(*prefixes: str) -> st.SearchStrategy[list[RateLimit]]:
    """Some windows, small enough to be full."""
    limit = st.builds(
        RateLimit,
        calls=st.integers(1, 3),
        per=st.sampled_from(PERS),
        prefix=st.sampled_from(prefixes),
    )
    return st.lists(limit, min_size=1, max_size=3)


# Eighths of a second: all sums of them are exact, so that what meets does meet.
spans = st.integers(0, 160).map(lambda eighths: eighths / 8)
max_waits = st.sampled_from([0.0, 2.0, 8.0, 60.0, 100.0, None, None])
places = st.integers(0, 30)
ends = st.sampled_from(["answered"] * 8 + ["given up"] * 3 + ["429"]).flatmap(
    lambda how: st.sampled_from(BLOCKS) if how == "429" else st.just(how)
)


class _Limited(RuleBasedStateMachine):
    """What both machines do; nothing runs between two rules unless one of them says so."""

    loop: asyncio.AbstractEventLoop
    books: Books
    offset = 0.0
    is_closed = False

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[Asked, asyncio.Task[None]] = {}

    @property
    def now(self) -> float:
        """The server's time."""
        return self.loop.time() - self.offset

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs the loop until that is done."""
        return self.loop.run_until_complete(work)

    async def settle(self) -> None:
        """Lets all happen that is due now."""
        raise NotImplementedError

    async def send(self, one: Asked) -> None:
        """What somebody does who wants to send."""
        raise NotImplementedError

    def end(self, one: Asked, how: Any) -> None:
        """Ends a send: answered, given up, or with a 429 of so many seconds."""
        raise NotImplementedError

    def ask(self, path: str, *, patient: bool = False) -> None:
        """Somebody wants to send."""
        one = Asked(len(self.books.all), path, patient)
        self.books.all.append(one)
        self.tasks[one] = self.loop.create_task(self.send(one))

    def look(self) -> None:
        """All that is due happens, and is right."""
        self.run(self.settle())
        self.check_tasks()
        self.books.check(self.now)

    def check_tasks(self) -> None:
        """What a task found wrong is wrong."""
        for task in self.tasks.values():
            if task.done() and not task.cancelled():
                task.result()

    @rule(span=spans)
    def time_passes(self, span: float) -> None:
        self.pass_time(self.now + span)

    @rule(early=st.sampled_from([0.0, 0.0, 0.0, 0.125]), times=st.integers(1, 4))
    def time_passes_until_something_is_due(self, early: float, times: int) -> None:
        for _ in range(times):
            self.pass_time(max(self.now, self.next_due() - early))

    @precondition(lambda self: self.books.of("waits"))
    @rule(place=places, many=st.integers(1, 2))
    def waiters_are_cancelled_just_when_something_is_due(self, place: int, many: int) -> None:
        self.look()
        waiting = self.books.of("waits")
        for one in waiting[place % 3 :][:many]:
            self.loop.call_at(self.next_due() + self.offset, self.cancel_if_it_waits, one)
        self.pass_time(self.next_due())

    def cancel_if_it_waits(self, one: Asked) -> None:
        if one.state == "waits":
            self.cancel(one)

    def next_due(self) -> float:
        """When something is due next; now if nothing is."""
        due = self.books.next_change(self.now)
        return due if due < float("inf") else self.now

    def pass_time(self, until: float) -> None:
        """Time passes, with a look at each moment at which anything is due."""
        self.look()
        while self.now < until:
            moment = min(until, self.books.next_change(self.now))
            self.run(asyncio.sleep(moment - self.now))
            self.look()

    @precondition(lambda self: self.books.of("flies"))
    @rule(which=st.lists(st.tuples(places, ends), min_size=1, max_size=3))
    def sends_end(self, which: list[tuple[int, Any]]) -> None:
        for place, how in which:
            flying = self.books.of("flies")
            if flying:
                self.end(flying[place % len(flying)], how)

    @precondition(lambda self: self.books.of("waits") or self.books.of("new"))
    @rule(place=places)
    def a_waiter_is_cancelled(self, place: int) -> None:
        waiting = self.books.of("waits") + self.books.of("new")
        self.cancel(waiting[place % len(waiting)])

    def cancel(self, one: Asked) -> None:
        """Somebody is told to give up. Who has not even begun never will."""
        self.tasks[one].cancel()
        one.is_leaving = True
        if one.state == "new":
            self.books.leaves(one)


class LimiterMachine(_Limited):
    """The gate as a transport uses it, on a loop that can be exchanged for another."""

    @initialize(limits=limits_of(*PREFIXES), max_wait=max_waits)
    def begins(self, limits: list[RateLimit], max_wait: float | None) -> None:
        self.loop = StillLoop()
        self.gate = Gate(limits, max_wait)
        self.books = Books(limits, max_wait)
        self.tickets: dict[Asked, Ticket] = {}

    async def settle(self) -> None:
        for _ in range(4 + 3 * len(self.tasks)):
            await asyncio.sleep(0)

    async def send(self, one: Asked) -> None:
        if self.is_closed:  # a client says so before it asks
            self.books.leaves(one)
            return
        self.books.asks(one, self.now)
        ticket = self.tickets[one] = self.gate.ask(one.path, self.loop.time())
        try:
            if not ticket.granted:
                await self.gate.wait(
                    ticket, self.loop, patient=one.patient, method="GET", url=one.path
                )
        except Ratelimited as error:
            self.books.refused(one, error, self.now)
        except ClientClosed:
            assert self.is_closed
            self.books.leaves(one)
        except asyncio.CancelledError:
            self.books.leaves(one)
            raise
        else:
            assert not self.is_closed
            assert ticket.started == self.loop.time()
            self.books.begins(one, self.now)

    def end(self, one: Asked, how: Any) -> None:
        if isinstance(how, float):
            self.books.blocks(how, self.now)
            self.gate.block(how, self.loop)
        answered = how != "given up"
        self.books.ends(one, self.now, answered=answered)
        self.gate.end(self.tickets[one], self.loop.time(), self.loop, answered=answered)

    @rule(
        some=st.lists(st.tuples(st.sampled_from(PATHS), st.booleans()), min_size=1, max_size=5),
        at_once=st.booleans(),
    )
    def some_ask(self, some: list[tuple[str, bool]], at_once: bool) -> None:
        for path, patient in some:
            self.ask(path, patient=patient)
        if at_once:
            self.run(asyncio.sleep(0))

    @rule(by=st.integers(-800, 800))
    def the_loop_is_exchanged(self, by: int) -> None:
        """The old loop is closed, and who waits on it ends before, as `asyncio.run` does it."""
        for one in self.tasks:
            self.cancel(one)
        self.run(self.settle())
        now = self.now
        self.loop.close()
        for one in self.books.of("flies"):
            self.books.ends(one, now, answered=True)
        self.tasks.clear()
        self.offset += by / 8
        self.loop = StillLoop(now + self.offset)
        self.gate.move(by / 8, self.loop.time())
        self.look()

    def close(self) -> None:
        """All who wait are sent away, and nobody goes any more."""
        self.look()
        self.is_closed = True
        self.gate.close()
        self.run(self.settle())
        assert not self.books.of("waits")
        self.check_tasks()
        for one in self.books.of("flies"):
            self.end(one, "answered")
        self.run(asyncio.sleep(4000.0))
        assert not asyncio.all_tasks(self.loop)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                self.close()
            finally:
                self.loop.close()


class TestLimiter(LimiterMachine.TestCase):
    """A few sequences of events."""

    settings = settings(unhurried, max_examples=20, stateful_step_count=40)


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestLimiterForLonger(LimiterMachine.TestCase):
    """Many of them, and longer ones."""

    settings = settings(unhurried, max_examples=200, stateful_step_count=60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_waited_on_a_closed_loop_is_collected_without_a_trace() -> None:
    """A loop is closed under a waiter; when that is collected later, the next loop goes on."""
    gate = Gate([RateLimit(1, per=1.0)], None)

    async def send(loop: asyncio.AbstractEventLoop) -> Ticket:
        ticket = gate.ask("/bots", loop.time())
        if not ticket.granted:
            await gate.wait(ticket, loop, patient=True, method="GET", url="/bots")
        return ticket

    async def leave_one_behind() -> Coroutine[Any, Any, Ticket]:
        gate.end(await send(first), first.time(), first, answered=True)
        waiting = send(first)
        waiting.send(None)  # as far as a task would take it
        return waiting

    first, second = StillLoop(), StillLoop()
    left_behind = first.run_until_complete(leave_one_behind())
    first.close()
    gate.move(0.0, second.time())

    async def go_on() -> None:
        next_one = second.create_task(send(second))
        await asyncio.sleep(0)
        left_behind.close()  # what the garbage collector does
        await asyncio.sleep(10.0)
        assert next_one.done()

    try:
        second.run_until_complete(go_on())
    finally:
        for task in asyncio.all_tasks(second):
            task.cancel()
        second.run_until_complete(asyncio.sleep(0))
        second.close()
