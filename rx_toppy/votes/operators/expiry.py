"""Votes that wear off: who has voted in the last 12 hours, and who may vote again."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from reactivex import abc

from ...arguments import Seconds
from ...models import Vote
from .timed import Operator, OverTime, over_time, span

# How long a vote counts, and how long its user has to wait for the next; where it does not say.
COOLDOWN = timedelta(hours=12)


class VoterJoined(msgspec.Struct, frozen=True):
    """Somebody has voted whose last vote, if any, had worn off.

    Attributes:
        voter_id: Their id on the platform (Discord), or on top.gg where the vote knows no other.
        vote: The vote.
    """

    voter_id: int
    vote: Vote


class VoterLeft(msgspec.Struct, frozen=True):
    """Somebody's vote has worn off, and they have not voted again.

    Attributes:
        voter_id: Their id on the platform (Discord), or on top.gg where the vote knows no other.
        vote: Their last vote.
    """

    voter_id: int
    vote: Vote


def active_voters(
    *, scheduler: abc.SchedulerBase | None = None
) -> Operator[VoterJoined | VoterLeft]:
    """Who has voted in the last 12 hours, as joins and leaves: what a voter role needs.

    ```
    votes:           --a-----b----a--------------->
    active_voters(): --+a----+b----------b----a--->    +a joins; b leaves 12 hours later
    ```

    Somebody leaves when their vote expires (`expires_at`; 12 hours after it was cast where it does
    not say), and stays if they have voted again by then. Votes that had expired when they came are
    passed over, so begin with the votes of the last 12 hours, and whoever is still active joins:

    ```
    since = datetime.now(timezone.utc) - timedelta(hours=12)
    client.poll_votes(since=since).pipe(active_voters())
    ```

    It ends with its source: nobody leaves after that.

    Args:
        scheduler: Where time passes; the event loop by default.

    Returns:
        An operator from `Vote`s to `VoterJoined` and `VoterLeft`.

    Example:
        >>> async def change(event):
        ...     member = guild.get_member(event.voter_id)
        ...     if member and isinstance(event, VoterJoined):
        ...         await member.add_roles(role)
        ...     elif member:
        ...         await member.remove_roles(role)
        >>> client.poll_votes(since=since).pipe(active_voters(), map_async(change)).subscribe()
    """
    return over_time(_Voters, scheduler)


def vote_reminders(
    after: Seconds = 0.0, *, scheduler: abc.SchedulerBase | None = None
) -> Operator[Vote]:
    """Emits a user's last vote when they may vote again: the moment to remind them.

    ```
    votes:            --a-----b----a--------------->
    vote_reminders(): --------------------b----a--->    each 12 hours after their last vote
    ```

    Who has voted again by then is reminded later. A vote whose moment has passed when it comes is
    passed over: a restart reminds nobody twice.

    Args:
        after: Seconds (or a `timedelta`) to wait beyond that moment.
        scheduler: Where time passes; the event loop by default.

    Returns:
        An operator from `Vote`s to `Vote`s.

    Raises:
        TypeError, ValueError: `after` is no such duration.

    Example:
        >>> async def remind(vote):
        ...     await (await bot.fetch_user(vote.platform_id)).send("You may vote again!")
        >>> client.poll_votes().pipe(vote_reminders(), map_async(remind)).subscribe()
    """
    return over_time(partial(_Reminders, span(after, "after", least=0)), scheduler)


class _LastVotes(OverTime[tuple[int, datetime]]):
    """Follows each voter's last vote, until some time after it has expired."""

    def __init__(
        self,
        delay: timedelta,
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        super().__init__(observer, scheduler)
        self._delay = delay
        self._active: dict[int, tuple[datetime, Vote]] = {}

    def take(self, vote: Vote) -> None:
        voter, expires_at = vote.voter_id, vote.expires_at or vote.cast_at + COOLDOWN
        due_at = expires_at + self._delay
        if voter is None or due_at <= self.agenda.now():
            return
        known = self._active.get(voter)
        if known is None or known[0] < expires_at:
            self._active[voter] = (expires_at, vote)
            self.agenda.add(due_at, (voter, expires_at))
        if known is None:
            self.joined(voter, vote)

    def due(self, items: list[tuple[int, datetime]]) -> None:
        for voter, expires_at in items:
            until, vote = self._active[voter]
            if until == expires_at:  # else they have voted again, and are due once more
                del self._active[voter]
                self.left(voter, vote)

    def joined(self, voter: int, vote: Vote) -> None:
        """Somebody who was not active has voted."""

    def left(self, voter: int, vote: Vote) -> None:
        """Their time is over."""
        raise NotImplementedError


class _Voters(_LastVotes):
    def __init__(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None
    ) -> None:
        super().__init__(timedelta(), observer, scheduler)

    def joined(self, voter: int, vote: Vote) -> None:
        self.tell(VoterJoined(voter, vote))

    def left(self, voter: int, vote: Vote) -> None:
        self.tell(VoterLeft(voter, vote))


class _Reminders(_LastVotes):
    def left(self, voter: int, vote: Vote) -> None:
        self.tell(vote)
