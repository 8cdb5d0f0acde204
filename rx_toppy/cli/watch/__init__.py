"""`rx-toppy watch`."""

from __future__ import annotations

import argparse

from ..arguments import (
    LEAST_EVERY,
    VARIABLE,
    Commands,
    add_base_url,
    add_seconds,
    check_every,
    command,
    duration,
    in_our_terms,
    refuse,
    token,
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "watch",
        help="watch what top.gg has of your bot",
        description=(
            "Looks every so often at what top.gg has of your bot: its servers, its votes and who "
            "voted, and shows that with the requests that find it: live in a terminal (with the "
            "extra 'cli'), and otherwise a line for each event. It posts nothing. Your bot's token "
            f"of top.gg is read from the environment variable {VARIABLE}."
        ),
        examples=("watch 264811613708746752", "watch 264811613708746752 --every 60 --json"),
        run=_run,
    )
    add = parser.add_argument
    add("bot", metavar="BOT_ID", help="the id of the bot that the token belongs to")
    add(
        "--every",
        type=duration,
        default=30.0,
        metavar="SECONDS",
        help=f"how long to wait between two looks, at least {LEAST_EVERY} (default: 30)",
    )
    add_base_url(parser)
    add_seconds(parser.add_argument)


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import run as watch

    secret = token(parser, "your bot's token of top.gg")
    check_every(parser, given.every)
    try:
        show = watch.prepared(
            given.bot,
            secret,
            every=given.every,
            base_url=given.base_url,
            seconds=given.seconds,
            as_json=given.json,
        )
    except ValueError as error:
        refuse(parser, in_our_terms(error))
    show()
    return 0
