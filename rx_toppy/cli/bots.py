"""`rx-toppy bots`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from .arguments import VARIABLE, Commands, add_base_url, command, in_our_terms, refuse, token, whole
from .export.bots import Search, exporting_bots, searching
from .export.formats import FORMATS
from .export.options import add_export, exported, target_of
from .export.progress import Notices
from .export.writing import read
from .records import BotRecord
from .tables import Column, Table, show
from .text import counted, is_unicode

ROWS = 20
SORTS = {
    "name": "username",
    "servers": "-server_count",
    "month": "-monthlyPoints",
    "votes": "-points",
    "new": "-date",
}


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "bots",
        help="search the bots that top.gg lists, or export them",
        description=(
            f"Shows the bots that a search finds, {ROWS} of them unless told otherwise. With "
            "--export it writes all of them to a file, 500 with each call; of the 60 calls that "
            "top.gg allows a minute it shows how many are used, and waits when none is left. A "
            f"token of top.gg is read from the environment variable {VARIABLE}."
        ),
        examples=("bots music --sort votes", "bots --tag economy --export bots.csv"),
        run=_run,
    )
    add = parser.add_argument
    add(
        "text",
        nargs="?",
        metavar="TEXT",
        help="a part of the name; or fields and parts of them, as 'prefix: !, tags: music'",
    )
    add(
        "--tag",
        action="append",
        default=[],
        metavar="TAG",
        help="with this tag; may be given several times",
    )
    add(
        "--sort",
        metavar="FIELD",
        help=(
            f"{', '.join(SORTS)} (the most or newest first), or a field as top.gg calls it, "
            "reversed by a - before it, as --sort=-points"
        ),
    )
    add(
        "--limit",
        type=whole,
        metavar="N",
        help=f"how many at the most (default: {ROWS}, and with --export all)",
    )
    add_base_url(parser)
    add_export(parser.add_argument_group("exporting").add_argument, "all that is found")


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    exports = given.export is not None
    if given.format and not exports:
        refuse(parser, "--format is only for an --export")
    limit = given.limit or (None if exports else ROWS)
    search = Search(_search(parser, given), SORTS.get(given.sort, given.sort), limit)
    secret = token(parser, "a token of top.gg")
    try:
        reading = searching(secret, search, base_url=given.base_url)
    except ValueError as error:
        refuse(parser, in_our_terms(error))
    if exports:
        target = target_of(parser, given)
        return exported(given, target, reading.what, exporting_bots(reading, target))
    notices = Notices(sys.stderr, reading.stand)
    if given.json:
        write = FORMATS["jsonl"](reading.kind).writer(sys.stdout)
        asyncio.run(read(reading, write, notices))
        return 0
    bots: list[Any] = []
    asyncio.run(read(reading, bots.append, notices))
    _show(bots, len(bots) if reading.total is None else reading.total)
    return 0


def _search(parser: argparse.ArgumentParser, given: argparse.Namespace) -> str | None:
    """The search in top.gg's own form."""
    if given.text is not None and not given.text.strip(" :,"):
        refuse(parser, "TEXT takes a part of a name")
    for tag in given.tag:
        if set(",:") & set(tag) or not tag.strip():
            refuse(parser, "--tag takes one tag, without commas or colons")
    parts = [f"tags: {tag}" for tag in given.tag]
    if given.text is not None:
        parts.insert(0, given.text if ":" in given.text else f"username: {given.text}")
    return ", ".join(parts) or None


def _show(bots: Sequence[BotRecord], total: int) -> None:
    """A table of the bots."""
    if bots:
        mark = "✓" if is_unicode(sys.stdout.encoding) else "+"
        show(_table(bots, total, mark), sys.stdout)
    else:
        sys.stdout.write("No bots found.\n")


def _table(bots: Sequence[BotRecord], total: int, mark: str) -> Table:
    columns = (
        Column("name", is_flexible=True, style="bold"),
        Column("id", style="dim"),
        Column("servers", is_number=True),
        Column("month", is_number=True, style="magenta"),
        Column("votes", is_number=True),
        Column("tags", is_flexible=True, style="cyan"),
        Column(mark, style="green"),
    )
    rows = [
        (
            bot.username or "",
            bot.id,
            *(
                "-" if count is None else f"{count:,}"
                for count in (bot.server_count, bot.monthly_votes, bot.all_time_votes)
            ),
            ", ".join(bot.tags),
            mark if bot.certified else "",
        )
        for bot in bots
    ]
    shown = f"{len(bots):,} of {counted(total, 'bot')}"
    return Table(columns, rows, f"{shown}; month: votes this month; {mark}: certified")
