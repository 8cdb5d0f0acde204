"""`rx-toppy sandbox`."""

from __future__ import annotations

import argparse

from .arguments import Commands, add_seconds, command


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "sandbox",
        help="serve a local top.gg to any client",
        description=(
            "Serves a local top.gg with made-up bots, users and votes to a client in any language, "
            "prints where it is and the token that it takes, then a line for each request. It "
            "limits rates as top.gg does, and fails where it is told to."
        ),
        examples=("sandbox --seed 3", "sandbox --fail 503:0.1 --fail delay=2@/bots/{id}"),
        run=_run,
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
        type=latency,
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
    add_seconds(parser.add_argument)


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from . import serving

    try:
        serve = serving.prepared(given)
    except ValueError as error:
        parser.error(str(error))
    serve()
    return 0


def latency(text: str) -> float | tuple[float, float]:
    least, dash, most = text.partition("-")
    try:
        return (float(least), float(most)) if least and dash else float(text)
    except ValueError:
        said = f"takes seconds, as 0.1 or 0.05-0.2, not {text!r}"
        raise argparse.ArgumentTypeError(said) from None
