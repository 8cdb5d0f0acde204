"""Votes: delivered by a webhook, kept in an inbox, counted by operators.

`VoteWebhook` takes top.gg's deliveries, `VoteInbox` keeps votes on disk until they are handled, and
`receive_votes` arranges the two with the history. The operators take any stream of votes, live or
history; a dashboard's tests are no votes, and they leave them out:

    >>> from rx_toppy.votes import leaderboard
    >>> client.poll_votes(since=monday).pipe(leaderboard(10)).subscribe(show)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .counting import Standing, VoteCount, VoteWindow, leaderboard, recent_votes, votes_per
    from .expiry import VoterJoined, VoterLeft, active_voters, vote_reminders
    from .feeding import Feed
    from .inbox import VoteInbox
    from .processing import Outcome
    from .reception import VoteReception, receive_votes
    from .records import DeadLetter
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

MODULES = {
    "counting": ("Standing", "VoteCount", "VoteWindow", "leaderboard", "recent_votes", "votes_per"),
    "expiry": ("VoterJoined", "VoterLeft", "active_voters", "vote_reminders"),
    "feeding": ("Feed",),
    "inbox": ("VoteInbox",),
    "processing": ("Outcome",),
    "reception": ("VoteReception", "receive_votes"),
    "records": ("DeadLetter",),
    "webhook": ("VoteWebhook",),
}


def __getattr__(name: str) -> Any:
    # Each part is loaded by those who use it: a bot that only posts has no use for any.
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
