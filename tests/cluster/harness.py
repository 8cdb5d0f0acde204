"""Processes of a cluster, what they said, and what top.gg saw of them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.standin import Seen, StandIn, ok, status, violations
from tests.votes.inbox import ROOT

from .lives import IDS, OWN_ID, Life

__all__ = ["Cluster", "Said", "TopGGSeen"]

PATIENCE = 60.0  # of no matter where nothing hangs
LOOK_EVERY = 0.02


class Said(msgspec.Struct, frozen=True):
    """A line of a process's.

    Attributes:
        number: Which process said it.
        what: "began", "ended", "posted" (`total`), "failed" (`error`, `text`), or "logged"
            (`level`, `text`). Of a vote (`text`): "kept", "handling", "handled", "outcome"
            (`level`).
        at: When, on the clock of all processes of this machine (`time.monotonic`).
    """

    number: int
    what: str
    at: float
    text: str = ""
    error: str = ""
    level: str = ""
    total: int = 0


class Cluster:
    """Processes that are started, frozen and killed; none is left when this is left.

    Args:
        folder: Where what they write to stderr goes.
        lives: What they are told.
    """

    def __init__(self, folder: Path, lives: Iterable[Life]) -> None:
        self.lives = {life.number: life for life in lives}
        self.said: list[Said] = []
        self._folder = folder
        self._processes: dict[int, Process] = {}
        self._listening: dict[int, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await asyncio.gather(*(self.kill(number) for number in list(self._processes)))
        if error is not None:
            for said in self.said[-60:]:
                error.add_note(str(said))
            error.add_note(self.stderr())

    async def start(self, *numbers: int) -> None:
        """Starts some, all of them where none is named; they have begun when this returns."""
        numbers = numbers or tuple(self.lives)
        await asyncio.gather(*self.launch(*numbers))

    def launch(self, *numbers: int) -> list[asyncio.Task[None]]:
        """Starts some; for each, what is done when it has begun."""
        return [asyncio.create_task(self._start(number)) for number in numbers]

    async def kill(self, *numbers: int) -> None:
        """Kills some with SIGKILL."""
        for number in numbers:
            process, listening = self._processes.pop(number), self._listening.pop(number)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await listening

    async def end(self, *numbers: int) -> None:
        """Lets some end as a program should."""
        for number in numbers:
            process = self._processes[number]
            assert process.stdin is not None
            process.stdin.close()
        for number in numbers:
            async with asyncio.timeout(PATIENCE):
                await self._processes[number].wait()
            await self.kill(number)

    def freeze(self, number: int) -> None:
        """Stops one where it stands (SIGSTOP)."""
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Lets it go on."""
        self._processes[number].send_signal(signal.SIGCONT)

    def heard(
        self, what: str, text: str = "", *, since: float = 0.0, of: int | None = None
    ) -> list[Said]:
        """What was said, with a text in it, since some moment, by all or one."""
        return [
            said
            for said in self.said
            if said.what == what
            and text in said.text
            and said.at >= since
            and of in (None, said.number)
        ]

    async def until(self, true: Callable[[], bool], what: str, patience: float = PATIENCE) -> float:
        """Waits until something is true; how many seconds that took."""
        since = time.monotonic()
        while not true():
            assert time.monotonic() - since < patience, f"waited {patience:g} s for {what}"
            for number, process in self._processes.items():
                assert process.returncode is None, f"process {number} ended:\n{self.stderr()}"
            await asyncio.sleep(LOOK_EVERY)
        return time.monotonic() - since

    def stderr(self) -> str:
        """What they have written where nobody should have to look."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("stderr-*")))

    async def _start(self, number: int) -> None:
        with (self._folder / f"stderr-{number}").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-m", type(self.lives[number]).__module__),
                msgspec.json.encode(self.lives[number]),
                cwd=ROOT,
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
            )
        self._processes[number] = process
        since = time.monotonic()
        self._listening[number] = asyncio.create_task(self._listen(number, process))
        await self.until(
            lambda: bool(self.heard("began", since=since, of=number)), f"process {number}"
        )

    async def _listen(self, number: int, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            with suppress(json.JSONDecodeError):  # one that was killed while it spoke
                self.said.append(msgspec.convert({"number": number} | json.loads(line), Said))


class TopGGSeen(StandIn):
    """A top.gg that answers everything, and knows which process has asked."""

    def __init__(self) -> None:
        super().__init__()
        self.default(self._answer)

    def forbid(self, seconds: int) -> None:
        """Answers the next request with a 429."""
        self._forbidding = seconds

    _forbidding = 0
    forbidden_at: float | None = None
    """When it did."""

    def _answer(self, seen: Seen) -> Any:
        if self._forbidding:
            seconds, self._forbidding = self._forbidding, 0
            self.forbidden_at = seen.at
            return status(429, json={"retry-after": seconds})
        if seen.path.startswith("/v1"):
            return status(204)
        return ok({"id": seen.path.split("/")[2]})

    def arrivals(self, prefix: str = "", *, since: float = 0.0) -> list[float]:
        """When requests have come to paths that begin so."""
        return [s.at for s in self.seen if s.path.startswith(prefix) and s.at >= since]

    def overfull(self, limits: Iterable[tuple[int, float, str]]) -> list[Any]:
        """The windows that hold more than a limit allows."""
        return [
            (prefix, *one)
            for calls, per, prefix in limits
            for one in violations(self.arrivals(prefix), calls, per)
        ]

    def turns(self, prefix: str = "", *, since: float = 0.0, until: float = 1e18) -> Counter[int]:
        """How many calls of each process have come."""
        return Counter(
            int(s.path.split("/")[2]) // IDS
            for s in self.seen
            if s.path.startswith(prefix) and str(OWN_ID) not in s.path and since <= s.at < until
        )

    def posts(self, *, since: float = 0.0) -> list[tuple[float, Any]]:
        """When statistics were posted, and which."""
        return [
            (s.at, json.loads(s.body)) for s in self.seen if s.method != "GET" and s.at >= since
        ]
