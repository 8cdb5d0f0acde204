"""The command `rx-toppy`: a module for each command, and what they share in `parsing`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ..errors import ToppyError
from . import bot, bots, demo, sandbox, stats, statuses, user, versions, votes, watch
from .parsing import JSON_HELP, Parser, cleaned
from .remarks import remarks

__all__ = ["main"]

COMMANDS = (demo, bots, bot, user, stats, votes, watch, sandbox)
EXAMPLES = "examples: rx-toppy demo\n          rx-toppy bots music --limit 5"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: The arguments, without the program's name; this process's own by default.

    Returns:
        The exit status, 0 when all went well: see `statuses`.

    Raises:
        SystemExit: help was asked for (0), or the arguments make no sense (2).
    """
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        with remarks(given.prog):
            status = _run(parser, given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read this has seen enough, as `head` has
        _let_go_of_stdout()
        return 0
    except (ToppyError, OSError) as error:
        _let_go_of_stdout()
        sys.stderr.write(cleaned(f"{given.prog}: error: {statuses.said(error)}\n"))
        return statuses.status_of(error)
    except KeyboardInterrupt:
        return statuses.INTERRUPTED
    return status


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    if given.version:
        versions.show(as_json=given.json)
    elif given.run is not None:
        status: int = given.run(given)
        return status
    elif given.json:
        parser.error("--json needs a command, or --version")
    else:
        parser.print_help()
    return 0


def _let_go_of_stdout() -> None:
    """Drops what is left in the buffer and can't be written: at exit it would fail once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="rx-toppy",
        description="A reactive client for top.gg.",
        epilog=f"{statuses.table()}\n\n{EXAMPLES}",
    )
    parser.set_defaults(run=None, prog=parser.prog, json=False)
    parser.add_argument("--version", action="store_true", help="show the versions of what is used")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
