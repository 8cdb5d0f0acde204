"""Posting for a whole cluster: what is posted is the sum, and one process does it."""

from __future__ import annotations

from ..api.transport import Transport
from ..bot import Census, Host
from ..events import EventStream
from ..models import BotStatsPayload
from ..stats import Poster, Samples
from .totals import Roll


class ClusterPoster(Poster):
    """Posts the servers of all processes, each time in one request."""

    def __init__(self, host: Host, transport: Transport, events: EventStream, roll: Roll) -> None:
        super().__init__(host, transport, events)
        self._roll = roll

    async def ready(self) -> None:
        """Waits until it is this process's turn to post, and all can be counted."""
        await super().ready()
        await self._roll.turn()

    def census(self) -> Census:
        """All servers of all processes."""
        return self._roll.census()

    async def post_all(self, *, force_shard_count: bool = False) -> BotStatsPayload:
        """Posts the sum now, whoever's turn it is.

        Raises:
            ToppyError: it failed, or the sum is not known.
        """
        await super().ready()
        census = await self._roll.total()
        await self.post_whole(census, force_shard_count=force_shard_count)
        payload = census.payload(force_shard_count=force_shard_count)
        self.tell(payload)
        return payload

    async def post_whole(
        self, census: Census, *, force_shard_count: bool = False, patient: bool = False
    ) -> None:
        """One post that tells all of it, which the others hear of."""
        await super().post_whole(census, force_shard_count=force_shard_count, patient=patient)
        await self._roll.posted()

    async def post_samples(self, samples: Samples) -> None:
        """The v1 way: see `Poster.post_samples`."""
        await super().post_samples(samples)
        await self._roll.posted()
