"""Votes added up: `recent_votes`, `votes_per` and `leaderboard`."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops
from reactivex.subject import Subject

from rx_toppy import Vote
from rx_toppy.votes import (
    LeaderboardEntry,
    VoteCount,
    VoteWindow,
    leaderboard,
    recent_votes,
    votes_per,
)
from tests.streams.helpers import PATIENCE, Heard

from .helpers import (
    DISPOSED,
    END,
    HOUR,
    NOW,
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


def window(start: float, end: float, votes: int, weight: int | None = None) -> VoteWindow:
    """A window between two seconds; a vote weighs 1 unless told otherwise."""
    return VoteWindow(second(start), second(end), votes, votes if weight is None else weight)


def standing(voter: int, votes: int, weight: int | None = None) -> LeaderboardEntry:
    """A place on the board; a vote weighs 1 unless told otherwise."""
    return LeaderboardEntry(voter, votes, votes if weight is None else weight)


# --- what all of them have in common ---

# One vote, cast at 210: what each operator says of it at once, in time, and when the votes end.
OPERATORS = pytest.mark.parametrize(
    ("operator", "at_once", "in_time", "at_end"),
    [
        pytest.param(
            recent_votes(100), [VoteCount(1, 1)], [(310, VoteCount(0, 0))], [], id="recent_votes"
        ),
        pytest.param(
            votes_per(100),
            [],
            [(300 + n, window(200 + n, 300 + n, n == 0)) for n in range(0, 700, 100)],
            [window(200, 300, 1)],
            id="votes_per",
        ),
        pytest.param(leaderboard(3), [(standing(A, 1),)], [], [], id="leaderboard"),
    ],
)


@OPERATORS
def test_a_vote_and_no_end(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """What is said of one live vote, and the one subscription to the source."""
    played = play(live([vote(A, 210)]), operator)
    assert played.heard == [*[(210, value) for value in at_once], *in_time]
    assert played.subscriptions == WHOLE_TIME


@OPERATORS
def test_completion(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """It completes with its source, after a last word at most, and nothing is left on the timer."""
    played = play([*live([vote(A, 210)]), on_completed(250)], operator)
    assert played.heard == [
        *[(210, value) for value in at_once],
        *[(250, value) for value in at_end],
        (250, END),
    ]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == [DISPOSED]


@OPERATORS
def test_the_error_of_the_source(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """It fails with its source, at once and without a last word; nothing is left on the timer."""
    error = Boom()
    played = play([*live([vote(A, 210)]), on_error(250, error)], operator)
    assert played.heard == [*[(210, value) for value in at_once], (250, error)]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == [DISPOSED]


@OPERATORS
def test_dispose(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """Disposing leaves the source, and nothing is left on the timer."""
    played = play(live([vote(A, 210)]), operator, disposed=250)
    assert played.heard == [(210, value) for value in at_once]
    assert played.subscriptions == [(SUBSCRIBED, 250)]
    assert played.timeline.done_after(250) == []


@OPERATORS
@pytest.mark.parametrize("nth", [1, 2])
def test_dispose_within_on_next(
    nth: int, operator: Any, at_once: Any, in_time: Any, at_end: Any
) -> None:
    """An observer that leaves while it is told something hears no more, and no timer is left."""
    timeline, heard = Timeline(), []
    source = timeline.create_hot_observable(live([vote(A, 210), vote(A, 220)]))

    def leave(value: Any) -> None:
        heard.append(timeline.clock)
        if len(heard) == nth:
            subscription.dispose()

    subscription = source.pipe(operator).subscribe(leave, scheduler=timeline)
    timeline.start()
    assert len(heard) == nth
    assert spans(source) == [(0, heard[-1])]
    assert timeline.done_after(max(heard[-1], 220)) == [DISPOSED]


@OPERATORS
def test_two_subscribers(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """Two subscribers of one pipeline, or two uses of one operator, have nothing in common."""
    alone = play([*live([vote(B, 230)]), on_completed(400)], operator).heard
    timeline = Timeline()
    source = timeline.create_hot_observable(*live([vote(A, 210), vote(B, 230)]), on_completed(400))
    pipeline, other = source.pipe(operator), source.pipe(operator)
    early, late, again = [timeline.create_observer() for _ in range(3)]
    timeline.schedule_absolute(200, lambda *_: pipeline.subscribe(early, scheduler=timeline))
    timeline.schedule_absolute(220, lambda *_: pipeline.subscribe(late, scheduler=timeline))
    timeline.schedule_absolute(225, lambda *_: other.subscribe(again, scheduler=timeline))
    timeline.start()
    assert timed(late.messages) == timed(again.messages) == alone
    assert timed(early.messages) != alone
    assert spans(source) == [(200, 400), (220, 400), (225, 400)]


@OPERATORS
def test_tests_are_no_votes(operator: Any, at_once: Any, in_time: Any, at_end: Any) -> None:
    """A dashboard's test is left out, among votes as well as alone."""
    test = vote(B, 215, is_test=True)
    assert play([*live([test]), on_completed(400)], operator).heard == [(400, END)]
    without = play(live([vote(A, 210)]), operator).heard
    assert play(live([vote(A, 210), test]), operator).heard == without


