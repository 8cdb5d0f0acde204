"""What can be asked of an inbox, what it is made with, and what is left when it is closed."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as ops

from rx_toppy import InboxError, ToppyError, Vote, VoteInbox
from rx_toppy.votes.operators.leaderboard import LeaderboardEntry

from . import NOON, Handler, after, by_history, by_v0, kept, until
from .conftest import MakeInbox


async def fill(inbox: VoteInbox, votes: list[Any]) -> None:
    await asyncio.gather(*map(inbox.add, votes))


async def test_votes_are_told_oldest_first(inbox: VoteInbox) -> None:
    """All of them, done or not, tests too, in the order in which they were cast."""
    await fill(inbox, [by_history(3, 30), by_v0(1, 10, is_test=True), by_history(2, 20)])
    handler = Handler()
    inbox.process(handler).subscribe()
    await until(lambda: len(handler.returned) == 3)
    assert [vote.voter_id for vote in await inbox.votes()] == [1, 2, 3]
    assert [vote.voter_id async for vote in inbox.votes()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("since", "expected"), [(0, [1, 2, 3]), (10, [1, 2, 3]), (20, [2, 3]), (20.1, [3])]
)
async def test_votes_since(inbox: VoteInbox, since: float, expected: list[int]) -> None:
    """From that moment on, which counts too."""
    await fill(inbox, [by_history(voter, voter * 10) for voter in (1, 2, 3)])
    assert [vote.voter_id for vote in await inbox.votes(since=after(since))] == expected


async def test_many_votes_are_read_page_by_page(inbox: VoteInbox) -> None:
    """More than one read gives: all there, each once, many of one moment."""
    await fill(inbox, [by_history(voter, voter // 600) for voter in range(1, 1_301)])
    assert [vote.voter_id for vote in await inbox.votes()] == list(range(1, 1_301))
    some = inbox.votes().pipe(ops.take(3), ops.to_list())
    assert [vote.voter_id for vote in await some] == [1, 2, 3]


async def test_top_voters(inbox: VoteInbox) -> None:
    """Who has voted most is first, then whose votes weigh more, then who began first."""
    await fill(
        inbox,
        [
            *(by_history(1, day * 43_200) for day in range(3)),
            by_history(2, 50, weight=2),
            by_history(3, 10),
            by_history(4, 5),
            by_v0(9, is_test=True),
            by_v0(9, 1, is_test=True),
        ],
    )
    assert await inbox.top_voters() == [
        LeaderboardEntry(1, 3, 3),
        LeaderboardEntry(2, 1, 2),
        LeaderboardEntry(4, 1, 1),
        LeaderboardEntry(3, 1, 1),
    ]
    assert await inbox.top_voters(limit=1) == [LeaderboardEntry(1, 3, 3)]
    assert await inbox.top_voters(since=after(43_200)) == [LeaderboardEntry(1, 2, 2)]


async def test_top_voters_by_votes_that_say_little(inbox: VoteInbox) -> None:
    """A vote of unknown weight counts once, a voter may be known by the id on top.gg only."""
    await fill(
        inbox,
        [
            *(by_history(1, at, weight=None) for at in (0, 100_000)),
            *(by_history(2, at, platform_id=None) for at in (50, 90_000)),
            Vote(received_at=NOON),
        ],
    )
    assert await inbox.top_voters() == [
        LeaderboardEntry(1, 2, 2),
        LeaderboardEntry(10**6 + 2, 2, 2),
    ]


async def test_an_empty_inbox(make_inbox: MakeInbox) -> None:
    """There is nothing in it, which is no error."""
    assert await make_inbox().votes() == []
    assert await make_inbox().top_voters() == []
    assert await make_inbox().dead_letters() == []


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("votes", {"since": datetime(2026, 1, 1)}, ValueError),
        ("votes", {"since": "2026"}, TypeError),
        ("top_voters", {"since": datetime(2026, 1, 1)}, ValueError),
        ("top_voters", {"limit": 0}, ValueError),
        ("top_voters", {"limit": "5"}, TypeError),
    ],
)
def test_arguments_that_cannot_be(path: Path, name: str, arguments: Any, error: Any) -> None:
    """They are refused where the call is made."""
    with pytest.raises(error):
        getattr(VoteInbox(path), name)(**arguments)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(None, TypeError), (5, TypeError), (b"votes.db", TypeError), ("", ValueError)],
)
def test_what_is_no_path(wrong: Any, error: Any) -> None:
    """An inbox takes the path of a file."""
    with pytest.raises(error, match="takes the path of a file"):
        VoteInbox(wrong)


@pytest.mark.parametrize("name", [":memory:", "folder", "folder/none/votes.db"])
def test_paths_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No memory, no folder, and no file in a folder that there is not."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"file|folder"):
        VoteInbox(name)


@pytest.mark.parametrize("kind", [str, Path])
async def test_paths_as_text_or_path(path: Path, kind: Any) -> None:
    """Both will do; the inbox says which it is."""
    async with VoteInbox(kind(path)) as inbox:
        assert inbox.path == path
        assert repr(inbox) == "<VoteInbox votes.db>"
        assert await inbox.add(by_history(1))
    assert [vote.voter_id for vote in await kept(path)] == [1]


def test_reprs_of_what_is_not_sent(path: Path) -> None:
    """A call that was not made yet says what it is."""
    inbox = VoteInbox(path)
    assert repr(inbox.votes()).startswith("<inbox.votes()")
    assert "2026-04-15" in repr(inbox.votes(NOON))
    assert repr(inbox.top_voters(limit=3)).startswith("<inbox.top_voters(3)")
    assert repr(inbox.dead_letters()).startswith("<inbox.dead_letters()")
    assert not path.exists()


CLOSED = {
    "add": lambda inbox: inbox.add(by_history(1)),
    "retry": lambda inbox: inbox.retry(by_history(1)),
    "votes": lambda inbox: inbox.votes(),
    "top_voters": lambda inbox: inbox.top_voters(),
    "dead_letters": lambda inbox: inbox.dead_letters(),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
async def test_a_closed_inbox(path: Path, call: Any, used: bool) -> None:
    """Whatever is asked of it is an `InboxError` that says that it was closed."""
    inbox = VoteInbox(path)
    if used:
        await inbox.add(by_history(1))
    await inbox.close()
    await inbox.close()
    with pytest.raises(InboxError, match="closed") as raised:
        await call(inbox)
    assert isinstance(raised.value, ToppyError)


async def test_what_was_begun_is_on_disk_when_close_returns(
    path: Path, make_inbox: MakeInbox
) -> None:
    """Votes whose add had not returned yet are kept, and their adds return."""
    inbox = make_inbox()
    adding = [asyncio.ensure_future(inbox.add(by_history(voter))) for voter in range(1, 51)]
    await asyncio.sleep(0)
    await inbox.close()
    assert await asyncio.gather(*adding) == [True] * 50
    assert len(await make_inbox().votes()) == 50


def handles(folder: Path) -> list[str]:
    """Which files of a folder this process has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")  # noqa: PTH112
