"""What a client needs of a coordinator that makes it one with other processes.

`rx_toppy.cluster` has one that does so by Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .api.rate_limiter import Gate
from .api.rate_limits import Budget, RateLimit
from .api.transport import Transport
from .autopost import Autopost
from .bot import Census, Host
from .events import EventStream
from .stats import Poster


class Member(Protocol):
    """One client's part in a cluster: `client.cluster`."""

    @property
    def gate(self) -> Gate:
        """What every send of the client goes through."""

    @property
    def process_count(self) -> int:
        """How many processes there are, this one among them."""

    @property
    def is_offline(self) -> bool:
        """Whether the others can't be reached, so that this process goes on with its share."""

    @property
    def is_leader(self) -> bool:
        """Whether this process is the one that posts the total."""

    def limits(self) -> list[Budget]:
        """What is left of each limit beside what all processes have sent."""

    async def total(self) -> Census:
        """The servers of all processes."""

    def poster(self, transport: Transport, events: EventStream) -> Poster:
        """What posts for the client."""

    def follow(self, autopost: Autopost) -> None:
        """Lead only while the client's autopost runs, and in its rhythm."""

    def start(self) -> None:
        """Begin, on the running loop."""

    async def rest(self) -> None:
        """End what runs; a new loop begins anew."""

    async def close(self) -> None:
        """Leave the cluster."""


class Coordinator(Protocol):
    """Makes clients of several processes one."""

    def join(
        self,
        host: Host,
        *,
        token: str,
        limits: Sequence[RateLimit],
        max_wait: float | None,
        timeout: float,
    ) -> Member:
        """A client's part in the cluster."""


def checked_cluster(cluster: Any) -> Coordinator:
    """A coordinator."""
    is_text = isinstance(cluster, (str, bytes, bytearray))
    if is_text or not callable(getattr(type(cluster), "join", None)):
        raise TypeError(
            "cluster takes a rx_toppy.cluster.RedisCoordinator, not "
            f"{'text' if isinstance(cluster, str) else type(cluster).__name__}"
        )
    checked: Coordinator = cluster
    return checked
