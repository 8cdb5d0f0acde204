"""Votes: delivered by a webhook, kept in an inbox, counted by operators.

`VoteWebhook` takes top.gg's deliveries, `VoteInbox` keeps votes on disk until they are handled, and
`receive_votes` arranges the two with the history. The operators take any stream of votes, live or
history; a dashboard's tests are no votes, and they leave them out:

    >>> from rx_toppy.votes import leaderboard
    >>> client.poll_votes(since=monday).pipe(leaderboard(10)).subscribe(show)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_exports

if TYPE_CHECKING:
    from .feed import Feed
    from .operators.expiry import VoterJoined, VoterLeft, active_voters, vote_reminders
    from .operators.leaderboard import LeaderboardEntry, leaderboard
    from .operators.windows import VoteCount, VoteWindow, recent_votes, votes_per
    from .receive import VoteReceiver, receive_votes
    from .sqlite_inbox import VoteInbox
    from .webhook import VoteWebhook
    from .worker import DeadLetter, Outcome

__all__ = [
    "DeadLetter",
    "Feed",
    "LeaderboardEntry",
    "Outcome",
    "VoteCount",
    "VoteInbox",
    "VoteReceiver",
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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "feed": ["Feed"],
        "operators.expiry": ["VoterJoined", "VoterLeft", "active_voters", "vote_reminders"],
        "operators.leaderboard": ["LeaderboardEntry", "leaderboard"],
        "operators.windows": ["VoteCount", "VoteWindow", "recent_votes", "votes_per"],
        "receive": ["VoteReceiver", "receive_votes"],
        "sqlite_inbox": ["VoteInbox"],
        "webhook": ["VoteWebhook"],
        "worker": ["DeadLetter", "Outcome"],
    },
)
