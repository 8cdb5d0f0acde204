"""What top.gg sends and takes, with toppy's attribute names.

The models are frozen msgspec Structs: hashable, comparable, cheap; sequences are tuples, ids are
ints, datetimes are aware. top.gg leaves documented fields out, sends null for them and adds new
ones at any time: whatever is missing, null or malformed is None, or empty for a sequence.
"""

from .bots import Bot, BotSearchResults
from .projects import (
    Announcement,
    IntegrationCreated,
    IntegrationDeleted,
    IntegrationReply,
    Project,
)
from .stats import BotStats, BotStatsPayload
from .users import IndividualUserVoteResult, SimpleUser, Socials, User
from .votes import Vote, VoteSource, VoteStatus

__all__ = [
    "Announcement",
    "Bot",
    "BotSearchResults",
    "BotStats",
    "BotStatsPayload",
    "IndividualUserVoteResult",
    "IntegrationCreated",
    "IntegrationDeleted",
    "IntegrationReply",
    "Project",
    "SimpleUser",
    "Socials",
    "User",
    "Vote",
    "VoteSource",
    "VoteStatus",
]
