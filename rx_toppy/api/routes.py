"""Every endpoint as a value: method, path, what it answers, whether it may be sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..models import Bot, BotSearchResults, BotStats, IndividualUserVoteResult, SimpleUser, User
from .responses import Decoder

__all__ = [
    "CHECK_VOTE",
    "FETCH_BOT",
    "FETCH_BOTS",
    "FETCH_USER",
    "FETCH_VOTES",
    "GET_STATS",
    "IS_WEEKEND",
    "POST_METRICS",
    "POST_STATS",
    "Request",
    "Route",
]

T = TypeVar("T")


class Route(msgspec.Struct, Generic[T], frozen=True):
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: Below `base_url`, with `{name}` for what a request fills in.
        decoder: What its body means; None where it means nothing, so that it is not even read.
        repeatable: Whether it may be sent again after it failed. A POST of stats may: the second
            one says the same.
        is_v1: Whether it belongs to top.gg's current API, which takes the token as a bearer's.
    """

    method: str
    path: str
    decoder: Decoder[T] | None = None
    repeatable: bool = True
    is_v1: bool = False

    def request(
        self, *, query: Mapping[str, object] | None = None, body: Any = None, **filled: int
    ) -> Request[T]:
        """This endpoint with its blanks filled in."""
        path = self.path.format_map(filled) if filled else self.path
        content = b"" if body is None else msgspec.json.encode(body)
        tail = "?" + urlencode(query, quote_via=quote) if query else ""
        return Request(self, path, path + tail, content)


class Request(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One request to be sent, any number of times.

    Attributes:
        route: The endpoint.
        path: Its path with the blanks filled in, as rate limits look at it.
        target: The path and the query, ready for the wire.
        body: The JSON to send, empty for none.
    """

    route: Route[T]
    path: str
    target: str
    body: bytes


class Weekend(msgspec.Struct):
    """The body of `GET /weekend`."""

    is_weekend: bool


FETCH_BOT: Route[Bot] = Route("GET", "/bots/{id}", Decoder(Bot))
FETCH_BOTS: Route[BotSearchResults] = Route("GET", "/bots", Decoder(BotSearchResults))
FETCH_VOTES: Route[list[SimpleUser]] = Route("GET", "/bots/{id}/votes", Decoder(list[SimpleUser]))
CHECK_VOTE: Route[IndividualUserVoteResult] = Route(
    "GET", "/bots/{id}/check", Decoder(IndividualUserVoteResult)
)
GET_STATS: Route[BotStats] = Route("GET", "/bots/{id}/stats", Decoder(BotStats))
POST_STATS: Route[None] = Route("POST", "/bots/{id}/stats")
FETCH_USER: Route[User] = Route("GET", "/users/{id}", Decoder(User))
POST_METRICS: Route[None] = Route("PATCH", "/v1/projects/@me/metrics", is_v1=True)
IS_WEEKEND: Route[Weekend] = Route("GET", "/weekend", Decoder(Weekend))