@OPERATORS
@pytest.mark.parametrize(
    ("messages", "end"),
    [([], []), ([on_completed(250)], [(250, END)])],
    ids=["never", "empty"],
)
def test_no_votes(
    messages: Any, end: Any, operator: Any, at_once: Any, in_time: Any, at_end: Any
) -> None:
    """Of no votes nothing is said, nor is any timer set."""
    played = play(messages, operator)
    assert played.heard == end
    assert played.timeline.done_after(250) == [DISPOSED]


@pytest.mark.parametrize("make", [recent_votes, votes_per])
def test_a_scheduler_of_its_own(make: Any) -> None:
    """An operator's own scheduler counts, whichever one the subscription is on."""
    timeline, elsewhere = Timeline(), Timeline()
    source = timeline.create_hot_observable(*live([vote(A, 210)]), on_completed(450))
    alone = play([*live([vote(A, 210)]), on_completed(450)], make(100)).heard
    for other in (None, elsewhere):
        observer = timeline.create_observer()
        source.pipe(make(100, scheduler=timeline)).subscribe(observer, scheduler=other)
        assert not observer.messages
        if other is not None:
            timeline.start()
            assert timed(observer.messages) == alone
    assert elsewhere.done_at == []


@pytest.mark.parametrize("make", [recent_votes, votes_per])
@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (0, ValueError),
        (-1, ValueError),
        (timedelta(), ValueError),
        (timedelta(seconds=-1), ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("60", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
    ids=repr,
)
def test_windows_that_are_none(make: Any, length: Any, kind: type[Exception]) -> None:
    """A window that is no duration, or none at all, is refused at once."""
    with pytest.raises(kind, match="window"):
        make(length)


@pytest.mark.parametrize("make", [recent_votes, votes_per])
@pytest.mark.parametrize("length", [timedelta(seconds=2.5), 2.5], ids=repr)
def test_windows_of_parts_of_a_second(make: Any, length: Any) -> None:
    """A window may be a `timedelta`, and have parts of a second."""
    messages = [*live([vote(A, 210), vote(A, 211)]), on_completed(213)]
    expected = {
        recent_votes: [
            (210, VoteCount(1, 1)),
            (211, VoteCount(2, 2)),
            (212.5, VoteCount(1, 1)),
            (213, END),
        ],
        votes_per: [(212.5, window(210, 212.5, 2)), (213, END)],
    }
    assert play(messages, make(length)).heard == expected[make]


# --- recent_votes ---


def test_recent_votes_as_drawn() -> None:
    """The marble diagram: each vote leaves 10 s after it was cast."""
    played = play(live([vote(A, 202), vote(B, 205), vote(C, 217)]), recent_votes(10))
    assert played.heard == [
        (202, VoteCount(1, 1)),
        (205, VoteCount(2, 2)),
        (212, VoteCount(1, 1)),
        (215, VoteCount(0, 0)),
        (217, VoteCount(1, 1)),
        (227, VoteCount(0, 0)),
    ]
    assert played.subscriptions == WHOLE_TIME


def test_recent_votes_weigh_what_they_count_for() -> None:
    """Weekends count double, and a vote that does not say counts once."""
    votes = [vote(A, 202, weight=2), vote(B, 205, weight=None), vote(None, 207)]
    assert play(live(votes), recent_votes(10)).heard == [
        (202, VoteCount(1, 2)),
        (205, VoteCount(2, 3)),
        (207, VoteCount(3, 4)),
        (212, VoteCount(2, 2)),
        (215, VoteCount(1, 1)),
        (217, VoteCount(0, 0)),
    ]


def test_one_voter_counts_every_time() -> None:
    """It is votes that are counted, not voters."""
    votes = [vote(A, 202, id=1), vote(A, 202, id=1)]
    assert play(live(votes), recent_votes(10)).heard == [
        (202, VoteCount(1, 1)),
        (202, VoteCount(2, 2)),
        (212, VoteCount(0, 0)),
    ]


def test_recent_votes_of_a_history_and_after_it() -> None:
    """Of a history only its end counts, in whichever order; then live votes go on with it."""
    history = [vote(A, cast) for cast in (-90_000, 50, 110, 205, 150, 111, 150)]
    played = play([*burst(210, history), *live([vote(B, 220)])], recent_votes(100))
    assert played.heard == [
        (210, VoteCount(1, 1)),
        (210, VoteCount(2, 2)),
        (210, VoteCount(3, 3)),
        (210, VoteCount(4, 4)),
        (211, VoteCount(3, 3)),
        (220, VoteCount(4, 4)),
        (250, VoteCount(2, 2)),
        (305, VoteCount(1, 1)),
        (320, VoteCount(0, 0)),
    ]
    assert played.subscriptions == WHOLE_TIME


def test_a_history_that_is_over_is_not_recent() -> None:
    """Of votes that are all too old nothing is said, and no timer is set."""
    played = play(burst(900, [vote(A, cast) for cast in range(0, 800, 10)]), recent_votes(50))
    assert played.heard == []
    assert played.timeline.done_after(900) == [DISPOSED]


def test_votes_that_do_not_say_when_they_were_cast() -> None:
    """A vote without `created_at` counts from when it came in."""
    unknown = {"created_at": None, "expires_at": None}
    votes = [vote(A, 195, **unknown), vote(B, 205, **unknown, received_at=second(203))]
    assert play(burst(204, votes), recent_votes(10)).heard == [
        (204, VoteCount(1, 1)),
        (204, VoteCount(2, 2)),
        (205, VoteCount(1, 1)),
        (213, VoteCount(0, 0)),
    ]


def test_votes_ahead_of_the_clock() -> None:
    """A vote that was cast by a clock ahead of this one counts at once, and until it has left."""
    assert play(burst(204, [vote(A, 209)]), recent_votes(10)).heard == [
        (204, VoteCount(1, 1)),
        (219, VoteCount(0, 0)),
    ]


def test_one_that_leaves_as_another_comes() -> None:
    """The vote that is exactly as old as the window is long is no longer in it."""
    assert play(live([vote(A, 202), vote(B, 212)]), recent_votes(10)).heard[-2:] == [
        (212, VoteCount(1, 1)),
        (222, VoteCount(0, 0)),
    ]


arrivals = st.lists(
    st.tuples(
        st.integers(201, 260),  # when it arrives
        st.integers(-3, 40),  # how old it is then
        st.sampled_from([None, 1, 2]),  # its weight
    ),
    max_size=25,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


@given(arrivals, st.integers(1, 30))
def test_recent_votes_against_counting_them(rows: list[Any], length: int) -> None:
    """Whenever something was said, it is the count of that moment; and whenever that changed."""
    messages = [on_next(at, vote(A, at - age, weight=weight)) for at, age, weight in rows]
    played = play(messages, recent_votes(length))
    counted = [
        (at, at - age + length, weight or 1) for at, age, weight in rows if age < length
    ]  # from, until, weight

    def at_the_end_of(time: float) -> VoteCount:
        weights = [weight for came, leaves, weight in counted if came <= time < leaves]
        return VoteCount(len(weights), sum(weights))

    comings = Counter(came for came, _, _ in counted)
    leavings = {leaves for _, leaves, _ in counted}
    times = [time for time, _ in played.heard]
    assert times == sorted(times)
    assert Counter(times) == comings + Counter(leavings)
    last = dict(played.heard)  # the last word of each moment
    assert last == {time: at_the_end_of(time) for time in last}
    assert all(one != other for (_, one), (_, other) in pairwise(played.heard))


# --- votes_per ---


def test_votes_per_as_drawn() -> None:
    """The marble diagram: a window is told of when it is over, the last one when the votes end."""
    votes = [vote(A, 240), vote(B, 242), vote(C, 247), vote(D, 259)]
    played = play([*live(votes), on_completed(262)], votes_per(6))
    assert played.heard == [
        (246, window(240, 246, 2)),
        (252, window(246, 252, 1)),
        (258, window(252, 258, 0)),
        (262, window(258, 264, 1)),
        (262, END),
    ]
    assert played.subscriptions == [(SUBSCRIBED, 262)]


def test_votes_per_weigh_what_they_count_for() -> None:
    """Weekends count double, and a vote that does not say counts once."""
    votes = [vote(A, 201, weight=2), vote(B, 202, weight=None), vote(None, 203, weight=2)]
    heard = play(live(votes), votes_per(100), disposed=301).heard
    assert heard == [(300, window(200, 300, 3, 5))]


def test_windows_of_a_history() -> None:
    """The windows of a history are told of as votes of later ones come, those without any too."""
    history = [vote(A, cast) for cast in (-150, -101, 30, 31, 130)]
    played = play([*burst(700, history), on_completed(710)], votes_per(100))
    assert played.heard == [
        (700, window(-200, -100, 2)),
        (700, window(-100, 0, 0)),
        (700, window(0, 100, 2)),
        (710, window(100, 200, 1)),
        (710, END),
    ]
    assert played.timeline.done_after(710) == [DISPOSED]


def test_windows_of_a_history_are_not_timed() -> None:
    """As long as votes are history, no time that passes ends a window."""
    played = play([*burst(300, [vote(A, 10), vote(A, 110)])], votes_per(100))
    assert played.heard == [(300, window(0, 100, 1))]
    assert played.timeline.done_after(300) == [DISPOSED]


def test_windows_of_a_history_and_after_it() -> None:
    """Once votes are new, windows are over when their time has passed, with votes or without."""
    messages = [*burst(410, [vote(A, 10), vote(A, 110)]), *live([vote(A, 450), vote(A, 620)])]
    played = play(messages, votes_per(100), disposed=850)
    assert played.heard == [
        (410, window(0, 100, 1)),
        (450, window(100, 200, 1)),
        (450, window(200, 300, 0)),
        (450, window(300, 400, 0)),
        (500, window(400, 500, 1)),
        (600, window(500, 600, 0)),
        (700, window(600, 700, 1)),
        (800, window(700, 800, 0)),
    ]
    assert played.subscriptions == [(SUBSCRIBED, 850)]


def test_a_history_that_ends_in_the_open_window() -> None:
    """A vote of the past that is of the window that is open counts in it, and starts the timer."""
    played = play(burst(250, [vote(A, 210)]), votes_per(100), disposed=350)
    assert played.heard == [(300, window(200, 300, 1))]


def test_votes_that_come_too_late() -> None:
    """A vote that is too late for its window makes one more record of it, even of the first."""
    messages = [*live([vote(A, 210)]), *burst(320, [vote(B, 250, weight=2), vote(C, -50)])]
    assert play(messages, votes_per(100), disposed=350).heard == [
        (300, window(200, 300, 1)),
        (320, window(200, 300, 1, 2)),
        (320, window(-100, 0, 1)),
    ]


def test_a_vote_at_the_border() -> None:
    """A vote at the border is the next window's."""
    votes = [vote(A, 299.999999), vote(B, 300)]
    heard = play(burst(650, votes), votes_per(100)).heard
    assert heard == [(650, window(200, 300, 1))]
    heard = play(live([vote(A, 210), vote(B, 300)]), votes_per(100), disposed=450).heard
    assert heard == [(300, window(200, 300, 1)), (400, window(300, 400, 1))]


def test_a_vote_of_a_later_window_ends_the_open_one() -> None:
    """A vote by a clock ahead of this one ends the window; what then is of it comes too late."""
    messages = [*live([vote(A, 210)]), *burst(290, [vote(B, 305)]), *live([vote(C, 295)])]
    assert play(messages, votes_per(100), disposed=450).heard == [
        (290, window(200, 300, 1)),
        (295, window(200, 300, 1)),
        (400, window(300, 400, 1)),
    ]


def test_completion_in_a_window_without_votes() -> None:
    """Of a window without votes that the end of the votes cuts off, nothing is said."""
    played = play([*live([vote(A, 210)]), on_completed(350)], votes_per(100))
    assert played.heard == [(300, window(200, 300, 1)), (350, END)]


def test_votes_per_without_created_at() -> None:
    """A vote without `created_at` is of the window in which it came in."""
    lone = vote(A, 210, created_at=None, expires_at=None, received_at=second(199))
    heard = play([*burst(210, [lone]), on_completed(220)], votes_per(100)).heard
    assert heard == [(220, window(100, 200, 1)), (220, END)]


@pytest.mark.parametrize(
    ("length", "start"),
    [
        (HOUR, datetime(2026, 5, 16, 21, tzinfo=UTC)),
        (timedelta(minutes=15), datetime(2026, 5, 16, 21, 45, tzinfo=UTC)),
        (timedelta(days=1), datetime(2026, 5, 16, tzinfo=UTC)),
    ],
    ids=["hour", "quarter", "day"],
)
def test_windows_lie_as_the_clock_has_them(length: Any, start: datetime) -> None:
    """Hours begin on the hour and days at midnight, in UTC, wherever a vote's time is from."""
    cast = datetime(2026, 5, 17, 3, 33, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    [only] = reactivex.of(Vote(created_at=cast)).pipe(votes_per(length), ops.to_list()).run()
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    assert (only.start, only.end) == (start, start + timedelta(seconds=seconds))
    assert (only.start.utcoffset(), only.end.utcoffset()) == (timedelta(), timedelta())


casts = st.lists(
    st.tuples(st.integers(-500, 500), st.sampled_from([None, 1, 2])), min_size=1, max_size=40
)


def windows_of(rows: list[Any], length: int) -> list[VoteWindow]:
    """What is told of a history of votes."""
    votes = [vote(A, cast, weight=weight) for cast, weight in rows]
    return reactivex.from_iterable(votes).pipe(votes_per(length), ops.to_list()).run()


def summed(windows: list[VoteWindow]) -> dict[datetime, tuple[int, int]]:
    """Votes and weights of the windows that have any, by their beginning."""
    sums: dict[datetime, tuple[int, int]] = {}
    for one in windows:
        votes, weight = sums.get(one.start, (0, 0))
        sums[one.start] = (votes + one.votes, weight + one.weight)
    return {start: both for start, both in sums.items() if both != (0, 0)}


def counted(rows: list[Any], length: int) -> dict[datetime, tuple[int, int]]:
    """The same, counted vote by vote."""
    sums: dict[datetime, tuple[int, int]] = {}
    for cast, weight in rows:
        start = second(cast - cast % length)
        votes, before = sums.get(start, (0, 0))
        sums[start] = (votes + 1, before + (weight or 1))
    return sums


@given(casts, st.integers(7, 90))
def test_windows_of_any_history_add_up(rows: list[Any], length: int) -> None:
    """In whichever order votes come, the windows of one beginning add up to its votes."""
    windows = windows_of(rows, length)
    assert summed(windows) == counted(rows, length)
    assert all(one.end - one.start == timedelta(seconds=length) for one in windows)


@given(casts, st.integers(7, 90))
def test_windows_of_a_history_in_order_lie_end_to_end(rows: list[Any], length: int) -> None:
    """Of votes in order there is one record of each window, first to last, without a gap."""
    windows = windows_of(sorted(rows, key=lambda row: row[0]), length)
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert windows[0].votes >= 1
    assert windows[-1].votes >= 1
    assert sum(one.votes for one in windows) == len(rows)
    assert sum(one.weight for one in windows) == sum(weight or 1 for _, weight in rows)


@given(arrivals, st.integers(5, 30))
def test_windows_of_history_and_live_votes_add_up(rows: list[Any], length: int) -> None:
    """Old votes and new ones, whatever timers do in between, add up to all the votes."""
    messages = [on_next(at, vote(A, at - age, weight=weight)) for at, age, weight in rows]
    *windows, (_, end) = play([*messages, on_completed(300)], votes_per(length)).heard
    assert end == END
    casts = [(at - age, weight) for at, age, weight in rows]
    assert summed([value for _, value in windows]) == counted(casts, length)
    assert all(
        value.end <= second(time) or time in (300, *(row[0] for row in rows))
        for time, value in windows
    )


# --- leaderboard ---


def test_leaderboard_as_drawn() -> None:
    """The marble diagram: told anew whenever one of the places changes."""
    votes = [vote(A, 202), vote(B, 207), vote(B, 215), vote(C, 223)]
    played = play(live(votes), leaderboard(2))
    assert played.heard == [
        (202, (standing(A, 1),)),
        (207, (standing(A, 1), standing(B, 1))),
        (215, (standing(B, 2), standing(A, 1))),
    ]
    assert played.subscriptions == WHOLE_TIME


def test_who_got_there_first_stands_before() -> None:
    """Of two with as many votes the first to have them stands before, also when both come on."""
    votes = [vote(voter, 210 + n) for n, voter in enumerate((A, B, C, B, C, A))]
    assert play(live(votes), leaderboard()).heard[2:] == [
        (212, (standing(A, 1), standing(B, 1), standing(C, 1))),
        (213, (standing(B, 2), standing(A, 1), standing(C, 1))),
        (214, (standing(B, 2), standing(C, 2), standing(A, 1))),
        (215, (standing(B, 2), standing(C, 2), standing(A, 2))),
    ]


def test_back_on_the_board() -> None:
    """Who was driven off the board is back on it with all of their votes."""
    votes = [vote(voter, 210 + n) for n, voter in enumerate((A, B, B, A, A))]
    assert play(live(votes), leaderboard(1)).heard == [
        (210, (standing(A, 1),)),
        (212, (standing(B, 2),)),
        (214, (standing(A, 3),)),
    ]


def test_a_leaderboard_by_weight() -> None:
    """By weight, a weekend's vote counts double; both numbers are told either way."""
    votes = [vote(A, 210), vote(A, 211, weight=None), vote(B, 212, weight=2), vote(B, 213)]
    by_votes, by_weight = [
        play(live(votes), leaderboard(by=by)).heard for by in ("votes", "weight")
    ]
    assert by_votes == [
        (210, (standing(A, 1),)),
        (211, (standing(A, 2),)),
        (212, (standing(A, 2), standing(B, 1, 2))),
        (213, (standing(A, 2), standing(B, 2, 3))),
    ]
    assert by_weight == [*by_votes[:3], (213, (standing(B, 2, 3), standing(A, 2)))]


def test_ten_places_by_default() -> None:
    """By default a leaderboard has ten places."""
    votes = [vote(voter, 200 + voter) for voter in range(1, 15)]
    assert [len(board) for _, board in play(live(votes), leaderboard()).heard] == list(range(1, 11))


def test_who_a_place_belongs_to() -> None:
    """A voter goes by the id on the platform, else by that on top.gg; of unknown ones no word."""
    votes = [
        vote(A, 210, user_id=D),
        vote(None, 211, user_id=D),
        vote(None, 212),
        vote(A, 213, user_id=None),
    ]
    assert play(live(votes), leaderboard()).heard == [
        (210, (standing(A, 1),)),
        (211, (standing(A, 1), standing(D, 1))),
        (213, (standing(A, 2), standing(D, 1))),
    ]


def test_a_leaderboard_of_a_history() -> None:
    """However old votes are, and with or without times, they count."""
    votes = [vote(A, -900), vote(B, -800, created_at=None, expires_at=None), vote(A, -1000)]
    assert play(burst(210, votes), leaderboard()).heard == [
        (210, (standing(A, 1),)),
        (210, (standing(A, 1), standing(B, 1))),
        (210, (standing(A, 2), standing(B, 1))),
    ]


def test_a_board_that_was_told_stays_as_it_was() -> None:
    """What an observer keeps is a picture of its moment: a tuple that no later vote changes."""
    subject, boards = Subject[Vote](), []
    subject.pipe(leaderboard()).subscribe(boards.append)
    subject.on_next(vote(A, 1))
    [first] = boards
    kept = (standing(A, 1),)
    subject.on_next(vote(A, 2))
    assert first == kept
    assert type(first) is tuple


@pytest.mark.parametrize(
    ("arguments", "kind", "name"),
    [
        ({"top": 0}, ValueError, "top"),
        ({"top": -1}, ValueError, "top"),
        ({"top": 2.0}, TypeError, "top"),
        ({"top": True}, TypeError, "top"),
        ({"top": "3"}, TypeError, "top"),
        ({"by": "score"}, ValueError, "by"),
        ({"by": None}, ValueError, "by"),
        ({"by": ["votes"]}, ValueError, "by"),
    ],
    ids=repr,
)
def test_leaderboards_that_can_not_be(
    arguments: dict[str, Any], kind: type[Exception], name: str
) -> None:
    """A number of places that is none, or an unknown order, is refused at once."""
    with pytest.raises(kind, match=rf"\b{name}\b"):
        leaderboard(**arguments)


def brute_board(votes: list[Vote], top: int, by: str) -> tuple[LeaderboardEntry, ...]:
    """The board after all of these votes, sorted from scratch."""
    standings: dict[int, LeaderboardEntry] = {}
    reached: dict[int, int] = {}  # which vote it was that made the score
    for number, one in enumerate(votes):
        if one.voter_id is None or one.is_test:
            continue
        before = standings.get(one.voter_id, LeaderboardEntry(one.voter_id, 0, 0))
        weight = before.weight + (one.weight or 1)
        standings[one.voter_id] = LeaderboardEntry(one.voter_id, before.votes + 1, weight)
        reached[one.voter_id] = number
    ranked = sorted(
        standings.values(),
        key=lambda standing: (-getattr(standing, by), reached[standing.voter_id]),
    )
    return tuple(ranked[:top])


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, *range(1, 8)]),
            st.sampled_from([None, 1, 2]),
            st.sampled_from([False] * 5 + [True]),
        ),
        max_size=60,
    ),
    st.integers(1, 9),
    st.sampled_from(["votes", "weight"]),
)
def test_leaderboards_against_sorting_everybody(rows: list[Any], top: int, by: Any) -> None:
    """After each vote the board is the best of all, and it is told exactly when it has changed."""
    votes = [
        vote(voter, 201 + n, weight=weight, is_test=is_test)
        for n, (voter, weight, is_test) in enumerate(rows)
    ]
    expected, last = [], ()
    for n in range(len(votes)):
        board = brute_board(votes[: n + 1], top, by)
        if board != last:
            expected.append((201 + n, board))
        last = board
    assert play(live(votes), leaderboard(top, by=by)).heard == expected


