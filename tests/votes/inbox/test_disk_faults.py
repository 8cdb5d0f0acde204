"""A disk that is full, a file that is locked, or none: an error, a 503, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx

from rx_toppy import InboxError, VoteInbox, VoteWebhook
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import sqlite_store as store

from . import PATIENCE, ROOT, SECRET, WORDS, Handler, by_history, command, kept, until
from .conftest import MakeInbox

LARGE = {"text": "x" * 5_000}


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file is waited for a twentieth of a second."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another connection writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def fill_up(inbox: VoteInbox) -> None:
    """Lets the database grow no further."""
    await inbox._store.write(lambda database: database.execute("PRAGMA max_page_count = 1"))


async def make_room(inbox: VoteInbox) -> None:
    """Lets it grow again."""
    await inbox._store.write(lambda database: database.execute("PRAGMA max_page_count = 100000"))


async def test_a_locked_file(path: Path, inbox: VoteInbox) -> None:
    """A vote that could not be kept is an `InboxError`; the same vote is new afterwards."""
    with locked(path):
        results = await asyncio.gather(
            *(inbox.add(by_history(voter)) for voter in (1, 2, 3)), return_exceptions=True
        )
        assert {type(one) for one in results} == {InboxError}
        assert "votes.db could not be written to: database is locked" in str(results[0])
        assert isinstance(results[0].__cause__, sqlite3.OperationalError)
        assert await inbox.votes() == []
    assert await inbox.add(by_history(1)) is True
    assert len(await kept(path)) == 1


async def test_a_file_that_is_locked_before_it_is_opened(path: Path, inbox: VoteInbox) -> None:
    """An inbox that could not open its file opens it the next time."""
    await inbox.add(by_history(1))
    async with VoteInbox(path) as other:
        with locked(path), pytest.raises(InboxError, match="locked"):
            await other.add(by_history(2))
        assert await other.add(by_history(2))


async def test_a_short_lock_is_waited_for(
    path: Path, inbox: VoteInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on meanwhile."""
    monkeypatch.setattr(store, "BUSY_SECONDS", PATIENCE)
    async with VoteInbox(path) as other:
        await other.votes()
        turns = 0
        with locked(path):
            adding = asyncio.ensure_future(other.add(by_history(1)))
            for _ in range(20):
                await asyncio.sleep(0.005)
                turns += 1
            assert not adding.done()
        assert await adding is True
    assert turns == 20


async def test_a_full_disk(path: Path, inbox: VoteInbox) -> None:
    """What does not fit is an `InboxError`; what was kept stays, and there may be room later."""
    await inbox.add(by_history(1))
    await fill_up(inbox)
    votes = [by_history(voter, query=LARGE) for voter in range(2, 6)]
    results = await asyncio.gather(*map(inbox.add, votes), return_exceptions=True)
    assert {type(one) for one in results} == {InboxError}
    assert "full" in str(results[0])
    assert [vote.voter_id for vote in await inbox.votes()] == [1]
    await make_room(inbox)
    assert await asyncio.gather(*map(inbox.add, votes)) == [True] * 4
    assert len(await kept(path)) == 5


