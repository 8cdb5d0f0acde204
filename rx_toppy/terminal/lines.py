"""The events as plain lines, for pipes; and what can be written."""

from __future__ import annotations

import re
from typing import Self, TextIO

from ..events import Event
from .telling import told

__all__ = ["Lines", "is_unicode", "writable"]

# What a terminal would obey, or would begin another line with. Names and texts are whatever their
# authors and a server sent.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Lines:
    """A line for each event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        """Writes the event's line, at once."""
        kind, what = told(event)
        line = f"{event.at.astimezone():%H:%M:%S}  {kind:<8}  {what}".rstrip()
        self._out.write(writable(line, self._out.encoding) + "\n")
        self._out.flush()

    def refresh(self) -> None:
        """Nothing: what is written stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def writable(text: str, encoding: str | None) -> str:
    """A line of text as it can be written, as long as it was.

    There is a space for each control character, and a question mark for each character that the
    encoding does not have.
    """
    encoding = encoding or "utf-8"  # a StringIO has none
    return CONTROLS.sub(" ", text).encode(encoding, "replace").decode(encoding)


def is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")
