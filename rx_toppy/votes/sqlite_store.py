"""One SQLite file and the thread that writes to it.

Whoever has something to write waits for it to be on disk. All that has come while the disk was busy
is written in one transaction: a burst of votes shares one sync. The event loop never waits for the
disk, and a file that another process holds only makes the writing wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..errors import InboxError
from ..models import Vote

if TYPE_CHECKING:
    from sqlite3 import Connection


T = TypeVar("T")

# How long a transaction waits for another process to end its own, and how long anybody waits for
# the disk. A webhook has five seconds.
BUSY_SECONDS = 2.0
LONGEST_WAIT = 4.0

# However much has come: others wait for the transaction's end.
LARGEST_TRANSACTION = 5_000

VERSION = 1

# `at` is when a vote was cast, or came in where that is not known: what it is found and ordered by.
# Times are microseconds since 1970. `state`: 0 waits or runs, 1 is done, 2 is a dead letter.
SCHEMA = """
CREATE TABLE votes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    id INTEGER,
    user_id INTEGER,
    platform_id INTEGER,
    weight INTEGER,
    created_at INTEGER,
    expires_at INTEGER,
    received_at INTEGER NOT NULL,
    project_id INTEGER,
    is_test INTEGER NOT NULL,
    query TEXT NOT NULL,
    source TEXT,
    state INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE INDEX votes_in_time ON votes (at, seq);
