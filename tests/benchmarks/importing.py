"""The time of an import, in processes of their own."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile

from .measuring import Bench, Goal, Row
from .peers import MODULES, installed

NAME = "import"
FLOOR = "aiohttp, reactivex, msgspec"


async def importing(bench: Bench) -> None:
    """Beside importing what is needed anyway."""
    if not bench.wanted(NAME):
        return
    modules = {"ours": "rx_toppy", "floor": FLOOR, **{who: MODULES[who] for who in installed()}}
    times: dict[str, list[float]] = {who: [] for who in modules}
    with tempfile.TemporaryDirectory() as cache:
        for number in range(6 if bench.quick else 16):
            for who, module in modules.items():
                took = await asyncio.to_thread(timed, f"import {module}", cache)
                if number > 0:  # the first one compiles
                    times[who].append(took * 1e3)
    values = {who: statistics.median(took) for who, took in times.items()}
    row = Row(name=NAME, unit="ms", ours=values.pop("ours"), floor=values.pop("floor"))
    row.ratios = [a / b for a, b in zip(times["ours"], times["floor"], strict=True)]
    row.goal = Goal(1.05)
    row.peers = values
    bench.add(row)


def timed(statement: str, cache: str) -> float:
    """The seconds of a statement."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # Compiled files are part of what an import is; some machines are told not to keep any.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        check=True,
        env=environment,
    )
    return float(run.stdout)
