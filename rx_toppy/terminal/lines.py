"""The events as plain lines, for pipes; and what can be written."""

from __future__ import annotations

import re
from typing import Self, TextIO

from ..events import Event
from .telling import told

__all__ = ["CONTROLS", "Lines", "is_unicode", "writable", "write"]

# What a terminal would obey, or would begin another line with. Names and texts are whatever their
# authors and a server sent.
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)


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


def writable(text: str, encoding: str | None) -> str:
    """A line of text as it can be written, as long as it was.

    There is a space for each control character, and a question mark for each character that the
    encoding does not have.
    """
    encoding = encoding or "utf-8"  # a StringIO has none
    return CONTROLS.sub(" ", text).encode(encoding, "replace").decode(encoding)


def write(out: TextIO, line: str) -> None:
    """Writes a line so that it is there at once, in a pipe too."""
    out.write(writable(line, out.encoding) + "\n")
    out.flush()


def is_unicode(encoding: str | None) -> bool:
    """Whether an encoding has all characters that there are; a StringIO has none, and takes all."""
    return (encoding or "utf-8").lower().startswith("utf")
