"""What the tests of the streams have in common: who listens, what is left behind, every call."""

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pytest

from rx_toppy import TopGG
from tests.standin import Answer, Seen, ok
from tests.standin.server import Book

BOT = 264811613708746752
TOKEN = "a-token-that-is-long-enough-to-be-found"
PATIENCE = 60.0  # of no matter where nothing hangs
LONGEST_TEST = 150.0


class Boom(Exception):
    """What callbacks, operators and sources of these tests raise."""


def no_op(*_: object) -> None:
    """A callback that does not care."""


def page(*ids: int, total: int | None = None) -> dict[str, object]:
    """The body of a page of bots."""
    body: dict[str, object] = {"results": [{"id": str(id)} for id in ids], "count": len(ids)}
    return body if total is None else body | {"total": total}


# --- every cold observable of a client ---


@dataclass(frozen=True)
class Case:
    """A call: how it is made, what the server answers, what then is heard of it."""

    name: str
    make: Callable[[TopGG], Any]
    path: str
    body: object
    brief: Callable[[Any], object]
    items: list[object]
    paged: bool = False

    def whole(self, awaited: Any) -> list[object]:
        """What an `await` gave, as a list of briefs."""
        return [self.brief(value) for value in (awaited if self.paged else [awaited])]

    def __str__(self) -> str:
        return self.name


def _id(value: Any) -> object:
    return value.id


def _ids(values: Any) -> object:
    return [value.id for value in values]


def _itself(value: Any) -> object:
    return value


PROJECT = "/v1/projects/@me"

CASES = [
    Case("fetch_bot", lambda c: c.fetch_bot(2), "GET /bots/2", {"id": "2"}, _id, [2]),
    Case("fetch_bots", lambda c: c.fetch_bots(2), "GET /bots", page(2, 3), _ids, [[2, 3]]),
    Case(
        "bulk_fetch_bots",
        lambda c: c.bulk_fetch_bots(2),
        "GET /bots",
        page(2, 3),
        _id,
        [2, 3],
        paged=True,
    ),
    Case(
        "fetch_votes",
        lambda c: c.fetch_votes(),
        f"GET /bots/{BOT}/votes",
        [{"id": "5", "username": "Luca"}],
        _ids,
        [[5]],
    ),
    Case(
        "upvote_check",
        lambda c: c.upvote_check(5),
        f"GET /bots/{BOT}/check",
        {"voted": 1},
        bool,
        [True],
    ),
    Case(
        "get_stats",
        lambda c: c.get_stats(),
        f"GET /bots/{BOT}/stats",
        {"server_count": 7, "shards": []},
        lambda stats: stats.server_count,
        [7],
    ),
    Case("post_stats", lambda c: c.post_stats(), f"POST /bots/{BOT}/stats", {}, int, [7]),
    Case("fetch_user", lambda c: c.fetch_user(5), "GET /users/5", {"id": "5"}, _id, [5]),
    Case(
        "is_weekend", lambda c: c.is_weekend(), "GET /weekend", {"is_weekend": True}, bool, [True]
    ),
    Case("project.fetch", lambda c: c.project.fetch(), f"GET {PROJECT}", {"id": "9"}, _id, [9]),
    Case(
        "project.edit",
        lambda c: c.project.edit({"en": "Music"}),
        f"PATCH {PROJECT}",
        None,
        _itself,
        [None],
    ),
    Case(
        "project.post_metrics",
        lambda c: c.project.post_metrics(server_count=7),
        f"PATCH {PROJECT}/metrics",
        None,
        _itself,
        [None],
    ),
    Case(
        "project.post_metrics_batch",
        lambda c: c.project.post_metrics_batch([(None, {"server_count": 7})]),
        f"POST {PROJECT}/metrics/batch",
        None,
        _itself,
        [None],
    ),
    Case(
        "project.post_commands",
        lambda c: c.project.post_commands([]),
        f"PUT {PROJECT}/commands",
        None,
        _itself,
        [None],
    ),
    Case(
        "project.vote",
        lambda c: c.project.vote(5),
        f"GET {PROJECT}/votes/5",
        {"weight": 2},
        lambda vote: vote.weight,
        [2],
    ),
]


def answer_all(book: Book) -> None:
    """Proper answers to all calls (the page of bots is that of `bulk_fetch_bots`)."""
    for case in CASES:
        book.reply(case.path, json=case.body)


