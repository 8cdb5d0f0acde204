"""Polls: whole timetables in virtual time, against a server with a vote history of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from itertools import pairwise
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as ops

from rx_toppy import (
    ClientClosed,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    PollFailed,
    Ratelimited,
    StandaloneBot,
    TopGG,
    TopGGServerError,
    iterate,
    map_async,
)
from tests.standin import Answer, Seen, StandIn, fault, ok, status
from tests.virtual import run_virtual

OWN_ID = 264811613708746752
VOTES = "GET /v1/projects/@me/votes"
VOTERS = f"GET /bots/{OWN_ID}/votes"
NOW = datetime(2026, 4, 15, 12, tzinfo=UTC)

BAD_CURSOR = status(400, json={"title": "Bad Request", "status": 400, "detail": "bad cursor"})


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test in virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


class History:
    """A vote history as top.gg keeps it: pages from a time or a cursor on. Votes are numbers.

    `faults` are answered first, one for each request, None being none.
    """

    def __init__(self, votes: int = 0, size: int = 100) -> None:
        self.votes = votes
        self.size = size
        self.faults: list[Answer | None] = []
        self.coming = 0  # so many new votes come, one after each page

    def __call__(self, seen: Seen) -> Answer:
        if self.faults and (answer := self.faults.pop(0)) is not None:
            return answer
        start = int(seen.query["cursor"][1:]) if "cursor" in seen.query else 0
        end = min(start + self.size, self.votes)
        data = [
            {
                "user_id": str(10**17 + n),
                "platform_id": str(n + 1),
                "weight": 1,
                "created_at": "2026-04-15T12:00:00.5Z",
                "expires_at": "2026-04-16T00:00:00.5Z",
            }
            for n in range(start, end)
        ]
        if self.coming:
            self.coming -= 1
            self.votes += 1
        return ok({"cursor": f"c{end}", "data": data})


class Scene:
    """A server, a client, and the client's failed polls."""

    def __init__(self, topgg: StandIn, client: TopGG, history: History) -> None:
        self.topgg = topgg
        self.client = client
        self.history = history
        self.failed: list[PollFailed] = []
        client.events.pipe(ops.filter(lambda event: isinstance(event, PollFailed))).subscribe(
            self.failed.append
        )

    def times(self) -> list[float]:
        """When requests arrived."""
        return [round(seen.at, 1) for seen in self.topgg.seen]


@asynccontextmanager
async def scene(votes: int = 0, *, size: int = 100, **options: Any) -> AsyncIterator[Scene]:
    history = History(votes, size)
    options = {"autopost": False, "retries": 0, "token": "secret-token"} | options
    async with StandIn() as topgg:
        topgg.reply(VOTES, history)
        bot = StandaloneBot(OWN_ID, server_count=1)
        async with TopGG(bot, base_url=topgg.base_url, **options) as client:
            yield Scene(topgg, client, history)


class Heard:
    """What a subscriber hears, with the times."""

    def __init__(self, observable: rx.Observable[Any]) -> None:
        loop = asyncio.get_running_loop()
        self.values: list[Any] = []
        self.timed: list[tuple[float, Any]] = []
        self.errors: list[Exception] = []
        self.completed = False

        def on_next(value: Any) -> None:
            self.values.append(value)
            self.timed.append((round(loop.time(), 1), value))

        def on_completed() -> None:
            self.completed = True

        self.subscription = observable.subscribe(on_next, self.errors.append, on_completed)


def voter(vote: Any) -> Any:
    return vote.platform_id


# --- poll_votes ---


@virtual
async def test_new_votes_come_once_and_in_order() -> None:
    """Each look brings the votes since the last one, oldest first, a minute apart."""
    async with scene(3) as it:
        heard = Heard(it.client.poll_votes().pipe(ops.map(voter)))
        await asyncio.sleep(61)
        it.history.votes += 2
        await asyncio.sleep(120)
        assert heard.timed == [(0.0, 1), (0.0, 2), (0.0, 3), (120.0, 4), (120.0, 5)]
        assert it.times() == [0.0, 0.0, 60.0, 120.0, 120.0, 180.0]
        assert it.failed == []


