"""`VoteInbox.add`: on disk when it returns, and each vote once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rx_toppy import InboxError, Vote, VoteInbox

from . import ROOT, after, by_history, by_v0, by_v1, command, kept, life, until
from .conftest import MakeInbox

SOURCES = {"history": by_history, "v0": by_v0, "v1": by_v1}
ORDERS = list(permutations(SOURCES))


async def test_a_vote_is_on_disk_when_add_returns(path: Path, inbox: VoteInbox) -> None:
    """Another connection finds it at once, while the inbox is still open."""
    assert await inbox.add(by_history(7)) is True
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT COUNT(*) FROM votes").fetchone() == (1,)
    assert [vote.voter_id for vote in await kept(path)] == [7]


async def test_the_file_is_in_wal_mode(path: Path, inbox: VoteInbox) -> None:
    """Readers and the writer do not wait for each other."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def neighbours(path: Path) -> list[Path]:
    return list(path.parent.iterdir())


async def test_the_file_is_made_when_it_is_first_used(path: Path) -> None:
    """To make an inbox touches no disk; to add to it does."""
    inbox = VoteInbox(path)
    assert neighbours(path) == []
    await inbox.add(by_history(1))
    assert path in neighbours(path)
    await inbox.close()


async def test_what_was_kept_outlives_a_kill(path: Path) -> None:
    """A process that is killed after its add has returned has lost nothing."""
    with life("keep", path, 5) as keeper:
        said = [await keeper.hear() for _ in range(5)]
        keeper.kill()
    assert said == [vote.voter_id for vote in await kept(path)] == [1, 2, 3, 4, 5]


async def test_all_that_is_known_of_a_vote_is_kept(path: Path, inbox: VoteInbox) -> None:
    """It comes back from the file as it was put in."""
    votes = [
        by_v1(1, 0.123456, weight=2, query={"a": "1", "ä": "ö & 日本"}),
        by_v0(2, 5),
        by_history(3, 10),
        by_v0(4, 20, is_test=True),
        Vote(user_id=2**63 - 1, received_at=after(30), project_id=2**63 - 1),
    ]
    for vote in votes:
        assert await inbox.add(vote)
    assert await kept(path) == votes


@pytest.mark.parametrize(("weight", "known"), [(2**63 - 1, 2**63 - 1), (2**63, None), (0, 0)])
async def test_weights_of_any_size(inbox: VoteInbox, weight: int, known: int | None) -> None:
    """A weight that no column holds is not known, and the vote is kept all the same."""
    assert await inbox.add(by_history(1, weight=weight))
    assert [vote.weight for vote in await inbox.votes()] == [known]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
async def test_the_same_again_is_not_new(inbox: VoteInbox, source: Any, together: bool) -> None:
    """A vote that comes three times is new the first time."""
    adding = [inbox.add(source(1)) for _ in range(3)]
    is_new = await asyncio.gather(*adding) if together else [await one for one in adding]
    assert is_new == [True, False, False]
    assert len(await inbox.votes()) == 1


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
async def test_sources_tell_of_the_same_vote(
    inbox: VoteInbox, order: tuple[str, ...], together: bool
) -> None:
    """History, v0 and v1 are one vote, in whichever order and batch."""
    adding = [inbox.add(SOURCES[name](1)) for name in order]
    is_new = await asyncio.gather(*adding) if together else [await one for one in adding]
    assert is_new == [True, False, False]
    [vote] = await inbox.votes()
    assert vote.created_at == after(0)
    assert vote.project_id is not None
    assert (vote.platform_id, vote.user_id) == (1, 10**6 + 1)


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
async def test_what_each_source_knows_comes_together(
    inbox: VoteInbox, order: tuple[str, ...]
) -> None:
    """A record is completed by what another source tells of the vote."""
    known = {"v0": {"query": {"ref": "x"}}}
    for name in order:
        await inbox.add(SOURCES[name](1, 0, **known.get(name, {})))
    [vote] = await inbox.votes()
    assert vote.id == 10**9
    assert vote.expires_at == after(43_200)
    assert vote.project_id == by_v0(1).project_id
    assert vote.user_id == 10**6 + 1


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
async def test_when_it_came_stays_as_it_was_first_told(
    inbox: VoteInbox, order: tuple[str, ...], together: bool
) -> None:
    """`received_at` and `source` are the first record's: a handler may rest its key on them."""
    first, *_ = votes = [SOURCES[name](1) for name in order]
    adding = [inbox.add(vote) for vote in votes]
    await asyncio.gather(*adding) if together else [await one for one in adding]
    [vote] = await inbox.votes()
    assert (vote.received_at, vote.source) == (first.received_at, first.source)


def _pair(a: Vote, b: Vote, same: bool, label: str) -> Any:
    return pytest.param(a, b, same, id=label)


