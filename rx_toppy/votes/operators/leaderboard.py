"""Who has voted most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import reactivex
from reactivex import Observable
from reactivex import operators as ops

from ...arguments import count
from ...models import Vote
from .timed import weight_of


class LeaderboardEntry(msgspec.Struct, frozen=True):
    """Somebody's place on a leaderboard.

    Attributes:
        voter_id: Their id on the platform (Discord), or on top.gg where their votes know no other.
        votes: How often they voted.
        weight: What that counts for: votes on weekends count double.
    """

    voter_id: int
    votes: int
    weight: int


def leaderboard(
    top: int = 10, *, by: Literal["votes", "weight"] = "votes"
) -> Callable[[Observable[Vote]], Observable[tuple[LeaderboardEntry, ...]]]:
    """Who has voted most, told anew whenever one of the places changes.

    ```
    votes:          --a----b-------b-------c--->
    leaderboard(2): --a1---a1,b1---b2,a1------->    c, with one vote, is not among the two
    ```

    Of two with as many votes, the one who got there first stands before the other. It counts the
    votes that it sees, in memory that grows with the number of voters.

    Args:
        top: How many places it has.
        by: Whether a weekend's vote counts once ("votes") or double ("weight").

    Returns:
        An operator from `Vote`s to tuples of `LeaderboardEntry`s, best first.

    Raises:
        TypeError, ValueError: an argument can't be.

    Example:
        >>> client.poll_votes(since=first_of_the_month).pipe(leaderboard(3)).subscribe(print)
    """
    count(top, "leaderboard(top=...)", least=1)
    if by not in ("votes", "weight"):
        raise ValueError(f'by takes "votes" or "weight", not {by!r}')

    def operator(source: Observable[Vote]) -> Observable[tuple[LeaderboardEntry, ...]]:
        def begin(_: Any) -> Observable[tuple[LeaderboardEntry, ...]]:
            places = _Places(top, by)
            return source.pipe(ops.filter(places.take), ops.map(lambda _: tuple(places.board)))

        # Each subscription counts for itself.
        return reactivex.defer(begin)

    return operator


class _Places:
    """The places of a leaderboard, and everybody's score."""

    def __init__(self, top: int, by: Literal["votes", "weight"]) -> None:
        self.board: list[LeaderboardEntry] = []
        self._top = top
        self._by = by
        self._standings: dict[int, LeaderboardEntry] = {}

    def take(self, vote: Vote) -> bool:
        """Counts a vote, and says whether a place on the board has changed."""
        voter = vote.voter_id
        if voter is None or vote.is_test:
            return False
        before = self._standings.get(voter, LeaderboardEntry(voter, 0, 0))
        after = LeaderboardEntry(voter, before.votes + 1, before.weight + weight_of(vote))
        self._standings[voter] = after
        board = self.board
        if before in board:
            board.remove(before)
        score = self._score(after)
        place = len(board)
        while place and self._score(board[place - 1]) < score:
            place -= 1
        board.insert(place, after)
        if len(board) > self._top:
            return board.pop() is not after
        return True

    def _score(self, standing: LeaderboardEntry) -> int:
        return standing.votes if self._by == "votes" else standing.weight