@virtual
async def test_it_begins_now() -> None:
    """Without arguments, the first request asks for the votes from now on, and only the first."""
    async with scene() as it:
        before = datetime.now(UTC)
        Heard(it.client.poll_votes())
        await asyncio.sleep(61)
        first, second = it.topgg.seen
        assert before <= datetime.fromisoformat(first.query["startDate"]) <= datetime.now(UTC)
        assert second.query == {"cursor": "c0"}


@virtual
async def test_it_begins_when_it_is_subscribed_to() -> None:
    """Now is the moment of the subscription, and stays it while the first looks fail."""
    async with scene() as it:
        poll = it.client.poll_votes(every=1)
        it.history.faults = [status(503), status(503), None]
        Heard(poll)
        await asyncio.sleep(3)
        starts = {seen.query["startDate"] for seen in it.topgg.seen[:3]}
        assert len(starts) == 1


@virtual
async def test_it_begins_where_the_arguments_say() -> None:
    """`since` is asked for as given, in UTC; a cursor counts more."""
    async with scene(5) as it:
        since = NOW.astimezone(None) - timedelta(days=1)
        Heard(it.client.poll_votes(since=since))
        heard = Heard(it.client.poll_votes(since=since, cursor="c3").pipe(ops.map(voter)))
        await asyncio.sleep(1)
        queries = [dict(seen.query) for seen in it.topgg.seen]
        assert {"startDate": "2026-04-14T12:00:00Z"} in queries
        assert {"cursor": "c3"} in queries
        assert heard.values == [4, 5]


@virtual
async def test_it_lives_through_what_can_pass() -> None:
    """5xx, resets, rubbish and rate limits each are a PollFailed; no vote is missed or repeated."""
    async with scene(250, retries=0, max_wait=None) as it:
        it.history.faults = [
            status(500),
            None,  # the first page
            fault.reset(),  # on a kept connection: sent again at once
            fault.reset(),
            fault.html(),
            fault.cut({"cursor": "c0", "data": []}),
            None,
            fault.rate_limited(5),
            fault.bad_json(),
            None,
        ]
        heard = Heard(it.client.poll_votes(every=10).pipe(ops.map(voter)))
        await asyncio.sleep(300)
        assert heard.values == list(range(1, 251))
        assert heard.errors == []
        assert [type(event.error) for event in it.failed] == [
            TopGGServerError,
            ConnectionFailed,
            InvalidResponse,
            ConnectionFailed,
            Ratelimited,
            InvalidResponse,
        ]


@virtual
async def test_pauses_after_failures_grow_and_stay_below_the_interval() -> None:
    """It tries again after growing pauses, which PollFailed tells, and then keeps its pace."""
    async with scene() as it:
        it.history.faults = [status(503)] * 5
        Heard(it.client.poll_votes(every=100))
        await asyncio.sleep(700)
        pauses = [event.retry_in for event in it.failed]
        bounds = [(7.5, 15), (15, 30), (30, 60), (50, 100), (50, 100)]
        assert all(low <= p <= high for p, (low, high) in zip(pauses, bounds, strict=True))
        times = it.times()
        gaps = [round(b - a, 1) for a, b in pairwise(times)]
        assert gaps[:5] == [pytest.approx(pause, abs=0.2) for pause in pauses]
        assert set(gaps[5:]) == {100.0}


