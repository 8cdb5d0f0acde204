"""The events as plain lines, for pipes."""

from __future__ import annotations

from typing import Self, TextIO

from ...events import Event
from ..text import write
from .telling import told


class Lines:
    """A line for each event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        """Writes the event's line, at once."""
        kind, what = told(event)
        line = f"{event.at.astimezone():%H:%M:%S}  {kind:<8}  {what}".rstrip()
        write(self._out, line)

    def refresh(self) -> None:
        """Nothing: what is written stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
