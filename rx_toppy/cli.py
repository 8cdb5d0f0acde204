"""The command `rx-toppy`, and what it can be told to do."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from typing import NoReturn

from .client import __version__

__all__ = ["main"]

LIBRARIES = ("aiohttp", "reactivex", "msgspec")
DISCORD_LIBRARIES = ("discord.py", "py-cord", "nextcord", "disnake")

VARIABLE = "TOPGG_TOKEN"
LEAST_EVERY = 10
ARGUMENTS = {"id": "BOT_ID", "base_url": "--base-url", "token": VARIABLE}

AddParser = Callable[..., argparse.ArgumentParser]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: The arguments, without the program's name; this process's own by default.

    Returns:
        The exit status, 0 when all went well.

    Raises:
        SystemExit: help was asked for (0), or the arguments make no sense (2).
    """
    try:
        status = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read this has seen enough, as `head` has. What is left in the buffer would be
        # written once more at exit, and fail once more, aloud.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        sys.stderr.write(f"rx-toppy: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    if given.version:
        sys.stdout.writelines(f"{line}\n" for line in _versions())
    elif given.run is None:
        parser.print_help()
    else:
        status: int = given.run(given)
        return status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rx-toppy", description="A reactive client for top.gg.")
    parser.set_defaults(run=None)
    parser.add_argument("--version", action="store_true", help="show the versions of what is used")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add_command in (_add_demo, _add_watch, _add_sandbox):
        add_command(commands.add_parser)
    return parser


def _versions() -> Iterator[str]:
    """What a bug report should tell, a line each."""
    yield f"rx_toppy    {__version__}"
    yield (
        f"Python      {platform.python_version()} ({platform.python_implementation()}, "
        f"{platform.system()} {platform.machine()})"
    )
    for name in LIBRARIES:
        yield f"{name:<11} {_version_of(name) or 'not installed'}"
    found = [(name, _version_of(name)) for name in DISCORD_LIBRARIES]
    installed = [f"{name:<11} {version}" for name, version in found if version is not None]
    yield from installed or [f"{'discord':<11} not installed"]


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


# --- rx-toppy demo -------------------------------------------------------------------------------


def _add_demo(add_parser: AddParser) -> None:
    parser = add_parser(
        "demo",
        help="watch a client at work, with a local top.gg",
        description=(
            "Starts a local top.gg, a bot that grows and a client that posts for it every few "
            "seconds, and shows all that happens: live in a terminal (with the extra 'cli'), and "
            "otherwise a line for each event. Nothing leaves this machine."
        ),
    )
    _add_seconds(parser)
    parser.set_defaults(run=_run_demo)


def _run_demo(given: argparse.Namespace) -> int:
    from . import demo

    demo.run(given.seconds)
    return 0


# --- rx-toppy watch ------------------------------------------------------------------------------


def _add_watch(add_parser: AddParser) -> None:
    parser = add_parser(
        "watch",
        help="watch what top.gg has of your bot",
        description=(
            "Looks every so often at what top.gg has of your bot: its servers, its votes and who "
            "voted, and shows that with the requests that find it: live in a terminal (with the "
            "extra 'cli'), and otherwise a line for each event. It posts nothing. Your bot's token "
            f"of top.gg is read from the environment variable {VARIABLE}."
        ),
    )
    add = parser.add_argument
    add("bot", metavar="BOT_ID", help="the id of the bot that the token belongs to")
    add(
        "--every",
        type=_duration,
        default=30.0,
        metavar="SECONDS",
        help=f"how long to wait between two looks, at least {LEAST_EVERY} (default: 30)",
    )
    add(
        "--base-url",
        default="https://top.gg/api",
        metavar="URL",
        help="where top.gg is (default: https://top.gg/api)",
    )
    _add_seconds(parser)
    parser.set_defaults(run=partial(_run_watch, parser))


def _run_watch(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import watch
    from .errors import Forbidden

    def refuse(status: int, what: str) -> NoReturn:
        parser.exit(status, f"{parser.prog}: error: {what}\n")

    # On the command line any user of the machine could read it.
    token = os.environ.get(VARIABLE, "")
    if not token:
        refuse(2, f"set the environment variable {VARIABLE} to your bot's token of top.gg")
    if given.every < LEAST_EVERY:
        refuse(2, f"--every takes at least {LEAST_EVERY} seconds")
    try:
        show = watch.prepared(
            given.bot,
            token,
            every=given.every,
            base_url=given.base_url,
            seconds=given.seconds,
        )
    except ValueError as error:
        # First it names what makes no sense, in Python's terms. What was given in its place may be
        # the token, and is not repeated.
        name, _, rest = str(error).partition(", not ")[0].partition(" ")
        refuse(2, f"{ARGUMENTS.get(name, name)} {rest}")
    try:
        show()
    except Forbidden as error:
        refuse(1, f"top.gg refuses the token in {VARIABLE} for bot {given.bot} ({error.status})")
    return 0


# --- rx-toppy sandbox ----------------------------------------------------------------------------


def _add_sandbox(add_parser: AddParser) -> None:
    parser = add_parser(
        "sandbox",
        help="serve a local top.gg to any client",
        description=(
            "Serves a local top.gg with made-up bots, users and votes to a client in any language, "
            "prints where it is and the token that it takes, then a line for each request. It "
            "limits rates as top.gg does, and fails where it is told to."
        ),
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    add("--port", type=int, default=0, metavar="N", help="the port; a free one by default")
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the same seed gives the same bots, users, token and faults (default: 0)",
    )
    add("--bots", type=int, default=3000, metavar="N", help="how many bots (default: 3000)")
    add(
        "--votes-per-minute",
        type=float,
        default=6.0,
        metavar="X",
        help="how many votes arrive for the bot of the token (default: 6)",
    )
    add(
        "--latency",
        type=_latency,
        default=0.0,
        metavar="S",
        help="hold each answer back for S seconds, or for A-B of them, as 0.05-0.2",
    )
    add(
        "--drop",
        type=float,
        default=0.0,
        metavar="RATE",
        help="at this rate (0 to 1) end a kept-alive connection when its next request comes",
    )
    add("--no-limits", action="store_true", help="limit no rates, and never block the token")
    add(
        "--fail",
        action="append",
        default=[],
        metavar="WHAT[:RATE][@ROUTE]",
        help=(
            "let requests fail, at a rate (0 to 1) or, as :x3, so many times. WHAT is a status, "
            "reset, hang, garbage, html[=STATUS], cutoff[=SHARE], delay=SECONDS or 429[=SECONDS]; "
            "as 503:0.1, reset:x3 or delay=2@/bots/{id}. May be given several times"
        ),
    )
    _add_seconds(parser)
    parser.set_defaults(run=partial(_run_sandbox, parser))


def _run_sandbox(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import serving

    try:
        serve = serving.prepared(given)
    except ValueError as error:
        parser.error(str(error))
    serve()
    return 0


def _latency(text: str) -> float | tuple[float, float]:
    least, dash, most = text.partition("-")
    try:
        return (float(least), float(most)) if least and dash else float(text)
    except ValueError:
        said = f"takes seconds, as 0.1 or 0.05-0.2, not {text!r}"
        raise argparse.ArgumentTypeError(said) from None


# --- what they share -----------------------------------------------------------------------------


def _add_seconds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=_duration, metavar="N", help="end after N seconds; at Ctrl-C by default"
    )


def _duration(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"takes a number of seconds above 0, not {text!r}")
    return seconds