@virtual
async def test_no_sooner_than_topgg_allows() -> None:
    """After a 429 nothing is asked before its time is over, however short the interval is."""
    async with scene(1) as it:
        it.history.faults = [fault.rate_limited(3600)]
        heard = Heard(it.client.poll_votes(every=5).pipe(ops.map(voter)))
        await asyncio.sleep(3599)
        assert it.times() == [0.0]
        await asyncio.sleep(10)
        assert it.times()[1] >= 3600.0
        assert heard.values == [1]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(401, json={"title": "Unauthorized"}), Forbidden),
        (status(403, json={}), Forbidden),
        (BAD_CURSOR, InvalidRequest),
        (status(422, json={}), InvalidRequest),
        (status(404, json={}), NotFound),
    ],
)
def test_what_cannot_pass_ends_it(answer: Answer, kind: type[Exception]) -> None:
    """A bad token, a bad cursor and the like end the poll with the error, after one request."""

    async def test() -> None:
        async with scene() as it:
            it.history.faults = [answer]
            heard = Heard(it.client.poll_votes(every=1))
            await asyncio.sleep(10)
            assert [type(error) for error in heard.errors] == [kind]
            assert len(it.topgg.seen) == 1
            assert it.failed == []

    run_virtual(test())


@virtual
async def test_nothing_is_sent_after_it_is_disposed() -> None:
    """Disposed of between two looks or in the middle of one, no request follows."""
    async with scene() as it:
        heard = Heard(it.client.poll_votes(every=10))
        await asyncio.sleep(15)
        heard.subscription.dispose()
        await asyncio.sleep(100)
        assert it.times() == [0.0, 10.0]
        it.history.faults = [fault.hang()]
        heard = Heard(it.client.poll_votes(every=10))
        await it.topgg.arrived(3)
        heard.subscription.dispose()
        await asyncio.sleep(100)
        assert len(it.topgg.seen) == 3
        assert heard.errors == []


@virtual
async def test_sharing_costs_one_poll() -> None:
    """Two subscribers behind `ops.share()` hear the same votes, of one poll."""
    async with scene(2) as it:
        shared = it.client.poll_votes().pipe(ops.map(voter), ops.share())
        first, second = Heard(shared), Heard(shared)
        await asyncio.sleep(61)
        assert first.values == second.values == [1, 2]
        assert len(it.topgg.seen) == 3
        first.subscription.dispose()
        second.subscription.dispose()
        await asyncio.sleep(100)
        assert len(it.topgg.seen) == 3


@virtual
async def test_each_subscription_begins_anew() -> None:
    """A poll is cold: a second subscriber begins where the arguments say."""
    async with scene(3) as it:
        poll = it.client.poll_votes(cursor="c1").pipe(ops.map(voter))
        first = Heard(poll)
        await asyncio.sleep(1)
        second = Heard(poll)
        await asyncio.sleep(1)
        assert first.values == second.values == [2, 3]


@virtual
async def test_cursors_are_told_after_their_pages() -> None:
    """A page's cursor is told when its last vote has been delivered, an unchanged one not again."""
    async with scene(250) as it:
        said: list[Any] = []
        poll = it.client.poll_votes(on_cursor=said.append).pipe(ops.map(voter))
        poll.subscribe(said.append)
        await asyncio.sleep(121)
        expected = [*range(1, 101), "c100", *range(101, 201), "c200", *range(201, 251), "c250"]
        assert said == expected


@virtual
async def test_an_empty_history_has_a_cursor_too() -> None:
    """Where there are no votes yet, the cursor is told all the same: a restart misses none."""
    async with scene() as it:
        said: list[str] = []
        poll = it.client.poll_votes(on_cursor=said.append)
        Heard(poll)
        await asyncio.sleep(61)
        assert said == ["c0"]


@virtual
async def test_a_cursor_listener_that_raises_ends_it() -> None:
    """When the cursor can't be kept, the poll ends with that error."""
    async with scene(3) as it:

        def full(_: str) -> None:
            raise OSError("disk full")

        heard = Heard(it.client.poll_votes(on_cursor=full))
        await asyncio.sleep(100)
        assert [str(error) for error in heard.errors] == ["disk full"]
        assert len(it.topgg.seen) == 1


