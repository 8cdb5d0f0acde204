"""How fast the library is, beside the bare thing, in turn in one run.

    python -m tests.benchmarks                     # all of it, some minutes
    python -m tests.benchmarks awaited intake      # rows with one of these in their names
    python -m tests.benchmarks --quick             # fewer rounds, shorter histories
    python -m tests.benchmarks --long              # and an inbox of a million votes
    python -m tests.benchmarks cluster             # processes on a Redis: needs redis-server
    python -m tests.benchmarks --json numbers.json --plot numbers.png

Each line is the median of rounds that take turns, so that what else the machine does hits all of
them; the ratio is the median of those of each pair. Where the goal is a most one, it is our time
beside the floor's, and where it is a least one, our speed. Other libraries (`pip install
rx_toppy[bench]`) stand beside, where they are installed. Nothing here is asserted: the numbers are
for reading.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

import msgspec

from .calls import calls
from .cluster import cluster
from .counting import counting
from .decoding import decoding
from .fanning import fan_out
from .history import history
from .importing import importing
from .intake import durable, shared, webhook
from .measuring import Bench, growth_lines

GROUPS: tuple[Callable[[Bench], Awaitable[None]], ...] = (
    calls,
    decoding,
    fan_out,
    counting,
    history,
    webhook,
    durable,
    shared,
    importing,
    cluster,
)


def arguments() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("rows", nargs="*", help="rows to run, by a part of their names")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less of everything")
    parser.add_argument("--long", action="store_true", help="an inbox of a million votes as well")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the numbers here")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write a chart here, a PNG")
    given = parser.parse_args()
    for file in (given.json, given.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {str(file.parent)!r} to put {file.name} into")
    return given


async def run(bench: Bench) -> None:
    """All groups, one after another."""
    for group in GROUPS:
        await group(bench)
    if lines := growth_lines(bench.rows):
        print("\nhow costs grow")
        for line in lines:
            print(f"  {line}")


def written(bench: Bench) -> bytes:
    """The numbers for machines."""
    names = ("aiohttp", "msgspec", "reactivex", "rx_toppy")
    about = {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "quick": bench.quick,
        "versions": {name: version(name) for name in names},
    }
    rows = [
        msgspec.to_builtins(row) | {"ratio": row.ratio, "is_met": row.is_met} for row in bench.rows
    ]
    return msgspec.json.format(msgspec.json.encode({"about": about, "rows": rows}))


def main() -> None:
    given = arguments()
    bench = Bench(given.rows, quick=given.quick, long=given.long)
    asyncio.run(run(bench))
    if not bench.rows:
        sys.exit(f"there is no row with {' or '.join(given.rows)} in its name")
    if given.json is not None:
        given.json.write_bytes(written(bench) + b"\n")
    if given.plot is not None:
        from .chart import plot

        plot(bench.rows, str(given.plot))


if __name__ == "__main__":
    main()
