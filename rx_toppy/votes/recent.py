"""The votes that a webhook without an inbox has handed out of late."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from ..models import Vote
from .identity import is_same_vote

__all__ = ["Recent"]


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
        last = self._last.get(vote.voter)
        if last is None:
            return False
        known = (last, *self._earlier.get(vote.voter, ()))
        return any(is_same_vote(vote, other) for other in known)

    def add(self, vote: Vote) -> None:
        """Remembers it, and forgets those that can't be delivered again."""
        if vote.is_test:
            return
        last = self._last.get(vote.voter)
        if last is not None:
            self._earlier.setdefault(vote.voter, []).append(last)
        self._last[vote.voter] = vote
        self._in_order.append(vote)
        while self._in_order[0].received_at < vote.received_at - self._while:
            self._forget(self._in_order.popleft())

    def _forget(self, vote: Vote) -> None:
        if self._last[vote.voter] is vote:
            del self._last[vote.voter]
            return
        earlier = self._earlier[vote.voter]
        earlier.remove(vote)
        if not earlier:
            del self._earlier[vote.voter]
