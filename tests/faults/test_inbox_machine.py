"""The inbox through any number of lives: what it keeps and hands over, against a plain model."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import rx_toppy
from rx_toppy import InboxError, Vote, VoteInbox
from rx_toppy.votes import file_lock as ownership
from rx_toppy.votes import sqlite_store as store
from rx_toppy.votes import sqlite_worker as processing
from tests.votes.inbox import BOT, PATIENCE, by_history, by_v0, by_v1, until

from .machines import unhurried

LIBRARY = str(Path(rx_toppy.__file__).parent)
DAY = 86_400.0
SECOND, AROUND = timedelta(seconds=1), timedelta(minutes=40)
MICROSECOND = 1e-6

# Where records of one vote lie: at the edges of what is the same, and just beyond.
EDGES = (0.0, 0.0, 1.0, 1.0 + MICROSECOND, -1.0, 5.0)
LATE = (0.0, 2.0, 2_400.0, 2_400.0 + MICROSECOND, -2_400.0, 2_399.0)


def _record(
    source: str, voter: int, day: int, edge: int, project: int | None, id: int | None, weight: int
) -> Vote:
    at = day * DAY + (LATE if source.startswith("v0") else EDGES)[edge]
    known: dict[str, Any] = {"weight": weight, "project_id": project}
    if source == "v0":
        return by_v0(voter, at, 0.0, **known)
    if source == "v0, a test":
        return by_v0(voter, at, 0.0, is_test=True, **known)
    if source == "v1, a test":
        return by_v1(voter, at, is_test=True, **known)
    if source == "history":
        return by_history(voter, at, **known)
    if source == "history, by the other id":
        return by_history(voter, at, platform_id=None, **known)
    return by_v1(voter, at, id=voter * 100 + day if id is None else id, **known)


records = st.builds(
    _record,
    source=st.sampled_from(
        [*("v1", "v0", "history") * 2, "history, by the other id", "v0, a test", "v1, a test"]
    ),
    voter=st.integers(1, 3),
    day=st.integers(0, 2),
    edge=st.integers(0, 5),
    project=st.sampled_from([BOT, BOT, None, 7]),
    id=st.sampled_from([None, None, None, 1]),
    weight=st.integers(1, 2),
)
fates = st.sampled_from(["done", "done", "raises", "raises", "hangs"])


def is_same(a: Vote, b: Vote) -> bool:
    """Whether two records are one vote, in the contract's words."""
    if a.is_test or b.is_test:
        return False
    if a.id is not None and a.id == b.id:
        return True
    ids = "platform_id" if None not in (a.platform_id, b.platform_id) else "user_id"
    is_voter = getattr(a, ids) == getattr(b, ids) is not None
    is_project = a.project_id == b.project_id or None in (a.project_id, b.project_id)
    has_times = None not in (a.created_at, b.created_at)
    apart = abs((a.created_at or a.received_at) - (b.created_at or b.received_at))
    return is_voter and is_project and apart <= (SECOND if has_times else AROUND)


@dataclass(eq=False)
class Kept:
    """A vote that was kept: all that was told of it, and what has become of it.

    Attributes:
        state: "waits", "done" or "dead".
        told: What the next outcomes of it have to be, in order.
        is_unsure: Whether a crash came between its handler's end and the outcome.
    """

    records: list[Vote]
    state: str = "waits"
    tries: int = 0
    told: list[tuple[str, int]] = field(default_factory=list)
    is_unsure: bool = False

    @property
    def vote(self) -> Vote:
        """All that is known of it: what was told first counts."""
        first = self.records[0]
        for name in ("id", "user_id", "platform_id", "created_at", "expires_at", "project_id"):
            known = [getattr(one, name) for one in self.records]
            value = next((value for value in known if value is not None), None)
            first = msgspec.structs.replace(first, **{name: value})
        return first

    def is_before(self, other: Kept) -> bool:
        """Whether it is the older one, whichever of its records its place in time is from."""
        return max(r.cast_at for r in self.records) < min(r.cast_at for r in other.records)

    def __repr__(self) -> str:
        return f"<{self.records[0].query['number']}: {self.state}, {self.tries} tries>"


