"""A bot that is killed again and again."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

from tests.inbox import ROOT

from .lives import Life

__all__ = ["Mortal", "port_of_its_own"]


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
            self.kills += 1
            self._on_kill(Path(self._life.inbox))
            await asyncio.sleep(self._rng.uniform(0.0, 1.5) * self._hour)

    async def _until_its_end(self, process: Process, diary: Path) -> None:
        """Waits for the moment of a kill: while it starts, at any time, or as a handler returns."""
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
        if self.is_immortal and self.kills:
            await process.wait()

    async def _until_a_handler_returns(self, diary: Path) -> None:
        """Comes back at once then: what became of that vote is hardly on the disk yet."""
        with diary.open() as file:
            file.seek(0, os.SEEK_END)
            while "returned" not in file.read() and not self.is_immortal:
                await asyncio.sleep(0)


def port_of_its_own() -> int:
    """A port that nobody has, nor gets for a connection while the bot is dead.

    (Those that a system gives by itself are higher, 32,768 at the lowest.)
    """
    while True:
        port = Random().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
