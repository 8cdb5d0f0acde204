"""What the client does and what happens to it, as values on one stream."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from .models import BotStatsPayload, Vote
from .streams.hot import HotStream
from .streams.loop import Home


def _now() -> datetime:
    return datetime.now(UTC)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all events.

    Attributes:
        at: When it happened, aware, in UTC.
    """

    at: datetime = msgspec.field(default_factory=_now)


class RequestEvent(Event, frozen=True):
    """A request was sent and is over. One for each send, so a retry is an event of its own.

    Attributes:
        method: The HTTP method.
        url: The whole URL. The token is never part of it.
        route: The endpoint, as in `/bots/{id}/stats`: what to group by.
        status: The HTTP status of the answer, None where there was none.
        elapsed: Seconds from sending until the answer had come, or until it was given up.
        attempt: 1 for the first send of a call, 2 for its first retry, and so on.
        error: What became of it if not a success; None as well where the caller gave it up.
    """

    method: str
    url: str
    route: str
    status: int | None
    elapsed: float
    attempt: int
    error: Exception | None


class PostEvent(Event, frozen=True):
    """Statistics were posted, by `post_stats()` or by autopost."""

    stats: BotStatsPayload


class AutopostEvent(Event, frozen=True):
    """Autopost has posted; the `PostEvent` of the same post came before it."""

    stats: BotStatsPayload


class AutopostFailed(Event, frozen=True):
    """A post of autopost's failed, and is tried again.

    Attributes:
        error: Why.
        retry_in: Seconds until the next try.
    """

    error: Exception
    retry_in: float


class PollFailed(Event, frozen=True):
    """A poll failed, and goes on.

    Attributes:
        error: Why.
        retry_in: Seconds until the next try.
    """

    error: Exception
    retry_in: float


class VoteEvent(Event, frozen=True):
    """Somebody has voted, as a `VoteWebhook` of this client heard.

    Polled votes are told of where they are subscribed to, and put here by whoever wants them here:
    `client.poll_votes().subscribe(lambda vote: client.events.on_next(VoteEvent(vote)))`.
    """

    vote: Vote


class EventStream(HotStream[Any]):
    """All that a client does: requests, posts, autoposts, votes, and how they fail.

    ```
    client.events: --Request-Post-Autopost----Request-AutopostFailed-->
    of_type(PostEvent): -----Post-------------------------------------->
    ```

    Hot: it replays nothing, and completes when the client is closed. It never errs: failures are
    values on it. It is a `reactivex.subject.Subject`, so `on_next` takes events of your own; to
    complete, fail or dispose it is the client's business alone, and has no effect from outside.

    Example:
        >>> client.events.pipe(of_type(PostEvent)).subscribe(lambda e: print(e.stats.server_count))
        >>> async for event in client.events: ...
    """

    def __init__(self, home: Home, dispatch: Callable[..., Any] | None = None) -> None:
        super().__init__(home, "client.events")
        if dispatch is not None:
            self.subscribe(lambda event: _tell_bot(dispatch, event))


def _tell_bot(dispatch: Callable[..., Any], event: Any) -> None:
    """The bot's own listeners hear of what happens, under the names that toppy gave it."""
    if isinstance(event, RequestEvent):
        dispatch("toppy_request", url=event.url, method=event.method)
    elif isinstance(event, PostEvent):
        dispatch("guild_post", event.stats.to_dict())
    elif isinstance(event, AutopostEvent):
        dispatch("toppy_stat_autopost", event.stats.to_dict())
    elif isinstance(event, VoteEvent):
        dispatch("vote", event.vote)
