"""Something that is read to its end, and how far that has come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from time import monotonic
from typing import ClassVar, NamedTuple

from ...client import TopGG
from ..records import Record

LEAST_ELAPSED = 0.1  # seconds, so that a rate is never of next to nothing


class Stand(NamedTuple):
    """How far a reading has come.

    Attributes:
        fraction: How much of it is done, from 0 to 1.
        said: The same in words, on one line.
        notice: Why it stands still; empty where it does not.
    """

    fraction: float
    said: str
    notice: str = ""


class Reading(ABC):
    """A list of top.gg's, read record by record.

    Attributes:
        what: What a record is of, in a word.
        kind: The records.
        width: How many characters `Stand.said` most often has, so that bars are as long.
        client: What it is read with; whoever reads opens and closes it.
        count: How many records there were so far.
    """

    what: ClassVar[str]
    kind: ClassVar[type[Record]]
    width: ClassVar[int]

    def __init__(self, client: TopGG) -> None:
        self.client = client
        self.count = 0
        self._began: float | None = None

    @abstractmethod
    def records(self) -> AsyncGenerator[Record, None]:
        """All of them, as they come."""

    @abstractmethod
    def stand(self) -> Stand:
        """How far it has come."""

    def begin(self) -> None:
        """It begins now."""
        self._began = monotonic()

    @property
    def rate(self) -> float:
        """Records a second, from the beginning until now."""
        now = monotonic()
        return self.count / max(now - (self._began or now), LEAST_ELAPSED)
