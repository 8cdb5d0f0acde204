"""`rx-toppy demo`."""

from __future__ import annotations

import argparse

from ...errors import ToppyError
from ..arguments import Commands, add_seconds, command, refuse

REDIS = "redis://127.0.0.1:6379"


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "demo",
        help="watch a client at work, with a local top.gg",
        description=(
            "Starts a local top.gg, a bot that grows and a client that posts for it every few "
            "seconds, and shows all that happens: live in a terminal (with the extra 'cli'), and "
            "otherwise a line for each event. Nothing leaves this machine. With --cluster, each "
            "terminal that runs it is one process of a bot that runs in several."
        ),
        examples=("demo", "demo --json --seconds 10", "demo --cluster"),
        run=_run,
    )
    parser.add_argument(
        "--cluster",
        nargs="?",
        const=REDIS,
        metavar="URL",
        help=(
            "be one of several processes of a bot, which find each other by a Redis (with the "
            f"extra 'redis'): run it in two terminals (default: {REDIS})"
        ),
    )
    add_seconds(parser.add_argument)


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import run as demo

    if given.cluster is None:
        demo.run(given.seconds, as_json=given.json)
        return 0
    from ...cluster.connection import checked_redis_url

    try:
        url = checked_redis_url(given.cluster, "--cluster")
    except ValueError as error:
        refuse(parser, str(error))
    except ImportError as error:
        raise ToppyError(str(error)) from None
    from .cluster import run as cluster

    cluster.run(url, given.seconds, as_json=given.json)
    return 0