class Model:
    """What an inbox has to know."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.numbers = 0

    def stamped(self, votes: list[Vote]) -> list[Vote]:
        """The same with a number each, by which they are found again. Tests differ in time too."""
        stamped: list[Vote] = []
        for vote in votes:
            self.numbers += 1
            at = vote.received_at + (self.numbers * timedelta(microseconds=1)) * vote.is_test
            query = {"number": str(self.numbers)}
            stamped.append(msgspec.structs.replace(vote, query=query, received_at=at))
        return stamped

    def take(self, vote: Vote) -> bool | None:
        """Takes a record: whether it is new; None, and not taken, where that is no clear case."""
        near = self.near(vote)
        if not near:
            self.kept[vote.query["number"]] = Kept([vote])
            return True
        if len(near) == 1 and all(is_same(vote, r) for r in near[0].records):
            near[0].records.append(vote)
            return False
        return None

    def near(self, vote: Vote) -> list[Kept]:
        """Those that a record may be of."""
        return [one for one in self.kept.values() if any(is_same(vote, r) for r in one.records)]

    def is_clear(self, vote: Vote) -> bool:
        """Whether its user is known by the id that counts, and so is that of what it is.

        Who is running is looked at with what was known when a vote was read.
        """
        known = [vote.platform_id, *(one.vote.platform_id for one in self.near(vote))]
        return None not in known

    def of(self, state: str) -> list[Kept]:
        """All in a state that is for sure."""
        return [one for one in self.kept.values() if one.state == state and not one.is_unsure]

    def find(self, vote: Vote) -> Kept:
        """Which one a vote is."""
        return self.kept[vote.query["number"]]


class Run:
    """One run of `process`: a handler that does as it is told, and what it sees that is wrong."""

    def __init__(self, model: Model, script: Sequence[str], most: int, tries: int) -> None:
        self.model = model
        self.wrong: list[str] = []
        self.outcomes = 0
        self.hanging: list[Kept] = []
        self._running: dict[Kept, int | None] = {}
        self._handed: set[Kept] = set()
        self._backlog = list(model.kept.values())
        self._script = iter(script)
        self._most = most
        self._tries = tries

    async def handle(self, vote: Vote) -> None:
        kept = self.model.find(vote)
        self._look_at(kept, vote)
        self._running[kept] = vote.voter_id
        self._handed.add(kept)
        try:
            await self._meet(kept, next(self._script, "done"))
        finally:
            del self._running[kept]

    async def _meet(self, kept: Kept, fate: str) -> None:
        await asyncio.sleep(0)
        if fate == "hangs":
            self.hanging.append(kept)
            await asyncio.Event().wait()
        kept.tries += 1
        if fate == "done":
            kept.state = "done"
        elif kept.tries >= self._tries:
            kept.state = "dead"
        status = kept.state if kept.state != "waits" else "failed"
        kept.told.append((status, kept.tries))
        if fate == "raises":
            raise ZeroDivisionError(kept)

    def _look_at(self, kept: Kept, vote: Vote) -> None:
        if not kept.is_unsure:
            self._demand(kept.state == "waits", f"{kept} is handed over again")
        self._demand(kept not in self._running, f"{kept} is handed over twice")
        self._demand(vote.voter_id not in self._running.values(), f"{kept}'s user is busy")
        self._demand(len(self._running) < self._most, "more than may run at a time")
        waiting = [one for one in self._backlog if one in self.model.of("waits")]
        for older in [one for one in waiting if one.is_before(kept) and kept in self._backlog]:
            is_free = older.vote.voter_id == vote.voter_id or (
                older not in self._handed
                and not any(one.vote.voter_id == older.vote.voter_id for one in self._handed)
                and self._most == 1
            )
            self._demand(not is_free, f"{kept} is handed over before {older}")

    def tell(self, outcome: Any) -> None:
        kept = self.model.find(outcome.vote)
        self.outcomes += 1
        told = kept.told.pop(0) if kept.told else None
        if kept.is_unsure:  # how often it was tried before the crash shows now
            kept.is_unsure = False
            kept.tries = outcome.tries
            kept.state = "waits" if outcome.status == "failed" else outcome.status
        else:
            said = (outcome.status, outcome.tries)
            self._demand(said == told, f"{said} is told of {kept}, not {told}")

    def _demand(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.wrong.append(what)

    def is_settled(self) -> bool:
        """Whether nothing more will happen: all is done, or waits for what hangs."""
        busy = [one.vote.voter_id for one in self.hanging]
        waiting = [one for one in self.model.of("waits") if one not in self.hanging]
        is_stuck = len(self.hanging) >= self._most or all(w.vote.voter_id in busy for w in waiting)
        return is_stuck and not any(one.told for one in self.model.kept.values())


class InboxMachine(RuleBasedStateMachine):
    """One inbox after another, on one file after another; nothing runs between two rules."""

    @initialize()
    def begins(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(processing, "FIRST_PAUSE", 0.002)
        self.patch.setattr(processing, "LONGEST_PAUSE", 0.004)
        self.patch.setattr(processing, "LOOK_EVERY", 0.01)
        self.patch.setattr(ownership, "PATIENCE", 0.05)
        self.patch.setattr(ownership, "PAUSE", 0.01)
        self.patch.setattr(store, "BUSY_SECONDS", PATIENCE)
        self.patch.setattr(store, "LONGEST_WAIT", PATIENCE)
        self.folder = TemporaryDirectory()
        self.lives = 0
        self.model = Model()
        self.runner = asyncio.Runner(debug=True)
        self.inbox = VoteInbox(self.path)

    @property
    def path(self) -> Path:
        """Where the file of this life is."""
        return Path(self.folder.name) / f"{self.lives}.db"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Does something, and waits for its end."""
        return self.runner.run(work)

    # --- rules ---

    @rule(
        votes=st.lists(records, min_size=1, max_size=5),
        together=st.booleans(),
        times=st.integers(1, 2),
    )
    def votes_come(self, votes: list[Vote], together: bool, times: int) -> None:
        self.run(self.add(votes * times, together=together))

    async def add(self, votes: list[Vote], *, together: bool) -> None:
        known = [(vote, self.model.take(vote)) for vote in self.model.stamped(votes)]
        clear = [(vote, is_new) for vote, is_new in known if is_new is not None]
        if together:
            told = await asyncio.gather(*[self.inbox.add(vote) for vote, _ in clear])
        else:
            told = [await self.inbox.add(vote) for vote, _ in clear]
        assert told == [is_new for _, is_new in clear]

    async def read(self) -> None:
        votes = await self.inbox.votes()
        kept = [self.model.find(vote) for vote in votes]
        assert not any(one.is_before(other) for other, one in pairwise(kept))
        assert len(votes) == len(self.model.kept)
        for vote in votes:
            assert vote == self.model.find(vote).vote
        letters = await self.inbox.dead_letters()
        dead = {self.model.find(letter): letter.tries for letter in letters}
        dead = {one: tries for one, tries in dead.items() if not one.is_unsure}
        assert dead == {one: one.tries for one in self.model.of("dead")}

    @rule(limit=st.integers(1, 4), day=st.sampled_from([None, 0, 1, 2]))
    def the_best_voters_are_asked_for(self, limit: int, day: int | None) -> None:
        since = None if day is None else by_history(1, (day - 0.5) * DAY).created_at
        board = self.run(_awaited(self.inbox.top_voters(since, limit)))
        count: Counter[int | None] = Counter()
        weight: Counter[int | None] = Counter()
        for one in self.model.kept.values():
            if not one.vote.is_test and (since is None or one.records[0].cast_at >= since):
                count[one.vote.voter_id] += 1
                weight[one.vote.voter_id] += one.vote.weight or 1
        for standing in board:
            assert standing.votes == count[standing.voter_id]
            assert standing.weight == weight[standing.voter_id]
        best = sorted([(count[voter], weight[voter]) for voter in count], reverse=True)
        assert [(one.votes, one.weight) for one in board] == best[:limit]

    @rule(
        script=st.lists(fates, max_size=8),
        most=st.integers(1, 3),
        tries=st.integers(1, 3),
        late=st.lists(records, max_size=3),
        outcomes=st.sampled_from([1, 2, 5, 1000]),
        end=st.sampled_from(["dispose", "dispose", "close", "crash"]),
    )
    def votes_are_processed(
        self,
        script: list[str],
        most: int,
        tries: int,
        late: list[Vote],
        outcomes: int,
        end: str,
    ) -> None:
        run = Run(self.model, script, most, tries)
        self.run(self.process(run, most, tries, late, outcomes, end))
        assert not run.wrong

    async def process(
        self,
        run: Run,
        most: int,
        tries: int,
        late: list[Vote],
        outcomes: int,
        end: str,
    ) -> None:
        is_over = False
        ends: list[Any] = []

        def tell(outcome: Any) -> None:
            nonlocal is_over
            assert not is_over
            run.tell(outcome)
            if run.outcomes == outcomes:
                is_over = True
                if end == "crash":
                    self.snapshot()
                subscription.dispose()

        process = self.inbox.process(run.handle, most, tries=tries)
        subscription = process.subscribe(
            tell, ends.append, on_completed=lambda: ends.append("completed")
        )
        await self.add([vote for vote in late if self.model.is_clear(vote)], together=True)
        await until(lambda: is_over or run.wrong or run.is_settled())
        if end == "crash" and not is_over:
            self.snapshot()
        if end == "close" and not is_over:
            await self.inbox.close()
            assert ends == ["completed"]
        is_over = True
        subscription.dispose()
        await until(lambda: not any(map(_is_ours, asyncio.all_tasks())))
        assert ends in ([], ["completed"])
        for one in self.model.kept.values():  # what was handled is on disk, told or not
            one.told.clear()
        if end != "dispose":
            await self.live_again()

    @rule(is_same=st.booleans())
    def somebody_else_would_process(self, is_same: bool) -> None:
        self.run(self.refuse(self.inbox if is_same else VoteInbox(self.path)))

    async def refuse(self, other: VoteInbox) -> None:
        """While one processes, another one is sent away, and is given nothing."""
        errors: list[Exception] = []
        first, second = (Run(self.model, ["hangs"] * 3, 3, 1) for _ in range(2))
        processing = self.inbox.process(first.handle, 3).subscribe(first.tell)
        await until(first.is_settled)
        other.process(second.handle).subscribe(second.tell, errors.append)
        await until(lambda: errors or second.hanging)
        assert isinstance(errors[0], InboxError)
        assert not first.wrong
        processing.dispose()
        await until(lambda: not any(map(_is_ours, asyncio.all_tasks())))
        if other is not self.inbox:
            await other.close()

    def snapshot(self) -> None:
        """The file as a SIGKILL leaves it now. What was handled and not told of is on it or not."""
        after = Path(self.folder.name) / f"{self.lives + 1}.db"
        with closing(sqlite3.connect(self.path)) as old, closing(sqlite3.connect(after)) as new:
            old.backup(new)
        for one in self.model.kept.values():
            one.is_unsure = one.is_unsure or bool(one.told)

    async def live_again(self) -> None:
        """The old inbox is gone, and there is a new one, on the snapshot if one was made."""
        await self.inbox.close()
        if (self.path.parent / f"{self.lives + 1}.db").exists():
            self.lives += 1
        self.inbox = VoteInbox(self.path)
        await self.read()

    @rule()
    def it_is_opened_again(self) -> None:
        self.run(self.live_again())

    @rule(votes=st.lists(records, min_size=1, max_size=4), turns=st.integers(0, 40))
    def it_crashes_while_votes_come(self, votes: list[Vote], turns: int) -> None:
        self.run(self.crash(votes, turns))

    async def crash(self, votes: list[Vote], turns: int) -> None:
        """What was not acknowledged by then may be there or not; all that was, is."""
        await self.inbox.votes()  # there is a file
        votes = self.model.stamped(votes)
        fresh = [vote for vote in votes if not self.model.near(vote) and self.model.take(vote)]
        adding = {
            vote.query["number"]: asyncio.ensure_future(self.inbox.add(vote)) for vote in fresh
        }
        for _ in range(turns):
            await asyncio.sleep(0.0001)
        kept = {number for number, task in adding.items() if task.done() and task.result()}
        self.snapshot()
        await asyncio.gather(*adding.values())
        await self.inbox.close()
        self.lives += 1
        self.inbox = VoteInbox(self.path)
        there = {vote.query["number"] for vote in await self.inbox.votes()}
        assert kept <= there
        for number in adding.keys() - there:
            del self.model.kept[number]
        await self.read()

    @rule(place=st.integers(0, 10))
    def a_dead_letter_is_retried(self, place: int) -> None:
        for one in self.model.of("dead")[place:] or self.model.of("dead")[:1]:
            self.run(self.inbox.retry(one.vote))
            one.state, one.tries = "waits", 0

    @rule()
    def what_is_not_dead_is_not_retried(self) -> None:
        for one in (self.model.of("waits") + self.model.of("done"))[:2]:
            with pytest.raises(InboxError, match="no dead letter"):
                self.run(self.inbox.retry(one.vote))

    def teardown(self) -> None:
        if hasattr(self, "inbox"):
            try:
                self.run(self.live_again())
                self.run(self.inbox.close())
            finally:
                self.runner.close()
                self.folder.cleanup()
                self.patch.undo()


async def _awaited(call: Any) -> Any:
    return await call


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(LIBRARY)


class TestInbox(InboxMachine.TestCase):
    """A few lives."""

    settings = settings(unhurried, max_examples=10, stateful_step_count=20)


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestInboxForLonger(InboxMachine.TestCase):
    """Many of them, and longer ones."""

    settings = settings(unhurried, max_examples=60, stateful_step_count=40)
