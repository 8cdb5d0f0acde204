"""What is left of a rate limit, as the limiter says it: without changing anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy.api.rate_limits import Limiter, RateLimit, Ticket

# Times are multiples of a power of two, so that sums of them are exact.
moments = st.integers(0, 80).map(lambda n: n / 8)
steps = st.lists(
    st.tuples(st.sampled_from(["ask", "end", "give up", "leave"]), moments), max_size=40
)


def used(limiter: Limiter, plan: list[tuple[str, float]]) -> float:
    """Uses a limiter as planned, and gives the time that it is then."""
    now = 0.0
    under_way: list[Ticket] = []
    for step, later in plan:
        now += later / 4
        if step == "ask":
            ticket = limiter.ask("/bots/1", now)
            if ticket.granted:
                under_way.append(ticket)
            else:
                limiter.leave(ticket)
        elif under_way:
            ticket = under_way.pop(0)
            if step == "leave":
                limiter.leave(ticket)
            else:
                limiter.end(ticket, now, answered=step == "end")
    return now


@given(st.integers(1, 4), moments.filter(bool), steps, moments)
def test_as_many_as_are_left_may_leave_and_no_more(
    calls: int, per: float, plan: list[tuple[str, float]], later: float
) -> None:
    """Whatever has happened: the budget is what asking for places would show."""
    limiter = Limiter([RateLimit(calls, per=per)])
    now = used(limiter, plan) + later
    (budget,) = limiter.budgets(now)
    granted = [limiter.ask("/bots/1", now).granted for _ in range(calls + 1)]
    assert granted == [True] * budget.left + [False] * (calls + 1 - budget.left)
    assert (budget.free_in == 0.0) == (budget.left > 0)


@given(st.integers(1, 4), moments.filter(bool), steps)
def test_the_next_one_is_free_when_it_says(
    calls: int, per: float, plan: list[tuple[str, float]]
) -> None:
    """Not a moment earlier; and never, unless an answer comes, where all are in flight."""
    limiter = Limiter([RateLimit(calls, per=per)])
    now = used(limiter, plan)
    (budget,) = limiter.budgets(now)
    if budget.free_in is None:
        assert not limiter.ask("/bots/1", now + 10_000).granted
    elif budget.free_in:
        early = limiter.ask("/bots/1", now + budget.free_in - 1 / 64)
        assert not early.granted
        limiter.leave(early)
        assert limiter.ask("/bots/1", now + budget.free_in).granted


def test_a_place_is_free_at_the_very_moment() -> None:
    """A minute after the answer, and not before."""
    limiter = Limiter([RateLimit(1, per=60.0)])
    limiter.end(limiter.ask("/bots/1", 0.0), 1.0)
    told = {at: limiter.budgets(at)[0] for at in (1.0, 60.5, 61.0)}
    assert [(b.left, b.free_in) for b in told.values()] == [(0, 60.0), (0, 0.5), (1, 0.0)]


@given(st.integers(1, 3), steps, st.lists(moments, max_size=5))
def test_asking_changes_nothing(
    calls: int, plan: list[tuple[str, float]], looks: list[float]
) -> None:
    """Whenever it is asked, of whichever moment: what comes is the same as without."""
    limits = [RateLimit(calls, per=2.0), RateLimit(5, per=3.0, prefix="/bots")]
    watched, other = Limiter(limits), Limiter(limits)
    for at in looks:
        watched.budgets(at)
    now = used(watched, plan)
    assert used(other, plan) == now
    for at in (*looks, -1.0, now, 10_000.0):
        watched.budgets(at)
    assert watched.budgets(now) == other.budgets(now)
    assert watched.ask("/bots/1", now).granted == other.ask("/bots/1", now).granted


@pytest.mark.parametrize(("path", "left"), [("/bots/1", [99, 59]), ("/weekend", [99, 60])])
def test_each_limit_has_a_budget_of_its_own(path: str, left: list[int]) -> None:
    """A send takes from the limits that its path is under; a block is told elsewhere."""
    limits = (RateLimit(100, per=1.0), RateLimit(60, per=60.0, prefix="/bots"))
    limiter = Limiter(limits)
    limiter.end(limiter.ask(path, 0.0), 0.5)
    limiter.block(1000.0, 0.5)
    budgets: Any = limiter.budgets(1.0)
    assert [budget.left for budget in budgets] == left
    assert tuple(budget.limit for budget in budgets) == limits
    assert limiter.blocked_until == 1000.0
    assert Limiter(()).budgets(0.0) == []
