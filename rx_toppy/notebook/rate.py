"""`rate`: how many items a second a stream has, as a line that moves on with the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from reactivex import Observable

from ..arguments import Seconds, count
from ..arguments import seconds as seconds_of
from .checks import checked_loop, checked_observable, needed
from .live import Live
from .pictures import COLOURS, GREY, Picture, new_figure

T = TypeVar("T")

STEPS = 40  # points of the line in a window


def rate(
    observable: Observable[T],
    window: Seconds = 10.0,
    *,
    windows: int = 6,
    every: Seconds = 0.5,
    seconds: Seconds | None = None,
) -> Live[T]:
    """Plots how many items a second come, counted over a window that slides.

    ```
    observable: -x-x-x-x-----------
    rate:       0.1.2.3.4.3.2.1.0.0     it goes down as well, though nothing comes
    ```

    A point of the line is the number of items of the `window` before it, divided by the window's
    length: so it rises slowly while the first window lasts. It is awaited and stopped as `live` is.

    Args:
        observable: Any observable, on any thread.
        window: Seconds (or a `timedelta`) over which items are counted.
        windows: How many windows the plot is wide.
        every: Seconds (or a `timedelta`) from one frame to the next, at least.
        seconds: When to stop, if the stream has not ended by then.

    Raises:
        TypeError, ValueError: an argument can't be.
        RuntimeError: no event loop runs here.
        ImportError: IPython or matplotlib is missing.

    Example:
        >>> await rate(client.events.pipe(of_type(RequestEvent)), window=5, seconds=60)
    """
    checked_observable(observable, "rate()")
    span = seconds_of(window, "window")
    width = count(windows, "windows", least=1)
    loop = checked_loop("rate()")
    return Live(observable, SlidingRate(span, width, loop.time()), "rate()", every, seconds)


class Slot(NamedTuple):
    """How far the time is, in slots (a window has STEPS of these), and how many came in each."""

    now: int
    counts: Counter[int]


class SlidingRate:
    """How many items came in each slot, for as many slots as the plot is wide."""

    ticks = True

    def __init__(self, window: float, windows: int, began: float) -> None:
        self._window = window
        self._width = windows * STEPS
        self._began = began
        self._counts: Counter[int] = Counter()
        figure = new_figure(800, 240)
        self._axes = axes = figure.add_axes((0.07, 0.17, 0.87, 0.76))
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(colors=GREY, labelsize=9)
        axes.grid(axis="y", color=GREY, alpha=0.25)
        axes.set_xlabel("seconds", color=GREY, fontsize=9)
        axes.set_ylabel(f"a second (over {window:g} s)", color=GREY, fontsize=9)
        axes.yaxis.set_major_locator(needed("matplotlib.ticker").MaxNLocator(4))
        (self._line,) = axes.plot([], [], color=COLOURS[0], linewidth=2)
        self._area: Any = None
        self._now = axes.annotate(
            "", (0, 0), (6, 0), textcoords="offset points", color=COLOURS[0], va="center", size=10
        )
        self._figure = figure

    def add(self, item: Any, at: float) -> None:
        self._counts[self._slot(at)] += 1
        if len(self._counts) > 2 * (self._width + STEPS):
            self._forget(self._slot(at))

    def state(self, at: float) -> Slot:
        now = self._slot(at)
        self._forget(now)
        return Slot(now, self._counts.copy())

    def draw(self, slot: Slot) -> Picture:
        first = max(0, slot.now - self._width)
        step = self._window / STEPS
        times = [place * step for place in range(first, slot.now + 1)]
        rates = sliding(slot.counts, first, slot.now, self._window)
        self._line.set_data(times, rates)
        if self._area is not None:
            self._area.remove()
        self._area = self._axes.fill_between(
            times, rates, color=COLOURS[0], alpha=0.15, linewidth=0
        )
        self._axes.set_xlim(times[0], times[0] + self._width * step)
        self._axes.set_ylim(0, 1.15 * max(rates) or 1)
        self._now.xy = times[-1], rates[-1]
        self._now.set_text(f"{rates[-1]:.3g}")
        return Picture(self._figure, f"{rates[-1]:.3g} a second")

    def _slot(self, at: float) -> int:
        return int((at - self._began) * STEPS / self._window)

    def _forget(self, now: int) -> None:
        oldest = now - self._width - STEPS
        for slot in [slot for slot in self._counts if slot < oldest]:
            del self._counts[slot]


def sliding(counts: Counter[int], first: int, last: int, window: float) -> Sequence[float]:
    """The rates of the windows that end where the slots from `first` to `last` begin."""
    sums = list(accumulate((counts[slot] for slot in range(first - STEPS, last)), initial=0))
    return [(after - before) / window for before, after in zip(sums, sums[STEPS:], strict=False)]
