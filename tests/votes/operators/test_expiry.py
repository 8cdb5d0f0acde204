"""Votes that wear off: `active_voters` and `vote_reminders`."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops
from reactivex.scheduler import timeoutscheduler
from reactivex.subject import Subject

from rx_toppy import Vote
from rx_toppy.votes import VoterJoined, VoterLeft, active_voters, vote_reminders
from tests.streams.helpers import PATIENCE, Heard

from .helpers import (
    COOLDOWN,
    DISPOSED,
    END,
    HOUR,
    SUBSCRIBED,
    A,
    B,
    Boom,
    C,
    D,
    Timeline,
    burst,
    endless,
    just_now,
    live,
    on_completed,
    on_error,
    on_next,
    play,
    second,
    spans,
    timed,
    vote,
)

WHOLE_TIME = [(SUBSCRIBED, DISPOSED)]


def joined(vote: Vote) -> VoterJoined:
    """Its voter was not active before."""
    return VoterJoined(vote.voter_id or 0, vote)


def left(vote: Vote) -> VoterLeft:
    """It was the last of its voter."""
    return VoterLeft(vote.voter_id or 0, vote)


# --- what both of them have in common ---

# What each operator says of a vote at once, and when it expires.
OPERATORS = pytest.mark.parametrize(
    ("operator", "at_once", "at_expiry"),
    [
        pytest.param(active_voters(), [joined], left, id="active_voters"),
        pytest.param(vote_reminders(), [], lambda vote: vote, id="vote_reminders"),
    ],
)


@OPERATORS
def test_a_vote_expires(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """What is said of a live vote, at once and when it has expired, and nothing after that."""
    a = vote(A, 210, lasts=100)
    played = play(live([a]), operator)
    assert played.heard == [*[(210, say(a)) for say in at_once], (310, at_expiry(a))]
    assert played.subscriptions == WHOLE_TIME
    assert played.timeline.done_after(310) == [DISPOSED]


@OPERATORS
def test_completion(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """It completes with its source: nothing expires after that, nor is anything on the timer."""
    a = vote(A, 210, lasts=100)
    played = play([*live([a]), on_completed(250)], operator)
    assert played.heard == [*[(210, say(a)) for say in at_once], (250, END)]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == [DISPOSED]


@OPERATORS
def test_the_error_of_the_source(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """It fails with its source: nothing expires after that, nor is anything on the timer."""
    a, error = vote(A, 210, lasts=100), Boom()
    played = play([*live([a]), on_error(250, error)], operator)
    assert played.heard == [*[(210, say(a)) for say in at_once], (250, error)]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == [DISPOSED]


@OPERATORS
def test_dispose(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """Disposing leaves the source, and nothing is left on the timer."""
    a = vote(A, 210, lasts=100)
    played = play(live([a]), operator, disposed=250)
    assert played.heard == [(210, say(a)) for say in at_once]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == []


@OPERATORS
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_dispose_within_on_next(nth: int, operator: Any, at_once: Any, at_expiry: Any) -> None:
    """An observer that leaves while it is told something hears no more, not of that moment."""
    timeline, heard = Timeline(), []
    votes = [vote(voter, 210, lasts=lasts) for voter, lasts in ((A, 100), (B, 100), (C, 100))]
    votes.append(vote(D, 210, lasts=200))
    source = timeline.create_hot_observable(live(votes))

    def leave(value: Any) -> None:
        heard.append(timeline.clock)
        if len(heard) == nth:
            subscription.dispose()

    subscription = source.pipe(operator).subscribe(leave, scheduler=timeline)
    timeline.start()
    assert len(heard) == nth
    assert spans(source) == [(0, heard[-1])]
    assert timeline.done_after(heard[-1]) == [DISPOSED]


@OPERATORS
def test_two_subscribers(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """Two subscribers of one pipeline, or two uses of one operator, have nothing in common."""
    a, again, b = vote(A, 210, lasts=100), vote(A, 230, lasts=100), vote(B, 240, lasts=100)
    alone = play(live([again, b]), operator).heard
    timeline = Timeline()
    source = timeline.create_hot_observable(live([a, again, b]))
    pipeline, other = source.pipe(operator), source.pipe(operator)
    early, late, reused, brief = [timeline.create_observer() for _ in range(4)]
    for time, observable, observer in [
        (200, pipeline, early),
        (220, pipeline, late),
        (225, other, reused),
    ]:
        timeline.schedule_absolute(
            time, lambda *_, to=observable, by=observer: to.subscribe(by, scheduler=timeline)
        )
    subscription = pipeline.subscribe(brief, scheduler=timeline)
    timeline.schedule_absolute(300, lambda *_: subscription.dispose())
    timeline.start()
    assert timed(late.messages) == timed(reused.messages) == alone
    assert timed(early.messages) == play(live([a, again, b]), operator).heard
    assert len(brief.messages) == len(at_once) * 2
    assert [start for start, _ in spans(source)] == [0, 200, 220, 225]


@OPERATORS
@pytest.mark.parametrize(
    "other",
    [
        vote(A, 220, lasts=500, is_test=True),
        vote(B, 220, lasts=100, is_test=True),
        vote(None, 220, lasts=100),
        vote(C, 100, lasts=119),
        vote(C, 100, lasts=120),
        vote(C, -COOLDOWN, expires_at=None),
        vote(C, 220 - COOLDOWN, expires_at=None),
        vote(C, 0, created_at=None, expires_at=None, received_at=second(220 - COOLDOWN)),
    ],
    ids=[
        "test",
        "test of somebody else",
        "unknown voter",
        "expired",
        "expires as it comes",
        "too old",
        "as old as can be",
        "came in too long ago",
    ],
)
def test_votes_that_are_passed_over(
    other: Vote, operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """Of tests, of unknown voters and of votes that have expired nothing is said."""
    a = vote(A, 210, lasts=100)
    messages = [*live([a]), on_next(220, other)]
    assert play(messages, operator).heard == play(live([a]), operator).heard
    alone = play([on_next(220, other)], operator)
    assert alone.heard == []
    assert alone.timeline.done_after(220) == [DISPOSED]


@OPERATORS
@pytest.mark.parametrize(
    ("changes", "expires"),
    [
        ({}, 250),
        ({"expires_at": None}, 100 + COOLDOWN),
        ({"expires_at": None, "created_at": None}, 195 + COOLDOWN),
        ({"created_at": None}, 250),
        ({"weight": None}, 250),
        ({"platform_id": None, "user_id": A}, 250),
        ({"platform_id": A, "user_id": B}, 250),
    ],
    ids=repr,
)
def test_what_votes_do_not_say(
    changes: dict[str, Any], expires: float, operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """Without `expires_at` it is 12 hours after it was cast, or else came in; A is who A is."""
    a = vote(A, 100, **({"expires_at": second(250), "received_at": second(195)} | changes))
    assert a.voter_id == A
    played = play(burst(210, [a]), operator, disposed=20 * HOUR)
    assert played.heard == [*[(210, say(a)) for say in at_once], (expires, at_expiry(a))]


@OPERATORS
def test_an_id_on_topgg_of_a_vote_that_knows_no_other(
    operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """Who is known by the id on top.gg only is another voter than whoever has it on Discord."""
    a = vote(A, 210, lasts=100, user_id=B)
    b = vote(None, 220, lasts=100, user_id=B)
    heard = play(live([a, b]), operator).heard
    assert heard[-2:] == [(310, at_expiry(a)), (320, at_expiry(b))]


@OPERATORS
def test_a_history_and_after_it(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """Of a history only what has not expired counts; then live votes go on with it."""
    expired, a, b = vote(A, 0, lasts=100), vote(A, 105, lasts=200), vote(B, 110, lasts=300)
    again = vote(A, 300, lasts=200)
    played = play([*burst(210, [expired, a, b]), *live([again])], operator)
    assert played.heard == [
        *[(210, say(one)) for one in (a, b) for say in at_once],
        (410, at_expiry(b)),
        (500, at_expiry(again)),
    ]
    assert played.subscriptions == WHOLE_TIME


@OPERATORS
def test_several_votes_of_one_voter_in_a_history(
    operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """Of several votes that have not expired the last one counts, in whichever order they come."""
    older, newer = vote(A, 100, lasts=200), vote(A, 120, lasts=200)
    for first, second_ in ((older, newer), (newer, older), (newer, newer)):
        played = play(burst(210, [first, second_]), operator)
        assert played.heard == [*[(210, say(first)) for say in at_once], (320, at_expiry(newer))]


@OPERATORS
def test_several_at_one_time(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """Votes that expire at one time do so one after the other, in the order in which they came."""
    b, a, c = vote(B, 210, lasts=100), vote(A, 220, lasts=90), vote(C, 230, lasts=80)
    sooner = vote(D, 240, lasts=10)
    heard = play(live([b, a, c, sooner]), operator).heard
    assert heard[-4:] == [
        (250, at_expiry(sooner)),
        (310, at_expiry(b)),
        (310, at_expiry(a)),
        (310, at_expiry(c)),
    ]


@OPERATORS
def test_one_that_expires_sooner_than_those_before_it(
    operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """The timer is set to whichever expires first, in whichever order votes come."""
    votes = [vote(A, 210, lasts=300), vote(B, 211, lasts=100), vote(C, 212, lasts=200)]
    just_after = vote(D, 213, lasts=98.25)
    heard = play(live([*votes, just_after]), operator).heard
    assert heard[-4:] == [
        (311, at_expiry(votes[1])),
        (311.25, at_expiry(just_after)),
        (412, at_expiry(votes[2])),
        (510, at_expiry(votes[0])),
    ]


@OPERATORS
@pytest.mark.parametrize("again_at", [250, 310], ids=["before", "as it expires"])
def test_a_voter_who_votes_again_in_time(
    again_at: float, operator: Any, at_once: Any, at_expiry: Any
) -> None:
    """Of who votes again in time nothing is said until that vote expires."""
    a, again = vote(A, 210, lasts=100), vote(A, again_at, lasts=100)
    played = play(live([a, again]), operator)
    assert played.heard == [
        *[(210, say(a)) for say in at_once],
        (again_at + 100, at_expiry(again)),
    ]


@OPERATORS
def test_a_voter_who_votes_again_later(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """A vote after the last one has expired is as a first one."""
    a, again = vote(A, 210, lasts=100), vote(A, 311, lasts=100)
    assert play(live([a, again]), operator).heard == [
        *[(210, say(a)) for say in at_once],
        (310, at_expiry(a)),
        *[(311, say(again)) for say in at_once],
        (411, at_expiry(again)),
    ]


@pytest.mark.parametrize("make", [active_voters, vote_reminders])
def test_a_scheduler_of_its_own(make: Any) -> None:
    """An operator's own scheduler counts, whichever one the subscription is on."""
    a, elsewhere = vote(A, 210, lasts=100), Timeline()
    alone = play(live([a]), make()).heard
    for other in (None, elsewhere):
        timeline = Timeline()
        source = timeline.create_hot_observable(live([a]))
        observer = timeline.create_observer()
        source.pipe(make(scheduler=timeline)).subscribe(observer, scheduler=other)
        timeline.start()
        assert timed(observer.messages) == alone
    assert elsewhere.done_at == []


