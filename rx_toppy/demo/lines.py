"""The events as plain lines, for pipes; and what an encoding can write."""

from __future__ import annotations

from typing import Self, TextIO

from ..events import Event
from .telling import told

__all__ = ["Lines", "is_unicode", "writable"]


class Lines:
    """A line for each event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        """Writes the event's line, at once."""
        kind, what = told(event)
        line = f"{event.at.astimezone():%H:%M:%S}  {kind:<8}  {what}".rstrip()
        self._out.write(writable(line + "\n", self._out.encoding))
        self._out.flush()

    def refresh(self) -> None:
        """Nothing: what is written stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def writable(text: str, encoding: str | None) -> str:
    """The text with a question mark for each character that the encoding does not have."""
    encoding = encoding or "utf-8"  # a StringIO has none
    return text.encode(encoding, "replace").decode(encoding)


def is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")