CREATE INDEX votes_by_platform_id ON votes (platform_id, at);
CREATE INDEX votes_by_user_id ON votes (user_id, at) WHERE platform_id IS NULL;
CREATE INDEX votes_by_id ON votes (id) WHERE id IS NOT NULL;
CREATE INDEX votes_to_do ON votes (at, seq) WHERE state = 0;
CREATE INDEX dead_votes ON votes (seq) WHERE state = 2;
CREATE TABLE cursors (name TEXT PRIMARY KEY, cursor TEXT NOT NULL) WITHOUT ROWID;
"""


class Job(msgspec.Struct, Generic[T], eq=False):
    """Something to do with the database (or a vote to add), and who waits for what comes of it."""

    action: Callable[[Connection], T] | None
    vote: Vote | None
    future: asyncio.Future[T]
    result: Any = None
    error: InboxError | None = None


class Batch:
    """What has come in one turn of a loop, and goes to the disk together."""

    def __init__(self, jobs: list[Job[Any]], loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.jobs = jobs
        self.loop = loop
        self._name = name
        self._timer = loop.call_later(LONGEST_WAIT, self._expire)

    def settle(self) -> None:
        """Tells who waits; on their loop."""
        self._timer.cancel()
        for job in self.jobs:
            if not job.future.done():
                if job.error is None:
                    job.future.set_result(job.result)
                else:
                    job.future.set_exception(job.error)

    def _expire(self) -> None:
        """The disk takes too long; what is under way may well arrive there."""
        for job in self.jobs:
            if not job.future.done():
                late = InboxError(f"{self._name} was not written to within {LONGEST_WAIT:g} s")
                late.is_transient = True
                job.future.set_exception(late)


class Store:
    """A database file, opened when it is first used.

    Args:
        path: Where it is, or will be.
        add_all: Adds many votes at once, and says of each whether it was new.
    """

    def __init__(
        self, path: Path, add_all: Callable[[Sequence[Vote], Connection], list[bool]]
    ) -> None:
        self._add_all = add_all
        self.path = path
        self.is_closed = False
        self._is_made = False
        self._collected: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._jobs: SimpleQueue[Batch | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._reading: Connection | None = None
        self._lock = threading.Lock()

    def write(self, action: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Does something in a transaction; when the result is there, it is on disk.

        Raises:
            InboxError: nothing of it has happened.
        """
        return self._put(action, None)

    def add(self, vote: Vote) -> asyncio.Future[bool]:
        """Adds a vote, in a transaction with all others that come meanwhile: see `write`.

        Returns:
            Whether it was new.
        """
        return self._put(None, vote)

    def _put(self, action: Any, vote: Vote | None) -> asyncio.Future[Any]:
        self._check_open()
        loop = asyncio.get_running_loop()
        job: Job[Any] = Job(action, vote, loop.create_future())
        # What comes in one turn of the loop goes to the disk together, when that turn is over: the
        # two threads would only get into each other's way.
        with self._lock:
            collected = self._collected.setdefault(loop, [])
            collected.append(job)
        if len(collected) == 1:
            loop.call_soon(self._hand_over, loop)
        return job.future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            jobs = self._collected.pop(loop, None)
            if jobs is None:
                return
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write_all, name=f"rx_toppy writer of {self.path.name}", daemon=True
                )
                self._writer.start()
        self._jobs.put(Batch(jobs, loop, self.path.name))

    async def read(self, action: Callable[[Connection], T]) -> T:
        """Looks something up, beside whatever is written.

        Raises:
            InboxError: it can't be read.
        """
        if not self._is_made:
            await self.write(lambda _: None)
        with self._lock:
            self._check_open()
            if self._reader is None:
                self._reader = ThreadPoolExecutor(1, f"rx_toppy reader of {self.path.name}")
            running = asyncio.get_running_loop().run_in_executor(self._reader, self._read, action)
        return await running

    async def close(self) -> None:
        """Ends the threads, after all that was begun is on disk."""
        with self._lock:
            if self.is_closed:
                return
            self.is_closed = True
        loop = asyncio.get_running_loop()
        self._hand_over(loop)
        self._jobs.put(None)
        if self._writer is not None:
            await loop.run_in_executor(None, self._writer.join)
        if self._reader is not None:
            await loop.run_in_executor(self._reader, self._stop_reading)
            self._reader.shutdown()

    def _check_open(self) -> None:
        if self.is_closed:
            raise InboxError("this inbox was closed")

    def _read(self, action: Callable[[Connection], T]) -> T:
        import sqlite3

        try:
            if self._reading is None:
                self._reading = self._connect()
            return action(self._reading)
        except sqlite3.Error as error:
            raise _explained(f"{self.path.name} can't be read", error) from error

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()

    def _write_all(self) -> None:
        """The writer's life."""
        import sqlite3

        database: Connection | None = None
        is_over = False
        while not is_over:
            batches, is_over = self._waiting()
            jobs = [job for batch in batches for job in batch.jobs]
            try:
                if database is None and jobs:
                    database = self._opened()
                    self._is_made = True
                if database is not None and jobs:
                    self._transact(database, jobs)
            except (sqlite3.Error, OSError, InboxError) as error:
                for job in jobs:
                    job.error = _explained(f"{self.path.name} could not be written to", error)
            for batch in batches:
                with suppress(RuntimeError):  # the loop has closed: nobody waits there any more
                    batch.loop.call_soon_threadsafe(batch.settle)
        if database is not None:
            database.close()

    def _waiting(self) -> tuple[list[Batch], bool]:
        """All that waits, once there is something; and whether that is the last."""
        batches: list[Batch] = []
        size = 0
        more = self._jobs.get()
        with suppress(Empty):
            while more is not None:
                batches.append(more)
                size += len(more.jobs)
                if size >= LARGEST_TRANSACTION:
                    return batches, False
                more = self._jobs.get_nowait()
            return batches, True
        return batches, False

    def _transact(self, database: Connection, jobs: list[Job[Any]]) -> None:
        """Does all of it in one transaction; where that fails, each in one of its own."""
        import sqlite3

        try:
            database.execute("BEGIN IMMEDIATE")
            for is_adding, group in groupby(jobs, _is_adding):
                same = list(group)
                if is_adding:
                    results: Iterable[Any] = self._add_all([job.vote for job in same], database)  # type: ignore[misc]
                else:
                    results = [job.action(database) for job in same]  # type: ignore[misc]
                for job, result in zip(same, results, strict=True):
                    job.result = result
            database.execute("COMMIT")
        except BaseException as error:
            if database.in_transaction:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
            if len(jobs) > 1 and not _is_locked(error):
                for job in jobs:
                    self._transact(database, [job])
            else:
                for job in jobs:
                    job.error = _explained(f"{self.path.name} could not be written to", error)

    def _opened(self) -> Connection:
        """The database, made if there is none."""
        database = self._connect()
        try:
            _make_write_ahead(database)
            database.execute("BEGIN IMMEDIATE")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise InboxError(f"{self.path.name} was made by a newer version of rx_toppy")
            if version == 0:
                for statement in SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _connect(self) -> Connection:
        import sqlite3

        database = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # Each transaction is on the disk when it has ended, and not only on its way.
            database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            database.close()
            raise
        return database


def _make_write_ahead(database: Connection) -> None:
    """Puts the file into WAL mode, for which SQLite does not wait by itself."""
    import sqlite3
    import time

    for left in range(20, -1, -1):
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not left or not _is_locked(error):
                raise
            time.sleep(BUSY_SECONDS / 20)
        else:
            return


def _is_adding(job: Job[Any]) -> bool:
    return job.vote is not None


def _is_locked(error: BaseException) -> bool:
    return "locked" in str(error)


def _explained(what: str, error: BaseException) -> InboxError:
    if isinstance(error, InboxError):
        return error
    explained = InboxError(f"{what}: {error}")
    explained.is_transient = any(reason in str(error) for reason in ("locked", "full", "disk I/O"))
    explained.__cause__ = error
    return explained
