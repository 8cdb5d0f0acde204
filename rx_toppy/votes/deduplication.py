"""When two records are one vote.

top.gg delivers a vote again until it is answered, a history has what a webhook has, and no two of
these sources tell the same of it: v1's webhook an id and a time, the history a time, v0's webhook
neither. Nobody votes twice in 12 hours, so that who, for what and about when is enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from ..models import Vote
from .timestamps import MICROSECOND

# Sources round a vote's time differently.
ROUNDING = timedelta(seconds=1)

# A v0 delivery says no time. Its tries go on for 2,047 seconds after the vote.
AROUND = timedelta(minutes=40)


def is_same_vote(a: Vote, b: Vote) -> bool:
    """Whether two records are of one vote. Tests from the dashboard are never merged."""
    if a.is_test or b.is_test:
        return False
    if a.id is not None and a.id == b.id:
        return True
    if not _is_same_voter(a, b) or not _can_be_equal(a.project_id, b.project_id):
        return False
    if a.created_at is not None and b.created_at is not None:
        return abs(a.created_at - b.created_at) <= ROUNDING
    return abs(a.cast_at - b.cast_at) <= AROUND


def _is_same_voter(a: Vote, b: Vote) -> bool:
    if a.platform_id is not None and b.platform_id is not None:
        return a.platform_id == b.platform_id
    return a.user_id is not None and a.user_id == b.user_id


def _can_be_equal(a: int | None, b: int | None) -> bool:
    return a is None or b is None or a == b


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
            abs(vote.cast_at - self.vote.cast_at),
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


class Recent:
    """The votes of the last while, to know one that is delivered again."""

    def __init__(self, while_: timedelta) -> None:
        self._while = while_
        # Few vote twice in a while. A list for each voter would keep the garbage collector busy.
        self._last: dict[int | None, Vote] = {}
        self._earlier: dict[int | None, list[Vote]] = {}
        self._in_order: deque[Vote] = deque()

    def has(self, vote: Vote) -> bool:
        """Whether it came before."""
        last = self._last.get(vote.voter_id)
        if last is None:
            return False
        known = (last, *self._earlier.get(vote.voter_id, ()))
        return any(is_same_vote(vote, other) for other in known)

    def add(self, vote: Vote) -> None:
        """Remembers it, and forgets those that can't be delivered again."""
        if vote.is_test:
            return
        last = self._last.get(vote.voter_id)
        if last is not None:
            self._earlier.setdefault(vote.voter_id, []).append(last)
        self._last[vote.voter_id] = vote
        self._in_order.append(vote)
        while self._in_order[0].received_at < vote.received_at - self._while:
            self._forget(self._in_order.popleft())

    def _forget(self, vote: Vote) -> None:
        if self._last[vote.voter_id] is vote:
            del self._last[vote.voter_id]
            return
        earlier = self._earlier[vote.voter_id]
        earlier.remove(vote)
        if not earlier:
            del self._earlier[vote.voter_id]
