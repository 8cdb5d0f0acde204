"""How an output that nobody awaits is stopped: by a button, or by running its cell again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from .output import shell

BEAT = 0.2  # seconds after which an interrupt is heeded at the latest
PATIENCE = 0.1  # seconds in which `await` has come, also by way of a task


async def ended(over: asyncio.Future[None]) -> None:
    """Waits for an end that others may wait for as well."""
    while not over.done():
        # A kernel that is interrupted tells its loop so, without waking it: an `await` in which
        # nothing happens would go on for ever.
        await asyncio.wait([over], timeout=BEAT)


class Stops:
    """Calls `stop` when the Stop button is pressed, or when the same cell runs again.

    A cell that awaits is stopped by interrupting it; and no button works while a cell runs.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._shell = shell()
        self._cell = _cell_of(self._shell)
        self._turn = getattr(self._shell, "execution_count", None)
        self._button: Any = None
        self._output: Any = None
        self._timer: asyncio.TimerHandle | None = None
        if self._shell is not None:
            self._shell.events.register("pre_run_cell", self._on_run)
        if getattr(self._shell, "kernel", None) is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE, self._offer)

    def is_own_cell(self) -> bool:
        """Whether the cell that runs now is the one that it began in."""
        return getattr(self._shell, "execution_count", None) == self._turn

    def leave_to_the_cell(self) -> None:
        """It is awaited: there is no need of a button."""
        if self._timer is not None:
            self._timer.cancel()
        if self._button is not None:
            self._button.close()
            self._output.update({"text/html": "", "text/plain": ""}, raw=True)
            self._button = None

    def close(self) -> None:
        """It has stopped."""
        self.leave_to_the_cell()
        if self._shell is not None:
            with suppress(ValueError):
                self._shell.events.unregister("pre_run_cell", self._on_run)

    def _on_run(self, info: Any = None) -> None:
        if self._cell is not None and getattr(info, "cell_id", None) == self._cell:
            self._stop()

    def _offer(self) -> None:
        try:
            widgets = import_module("ipywidgets")
        except ImportError:
            return
        self._button = widgets.Button(description="Stop", icon="stop")
        self._button.on_click(lambda _: self._stop())
        self._output = import_module("IPython.display").DisplayHandle()
        self._output.display(self._button)


def _cell_of(host: Any) -> str | None:
    """The id of the cell that runs now, where the notebook tells it."""
    parent = host.get_parent() if hasattr(host, "get_parent") else {}
    cell = (parent or {}).get("metadata", {}).get("cellId")
    return cell if isinstance(cell, str) else None