@settings(max_examples=10)
@given(data=st.data())
def test_restarts_miss_and_repeat_nothing(data: st.DataObject) -> None:
    """Stopped anywhere, under any faults, and restarted from the last cursor: each vote once."""
    faults = st.sampled_from([None, None, None, status(500), fault.reset(), fault.html()])
    plan = data.draw(st.lists(faults, max_size=12))
    lives = data.draw(st.lists(st.integers(1, 20), max_size=5))

    async def test() -> None:
        async with scene(30, size=7) as it:
            it.history.faults = list(plan)
            it.history.coming = data.draw(st.integers(0, 20))
            cursor = "c0"
            handled: list[int] = []

            def save(told: str) -> None:
                nonlocal cursor
                cursor = told
                handled.extend(page)
                page.clear()

            page: list[int] = []
            for life in [*lives, 100]:
                page.clear()  # what was taken but not told of is read again
                poll = it.client.poll_votes(every=5, cursor=cursor, on_cursor=save)
                subscription = poll.pipe(ops.map(voter)).subscribe(page.append)
                await asyncio.sleep(life)
                subscription.dispose()
            assert handled == list(range(1, it.history.votes + 1))

    run_virtual(test())


@virtual
async def test_a_slow_reader_slows_it_down() -> None:
    """`async for` pulls: while a vote is being handled, no page is fetched."""
    async with scene(300) as it:
        taken = []
        async for vote in it.client.poll_votes(every=10):
            taken.append(vote.platform_id)
            await asyncio.sleep(1)
            if len(taken) == 150:
                break
        assert taken == list(range(1, 151))
        assert len(it.topgg.seen) == 2


@virtual
async def test_async_handlers_slow_it_down() -> None:
    """Behind map_async() pages are fetched as the handlers get on, and no buffer overflows."""
    async with scene(5_000) as it:
        done = []

        async def handle(vote: Any) -> None:
            await asyncio.sleep(1)
            done.append(vote.platform_id)

        heard = Heard(it.client.poll_votes().pipe(map_async(handle, buffer=10)))
        await asyncio.sleep(150.5)
        assert done == list(range(1, 151))
        assert heard.errors == []
        assert len(it.topgg.seen) == 2


@virtual
async def test_closing_the_client_completes_it() -> None:
    """Polls complete with the client: between looks, in the middle of one, and iterated."""
    async with scene() as it:
        waiting = Heard(it.client.poll_votes())
        await asyncio.sleep(1)
        it.history.faults = [fault.hang(), fault.hang()]
        asking = Heard(it.client.poll_votes())

        async def loop() -> str:
            async for _ in it.client.poll_votes():
                pass
            return "over"

        iterating = asyncio.create_task(loop())
        await it.topgg.arrived(3)
        await it.client.close()
        assert waiting.completed
        assert asking.completed
        assert await iterating == "over"
        assert waiting.errors == asking.errors == []
        assert it.failed == []


@virtual
async def test_closing_completes_a_poll_whose_reader_has_stopped() -> None:
    """A poll that waits for its reader completes too; what was read before is still there."""
    async with scene(100) as it:
        poll = iterate(it.client.poll_votes().pipe(ops.map(voter)), buffer=10)
        assert await anext(poll) == 1
        await it.client.close()
        assert [number async for number in poll] == [2, 3, 4, 5, 6]


@virtual
async def test_a_closed_client_polls_no_more() -> None:
    """Subscribed to after the client was closed, a poll errs at once."""
    async with scene() as it:
        await it.client.close()
        heard = Heard(it.client.poll_votes())
        await asyncio.sleep(1)
        assert [type(error) for error in heard.errors] == [ClientClosed]
        assert it.topgg.seen == []


@virtual
async def test_polls_never_overlap() -> None:
    """A look that takes longer than the interval is followed by the next one, not overtaken."""
    async with scene(timeout=60) as it:
        it.history.faults = [fault.delay(25, ok({"cursor": "c0", "data": []}))]
        Heard(it.client.poll_votes(every=10))
        await asyncio.sleep(46)
        assert it.times() == [0.0, 25.0, 35.0, 45.0]


@pytest.mark.parametrize("make", [lambda c: c.poll_votes(), lambda c: c.poll_voters()])
async def test_what_has_no_end_is_not_awaited(
    make: Callable[[TopGG], Any], make_client: Any
) -> None:
    """Awaiting a poll is a TypeError that names ops.first(), and so is run()."""
    poll = make(make_client())
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        await poll
    with pytest.raises(TypeError, match=r"ops\.first\(\)"):
        poll.run()
    assert "poll" in repr(poll)