RULES = [
    _pair(
        by_v1(1, id=5), by_v1(2, 5_000, id=5), True, "equal ids are one vote, whatever else is said"
    ),
    _pair(by_v1(1, id=5), by_v1(1, id=6), True, "other ids, but voter and time are equal"),
    _pair(by_v1(1, id=5), by_v1(2, id=6), False, "another voter"),
    _pair(by_history(1), by_history(1, 1.0), True, "a second between"),
    _pair(by_history(1), by_history(1, 1.000001), False, "more than a second between"),
    _pair(by_history(1), by_history(1, 43_200), False, "12 hours between"),
    _pair(by_history(1, project_id=3), by_history(1, project_id=4), False, "another project"),
    _pair(by_history(1, project_id=3), by_history(1), True, "one knows no project"),
    _pair(by_v0(1), by_v0(1, late=2_049), True, "v0 twice, the last of its tries"),
    _pair(by_v0(1, late=0), by_v0(1, late=2_400), True, "v0 twice within 40 minutes"),
    _pair(by_v0(1, late=0), by_v0(1, late=2_400.001), False, "v0 after more than 40 minutes"),
    _pair(by_v0(1, project_id=3), by_v0(1, project_id=4), False, "v0 for two projects"),
    _pair(by_v0(1, late=2_400), by_history(1), True, "v0 late, within 40 minutes of the vote"),
    _pair(by_v0(1, late=2_401), by_history(1), False, "v0 over 40 minutes after the vote"),
    _pair(by_v0(1, late=-2_400), by_history(1), True, "v0 before the vote, by another clock"),
    _pair(by_v0(1), by_v0(2), False, "v0 of two voters"),
    _pair(by_v0(1, is_test=True), by_v0(1, is_test=True), False, "two tests"),
    _pair(by_v0(1, is_test=True), by_v0(1), False, "a test and a vote by v0"),
    _pair(by_v1(1, is_test=True), by_v1(1, is_test=True), False, "two tests of one id"),
    _pair(by_v1(1, is_test=True), by_history(1), False, "a test and a vote by v1"),
    _pair(
        by_history(1),
        by_history(9, user_id=by_history(1).user_id),
        False,
        "one id on top.gg, two on the platform",
    ),
    _pair(
        by_history(1),
        by_history(1, platform_id=None),
        True,
        "one of them knows only the id on top.gg",
    ),
    _pair(
        by_history(1, user_id=None),
        by_history(1, platform_id=None),
        False,
        "two ids that can't be compared",
    ),
    _pair(
        by_history(1, platform_id=None),
        by_history(1, platform_id=None),
        True,
        "both know only the id on top.gg",
    ),
    _pair(Vote(received_at=after(0)), Vote(received_at=after(0)), False, "nobody knows who voted"),
]


@pytest.mark.parametrize(("a", "b", "same"), RULES)
@pytest.mark.parametrize("turned", [False, True], ids=["as said", "the other way round"])
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one turn"])
async def test_when_two_records_are_one_vote(
    inbox: VoteInbox, a: Vote, b: Vote, same: bool, turned: bool, together: bool
) -> None:
    """The rule, by each of its branches, whichever comes first."""
    pair = [b, a] if turned else [a, b]
    adding = [inbox.add(vote) for vote in pair]
    is_new = await asyncio.gather(*adding) if together else [await one for one in adding]
    assert is_new == [True, not same]
    assert len(await inbox.votes()) == (1 if same else 2)


async def test_the_next_vote_of_a_user_is_new(inbox: VoteInbox) -> None:
    """A user votes every 12 hours, and each vote is told of by all three sources."""
    new = 0
    for day in range(4):
        for source in (by_v0, by_history, by_v1):
            new += await inbox.add(source(1, day * 43_200))
    assert new == len(await inbox.votes()) == 4


async def test_a_vote_that_is_done_is_known_still(inbox: VoteInbox) -> None:
    """The history tells of a handled vote days later: it is not handled again."""
    await inbox.add(by_v1(1))
    outcomes = []
    inbox.process(lambda vote: asyncio.sleep(0)).subscribe(outcomes.append)
    await until(lambda: outcomes)
    late = after(0) + timedelta(days=3)
    assert not await inbox.add(by_history(1, received_at=late))
    await inbox.add(by_history(2, received_at=late))
    await until(lambda: len(outcomes) >= 2)
    assert [outcome.vote.voter_id for outcome in outcomes] == [1, 2]


async def test_a_vote_that_cannot_be_written_harms_no_other(inbox: VoteInbox) -> None:
    """What shares a transaction with it is kept all the same."""
    votes = [by_history(1), by_history(2, query={"a": "\ud800"}), by_history(3)]
    results = await asyncio.gather(*map(inbox.add, votes), return_exceptions=True)
    assert results[::2] == [True, True]
    assert isinstance(results[1], InboxError)
    assert [vote.voter_id for vote in await inbox.votes()] == [1, 3]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 1_000])
