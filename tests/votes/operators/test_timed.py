"""Operators on votes, whoever raises and whichever thread votes come on."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, TestScheduler

from rx_toppy import Vote
from rx_toppy.votes import VoterLeft, active_voters, recent_votes, vote_reminders, votes_per
from tests.streams.helpers import PATIENCE

from .helpers import NOW, just_now

on_next = ReactiveTest.on_next


def at(seconds: float) -> datetime:
    """So many seconds after 1970, where virtual time begins."""
    return datetime.fromtimestamp(seconds, UTC)


def vote(voter: int, cast: float, expires: float) -> Vote:
    return Vote(platform_id=voter, weight=1, created_at=at(cast), expires_at=at(expires))


def soon(voter: int, seconds: float) -> Vote:
    """A vote that expires in so many seconds of real time."""
    now = datetime.now(UTC)
    return Vote(platform_id=voter, created_at=now, expires_at=now + timedelta(seconds=seconds))


class Touchy:
    """An observer that raises at the first value of a kind, and writes down all."""

    def __init__(self, kind: type) -> None:
        self.heard: list[Any] = []
        self._kind: type | None = kind

    def __call__(self, value: Any) -> None:
        self.heard.append(value)
        if self._kind is not None and isinstance(value, self._kind):
            self._kind = None
            raise KeyError("of an observer")


def test_who_raises_at_one_leave_hears_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises on a timer's word is logged, and nothing that is due is lost."""
    scheduler = TestScheduler()
    rows = [on_next(210, vote(n, 200, 250 if n < 3 else 260)) for n in (1, 2, 3)]
    observer = Touchy(VoterLeft)
    votes = scheduler.create_hot_observable(*rows)
    votes.pipe(active_voters(scheduler=scheduler)).subscribe(observer)
    scheduler.start()
    assert [event.voter_id for event in observer.heard] == [1, 2, 3, 1, 2, 3]
    assert "KeyError" in caplog.text


def test_windows_are_told_once_and_go_on_when_an_observer_raises() -> None:
    """A window whose observer raised is not told again, and the next ones come in time."""
    scheduler = TestScheduler()
    rows = [on_next(210, vote(1, 205, 999)), on_next(310, vote(2, 305, 999))]
    observer = Touchy(object)
    votes = scheduler.create_hot_observable(*rows)
    votes.pipe(votes_per(100, scheduler=scheduler)).subscribe(observer)
    scheduler.advance_to(450)
    told = [(window.start, window.votes) for window in observer.heard]
    assert told == [(at(200), 1), (at(300), 1)]


@pytest.mark.usefixtures("still")
async def test_votes_from_another_thread_wake_the_loop() -> None:
    """A vote of another thread is timed on the loop, in its time, and disposing there is safe."""
    votes: Subject[Vote] = Subject()
    heard: list[tuple[str, int, bool]] = []
    loop, home = asyncio.get_running_loop(), threading.get_ident()
    left = asyncio.Event()

    def hear(event: Any) -> None:
        is_home = threading.get_ident() == home
        heard.append((type(event).__name__, event.voter_id, is_home))
        if isinstance(event, VoterLeft):
            left.set()

    subscription = votes.pipe(active_voters()).subscribe(hear)
    votes.on_next(just_now(1, lasts=30.0))
    await loop.run_in_executor(None, votes.on_next, just_now(2, lasts=0.05))
    async with asyncio.timeout(PATIENCE):
        await left.wait()
    assert heard == [("VoterJoined", 1, True), ("VoterJoined", 2, False), ("VoterLeft", 2, True)]
    await loop.run_in_executor(None, subscription.dispose)


async def test_a_subscriber_on_a_loop_is_told_of_time_there() -> None:
    """Votes may come from a thread alone: what time brings comes on the subscriber's loop."""
    votes: Subject[Vote] = Subject()
    came: asyncio.Queue[int] = asyncio.Queue()
    reminders = votes.pipe(vote_reminders())
    subscription = reminders.subscribe(lambda _: came.put_nowait(threading.get_ident()))
    for voter, seconds in enumerate((0.02, 0.2, 2.0, 20.0)):  # the first may be over on the way
        await asyncio.get_running_loop().run_in_executor(None, votes.on_next, soon(voter, seconds))
    async with asyncio.timeout(PATIENCE):
        assert await came.get() == threading.get_ident()
    subscription.dispose()


