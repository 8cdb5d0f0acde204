"""The command line as processes: in pipes and in terminals; and the local top.gg that they ask."""

import asyncio
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from rich.screen import Screen as FullScreen

import rx_toppy
import rx_toppy.cli.demo.run  # what these have of their own to tell is known then
import rx_toppy.cli.watch.run
from rx_toppy import RequestEvent
from rx_toppy.cli import main
from rx_toppy.cli.live.board import Board
from rx_toppy.cli.live.screen import drawn
from rx_toppy.sandbox import Sandbox, faults
from rx_toppy.sandbox.ids import topgg_id
from tests.cli.forking import CAN_FORK, PATIENCE, Forked

ROOT = Path(rx_toppy.__file__).parents[1]
SCRIPT = "import sys; from rx_toppy.cli import main; sys.exit(main())"
NO_RICH = f"import sys; sys.modules['rich'] = None; {SCRIPT}"
# As the command, but it may look several times a second.
EAGER = f"from rx_toppy.cli import arguments; arguments.LEAST_EVERY = 0; {SCRIPT}"
TOKEN = "sandbox-token-of-somebody"
# What asyncio's debug mode remarks upon where a machine is busy with something else.
BUSY = re.compile(r"Executing <.* seconds\n")

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


@contextmanager
def started(
    *arguments: str, code: str | None = None, is_new: bool = False, **options: object
) -> Iterator[subprocess.Popen | Forked]:
    """The command as a process of its own, with every warning an error and asyncio's debug on.

    One that `is_new` is started by the operating system, and not forked.
    """
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "TERM": "xterm"}
    environment.pop("PYTHONUNBUFFERED", None)  # what is in a buffer at the end counts
    if is_new or not CAN_FORK:
        what = ["-m", "rx_toppy"] if code is None else ["-c", code]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        command = [sys.executable, "-W", "error", "-X", "dev", *what, *arguments]
        running = subprocess.Popen(command, cwd=ROOT, env=environment, **(pipes | options))
    else:
        running = Forked(arguments, code, environment, **options)
    with running as process:
        try:
            yield process
        finally:
            process.kill()


def finished(*arguments: str, **options: object) -> tuple[int, str, str]:
    """The exit status of the command, and what it wrote."""
    with started(*arguments, **options) as process:
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err and BUSY.sub("", err)


def ended(
    *arguments: str, when: Callable[[str], object], **options: object
) -> tuple[int, str, str]:
    """As much of a command that goes on: it is asked to end when it has shown enough."""
    with started(*arguments, **options) as process:
        shown = ""
        while not when(shown):
            line = process.stdout.readline()
            assert line, (shown, process.stderr.read())
            shown += line
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, shown + out, BUSY.sub("", err)


class Terminal:
    """A terminal for a process to run in, 24 lines high, and all that it showed."""

    def __init__(self, width: int = 80) -> None:
        self._width = width

    def __enter__(self) -> "Terminal":
        import pty
        import termios

        self._ours, self.end = pty.openpty()
        termios.tcsetwinsize(self.end, (24, self._width))
        self._shown = io.BytesIO()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def _read(self) -> None:
        try:
            while piece := os.read(self._ours, 65536):
                self._shown.write(piece)
        except OSError:
            pass  # how Linux says that nobody has the other end open any more

    def __exit__(self, *_: object) -> None:
        os.close(self.end)
        self._reader.join()
        os.close(self._ours)

    def wait_for(self, text: str) -> None:
        """Waits until it has shown a text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.01)

    @property
    def shown(self) -> str:
        return self._shown.getvalue().decode(errors="ignore").replace("\r\n", "\n")


def in_ascii(monkeypatch, *arguments: str) -> str:
    """What a command of this process writes to a pipe of ASCII."""
    out = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, "ascii", write_through=True))
        assert main(arguments) == 0
        sys.stdout.detach()
    return out.getvalue().decode("ascii")


def request(route: str, *, method: str = "GET", status: int = 200) -> RequestEvent:
    return RequestEvent(
        method=method,
        url=f"http://127.0.0.1{route}",
        route=route,
        status=status,
        elapsed=0.0123,
        attempt=1,
        error=None,
    )


def screen(board: Board, width: int, height: int, encoding: str = "utf-8") -> list[str]:
    """The lines that a terminal of that size and encoding would get."""
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    console = Console(file=out, width=width, height=height, color_system=None, force_terminal=True)
    console.print(FullScreen(drawn(board, console)))
    out.seek(0)
    return out.read().split("\n")


class Served:
    """A local top.gg on a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sandbox: Sandbox) -> None:
        self._loop = loop
        self.sandbox = sandbox
        self.fail_at: Callable[[int, faults.Fault, int], None]
        self.base = "--base-url", sandbox.base_url

    def do(self, action: Callable[[], object]) -> object:
        """Does something on the sandbox's thread."""

        async def act() -> object:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(PATIENCE)

    def vote(self, count: int = 1) -> list[int]:
        """Lets so many votes arrive; who voted."""
        return [self.do(self.sandbox.vote) for _ in range(count)]

    def fail(self, fault: faults.Fault, **when: object) -> faults.Fault:
        return self.do(lambda: self.sandbox.fail(fault, **when))

    def wait_for(self, requests: int) -> None:
        """Waits until so many requests have come."""
        deadline = time.monotonic() + PATIENCE
        while len(self.sandbox.requests) < requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def history(self) -> list[dict[str, object]]:
        """All the votes that there are, as an export should have them."""
        log = self.sandbox._world.votes
        return [
            {
                "user_id": topgg_id(vote.user_id),
                "platform_id": vote.user_id,
                "weight": vote.weight,
                "created_at": vote.at,
                "expires_at": vote.expires_at,
            }
            for vote in log.page(0, len(log))
        ]


@contextmanager
def serving(**options: object) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    later: list[tuple[int, faults.Fault, int]] = []
    seen = 0

    def on_request(_: object) -> None:
        nonlocal seen
        seen += 1
        for number, fault, times in later:
            if number == seen:
                sandbox.fail(fault, times=times)

    options = {"seed": 4, "bots": 20, "votes": 0, "votes_per_minute": 0} | options
    sandbox = Sandbox(token=TOKEN, on_request=on_request, **options)
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(PATIENCE)
        served = Served(loop, sandbox)
        served.fail_at = lambda *what: later.append(what)
        try:
            yield served
        finally:
            asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
