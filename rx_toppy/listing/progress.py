"""How far an export has come: a bar in a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, Self, TextIO

__all__ = ["Progress", "shown"]


class Progress(AbstractContextManager[Any], Protocol):
    """What shows how far it has come, between its beginning and its end."""

    def tell(self, count: int, reached: datetime) -> None:
        """So many votes are written, up to that of this moment."""


class Unseen:
    """No progress to be seen."""

    def tell(self, count: int, reached: datetime) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def shown(err: TextIO, *, is_seen: bool) -> Progress:
    """A bar, where `err` is a terminal and rich is installed.

    Args:
        err: Where it is drawn.
        is_seen: Whether the votes go by in a terminal themselves.
    """
    if is_seen or not err.isatty() or os.environ.get("TERM") == "dumb":
        return Unseen()
    try:
        from .bar import Bar

        return Bar(err)
    except ImportError:
        sys.stderr.write("For a progress bar: pip install 'rx_toppy[cli]'\n")
        return Unseen()
