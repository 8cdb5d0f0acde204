"""Rows of the table: ours and the floor in turn, so that what else the machine does hits both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import pairwise
from typing import Any, Literal

import msgspec

__all__ = ["Bench", "Goal", "Growth", "Row", "Run", "repeat"]

Run = Callable[[], Awaitable[Any]]


class Goal(msgspec.Struct, frozen=True):
    """What a row should come to.

    Attributes:
        limit: The number.
        at_least: Whether it is the least, and not the most.
        of: Whether it is said of the ratio or of our own number.
    """

    limit: float
    at_least: bool = False
    of: Literal["ratio", "ours"] = "ratio"

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:,g}{' x' * (self.of == 'ratio')}"


class Growth(msgspec.Struct, frozen=True):
    """Which rows show together how a cost grows.

    Attributes:
        of: What is made more of.
        size: How much of it this row has.
        with_work: Whether the cost may grow as the size does; else it should stay as it is.
    """

    of: str
    size: int
    with_work: bool = True


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the table.

    Attributes:
        ratios: Of each pair of rounds: our time beside the floor's; where the goal is a least one,
            our speed beside the floor's.
        curve: Points that the row went through: how much was done, and the number then.
    """

    name: str
    unit: str
    ours: float
    floor: float | None = None
    ratios: list[float] = []
    goal: Goal | None = None
    peers: dict[str, float] = {}
    growth: Growth | None = None
    note: str = ""
    curve: list[tuple[float, float]] = []

    @property
    def ratio(self) -> float | None:
        """The median of the pairs."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def measured(self) -> float | None:
        """What the goal is about."""
        return self.ours if self.goal is not None and self.goal.of == "ours" else self.ratio

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None or self.measured is None:
            return None
        if self.goal.at_least:
            return self.measured >= self.goal.limit
        return self.measured <= self.goal.limit

    @property
    def cost(self) -> float:
        """Our number as something of which more is worse."""
        return 1 / self.ours if self.unit.endswith("/s") else self.ours

    def __str__(self) -> str:
        floor = "" if self.floor is None else _shown(self.floor)
        ratio = span = ""
        if self.ratio is not None:
            ratio = f"{self.ratio:.3f} x"
            span = f"({min(self.ratios):.3f} to {max(self.ratios):.3f})"
        goal = "" if self.goal is None else str(self.goal)
        met = {True: "yes", False: "NO", None: ""}[self.is_met]
        more = [f"{name} {_shown(value)}" for name, value in self.peers.items()]
        more += [self.note] if self.note else []
        line = (
            f"{self.name:<42} {_shown(self.ours):>9} {floor:>9} {self.unit:<14} "
            f"{ratio:>9} {span:<20} {goal:<11} {met:<3}  {'; '.join(more)}"
        )
        return line.rstrip()


HEAD = (
    f"{'what':<42} {'ours':>9} {'floor':>9} {'unit':<14} "
    f"{'ratio':>9} {'(least to most)':<20} {'goal':<11} met  beside"
)


class Bench:
    """What was asked for on the command line, and the rows so far."""

    def __init__(self, chosen: Collection[str], *, quick: bool = False, long: bool = False) -> None:
        self.chosen = chosen
        self.quick = quick
        self.long = long
        self.rows: list[Row] = []

    def wanted(self, *names: str) -> bool:
        """Whether any of the rows was asked for: part of a name will do."""
        return not self.chosen or any(part in name for part in self.chosen for name in names)

    def add(self, row: Row) -> None:
        """Prints a row, and keeps it."""
        if not self.rows:
            print(HEAD, flush=True)
        self.rows.append(row)
        print(row, flush=True)

    async def compare(
        self,
        name: str,
        unit: str,
        ours: Run,
        floor: Run,
        *,
        goal: Goal | None = None,
        work: int = 1,
        rounds: int = 9,
        peers: Mapping[str, Run] | None = None,
        growth: Growth | None = None,
    ) -> None:
        """Runs ours, the floor and the peers in turn, if this row is wanted.

        Args:
            unit: It ends in "/s" (so much `work` a second), or begins with "s", "ms" or "us" (a
                piece of `work`).
        """
        if not self.wanted(name):
            return
        runs = {"ours": ours, "floor": floor, **(peers or {})}
        times = await in_turn(runs, max(3, rounds // 3) if self.quick and rounds > 3 else rounds)
        inverse = goal is not None and goal.at_least and goal.of == "ratio"
        ratios = [
            bare / own if inverse else own / bare
            for own, bare in zip(times["ours"], times["floor"], strict=True)
        ]
        values = {who: _valued(statistics.median(took), unit, work) for who, took in times.items()}
        own, bare = values.pop("ours"), values.pop("floor")
        row = Row(name=name, unit=unit, ours=own, floor=bare, ratios=ratios, goal=goal)
        row.peers, row.growth = values, growth
        self.add(row)


async def in_turn(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """The seconds that each takes: round after round, and every other one the other way round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        await run()
    order = list(runs)
    for _ in range(rounds):
        gc.collect()
        for name in order:
            begun = time.perf_counter()
            await runs[name]()
            times[name].append(time.perf_counter() - begun)
        order.reverse()
    return times


def repeat(count: int, action: Callable[[], Any]) -> Run:
    """Does something many times."""

    async def run() -> None:
        for _ in range(count):
            action()

    return run


def growth_lines(rows: Collection[Row]) -> list[str]:
    """How costs grow, from each size to the next one."""
    lines = []
    for of, series in series_of(rows).items():
        for less, more in pairwise(series):
            assert less.growth is not None
            assert more.growth is not None
            factor = more.growth.size / max(less.growth.size, 1)
            of_work = f"{factor:,g} x as many" if less.growth.size else "from none"
            goes = "should grow no faster" if more.growth.with_work else "should stay as it is"
            lines.append(
                f"{of}, {less.growth.size:,} to {more.growth.size:,}: {of_work}, "
                f"{more.cost / less.cost:.2f} x the cost ({goes})"
            )
    return lines


def series_of(rows: Collection[Row]) -> dict[str, list[Row]]:
    """The rows that show how a cost grows, by what it grows with."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.growth is not None:
            found.setdefault(row.growth.of, []).append(row)
    return {of: series for of, series in found.items() if len(series) > 1}


def _valued(seconds: float, unit: str, work: int) -> float:
    if unit.endswith("/s"):
        return work / seconds
    return seconds / work * {"s": 1.0, "ms": 1e3, "us": 1e6}[unit.split()[0]]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.1f}"
