"""The shapes that top.gg sends by itself, and what it wants to hear of an integration."""

from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

VoteType = Literal["upvote", "test"]
Route = Literal["vote.create", "webhook.test", "integration.create", "integration.delete"]


class BotVote(msgspec.Struct, kw_only=True, rename={"is_weekend": "isWeekend"}):
    """A vote for a bot at v0."""

    bot: str
    user: str
    type: VoteType
    is_weekend: bool
    query: str | UnsetType = UNSET


class ServerVote(msgspec.Struct, kw_only=True):
    """A vote for a server at v0."""

    guild: str
    user: str
    type: VoteType
    query: str | UnsetType = UNSET


class ToldProject(msgspec.Struct, kw_only=True):
    """What a delivery of v1 says of the project."""

    id: str
    type: str
    platform: str
    platform_id: str


class ToldUser(msgspec.Struct, kw_only=True):
    """What a delivery of v1 says of a user."""

    id: str
    platform_id: str
    name: str
    avatar_url: str


class VoteCreated(msgspec.Struct, kw_only=True):
    """The data of `vote.create`."""

    id: str
    weight: int
    created_at: str
    expires_at: str
    project: ToldProject
    user: ToldUser


class Tested(msgspec.Struct, kw_only=True):
    """The data of `webhook.test`; `user` is who asked for it."""

    user: ToldUser
    project: ToldProject


class Connected(msgspec.Struct, kw_only=True):
    """The data of `integration.create`; `user` is who connected it."""

    connection_id: str
    webhook_secret: str
    project: ToldProject
    user: ToldUser

    def __repr__(self) -> str:
        """Say which, but not the secret."""
        return f"<Connected {self.connection_id}>"


class Disconnected(msgspec.Struct):
    """The data of `integration.delete`."""

    connection_id: str


class Envelope(msgspec.Struct):
    """What holds the data of all deliveries of v1."""

    type: Route
    data: VoteCreated | Tested | Connected | Disconnected


class Wishes(msgspec.Struct):
    """What `integration.create` is to be answered with."""

    webhook_url: str
    routes: list[str]


def long_stamp(at: datetime, digit: int) -> str:
    """Write a time as deliveries do: with seven digits of a second, of which `digit` is the last.

    Example:
        ``long_stamp(datetime(2026, 2, 9, tzinfo=UTC), 4)`` is
        ``"2026-02-09T00:00:00.0000004+00:00"``.
    """
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}{digit}+00:00"