class Catalogue:
    """As many bots as it is told to, page by page, in answer to `GET /bots`.

    Ids count from 1000; `special` holds other answers by offset.
    """

    FIRST = 1000

    def __init__(self, size: int, *, tells_total: bool = True) -> None:
        self.size = size
        self.tells_total = tells_total
        self.special: dict[int, Answer] = {}

    @property
    def ids(self) -> list[int]:
        """The ids of all."""
        return list(range(self.FIRST, self.FIRST + self.size))

    def page(self, limit: int, offset: int) -> Answer:
        """One page."""
        ids = self.ids[offset : offset + limit]
        return ok(page(*ids, total=self.size if self.tells_total else None))

    def __call__(self, seen: Seen) -> Answer:
        limit, offset = int(seen.query["limit"]), int(seen.query["offset"])
        return self.special.get(offset) or self.page(limit, offset)


def offsets(book: Book) -> list[int]:
    """At which offsets pages were asked for, in the order of arrival."""
    return [int(seen.query["offset"]) for seen in book.seen]


# --- who listens ---


class Heard:
    """An observer that writes down what it hears, and on which threads."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.threads: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def on_next(self, value: Any) -> None:
        """A value came."""
        self.values.append(value)
        self._note()

    def on_error(self, error: Exception) -> None:
        """It has failed."""
        self.errors.append(error)
        self._note()

    def on_completed(self) -> None:
        """It is complete."""
        self.completed += 1
        self._note()

    @property
    def is_over(self) -> bool:
        """Whether it has failed or is complete."""
        return bool(self.errors or self.completed)

    @property
    def nothing(self) -> bool:
        """Whether not a thing was heard."""
        return not (self.values or self.is_over)

    async def over(self) -> Self:
        """Waits for the end."""
        return await self.until(lambda: self.is_over)

    async def count(self, values: int) -> Self:
        """Waits for that many values."""
        return await self.until(lambda: len(self.values) >= values)

    async def until(self, true: Callable[[], bool]) -> Self:
        """Waits until something is true after something was heard."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._changed.clear()
                await self._changed.wait()
        return self

    def _note(self) -> None:
        self.threads.add(threading.get_ident())
        self._loop.call_soon_threadsafe(self._changed.set)


def on_thread(action: Callable[[], Any]) -> Any:
    """Does it on another thread while this one, and so its loop, stands still."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # handed on below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the thread hangs"
    if errors:
        raise errors[0]
    return results[0]


# --- what is left behind ---


def tasks_left() -> set[asyncio.Task[Any]]:
    """The running loop's tasks that are neither the test's own nor the stand-in's."""

    def is_standin(task: asyncio.Task[Any]) -> bool:
        code = getattr(task.get_coro(), "cr_code", None)
        return code is not None and "standin" in code.co_filename

    return {t for t in asyncio.all_tasks() - {asyncio.current_task()} if not is_standin(t)}


async def turns(count: int = 5) -> None:
    """Lets the loop come round: what can be done without waiting is done then."""
    for _ in range(count):
        await asyncio.sleep(0)


async def settled() -> None:
    """Waits until no task is left but the test's own."""
    await turns()
    try:
        async with asyncio.timeout(PATIENCE):
            while left := tasks_left():
                await asyncio.wait(left)
    except TimeoutError:
        raise AssertionError(f"tasks that do not end: {tasks_left()}") from None


class Calm:
    """What a loop was told of exceptions that nobody retrieved, and the like."""

    def __init__(self) -> None:
        self.complaints: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self._guard = loop.call_later(LONGEST_TEST, self._cancel_all)  # rather than hang

    async def check(self) -> None:
        """Fails if there was any, or if a task is left."""
        self._guard.cancel()
        await turns()
        gc.collect()
        await turns()
        assert not self.complaints
        assert not tasks_left()

    @staticmethod
    def _cancel_all() -> None:
        for task in asyncio.all_tasks():
            task.cancel("the test has hung")


@contextmanager
def no_warnings() -> Iterator[None]:
    """Fails if anything within warns, be it when it is garbage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def errors_of(
    caplog: pytest.LogCaptureFixture,
) -> list[tuple[str, BaseException | None, TracebackType | None]]:
    """What was logged as an error: message, exception, traceback."""
    logged = []
    for record in caplog.records:
        if record.levelno >= logging.ERROR:
            _, error, traceback = record.exc_info or (None, None, None)
            logged.append((record.getMessage(), error, traceback))
    return logged


def raised_in(traceback: TracebackType | None) -> list[str]:
    """The names of the functions that a traceback goes through."""
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return names
