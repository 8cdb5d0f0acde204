"""The command `rx-toppy`: a module for each command, and what they share in `arguments`."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata

from ..client import __version__
from ..errors import ToppyError
from . import bots, demo, exit_codes, lookup, sandbox, votes, watch
from .arguments import JSON_HELP, Parser, cleaned
from .records import json_line

COMMANDS = (
    demo.add_to,
    bots.add_to,
    lookup.add_bot,
    lookup.add_user,
    lookup.add_stats,
    votes.add_to,
    watch.add_to,
    sandbox.add_to,
)
LIBRARY = logging.getLogger("rx_toppy")
LIBRARIES = ("aiohttp", "reactivex", "msgspec")
DISCORD_LIBRARIES = ("discord.py", "py-cord", "nextcord", "disnake")
EXAMPLES = "examples: rx-toppy demo\n          rx-toppy bots music --limit 5"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: The arguments, without the program's name; this process's own by default.

    Returns:
        The exit status, 0 when all went well: see `exit_codes`.

    Raises:
        SystemExit: help was asked for (0), or the arguments make no sense (2).
    """
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        with _remarks(given.prog):
            status = _run(parser, given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read this has seen enough, as `head` has
        _let_go_of_stdout()
        return 0
    except (ToppyError, OSError) as error:
        _let_go_of_stdout()
        sys.stderr.write(cleaned(f"{given.prog}: error: {exit_codes.said(error)}\n"))
        return exit_codes.status_of(error)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    return status


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    if given.version:
        _show_versions(as_json=given.json)
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
        epilog=f"{exit_codes.table()}\n\n{EXAMPLES}",
    )
    parser.set_defaults(run=None, prog=parser.prog, json=False)
    parser.add_argument("--version", action="store_true", help="show the versions of what is used")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command(commands)
    return parser


class _Remarks(logging.Handler):
    def __init__(self, prog: str) -> None:
        super().__init__(logging.WARNING)
        self._prog = prog

    def emit(self, record: logging.LogRecord) -> None:
        # A 429 is the error that the command ends with: said here as well, it would be told twice.
        if not str(record.msg).startswith("top.gg says too many requests"):
            sys.stderr.write(cleaned(f"{self._prog}: {record.getMessage()}\n"))


@contextmanager
def _remarks(prog: str) -> Iterator[None]:
    """Within this, warnings of the library are plain lines, without the token."""
    handler = _Remarks(prog)
    LIBRARY.addHandler(handler)
    try:
        yield
    finally:
        LIBRARY.removeHandler(handler)


def _show_versions(*, as_json: bool) -> None:
    """Prints the versions: a line each, or one JSON object."""
    about = {
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    libraries = {name: _version_of(name) for name in LIBRARIES}
    discord = {name: version for name in DISCORD_LIBRARIES if (version := _version_of(name))}
    if as_json:
        found = {"rx_toppy": __version__, "python": platform.python_version(), **about}
        line = json_line(found | {"libraries": libraries | discord}, sys.stdout.encoding)
        sys.stdout.write(f"{line}\n")
        return
    python = "{} ({implementation}, {system} {machine})".format(platform.python_version(), **about)
    lines: dict[str, str | None] = {
        "rx_toppy": __version__,
        "Python": python,
        **libraries,
        **(discord or {"discord": None}),
    }
    sys.stdout.writelines(
        f"{name:<11} {version or 'not installed'}\n" for name, version in lines.items()
    )


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
