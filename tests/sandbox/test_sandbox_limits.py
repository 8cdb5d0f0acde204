"""The rate limits and the block."""

from collections import namedtuple
from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy.sandbox import Limit
from rx_toppy.sandbox.limits import DEFAULT_LIMITS, Budget

HOUR = 3600


async def statuses(api, path, count):
    return [(await api.get(path)).status for _ in range(count)]


async def test_60_a_minute_over_bots(run):
    """The 61st request to /bots within a minute is one too many, whatever the route."""
    async with run(rate_limits=DEFAULT_LIMITS) as (_, api):
        assert set(await statuses(api, "/bots/1", 30)) == {404}
        assert set(await statuses(api, "/bots", 30)) == {200}
        answer = await api.own("/stats")
    assert (answer.status, answer.data) == (429, {"retry-after": HOUR})


async def test_100_a_second_over_all(run):
    """The 101st request within a second is one too many."""
    async with run(rate_limits=DEFAULT_LIMITS) as (_, api):
        assert set(await statuses(api, "/weekend", 100)) == {200}
        assert (await api.get("/weekend")).status == 429


async def test_the_limits_slide(run, clock):
    """A request counts for exactly as long as the limit says."""
    async with run(rate_limits=[Limit(2, 60)]) as (_, api):
        await api.get("/weekend")
        clock.advance(seconds=30)
        await api.get("/weekend")
        clock.advance(seconds=30)
        assert await statuses(api, "/weekend", 2) == [200, 429]


async def test_only_its_routes_count(run):
    """A limit with a prefix holds for the routes that begin with it, and for no other."""
    async with run(rate_limits=[Limit(1, 60, "/users")]) as (_, api):
        assert await statuses(api, "/weekend", 3) == [200, 200, 200]
        assert await statuses(api, "/users/1", 2) == [404, 429]


async def test_a_block_is_for_all_routes(run, clock):
    """A blocked token gets no answer from any route until the block is over."""
    async with run(rate_limits=[Limit(1, 60, "/bots")], block=100) as (_, api):
        assert await statuses(api, "/bots", 2) == [200, 429]
        assert await statuses(api, "/weekend", 1) == [429]
        clock.advance(seconds=100)
        assert await statuses(api, "/weekend", 1) == [200]
        assert await statuses(api, "/bots", 1) == [200]


async def test_asking_while_blocked_prolongs_the_block(run, clock):
    """Each request of a blocked token starts the block anew."""
    async with run(rate_limits=[Limit(1, 1)], block=100) as (_, api):
        await statuses(api, "/weekend", 2)
        clock.advance(seconds=99)
        answer = await api.get("/weekend")
        assert answer.data == {"retry-after": 100}
        clock.advance(seconds=99)
        assert await statuses(api, "/weekend", 1) == [429]
        clock.advance(seconds=100)
        assert await statuses(api, "/weekend", 1) == [200]


async def test_requests_without_the_token_cost_it_nothing(run):
    """Who has not the token can neither use up its limits nor be blocked by them."""
    async with run(rate_limits=[Limit(1, 60)]) as (_, api):
        for _ in range(3):
            assert (await api.ask("GET", "/weekend", headers={})).status == 401
        assert await statuses(api, "/weekend", 2) == [200, 429]
        assert (await api.ask("GET", "/weekend", headers={})).status == 401


async def test_an_encoded_path_counts_too(run):
    """A path that is spelled in another way is the same route."""
    async with run(rate_limits=[Limit(1, 60, "/bots")]) as (sandbox, api):
        await api.get("/bots")
        await api.get("/%62ots")
        assert [request.status for request in sandbox.requests] == [200, 429]


async def test_no_limits(run):
    """Without limits everything is answered."""
    async with run(rate_limits=()) as (_, api):
        assert set(await statuses(api, "/weekend", 150)) == {200}


async def test_limits_of_another_type(run, clock):
    """Anything with calls, per and prefix is a limit; durations may be timedeltas."""
    other = namedtuple("other", "calls per prefix")
    limits = [other(1, timedelta(minutes=1), "/weekend")]
    async with run(rate_limits=limits, block=timedelta(seconds=1.5)) as (_, api):
        await api.get("/weekend")
        assert (await api.get("/weekend")).data == {"retry-after": 2}
        clock.advance(seconds=1.5)
        assert (await api.get("/bots")).status == 200


@given(
    calls=st.integers(1, 5),
    per=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 10), max_size=60),
)
def test_no_window_holds_more_than_it_may(calls, per, gaps):
    """Whatever the rhythm, no stretch of `per` seconds has more than `calls` answers."""
    budget = Budget([Limit(calls, per)], block=2.0)
    times = list(accumulate(gaps))
    passed = [now for now in times if budget.refusal("/", now) is None]
    assert all(sum(at <= other < at + per for other in passed) <= calls for at in passed)


@given(calls=st.integers(1, 5), gaps=st.lists(st.integers(10, 20), max_size=30))
def test_who_keeps_to_the_limit_is_never_refused(calls, gaps):
    """As many calls at once as are allowed, again and again in that rhythm, all pass."""
    budget = Budget([Limit(calls, 10)], block=3600.0)
    answers = [budget.refusal("/", now) for now in accumulate(gaps) for _ in range(calls)]
    assert set(answers) <= {None}


@pytest.mark.parametrize("calls", [1, 3])
def test_a_refused_request_does_not_count(calls):
    """What was refused takes no place in the window; it only blocks."""
    budget = Budget([Limit(calls, 10.0)], block=1.0)
    for _ in range(calls):
        assert budget.refusal("/", 0.0) is None
    for second in range(1, 9):
        assert budget.refusal("/", float(second)) == 1
    assert budget.refusal("/", 10.0) is None
