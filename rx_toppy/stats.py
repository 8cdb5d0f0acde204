"""Posting a bot's statistics once: whole, shard by shard, or as samples of metrics."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .api import routes
from .api.payloads import BATCH, timestamp
from .api.transport import Transport
from .bot import Census, Host
from .errors import ToppyError
from .events import EventStream, PostEvent
from .models import BotStatsPayload

log = logging.getLogger("rx_toppy.autopost")

# How many samples are kept while they can't be posted: three weeks' at top.gg's usual interval.
MOST_KEPT = 1_000


class Samples:
    """Metrics that are still to be posted, oldest first, each with its time.

    Attributes:
        is_late: Whether the oldest could not be posted when it was taken.
        dropped: How many were lost, because there were too many or top.gg refused them.
    """

    def __init__(self) -> None:
        self.kept: deque[dict[str, Any]] = deque()
        self.is_late = False
        self.dropped = 0

    def take(self, census: Census, at: datetime) -> None:
        """Takes the sample of a moment.

        Raises:
            ToppyError: this process knows only some of its bot's servers.
        """
        if not census.is_whole:
            raise ToppyError(
                "top.gg's v1 metrics know no shards, and this process runs only some of its bot's; "
                'post with post_to="v0", or from one process with '
                "StandaloneBot(id, server_count=...) that knows the total"
            )
        if len(self.kept) == MOST_KEPT:
            self.kept.popleft()
            self.dropped += 1
            log.warning("more than %d samples wait to be posted; the oldest is dropped", MOST_KEPT)
        metrics = {"server_count": census.server_count, "shard_count": census.shard_count}
        self.kept.append({"metrics": metrics, "timestamp": timestamp(at)})

    def posted(self, count: int) -> None:
        """So many of the oldest have arrived."""
        for _ in range(count):
            self.kept.popleft()
        self.is_late = bool(self.kept)

    def refused(self, error: ToppyError) -> None:
        """top.gg took some, and does not want the others."""
        self.posted(error.posted_samples)
        lost = len(self.kept)
        self.dropped += lost
        self.posted(lost)
        log.warning("top.gg refused %d samples, which are dropped: %s", lost, error)


async def post_samples(
    transport: Transport, samples: Sequence[dict[str, Any]], *, patient: bool = False
) -> None:
    """Posts any number of samples, in requests of as many as top.gg takes.

    Raises:
        ToppyError: one of them failed; it says how many samples were posted before.
    """
    for start in range(0, len(samples), BATCH):
        body = {"data": samples[start : start + BATCH]}
        request = routes.POST_METRICS_BATCH.request(body=body)
        try:
            await transport.send(request, patient=patient or start > 0)
        except ToppyError as error:
            error.posted_samples = start
            raise


class Poster:
    """Counts a bot's guilds and posts them, whole or shard by shard.

    Attributes:
        last: The last post that was told of.
    """

    def __init__(self, host: Host, transport: Transport, events: EventStream) -> None:
        self._host = host
        self._transport = transport
        self._events = events
        self.last: PostEvent | None = None

    async def ready(self) -> None:
        """Waits until the bot can be counted."""
        await self._host.ready(self._transport)

    @property
    def can_begin(self) -> bool:
        """Whether the bot has begun to connect (or needs not), so that it will be ready."""
        return self._host.has_begun

    def census(self) -> Census:
        """Counts."""
        return self._host.census()

    async def post_all(self, *, force_shard_count: bool = False) -> BotStatsPayload:
        """Counts and posts now: one request, or one for each shard where others run the rest.

        Raises:
            ToppyError: it failed; where some shards were posted before that, it says which.
        """
        await self.ready()
        census = self.census()
        if census.is_whole:
            await self.post_whole(census, force_shard_count=force_shard_count)
        else:
            posted: list[int] = []
            for shard in census.shards or ():
                try:
                    await self.post_shard(census, shard)
                except ToppyError as error:
                    error.posted_shards = tuple(posted)
                    raise
                posted.append(shard)
        payload = census.payload(force_shard_count=force_shard_count)
        self.tell(payload)
        return payload

    async def post_whole(
        self, census: Census, *, force_shard_count: bool = False, patient: bool = False
    ) -> None:
        """One post that tells all of a bot."""
        payload = census.payload(force_shard_count=force_shard_count)
        body: dict[str, object] = {"server_count": payload.server_count}
        if payload.shards:
            body |= {"shards": payload.shards, "shard_count": payload.shard_count}
        await self._post(body, patient=patient)

    async def post_shard(self, census: Census, shard: int, *, patient: bool = False) -> None:
        """The post of one shard of several."""
        count = (census.shards or {}).get(shard, 0)
        body = {"server_count": count, "shard_id": shard, "shard_count": census.shard_count}
        await self._post(body, patient=patient)

    async def post_samples(self, samples: Samples) -> None:
        """The v1 way: metrics, and those of earlier moments that could not be posted then.

        What was posted, and what top.gg refused for good, is not among `samples` afterwards.
        """
        kept = samples.kept
        if len(kept) == 1 and not samples.is_late:
            send = self._transport.send(
                routes.POST_METRICS.request(body=kept[0]["metrics"]), patient=True
            )
        else:
            send = post_samples(self._transport, list(kept), patient=True)
        try:
            await send
        except ToppyError as error:
            if error.status in (400, 422):
                # Sent again, it would be refused again, and hold back what comes after it.
                samples.refused(error)
            else:
                samples.posted(error.posted_samples)
                samples.is_late = True
            raise
        samples.posted(len(kept))

    def tell(self, payload: BotStatsPayload) -> None:
        """Says on the events that a post is done."""
        self.last = PostEvent(payload)
        self._events.emit(self.last)

    async def _post(self, body: object, *, patient: bool) -> None:
        request = routes.POST_STATS.request(body=body, id=self._host.user_id)
        await self._transport.send(request, patient=patient)
