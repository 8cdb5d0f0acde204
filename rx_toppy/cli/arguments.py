"""What the commands share: how arguments are read, and how what makes no sense is refused."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from .text import writable

VARIABLE = "TOPGG_TOKEN"
LEAST_EVERY = 10
TOP_GG = "https://top.gg/api"
JSON_HELP = "print JSON, an object a line, and nothing else"
ARGUMENTS = {
    "id": "BOT_ID",
    "fetch_bot()": "ID",
    "fetch_user()": "ID",
    "get_stats()": "ID",
    "base_url": "--base-url",
    "token": VARIABLE,
    "since": "--since",
    "cursor": "--cursor-file",
}

SPAN = re.compile(r"([0-9]{1,6})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
YEAR = timedelta(days=365)

Commands = Any  # argparse has no public name for it
AddArgument = Callable[..., argparse.Action]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one plain line without the token, and whose epilog is as it is."""

    def __init__(self, *, description: str, epilog: str, **options: Any) -> None:
        width = shutil.get_terminal_size().columns - 2
        super().__init__(
            description=textwrap.fill(description, max(width, 20)),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    def error(self, message: str) -> NoReturn:
        if message.endswith("expected one argument"):
            message += " (one that begins with - takes a =, as in --sort=-points)"
        super().error(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, message and cleaned(message))


def cleaned(message: str) -> str:
    """A message as it may be written to standard error: one line, without the token."""
    secret = os.environ.get(VARIABLE, "")
    if len(secret) > 3:  # a shorter one is no secret, and part of every other word
        message = message.replace(secret, "***")
    return writable(message.removesuffix("\n"), sys.stderr.encoding) + "\n"


def command(
    commands: Commands,
    name: str,
    *,
    help: str,
    description: str,
    examples: tuple[str, ...],
    run: Callable[[argparse.ArgumentParser, argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Adds a command.

    Args:
        commands: Where it is added.
        name: What it is called.
        help: What it does, in a few words.
        description: What it does.
        examples: Command lines, without the program's name.
        run: Runs it, and gives the exit status.
    """
    beginning = "example:  " if len(examples) == 1 else "examples: "
    lines = f"\n{'':{len(beginning)}}".join(f"rx-toppy {line}" for line in examples)
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=description, epilog=beginning + lines
    )
    parser.set_defaults(run=lambda given: run(parser, given), prog=parser.prog)
    # Without a default of its own: it may have been given before the command.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=JSON_HELP)
    return parser


def refuse(parser: argparse.ArgumentParser, what: str) -> NoReturn:
    """Ends with a line that says what makes no sense."""
    parser.exit(2, f"{parser.prog}: error: {what}\n")


def token(parser: argparse.ArgumentParser, what: str) -> str:
    """The token in the environment."""
    # On the command line any user of the machine could read it.
    found = os.environ.get(VARIABLE, "")
    if not found:
        refuse(parser, f"set the environment variable {VARIABLE} to {what}")
    return found


def check_every(parser: argparse.ArgumentParser, every: float) -> None:
    """Refuses to look all too often."""
    if every < LEAST_EVERY:
        refuse(parser, f"--every takes at least {LEAST_EVERY} seconds")


def in_our_terms(error: ValueError) -> str:
    """What makes no sense, with what the command calls it.

    First the error names it, in Python's terms. What was given in its place may be the token, and
    is not repeated.
    """
    name, _, rest = str(error).partition(", not ")[0].partition(" ")
    return f"{ARGUMENTS.get(name, name)} {rest}"


def add_base_url(parser: argparse.ArgumentParser) -> None:
    """Adds `--base-url`."""
    help = f"where top.gg is (default: {TOP_GG})"
    parser.add_argument("--base-url", default=TOP_GG, metavar="URL", help=help)


def add_seconds(add: AddArgument) -> None:
    """Adds `--seconds`."""
    add("--seconds", type=duration, metavar="N", help="end after N seconds; at Ctrl-C by default")


def whole(text: str) -> int:
    """A whole number above 0."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number above 0, not {text!r}")
    return number


def duration(text: str) -> float:
    """A number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"takes a number of seconds above 0, not {text!r}")
    return seconds


def moment(text: str) -> datetime:
    """A time in UTC, or so long ago; a whole year is as much of it as top.gg still has then."""
    now = datetime.now(UTC)
    span = SPAN.fullmatch(text)
    try:
        if span:
            found = now - timedelta(**{UNITS[span[2]]: int(span[1])})
        else:
            found = datetime.fromisoformat(text)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        said = f"takes a date or time, as 2026-04-01, or how long ago, as 12h, not {text!r}"
        raise argparse.ArgumentTypeError(said) from None
    if found > now:
        raise argparse.ArgumentTypeError(f"takes a time that has passed, not {text!r}")
    return max(found, now - YEAR + timedelta(minutes=1)) if now - found <= YEAR else found
