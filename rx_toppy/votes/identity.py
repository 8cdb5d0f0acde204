"""When two records are one vote.

top.gg delivers a vote again until it is answered, a history has what a webhook has, and no two of
these sources tell the same of it: v1's webhook an id and a time, the history a time, v0's webhook
neither. Nobody votes twice in 12 hours, so that who, for what and about when is enough.
"""

from __future__ import annotations

from datetime import timedelta

from ..models import Vote

__all__ = ["AROUND", "is_same_vote"]

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
    return abs(a.at - b.at) <= AROUND


def _is_same_voter(a: Vote, b: Vote) -> bool:
    if a.platform_id is not None and b.platform_id is not None:
        return a.platform_id == b.platform_id
    return a.user_id is not None and a.user_id == b.user_id


def _can_be_equal(a: int | None, b: int | None) -> bool:
    return a is None or b is None or a == b
