"""`rx-toppy votes`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .arguments import (
    LEAST_EVERY,
    VARIABLE,
    Commands,
    add_base_url,
    add_seconds,
    check_every,
    command,
    duration,
    in_our_terms,
    moment,
    refuse,
    token,
)
from .export.following import following
from .export.options import add_export, exported, target_of
from .export.votes import exporting_votes


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "votes",
        help="follow votes, or export their history",
        description=(
            "Follows the votes for your bot, server or game: a line for each, with its time (in "
            "UTC), who voted (their id on Discord or Roblox), what it counts for, and how many "
            "there were so far. With --export it writes the votes of up to a year to a file, and "
            "ends. Your project's token of top.gg, for its v1 API, is read from the environment "
            f"variable {VARIABLE}."
        ),
        examples=("votes --since 12h", "votes --since 30d --export votes.csv"),
        run=_run,
    )
    add = parser.add_argument
    add(
        "--since",
        type=moment,
        metavar="WHEN",
        help=(
            "from when on: a date or time in UTC, as 2026-04-01 or 2026-04-01T18:30, or how long "
            "ago, as 30m, 12h, 7d or 2w; a year at most (default: now, and with --export a year)"
        ),
    )
    add_base_url(parser)
    live = parser.add_argument_group("following")
    live.add_argument(
        "--every",
        type=duration,
        metavar="SECONDS",
        help=f"how long from one look to the next, at least {LEAST_EVERY} (default: 60)",
    )
    add_seconds(live.add_argument)
    export = parser.add_argument_group("exporting")
    add_export(export.add_argument, "the history")
    export.add_argument(
        "--cursor-file",
        type=Path,
        metavar="FILE",
        help=(
            "keep there how far the history is read; another time, only what is new since then "
            "(whatever --since says) is read, and put behind what the export has"
        ),
    )


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    exports = given.export is not None
    for option, value in (
        *((("--every", given.every), ("--seconds", given.seconds)) if exports else ()),
        *(() if exports else (("--format", given.format), ("--cursor-file", given.cursor_file))),
    ):
        if value is not None:
            refuse(parser, f"{option} is {'not for' if exports else 'only for'} an --export")
    secret = token(parser, "your project's token of top.gg")
    try:
        run = (_prepared_export if exports else _prepared_following)(parser, given, secret)
    except ValueError as error:
        refuse(parser, in_our_terms(error))
    return run()


def _prepared_following(
    parser: argparse.ArgumentParser, given: argparse.Namespace, token: str
) -> Callable[[], int]:
    every = 60.0 if given.every is None else given.every
    check_every(parser, every)
    follow = following(
        token,
        since=given.since,
        every=every,
        base_url=given.base_url,
        seconds=given.seconds,
        as_json=given.json,
    )

    def run() -> int:
        follow()
        return 0

    return run


def _prepared_export(
    parser: argparse.ArgumentParser, given: argparse.Namespace, token: str
) -> Callable[[], int]:
    target = target_of(parser, given, given.cursor_file)
    export = exporting_votes(token, target, since=given.since, base_url=given.base_url)
    return lambda: exported(given, target, "vote", export)
