"""The limiter, in virtual time: the server never counts too many, and everybody gets a turn."""

from __future__ import annotations

import heapq
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rx_toppy import DEFAULT_RATE_LIMITS
from rx_toppy.api.rate_limits import GIVEN_UP, LONGEST_BLOCK, Limiter, RateLimit, Ticket

T = TypeVar("T")

PATHS = ("/bots", "/bots/1", "/bots/1/stats", "/bots/2", "/users/1", "/weekend")
PREFIXES = ("", "/bots", "/bots/1", "/users")


# --- a transport in virtual time ---


@dataclass(frozen=True)
class Plan:
    """What one caller does: when it comes, and what becomes of it."""

    path: str = "/bots/1"
    comes: float = 0.0
    takes: float = 0.0
    answered: bool = True
    unused: bool = False
    """It is cancelled between its turn and the send."""
    patience: float | None = None
    """It leaves if it still waits after so long."""
    block: float | None = None
    """Its answer is a 429 for so long."""


@dataclass(eq=False)
class Caller:
    plan: Plan
    asked: float
    ticket: Ticket | None = None
    began: float | None = None
    ended: float | None = None
    left: float | None = None
    bounds: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        return self.began is None and self.left is None

    @property
    def is_in_flight(self) -> bool:
        return self.began is not None and self.ended is None and self.left is None

    @property
    def was_sent(self) -> bool:
        return self.began is not None and self.left is None

    def over(self, late: float) -> float:
        """The latest time at which the server may have counted it."""
        assert self.began is not None
        assert self.ended is not None
        return self.ended if self.plan.answered else max(self.ended, self.began + late)

    def holds_place(self, per: float, at: float) -> bool:
        if not self.was_sent:
            return False
        return self.ended is None or self.over(GIVEN_UP) + per > at