def test_a_reminder_that_is_still_due_after_a_restart_comes() -> None:
    """Expired, but with `after` still ahead: the reminder comes in its time."""
    scheduler = TestScheduler()
    votes = scheduler.create_hot_observable(on_next(250, vote(1, 200, 240)))
    result = scheduler.start(lambda: votes.pipe(vote_reminders(60)))
    assert [message.time for message in result.messages] == [300]


@pytest.mark.parametrize("operator", [recent_votes, votes_per])
@pytest.mark.parametrize("window", [1e-9, 1e300, timedelta.max, 10**400])
def test_windows_no_clock_can_reckon_with_are_refused(operator: Any, window: Any) -> None:
    """Too short or too long a window is refused by name, where the operator is made."""
    with pytest.raises(ValueError, match="window"):
        operator(window)


def test_a_vote_of_an_impossible_time_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A vote at the end of time is logged and left out; the others go on."""
    scheduler = TestScheduler()
    odd = Vote(platform_id=1, created_at=datetime.max.replace(tzinfo=UTC))
    votes = scheduler.create_hot_observable(on_next(210, odd), on_next(220, vote(2, 215, 999)))
    result = scheduler.start(lambda: votes.pipe(recent_votes(3600)))
    assert [message.value.value.votes for message in result.messages] == [1]
    assert "impossible time" in caplog.text


def test_an_operator_outlives_its_loop() -> None:
    """Votes and the end of a subscription may come when the loop of its timers has closed."""
    votes: Subject[Vote] = Subject()
    heard: list[Any] = []

    async def subscribe() -> Any:
        subscription = votes.pipe(active_voters()).subscribe(heard.append)
        votes.on_next(soon(1, 30.0))
        return subscription

    subscription = asyncio.run(subscribe())
    votes.on_next(soon(2, 20.0))
    subscription.dispose()
    assert [event.voter_id for event in heard] == [1, 2]


async def test_disposed_before_the_loop_hears_of_a_vote(caplog: pytest.LogCaptureFixture) -> None:
    """A vote of another thread whose timer was not set yet leaves nothing behind."""
    votes: Subject[Vote] = Subject()
    subscription = votes.pipe(vote_reminders()).subscribe()
    votes.on_next(soon(1, 30.0))
    thread = threading.Thread(target=votes.on_next, args=[soon(2, 20.0)])
    thread.start()
    thread.join()
    subscription.dispose()
    await asyncio.sleep(0.01)
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


def timers() -> list[threading.Timer]:
    """The timer threads of reactivex's that run."""
    return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]


@pytest.mark.usefixtures("still")
def test_disposed_while_something_falls_due() -> None:
    """On timer threads too: what is about to be told when a subscription ends is left out."""
    votes: Subject[Vote] = Subject()
    heard: list[Any] = []

    def hear(window: Any) -> None:
        heard.append(window)
        time.sleep(0.3)  # meanwhile the timer of the window goes off, on its own thread
        subscription.dispose()

    subscription = votes.pipe(votes_per(0.1)).subscribe(hear)
    votes.on_next(Vote(platform_id=1, created_at=NOW))
    votes.on_next(Vote(platform_id=2, created_at=NOW + timedelta(seconds=0.1)))
    for timer in timers():  # the one that went off meanwhile; it sets no other
        timer.join(PATIENCE)
    assert [window.votes for window in heard] == [1]
    assert not timers()


@pytest.mark.parametrize("operator", [recent_votes, votes_per])
def test_the_longest_and_the_shortest_window(operator: Any) -> None:
    """A thousandth of a second and a century are windows, and more or less is none."""
    for window in (0.001, timedelta(days=36_525)):
        assert operator(window)
    for window in (0.000_999, timedelta(days=36_525, microseconds=1)):
        with pytest.raises(ValueError, match="window"):
            operator(window)
