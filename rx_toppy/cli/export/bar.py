"""The progress bar of an export. It needs rich: import this only where it is to be drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TextIO

from rich import progress
from rich.console import Console

from .reading import Stand


class Bar:
    """How far a reading has come, as a bar and in words.

    Args:
        out: The terminal.
        look: What tells how far it has come.
        width: How many characters there are to be for the words, so that the bar is as long.
    """

    def __init__(self, out: TextIO, look: Callable[[], Stand], width: int) -> None:
        self._look = look
        self._width = width
        self._progress = progress.Progress(
            progress.BarColumn(bar_width=None),
            progress.TaskProgressColumn(),
            progress.TextColumn("{task.description}", markup=False),
            console=Console(file=out),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            expand=True,
        )
        self._task = self._progress.add_task(f"{'asking top.gg':<{width}}", total=1.0)

    def refresh(self) -> None:
        """Looks, and draws what has changed."""
        fraction, said, _ = self._look()
        description = f"{said:<{self._width}}"
        self._progress.update(self._task, completed=fraction, description=description, refresh=True)

    def __enter__(self) -> Self:
        self._progress.start()
        self._progress.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