@virtual
async def test_the_first_vote_can_be_awaited() -> None:
    """`await poll.pipe(ops.first())` waits for one vote, and ends the poll."""
    async with scene() as it:
        first = asyncio.ensure_future(it.client.poll_votes(every=5).pipe(ops.first()))
        await asyncio.sleep(7)
        it.history.votes = 2
        assert (await first).platform_id == 1
        sent = len(it.topgg.seen)
        await asyncio.sleep(50)
        assert len(it.topgg.seen) == sent


NAIVE = datetime(2026, 4, 15)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"every": 0}, ValueError, "every"),
        ({"every": "60"}, TypeError, "every"),
        ({"since": NAIVE}, ValueError, "astimezone"),
        ({"since": "yesterday"}, TypeError, "since"),
        ({"since": datetime(2020, 1, 1, tzinfo=UTC)}, ValueError, "year"),
        ({"cursor": ""}, ValueError, "cursor"),
        ({"cursor": 5}, TypeError, "cursor"),
        ({"on_cursor": 5}, TypeError, "on_cursor"),
    ],
)
async def test_bad_arguments_are_refused_at_once(
    arguments: dict[str, Any],
    error: type[Exception],
    says: str,
    make_client: Any,
    topgg: StandIn,
) -> None:
    """What can't be is an error where poll_votes is called, in words; nothing is sent."""
    with pytest.raises(error, match=says):
        make_client().poll_votes(**arguments)
    assert topgg.seen == []


@virtual
async def test_a_cursor_is_kept_before_the_next_page_is_asked_for() -> None:
    """An on_cursor that is a coroutine function is awaited; what it raises ends the poll."""
    async with scene(250) as it:
        kept: list[tuple[str, int]] = []

        async def keep(cursor: str) -> None:
            await asyncio.sleep(5)
            kept.append((cursor, len(it.topgg.seen)))
            if cursor == "c200":
                raise OSError("disk full")

        heard = Heard(it.client.poll_votes(on_cursor=keep))
        await asyncio.sleep(60)
        assert kept == [("c100", 1), ("c200", 2)]
        assert [str(error) for error in heard.errors] == ["disk full"]


# --- poll_voters ---


def voters(*ids: int) -> Answer:
    return ok([{"id": str(id), "username": f"u{id}"} for id in ids])


@virtual
async def test_new_voters_come_once_oldest_first() -> None:
    """The first look takes stock; later ones bring who was not listed, oldest first."""
    async with scene() as it:
        it.topgg.script(VOTERS, voters(2, 1), voters(3, 2, 1), voters(1, 3, 2), voters(5, 4, 1, 3))
        heard = Heard(it.client.poll_voters().pipe(ops.map(lambda user: user.id)))
        await asyncio.sleep(200)
        assert heard.timed == [(60.0, 3), (180.0, 4), (180.0, 5)]


@virtual
async def test_an_old_answer_makes_no_new_voters() -> None:
    """Who was missing from one answer and is back in the next was there before."""
    async with scene() as it:
        it.topgg.script(VOTERS, voters(2, 1), voters(1), voters(2, 1), voters(3, 2, 1))
        heard = Heard(it.client.poll_voters().pipe(ops.map(lambda user: user.id)))
        await asyncio.sleep(200)
        assert heard.values == [3]


@virtual
async def test_who_comes_back_after_a_long_time_is_new() -> None:
    """A voter who was not listed for over an hour and is listed again has voted anew."""
    async with scene() as it:
        it.topgg.script(VOTERS, voters(2, 1), *[voters(1)] * 61, voters(2, 1))
        heard = Heard(it.client.poll_voters().pipe(ops.map(lambda user: user.id)))
        await asyncio.sleep(3900)
        assert heard.values == [2]


