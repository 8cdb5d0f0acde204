"""Records as lines of a file: JSON Lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TextIO

import msgspec

from ..records import Record, json_line
from ..text import writable

Write = Callable[[Record], object]
"""Writes one more record."""


class Format(Protocol):
    """How records of one kind are written.

    Attributes:
        name: What the format is called.
        line_end: What ends a line.
        opening: What a file begins with, whether or not it has any records.
        first: What the first line of one that has records begins with.
    """

    name: ClassVar[str]
    line_end: ClassVar[str]
    opening: str
    first: str

    def __init__(self, kind: type[Record]) -> None: ...

    def writer(self, out: TextIO) -> Write:
        """What writes records to a file that is open for it."""


class JsonLines:
    """A JSON object a line."""

    name: ClassVar[str] = "jsonl"
    line_end: ClassVar[str] = "\n"

    def __init__(self, kind: type[Record]) -> None:
        self.opening = ""
        self.first = "{"

    def writer(self, out: TextIO) -> Write:
        """What writes records to a file that is open for it."""
        encoding, end = out.encoding, self.line_end
        return lambda record: out.write(json_line(record, encoding) + end)


class Csv:
    """A table as RFC 4180 has it, each record on one line.

    What top.gg did not tell is an empty field, a list has a comma and a space between its items,
    and there is a space for each control character.
    """

    name: ClassVar[str] = "csv"
    line_end: ClassVar[str] = "\r\n"

    def __init__(self, kind: type[Record]) -> None:
        self.opening = self.first = ",".join(kind.__struct_fields__) + self.line_end

    def writer(self, out: TextIO) -> Write:
        """What writes records to a file that is open for it."""
        row = csv.writer(out, lineterminator=self.line_end).writerow
        encoding = out.encoding or "utf-8"
        return lambda record: row(
            _cell(value, encoding) for value in msgspec.structs.astuple(record)
        )


FORMATS: Mapping[str, type[Format]] = MappingProxyType(
    {format.name: format for format in (JsonLines, Csv)}
)


def format_of(name: str) -> type[Format]:
    """The format that a file's name asks for: CSV by its ending, or else JSON Lines."""
    return Csv if name.lower().endswith(".csv") else JsonLines


def _cell(value: Any, encoding: str) -> Any:
    if isinstance(value, list):
        value = ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or (value.isascii() and value.isprintable()):
        return value
    return writable(value, encoding)
