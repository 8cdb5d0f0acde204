"""The table as a picture: how near to the goals, how costs grow, and the memory of a long read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .measuring import Row, series_of

MET, MISSED, NO_GOAL, GOAL = "#2f7d4f", "#c0392b", "#8a94a3", "#222222"
LINES = ("#2f5d9b", "#c77d1f", "#2f7d4f", "#8e44ad")


def plot(rows: Collection[Row], path: str) -> None:
    """Writes a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    compared = [row for row in rows if row.ratios]
    absolute = [row for row in rows if row.goal is not None and row.goal.of == "ours"]
    series, curves = series_of(rows), [row for row in rows if row.curve]
    bars = len(compared) + len(absolute)
    figure, grid = plt.subplots(
        2,
        2,
        figsize=(15, max(7, 3.6 + 0.42 * bars)),
        layout="constrained",
        gridspec_kw={"height_ratios": [max(bars, 4), 8], "width_ratios": [3, 2]},
    )
    _beside_floor(grid[0][0], compared)
    _beside_goal(grid[0][1], absolute)
    _growth(grid[1][0], series)
    _memory(grid[1][1], curves)
    figure.suptitle("rx_toppy, measured in turn with the bare thing", fontsize=14)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def time_ratio(row: Row, ratio: float) -> float:
    """A ratio as the time beside the floor's, of which more is worse."""
    is_speed = row.goal is not None and row.goal.at_least and row.goal.of == "ratio"
    return 1 / ratio if is_speed else ratio


def _beside_floor(axes: Any, rows: list[Row]) -> None:
    """A bar for each row, a stroke where its goal is."""
    axes.set_title(
        "our cost beside the floor's: 1 is as fast, less is better; the stroke: the goal"
    )
    if not rows:
        axes.set_axis_off()
        return
    for place, row in enumerate(rows):
        ratio = row.ratio or 1.0
        value = time_ratio(row, ratio)
        spread = sorted(time_ratio(row, one) for one in row.ratios)
        has_goal = row.goal is not None and row.goal.of == "ratio"
        colour = NO_GOAL if not has_goal else MET if row.is_met else MISSED
        axes.barh(place, value, color=colour, height=0.62)
        axes.hlines(place, spread[0], spread[-1], color="#00000066", linewidth=1.5)
        text = f"{ratio:.2f} x"
        if row.goal is not None and has_goal:
            goal = time_ratio(row, row.goal.limit)
            axes.vlines(goal, place - 0.42, place + 0.42, color=GOAL, linewidth=2.5)
            text += f"  (goal {row.goal})"
            value = max(value, goal)
        axes.text(max(value, spread[-1]) * 1.03, place, text, va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g} x" for tick in ticks])
    axes.minorticks_off()
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * 1.9)
    axes.axvline(1, color="#00000055", linewidth=1, linestyle="--")


def _beside_goal(axes: Any, rows: list[Row]) -> None:
    """What has a number for a goal, as a share of it: at most 1 is met."""
    axes.set_title("cost as a share of what the goal allows")
    if not rows:
        axes.set_axis_off()
        return
    shares = []
    for place, row in enumerate(rows):
        assert row.goal is not None
        limit = row.goal.limit
        share = limit / row.ours if row.goal.at_least else row.ours / limit
        shares.append(share)
        axes.barh(place, share, color=MET if row.is_met else MISSED, height=0.3)
        ours = f"{row.ours:,.0f}" if row.ours >= 100 else f"{row.ours:.2g}"
        text = f"{row.name}: {ours} {row.unit} (goal {row.goal})"
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text(0.01, place - 0.27, text, va="center", fontsize=9, bbox=behind)
    axes.set_yticks([])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.set_xlim(0, max(1.25, *shares) * 1.05)
    axes.axvline(1, color=GOAL, linewidth=2.5)


def _growth(axes: Any, series: dict[str, list[Row]]) -> None:
    """Costs over sizes, both as multiples of the least; in dots, what grows as the work does."""
    axes.set_title("cost beside that of the smallest, as there is more of it")
    if not series:
        axes.set_axis_off()
        return
    for colour, (of, rows) in zip(LINES, series.items(), strict=False):
        sizes = [max(row.growth.size, 1) for row in rows if row.growth is not None]
        costs = [row.cost / rows[0].cost for row in rows]
        axes.plot(sizes, costs, marker="o", color=colour, label=of)
        if rows[0].growth is not None and rows[0].growth.with_work:
            axes.plot(sizes, [size / sizes[0] for size in sizes], ":", color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("how many (dots: as the work does)")
    axes.legend(fontsize=9)
    axes.grid(alpha=0.3)


def _memory(axes: Any, rows: list[Row]) -> None:
    """The memory curve, and its goal."""
    axes.set_title("memory above the start while a history is read")
    if not rows:
        axes.set_axis_off()
        return
    for row in rows:
        axes.plot(*zip(*row.curve, strict=True), marker="o", color=LINES[0], label=row.name)
        if row.goal is not None:
            axes.axhline(row.goal.limit, color=GOAL, linewidth=2, label="the goal")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("votes read")
    axes.set_ylabel("MB")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(fontsize=9, loc="center right")
    axes.grid(alpha=0.3)
