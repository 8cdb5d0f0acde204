"""Votes that come together, and those that are kept: which of them are one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..models import Vote
from .identity import is_same_vote

__all__ = ["Record", "Together", "is_meant"]


class Record(msgspec.Struct, eq=False):
    """A vote as it is, or will be, kept; `seq` is its number there, None for a new one."""

    seq: int | None
    vote: Vote
    is_completed: bool = False


class Together:
    """Votes that come together, and the records that may be of the same ones: which is which."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._by_seq: dict[int, Record] = {}
        self._by_id: dict[tuple[str, int], list[Record]] = {}

    def take(self, vote: Vote, near: Iterable[tuple[int, Vote]]) -> tuple[Record, bool]:
        """Takes a vote, beside the records near it; its record, and whether that is new."""
        for seq, known in near:
            if seq not in self._by_seq:
                self._by_seq[seq] = self._add(Record(seq, known))
        found = (record for key in _keys(vote) for record in self._by_id.get(key, ()))
        same = next((record for record in found if is_same_vote(vote, record.vote)), None)
        if same is None:
            return self._add(Record(None, vote)), True
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

    def _add(self, record: Record) -> Record:
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
