"""What the commands share that look one thing up by its id."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..client import TopGG
from ..listing.asking import client_of
from ..streams.cold import Call
from ..terminal.records import Record, json_line
from ..terminal.tables import Sheet, show
from .parsing import VARIABLE, Commands, add_base_url, command, in_our_terms, refuse, token

__all__ = ["add_lookup", "known", "number"]

T = TypeVar("T")


def add_lookup(
    commands: Commands,
    name: str,
    *,
    help: str,
    description: str,
    call: Callable[[TopGG, str], Call[T]],
    record: Callable[[str, T], Record],
    sheet: Callable[[str, T], Sheet],
) -> None:
    """Adds a command that looks something up.

    Args:
        commands: Where it is added.
        name: What it is called.
        help: What it shows, in a few words.
        description: The same in a sentence.
        call: Looks it up, by its id.
        record: What is printed as JSON.
        sheet: What is shown.
    """

    def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
        secret = token(parser, "a token of top.gg")
        try:
            client = client_of(secret, given.base_url)
            asked = call(client, given.id)
        except ValueError as error:
            refuse(parser, in_our_terms(error))
        found = asyncio.run(_answer(client, asked))
        if given.json:
            line = json_line(record(given.id, found), sys.stdout.encoding)
            sys.stdout.write(f"{line}\n")
        else:
            show(sheet(given.id, found), sys.stdout)
        return 0

    parser = command(
        commands,
        name,
        help=help,
        description=(
            f"{description} A token of top.gg is read from the environment variable {VARIABLE}."
        ),
        examples=(f"{name} 264811613708746752", f"{name} 264811613708746752 --json"),
        run=run,
    )
    what = "user" if name == "user" else "bot"
    parser.add_argument("id", metavar="ID", help=f"the {what}'s id")
    add_base_url(parser)


async def _answer(client: TopGG, call: Call[T]) -> T:
    async with client:
        return await call


def known(rows: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Those of the rows that have a value."""
    return [(name, value) for name, value in rows if value]


def number(count: int | None) -> str | None:
    """A count, with commas."""
    return None if count is None else f"{count:,}"
