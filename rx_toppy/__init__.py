"""A reactive client for top.gg.

Every API call is an observable, so is the autopost timer, and everything the client does (requests,
posts, autoposts) flows through one stream that you filter and compose with operators.

    >>> from rx_toppy import TopGG, PostEvent, of_type
    >>> client = TopGG(bot, token="...")
    >>> me = await client.fetch_bot(bot.user)
    >>> client.events.pipe(of_type(PostEvent)).subscribe(print)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors, models
from .api.rate_limits import DEFAULT_RATE_LIMITS, RateLimit
from .bot import StandaloneBot
from .client import TopGG, __version__
from .errors import (
    BufferOverflow,
    ClientClosed,
    ConnectionFailed,
    Forbidden,
    InboxError,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    Ratelimited,
    TopGGServerError,
    ToppyError,
)
from .events import (
    AutopostEvent,
    AutopostFailed,
    Event,
    EventStream,
    PollFailed,
    PostEvent,
    RequestEvent,
    VoteEvent,
)
from .lazy import lazy_exports
from .models import (
    Announcement,
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    IntegrationCreated,
    IntegrationDeleted,
    IntegrationReply,
    Project,
    SimpleUser,
    User,
    Vote,
    VoteStatus,
)
from .streams.iterate import iterate
from .streams.operators import map_async, of_type

if TYPE_CHECKING:
    from . import sandbox, votes, widgets
    from .votes import VoteInbox, VoteWebhook, receive_votes

Client = TopGG

__all__ = [
    "DEFAULT_RATE_LIMITS",
    "Announcement",
    "AutopostEvent",
    "AutopostFailed",
    "Bot",
    "BotSearchResults",
    "BotStats",
    "BotStatsPayload",
    "BufferOverflow",
    "Client",
    "ClientClosed",
    "ConnectionFailed",
    "Event",
    "EventStream",
    "Forbidden",
    "InboxError",
    "IndividualUserVoteResult",
    "IntegrationCreated",
    "IntegrationDeleted",
    "IntegrationReply",
    "InvalidRequest",
    "InvalidResponse",
    "NotFound",
    "PollFailed",
    "PostEvent",
    "Project",
    "RateLimit",
    "Ratelimited",
    "RequestEvent",
    "SimpleUser",
    "StandaloneBot",
    "TopGG",
    "TopGGServerError",
    "ToppyError",
    "User",
    "Vote",
    "VoteEvent",
    "VoteInbox",
    "VoteStatus",
    "VoteWebhook",
    "__version__",
    "errors",
    "iterate",
    "map_async",
    "models",
    "of_type",
    "receive_votes",
    "sandbox",
    "votes",
    "widgets",
]


# What is large and not used by most is loaded by those who use it. (The sandbox and the webhook
# bring aiohttp's web server along.)
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "sandbox": [],
        "votes": [],
        "votes.receive": ["receive_votes"],
        "votes.sqlite_inbox": ["VoteInbox"],
        "votes.webhook": ["VoteWebhook"],
        "widgets": [],
    },
)
