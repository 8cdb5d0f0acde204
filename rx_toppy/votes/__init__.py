"""Votes: delivered by a webhook, kept in an inbox, counted by operators.

`VoteWebhook` takes top.gg's deliveries, `VoteInbox` keeps votes on disk until they are handled, and
`receive_votes` arranges the two with the history. The operators take any stream of votes, live or
history; a dashboard's tests are no votes, and they leave them out:

    >>> from rx_toppy.votes import leaderboard
    >>> client.poll_votes(since=monday).pipe(leaderboard(10)).subscribe(show)
"""

from .counting import Standing, VoteCount, VoteWindow, leaderboard, recent_votes, votes_per
from .expiry import VoterJoined, VoterLeft, active_voters, vote_reminders
from .feeding import Feed
from .inbox import DeadLetter, Outcome, VoteInbox
from .reception import VoteReception, receive_votes
from .webhook import VoteWebhook

__all__ = [
    "DeadLetter",
    "Feed",
    "Outcome",
    "Standing",
    "VoteCount",
    "VoteInbox",
    "VoteReception",
    "VoteWebhook",
    "VoteWindow",
    "VoterJoined",
    "VoterLeft",
    "active_voters",
    "leaderboard",
    "receive_votes",
    "recent_votes",
    "vote_reminders",
    "votes_per",
]
