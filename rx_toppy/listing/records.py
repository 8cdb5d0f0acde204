"""A vote as a record of a file: JSON Lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import ClassVar, Protocol, TextIO

import msgspec

from ..models import Vote

__all__ = ["FORMATS", "Format", "format_of"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is written of a vote. What top.gg did not tell is None.

    Ids are text: a JSON reader that makes doubles of numbers would change them.
    """

    user_id: str | None
    platform_id: str | None
    weight: int | None
    created_at: str | None
    expires_at: str | None


class Format(Protocol):
    """How votes are written to a file that is open for it.

    Attributes:
        line_end: What ends a line.
        opening: What a file of votes begins with, whether or not it has any.
        first: What the first line of one that has votes begins with.
    """

    line_end: ClassVar[str]
    opening: ClassVar[str]
    first: ClassVar[str]

    def __init__(self, out: TextIO) -> None: ...

    def write(self, vote: Vote) -> None:
        """Writes one more vote."""


class JsonLines:
    """A JSON object a line."""

    line_end: ClassVar[str] = "\n"
    opening: ClassVar[str] = ""
    first: ClassVar[str] = "{"

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._encode = msgspec.json.Encoder().encode

    def write(self, vote: Vote) -> None:
        """Writes one more vote."""
        self._out.write(self._encode(_record(vote)).decode() + self.line_end)


class Csv:
    """A table as RFC 4180 has it; what top.gg did not tell is an empty field."""

    line_end: ClassVar[str] = "\r\n"
    opening: ClassVar[str] = ",".join(Record.__struct_fields__) + line_end
    first: ClassVar[str] = opening

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.writer(out, lineterminator=self.line_end)

    def write(self, vote: Vote) -> None:
        """Writes one more vote."""
        self._writer.writerow(msgspec.structs.astuple(_record(vote)))


FORMATS: Mapping[str, type[Format]] = MappingProxyType({"jsonl": JsonLines, "csv": Csv})


def format_of(name: str) -> type[Format]:
    """The format that a file's name asks for: CSV by its ending, or else JSON Lines."""
    return Csv if name.lower().endswith(".csv") else JsonLines


def _record(vote: Vote) -> Record:
    return Record(
        user_id=None if vote.user_id is None else str(vote.user_id),
        platform_id=None if vote.platform_id is None else str(vote.platform_id),
        weight=vote.weight,
        created_at=_time(vote.created_at),
        expires_at=_time(vote.expires_at),
    )


def _time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, always as long: sorted as text, times are in order."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z"
