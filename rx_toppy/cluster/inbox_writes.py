"""Adding votes to an inbox in Redis: what is the same is decided here, and only kept there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..errors import InboxError
from ..models import Vote
from ..votes.deduplication import MARGIN, Record, Together
from .inbox_records import decoded, encoded, number_of
from .inbox_redis import InboxRedis, away

# Each round but the first one tells of votes that others have added since the one before.
MOST_ROUNDS = 20


class Kept(msgspec.Struct):
    """A vote as it is in Redis."""

    at: int
    vote: Vote
    record: bytes


class Adding:
    """Some votes on their way into the inbox.

    Redis is told which kept votes each of them was compared with, and takes it if these are all
    that are near it. Else it tells of the others, and it is decided anew. So votes that nothing is
    near, as nearly all, take one round. It is all of them or none that are kept.

    Args:
        votes: What is added.
        cursor: What is kept with them.
    """

    def __init__(self, votes: Sequence[Vote], cursor: str = "") -> None:
        self.fates: list[bool | InboxError] = [False] * len(votes)
        self._votes = votes
        self._cursor = cursor
        self.open: list[int] = []
        self._kept: dict[int, Kept] = {}
        self._near: dict[int, list[int]] = {}
        for place, vote in enumerate(votes):
            try:
                encoded(vote)
            except InboxError as error:
                self.fates[place] = error
            else:
                self.open.append(place)

    async def run(self, redis: InboxRedis) -> None:
        """Adds them; `fates` says what became of each.

        Raises:
            InboxError: those that are `open` were not kept (or the answer was lost).
        """
        for _ in range(MOST_ROUNDS):
            if await self._round(redis):
                return
        raise away("too many others are adding the same votes")

    async def _round(self, redis: InboxRedis) -> bool:
        """Tries it with what is known by now; whether that was all."""
        together = Together()
        taken = []
        for place in self.open:
            record, self.fates[place] = together.take(self._votes[place], self._around(place))
            taken.append(record)
        new, completed = together.new(), together.completed()
        if not new and not completed and not self._cursor:
            return True
        told = [part for place in self.open for part in self._told(place)]
        told.append(len(new))
        places = {id(record): number for number, record in reversed(list(enumerate(taken, 1)))}
        for record in new:
            number = places[id(record)]
            is_as_told = record.vote is self._votes[self.open[number - 1]]
            told.append(number if is_as_told else encoded(record.vote))
        told += [part for record in completed for part in self._completion(record)]
        refused, stale = await redis.run("inbox_add", MARGIN, self._cursor, len(self.open), *told)
        for number, *near in refused:
            place = self.open[number - 1]
            self._near[place] = [int(one) for one in near[::2]]
            stale += zip(near[::2], near[1::2], strict=True)
        for one, kept in stale:
            self._learn(int(one), kept)
        return not stale

    def _around(self, place: int) -> Iterable[tuple[int, Vote]]:
        """The kept votes that this one is compared with."""
        near = self._near.get(place, ())
        return [(seq, self._kept[seq].vote) for seq in near if seq in self._kept]

    def _told(self, place: int) -> list[Any]:
        known = self._near.get(place, ())
        return [encoded(self._votes[place]), len(known), *map(number_of, known)]

    def _completion(self, record: Record) -> tuple[str, bytes, bytes]:
        seq = record.seq or 0
        kept = self._kept[seq]
        return number_of(seq), kept.record, encoded(record.vote, kept.at)

    def _learn(self, seq: int, record: bytes | None) -> None:
        """Redis has said what a kept vote is by now."""
        if record is None:  # it was forgotten meanwhile
            self._kept.pop(seq, None)
        else:
            self._kept[seq] = Kept(*decoded(record), record)


async def add_all(redis: InboxRedis, votes: Sequence[Vote]) -> list[bool | InboxError]:
    """Adds votes; of each, whether it was new, or why it could not be kept."""
    adding = Adding(votes)
    try:
        await adding.run(redis)
    except InboxError as error:
        for place in adding.open:
            adding.fates[place] = away(str(error))
    return adding.fates


async def add_page(redis: InboxRedis, page: Sequence[Vote], cursor: str) -> list[Vote]:
    """Adds a page of the history together with the cursor behind it; gives those that were new.

    Raises:
        InboxError: nothing of it was kept (or its answer was lost).
    """
    adding = Adding(page, cursor)
    for fate in adding.fates:
        if isinstance(fate, InboxError):
            raise fate
    await adding.run(redis)
    return [vote for vote, is_new in zip(page, adding.fates, strict=True) if is_new]
