"""The command `rx-toppy`, and what it can be told to do."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from .client import __version__

__all__ = ["main"]

LIBRARIES = ("aiohttp", "reactivex", "msgspec")
DISCORD_LIBRARIES = ("discord.py", "py-cord", "nextcord", "disnake")

VARIABLE = "TOPGG_TOKEN"
LEAST_EVERY = 10
ARGUMENTS = {
    "id": "BOT_ID",
    "base_url": "--base-url",
    "token": VARIABLE,
    "since": "--since",
    "cursor": "--cursor-file",
}

SPAN = re.compile(r"([0-9]{1,6})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
YEAR = timedelta(days=365)

AddParser = Callable[..., argparse.ArgumentParser]
AddArgument = Callable[..., argparse.Action]


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
    for add_command in (_add_demo, _add_watch, _add_votes, _add_sandbox):
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
    _add_seconds(parser.add_argument)
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
    _add_base_url(parser)
    _add_seconds(parser.add_argument)
    parser.set_defaults(run=partial(_run_watch, parser))


def _run_watch(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import watch
    from .errors import Forbidden

    refuse = partial(_refuse, parser)
    token = _token(parser, "your bot's token of top.gg")
    _check_every(parser, given.every)
    try:
        show = watch.prepared(
            given.bot,
            token,
            every=given.every,
            base_url=given.base_url,
            seconds=given.seconds,
        )
    except ValueError as error:
        refuse(2, _in_our_terms(error))
    try:
        show()
    except Forbidden as error:
        refuse(1, f"top.gg refuses the token in {VARIABLE} for bot {given.bot} ({error.status})")
    return 0


# --- rx-toppy votes ------------------------------------------------------------------------------


def _add_votes(add_parser: AddParser) -> None:
    parser = add_parser(
        "votes",
        help="follow votes, or export their history",
        description=(
            "Follows the votes for your bot, server or game: a line for each, with its time (in "
            "UTC), who voted (their id on Discord or Roblox), what it counts for, and how many "
            "there were so far. With --export it writes the votes of up to a year to a file, and "
            "ends. Your project's token of top.gg, for its v1 API, is read from the environment "
            f"variable {VARIABLE}."
        ),
        epilog="example: rx-toppy votes --since 30d --export votes.csv",
    )
    add = parser.add_argument
    add(
        "--since",
        type=_moment,
        metavar="WHEN",
        help=(
            "from when on: a date or time in UTC, as 2026-04-01 or 2026-04-01T18:30, or how long "
            "ago, as 30m, 12h, 7d or 2w; a year at most (default: now, and with --export a year)"
        ),
    )
    _add_base_url(parser)
    live = parser.add_argument_group("following")
    live.add_argument(
        "--every",
        type=_duration,
        metavar="SECONDS",
        help=f"how long from one look to the next, at least {LEAST_EVERY} (default: 60)",
    )
    _add_seconds(live.add_argument)
    export = parser.add_argument_group("exporting")
    export.add_argument(
        "--export",
        metavar="FILE",
        help="write the history there, - for stdout; a file is replaced once all is read",
    )
    export.add_argument(
        "--format",
        choices=("jsonl", "csv"),
        help="JSON Lines or CSV (default: csv for a file named so, and else jsonl)",
    )
    export.add_argument(
        "--cursor-file",
        type=Path,
        metavar="FILE",
        help=(
            "keep there how far the history is read; another time, only what is new since then "
            "(whatever --since says) is read, and put behind what the export has"
        ),
    )
    parser.set_defaults(run=partial(_run_votes, parser))


def _run_votes(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from .errors import Forbidden, ToppyError
    from .terminal.lines import writable

    refuse = partial(_refuse, parser)
    exports = given.export is not None
    for option, value in (
        *((("--every", given.every), ("--seconds", given.seconds)) if exports else ()),
        *(() if exports else (("--format", given.format), ("--cursor-file", given.cursor_file))),
    ):
        if value is not None:
            refuse(2, f"{option} is {'not for' if exports else 'only for'} an --export")
    token = _token(parser, "your project's token of top.gg")
    try:
        run = (_prepared_export if exports else _prepared_following)(parser, given, token)
    except ValueError as error:
        refuse(2, _in_our_terms(error))
    try:
        return run()
    except Forbidden as error:
        refuse(1, f"top.gg refuses the token in {VARIABLE} ({error.status})")
    except ToppyError as error:
        refuse(1, writable(str(error), sys.stderr.encoding))


def _prepared_following(
    parser: argparse.ArgumentParser, given: argparse.Namespace, token: str
) -> Callable[[], int]:
    from . import listing

    every = 60.0 if given.every is None else given.every
    _check_every(parser, every)
    follow = listing.following(
        token, since=given.since, every=every, base_url=given.base_url, seconds=given.seconds
    )

    def run() -> int:
        follow()
        return 0

    return run


def _prepared_export(
    parser: argparse.ArgumentParser, given: argparse.Namespace, token: str
) -> Callable[[], int]:
    from . import listing
    from .terminal.lines import writable
    from .terminal.telling import counted

    file = given.export
    format = listing.FORMATS[given.format] if given.format else listing.format_of(file)
    target = listing.Target(None if file == "-" else Path(file), format, given.cursor_file)
    export = listing.exporting(token, target, since=given.since, base_url=given.base_url)
    where = "stdout" if target.path is None else writable(file, sys.stderr.encoding)

    def run() -> int:
        done = export()
        if done is None:
            left = "is not whole" if target.path is None else "is as it was"
            sys.stderr.write(f"{parser.prog}: interrupted; {where} {left}\n")
            return 130
        votes = counted(done.votes, "new vote" if done.is_more else "vote")
        sys.stderr.write(f"{votes} written to {where}\n")
        return 0

    return run


def _moment(text: str) -> datetime:
    """A time in UTC, or so long ago; a whole year is as much of it as top.gg still has then."""
    now = datetime.now(UTC)
    span = SPAN.fullmatch(text)
    try:
        if span:
            moment = now - timedelta(**{UNITS[span[2]]: int(span[1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        said = f"takes a date or time, as 2026-04-01, or how long ago, as 12h, not {text!r}"
        raise argparse.ArgumentTypeError(said) from None
    if moment > now:
        raise argparse.ArgumentTypeError(f"takes a time that has passed, not {text!r}")
    return max(moment, now - YEAR + timedelta(minutes=1)) if now - moment <= YEAR else moment


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
    _add_seconds(parser.add_argument)
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


def _refuse(parser: argparse.ArgumentParser, status: int, what: str) -> NoReturn:
    parser.exit(status, f"{parser.prog}: error: {what}\n")


def _token(parser: argparse.ArgumentParser, what: str) -> str:
    # On the command line any user of the machine could read it.
    token = os.environ.get(VARIABLE, "")
    if not token:
        _refuse(parser, 2, f"set the environment variable {VARIABLE} to {what}")
    return token


def _check_every(parser: argparse.ArgumentParser, every: float) -> None:
    if every < LEAST_EVERY:
        _refuse(parser, 2, f"--every takes at least {LEAST_EVERY} seconds")


def _in_our_terms(error: ValueError) -> str:
    """What makes no sense, with what the command calls it.

    First the error names it, in Python's terms. What was given in its place may be the token, and
    is not repeated.
    """
    name, _, rest = str(error).partition(", not ")[0].partition(" ")
    return f"{ARGUMENTS.get(name, name)} {rest}"


def _add_base_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url",
        default="https://top.gg/api",
        metavar="URL",
        help="where top.gg is (default: https://top.gg/api)",
    )


def _add_seconds(add: AddArgument) -> None:
    add("--seconds", type=_duration, metavar="N", help="end after N seconds; at Ctrl-C by default")


def _duration(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"takes a number of seconds above 0, not {text!r}")
    return seconds
