"""What the sandbox remembers of a request."""

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
