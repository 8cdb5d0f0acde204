"""`rx-toppy sandbox`: the local top.gg for any client, in whatever language it is written."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, TextIO

from .ending import ended_by_signals
from .sandbox import Sandbox, SeenRequest, faults

__all__ = ["add_arguments", "run"]

FAIL = "WHAT[=VALUE][:RATE or :xTIMES][@ROUTE]"
FAIL_HELP = (
    "make requests fail; may be given several times. WHAT is a status, or one of: reset, hang, "
    "garbage, html, html=STATUS, cutoff, cutoff=SHARE, delay=SECONDS, 429=SECONDS. RATE is from 0 "
    "to 1, or it happens TIMES times; always by default. Examples: 503:0.1, reset:x3, "
    "delay=2@/bots/{id}"
)

NAMED: Mapping[str, tuple[Callable[..., faults.Fault], Callable[[str], Any]]] = MappingProxyType(
    {
        # name: (what makes it, what its value is)
        "reset": (faults.Reset, str),
        "hang": (faults.Hang, str),
        "garbage": (faults.Garbage, str),
        "html": (faults.Html, int),
        "cutoff": (faults.CutOff, float),
        "delay": (faults.Delay, float),
        "429": (faults.TooMany, float),
    }
)
WITHOUT_VALUE = ("reset", "hang", "garbage")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes, but for `--seconds`."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="the port; a free one by default"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the same seed gives the same bots, users, token and faults (default: 0)",
    )
    parser.add_argument(
        "--bots", type=int, default=3000, metavar="N", help="how many bots there are"
    )
    parser.add_argument(
        "--votes-per-minute",
        type=float,
        default=6.0,
        metavar="X",
        help="how many votes arrive for the bot of the token (default: 6)",
    )
    parser.add_argument(
        "--latency",
        type=_latency,
        default=0.0,
        metavar="S",
        help="hold each answer back for S seconds, or for A-B: 0.05-0.2",
    )
    parser.add_argument(
        "--drop",
        type=float,
        default=0.0,
        metavar="RATE",
        help="end kept-alive connections when their next request comes, at that rate",
    )
    parser.add_argument(
        "--no-limits", action="store_true", help="do not limit rates, and never block the token"
    )
    parser.add_argument("--fail", action="append", default=[], metavar=FAIL, help=FAIL_HELP)


def run(given: argparse.Namespace) -> None:
    """Serves until the time is over, or until Ctrl-C or SIGTERM, a line for each request.

    Args:
        given: What `add_arguments` added, and `seconds`.

    Raises:
        ValueError: an argument makes no sense; nothing has been served then.
        OSError: the address can't be listened at, or the lines can't be written any more.
    """
    lines = _Lines(sys.stdout)
    limits: dict[str, Any] = {"rate_limits": ()} if given.no_limits else {}
    # Made out here: a world takes its time, in which no loop should stand still.
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
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(sandbox, lines, given))
    lines.write(lines.summary())


async def _serve(sandbox: Sandbox, lines: _Lines, given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    over = lines.over = loop.create_future()
    with ended_by_signals(loop, over):
        async with sandbox:
            lines.write(_greeting(sandbox, given.fail))
            with suppress(TimeoutError):
                await asyncio.wait_for(over, given.seconds)


class _Lines:
    """A line for each request, and what is left to say of them.

    Attributes:
        over: What ends it all; fails when a line can't be written.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._answers: Counter[str] = Counter()
        self.over: asyncio.Future[None] | None = None

    def show(self, seen: SeenRequest) -> None:
        """Writes the request's line."""
        status = "---" if seen.status is None else str(seen.status)
        self._answers["no answer" if seen.status is None else status] += 1
        target = f"{seen.path}?{seen.query}" if seen.query else seen.path
        line = f"{seen.at.astimezone():%H:%M:%S}  {status}  {seen.method:<5} {target}"
        try:
            self.write(_harmless(line) + "\n")
        except OSError as error:
            if self.over is not None and not self.over.done():
                self.over.set_exception(error)

    def write(self, text: str) -> None:
        """Writes it so that it is there at once, in a pipe too."""
        self._out.write(text)
        self._out.flush()

    def summary(self) -> str:
        """How many requests came, and how they fared."""
        count = self._answers.total()
        answers = ", ".join(f"{count} x {what}" for what, count in self._answers.most_common())
        return f"\n{count} request{'' if count == 1 else 's'}{': ' if answers else ''}{answers}\n"


def _greeting(sandbox: Sandbox, fails: list[str]) -> str:
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
    """Switches on what one `--fail` says."""
    rest, at, route = text.partition("@")
    what, colon, often = rest.partition(":")
    times: int | None = None
    rate: float | None = None
    try:
        if often.startswith("x"):
            times = int(often[1:])
        elif colon:
            rate = float(often)
        fault = _fault(what)
        sandbox.fail(fault, route=route if at else None, times=times, rate=rate)
    except (TypeError, ValueError) as error:
        raise ValueError(f"--fail {text!r}: {error}; it takes {FAIL}") from None


def _fault(text: str) -> faults.Fault:
    name, equals, value = text.partition("=")
    if name in NAMED and not (equals and name in WITHOUT_VALUE):
        make, kind = NAMED[name]
        return make(kind(value)) if equals else make()
    if equals or not (name.isascii() and name.isdigit()):
        raise ValueError(f"there is no {text!r}, only a status and {', '.join(NAMED)}")
    return faults.Status(int(name))


def _latency(text: str) -> float | tuple[float, float]:
    least, dash, most = text.partition("-")
    try:
        return (float(least), float(most)) if dash else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes seconds, as 0.1 or 0.05-0.2, not {text!r}"
        ) from None
