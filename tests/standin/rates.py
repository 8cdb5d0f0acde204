"""How many requests arrived in how short a time."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator


def most_in_window(times: Iterable[float], window: float) -> int:
    """The greatest number of arrivals in any half-open window of that length."""
    return max((count for _, count in _windows(times, window)), default=0)


def violations(times: Iterable[float], calls: int, window: float) -> list[tuple[float, int]]:
    """The windows that hold more than `calls` arrivals: when each begins, and how many it holds."""
    return [(start, count) for start, count in _windows(times, window) if count > calls]


def _windows(times: Iterable[float], window: float) -> Iterator[tuple[float, int]]:
    # The fullest windows begin with an arrival, so no others need looking at.
    arrivals = sorted(times)
    for first, start in enumerate(arrivals):
        yield start, bisect_left(arrivals, start + window, lo=first) - first
