"""The shapes that go over the wire, with the names they have there.

Ids are strings of digits. A field that is UNSET is left out, one that is None is sent as
null: the live API does the one or the other with whatever a bot or user has not filled in.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

MaybeText = str | UnsetType | None
MaybeCount = int | UnsetType | None

Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# Far above any bot's, and low enough that one posted number can't fill the memory.
ShardCount = Annotated[int, Meta(ge=0, le=100_000)]
ShardId = Annotated[int, Meta(ge=0, lt=100_000)]


class Bot(
    msgspec.Struct,
    kw_only=True,
    gc=False,
    rename={
        "def_avatar": "defAvatar",
        "monthly_points": "monthlyPoints",
        "certified_bot": "certifiedBot",
    },
):
    """A bot as `/bots/:id` gives it."""

    id: str
    username: str
    discriminator: str
    avatar: MaybeText
    def_avatar: MaybeText
    lib: MaybeText
    prefix: str
    shortdesc: str
    longdesc: MaybeText
    tags: list[str]
    website: MaybeText
    support: MaybeText
    github: MaybeText
    owners: list[str]
    guilds: list[str]
    invite: MaybeText
    date: str
    server_count: MaybeCount
    shard_count: MaybeCount
    shards: list[int]
    certified_bot: bool
    vanity: MaybeText
    points: int
    monthly_points: int
    donatebotguildid: str
    clientid: str


class User(
    msgspec.Struct,
    kw_only=True,
    gc=False,
    rename={"def_avatar": "defAvatar", "certified_dev": "certifiedDev", "web_mod": "webMod"},
):
    """A user as `/users/:id` gives it."""

    id: str
    username: str
    discriminator: str
    avatar: MaybeText
    def_avatar: str
    bio: MaybeText = UNSET
    banner: MaybeText = UNSET
    social: dict[str, str] = {}
    color: MaybeText = UNSET
    supporter: bool = False
    certified_dev: bool = False
    mod: bool = False
    web_mod: bool = False
    admin: bool = False


class Voter(msgspec.Struct, gc=False):
    """One of the users that `/bots/:id/votes` lists."""

    username: str
    id: str
    avatar: MaybeText


class Page(msgspec.Struct):
    """What `/bots` answers; `total` is how many bots there are on all pages."""

    results: list[msgspec.Raw]
    limit: int
    offset: int
    count: int
    total: int


class Stats(msgspec.Struct):
    """What `/bots/:id/stats` answers."""

    server_count: MaybeCount
    shards: list[int]
    shard_count: MaybeCount


class StatsPost(msgspec.Struct):
    """What `/bots/:id/stats` takes.

    A list as `server_count` does what `shards` does; with `shard_id`, `server_count` is
    the count of that shard.
    """

    server_count: Count | list[Count]
    shards: list[Count] | None = None
    shard_id: ShardId | None = None
    shard_count: ShardCount | None = None

    def __post_init__(self) -> None:
        if self.shard_id is None:
            return
        if isinstance(self.server_count, list):
            raise ValueError("`server_count` must be one number where there is a `shard_id`")
        if self.shard_count is not None and self.shard_id >= self.shard_count:
            raise ValueError("`shard_id` must be below `shard_count`")
