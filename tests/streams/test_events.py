"""`client.events`: what is told of, to whom, in which order, and what subscribers can't break."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rx_toppy import (
    AutopostEvent,
    AutopostFailed,
    BotStatsPayload,
    ConnectionFailed,
    EventStream,
    InvalidResponse,
    NotFound,
    PostEvent,
    RateLimit,
    Ratelimited,
    RequestEvent,
    StandaloneBot,
    TopGG,
    TopGGServerError,
    Vote,
    VoteEvent,
    of_type,
)
from tests.standin import StandIn, hang, html, ok, reset, status

from .conftest import NewClient
from .helpers import (
    BOT,
    CASES,
    PATIENCE,
    PROJECT,
    TOKEN,
    Boom,
    Case,
    Heard,
    errors_of,
    no_op,
    on_thread,
    raised_in,
    settled,
    turns,
)

# `/bots/{id}` as in the design's example; the queries are the calls' own.
ROUTES = {
    "fetch_bot": ("/bots/{id}", "/bots/2"),
    "fetch_bots": ("/bots", "/bots?limit=2&offset=0"),
    "bulk_fetch_bots": ("/bots", "/bots?limit=2&offset=0"),
    "fetch_votes": ("/bots/{id}/votes", f"/bots/{BOT}/votes"),
    "upvote_check": ("/bots/{id}/check", f"/bots/{BOT}/check?userId=5"),
    "get_stats": ("/bots/{id}/stats", f"/bots/{BOT}/stats"),
    "post_stats": ("/bots/{id}/stats", f"/bots/{BOT}/stats"),
    "fetch_user": ("/users/{id}", "/users/5"),
    "is_weekend": ("/weekend", "/weekend"),
    "project.fetch": (PROJECT, PROJECT),
    "project.edit": (PROJECT, PROJECT),
    "project.post_metrics": (f"{PROJECT}/metrics", f"{PROJECT}/metrics"),
    "project.post_metrics_batch": (f"{PROJECT}/metrics/batch", f"{PROJECT}/metrics/batch"),
    "project.post_commands": (f"{PROJECT}/commands", f"{PROJECT}/commands"),
    "project.vote": (f"{PROJECT}/votes/{{user_id}}", f"{PROJECT}/votes/5?source=discord"),
}


def heard_by(client: TopGG) -> list[Any]:
    """The events of a client, as they come."""
    events: list[Any] = []
    client.events.subscribe(events.append)
    return events


def requests(events: list[Any]) -> list[RequestEvent]:
    """Those of them that are about requests."""
    return [event for event in events if isinstance(event, RequestEvent)]


class ListeningBot(StandaloneBot):
    """A bot with a `dispatch`, as Discord libraries have it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dispatched: list[tuple[Any, ...]] = []

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Write it down."""
        self.dispatched.append((event, *args, kwargs) if kwargs else (event, *args))


# --- what is told of ---


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_request_event(case: Case, client: TopGG, server: StandIn) -> None:
    """A request makes one RequestEvent with all that is known of it."""
    events = heard_by(client)
    before = datetime.now(UTC)
    await case.make(client)
    [event] = requests(events)
    route, target = ROUTES[case.name]
    assert f"{event.method} {event.url}" == f"{case.path.split()[0]} {server.base_url}{target}"
    assert event.route == route
    assert (event.status, event.attempt, event.error) == (200, 1, None)
    assert 0 <= event.elapsed < PATIENCE
    assert event.at.utcoffset() == timedelta(0)
    assert before <= event.at <= datetime.now(UTC)
    assert TOKEN not in repr(events)


async def test_an_event_for_each_send(new_client: NewClient, server: StandIn) -> None:
    """Each send has its event, those that fail as well: with attempt, status and error."""
    client = new_client(retries=2)
    events = heard_by(client)
    server.script("GET /bots/2", reset(), status(503), ok({"id": "2"}))
    await client.fetch_bot(2)
    assert [event.attempt for event in events] == [1, 2, 3]
    assert [event.status for event in events] == [None, 503, 200]
    assert [type(event.error) for event in events] == [
        ConnectionFailed,
        TopGGServerError,
        type(None),
    ]
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (status(404), NotFound, 404),
        (html(), InvalidResponse, 200),
        (html(520), TopGGServerError, 520),
        (reset(), ConnectionFailed, None),
    ],
    ids=["404", "html", "520", "reset"],
)
async def test_the_event_of_a_failure(
    answer: Any, kind: type[Exception], code: int | None, client: TopGG, server: StandIn
) -> None:
    """A failure is a value on the stream: the error is the one that the caller gets."""
    events = heard_by(client)
    server.reply("GET /bots/2", answer)
    with pytest.raises(kind) as raised:
        await client.fetch_bot(2)
    [event] = events
    assert event.error is raised.value
    assert event.status == code


async def test_a_timeout_has_its_event(new_client: NewClient, server: StandIn) -> None:
    """A request that timed out has its event: no status, a ConnectionFailed, the time it took."""
    client = new_client(retries=0, timeout=0.05)
    events = heard_by(client)
    server.reply("GET /bots/2", hang())
    with pytest.raises(ConnectionFailed):
        await client.fetch_bot(2)
    [event] = events
    assert event.status is None
    assert isinstance(event.error, ConnectionFailed)
    assert event.elapsed >= 0.04


async def test_a_call_that_was_not_sent_has_no_event(
    new_client: NewClient, server: StandIn
) -> None:
    """What the limiter held back for good was no request: no event."""
    client = new_client(rate_limits=[RateLimit(1, per=60)], max_wait=0)
    await client.is_weekend()
    events = heard_by(client)
    with pytest.raises(Ratelimited):
        await client.is_weekend()
    assert events == []


async def test_a_request_event_comes_before_its_result(client: TopGG) -> None:
    """The RequestEvent comes first, then the value of the call."""
    order: list[str] = []
    over = Heard()
    client.events.subscribe(lambda event: order.append(type(event).__name__))
    client.fetch_bot(2).subscribe(
        lambda _: order.append("value"), no_op, lambda: (order.append("end"), over.on_completed())
    )
    await over.over()
    assert order == ["RequestEvent", "value", "end"]


async def test_a_post_event_comes_after_its_request(client: TopGG) -> None:
    """A post is told of by its RequestEvent, then by a PostEvent with what was posted."""
    events = heard_by(client)
    posted = await client.post_stats()
    assert [type(event) for event in events] == [RequestEvent, PostEvent]
    assert events[1].stats is posted
    assert events[1].at.tzinfo is not None


async def test_a_failed_post_has_no_post_event(client: TopGG, server: StandIn) -> None:
    """A post that failed is no PostEvent."""
    events = heard_by(client)
    server.reply(f"POST /bots/{BOT}/stats", status(503))
    with pytest.raises(TopGGServerError):
        await client.post_stats()
    assert [type(event) for event in events] == [RequestEvent]


class ShardedBot:
    """A bot whose process runs two of four shards."""

    def __init__(self) -> None:
        self.user = SimpleNamespace(id=BOT)
        self.guilds = [SimpleNamespace(shard_id=shard) for shard in (0, 0, 1)]
        self.shard_count = 4
        self.shard_ids = [0, 1]


async def test_a_post_by_shards_has_one_post_event(new_client: NewClient) -> None:
    """Posted shard by shard, there is one PostEvent, after the last request."""
    client = new_client(ShardedBot())
    events = heard_by(client)
    await client.post_stats()
    assert [type(event) for event in events] == [RequestEvent, RequestEvent, PostEvent]


async def test_the_events_of_an_autopost(new_client: NewClient) -> None:
    """An autopost is a request, a PostEvent and an AutopostEvent, then a value on `autopost`."""
    client = new_client()
    order: list[Any] = []
    posted = Heard()
    client.events.subscribe(order.append)
    client.autopost.subscribe(order.append)
    client.autopost.subscribe(posted)
    client.autopost.start()
    await posted.count(1)
    assert [type(one) for one in order] == [
        RequestEvent,
        PostEvent,
        AutopostEvent,
        BotStatsPayload,
    ]
    assert order[1].stats == order[2].stats == order[3] == posted.values[0]


async def test_a_failed_autopost(new_client: NewClient, server: StandIn) -> None:
    """A failed autopost is a value: an AutopostFailed with the error and the pause."""
    client = new_client(retries=0)
    heard = Heard()
    client.events.subscribe(heard)
    server.reply(f"POST /bots/{BOT}/stats", status(503))
    client.autopost.start()
    await heard.count(2)
    request, failed = heard.values
    assert isinstance(failed, AutopostFailed)
    assert failed.error is request.error
    assert failed.retry_in > 0
    assert client.autopost.is_running()


async def test_events_are_frozen(client: TopGG) -> None:
    """Events can't be changed."""
    events = heard_by(client)
    await client.is_weekend()
    with pytest.raises(AttributeError):
        events[0].status = 500