@virtual
async def test_stock_is_taken_by_the_first_look_that_succeeds() -> None:
    """Failures at the beginning make nobody new, and end nothing; a 401 does."""
    async with scene() as it:
        answers = [status(502), fault.html(), voters(1), voters(2, 1), status(401)]
        it.topgg.script(VOTERS, *answers)
        heard = Heard(it.client.poll_voters(every=10).pipe(ops.map(lambda user: user.id)))
        await asyncio.sleep(100)
        assert heard.values == [2]
        assert [type(event.error) for event in it.failed] == [TopGGServerError, InvalidResponse]
        assert [type(error) for error in heard.errors] == [Forbidden]


# --- poll ---


@virtual
async def test_anything_can_be_polled() -> None:
    """What the factory gives is subscribed to, round after round; compositions and pages too."""
    async with scene(5, size=2) as it:
        it.topgg.reply("GET /weekend", json={"is_weekend": True})
        client = it.client
        calls = Heard(client.poll(client.is_weekend, every=10))
        composed = Heard(
            client.poll(lambda: client.is_weekend().pipe(ops.map(str)), every=timedelta(seconds=10))
        )
        pages = Heard(client.poll(lambda: client.project.votes(), every=10).pipe(ops.map(voter)))
        foreign = Heard(client.poll(lambda: rx.of(1, 2), every=10))
        await asyncio.sleep(11)
        assert calls.timed == [(0.0, True), (10.0, True)]
        assert composed.values == ["True", "True"]
        assert pages.values == [1, 2, 3, 4, 5] * 2
        assert foreign.values == [1, 2, 1, 2]


@virtual
async def test_coroutine_functions_can_be_polled() -> None:
    """A factory may be a coroutine function: its result is emitted."""
    async with scene() as it:
        count = iter(range(10))

        async def look() -> int:
            await asyncio.sleep(1)
            return next(count)

        heard = Heard(it.client.poll(look, every=10))
        await asyncio.sleep(22)
        assert heard.timed == [(1.0, 0), (11.0, 1), (21.0, 2)]


@virtual
async def test_a_round_begins_after_the_one_before() -> None:
    """A slow round is not overtaken: the next one begins when it is over."""
    async with scene() as it:
        loop = asyncio.get_running_loop()
        began: list[float] = []

        def factory() -> Any:
            began.append(round(loop.time(), 1))
            return rx.from_future(asyncio.ensure_future(asyncio.sleep(25, "done")))

        Heard(it.client.poll(factory, every=10))
        await asyncio.sleep(60)
        assert began == [0.0, 25.0, 50.0]


@virtual
async def test_passing_failures_do_not_end_a_poll_of_anything() -> None:
    """A failed round is a PollFailed, and the next one comes."""
    async with scene() as it:
        it.topgg.script("GET /weekend", status(500), ok({"is_weekend": False}))
        heard = Heard(it.client.poll(it.client.is_weekend, every=10))
        await asyncio.sleep(15)
        assert heard.values[:1] == [False]
        assert len(it.failed) == 1
        assert 5 <= it.failed[0].retry_in <= 10


@pytest.mark.parametrize(
    ("factory", "kind"),
    [
        (lambda: rx.throw(KeyError("mine")), KeyError),
        (lambda: 1 / 0, ZeroDivisionError),
        (lambda: 5, TypeError),
    ],
)
def test_errors_of_the_users_own_end_it(factory: Any, kind: type[Exception]) -> None:
    """What is no passing failure of top.gg's reaches on_error, and no round follows."""

    async def test() -> None:
        async with scene() as it:
            heard = Heard(it.client.poll(factory, every=1))
            await asyncio.sleep(10)
            assert [type(error) for error in heard.errors] == [kind]
            assert it.failed == []

    run_virtual(test())


async def test_what_is_polled_comes_from_a_function(make_client: Any) -> None:
    """A call instead of a function that makes calls is a TypeError that shows how."""
    client = make_client()
    with pytest.raises(TypeError, match="lambda"):
        client.poll(client.is_weekend())
    with pytest.raises(ValueError, match="every"):
        client.poll(client.is_weekend, every=-1)
