"""Autopost in any weather and under any hands: its timetable against one that is kept by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import rx_toppy
from rx_toppy import (
    AutopostEvent,
    AutopostFailed,
    BotStatsPayload,
    ClientClosed,
    ConnectionFailed,
    Forbidden,
    PostEvent,
    Ratelimited,
    RequestEvent,
    StandaloneBot,
    TopGG,
    TopGGServerError,
    ToppyError,
)
from rx_toppy.api.routes import Request
from tests.conftest import OWN_ID, TOKEN
from tests.standin import Answer, Seen, StandIn, fault, ok
from tests.virtual import VirtualLoop

from .machines import unhurried

STATS = f"POST /bots/{OWN_ID}/stats"
LIBRARY = str(Path(rx_toppy.__file__).parent)
MOMENT = 2**-10
TIMEOUT = 30.0
MAX_WAIT = 60.0
NEAR = 0.02

# What somebody does to it, several times over in one instant perhaps.
DEEDS = ("stop", "cancel", "restart", "change_interval", "change_interval", "post")


@dataclass(frozen=True)
class Fate:
    """What becomes of a post: how it is answered, how long that takes, and what the error is."""

    answer: Answer
    takes: float = 0.0
    error: type[Exception] | None = None
    later: float | None = None


FATES = {
    "ok": Fate(ok({})),
    "slow": Fate(fault.delay(7.3, ok({})), takes=7.3),
    "503": Fate(fault.status(503), error=TopGGServerError),
    "503, later": Fate(
        fault.status(503, headers={"Retry-After": "40"}), error=TopGGServerError, later=40.0
    ),
    "429": Fate(fault.rate_limited(25), error=Ratelimited, later=25.0),
    "429 for long": Fate(fault.rate_limited(600), error=Ratelimited, later=600.0),
    "slow 429": Fate(fault.delay(7.3, fault.rate_limited(600)), 7.3, Ratelimited, 600.0),
    "reset": Fate(fault.reset(), error=ConnectionFailed),
    "timeout": Fate(fault.hang(), takes=TIMEOUT, error=ConnectionFailed),
    "bad token": Fate(fault.status(401), error=Forbidden),
}


@dataclass(frozen=True)
class Left:
    """A post as the client let it go: from here on nobody holds it back."""

    at: float
    is_auto: bool


@dataclass(frozen=True)
class Arrived:
    """A post as the server saw it."""

    at: float
    is_auto: bool
    fate: str
    is_reused: bool
    """Whether it came by a connection that had carried another before."""


@dataclass(frozen=True)
class Told:
    """What `client.events` or `client.autopost` emitted."""

    at: float
    what: Any


class Timetable:
    """What autopost is to do next.

    Attributes:
        phase: "off"; "due", when the next post has to leave from `due` to `latest`; or "sent".
        kind: What is due: a "beat", a "retry" of a failed post, or one that is "under way": a beat
            or retry whose time has come, held back by a block, or sent again by the call itself.
        rounds: How many posts were made since the start.
        asleep_since: Since when it waits for what is due.
        read_from: The time at which the last reading began.
    """

    def __init__(self, interval: float, retries: int) -> None:
        self.interval = interval
        self.phase = "off"
        self.kind = ""
        self.due = self.latest = 0.0
        self.rounds = 0
        self.asleep_since = self.read_from = 0.0
        self.is_closed = False
        self._retries = retries
        self._now = 0.0
        self._is_first = self._stopping = False
        self._beat = self._over = self._changed = 0.0
        self._blocked_until, self._block_came = -inf, -inf
        self._failures = self._sends = 0
        self._fate: Fate | None = None
        self._ends = 0.0
        self._told: list[Any] = []

    # --- what is done to it ---

    def start(self, now: float) -> None:
        """It starts over: the first beat is now."""
        self.phase, self.kind = "due", "beat"
        self.due = self.latest = self._beat = now
        self.rounds = self._failures = self._sends = 0
        self._is_first, self._stopping = True, False

    def stop(self, now: float) -> None:
        """It ends, after the post that is under way if one is."""
        if self.phase == "sent" or (self.phase == "due" and self.kind == "under way"):
            self._stopping = True
        else:
            self.phase = "off"

    def cancel(self) -> None:
        """It ends."""
        self.phase = "off"

    def change_interval(self, interval: float, now: float) -> None:
        """The next beat moves, and may be due at once."""
        self.interval, self._changed = interval, now
        if self.phase == "due" and self.kind == "beat" and not self._is_first:
            self._next_beat()
            self.asleep_since = now

    # --- what is seen and told of ---

    def read(self, log: Sequence[Left | Arrived | Told]) -> None:
        """All that has happened since the last reading, in order."""
        self.read_from = self._now
        for entry in log:
            self._pass_time(entry.at)
            if isinstance(entry, Told):
                self._tell(entry.at, entry.what)
            elif isinstance(entry, Arrived):
                if entry.is_auto:
                    self._arrive(entry.at, entry.fate, is_reused=entry.is_reused)
            else:
                assert not self.is_closed, "a post after the client was closed"
                # What has left before a 429 came may arrive after it: it was not held back.
                blocked = entry.at < self._blocked_until - NEAR
                assert not blocked, f"a post at {entry.at}, blocked until {self._blocked_until}"
                if entry.is_auto:
                    self._leave(entry.at)

    def check(self, now: float) -> None:
        """Nothing that should have happened by now has not."""
        self._pass_time(now)
        if self.phase == "sent":
            assert self._fate is not None, "a post has left, and not arrived"
            assert now <= self._ends + NEAR, "an answered post was not told of"
        elif self.phase == "due":
            held_since = max(self.latest, self._block_came)
            if now > self.latest + NEAR and now < self._blocked_until:
                assert self._blocked_until - held_since <= MAX_WAIT + NEAR, "it should have failed"
            assert now <= max(self.latest, self._blocked_until) + NEAR, "a post was missed"

    def is_idle(self, now: float) -> bool:
        """Whether it waits for a beat or a retry."""
        return self.phase == "due" and self.kind != "under way" and now < self.due

    # --- inside ---

    def _pass_time(self, now: float) -> None:
        self._now = now
        is_timed = self.phase == "due" and self.kind != "under way"
        if is_timed and (now > self.due + NEAR or (self._is_first and now > self.due)):
            self._set_out()

    def _set_out(self) -> None:
        """The time of a beat or a retry has come."""
        if self.kind == "beat" and not self._is_first:
            self._beat = self._grid()
        self.kind, self._is_first = "under way", False

    def _leave(self, at: float) -> None:
        assert self.phase == "due", f"a post at {at}, while it is {self.phase}"
        earliest, latest = (max(t, self._blocked_until) for t in (self.due, self.latest))
        assert at >= min(earliest, latest) - NEAR, f"a post at {at}, due at {self.due}"
        assert at <= latest + NEAR, f"a post at {at}, due at {self.latest}"
        if self.kind != "under way":
            self._set_out()
        self._sends += 1
        self.phase, self._fate = "sent", None

    def _arrive(self, at: float, name: str, *, is_reused: bool) -> None:
        assert self.phase == "sent", f"a post came at {at}, while it is {self.phase}"
        assert self._fate is None, f"a post came twice, at {at}"
        self._fate = fate = FATES[name]
        self._ends = at + fate.takes
        if name == "reset" and is_reused and self._sends == 1:
            self._goes_again(0.0, 0.0)
        elif fate.error in (ConnectionFailed, TopGGServerError) and self._sends <= self._retries:
            least = fate.later or 0.0
            ceiling = 0.3 * 2 ** (self._sends - 1)
            self._goes_again(max(least, ceiling / 2), max(least, ceiling))

    def _goes_again(self, soonest: float, latest: float) -> None:
        """The call sends it again by itself."""
        self.phase, self.kind = "due", "under way"
        self.due, self.latest = self._ends + soonest, self._ends + latest

    def _tell(self, at: float, what: Any) -> None:
        if isinstance(what, RequestEvent) and isinstance(what.error, Ratelimited):
            until = max(self._blocked_until, at + what.error.retry_after)
            self._blocked_until, self._block_came = until, at
        if isinstance(what, AutopostEvent):
            assert self._told[-1] == PostEvent(what.stats, at=self._told[-1].at)
            assert any(isinstance(e, RequestEvent) and e.status == 200 for e in self._told[:-1])
            self._posted(at)
        elif isinstance(what, AutopostFailed):
            self._failed(at, what.error, what.retry_in)
        elif isinstance(what, BotStatsPayload):
            assert isinstance(self._told[-1], AutopostEvent)
            assert self._told[-1].stats == what
        self._told.append(what)

    def _posted(self, at: float) -> None:
        assert self.phase == "sent"
        assert self._fate is not None
        assert self._fate.error is None
        assert abs(at - self._ends) < NEAR
        self.rounds += 1
        self._failures = self._sends = 0
        self._over = self.asleep_since = at
        self.phase, self.kind = ("off", "") if self._stopping else ("due", "beat")
        self._next_beat()

    def _failed(self, at: float, error: Exception, retry_in: float) -> None:
        self._failures += 1
        self._sends = 0
        asked = getattr(error, "retry_after", None) or 0.0
        if self.phase == "sent":
            assert self._fate is not None
            assert self._fate.error is type(error)
            assert abs(at - self._ends) < NEAR
            assert asked == (self._fate.later or 0.0)
            assert any(e.error is error for e in self._told if isinstance(e, RequestEvent))
        else:
            assert self.phase == "due"
            assert at >= self.due - NEAR
            assert isinstance(error, Ratelimited)
            assert error.internal
            assert self._blocked_until - at > MAX_WAIT - NEAR
            assert asked >= self._blocked_until - at - NEAR
            if self.kind != "under way":
                self._set_out()
        most = min(600.0, self.interval, 15.0 * 2 ** (self._failures - 1))
        assert max(asked, most / 2) <= retry_in <= max(asked, most)
        self.phase, self.kind = ("off", "") if self._stopping else ("due", "retry")
        self.due = self.latest = at + retry_in
        self.asleep_since = at

    def _next_beat(self) -> None:
        self.due = self.latest = max(self._grid(), self._changed)

    def _grid(self) -> float:
        """The first beat after the last post, counted from the beat of that post."""
        beats = ceil((self._over - self._beat) / self.interval)
        return self._beat + max(1, beats) * self.interval


fates = st.one_of(st.just("ok"), st.sampled_from(sorted(FATES)))


class AutopostMachine(RuleBasedStateMachine):
    """A client of a stand-in, which does well and badly as it is told; hours in virtual time."""

    @initialize(
        interval=st.sampled_from([20.0, 100.0, 1800.0]),
        retries=st.sampled_from([0, 0, 1]),
        fate=fates,
        is_started=st.sampled_from([True, True, True, False]),
    )
    def begins(self, interval: float, retries: int, fate: str, is_started: bool) -> None:
        self.fate = fate
        self.log: list[Left | Arrived | Told] = []
        self.ends: list[str] = []
        self.connections: set[int] = set()
        self.by_hand: set[asyncio.Task[None]] = set()
        self.table = Timetable(interval, retries)
        self.runner = asyncio.Runner(debug=True, loop_factory=VirtualLoop)
        self.loop = self.runner.get_loop()
        self.runner.run(self.open(interval, retries))
        if is_started:
            self.it_is_started()

    async def open(self, interval: float, retries: int) -> None:
        self.topgg = await StandIn().__aenter__()
        self.topgg.reply(STATS, self.answer)
        self.client = TopGG(
            StandaloneBot(OWN_ID, server_count=10),
            token=TOKEN,
            autopost=False,
            interval=interval,
            base_url=self.topgg.base_url,
            timeout=TIMEOUT,
            retries=retries,
            max_wait=MAX_WAIT,
        )
        http = self.client._http
        exchange = http.exchange

        async def leave(request: Request[Any], url: str, loop: asyncio.AbstractEventLoop) -> Any:
            self.log.append(Left(loop.time(), _is_auto(request.body)))
            return await exchange(request, url, loop)

        http.exchange = leave
        for stream in (self.client.events, self.client.autopost):
            stream.subscribe(
                lambda what: self.log.append(Told(self.loop.time(), what)),
                on_completed=lambda stream=stream: self.ends.append(repr(stream)[:15]),
            )

    def answer(self, seen: Seen) -> Answer:
        """What the stand-in says to a post."""
        is_reused = seen.connection in self.connections
        self.connections.add(seen.connection)
        self.log.append(Arrived(seen.at, _is_auto(seen.body), self.fate, is_reused))
        return FATES[self.fate].answer

    def act(self, *deeds: Callable[[], object], seconds: float = 0.0) -> None:
        """Does something, lets time pass, and looks whether all was right."""
        before = datetime.now(UTC)
        self.runner.run(self.do(deeds, seconds))
        log, self.log = self.log, []
        self.table.read(log)
        self.compare(before, datetime.now(UTC))

    async def do(self, deeds: tuple[Callable[[], object], ...], seconds: float) -> None:
        for deed in deeds:
            deed()
        await asyncio.sleep(seconds + MOMENT)

    def compare(self, before: datetime, after: datetime) -> None:
        """What autopost says of itself."""
        now, table, autopost = self.loop.time(), self.table, self.client.autopost
        table.check(now)
        assert autopost.is_running() == (table.phase != "off")
        if table.phase != "off":  # what is started and ended in one instant never began
            assert autopost.current_loop == table.rounds
        assert autopost.interval == table.interval
        due = autopost.next_iteration
        if table.is_idle(now):
            assert due is not None
            # It was reckoned when it went to sleep, by the clock on the wall.
            left = timedelta(seconds=table.due - table.asleep_since)
            assert due <= after + left + timedelta(seconds=0.1)
            if table.asleep_since >= table.read_from:
                assert due >= before + left - timedelta(seconds=0.1)
        else:
            assert due is None

    # --- rules ---

    @rule(seconds=st.sampled_from([0.5, 7.0, 16.0, 31.0, 90.0, 650.0]), fate=fates)
    def time_passes(self, seconds: float, fate: str) -> None:
        self.fate = fate
        self.act(seconds=seconds)

    @rule(intervals=st.sampled_from([0.3, 1.0, 2.5]), fate=fates)
    def intervals_pass(self, intervals: float, fate: str) -> None:
        self.fate = fate
        self.act(seconds=intervals * self.table.interval)

    @rule(early=st.sampled_from([0.0, 0.0, 0.5]), some=st.lists(fates, min_size=1, max_size=4))
    def time_passes_until_it_is_due(self, early: float, some: list[str]) -> None:
        for self.fate in some:
            if self.table.phase == "due":
                self.act(seconds=max(0.0, self.table.due - self.loop.time() - early))

    @rule()
    def it_is_started(self) -> None:
        if self.table.phase == "off":
            self.table.start(self.loop.time())
            self.act(self.client.autopost.start)
        else:
            with pytest.raises(RuntimeError, match="running"):
                self.client.autopost.start()

    @rule(
        deeds=st.lists(st.sampled_from(DEEDS), min_size=1, max_size=3),
        interval=st.sampled_from([20.0, 33.0, 100.0, 1800.0]),
    )
    def hands_are_laid_on_it(self, deeds: list[str], interval: float) -> None:
        now, table, autopost = self.loop.time(), self.table, self.client.autopost
        does: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "stop": (lambda: table.stop(now), autopost.stop),
            "cancel": (lambda: table.cancel(), autopost.cancel),
            "restart": (lambda: table.start(now), autopost.restart),
            "change_interval": (
                lambda: table.change_interval(interval, now),
                lambda: autopost.change_interval(seconds=interval),
            ),
            "post": (lambda: None, self.post),
        }
        for deed in deeds:
            does[deed][0]()
        self.act(*[does[deed][1] for deed in deeds])

    def post(self) -> None:
        task = self.loop.create_task(self.post_by_hand())
        self.by_hand.add(task)
        task.add_done_callback(self.by_hand.discard)

    async def post_by_hand(self) -> None:
        try:
            stats = await self.client.post_stats(force_shard_count=True)
        except ToppyError:
            return
        assert stats.shards == (10,)

    def close(self) -> None:
        self.table.cancel()
        self.table.is_closed = True
        self.runner.run(self.client.close())
        assert self.ends == ["<client.autopos", "<client.events:"]
        self.act()
        assert not self.by_hand
        left = [task for task in asyncio.all_tasks(self.loop) if _is_ours(task)]
        assert not left
        for start in (self.client.autopost.start, self.client.autopost.restart):
            with pytest.raises(ClientClosed):
                start()
        self.act(seconds=4000.0)
        assert len(self.ends) == 2

    def teardown(self) -> None:
        if hasattr(self, "client"):
            try:
                self.close()
            finally:
                self.runner.run(self.topgg.__aexit__(None, None, None))
                self.runner.close()


def _is_auto(body: bytes) -> bool:
    """Whether a post is autopost's: those made by hand tell of a shard."""
    return "shards" not in json.loads(body)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(LIBRARY)


class TestAutopost(AutopostMachine.TestCase):
    """A few sequences of events."""

    settings = settings(unhurried, max_examples=14, stateful_step_count=20)


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestAutopostForLonger(AutopostMachine.TestCase):
    """Many of them, and longer ones."""

    settings = settings(unhurried, max_examples=100, stateful_step_count=40)


def test_a_post_that_has_left_may_arrive_after_the_429_of_another() -> None:
    """What is on the wire when a block comes is no breach of it, and what comes after waits."""
    machine = AutopostMachine()
    try:
        machine.begins(interval=20.0, retries=0, fate="429", is_started=False)
        machine.hands_are_laid_on_it(deeds=["restart", "post"], interval=20.0)
        assert [seen.at for seen in machine.topgg.seen] == [0.0, 0.0]
        machine.hands_are_laid_on_it(deeds=["post"], interval=20.0)
        machine.time_passes(seconds=16.0, fate="ok")
        assert len(machine.topgg.seen) == 2
        machine.time_passes(seconds=16.0, fate="ok")
        assert [seen.at for seen in machine.topgg.seen[2:]] == pytest.approx([25.0, 25.0])
    finally:
        machine.teardown()