# --- the bot hears the same ---


async def test_the_bot_hears_of_requests(new_client: NewClient, server: StandIn) -> None:
    """The bot hears of each send: `toppy_request`, with url and method as keywords."""
    bot = ListeningBot(BOT)
    client = new_client(bot, retries=1)
    server.script("GET /bots/2", reset(), ok({"id": "2"}))
    await client.fetch_bot(2)
    told = ("toppy_request", {"url": f"{server.base_url}/bots/2", "method": "GET"})
    assert bot.dispatched == [told, told]


@pytest.mark.parametrize(
    ("numbers", "stats"),
    [
        ({"server_count": 7}, {"server_count": 7, "shards": [], "shard_count": 1}),
        ({"shards": [3, 4]}, {"server_count": 7, "shards": [3, 4], "shard_count": 2}),
    ],
    ids=["unsharded", "sharded"],
)
async def test_the_bot_hears_of_posts(
    numbers: dict[str, Any], stats: dict[str, Any], new_client: NewClient
) -> None:
    """The bot hears of a post: `guild_post` with a dict; and of autopost's: one event more."""
    bot = ListeningBot(BOT, **numbers)
    client = new_client(bot)
    await client.post_stats()
    [request, *rest] = bot.dispatched
    assert request[0] == "toppy_request"
    assert rest == [("guild_post", stats)]
    assert type(rest[0][1]) is dict
    assert type(rest[0][1]["shards"]) is list
    bot.dispatched.clear()
    posted = Heard()
    client.autopost.subscribe(posted)
    client.autopost.start()
    await posted.count(1)
    assert [told[0] for told in bot.dispatched] == [
        "toppy_request",
        "guild_post",
        "toppy_stat_autopost",
    ]
    assert bot.dispatched[2] == ("toppy_stat_autopost", stats)