# --- on clocks of the real world ---


@pytest.mark.usefixtures("still")
async def test_recent_votes_on_a_loop() -> None:
    """On a loop a vote leaves in its time, on the thread of that loop."""
    heard, source = Heard(), Subject[Vote]()
    subscription = source.pipe(recent_votes(0.05)).subscribe(heard)
    source.on_next(just_now(A))
    await heard.count(2)
    assert heard.values == [VoteCount(1, 1), VoteCount(0, 0)]
    assert heard.threads == {threading.get_ident()}
    source.on_next(just_now(A))
    assert heard.values[2:] == [VoteCount(1, 1)]
    subscription.dispose()
    assert source.observers == []


@pytest.mark.usefixtures("still")
async def test_votes_per_on_a_loop() -> None:
    """On a loop windows are told of in their time, one after the other, on its thread."""
    heard, source = Heard(), Subject[Vote]()
    subscription = source.pipe(votes_per(0.02)).subscribe(heard)
    soon = NOW + timedelta(seconds=0.05)
    source.on_next(Vote(created_at=soon))
    await heard.count(3)
    subscription.dispose()
    windows = heard.values
    assert [one.votes for one in windows] == [1] + [0] * (len(windows) - 1)
    assert windows[0].start <= soon < windows[0].end
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert heard.threads == {threading.get_ident()}


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("operator", "last"),
    [
        (recent_votes(0.05), lambda count: count.votes == 0),
        (votes_per(0.05), lambda window: window.votes == 0),
    ],
    ids=["recent_votes", "votes_per"],
)
def test_without_a_loop(operator: Any, last: Any) -> None:
    """Where no loop runs, time passes on threads of reactivex's."""
    heard, over = [], threading.Event()

    def hear(value: Any) -> None:
        heard.append((value, threading.current_thread()))
        if last(value):
            over.set()

    soon = NOW + timedelta(seconds=0.05)
    subscription = endless([Vote(created_at=soon)]).pipe(operator).subscribe(hear)
    assert over.wait(PATIENCE)
    subscription.dispose()
    assert heard[0][0].votes == 1
    assert heard[-1][1] is not threading.current_thread()


async def test_they_compose_with_the_end_of_a_stream() -> None:
    """Awaited, a history's windows and its last board are there at once."""
    votes = reactivex.from_iterable([vote(A, 10), vote(B, 20), vote(B, 130)])
    assert await votes.pipe(votes_per(100), ops.to_list()) == [
        window(0, 100, 2),
        window(100, 200, 1),
    ]
    assert await votes.pipe(leaderboard(1)) == (standing(B, 2),)
