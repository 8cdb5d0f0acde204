"""How far a reading has come: a bar in a terminal; elsewhere a line where it stands still."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self, TextIO

from ..text import write
from .reading import Reading, Stand


class Progress(AbstractContextManager[Any], Protocol):
    """What shows how far it has come, between its beginning and its end."""

    def refresh(self) -> None:
        """Looks, and shows what has changed."""


class Notices:
    """A line each time that the reading stands still, and nothing else."""

    def __init__(self, out: TextIO, look: Callable[[], Stand]) -> None:
        self._out = out
        self._look = look
        self._before = self._noticed = -1.0

    def refresh(self) -> None:
        """Looks, and shows what has changed."""
        fraction, _, notice = self._look()
        # What has come in meanwhile may still be under way to the file: that is no standstill.
        if notice and fraction == self._before != self._noticed:
            self._noticed = fraction
            write(self._out, notice)
        self._before = fraction

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def shown(err: TextIO, reading: Reading, *, is_seen: bool) -> Progress:
    """A bar, where `err` is a terminal and rich is installed.

    Args:
        err: Where it is drawn.
        reading: What it is about.
        is_seen: Whether the records go by in a terminal themselves.
    """
    notices = Notices(err, reading.stand)
    if is_seen or not err.isatty() or os.environ.get("TERM") == "dumb":
        return notices
    try:
        from .bar import Bar

        return Bar(err, reading.stand, reading.width)
    except ImportError:
        err.write("For a progress bar: pip install 'rx_toppy[cli]'\n")
        return notices