@OPERATORS
def test_an_observer_that_votes(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """What an observer does when one leaves (a vote of another who is due) is not overlooked."""
    timeline, source, heard = Timeline(), Subject[Vote](), []
    a, b, again = vote(A, 0, lasts=100), vote(B, 0, lasts=100), vote(B, 100, lasts=100)

    def hear(value: Any) -> None:
        heard.append((timeline.clock, value))
        if value == at_expiry(a):
            source.on_next(again)

    source.pipe(operator).subscribe(hear, scheduler=timeline)
    source.on_next(a)
    source.on_next(b)
    timeline.start()
    assert heard == [
        *[(0, say(one)) for one in (a, b) for say in at_once],
        (100, at_expiry(a)),
        (200, at_expiry(again)),
    ]


# --- active_voters ---


def test_active_voters_as_drawn() -> None:
    """The marble diagram: +a joins and b leaves 12 hours later; a has voted again and stays."""
    start = SUBSCRIBED
    votes = [vote(A, start + 2 * HOUR), vote(B, start + 8 * HOUR), vote(A, start + 13 * HOUR)]
    a, b, again = votes
    played = play(live(votes), active_voters(), disposed=start + 40 * HOUR)
    assert played.heard == [
        (start + 2 * HOUR, VoterJoined(A, a)),
        (start + 8 * HOUR, VoterJoined(B, b)),
        (start + 20 * HOUR, VoterLeft(B, b)),
        (start + 25 * HOUR, VoterLeft(A, again)),
    ]
    assert played.subscriptions == [(start, start + 40 * HOUR)]


def test_active_voters_shared() -> None:
    """Behind `ops.share()` one subscription serves all, and ends with the last of them."""
    a, b, c = (vote(voter, 210 + n, lasts=100) for n, voter in enumerate((A, B, C)))
    late = vote(D, 400, lasts=100)
    timeline = Timeline()
    source = timeline.create_hot_observable(live([a, b, c, late]))
    shared = source.pipe(active_voters(scheduler=timeline), ops.share())
    one, other, afterwards = [timeline.create_observer() for _ in range(3)]
    subscriptions = [shared.subscribe(one)]
    timeline.schedule_absolute(211.5, lambda *_: subscriptions.append(shared.subscribe(other)))
    timeline.schedule_absolute(310.5, lambda *_: subscriptions[0].dispose())
    timeline.schedule_absolute(311.5, lambda *_: subscriptions[1].dispose())
    timeline.schedule_absolute(350, lambda *_: shared.subscribe(afterwards))
    timeline.start()
    joins = [(210, joined(a)), (211, joined(b)), (212, joined(c))]
    assert timed(one.messages) == [*joins, (310, left(a))]
    assert timed(other.messages) == [joins[2], (310, left(a)), (311, left(b))]
    assert timed(afterwards.messages) == [(400, joined(late)), (500, left(late))]
    assert [span for span in spans(source) if span[1] < 1000] == [(0, 311.5)]
    assert [start for start, _ in spans(source)] == [0, 350]


arrivals = st.lists(
    st.tuples(
        st.integers(201, 260),  # when it arrives
        st.sampled_from([None, A, B, C]),  # whose it is
        st.integers(-20, 40),  # how long it still lasts then
    ),
    max_size=25,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def votes_of(rows: list[Any]) -> list[tuple[float, Vote]]:
    """Votes with the times at which they arrive."""
    return [
        (at, vote(voter, at - 50, lasts=50 + lasts, id=n))
        for n, (at, voter, lasts) in enumerate(rows)
    ]


@given(arrivals)
def test_active_voters_at_each_moment(rows: list[Any]) -> None:
    """At each moment those who joined and have not left are those with a vote that still lasts."""
    votes = votes_of(rows)
    heard = play([on_next(at, one) for at, one in votes], active_voters()).heard
    for moment in range(200, 310):
        active: set[int] = set()
        for time, event in heard:
            if time > moment:
                break
            if isinstance(event, VoterJoined):
                assert event.voter_id not in active
                active.add(event.voter_id)
            else:
                active.remove(event.voter_id)
        assert active == {
            one.voter_id
            for at, one in votes
            if one.voter_id is not None and at <= moment and one.expires_at > second(moment)
        }


@given(arrivals, st.integers(0, 30))
def test_reminders_against_looking_at_all_votes(rows: list[Any], after: int) -> None:
    """A vote is reminded of in its time unless its voter has a later one by then; no other is."""
    delay = timedelta(seconds=after)
    votes = [
        (at, one)
        for at, one in votes_of(rows)
        if one.voter_id and one.expires_at + delay > second(at)
    ]
    heard = play([on_next(*row) for row in votes_of(rows)], vote_reminders(after)).heard

    def is_last(one: Vote) -> bool:
        """Whether no other that came by the time of its reminder expires later, or as late."""
        due = one.expires_at + delay
        rivals = [
            other
            for at, other in votes
            if other.voter_id == one.voter_id and second(at) <= due and other is not one
        ]
        return all(
            other.expires_at < one.expires_at
            or (other.expires_at == one.expires_at and other.id > one.id)
            for other in rivals
        )

    expected = [
        ((one.expires_at - second(0)).total_seconds() + after, one.id)
        for _, one in votes
        if is_last(one)
    ]
    assert sorted((time, one.id) for time, one in heard) == sorted(expected)
    assert [time for time, _ in heard] == sorted(time for time, _ in heard)


# --- vote_reminders ---


def test_vote_reminders_as_drawn() -> None:
    """The marble diagram: each is reminded 12 hours after their last vote."""
    start = SUBSCRIBED
    votes = [vote(A, start + 2 * HOUR), vote(B, start + 8 * HOUR), vote(A, start + 13 * HOUR)]
    played = play(live(votes), vote_reminders(), disposed=start + 40 * HOUR)
    assert played.heard == [(start + 20 * HOUR, votes[1]), (start + 25 * HOUR, votes[2])]
    assert played.subscriptions == [(start, start + 40 * HOUR)]


@pytest.mark.parametrize("after", [30, 30.0, timedelta(seconds=30)], ids=repr)
def test_some_time_later(after: Any) -> None:
    """A reminder may come some time after the moment; who votes in between is reminded later."""
    a, b, again = vote(A, 210, lasts=100), vote(B, 220, lasts=100), vote(A, 330, lasts=100)
    played = play(live([a, b, again]), vote_reminders(after))
    assert played.heard == [(350, b), (460, again)]
    assert play(live([a]), vote_reminders(after)).heard == [(340, a)]


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (-1, ValueError),
        (timedelta(seconds=-1), ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("60", TypeError),
        (None, TypeError),
        (False, TypeError),
    ],
    ids=repr,
)
def test_delays_that_are_none(after: Any, kind: type[Exception]) -> None:
    """A delay that is no duration is refused at once."""
    with pytest.raises(kind, match="after"):
        vote_reminders(after)


# --- on clocks of the real world ---


@pytest.mark.usefixtures("still")
@OPERATORS
async def test_on_a_loop(operator: Any, at_once: Any, at_expiry: Any) -> None:
    """On a loop votes expire in their time, on the thread of that loop."""
    heard, source = Heard(), Subject[Vote]()
    subscription = source.pipe(operator).subscribe(heard)
    later, sooner = just_now(A, lasts=0.05), just_now(B, lasts=0.04)
    source.on_next(later)
    source.on_next(sooner)
    await heard.count(2 * len(at_once) + 2)
    assert heard.values == [
        *[say(one) for one in (later, sooner) for say in at_once],
        at_expiry(sooner),
        at_expiry(later),
    ]
    assert heard.threads == {threading.get_ident()}
    subscription.dispose()
    assert source.observers == []


@pytest.mark.usefixtures("still")
async def test_who_votes_again_on_a_loop() -> None:
    """On a loop, too, who votes again in time stays until that vote expires."""
    heard, source = Heard(), Subject[Vote]()
    first, again = just_now(A, lasts=0.03), just_now(A, lasts=0.05)
    with source.pipe(active_voters()).subscribe(heard):
        source.on_next(first)
        source.on_next(again)
        await heard.count(2)
        assert heard.values == [joined(first), left(again)]


@pytest.mark.usefixtures("still")
@OPERATORS
def test_without_a_loop(
    operator: Any, at_once: Any, at_expiry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no loop runs, votes expire on threads of reactivex's, in their time."""
    heard, over, all_came = [], threading.Event(), threading.Event()

    class Timer(threading.Timer):
        """One that does not begin before all votes have come, so that none expires by then."""

        def run(self) -> None:
            all_came.wait(PATIENCE)
            super().run()

    monkeypatch.setattr(timeoutscheduler, "Timer", Timer)
    later, sooner = just_now(A, lasts=0.05), just_now(B, lasts=0.04)
    expected = [
        *[say(one) for one in (later, sooner) for say in at_once],
        at_expiry(sooner),
        at_expiry(later),
    ]

    def hear(value: Any) -> None:
        heard.append((value, threading.current_thread()))
        if len(heard) == len(expected):
            over.set()

    subscription = endless([later, sooner]).pipe(operator).subscribe(hear)
    all_came.set()
    assert over.wait(PATIENCE)
    subscription.dispose()
    assert [value for value, _ in heard] == expected
    here = threading.current_thread()
    assert [thread is here for _, thread in heard] == [True] * 2 * len(at_once) + [False] * 2


@pytest.mark.usefixtures("still")
def test_votes_that_end_without_a_loop() -> None:
    """Votes that end at once complete it at once: nobody waits for the 12 hours."""
    a = just_now(A, lasts=COOLDOWN)
    joins = endless([a]).pipe(ops.take(1), active_voters(), ops.to_list()).run()
    assert joins == [joined(a)]
