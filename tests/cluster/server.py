"""A redis-server of the test's own, to be stopped, killed, frozen and started again."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.mortal import claimed_port

__all__ = ["HOST", "PROGRAM", "RedisServer"]

HOST = "127.0.0.1"
PROGRAM = "redis-server"
PATIENCE = 60.0  # of no matter where nothing hangs
LOOK_EVERY = 0.01


class RedisServer:
    """A redis-server on a free port of this machine. It belongs to no loop.

    What it has answered for is there again after `restart()`, be it killed or stopped: it is
    written to its file before the answer goes out.

    async with RedisServer(tmp_path) as server:
        ...  # server.url
        await server.restart(kill=True)

    Args:
        folder: Where its files are; made if need be.
        appendonly: Whether it keeps its data in a file.
        password: What those who connect have to give.
    """

    def __init__(
        self, folder: Path, *, appendonly: bool = True, password: str | None = None
    ) -> None:
        self._claim = ExitStack()
        self.port = self._claim.enter_context(claimed_port())
        self._folder = folder
        self._password = password
        options = {
            "port": str(self.port),
            "bind": HOST,
            "dir": str(folder),
            "logfile": "log",
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            # Written before the answer, which is all that a SIGKILL asks for. (Redis's "everysec"
            # puts off writing while the disk is slow.)
            "appendfsync": "no",
        }
        if password is not None:
            options["requirepass"] = password
        self._command = [PROGRAM]
        for name, value in options.items():
            self._command += [f"--{name}", value]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, with the password if it has one."""
        return self.url_by(self.port)

    def url_by(self, port: int) -> str:
        """The same by the port of a proxy that stands before it."""
        login = "" if self._password is None else f":{self._password}@"
        return f"redis://{login}{HOST}:{port}/0"

    @property
    def is_running(self) -> bool:
        """Whether its process is there, be it frozen or not."""
        return self._process is not None and self._process.poll() is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end()

    async def start(self) -> None:
        """Starts it, unless it runs; it has answered when this returns."""
        if self.is_running:
            return
        self._launch()
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._answers():
                    assert self.is_running, f"redis-server has ended:\n{self._log()}"
                    await asyncio.sleep(LOOK_EVERY)
        except BaseException:
            self.end()
            raise

    async def stop(self) -> None:
        """Asks it to end, and waits until it has; frozen, it thaws for that."""
        self.resume()
        await self._ended(signal.SIGTERM)

    async def kill(self) -> None:
        """Kills it with SIGKILL."""
        await self._ended(signal.SIGKILL)

    async def restart(self, *, kill: bool = False, empty: bool = False) -> None:
        """Ends it and starts it again on the same port.

        Args:
            kill: By SIGKILL, in place of a request to end.
            empty: Without the data that it had.
        """
        await (self.kill() if kill else self.stop())
        if empty:
            shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)
        await self.start()

    def pause(self) -> None:
        """Freezes it (SIGSTOP): connections are taken by the system, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Thaws it (SIGCONT): it answers what has been asked meanwhile."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Leaves no process behind. It waits for that, so it is for the end of a test."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._claim.close()

    async def ask(self, *words: str) -> str:
        """The first line that it answers to a command: "+PONG" to "PING"."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            if self._password is not None:
                writer.write(f"AUTH {self._password}\r\n".encode())
                await reader.readline()
            writer.write(f"{' '.join(words)}\r\n".encode())
            return (await reader.readline()).decode().strip()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _launch(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    async def _answers(self) -> bool:
        # Another program's port would not know the word; while it loads, Redis answers an error.
        with suppress(OSError):
            return await self.ask("PING") == "+PONG"
        return False

    async def _ended(self, number: signal.Signals) -> None:
        self._signal(number)
        async with asyncio.timeout(PATIENCE):
            while self.is_running:
                await asyncio.sleep(LOOK_EVERY)
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _log(self) -> str:
        path = self._folder / "log"
        return path.read_text() if path.exists() else "(it has written nothing)"
