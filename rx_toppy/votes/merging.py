"""Votes that come together, and those that are kept: which of them are one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from ..models import Vote
from .identity import AROUND, is_same_vote
from .moments import MICROSECOND

__all__ = ["MARGIN", "Record", "Together", "is_meant"]

# How far in time (in microseconds) from a vote the records that may be of it are looked for. They
# are found by what was known first of when they were cast: that may be AROUND from what is known
# now, and this again from the vote.
MARGIN = 2 * AROUND // MICROSECOND


class Record(msgspec.Struct, eq=False):
    """A vote as it is, or will be, kept.

    Attributes:
        seq: Its number there, None for a new one.
        vote: What is known of it.
        place: How many were there before it, here.
        is_completed: Whether more is known than before.
    """

    seq: int | None
    vote: Vote
    place: int
    is_completed: bool = False

    def distance(self, vote: Vote) -> tuple[bool, timedelta, bool, int]:
        """Of several records that are the same as a vote, it belongs to the one that is least so
        far from it: the one of its id, the nearest in time, the oldest."""
        return (
            vote.id is None or vote.id != self.vote.id,
            abs(vote.at - self.vote.at),
            self.seq is None,
            self.place if self.seq is None else self.seq,
        )


class Together:
    """Votes that come together, and the records that may be of the same ones: which is which."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._by_seq: dict[int, Record] = {}
        self._by_id: dict[tuple[str, int], list[Record]] = {}

    def take(self, vote: Vote, near: Iterable[tuple[int, Vote]]) -> tuple[Record, bool]:
        """Takes a vote, beside the records near it; its record, and whether that is new.

        All that may be the same have to be among these, in any order. Others do no harm: an inbox
        finds what its indexes are made for, and what is near the other votes is compared as well.
        """
        for seq, known in near:
            if seq not in self._by_seq:
                self._by_seq[seq] = self._add(seq, known)
        found = (record for key in _keys(vote) for record in self._by_id.get(key, ()))
        same = min(
            (record for record in found if is_same_vote(vote, record.vote)),
            key=lambda record: record.distance(vote),
            default=None,
        )
        if same is None:
            return self._add(None, vote), True
        whole = _merged(same.vote, vote)
        if whole != same.vote:
            same.vote, same.is_completed = whole, True
            self._index(same)
        return same, False

    def new(self) -> list[Record]:
        """The new ones."""
        return [record for record in self._records if record.seq is None]

    def completed(self) -> list[Record]:
        """The kept records of which more is known now."""
        return [one for one in self._records if one.seq is not None and one.is_completed]

    def _add(self, seq: int | None, vote: Vote) -> Record:
        record = Record(seq, vote, len(self._records))
        self._records.append(record)
        self._index(record)
        return record

    def _index(self, record: Record) -> None:
        for key in _keys(record.vote):
            self._by_id.setdefault(key, []).append(record)


def is_meant(kept: Vote, told: Vote) -> bool:
    """Whether it is this one of those that are kept that somebody asks for."""
    if told.is_test or kept.is_test:
        return kept.is_test == told.is_test and kept.received_at == told.received_at
    return is_same_vote(kept, told)


def _keys(vote: Vote) -> list[tuple[str, int]]:
    """What a vote is found by among others."""
    ids = (("id", vote.id), ("on platform", vote.platform_id), ("user", vote.user_id))
    return [(kind, id) for kind, id in ids if id is not None]


def _merged(known: Vote, told: Vote) -> Vote:
    """A vote with what another record of it knows besides."""
    names = ("id", "user_id", "platform_id", "weight", "created_at", "expires_at", "project_id")
    more = {name: getattr(told, name) for name in names if getattr(known, name) is None}
    return msgspec.structs.replace(known, **more)
