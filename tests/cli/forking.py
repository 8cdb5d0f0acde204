"""Commands as processes that start at once: one process imports what all need, and is forked.

The imports of a command take half a second of a processor, and there are some eighty commands to
run. What a command does after them, and how it ends, is that of a process of its own.

The process that is forked runs this file by itself: nothing of the tests is imported there.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
# All that commands import, but rich, which is not to be there for some.
IMPORTED = (
    "rx_toppy.cli",
    "rx_toppy.cli.demo.run",
    "rx_toppy.cli.serving",
    "rx_toppy.cli.watch.run",
)
CAN_FORK = sys.platform.startswith("linux")
PATIENCE = 30.0


# --- in the tests' process -----------------------------------------------------------------------


class Forked:
    """A command that runs: as much of `subprocess.Popen` as the tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        code: str | None,
        environment: Mapping[str, str],
        *,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        encoding: str | None = "utf-8",
    ) -> None:
        request = {"arguments": arguments, "code": code, "environment": dict(environment)}
        self.returncode: int | None = None
        self.stdout, out = self._end(stdout, encoding)
        self.stderr, err = self._end(stderr, encoding)
        self._status, status = os.pipe()
        try:
            _ask(json.dumps(request).encode(), [out, err, status])
        finally:
            for end, is_ours in ((out, self.stdout), (err, self.stderr), (status, True)):
                if is_ours:
                    os.close(end)
        self.pid = _number(self._status)

    @staticmethod
    def _end(where: Any, encoding: str | None) -> tuple[IO[Any] | None, int]:
        """The end of a pipe to read from, if it is to be one, and what is to be written to."""
        if where != subprocess.PIPE:
            return None, where if isinstance(where, int) else where.fileno()
        ours, theirs = os.pipe()
        return os.fdopen(ours, "r" if encoding else "rb", encoding=encoding), theirs

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in filter(None, (self.stdout, self.stderr)):
            pipe.close()
        self.wait()
        os.close(self._status)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, or the number of the signal that killed it, which is negative."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("rx-toppy", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(_number(self._status))
        return self.returncode

    def communicate(self, timeout: float) -> tuple[Any, Any]:
        """What else it writes until its end."""
        pipes = (self.stdout, self.stderr)
        read: list[Any] = [None, None]

        def keep(place: int, pipe: IO[Any]) -> None:
            read[place] = pipe.read()

        threads = [
            threading.Thread(target=keep, args=(place, pipe), daemon=True)
            for place, pipe in enumerate(pipes)
            if pipe is not None
        ]
        for thread in threads:
            thread.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()  # at which the threads end as well
            raise
        finally:
            for thread in threads:
                thread.join()
        return read[0], read[1]

    def send_signal(self, number: int) -> None:
        """Sends it, unless the process has ended."""
        if self.returncode is None and not select.select([self._status], [], [], 0)[0]:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)


_lock = threading.Lock()
_to_server: socket.socket | None = None


def _ask(request: bytes, files: list[int]) -> None:
    """Has a process forked that writes to these files; it is started with the first."""
    with _lock:
        server = _to_server or _start()
        socket.send_fds(server, [len(request).to_bytes(4, "big")], files)
        server.sendall(request)


def _start() -> socket.socket:
    global _to_server
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-W", "error", "-X", "dev", __file__, str(theirs.fileno())]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
    )
    theirs.close()
    _to_server = ours

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _number(file: int) -> int:
    """A number of four bytes."""
    found = os.read(file, 4)
    assert len(found) == 4, "the process that is to be forked has ended"
    return int.from_bytes(found, "big")


# --- in the process that is forked ---------------------------------------------------------------


def serve(requests: socket.socket) -> str | None:
    """Forks a process for each request, in which it returns what that is to run, if not as `-m`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the tests
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that watch
    while True:
        size, files, _, _ = socket.recv_fds(requests, 4, 3)
        if not size:
            requests.close()
            sys.exit()
        request = json.loads(_exactly(requests, int.from_bytes(size, "big")))
        if os.fork() == 0:
            requests.close()
            watch(request, *files)
            return request["code"]
        for file in files:
            os.close(file)


def _exactly(requests: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += requests.recv(size - len(found))
    return found


def watch(request: dict[str, Any], out: int, err: int, status: int) -> None:
    """Forks the command, in which it returns, and tells its id and then how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = os.fork()
    if command == 0:
        os.close(status)
        become(request, out, err)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(out)
    os.close(err)
    os.write(status, command.to_bytes(4, "big"))
    _, ended = os.waitpid(command, 0)
    os.write(status, ended.to_bytes(4, "big"))
    os._exit(0)


def become(request: dict[str, Any], out: int, err: int) -> None:
    """Makes a process what Python makes of it that was started with these arguments."""
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    as_text: dict[str, Any] = {"encoding": "utf-8", "newline": "\n", "closefd": False}
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", **as_text)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", **as_text)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = ["-c", *request["arguments"]]
    # What asyncio's debug mode remarks upon where a machine is busy with something else.
    logging.getLogger("asyncio").addFilter(
        lambda said: said.msg != "Executing %s took %.3f seconds"
    )


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for name in IMPORTED:
        importlib.import_module(name)
    assert "rich" not in sys.modules
    gc.freeze()  # what is there already is no command's to look through at its end
    code = serve(socket.socket(fileno=int(sys.argv[1])))
    if code is None:
        runpy.run_module("rx_toppy", run_name="__main__", alter_sys=True)
    else:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
