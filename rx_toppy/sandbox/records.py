"""What the sandbox remembers: of each request, and of what was posted at v1."""

from datetime import datetime

import msgspec

from rx_toppy.sandbox.signatures import Kind


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request that the sandbox has dealt with. Headers, so the token, are not kept.

    Attributes:
        at: When it came, aware.
        method: As in `"GET"`.
        path: As it was sent, `/api` included and without the query.
        query: The query string as it was sent, `""` when there was none.
        body: What was sent, undecoded.
        status: The status it was answered with; None when a fault kept it from an answer,
            or the client did not wait for it.
    """

    at: datetime
    method: str
    path: str
    query: str
    body: bytes
    status: int | None


class PostedMetrics(msgspec.Struct, frozen=True):
    """Metrics that were posted at v1, by themselves or in a batch.

    Attributes:
        timestamp: When they were so, aware: what was said, or when they came.
        metrics: The counts by their names, as in `{"server_count": 12}`.
    """

    timestamp: datetime
    metrics: dict[str, int]


class Announcement(msgspec.Struct, frozen=True):
    """An announcement that was accepted; `created_at` is aware."""

    title: str
    content: str
    created_at: datetime


class DeliveryAttempt(msgspec.Struct, frozen=True):
    """One of the requests of a delivery.

    Attributes:
        at: When it was sent, aware.
        pause: How many seconds top.gg waits before it: the delay of a first try, the pause of
            a retry. Less time has passed where the endpoint's `speed` is above 1, or after a
            `retry_now`.
        status: The status of the answer; None where there was none in time.
    """

    at: datetime
    pause: float
    status: int | None


class Delivery(msgspec.Struct, frozen=True):
    """Something that was delivered, or is to be. Neither its body nor its headers are kept.

    Attributes:
        url: Where it goes.
        kind: `"v0"` or `"v1"`.
        event: What it is about: `"upvote"` or `"test"` at v0, and at v1 `"vote.create"`,
            `"webhook.test"`, `"integration.create"` or `"integration.delete"`.
        user_id: Who has voted, tested or connected; None where it does not say.
        tries: The requests so far, oldest first; one that is not answered yet is not among
            them.
        done: Whether nothing more is sent: it was taken, refused or given up.
    """

    url: str
    kind: Kind
    event: str
    user_id: int | None
    tries: tuple[DeliveryAttempt, ...]
    done: bool

    @property
    def is_taken(self) -> bool:
        """Whether it was answered with a 2xx in the end."""
        status = self.tries[-1].status if self.tries else None
        return status is not None and 200 <= status < 300