class World:
    """Uses a limiter as a transport does, and looks after every step whether all is well.

    It keeps books of its own: who holds a place of which limit is told from the sends alone.
    """

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        self.limits = limits
        self.limiter = Limiter(limits)
        self.now = 0.0
        self.callers: list[Caller] = []
        self.granted: list[Caller] = []
        self.broken_promises: list[str] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._alarm: float | None = None
        self._alarms = 0
        self._leaves = 0
        self._blocked = -math.inf

    def run(self, plans: Iterable[Plan], until: float = math.inf) -> World:
        for plan in plans:
            self._at(self.now + plan.comes, partial(self._come, plan))
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
            self._look()
        if until < math.inf:
            self.now = until
        return self

    def moved(self, by: float) -> World:
        """The same on another clock, as it is when the loop has gone and with it all who wait."""
        other = World(self.limits)
        other.now = self.now + by
        other.limiter = self.limiter.moved(by, other.now)
        other._blocked = self._blocked + by
        for caller in self.granted:
            if caller.began is None or not caller.was_sent:
                continue
            plan, ended = caller.plan, caller.ended
            if ended is None:
                plan, ended = replace(plan, answered=True), self.now
            other.granted.append(
                replace(caller, plan=plan, began=caller.began + by, ended=ended + by)
            )
        return other

    def grants(self) -> list[tuple[str, float]]:
        """Who sent when."""
        return [(c.plan.path, c.began) for c in self.granted if c.began is not None]

    def spans(self, limit: RateLimit) -> list[tuple[float, float]]:
        """From when to when the server may have counted each send under a limit."""
        late = min(GIVEN_UP, limit.per)
        sent = [c for c in self.granted if c.was_sent and c.plan.path.startswith(limit.prefix)]
        return [
            (c.began, self.now if c.ended is None else c.over(late))
            for c in sent
            if c.began is not None
        ]

    # What happens.

    def _at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time, next(self._number), action))

    def _come(self, plan: Plan) -> None:
        caller = Caller(plan, self.now)
        self.callers.append(caller)
        caller.ticket = self.limiter.ask(plan.path, self.now, caller)
        if caller.ticket.granted:
            self._begin(caller)
            return
        self._wake()
        if caller.waits and plan.patience is not None:
            self._at(self.now + plan.patience, partial(self._leave, caller))

    def _begin(self, caller: Caller) -> None:
        self._check_turn(caller)
        caller.began = self.now
        self.granted.append(caller)
        if caller.plan.unused:
            self._at(self.now, partial(self._give_back, caller))
        else:
            self._at(self.now + caller.plan.takes, partial(self._end, caller))

    def _end(self, caller: Caller) -> None:
        plan = caller.plan
        caller.ended = self.now
        assert caller.ticket is not None
        self.limiter.end(caller.ticket, self.now, answered=plan.answered)
        if plan.block is not None:
            self._blocked = max(self._blocked, self.now + min(plan.block, 86_400.0))
            self.limiter.block(self.now + plan.block, self.now)
        if self.limiter.waiters:
            self._wake()

    def _give_back(self, caller: Caller) -> None:
        caller.left = self.now
        self._leaves += 1
        assert caller.ticket is not None
        self.limiter.leave(caller.ticket)
        self._wake()

    def _leave(self, caller: Caller) -> None:
        if caller.waits:
            self._give_back(caller)

    def _wake(self) -> list[Ticket]:
        due = self.limiter.due(self.now)
        for ticket in due:
            self._begin(ticket.waiter)
        self._alarms += 1
        self._alarm = self.limiter.next_due(self.now)
        if self._alarm is not None:
            assert self._alarm > self.now, "next_due names a time at which due gave nobody a turn"
            self._at(self._alarm, partial(self._ring, self._alarms))
        return due

    def _ring(self, alarm: int) -> None:
        if alarm == self._alarms:
            before = self.now
            due = self._wake()
            assert due or self._alarm is None or self._alarm > before

    # What must be true.

    def _has_room(self, path: str, at: float) -> bool:
        return all(
            sum(
                c.holds_place(limit.per, at)
                for c in self.granted
                if c.plan.path.startswith(limit.prefix)
            )
            < limit.calls
            for limit in self.limits
            if path.startswith(limit.prefix)
        )

    def _needs(self, caller: Caller) -> list[bool]:
        return [caller.plan.path.startswith(limit.prefix) for limit in self.limits]

    def _check_turn(self, caller: Caller) -> None:
        assert self.now >= self._blocked, "a send during a block"
        for other in self.callers:
            if other is caller:
                break
            if other.waits:
                assert self._needs(other) != self._needs(caller), "who came first goes first"
                assert not self._has_room(other.plan.path, self.now), (
                    "the longest waiter goes first"
                )
        self.broken_promises += [
            f"{caller.plan} was to wait {wait} s or more from {at} on, and went at {self.now}"
            for at, wait, leaves in caller.bounds
            if leaves == self._leaves and self.now - at < wait - 1e-9
        ]

    def _look(self) -> None:
        waiting = [c for c in self.callers if c.waits]
        assert [t.waiter for t in self.limiter.waiting()] == waiting
        assert self.limiter.waiters == len(waiting)
        for caller in waiting:
            assert caller.ticket is not None
            wait = self.limiter.wait(caller.ticket, self.now)
            assert wait >= 0
            caller.bounds.append((self.now, wait, self._leaves))
        is_over = not self._agenda or self._agenda[0][0] > self.now
        if waiting and is_over:
            earliest = min(map(self._earliest, waiting))
            assert earliest > self.now, "there is room, and nobody is let in"
            if earliest < math.inf:
                assert self._alarm is not None, "time alone makes room, and nobody will look"
                assert self._alarm <= earliest, "the alarm is set too late"
            if self._alarm is None:
                assert any(c.is_in_flight for c in self.callers)

    def _earliest(self, caller: Caller) -> float:
        """When there is room for a waiter, if nothing happens but time."""
        freed = {
            c.over(GIVEN_UP) + limit.per
            for c in self.granted
            if c.ended is not None
            for limit in self.limits
        }
        times = sorted({self.now, self._blocked, *freed})
        return next(
            (
                at
                for at in times
                if at >= max(self.now, self._blocked) and self._has_room(caller.plan.path, at)
            ),
            math.inf,
        )


def fullest(spans: Sequence[tuple[float, float]], per: float) -> int:
    """How many sends one half-open window can hold, each counted at whatever time is the worst."""
    return max(
        (sum(first < start + per and last >= start for first, last in spans) for _, start in spans),
        default=0,
    )