async def test_the_bot_hears_of_forced_shards(new_client: NewClient) -> None:
    """Posted with `force_shard_count`, the dict tells of one shard."""
    bot = ListeningBot(BOT, server_count=7)
    await new_client(bot).post_stats(force_shard_count=True)
    assert bot.dispatched[1] == (
        "guild_post",
        {"server_count": 7, "shards": [7], "shard_count": 1},
    )


async def test_the_bot_hears_of_votes(new_client: NewClient) -> None:
    """The bot hears of a vote: `vote`, with the vote itself."""
    bot = ListeningBot(BOT)
    client = new_client(bot)
    vote = Vote(platform_id=5)
    client.events.on_next(VoteEvent(vote))
    assert bot.dispatched == [("vote", vote)]


async def test_the_bot_hears_nothing_of_other_events(new_client: NewClient) -> None:
    """Events that toppy had no name for, failures and the user's own, are not dispatched."""
    bot = ListeningBot(BOT)
    client = new_client(bot)
    client.events.on_next("an event of the user's own")
    client.events.on_next(AutopostFailed(Boom(), 15.0))
    assert bot.dispatched == []


async def test_a_listener_of_the_bot_that_raises(
    new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A `dispatch` that raises is logged; the request, later events and others are not touched."""

    class RaisingBot(ListeningBot):
        def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
            super().dispatch(event, *args, **kwargs)
            raise Boom

    bot = RaisingBot(BOT)
    client = new_client(bot)
    events = heard_by(client)
    for _ in range(2):
        assert await client.is_weekend() is True
    assert len(events) == len(bot.dispatched) == 2
    assert [type(error) for _, error, _ in errors_of(caplog)] == [Boom] * 2


async def test_a_dispatch_that_is_none(new_client: NewClient) -> None:
    """An attribute `dispatch` that can't be called is left alone."""
    bot = StandaloneBot(BOT)
    bot.dispatch = "no function"  # type: ignore[attr-defined]
    assert await new_client(bot).is_weekend() is True


async def test_the_bot_hears_nothing_after_close(new_client: NewClient) -> None:
    """Once the stream is complete, nothing reaches the bot by it either."""
    bot = ListeningBot(BOT)
    client = new_client(bot)
    await client.close()
    client.events.on_next(PostEvent(BotStatsPayload(7)))
    assert bot.dispatched == []


# --- one raises, the others are not touched ---


async def test_a_callback_that_raises_stays_subscribed(
    client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback each time, hears all, and so do those before and after it."""
    before, mine, after = [], [], []

    def raising(event: Any) -> None:
        mine.append(event)
        raise Boom

    client.events.subscribe(before.append)
    client.events.subscribe(raising)
    client.events.subscribe(after.append)
    assert await client.is_weekend() is True
    assert (await client.fetch_bot(2)).id == 2
    assert len(mine) == 2
    assert before == mine == after
    logged = errors_of(caplog)
    assert [type(error) for _, error, _ in logged] == [Boom] * 2
    assert all("raising" in raised_in(traceback) for _, _, traceback in logged)
    assert all("client.events" in message for message, _, _ in logged)


async def test_a_callback_behind_operators_stays_subscribed(
    client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises at the end of a pipeline is logged, and that pipeline goes on."""
    mine: list[Any] = []

    def raising(route: str) -> None:
        mine.append(route)
        raise Boom

    client.events.pipe(
        of_type(RequestEvent), ops.filter(lambda _: True), ops.map(lambda event: event.route)
    ).subscribe(raising)
    await client.is_weekend()
    await client.fetch_bot(2)
    assert mine == ["/weekend", "/bots/{id}"]
    assert [type(error) for _, error, _ in errors_of(caplog)] == [Boom] * 2


async def test_a_cancellation_out_of_a_callback(
    client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """A CancelledError that a callback raises does not cancel the request behind the event."""
    mine, after = [], []

    def raising(event: Any) -> None:
        mine.append(event)
        raise asyncio.CancelledError

    client.events.subscribe(raising)
    client.events.subscribe(after.append)
    heard = Heard()
    client.fetch_bot(2).subscribe(heard)
    assert (await client.fetch_bot(2)).id == 2
    assert int(await client.post_stats()) == 7
    await heard.over()
    assert (len(heard.values), heard.completed) == (1, 1)
    assert len(mine) == 4
    assert mine == after
    assert len(errors_of(caplog)) == 4
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_callback_that_raises_does_not_end_autopost(new_client: NewClient) -> None:
    """Autopost goes on whatever its subscribers raise."""
    client = new_client(interval=0.05)
    heard = Heard()

    def raising(_: Any) -> None:
        raise Boom

    client.events.subscribe(raising)
    client.autopost.subscribe(raising)
    client.autopost.subscribe(heard)
    client.autopost.start()
    await heard.count(3)
    assert client.autopost.is_running()


async def test_an_operator_that_raises_ends_its_own_pipeline(
    client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator's error reaches the on_error of its own pipeline, which is over; others go on."""
    broken, after = Heard(), Heard()
    seen: list[Any] = []

    def raising(event: Any) -> Any:
        seen.append(event)
        raise Boom

    client.events.pipe(ops.map(raising), ops.map(no_op)).subscribe(broken)
    client.events.subscribe(after)
    await client.is_weekend()
    await client.is_weekend()
    assert [type(error) for error in broken.errors] == [Boom]
    assert (broken.values, broken.completed) == ([], 0)
    assert len(seen) == 1
    assert len(after.values) == 2
    assert errors_of(caplog) == []


@pytest.mark.parametrize(
    "operator",
    [ops.map, ops.filter, ops.do_action, ops.flat_map, ops.take_while, ops.group_by, ops.distinct],
    ids=lambda operator: operator.__name__,
)
async def test_an_operator_that_raises_unheard(
    operator: Any, client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an on_error it is logged, once, with its traceback; others are not touched."""
    seen: list[Any] = []

    def raising(event: Any) -> Any:
        seen.append(event)
        raise Boom

    client.events.pipe(operator(raising)).subscribe(no_op)
    after = heard_by(client)
    assert await client.is_weekend() is True
    assert await client.is_weekend() is True
    assert (len(seen), len(after)) == (1, 2)
    [(_, error, traceback)] = errors_of(caplog)
    assert isinstance(error, Boom)
    assert "raising" in raised_in(traceback)


async def test_an_on_completed_that_raises(
    new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An on_completed that raises is logged; the others complete, and `close` returns."""
    client = new_client()
    after = Heard()

    def raising() -> None:
        raise Boom

    client.events.subscribe(on_completed=raising)
    client.events.subscribe(after)
    await client.close()
    assert after.completed == 1
    assert [type(error) for _, error, _ in errors_of(caplog)] == [Boom]


# --- one event after another ---


async def test_an_event_within_a_subscriber_comes_after_the_present_one(client: TopGG) -> None:
    """What a subscriber emits reaches everybody, itself too, after the event that it is at."""
    first, last = [], []
    client.events.subscribe(first.append)
    client.events.pipe(ops.filter(lambda event: event == "a")).subscribe(
        lambda _: client.events.on_next("b")
    )
    client.events.pipe(ops.filter(lambda event: event in ("a", "b"))).subscribe(
        lambda event: client.events.on_next(event + "!")
    )
    client.events.subscribe(last.append)
    client.events.on_next("a")
    assert first == last == ["a", "b", "a!", "b!"]


async def test_a_deep_chain_of_events(client: TopGG) -> None:
    """Events that cause events that cause events come in order, however many, without recursion."""
    first, last = [], []

    def chain(event: int) -> None:
        if event < 20_000:
            client.events.on_next(event + 1)

    client.events.subscribe(first.append)
    client.events.subscribe(chain)
    client.events.subscribe(last.append)
    client.events.on_next(0)
    assert first == last == list(range(20_001))


async def test_an_event_within_a_dispatch_comes_after_the_present_one(
    new_client: NewClient,
) -> None:
    """What the bot's own listener emits comes after the present event as well."""

    class EmittingBot(ListeningBot):
        def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
            client.events.on_next(f"after {event}")

    client = new_client(EmittingBot(BOT))
    first = heard_by(client)
    last = heard_by(client)
    await client.is_weekend()
    assert [getattr(event, "route", event) for event in first] == [
        "/weekend",
        "after toppy_request",
    ]
    assert first == last


async def test_a_chain_goes_on_past_one_that_raises(
    client: TopGG, caplog: pytest.LogCaptureFixture
) -> None:
    """What was emitted by a subscriber before it raised still comes."""
    heard = heard_by(client)

    def emit_and_raise(event: int) -> None:
        if event == 0:
            client.events.on_next(1)
            raise Boom

    client.events.subscribe(emit_and_raise)
    client.events.on_next(0)
    client.events.on_next(2)
    assert heard == [0, 1, 2]
    assert len(errors_of(caplog)) == 1


async def test_a_call_within_a_subscriber(client: TopGG, server: StandIn) -> None:
    """A subscriber may subscribe to calls: their events follow."""
    heard = Heard()
    client.events.subscribe(heard)
    client.events.pipe(
        of_type(RequestEvent),
        ops.take(1),
        ops.flat_map(lambda _: client.fetch_bot(2)),
    ).subscribe(no_op)
    await client.is_weekend()
    await heard.count(2)
    assert [event.route for event in heard.values] == ["/weekend", "/bots/{id}"]


# --- other threads ---


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
async def test_events_of_other_threads_arrive_on_the_loop(used: bool, client: TopGG) -> None:
    """What other threads emit arrives on the client's loop, each thread's events in order."""
    if used:
        await client.is_weekend()
    heard = Heard()
    client.events.subscribe(heard)

    def feed(name: str) -> None:
        for number in range(200):
            client.events.on_next((name, number))

    await asyncio.gather(*(asyncio.to_thread(feed, name) for name in "abc"))
    await heard.count(600)
    assert heard.threads == {threading.get_ident()}
    for name in "abc":
        assert [n for who, n in heard.values if who == name] == list(range(200))


async def test_an_event_of_another_thread_does_not_interrupt(client: TopGG) -> None:
    """An event that another thread emits during a delivery comes after it."""
    await client.is_weekend()
    first, last = Heard(), Heard()
    client.events.subscribe(first)

    def meanwhile(event: Any) -> None:
        if event == "a":
            on_thread(lambda: client.events.on_next("b"))
            client.events.on_next("c")

    client.events.subscribe(meanwhile)
    client.events.subscribe(last)
    client.events.on_next("a")
    await last.count(3)
    assert first.values == last.values
    assert sorted(last.values) == ["a", "b", "c"]


def test_events_before_there_is_a_loop() -> None:
    """Before any loop runs, events of the user's own are told of at once, where they come."""
    client = TopGG(StandaloneBot(BOT), token=TOKEN)
    events = heard_by(client)
    client.events.on_next("an event")
    assert events == ["an event"]


async def test_a_timed_operator_on_events(client: TopGG) -> None:
    """A timed operator works on the stream, with the loop's scheduler too."""
    heard = Heard()
    scheduler = reactivex.scheduler.eventloop.AsyncIOThreadSafeScheduler(asyncio.get_running_loop())
    client.events.pipe(of_type(int), ops.debounce(0.01)).subscribe(heard, scheduler=scheduler)
    for number in range(10):
        client.events.on_next(number)
    await heard.count(1)
    assert heard.values == [9]
    assert heard.threads == {threading.get_ident()}


# --- a subject ---


async def test_it_is_a_subject(client: TopGG) -> None:
    """`client.events` is an EventStream, a reactivex Subject, and always the same one."""
    assert isinstance(client.events, EventStream)
    assert isinstance(client.events, Subject)
    assert client.events is client.events


async def test_events_of_the_users_own(client: TopGG) -> None:
    """Whatever is handed to on_next comes out, the very object, whatever it is."""
    events = heard_by(client)
    own = [object(), None, 0, "", Boom()]
    for event in own:
        client.events.on_next(event)
    assert all(one is other for one, other in zip(events, own, strict=True))


async def test_it_can_observe_another_stream(client: TopGG, server: StandIn) -> None:
    """It can be subscribed to a stream: that one's values come out, its end does not end it."""
    events = heard_by(client)
    reactivex.of(1, 2).subscribe(client.events)
    reactivex.throw(Boom()).subscribe(client.events)
    assert events == [1, 2]
    await client.is_weekend()
    assert len(events) == 3


async def test_nobody_outside_can_end_it(client: TopGG) -> None:
    """on_completed, on_error and dispose from outside do nothing, on any thread."""
    heard = Heard()
    client.events.subscribe(heard)
    for end in (
        client.events.on_completed,
        lambda: client.events.on_error(Boom()),
        client.events.dispose,
    ):
        end()
        on_thread(end)
        await turns()
        await client.is_weekend()
    assert len(heard.values) == 3
    assert not heard.is_over
    late = Heard()
    client.events.subscribe(late)
    client.events.on_next("an event")
    assert late.values == ["an event"]
    assert not late.is_over


async def test_no_replay(client: TopGG) -> None:
    """Who comes later hears nothing of what was before."""
    await client.is_weekend()
    client.events.on_next("an event")
    assert heard_by(client) == []


async def test_it_completes_when_the_client_is_closed(new_client: NewClient) -> None:
    """Closing completes it once, after the last event, for every pipeline; nothing comes later."""
    client = new_client()
    plain, piped = Heard(), Heard()
    client.events.subscribe(plain)
    client.events.pipe(of_type(RequestEvent), ops.count()).subscribe(piped)
    await client.is_weekend()
    await client.close()
    await client.close()
    client.events.on_next("too late")
    await turns()
    for heard, values in ((plain, 1), (piped, 1)):
        assert (len(heard.values), heard.errors, heard.completed) == (values, [], 1)
    assert piped.values == [1]


async def test_subscribed_to_after_close(new_client: NewClient) -> None:
    """Who subscribes after the end hears of the end at once, and of nothing else."""
    client = new_client()
    await client.is_weekend()
    await client.close()
    heard = Heard()
    client.events.subscribe(heard)
    assert (heard.values, heard.errors, heard.completed) == ([], [], 1)
    assert [event async for event in client.events] == []


async def test_an_event_within_on_completed(new_client: NewClient) -> None:
    """An event that is emitted when the stream completes reaches nobody."""
    client = new_client()
    after = Heard()
    client.events.subscribe(on_completed=lambda: client.events.on_next("too late"))
    client.events.subscribe(after)
    await client.close()
    assert (after.values, after.completed) == ([], 1)


# --- coming and going during an emission ---


async def test_leaving_during_an_emission(client: TopGG) -> None:
    """Who leaves during an emission hears no more, even of the present event if not yet told."""
    told: list[str] = []

    def first(event: str) -> None:
        told.append(f"first {event}")
        second.dispose()

    client.events.subscribe(first)
    second = client.events.subscribe(lambda event: told.append(f"second {event}"))
    client.events.subscribe(lambda event: told.append(f"third {event}"))
    client.events.on_next("a")
    client.events.on_next("b")
    assert told == ["first a", "third a", "first b", "third b"]


async def test_leaving_in_ones_own_callback(client: TopGG) -> None:
    """Who leaves in its own callback hears no more; nobody else misses anything."""
    mine: list[str] = []

    def once(event: str) -> None:
        mine.append(event)
        subscription.dispose()

    subscription = client.events.subscribe(once)
    others = heard_by(client)
    client.events.on_next("a")
    client.events.on_next("b")
    assert mine == ["a"]
    assert others == ["a", "b"]


async def test_coming_during_an_emission(client: TopGG) -> None:
    """Who comes during an emission hears of the next event on, not of the present one."""
    late: list[str] = []

    def once(event: str) -> None:
        if event == "a":
            client.events.subscribe(late.append)

    client.events.subscribe(once)
    client.events.on_next("a")
    assert late == []
    client.events.on_next("b")
    assert late == ["b"]


async def test_leaving_within_on_completed(new_client: NewClient) -> None:
    """Who is unsubscribed while the stream completes does not hear of the end."""
    client = new_client()
    second = Heard()
    client.events.subscribe(on_completed=lambda: subscription.dispose())
    subscription = client.events.subscribe(second)
    await client.close()
    assert second.nothing


async def test_the_same_callback_twice(client: TopGG) -> None:
    """A callback that is subscribed twice hears twice; one subscription can end by itself."""
    events: list[str] = []
    one = client.events.subscribe(events.append)
    client.events.subscribe(events.append)
    client.events.on_next("a")
    one.dispose()
    client.events.on_next("b")
    assert events == ["a", "a", "b"]


async def test_sharing_with_an_operator_that_counts(client: TopGG) -> None:
    """Operators' state is of each subscription: two subscribers of one pipeline count alike."""
    numbered = client.events.pipe(ops.scan(lambda count, _: count + 1, 0))
    one, other = [], []
    numbered.subscribe(one.append)
    client.events.on_next("a")
    numbered.subscribe(other.append)
    client.events.on_next("b")
    await settled()
    assert (one, other) == ([1, 2], [1])
