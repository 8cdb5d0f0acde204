"""The progress bar of an export. It needs rich: import this only where it is to be drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Self, TextIO

from rich import progress
from rich.console import Console

from ..terminal.telling import counted

__all__ = ["Bar", "fraction"]

FRAME_EVERY = 0.1  # seconds
TEXT_WIDTH = 39  # so that the bar is always as long


class Bar:
    """How many votes there are so far, how fast they come, and which day they are of.

    How many there will be nobody knows. So the bar goes from the time of the first vote to now.

    Args:
        out: The terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._progress = progress.Progress(
            progress.BarColumn(bar_width=None),
            progress.TaskProgressColumn(),
            progress.TextColumn("{task.description}"),
            console=Console(file=out),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            expand=True,
        )
        self._task = self._progress.add_task(f"{'asking top.gg':<{TEXT_WIDTH}}", total=1.0)
        self._first: datetime | None = None
        self._began = self._drawn = 0.0

    def tell(self, count: int, reached: datetime) -> None:
        """So many votes are written, up to that of this moment."""
        now = monotonic()
        self._first = self._first or reached
        if now - self._drawn < FRAME_EVERY:
            return
        self._drawn = now
        rate = count / max(now - self._began, FRAME_EVERY)
        self._progress.update(
            self._task,
            completed=fraction(self._first, reached, datetime.now(UTC)),
            description=_said(count, rate, reached),
            refresh=True,
        )

    def __enter__(self) -> Self:
        self._began = self._drawn = monotonic()
        self._progress.start()
        self._progress.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def fraction(first: datetime, reached: datetime, now: datetime) -> float:
    """How much of the time from `first` to `now` has been read, from 0 to 1."""
    whole = (now - first).total_seconds()
    return min(1.0, max(0.0, (reached - first).total_seconds() / whole)) if whole > 0 else 0.0


def _said(count: int, rate: float, reached: datetime) -> str:
    text = f"{counted(count, 'vote')}  {rate:,.0f}/s"
    return f"{text:<{TEXT_WIDTH - 12}}  {reached.astimezone(UTC):%Y-%m-%d}"
