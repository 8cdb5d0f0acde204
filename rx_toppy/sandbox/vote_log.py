"""The votes for one bot: who, when, and with what weight."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

COOLDOWN = timedelta(hours=12)
"""How long a vote is valid; its user can't vote again before that."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Vote(msgspec.Struct, frozen=True, gc=False):
    """One vote; `weight` is 2 for one that was cast on a weekend."""

    user_id: str
    at: datetime
    weight: int

    @property
    def expires_at(self) -> datetime:
        """When its user may vote again."""
        return self.at + COOLDOWN

    def is_valid(self, now: datetime) -> bool:
        """Whether it has not expired yet."""
        return now < self.expires_at


def is_weekend(at: datetime) -> bool:
    """Whether votes count double at that time: on Saturdays and Sundays, in UTC."""
    return at.weekday() >= 5


class VoteLog:
    """All votes for the bot, oldest first; votes are added at its end and never change.

    So the place of a vote stays its place, and can be a cursor. A vote takes 17 bytes: there
    is room for millions.

    Args:
        votes: The first votes, oldest first.

    Raises:
        ValueError: As for `add`.
    """

    def __init__(self, votes: Iterable[Vote] = ()) -> None:
        self._users: list[str] = []
        self._times = array("q")  # microseconds since 1970
        self._weights = array("b")
        # The place of each user's latest vote, in the order of these: a user who votes again
        # moves to the end.
        self._latest: dict[str, int] = {}
        for vote in votes:
            self.add(vote)

    def __len__(self) -> int:
        return len(self._times)

    @property
    def newest(self) -> datetime | None:
        """When the newest vote was cast; None where there is none."""
        return _datetime(self._times[-1]) if self._times else None

    def add(self, vote: Vote) -> None:
        """Add the newest vote.

        Raises:
            ValueError: There is a newer one, or its user's last vote is not 12 hours old yet.
        """
        moment = _microseconds(vote.at)
        if self._times and moment < self._times[-1]:
            raise ValueError(f"a vote at {vote.at} would come before the one at {self.newest}")
        earlier = self.latest(vote.user_id)
        if earlier is not None and earlier.is_valid(vote.at):
            raise ValueError(
                f"user {vote.user_id} voted at {earlier.at}, less than 12 hours before"
            )
        self._latest.pop(vote.user_id, None)
        self._latest[vote.user_id] = len(self)
        self._users.append(vote.user_id)
        self._times.append(moment)
        self._weights.append(vote.weight)

    def page(self, place: int, size: int) -> list[Vote]:
        """Give the votes from `place` on, `size` of them at most."""
        return [self._vote(at) for at in range(place, min(place + size, len(self)))]

    def place(self, since: datetime) -> int:
        """Give the place of the first vote at that time or later; the end where none is."""
        return bisect_left(self._times, _microseconds(since))

    def count(self, age: float, now: datetime) -> int:
        """Count the votes that are so many seconds old by now, or older."""
        return bisect_right(self._times, _microseconds(now) - age * 1e6)

    def latest(self, user_id: str) -> Vote | None:
        """Give the user's latest vote, if there is one."""
        place = self._latest.get(user_id)
        return None if place is None else self._vote(place)

    def is_voter(self, user_id: str, now: datetime) -> bool:
        """Whether the user has voted within the last 12 hours."""
        latest = self.latest(user_id)
        return latest is not None and latest.is_valid(now)

    def voters(self, limit: int | None = None) -> Iterator[str]:
        """Give the ids of the voters (the last `limit` of them), newest first, nobody twice."""
        return islice(reversed(self._latest), limit)

    def weight(self, since: datetime | None = None) -> int:
        """Sum up the weights of all votes, or of those from `since` on."""
        return sum(self._weights[0 if since is None else self.place(since) :])

    def _vote(self, place: int) -> Vote:
        return Vote(self._users[place], _datetime(self._times[place]), self._weights[place])


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
