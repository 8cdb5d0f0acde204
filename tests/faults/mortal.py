"""A bot that is killed again and again."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import msgspec

from tests.votes.inbox import ROOT

from .lives import Life

__all__ = ["Mortal", "claimed_port"]


class Mortal:
    """Runs the bot, kills it at random moments with SIGKILL, and runs it again after a pause.

    Attributes:
        is_immortal: Whether it is killed no more, once it was killed at all.
        kills: How often it was killed.

    Args:
        life: What each run is told.
        seed: Draws the moments.
        hour: How many seconds an hour takes.
        on_kill: Is given the inbox's file after each kill.
    """

    def __init__(
        self, life: Life, seed: int, hour: float, on_kill: Callable[[Path], object]
    ) -> None:
        self.is_immortal = False
        self.kills = 0
        self._killed = asyncio.Condition()
        self._is_due = asyncio.Event()
        self._life = life
        self._rng = Random(f"{seed} kills")
        self._hour = hour
        self._on_kill = on_kill

    async def live(self) -> None:
        """Goes on until it is cancelled.

        Raises:
            AssertionError: the bot has ended by itself.
        """
        diary = Path(self._life.diary)
        log = diary.with_name("log")
        while True:
            self._life.number = self.kills
            with log.open("ab") as errors:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.faults.lives", msgspec.json.encode(self._life)),
                    cwd=ROOT,
                    stdout=PIPE,
                    stderr=errors,
                )
            try:
                await self._until_its_end(process, diary)
                assert process.returncode is None, f"the bot has ended:\n{log.read_text()}"
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self._on_kill(Path(self._life.inbox))
            await self._note_kill()
            await asyncio.sleep(self._rng.uniform(0.0, 1.5) * self._hour)

    async def _note_kill(self) -> None:
        self._is_due.clear()
        async with self._killed:
            self.kills += 1
            self._killed.notify_all()

    async def is_killed_once_more(self) -> None:
        """Kills the bot, immortal or not, as soon as it lives; and waits for that."""
        kills = self.kills
        self._is_due.set()
        async with self._killed:
            await self._killed.wait_for(lambda: self.kills > kills)

    async def _until_its_end(self, process: Process, diary: Path) -> None:
        """Waits for the moment of a kill: one of chance, or when it is asked for."""
        if not self._is_spared:
            await self._until_a_moment(process, diary)
        if self._is_spared:
            waits = (process.wait(), self._is_due.wait())
            ends = [asyncio.ensure_future(wait) for wait in waits]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

    @property
    def _is_spared(self) -> bool:
        return self.is_immortal and self.kills > 0

    async def _until_a_moment(self, process: Process, diary: Path) -> None:
        """While it starts, at any time, or as a handler returns."""
        assert process.stdout is not None
        kind = self._rng.choice(("start", "any", "any", "handler", "handler"))
        if kind == "start":
            await asyncio.sleep(self._rng.uniform(0.0, 1.0))
        elif await process.stdout.readline():
            await asyncio.sleep(self._rng.uniform(0.0, 3.5) * self._hour)
            if kind == "handler":
                await self._until_a_handler_returns(diary)
        else:
            await process.wait()

    async def _until_a_handler_returns(self, diary: Path) -> None:
        """Comes back at once then: what became of that vote is hardly on the disk yet."""
        with diary.open() as file:
            file.seek(0, os.SEEK_END)
            while "returned" not in file.read() and not self.is_immortal:
                await asyncio.sleep(0.001)


@contextmanager
def claimed_port() -> Iterator[int]:
    """A port for TCP that nobody has, nor gets for a connection while the bot is dead.

    (Those that a system gives by itself are higher, 32,768 at the lowest.) Nobody who asks here
    gets it either: while it is claimed, its namesake for UDP is taken.
    """
    with ExitStack() as stack:
        while True:
            port = Random().randrange(20_000, 32_000)
            claim = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            with suppress(OSError), socket.socket() as probe:
                claim.bind(("127.0.0.1", port))
                probe.bind(("127.0.0.1", port))
                break
        yield port
