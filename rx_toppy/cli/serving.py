"""`rx-toppy sandbox`: the local top.gg for any client, in whatever language it is written."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, TextIO

from aiohttp.http import HttpProcessingError

from ..sandbox import RecordedRequest, Sandbox, faults
from .records import json_line, time
from .signals import ended_by_signals
from .text import counted

NAMED: Mapping[str, tuple[Callable[..., faults.Fault], Callable[[str], Any] | None]]
NAMED = MappingProxyType(
    {
        # name: (what makes it, what reads its value, where it has one)
        "reset": (faults.Reset, None),
        "hang": (faults.Hang, None),
        "garbage": (faults.Garbage, None),
        "html": (faults.HtmlPage, int),
        "cutoff": (faults.TruncatedBody, float),
        "delay": (faults.Delay, float),
        "429": (faults.TooManyRequests, float),
    }
)


def prepared(given: argparse.Namespace) -> Callable[[], None]:
    """What runs the sandbox that the command's arguments ask for, a line for each request.

    It serves until `given.seconds` are over, or until Ctrl-C or SIGTERM. It raises an OSError
    when the address can't be listened at, or the lines can't be written any more.

    Raises:
        ValueError: an argument makes no sense.
    """
    lines = _Objects(sys.stdout) if given.json else _Lines(sys.stdout)
    limits: dict[str, Any] = {"rate_limits": ()} if given.no_limits else {}
    # Made before there is a loop: a world takes its time, in which none should stand still.
    sandbox = Sandbox(
        seed=given.seed,
        bots=given.bots,
        votes_per_minute=given.votes_per_minute,
        host=given.host,
        port=given.port,
        latency=given.latency,
        drop=given.drop,
        on_request=lines.show,
        **limits,
    )
    for text in given.fail:
        _fail(sandbox, text)
    return partial(_run, sandbox, lines, given)


def _run(sandbox: Sandbox, lines: _Lines, given: argparse.Namespace) -> None:
    server_log = logging.getLogger("aiohttp.server")
    server_log.addFilter(lines.show_unreadable)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(sandbox, lines, given))
    finally:
        server_log.removeFilter(lines.show_unreadable)
    lines.end()


async def _serve(sandbox: Sandbox, lines: _Lines, given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    lines.over = over = loop.create_future()
    with ended_by_signals(loop, over):
        async with sandbox:
            lines.greet(sandbox, given.fail)
            with suppress(TimeoutError):
                await asyncio.wait_for(over, given.seconds)


class _Lines:
    """A line for each request, and what is left to say of them all.

    Attributes:
        over: What all of this ends with; fails when a line can't be written.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._answers: Counter[str] = Counter()
        self.over: asyncio.Future[None] | None = None

    def greet(self, sandbox: Sandbox, fails: Sequence[str]) -> None:
        """Says where the sandbox is, and what it takes."""
        self._write(_greeting(sandbox, fails))

    def show(self, seen: RecordedRequest) -> None:
        """Writes the request's line."""
        self._add(seen.at, seen.status, seen)

    def show_unreadable(self, record: logging.LogRecord) -> bool:
        """Writes a line for what no request could be made of, in the place of a traceback."""
        if record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError):
            return True
        self._add(datetime.now(UTC), 400, None)
        return False

    def end(self) -> None:
        """Says how many requests came, and how they fared."""
        answers = ", ".join(f"{times} x {what}" for what, times in self._answers.most_common())
        count = counted(self._answers.total(), "request", "")
        self._write(f"\n{count}{': ' if answers else ''}{answers}\n")

    def _add(self, at: datetime, status: int | None, seen: RecordedRequest | None) -> None:
        self._answers["no answer" if status is None else str(status)] += 1
        try:
            self._write(self._line(at, status, seen) + "\n")
        except OSError as error:
            if self.over is not None and not self.over.done():
                self.over.set_exception(error)

    def _line(self, at: datetime, status: int | None, seen: RecordedRequest | None) -> str:
        what = "(no HTTP: is the path encoded?)"
        if seen is not None:
            target = f"{seen.path}?{seen.query}" if seen.query else seen.path
            what = f"{seen.method:<5} {target}"
        shown = "---" if status is None else status
        return _harmless(f"{at.astimezone():%H:%M:%S}  {shown}  {what}")

    def _write(self, text: str) -> None:
        """Writes it so that it is there at once, in a pipe too."""
        self._out.write(text)
        self._out.flush()


class _Objects(_Lines):
    """A JSON object for each request, after one that says where the sandbox is."""

    def greet(self, sandbox: Sandbox, fails: Sequence[str]) -> None:
        """Says where the sandbox is, and what it takes."""
        about = {
            "base_url": sandbox.base_url,
            "token": sandbox.token,
            "bot_id": str(sandbox.bot_id),
        }
        self._write(self._object(datetime.now(UTC), "sandbox", about) + "\n")

    def end(self) -> None:
        """Says nothing: who reads this can count."""

    def _line(self, at: datetime, status: int | None, seen: RecordedRequest | None) -> str:
        about = {
            "method": seen and seen.method,
            "path": seen and seen.path,
            "query": seen and seen.query,
            "status": status,
        }
        return self._object(at, "request", about)

    def _object(self, at: datetime, event: str, about: Mapping[str, object]) -> str:
        return json_line({"at": time(at), "event": event, **about}, self._out.encoding)


def _greeting(sandbox: Sandbox, fails: Sequence[str]) -> str:
    bot = f"{sandbox.base_url}/bots/{sandbox.bot_id}"
    rows = [
        ("base URL", sandbox.base_url),
        ("token", sandbox.token),
        ("bot id", str(sandbox.bot_id)),
        *(("fails", _harmless(text)) for text in fails),
        ("try", f"curl -H 'Authorization: {sandbox.token}' {bot}"),
    ]
    table = "\n".join(f"  {name:<8}  {value}" for name, value in rows)
    return f"A local top.gg; Ctrl-C ends it.\n{table}\n\n"


def _harmless(text: str) -> str:
    """The text without what a terminal would obey, or an encoding lacks: anyone may send it."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def _fail(sandbox: Sandbox, text: str) -> None:
    """Switches on what one `--fail` says: WHAT[=VALUE], then :RATE or :xTIMES, then @ROUTE."""
    rest, at, route = text.partition("@")
    what, colon, often = rest.partition(":")
    times: int | None = None
    rate: float | None = None
    try:
        if often.startswith("x"):
            times = int(often[1:])
        elif colon:
            rate = float(often)
        sandbox.fail(_fault(what), route=route if at else None, times=times, rate=rate)
    except (TypeError, ValueError) as error:
        raise ValueError(f"argument --fail: {text!r}: {error}") from None


def _fault(text: str) -> faults.Fault:
    name, equals, value = text.partition("=")
    make, read = NAMED.get(name, (None, None))
    if make is not None and not equals:
        return make()
    if make is not None and read is not None:
        return make(read(value))
    if make is not None:
        raise ValueError(f"{name} takes no value")
    if equals or not (name.isascii() and name.isdigit()):
        raise ValueError(f"a fault is a status or one of {', '.join(NAMED)}, not {text!r}")
    return faults.Status(int(name))
