"""What can be written on a terminal or into a pipe, and how counts are said."""

from __future__ import annotations

import re
from typing import TextIO

# What a terminal would obey, or would begin another line with. Names and texts are whatever their
# authors and a server sent.
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)


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


def counted(number: int, what: str, form: str = ",") -> str:
    """As in "1 server" and "2 servers"."""
    return f"{number:{form}} {what}{'' if abs(number) == 1 else 's'}"
