"""`rate`: items a second over a sliding window."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as ops

from rx_toppy.notebook import rate
from rx_toppy.notebook.rate import STEPS, SlidingRate, sliding
from tests.notebook.conftest import Page
from tests.notebook.test_live import ticking
from tests.virtual import run_virtual


def numbers(page: Page) -> list[float]:
    """The rate that each frame names."""
    return [float(text.removesuffix(" a second")) for text in page.texts]


def test_it_rises_and_goes_down_to_zero_though_nothing_comes(page: Page) -> None:
    """10 items a second for 6 s, counted over 2 s; then silence, which is drawn as well."""

    def burst() -> Observable[int]:
        return rx.concat(ticking(0.1).pipe(ops.take(60)), rx.never())

    async def main() -> None:
        await rate(burst(), window=2, every=1, seconds=10)

    run_virtual(main())
    seen = numbers(page)
    assert seen[:2] == [0, pytest.approx(5, abs=0.6)]
    assert seen[3:6] == pytest.approx([10, 10, 10], abs=0.6)
    assert seen[-2:] == [0, 0]
    assert len(seen) == pytest.approx(11, abs=1)
    assert page.frames[-1]["image/png"]


def test_it_ends_with_the_stream(page: Page) -> None:
    """And gives the last item; nothing goes on ticking."""

    async def main() -> None:
        assert await rate(ticking(0.5).pipe(ops.take(4)), timedelta(seconds=1)) == 3
        frames = len(page.frames)
        await asyncio.sleep(10)
        assert len(page.frames) == frames
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_it_forgets_what_is_out_of_the_picture() -> None:
    """Its memory does not grow with the stream, whether or not it is drawn."""
    view = SlidingRate(window=1, windows=1, began=0)
    for number in range(5000):
        view.add(number, number * 0.1)
    assert len(view._counts) < 10 * STEPS
    assert sum(view.state(500).counts.values()) == pytest.approx(20, abs=1)


def test_its_figure_goes_with_it(page: Page) -> None:
    """Nothing keeps it: not pyplot, nor the shell."""

    async def main() -> None:
        view = rate(ticking(0.1), 1, seconds=1)
        figure = weakref.ref(view._view._figure)  # type: ignore[attr-defined]
        await view
        assert figure() is not None
        del view
        await asyncio.sleep(1)
        gc.collect()
        assert figure() is None

    run_virtual(main())


@given(st.lists(st.integers(0, 200)), st.integers(0, 100), st.integers(0, 100))
def test_each_point_is_the_count_of_its_window(events: list[int], first: int, more: int) -> None:
    """By definition: how many came in the window before it, a second."""
    last = first + more
    rates = sliding(Counter(events), first, last, 2.0)
    assert rates == [
        sum(point - STEPS <= event < point for event in events) / 2
        for point in range(first, last + 1)
    ]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: rate(5), TypeError, "takes an observable .* not int"),  # type: ignore[arg-type]
        (lambda: rate(rx.of(1), 0), ValueError, "window"),
        (lambda: rate(rx.of(1), windows=0), ValueError, "windows"),
    ],
)
async def test_bad_arguments(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """A clear error where it is called."""
    with pytest.raises(error, match=says):
        call()
