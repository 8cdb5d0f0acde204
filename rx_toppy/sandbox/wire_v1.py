"""The shapes of v1 that go over the wire, with the names they have there.

A body that holds anything else is refused: a misspelt name must not go unnoticed. Only of
commands there is more to say than this side needs to know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from rx_toppy.sandbox.wire import Count

ProjectKind = Literal["discord bot", "discord server", "roblox game"]
"""A platform and a type, as they stand in a project."""

Locale = Literal[
    "en", "de", "fr", "pt", "tr", "hi", "ja", "ar", "nl", "ko", "it", "es", "ru", "uk", "vi", "zh"
]
Headline = Annotated[str, Meta(min_length=3, max_length=140)]
PageContent = Annotated[str, Meta(min_length=300, max_length=50_000)]
MaybeCount = Count | UnsetType


class Problem(msgspec.Struct, kw_only=True):
    """Problem details (RFC 7807), as v1 tells an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Project(msgspec.Struct, kw_only=True):
    """What `/projects/@me` answers; `votes` are those of this month, `votes_total` all."""

    id: str
    name: str
    type: str
    platform: str
    headline: str
    tags: list[str]
    votes: int
    votes_total: int
    review_score: float
    review_count: int


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """What a PATCH of `/projects/@me` takes: texts by locale, one at least."""

    headline: dict[Locale, Headline] = {}
    page_content: dict[Locale, PageContent] = {}

    def __post_init__(self) -> None:
        if not (self.headline or self.page_content):
            raise ValueError("at least one `headline` or `page_content` is required")


class AnnouncementPost(msgspec.Struct, forbid_unknown_fields=True):
    """What `/projects/@me/announcements` takes."""

    title: Annotated[str, Meta(min_length=3, max_length=100)]
    content: Annotated[str, Meta(min_length=10, max_length=2000)]


class AnnouncementMade(msgspec.Struct):
    """What `/projects/@me/announcements` answers."""

    title: str
    content: str
    created_at: str


class Metrics(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the metrics of all kinds of projects have in common: there must be some."""

    def __post_init__(self) -> None:
        if not self.counts():
            raise ValueError(f"one of {', '.join(self.__struct_fields__)} is required")

    def counts(self) -> dict[str, int]:
        """Give what was said, by name."""
        said: dict[str, int] = msgspec.to_builtins(self)
        return said


class BotMetrics(Metrics):
    """The metrics of a Discord bot."""

    server_count: MaybeCount = UNSET
    shard_count: MaybeCount = UNSET


class ServerMetrics(Metrics):
    """The metrics of a Discord server."""

    member_count: MaybeCount = UNSET
    online_count: MaybeCount = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = self.counts()
        both = {"member_count", "online_count"} <= counts.keys()
        if both and counts["online_count"] > counts["member_count"]:
            raise ValueError("`online_count` must be at most `member_count`")


class GameMetrics(Metrics):
    """The metrics of a Roblox game."""

    player_count: Count


M = TypeVar("M", bound=Metrics)


class BatchEntry(msgspec.Struct, Generic[M], forbid_unknown_fields=True):
    """Metrics, and since when they are so; without that they are so now."""

    metrics: M
    timestamp: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET


class Batch(msgspec.Struct, Generic[M], forbid_unknown_fields=True):
    """What `/projects/@me/metrics/batch` takes."""

    data: Annotated[list[BatchEntry[M]], Meta(min_length=1, max_length=100)]


class MetricsShapes(NamedTuple):
    """How the metrics of one kind of project are posted: alone, and many at once."""

    one: type[Metrics]
    batch: type[Batch[Any]]


METRICS: Mapping[ProjectKind, MetricsShapes] = MappingProxyType(
    {
        "discord bot": MetricsShapes(BotMetrics, Batch[BotMetrics]),
        "discord server": MetricsShapes(ServerMetrics, Batch[ServerMetrics]),
        "roblox game": MetricsShapes(GameMetrics, Batch[GameMetrics]),
    }
)


class Command(msgspec.Struct):
    """The one thing that every Discord application command has."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]


class VoteStatus(msgspec.Struct, kw_only=True):
    """What `/projects/@me/votes/:user_id` answers."""

    created_at: str
    expires_at: str
    weight: int


class Vote(msgspec.Struct, kw_only=True):
    """One of the votes that `/projects/@me/votes` lists."""

    user_id: str
    platform_id: str
    weight: int
    created_at: str
    expires_at: str


class VotesPage(msgspec.Struct):
    """What `/projects/@me/votes` answers."""

    cursor: str
    data: list[Vote]


def stamp(at: datetime) -> str:
    """Write a time as v1 does: in UTC, its fraction no longer than it must be."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if at.microsecond else text) + "Z"