async def test_nothing_is_left_after_close(tmp_path: Path, path: Path) -> None:
    """No thread, no task, no open file, and no warning."""
    before = {thread.ident for thread in threading.enumerate()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inbox = VoteInbox(path)
        handler = Handler()
        subscription = inbox.process(handler).subscribe()
        feed = inbox.feed(rx.never())
        await inbox.add(by_history(1))
        await until(lambda: handler.returned == [1])
        assert handles(tmp_path)
        await inbox.close()
        await feed
        del inbox, subscription, feed
        gc.collect()
    left = [
        thread.name
        for thread in threading.enumerate()
        if thread.ident not in before and "rx_toppy" in thread.name
    ]
    assert left == []
    assert handles(tmp_path) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [str(one.message) for one in caught] == []
    assert not (tmp_path / "votes.db-wal").exists()


def test_one_inbox_in_two_runs(path: Path) -> None:
    """It works again in a second `asyncio.run`, closed only there."""
    inbox = VoteInbox(path)

    async def first() -> None:
        outcomes: list[Any] = []
        subscription = inbox.process(Handler()).subscribe(outcomes.append)
        assert await inbox.add(by_history(1))
        await until(lambda: outcomes)
        subscription.dispose()
        await asyncio.sleep(0.05)
        assert await inbox.add(by_history(2))

    async def second() -> None:
        handler = Handler()
        inbox.process(handler).subscribe()
        await until(lambda: handler.returned == [2])
        assert len(await inbox.votes()) == 2
        await inbox.close()

    asyncio.run(first())
    asyncio.run(second())


def test_reading_outside_of_a_loop(path: Path) -> None:
    """`run()` gives what is kept to code without a loop."""
    inbox = VoteInbox(path)
    asyncio.run(inbox.add(by_history(1)))
    assert [vote.voter_id for vote in inbox.votes().run()] == [1]
    assert inbox.top_voters().run() == [LeaderboardEntry(1, 1, 1)]
    asyncio.run(inbox.close())