async def test_a_burst_of_votes(inbox: VoteInbox, count: int) -> None:
    """However many come in one turn, and each of them twice: each is there once."""
    votes = [by_history(voter, voter % 7) for voter in range(1, count + 1)]
    is_new = await asyncio.gather(*map(inbox.add, votes + votes))
    assert is_new == [True] * count + [False] * count
    assert {vote.voter_id for vote in await inbox.votes()} == set(range(1, count + 1))


async def test_a_cancelled_add_breaks_nothing(inbox: VoteInbox) -> None:
    """Whoever stops waiting for an add leaves the others' as they are."""
    adding = [asyncio.ensure_future(inbox.add(by_history(voter))) for voter in (1, 2, 3)]
    await asyncio.sleep(0)
    adding[1].cancel()
    with suppress(asyncio.CancelledError):
        await adding[1]
    assert await asyncio.gather(adding[0], adding[2]) == [True, True]
    assert not await inbox.add(by_history(3))


@pytest.mark.parametrize("wrong", [None, 5, {"user": 1}, "vote"])
async def test_only_votes_are_taken(inbox: VoteInbox, wrong: Any) -> None:
    """Anything else is a TypeError that says what came."""
    with pytest.raises(TypeError, match=f"takes a Vote, not {type(wrong).__name__}"):
        await inbox.add(wrong)


async def test_two_inboxes_of_one_file(make_inbox: MakeInbox) -> None:
    """Both may add at the same time; a vote is new to one of them only."""
    one, other = make_inbox(), make_inbox()
    votes = [by_history(voter) for voter in range(1, 301)]
    new = await asyncio.gather(*(box.add(vote) for vote in votes for box in (one, other)))
    assert sum(new) == 300
    assert len(await one.votes()) == len(await other.votes()) == 300


async def test_two_processes_add_the_same_votes(path: Path) -> None:
    """Three sources, two processes, other orders: each vote is there once, new to one of them."""

    def run() -> list[str]:
        adders = [
            subprocess.Popen(
                command("add", path, 200, seed),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in (1, 2)
        ]
        for adder in adders:
            assert adder.stdout is not None
            assert adder.stdout.readline().strip() == '"ready"'
        for adder in adders:
            assert adder.stdin is not None
            adder.stdin.write("go\n")
            adder.stdin.flush()
        return [adder.communicate()[0] for adder in adders]

    said = await asyncio.to_thread(run)
    assert sum(map(int, said)) == 200
    votes = await kept(path)
    assert len(votes) == 200
    assert {vote.voter_id for vote in votes} == set(range(1, 201))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[Vote]]]:
    """Some votes, each told of any number of times in any order, in batches."""
    count = draw(st.integers(1, 6))
    votes = []
    for n in range(count):
        # Half of them are of one voter, 12 hours apart.
        voter, at = (1, n * 43_200.0) if n % 2 else (n + 2, draw(st.floats(0, 100_000)))
        tellings = draw(st.lists(st.sampled_from(["history", "v0", "v1"]), min_size=1, max_size=5))
        for name in tellings:
            if name == "v0":
                votes.append(by_v0(voter, at, late=draw(st.floats(0, 2_100))))
            elif name == "v1":
                votes.append(by_v1(voter, at, created_at=after(at + draw(st.floats(0, 0.4)))))
            else:
                votes.append(by_history(voter, at, created_at=after(at - draw(st.floats(0, 0.4)))))
    votes = draw(st.permutations(votes))
    batches = []
    while votes:
        size = draw(st.integers(1, len(votes)))
        batches.append(votes[:size])
        votes = votes[size:]
    return count, batches


def check_deliveries(told: tuple[int, list[list[Vote]]]) -> None:
    """No order, no batching and no repetition makes more or fewer records than votes."""
    count, batches = told

    async def add_all(path: Path) -> int:
        async with VoteInbox(path) as inbox:
            new = 0
            for batch in batches:
                new += sum(await asyncio.gather(*map(inbox.add, batch)))
            assert len(await inbox.votes()) == new
        return new

    with TemporaryDirectory() as folder:
        assert asyncio.run(add_all(Path(folder) / "votes.db")) == count


# A machine that is slow draws slowly.
SLOW = [HealthCheck.too_slow]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(deliveries())
def test_any_deliveries_of_so_many_votes_are_so_many_records(
    told: tuple[int, list[list[Vote]]],
) -> None:
    """No order, no batching and no repetition makes more or fewer of them."""
    check_deliveries(told)


@pytest.mark.slow
@settings(max_examples=500, suppress_health_check=SLOW)
@given(deliveries())
def test_more_deliveries_of_so_many_votes_are_so_many_records(
    told: tuple[int, list[list[Vote]]],
) -> None:
    """No order, no batching and no repetition makes more or fewer of them."""
    check_deliveries(told)
