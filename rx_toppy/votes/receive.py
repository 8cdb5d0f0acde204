"""The whole arrangement in one call: webhook for speed, history for completeness, and the inbox."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from reactivex import Observable

from ..arguments import Seconds
from ..events import VoteEvent
from ..streams.hot import HotStream
from ..streams.loop import Home
from .feed import Feed
from .inbox import Inbox
from .sqlite_inbox import VoteInbox
from .webhook import VoteWebhook
from .worker import Handler, Outcome

if TYPE_CHECKING:
    from ..client import TopGG


log = logging.getLogger("rx_toppy.votes")


async def receive_votes(
    client: TopGG,
    handler: Handler,
    *,
    inbox: str | os.PathLike[str] | Inbox = "votes.db",
    secret: str | Iterable[str] | None = None,
    authorization: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    path: str = "/votes",
    history: bool = True,
    since: datetime | None = None,
    every: Seconds = 60.0,
    max_concurrent: int = 1,
    tries: int = 5,
) -> VoteReceiver:
    """Receives a bot's votes, so that each of them reaches a handler, and runs until it is closed.

    ```
    webhook ----+
                +--> inbox (on disk) --> handler
    history ----+
    ```

    top.gg's webhook brings votes at once. The history brings those that the webhook missed, as when
    the bot was down. The inbox keeps both, each vote once, until the handler has returned. Each is
    a `VoteEvent` on `client.events` too. Once this has returned, all three are at work. They close
    with the client.

    Args:
        client: The client; the history needs a token for the v1 API.
        handler: The coroutine function that gets each vote: see `VoteInbox.process`.
        inbox: The file that keeps the votes, or the inbox: a `VoteInbox` or a `RedisInbox`.
        secret: v1's webhook secret. Without this and `authorization` there is no webhook.
        authorization: v0's secret.
        host: Where the webhook listens: "0.0.0.0" for all of this machine's addresses.
        port: The port, 0 for any that is free.
        path: The path of its URL.
        history: Whether to follow the history, which needs a token for the v1 API.
        since: From when on the very first run takes the history; from then on if left out.
        every: Seconds (or a `timedelta`) from one look at the history to the next.
        max_concurrent: How many votes may be handled at a time.
        tries: How often a vote is tried before it is a dead letter.

    Returns:
        What runs: its `webhook`, its `inbox`, and `close()`.

    Raises:
        TypeError, ValueError: an argument can't be, or there is nothing to receive votes from.
        OSError: the webhook can't listen there.

    Example:
        >>> async def reward(vote): await database.pay(vote.platform_id, 100 * (vote.weight or 1))
        >>> async def setup_hook(self):  # of the bot
        ...     await receive_votes(client, reward, secret=SECRET, host="0.0.0.0")
    """
    has_webhook = secret is not None or authorization is not None
    if not has_webhook and not history:
        raise ValueError("receive_votes() takes a secret, an authorization, or history=True")
    client.poll_votes(every, since=since)  # which says what is wrong with these, if anything
    box = inbox if isinstance(inbox, Inbox) else VoteInbox(inbox)
    outcomes = box.process(handler, max_concurrent, tries=tries)
    webhook = None
    if has_webhook:
        webhook = VoteWebhook(
            secret=secret,
            authorization=authorization,
            host=host,
            port=port,
            path=path,
            inbox=box,
            client=client,
        )
        await webhook.start()
    feed = None
    if history:
        feed = box.follow(client, since, every=every)
        feed.subscribe(lambda vote: client.events.on_next(VoteEvent(vote)), _nothing)
    return VoteReceiver(client, box, webhook, feed, outcomes, is_own_inbox=box is not inbox)


class VoteReceiver:
    """Webhook, history, inbox and handler at work, as `receive_votes` has arranged them.

    Attributes:
        inbox: Where the votes are kept.
        webhook: Where they are delivered; None without one.
        history: The stream of those that the history brought first; None where it is not followed.
    """

    def __init__(
        self,
        client: TopGG,
        inbox: Inbox,
        webhook: VoteWebhook | None,
        history: Feed | None,
        outcomes: Observable[Outcome],
        *,
        is_own_inbox: bool,
    ) -> None:
        self.inbox = inbox
        self.webhook = webhook
        self.history = history
        self._outcomes: HotStream[Outcome] = HotStream(Home(), "outcomes")
        self._is_own_inbox = is_own_inbox
        self._processing = outcomes.subscribe(self._outcomes.emit, self._failed, self._finished)
        self._left_client = client.on_close(self.close)

    @property
    def outcomes(self) -> HotStream[Outcome]:
        """What becomes of each vote, as its handler returns or raises. Hot."""
        return self._outcomes

    async def close(self) -> None:
        """Ends all of it; what is not handled yet is, the next time. It may be called again.

        An inbox that was handed in stays open.
        """
        self._left_client()
        if self.webhook is not None:
            await self.webhook.close()
        if self._is_own_inbox:
            await self.inbox.close()
        elif self.history is not None:
            self.history.dispose()
            await self.history.ended()
        self._processing.dispose()
        self._finished()

    async def __aenter__(self) -> VoteReceiver:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _failed(self, error: Exception) -> None:
        log.error("votes are kept, but no longer handled", exc_info=error)
        self._outcomes.finish(error)

    def _finished(self) -> None:
        self._outcomes.finish()

    def __repr__(self) -> str:
        return f"<VoteReceiver: {self.webhook or 'no webhook'}, {self.history}, {self.inbox}>"


def _nothing(_: Exception) -> None:
    """A history that has ended is logged where it ends."""
