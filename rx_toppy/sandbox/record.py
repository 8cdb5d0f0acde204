"""What the sandbox remembers: of each request, and of what was posted at v1."""

from datetime import datetime

import msgspec


class SeenRequest(msgspec.Struct, frozen=True):
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
