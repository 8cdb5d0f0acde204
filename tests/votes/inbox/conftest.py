"""Inboxes that are closed at the end, and pauses that are short."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rx_toppy import StandaloneBot, TopGG, VoteInbox
from rx_toppy.sandbox import Sandbox
from rx_toppy.votes import file_lock as ownership
from rx_toppy.votes import inbox as base
from rx_toppy.votes import sqlite_store as store
from rx_toppy.votes import sqlite_worker as processing

from . import PATIENCE

MakeInbox = Callable[[], VoteInbox]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes hundredths; who waits for another one waits as long as it takes."""
    monkeypatch.setattr(processing, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(processing, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(processing, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(ownership, "PATIENCE", PATIENCE)
    monkeypatch.setattr(base, "PAUSE", 0.02)
    monkeypatch.setattr(store, "BUSY_SECONDS", PATIENCE)
    monkeypatch.setattr(store, "LONGEST_WAIT", PATIENCE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an inbox may be."""
    return tmp_path / "votes.db"


@pytest.fixture
async def make_inbox(path: Path) -> AsyncIterator[MakeInbox]:
    """Makes inboxes of one and the same file."""
    made: list[VoteInbox] = []

    def make() -> VoteInbox:
        made.append(VoteInbox(path))
        return made[-1]

    yield make
    for inbox in made:
        await inbox.close()


@pytest.fixture
async def inbox(make_inbox: MakeInbox) -> VoteInbox:
    """An inbox, whose file there is already."""
    inbox = make_inbox()
    await inbox.votes()
    return inbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A top.gg of our own, without votes but those that a test casts; three to a page."""
    async with Sandbox(
        bots=1, votes=0, votes_per_page=3, votes_per_minute=0, rate_limits=()
    ) as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[TopGG]:
    """A client of the sandbox."""
    client = TopGG(
        StandaloneBot(sandbox.bot_id, server_count=1),
        token=sandbox.token,
        base_url=sandbox.base_url,
        autopost=False,
        retries=0,
        rate_limits=(),
    )
    async with client:
        yield client