async def test_a_file_that_may_not_grow(path: Path) -> None:
    """The system refuses to write: all that was said to be kept is, and it goes on with room."""
    done = await asyncio.to_thread(
        subprocess.run, command("full", path, 300_000), cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    voters, error, went_on = json.loads(done.stdout)
    assert "could not be written to" in error
    assert went_on is True
    assert len(voters) > 5
    found = [vote.voter_id for vote in await kept(path)]
    assert sorted(found) == [*voters, len(voters) + 1]


@pytest.mark.parametrize("kind", ["v0", "v1"])
@pytest.mark.parametrize("trouble", ["locked", "full"])
async def test_a_webhook_answers_503_and_nothing_is_lost(
    path: Path, inbox: VoteInbox, sandbox: Sandbox, kind: str, trouble: str
) -> None:
    """While the disk is in trouble top.gg is told to come again, and it is taken when it does."""
    seal: Any = {"authorization": WORDS} if kind == "v0" else {"secret": SECRET}
    handler = Handler()
    inbox.process(handler).subscribe()
    async with VoteWebhook(port=0, inbox=inbox, **seal) as webhook:
        endpoint = sandbox.send_to(f"http://127.0.0.1:{webhook.port}/votes", **seal)
        if trouble == "locked":
            with locked(path):
                sandbox.vote(1)
                await until(lambda: endpoint.deliveries[0].tries)
        else:
            await fill_up(inbox)
            # Pages that are free already may still be filled.
            for voter in range(1_000, 1_200):
                try:
                    await inbox.add(by_history(voter, is_test=True))
                except InboxError:
                    break
            sandbox.vote(1, query="?" + "x" * 5_000 + "=1")
            if kind == "v1":  # which tells no query, and so needs less room
                for voter in range(2, 60):
                    sandbox.vote(voter)
            await until(lambda: all(one.tries for one in endpoint.deliveries))
            await make_room(inbox)
        first = {one.tries[0].status for one in endpoint.deliveries}
        assert 503 in first
        assert first <= {503, 204}
        endpoint.retry_now()
        await endpoint.wait_idle()
        assert endpoint.lost == 0
        voters = {one.user_id for one in endpoint.deliveries}
        await until(lambda: voters <= set(handler.returned))
    real = [vote.voter_id for vote in handler.votes if not vote.is_test]
    assert len(real) == len(voters)


async def test_a_completion_that_cannot_be_written_is_written_later(
    path: Path, inbox: VoteInbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler returned while the file was locked: the vote is done once there is a way."""
    await inbox.add(by_history(1))
    handler = Handler()
    handler.gate.clear()
    outcomes: list[Any] = []
    inbox.process(handler).subscribe(outcomes.append)
    await until(lambda: handler.running.total() == 1)
    with locked(path):
        handler.gate.set()
        await until(lambda: "could not be written down; trying again" in caplog.text)
    await until(lambda: outcomes)
    await asyncio.sleep(0.05)
    assert [one.status for one in outcomes] == ["done"]
    assert handler.voters == [1]


async def test_a_feed_goes_on_until_it_can_write(path: Path, inbox: VoteInbox) -> None:
    """Its source would not tell it again: what could not be kept is kept later."""
    with locked(path):
        feed = inbox.feed(rx.of(by_history(1), by_history(2)))
        await asyncio.sleep(0.2)
    async with asyncio.timeout(PATIENCE):
        await feed
    assert {vote.voter_id for vote in await inbox.votes()} == {1, 2}


async def test_a_file_that_is_no_database(path: Path, make_inbox: MakeInbox) -> None:
    """It is refused, and left as it is."""
    text = b"this is a diary, and no database at all.\n" * 100
    await asyncio.to_thread(path.write_bytes, text)
    inbox = make_inbox()
    with pytest.raises(InboxError, match="not a database"):
        await inbox.add(by_history(1))
    await inbox.close()
    assert await asyncio.to_thread(path.read_bytes) == text


async def test_process_ends_where_there_is_no_database(path: Path, make_inbox: MakeInbox) -> None:
    """What no waiting can help is an `InboxError`, and no try after another."""
    await asyncio.to_thread(path.write_bytes, b"These are no votes. " * 500)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(InboxError, match=r"votes\.db"):
            await anext(aiter(make_inbox().process(Handler())))


async def test_a_file_of_a_newer_version(path: Path, make_inbox: MakeInbox) -> None:
    """What a later version has made is not touched by an earlier one."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 1000")
    inbox = make_inbox()
    for _ in range(2):
        with pytest.raises(InboxError, match="newer version"):
            await inbox.add(by_history(1))


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """It is an `InboxError` each time, until there is a folder again."""
    folder = tmp_path / "gone"
    folder.mkdir()
    async with VoteInbox(folder / "votes.db") as inbox:
        folder.rmdir()
        with pytest.raises(InboxError, match="unable to open"):
            await inbox.add(by_history(1))
        folder.mkdir()
        assert await inbox.add(by_history(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    """It is an `InboxError`, and the reason is in it."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    async with VoteInbox(folder / "votes.db") as inbox:
        with pytest.raises(InboxError, match="unable to open"):
            await inbox.add(by_history(1))