def run(limits: Sequence[RateLimit], *plans: Plan) -> list[tuple[str, float]]:
    """Who sends when."""
    return World(limits).run(plans).grants()


def times(first: float, last: float, unit: float) -> st.SearchStrategy[float]:
    return st.integers(round(first / unit), round(last / unit)).map(lambda n: n * unit)


def rarely(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.one_of(st.none(), st.none(), st.none(), strategy)


def limits_of(unit: float) -> st.SearchStrategy[list[RateLimit]]:
    return st.lists(
        st.builds(
            RateLimit,
            calls=st.integers(1, 4),
            per=times(0.5, 8, unit),
            prefix=st.sampled_from(PREFIXES),
        ),
        min_size=1,
        max_size=4,
    )


def plans_of(unit: float) -> st.SearchStrategy[list[Plan]]:
    plan = st.builds(
        Plan,
        path=st.sampled_from(PATHS),
        comes=times(0, 12, unit),
        takes=times(0, 6, unit),
        answered=st.sampled_from([True, True, True, False]),
        unused=st.sampled_from([False, False, False, False, True]),
        patience=rarely(times(0, 10, unit)),
        block=rarely(times(0, 20, unit)),
    )
    return st.lists(plan, max_size=24)


def assert_kept(world: World) -> None:
    """No window held too many, and everybody who did not leave had a turn."""
    for limit in world.limits:
        assert fullest(world.spans(limit), limit.per) <= limit.calls
    assert not [c for c in world.callers if c.waits]
    assert world.limiter.waiters == 0
    assert world.limiter.next_due(world.now) is None


# --- any schedule ---

# Tenths often coincide, and are what floats can't quite hold; with eighths all sums are exact.
TENTHS, EIGHTHS = 0.1, 0.125


@settings(max_examples=100)
@given(limits_of(TENTHS), plans_of(TENTHS))
def test_any_schedule_keeps_every_limit_and_gives_everybody_a_turn(
    limits: list[RateLimit], plans: list[Plan]
) -> None:
    """No window holds too many, order is kept, and who does not leave is let in, in due time."""
    assert_kept(World(limits).run(plans))


test_any_schedule_keeps_every_limit_and_gives_everybody_a_turn_at_length = pytest.mark.slow(
    settings(max_examples=400)(
        given(limits_of(TENTHS), plans_of(TENTHS))(
            test_any_schedule_keeps_every_limit_and_gives_everybody_a_turn.hypothesis.inner_test
        )
    )
)


@settings(max_examples=80)
@given(limits_of(EIGHTHS), plans_of(EIGHTHS))
@example(
    [RateLimit(2, per=60)],
    [Plan(comes=0, takes=0, answered=False), Plan(comes=0, takes=0.125), Plan(comes=0.125)],
)
def test_any_schedule_keeps_what_wait_has_promised(
    limits: list[RateLimit], plans: list[Plan]
) -> None:
    """Nobody is let in sooner than wait() said, unless somebody left."""
    assert World(limits).run(plans).broken_promises == []


test_any_schedule_keeps_what_wait_has_promised_at_length = pytest.mark.slow(
    settings(max_examples=200)(
        given(limits_of(EIGHTHS), plans_of(EIGHTHS))(
            test_any_schedule_keeps_what_wait_has_promised.hypothesis.inner_test
        )
    )
)


@given(
    limits_of(EIGHTHS),
    plans_of(EIGHTHS),
    times(0, 12, EIGHTHS),
    st.integers(-1000, 1000),
    plans_of(EIGHTHS),
)
def test_a_move_to_another_clock_keeps_every_limit(
    limits: list[RateLimit], plans: list[Plan], gone: float, by: int, later: list[Plan]
) -> None:
    """Sends before and after a new loop share their windows, and a block goes along."""
    world = World(limits).run(plans, until=gone).moved(by)
    assert world.limiter.waiting() == []
    assert_kept(world.run(later))


# --- places ---


def test_sixty_go_at_once_and_the_next_when_a_minute_has_passed() -> None:
    """The default limits let a minute's 60 through to /bots, and not one more."""
    sent = run(DEFAULT_RATE_LIMITS, *[Plan("/bots/1")] * 61)
    assert sent == [("/bots/1", 0.0)] * 60 + [("/bots/1", 60.0)]


def test_a_hundred_a_second_go_elsewhere() -> None:
    """The default limits let 100 a second through in all."""
    sent = run(DEFAULT_RATE_LIMITS, *[Plan("/users/1")] * 250)
    assert [at for _, at in sent] == [0.0] * 100 + [1.0] * 100 + [2.0] * 50


def test_a_place_is_free_when_per_has_passed_since_the_end() -> None:
    """It is the end of a send that counts, not its start: the server may have counted it last."""
    sent = run([RateLimit(1, per=10)], Plan(takes=4), Plan())
    assert sent == [("/bots/1", 0.0), ("/bots/1", 14.0)]


def test_a_send_in_flight_holds_its_place_for_as_long_as_it_takes() -> None:
    """Only its end can help, and next_due says so."""
    limiter = Limiter([RateLimit(1, per=1)])
    first, second = limiter.ask("/x", 0.0), limiter.ask("/x", 0.0)
    assert limiter.due(1000.0) == []
    assert limiter.next_due(1000.0) is None
    limiter.end(first, 1000.0)
    assert limiter.next_due(1000.0) == 1001.0
    assert limiter.due(1000.9) == []
    assert limiter.due(1001.0) == [second]
    assert limiter.next_due(1001.0) is None


def test_windows_are_half_open() -> None:
    """At the very moment when per has passed, the place is free."""
    limiter = Limiter([RateLimit(1, per=10)])
    limiter.end(limiter.ask("/x", 0.0), 0.0)
    assert not limiter.ask("/x", math.nextafter(10.0, 0.0)).granted
    assert limiter.due(10.0)


def test_no_limits_hold_nobody_back() -> None:
    """Without any limit everything is granted at once."""
    assert run([], *[Plan(path) for path in PATHS] * 50) == [(p, 0.0) for p in PATHS] * 50


def test_two_limits_of_one_prefix_both_hold() -> None:
    """A short and a long window of the same paths are kept at once."""
    sent = run([RateLimit(2, per=1), RateLimit(3, per=10)], *[Plan("/x")] * 5)
    assert [at for _, at in sent] == [0.0, 0.0, 1.0, 10.0, 10.0]


def test_a_given_up_send_may_still_arrive() -> None:
    """Cancelled at once, it holds its place as if it had ended GIVEN_UP after it left."""
    sent = run([RateLimit(1, per=10)], Plan(takes=0.25, answered=False), Plan())
    assert sent[1][1] == 10.0 + GIVEN_UP


def test_a_send_that_is_answered_after_one_was_given_up_is_free_before_it() -> None:
    """Places come free in the order in which sends are over, which is not that of the calls."""
    sent = run(
        [RateLimit(3, per=10)],
        Plan(),
        Plan(takes=0.25, answered=False),
        Plan(takes=0.5),
        *[Plan()] * 3,
    )
    assert [at for _, at in sent[3:]] == [10.0, 10.5, 10.0 + GIVEN_UP]


def test_a_send_given_up_late_ends_when_it_is_given_up() -> None:
    """A timeout after more than GIVEN_UP adds nothing to it."""
    sent = run([RateLimit(1, per=10)], Plan(takes=3, answered=False), Plan())
    assert sent[1][1] == 13.0


def test_a_given_up_send_may_still_arrive_within_a_short_window() -> None:
    """A window shorter than GIVEN_UP holds no more than its calls either."""
    limit = RateLimit(1, per=0.25)
    sent = run([limit], Plan(takes=0.125, answered=False), Plan())
    given_up, other = (0.0, GIVEN_UP), (sent[1][1], sent[1][1])
    assert fullest([given_up, other], limit.per) == 1


# --- turns ---


def test_who_shares_a_full_window_goes_in_order_of_arrival() -> None:
    """First come, first served, though the paths differ."""
    paths = ["/bots/1", "/bots/2", "/bots", "/bots/1/stats", "/bots/2"]
    sent = run([RateLimit(1, per=1, prefix="/bots")], *[Plan(path) for path in paths])
    assert sent == [(path, float(at)) for at, path in enumerate(paths)]


def test_another_window_does_not_queue_behind_a_full_one() -> None:
    """Paths that a full window does not cover go at once, past those who wait for it."""
    limits = [RateLimit(100, per=1), RateLimit(1, per=60, prefix="/bots")]
    sent = run(limits, Plan("/bots"), Plan("/bots"), Plan("/users/1"), Plan("/weekend"))
    assert sent == [("/bots", 0.0), ("/users/1", 0.0), ("/weekend", 0.0), ("/bots", 60.0)]


def test_who_waits_for_a_common_window_is_not_overtaken() -> None:
    """Where all wait for the outer window, the inner one's callers keep their turn among them."""
    limits = [RateLimit(1, per=1), RateLimit(5, per=10, prefix="/bots")]
    paths = ["/users/1", "/bots", "/users/1", "/bots"]
    sent = run(limits, *[Plan(path) for path in paths])
    assert sent == [(path, float(at)) for at, path in enumerate(paths)]


def test_a_steady_stream_does_not_starve_a_waiter() -> None:
    """Who waits for two windows goes when both have room, however many want one of them."""
    limits = [RateLimit(1, per=1), RateLimit(1, per=10, prefix="/bots")]
    stream = [Plan("/users/1", comes=n / 2) for n in range(1, 60)]
    sent = run(limits, Plan("/bots"), Plan("/bots", comes=0.25), *stream)
    assert [at for path, at in sent if path == "/bots"] == [0.0, 10.0]
    assert len(sent) == 61


def test_a_waiter_that_leaves_gives_its_place_to_the_next() -> None:
    """Those behind move up, in order."""
    sent = run(
        [RateLimit(1, per=10)],
        Plan("/a"),
        Plan("/b", patience=3),
        Plan("/c"),
        Plan("/d", comes=2),
    )
    assert sent == [("/a", 0.0), ("/c", 10.0), ("/d", 20.0)]


def test_a_turn_that_is_not_used_is_the_next_ones_at_once() -> None:
    """Who was let in and never sent leaves no trace in the window."""
    sent = run([RateLimit(1, per=10)], Plan("/a"), Plan("/b", unused=True), Plan("/c"))
    assert sent == [("/a", 0.0), ("/b", 10.0), ("/c", 10.0)]


def test_leaving_twice_counts_once() -> None:
    """A second leave of a waiter changes nothing."""
    limiter = Limiter([RateLimit(1, per=10)])
    limiter.end(limiter.ask("/a", 0.0), 0.0)
    second, third = limiter.ask("/b", 0.0), limiter.ask("/c", 0.0)
    limiter.leave(second)
    limiter.leave(second)
    assert limiter.waiting() == [third]
    assert limiter.waiters == 1
    assert limiter.due(10.0) == [third]
    assert limiter.waiters == 0


def test_a_place_that_was_left_is_taken_by_no_one_else_before_those_who_wait() -> None:
    """Who asks while somebody waits for the same window goes to the back, room or not."""
    limiter = Limiter([RateLimit(1, per=10)])
    first = limiter.ask("/a", 0.0)
    second = limiter.ask("/b", 0.0)
    limiter.leave(first)
    third = limiter.ask("/c", 0.0)
    assert limiter.due(0.0) == [second]
    assert not third.granted


def test_whoever_waits_is_found_again() -> None:
    """A ticket carries what its asker gave it, and waiting() names all in order of arrival."""
    limiter = Limiter([RateLimit(1, per=1), RateLimit(1, per=1, prefix="/bots")])
    limiter.ask("/bots", 0.0)
    for name, path in zip("abcd", ("/users", "/bots", "/weekend", "/bots/1"), strict=True):
        limiter.ask(path, 0.0, name)
    assert [ticket.waiter for ticket in limiter.waiting()] == list("abcd")


# --- waits ---


def waits(limiter: Limiter, path: str, now: float = 0.0) -> float:
    return limiter.wait(limiter.ask(path, now), now)


def ended(limiter: Limiter, path: str, *times: float) -> None:
    for ticket, at in [(limiter.ask(path, at), at) for at in times]:
        assert ticket.granted
        limiter.end(ticket, at)


def test_wait_counts_those_ahead() -> None:
    """Each of those before it takes a place, and comes back to it a window later."""
    limiter = Limiter([RateLimit(2, per=10)])
    ended(limiter, "/x", 0.0, 4.0)
    assert [waits(limiter, "/x", 5.0) for _ in range(5)] == [5.0, 9.0, 15.0, 19.0, 25.0]


def test_wait_leaves_out_those_who_wait_for_something_else() -> None:
    """Only who came first and needs nothing more is ahead for certain."""
    limiter = Limiter([RateLimit(2, per=10), RateLimit(1, per=100, prefix="/bots")])
    ended(limiter, "/bots", 0.0)
    ended(limiter, "/users", 0.0)
    assert waits(limiter, "/bots") == 100.0
    assert waits(limiter, "/bots") == 200.0
    assert waits(limiter, "/users") == 10.0
    assert waits(limiter, "/users") == 10.0
    assert waits(limiter, "/users") == 20.0


def test_wait_takes_those_in_flight_to_end_now() -> None:
    """Nobody knows when they will: it is the least that is left to wait."""
    limiter = Limiter([RateLimit(1, per=10)])
    limiter.ask("/x", 0.0)
    assert waits(limiter, "/x", 3.0) == 10.0


def test_wait_of_somebody_in_the_middle_leaves_out_who_came_later() -> None:
    """Asked again later, a waiter has those before it ahead, and no one else."""
    limiter = Limiter([RateLimit(1, per=10)])
    ended(limiter, "/x", 0.0)
    first, second, third = (limiter.ask("/x", 0.0) for _ in range(3))
    assert [limiter.wait(t, 1.0) for t in (first, second, third)] == [9.0, 19.0, 29.0]
    limiter.leave(first)
    assert [limiter.wait(t, 1.0) for t in (second, third)] == [9.0, 19.0]


def test_wait_is_a_lower_bound_beside_a_given_up_send() -> None:
    """One in flight may end, and its place be free, before that of a send just given up."""
    limiter = Limiter([RateLimit(2, per=60)])
    answered, given_up = limiter.ask("/x", 0.0), limiter.ask("/x", 0.0)
    limiter.end(given_up, 0.25, answered=False)
    third = limiter.ask("/x", 0.25)
    promised = limiter.wait(third, 0.25)
    limiter.end(answered, 0.25)
    assert limiter.due(60.25) == [third]
    assert promised <= 60.0


# --- blocks ---


def test_nothing_goes_out_during_a_block() -> None:
    """After a 429 all wait, for whichever window, until it has passed; then in order."""
    limits = [RateLimit(5, per=1)]
    refused = Plan("/bots", block=30)
    others = [Plan("/users/1", comes=1), Plan("/weekend", comes=2), Plan("/bots", comes=30)]
    sent = run(limits, refused, *others)
    assert sent == [("/bots", 0.0), ("/users/1", 30.0), ("/weekend", 30.0), ("/bots", 30.0)]


def test_a_block_counts_in_wait_and_next_due() -> None:
    """Both name the block's end where that is later than the window's."""
    limiter = Limiter([RateLimit(1, per=10)])
    ended(limiter, "/x", 0.0)
    limiter.block(50.0, 0.0)
    ticket = limiter.ask("/x", 2.0)
    assert limiter.wait(ticket, 2.0) == 48.0
    assert limiter.next_due(2.0) == 50.0
    assert limiter.due(49.9) == []
    assert limiter.due(50.0) == [ticket]


def test_those_who_wait_for_a_block_stand_in_each_others_way() -> None:
    """There may be room already, but not for all of them: who is behind has longer to wait."""
    limiter = Limiter([RateLimit(2, per=10)])
    ended(limiter, "/x", 0.0)
    limiter.block(5.0, 0.0)
    assert [waits(limiter, "/x", 1.0) for _ in range(4)] == [4.0, 9.0, 10.0, 19.0]


def test_a_block_without_limits_holds_as_well() -> None:
    """A client without limits of its own still keeps off the network after a 429."""
    assert run([], Plan("/a", block=5), Plan("/b", comes=1)) == [("/a", 0.0), ("/b", 5.0)]


def test_a_shorter_block_does_not_end_a_longer_one() -> None:
    """The later of two ends counts."""
    limiter = Limiter([])
    limiter.block(100.0, 0.0)
    limiter.block(20.0, 10.0)
    assert limiter.blocked_until == 100.0


@pytest.mark.parametrize("until", [86_406.0, 1e12, math.inf])
def test_no_block_lasts_longer_than_a_day(until: float) -> None:
    """Whatever a 429 says."""
    limiter = Limiter([])
    limiter.block(until, 5.0)
    assert limiter.blocked_until == 5.0 + LONGEST_BLOCK == 86_405.0


# --- another clock ---


def test_moved_keeps_what_was_counted() -> None:
    """Ended sends and the block are moved, sends in flight end now, and nobody waits."""
    limiter = Limiter([RateLimit(3, per=10)])
    ended(limiter, "/x", 1000.0, 1004.0)
    in_flight, waiting = limiter.ask("/x", 1005.0), limiter.ask("/x", 1005.0)
    assert (in_flight.granted, waiting.granted) == (True, False)
    moved = limiter.moved(-1000.0, 6.0)
    assert moved.waiting() == []
    others = [moved.ask("/x", 6.0) for _ in range(3)]
    assert moved.due(9.9) == []
    assert moved.next_due(9.9) == 10.0
    assert [moved.due(at) for at in (10.0, 14.0, 16.0)] == [[other] for other in others]


def test_moved_keeps_a_block() -> None:
    """A block of an hour is no shorter on the next loop."""
    limiter = Limiter([])
    limiter.block(3600.0, 0.0)
    assert limiter.moved(500.0, 600.0).blocked_until == 4100.0


def test_moved_leaves_the_old_one_alone() -> None:
    """What happens on the new clock does not show on the old one."""
    limiter = Limiter([RateLimit(1, per=10)])
    moved = limiter.moved(0.0, 0.0)
    moved.ask("/x", 0.0)
    moved.block(100.0, 0.0)
    assert limiter.ask("/x", 0.0).granted


# --- limits as arguments ---


def test_the_default_limits_are_top_ggs() -> None:
    """100 a second of all, 60 a minute of /bots*."""
    assert (RateLimit(100, 1.0), RateLimit(60, 60.0, "/bots")) == DEFAULT_RATE_LIMITS


def test_a_rate_limit_takes_a_timedelta() -> None:
    """A window's length is seconds or a timedelta, which are the same."""
    limit = RateLimit(60, timedelta(minutes=1), prefix="/bots")
    assert limit == RateLimit(60, 60, prefix="/bots")
    assert limit.per == 60.0
    assert hash(limit) == hash(RateLimit(60, 60.0, "/bots"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"calls": 0, "per": 1}, ValueError),
        ({"calls": -1, "per": 1}, ValueError),
        ({"calls": 1.5, "per": 1}, TypeError),
        ({"calls": True, "per": 1}, TypeError),
        ({"calls": "60", "per": 1}, TypeError),
        ({"calls": None, "per": 1}, TypeError),
        ({"calls": 1, "per": 0}, ValueError),
        ({"calls": 1, "per": -1}, ValueError),
        ({"calls": 1, "per": math.nan}, ValueError),
        ({"calls": 1, "per": math.inf}, ValueError),
        ({"calls": 1, "per": timedelta(0)}, ValueError),
        ({"calls": 1, "per": True}, TypeError),
        ({"calls": 1, "per": "60"}, TypeError),
        ({"calls": 1, "per": None}, TypeError),
        ({"calls": 1, "per": 1, "prefix": None}, TypeError),
        ({"calls": 1, "per": 1, "prefix": b"/bots"}, TypeError),
    ],
)
def test_a_rate_limit_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    """A clear error where the limit is made."""
    with pytest.raises(error, match="RateLimit"):
        RateLimit(**arguments)


def test_who_has_left_is_forgotten_when_nobody_waits_any_more() -> None:
    """Also behind somebody whose turn came: nothing of a call is kept that was given up."""
    limiter = Limiter([RateLimit(1, per=60)])
    limiter.end(limiter.ask("/bots/1", 0.0), 0.0)
    first, gone = limiter.ask("/bots/2", 0.0), Gone()
    kept = weakref.ref(gone)
    limiter.leave(limiter.ask("/bots/3", 0.0, gone))
    del gone
    assert limiter.due(60.0) == [first]
    assert kept() is None


class Gone:
    """A waiter that can be looked for."""
