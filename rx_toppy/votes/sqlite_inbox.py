"""VoteInbox: votes on disk until they are handled."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from ..models import Vote
from . import sqlite_queries as records
from .file_lock import Ownership
from .inbox import Inbox
from .operators.leaderboard import LeaderboardEntry
from .sqlite_store import Store
from .sqlite_worker import Processing
from .worker import DeadLetter, Handler


class VoteInbox(Inbox):
    """Votes on disk, from the moment they are acknowledged until they are handled: one SQLite file.

    ```
    webhook, history --add--> | on disk | --process--> handler --returned--> done
                                   ^                      | raised
                                   +------ later ---------+----- too often --> dead letter
    ```

    What it guarantees: a vote that `add` has returned for (and so one that a `VoteWebhook` with
    this inbox has answered with a 2xx) is on disk, and reaches the handler of `process` at least
    once, whatever crashes. It never reaches it again once its completion is on disk, which is one
    commit after the handler has returned: only votes whose handler was running when the process
    died, or had returned within that commit, are handed over again. The same vote heard of twice,
    by whichever sources, is one vote. A vote whose handler raises holds back only the later votes
    of its own user.

    To have *exactly* once, let the handler's own database decide: in one transaction, insert the
    vote's key into a table where it is unique, and pay the reward. The key is the voter and
    `vote.received_at`, which stays as it is once the vote is kept::

        async def reward(vote):
            async with database.transaction():
                if await database.insert_if_new("rewarded", vote.voter_id, vote.received_at):
                    await database.pay(vote.voter_id, 100)

    Votes are synced to the disk before `add` returns; those that come together share a sync. The
    event loop never waits for the disk. Two processes may have the same file open; only one at a
    time, in all of a machine, may `process` it: another one's ends with an `InboxError`. (For many
    processes, see `rx_toppy.cluster.RedisInbox`.)

    Args:
        path: The file; it is made when it is first used, in a folder that there is.

    Raises:
        TypeError, ValueError: that is no path of a file.

    Example:
        >>> inbox = VoteInbox("votes.db")
        >>> webhook = VoteWebhook(secret=SECRET, inbox=inbox)
        >>> inbox.process(reward).subscribe()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"VoteInbox takes the path of a file, not {type(path).__name__}")
        file = Path(path)
        if str(path) in ("", ":memory:") or file.is_dir():
            raise ValueError(f"VoteInbox takes the path of a file, not {str(path)!r}")
        if not file.absolute().parent.is_dir():
            raise ValueError(f"there is no folder {str(file.parent)!r} to put {file.name} into")
        super().__init__()
        self._path = file
        # Whichever way it is reached, it is one file, and one process handles its votes.
        self._store = Store(Path(os.path.realpath(file)), records.add_all)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def __repr__(self) -> str:
        return f"<VoteInbox {self._path.name}>"

    def _add(self, vote: Vote) -> Awaitable[bool]:
        return self._store.add(vote)

    def _add_page(self, page: Sequence[Vote], cursor: str) -> Awaitable[list[Vote]]:
        return self._store.write(partial(records.add_page, page, cursor))

    def _cursor(self) -> Awaitable[str | None]:
        return self._store.read(records.stored_cursor)

    def _in_turn(self, follow: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        return follow()  # nobody else is expected to follow it

    @asynccontextmanager
    async def _handling(
        self, handler: Handler, most: int, tries: int
    ) -> AsyncGenerator[Processing, None]:
        lock = self._store.path.with_name(self._store.path.name + ".lock")
        async with Ownership(lock):
            yield Processing(self._store, handler, most, tries, self._rng)

    def _letters(self, behind: int, limit: int) -> Awaitable[list[tuple[int, DeadLetter]]]:
        return self._store.read(partial(records.dead_letters, behind, limit))

    def _revive(self, vote: Vote) -> Awaitable[bool]:
        return self._store.write(partial(records.revive, vote))

    def _kept(
        self, start: int | None, behind: tuple[int, int], limit: int
    ) -> Awaitable[list[tuple[int, int, Vote]]]:
        return self._store.read(partial(records.votes, start, behind, limit))

    def _standings(self, start: int | None, limit: int) -> Awaitable[list[LeaderboardEntry]]:
        return self._store.read(partial(records.top_voters, start, limit))

    def _end(self) -> Awaitable[None]:
        return self._store.close()
