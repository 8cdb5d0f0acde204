"""The bodies of what top.gg delivers: votes, tests, and the coming and going of integrations."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET

from rx_toppy.sandbox.ids import topgg_id
from rx_toppy.sandbox.signatures import Kind
from rx_toppy.sandbox.vote_log import Vote
from rx_toppy.sandbox.wire import User
from rx_toppy.sandbox.wire_v1 import ProjectKind
from rx_toppy.sandbox.wire_webhooks import (
    BotVote,
    Connected,
    Disconnected,
    Envelope,
    Route,
    ServerVote,
    Tested,
    ToldProject,
    ToldUser,
    VoteCreated,
    VoteType,
    long_stamp,
)
from rx_toppy.sandbox.world import World

# Since when the ids of votes count their milliseconds.
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PLACE_BITS = 22
_AVATARS = "https://cdn.discordapp.com"


class Message(msgspec.Struct, frozen=True):
    """Something to deliver. Its body may hold a secret, so it is in no repr.

    Attributes:
        event: What it is about, as in `"upvote"` or `"vote.create"`.
        user_id: Who voted, or did what it is about; None where it says nobody.
        body: What is sent.
    """

    event: VoteType | Route
    user_id: int | None
    body: bytes

    def __repr__(self) -> str:
        """Say what it is about."""
        return f"<Message {self.event}>"


class Messages:
    """Writes the messages about the project of a world.

    Args:
        world: Where its votes and users are.
        kind: The platform and the type of the project.
        is_weekend: Tells whether votes count double now.
    """

    def __init__(self, world: World, kind: ProjectKind, is_weekend: Callable[[], bool]) -> None:
        self._world = world
        self._project_kind = kind
        self._is_weekend = is_weekend

    def knows(self, kind: Kind) -> bool:
        """Whether there are messages of this kind about the project: v0 has none of games."""
        return kind == "v1" or self._project_kind != "roblox game"

    def newest_vote(self, kind: Kind, query: str | None) -> Message:
        """Tell of the vote that came last.

        Args:
            kind: For whom.
            query: The query string of the vote page, which only v0 tells; None for not at all.
        """
        place = len(self._world.votes) - 1
        [vote] = self._world.votes.page(place, 1)
        if kind == "v0":
            return self._v0("upvote", vote.user_id, is_weekend=vote.weight == 2, query=query)
        # The history has six digits. The seventh is made up; it never rounds the sixth up.
        digit = place % 5
        data = VoteCreated(
            id=_vote_id(vote, place),
            weight=vote.weight,
            created_at=long_stamp(vote.at, digit),
            expires_at=long_stamp(vote.expires_at, digit),
            project=self._project(),
            user=_told(self._world.users[vote.user_id]),
        )
        return _v1("vote.create", vote.user_id, data)

    def test(self, kind: Kind) -> Message:
        """Tell of a test, which an owner of the bot has asked for."""
        owner = self._owner()
        if kind == "v0":
            return self._v0("test", owner.id, is_weekend=self._is_weekend(), query=None)
        return _v1("webhook.test", owner.id, Tested(user=_told(owner), project=self._project()))

    def connected(self, connection_id: str, webhook_secret: str) -> Message:
        """Tell of an integration that an owner of the bot connects."""
        owner = self._owner()
        data = Connected(
            connection_id=connection_id,
            webhook_secret=webhook_secret,
            project=self._project(),
            user=_told(owner),
        )
        return _v1("integration.create", owner.id, data)

    def disconnected(self, connection_id: str) -> Message:
        """Tell of an integration that was disconnected."""
        return _v1("integration.delete", None, Disconnected(connection_id))

    def _v0(self, type: VoteType, user_id: str, *, is_weekend: bool, query: str | None) -> Message:
        said = UNSET if query is None else query
        own_id = self._world.own.id
        data: BotVote | ServerVote
        if self._project_kind == "discord server":
            data = ServerVote(guild=own_id, user=user_id, type=type, query=said)
        else:
            data = BotVote(bot=own_id, user=user_id, type=type, is_weekend=is_weekend, query=said)
        return Message(type, int(user_id), msgspec.json.encode(data))

    def _project(self) -> ToldProject:
        own_id = self._world.own.id
        platform, kind = self._project_kind.split()
        return ToldProject(id=topgg_id(own_id), type=kind, platform=platform, platform_id=own_id)

    def _owner(self) -> User:
        return self._world.users[self._world.own.owners[0]]


def _v1(
    route: Route, user_id: str | None, data: VoteCreated | Tested | Connected | Disconnected
) -> Message:
    body = msgspec.json.encode(Envelope(route, data))
    return Message(route, None if user_id is None else int(user_id), body)


def _vote_id(vote: Vote, place: int) -> str:
    """Make an id as top.gg does: of the time, and of what no other vote of that time has."""
    since = max((vote.at - _EPOCH) // _MILLISECOND, 0)
    return str(since << _PLACE_BITS | place % (1 << _PLACE_BITS))


def _told(user: User) -> ToldUser:
    return ToldUser(
        id=topgg_id(user.id),
        platform_id=user.id,
        name=user.username,
        avatar_url=_avatar_url(user),
    )


def _avatar_url(user: User) -> str:
    """Give where Discord has the avatar, or the one that it shows for who has none."""
    if not isinstance(user.avatar, str):
        return f"{_AVATARS}/embed/avatars/{(int(user.id) >> 22) % 6}.png"
    suffix = "gif" if user.avatar.startswith("a_") else "png"
    return f"{_AVATARS}/avatars/{user.id}/{user.avatar}.{suffix}"
