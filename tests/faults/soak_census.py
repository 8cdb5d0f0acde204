"""What there is in a process at one moment: tasks, threads, file handles, objects, memory."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rx_toppy import TopGG

__all__ = ["Census", "grown"]

# What objects are counted, one by one: those of modules, and of types, that are called so.
COUNTED = ("rx_toppy.", "reactivex.", "_asyncio.", "aiohttp.client.", "sqlite3.")

# How long the last threads and connections may take to end, on a machine that is slow.
SETTLES = 60.0


class Census:
    """A count of all that may leak, made when nothing is under way."""

    def __init__(self, clients: Iterable[TopGG]) -> None:
        gc.collect()
        gc.collect()
        loop = asyncio.get_running_loop()
        self.memory, _ = tracemalloc.get_traced_memory()
        self.counts: Counter[str] = Counter(
            f"task {task.get_coro().__qualname__}"  # type: ignore[union-attr]
            for task in asyncio.all_tasks()
            if task is not asyncio.current_task()
        )
        self.counts.update(f"thread {name}" for name in _threads())
        self.counts.update(f"open {kind}" for kind in _handles())
        self.counts.update(f"object {kind}" for kind in _objects())
        self.counts.update(f"timer {timer}" for timer in _timers(loop))
        for client in clients:
            self.counts[f"subscribers of {client.events!r}".split(":")[0]] += len(
                client.events._listeners
            )
            self.counts["subscribers of client.autopost"] += len(client.autopost._posted._listeners)

    @classmethod
    async def of_rest(cls, clients: Iterable[TopGG]) -> Census:
        """A census as soon as everything has ended that does so by itself."""
        clients = tuple(clients)
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLES
        while loop.time() < until and (
            len(asyncio.all_tasks()) > 1 or any(_threads()) or any(_timers(loop))
        ):
            gc.collect()  # iterators that were left end when they are garbage
            await asyncio.sleep(0.1)
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.02)
        return cls(clients)

    def total(self, kind: str) -> int:
        """How many there are of all that is called so."""
        return sum(count for name, count in self.counts.items() if name.startswith(kind))

    def __str__(self) -> str:
        kinds = ("task", "thread", "open socket", "open file", "timer", "subscribers", "object")
        told = ", ".join(f"{self.total(kind):,} {kind}" for kind in kinds)
        return f"{told}, {self.memory / 1e6:.2f} MB"


def grown(before: Census, after: Census) -> list[str]:
    """Of what there is more than there was, and by how much."""
    more = after.counts - before.counts
    return [f"{count} more: {name}" for name, count in sorted(more.items())]


def _threads() -> list[str]:
    """The threads but for the main one, and those that the loop keeps for what blocks."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if not name.startswith(("MainThread", "asyncio_"))]


def _handles() -> Iterable[str]:
    for handle in Path("/proc/self/fd").iterdir():
        try:
            target = str(handle.readlink())
        except OSError:  # that of the listing itself
            continue
        kind, colon, _ = target.partition(":[")
        yield kind if colon else f"file {target}" if target.startswith("/") else target


def _objects() -> Iterable[str]:
    for thing in gc.get_objects():
        kind = type(thing)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name.startswith(COUNTED):
            yield name


def _timers(loop: asyncio.AbstractEventLoop) -> list[str]:
    """What the loop will call at some time, but for aiohttp's looks through its pools."""
    timers = [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
    callbacks = [timer._callback for timer in timers]
    return [
        getattr(callback, "__qualname__", repr(callback))
        for callback in callbacks
        if not str(getattr(callback, "__module__", "")).startswith("aiohttp")
    ]
