"""Operators for streams of votes, live or history: counts, a leaderboard, voters, reminders.

    >>> from rx_toppy.votes import leaderboard
    >>> client.poll_votes(since=monday).pipe(leaderboard(10)).subscribe(show)

A dashboard's tests are no votes: all of these leave them out.
"""

from .counting import Standing, VoteCount, VoteWindow, leaderboard, recent_votes, votes_per
from .expiry import VoterJoined, VoterLeft, active_voters, vote_reminders

__all__ = [
    "Standing",
    "VoteCount",
    "VoteWindow",
    "VoterJoined",
    "VoterLeft",
    "active_voters",
    "leaderboard",
    "recent_votes",
    "vote_reminders",
    "votes_per",
]
