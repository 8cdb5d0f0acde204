"""The votes for one bot: who, when, and with what weight."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

import msgspec

COOLDOWN = timedelta(hours=12)
"""How long a vote is valid; its user can't vote again before that."""


class Vote(msgspec.Struct, frozen=True, gc=False):
    """One vote; `weight` is 2 for one that was cast on a weekend."""

    user_id: str
    at: datetime
    weight: int

    def is_valid(self, now: datetime) -> bool:
        """Whether it has not expired yet."""
        return now - self.at < COOLDOWN


def is_weekend(at: datetime) -> bool:
    """Whether votes count double at that time: on Saturdays and Sundays, in UTC."""
    return at.weekday() >= 5


class VoteLog:
    """All votes for the bot, oldest first; votes are added at its end and never change.

    So the place of a vote in `votes` stays its place, and can be a cursor.
    """

    def __init__(self, votes: Iterable[Vote] = ()) -> None:
        self.votes: list[Vote] = []
        # In the order of the latest vote: a user who votes again moves to the end.
        self._latest: dict[str, Vote] = {}
        for vote in sorted(votes, key=lambda vote: vote.at):
            self.add(vote)

    def add(self, vote: Vote) -> None:
        """Add the newest vote.

        Raises:
            ValueError: Its user's last vote is not 12 hours old yet.
        """
        if self.is_voter(vote.user_id, vote.at):
            earlier = self._latest[vote.user_id].at
            raise ValueError(f"user {vote.user_id} voted at {earlier}, less than 12 hours before")
        self._latest.pop(vote.user_id, None)
        self._latest[vote.user_id] = vote
        self.votes.append(vote)

    def is_voter(self, user_id: str, now: datetime) -> bool:
        """Whether the user has voted within the last 12 hours."""
        latest = self._latest.get(user_id)
        return latest is not None and latest.is_valid(now)

    def voters(self, limit: int | None = None) -> Iterator[str]:
        """Give the ids of the voters (the last `limit` of them), newest first, nobody twice."""
        return islice(reversed(self._latest), limit)

    def weight(self, since: datetime | None = None) -> int:
        """Sum up the weights of all votes, or of those from `since` on."""
        return sum(vote.weight for vote in self.votes if since is None or vote.at >= since)
