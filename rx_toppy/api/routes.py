"""Every endpoint as a value: method, path, what it answers, whether it may be sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..models import (
    Announcement,
    Bot,
    BotSearchResults,
    BotStats,
    IndividualUserVoteResult,
    Project,
    SimpleUser,
    User,
    VoteStatus,
)
from .responses import Decoder
from .vote_history import VotesPage

T = TypeVar("T")


class Route(msgspec.Struct, Generic[T], frozen=True):
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: Below `base_url`, with `{name}` for what a request fills in.
        decoder: What its body means; None where it means nothing, so that it is not even read.
        repeatable: Whether it may be sent again after it failed. A POST of stats may: the second
            one says the same. An announcement may not.
        is_v1: Whether it belongs to top.gg's current API, which takes the token as a bearer's.
        has_own_limit: Whether a 429 is about this endpoint alone: one announcement in four hours.
    """

    method: str
    path: str
    decoder: Decoder[T] | None = None
    repeatable: bool = True
    is_v1: bool = False
    has_own_limit: bool = False

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
IS_WEEKEND: Route[Weekend] = Route("GET", "/weekend", Decoder(Weekend))

PROJECT = "/v1/projects/@me"

FETCH_PROJECT: Route[Project] = Route("GET", PROJECT, Decoder(Project), is_v1=True)
EDIT_PROJECT: Route[None] = Route("PATCH", PROJECT, is_v1=True)
ANNOUNCE: Route[Announcement] = Route(
    "POST",
    f"{PROJECT}/announcements",
    Decoder(Announcement),
    repeatable=False,
    is_v1=True,
    has_own_limit=True,
)
POST_METRICS: Route[None] = Route("PATCH", f"{PROJECT}/metrics", is_v1=True)
POST_METRICS_BATCH: Route[None] = Route("POST", f"{PROJECT}/metrics/batch", is_v1=True)
PUT_COMMANDS: Route[None] = Route("PUT", f"{PROJECT}/commands", is_v1=True)
FETCH_HISTORY: Route[VotesPage] = Route("GET", f"{PROJECT}/votes", Decoder(VotesPage), is_v1=True)
FETCH_VOTE_STATUS: Route[VoteStatus] = Route(
    "GET", f"{PROJECT}/votes/{{user_id}}", Decoder(VoteStatus), is_v1=True
)
