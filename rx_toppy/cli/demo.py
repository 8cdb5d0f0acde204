"""`rx-toppy demo`."""

from __future__ import annotations

import argparse

from .parsing import Commands, add_seconds, command

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "demo",
        help="watch a client at work, with a local top.gg",
        description=(
            "Starts a local top.gg, a bot that grows and a client that posts for it every few "
            "seconds, and shows all that happens: live in a terminal (with the extra 'cli'), and "
            "otherwise a line for each event. Nothing leaves this machine."
        ),
        examples=("demo", "demo --json --seconds 10"),
        run=_run,
    )
    add_seconds(parser.add_argument)


def _run(_: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from .. import demo

    demo.run(given.seconds, as_json=given.json)
    return 0
