"""How many guilds a bot is in: as top.gg has it, and as it was posted."""

from __future__ import annotations

from typing import TypedDict

import msgspec
from msgspec import field

from .fields import Whole, short_repr
from .html_repr import Displayed


class BotStats(Displayed, msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bot's statistics, as top.gg has them.

    Attributes:
        server_count: Guilds that the bot is in, None where it never posted.
        shard_count: Shards that it runs on, None where it never said.
    """

    server_count: Whole = None
    shard_count: Whole = None
    _shards: tuple[Whole, ...] | None = field(name="shards", default=())

    @property
    def shards(self) -> dict[int, int]:
        """Guilds by shard id; empty where the bot did not post them."""
        return {id: count for id, count in enumerate(self._shards or ()) if count is not None}

    @property
    def reliable(self) -> bool:
        """Whether the total is the sum of the shards."""
        return self.server_count is not None and self.server_count == sum(self.shards.values())

    def __repr__(self) -> str:
        return short_repr(self, "server_count", "shard_count", "shards")


class StatsDict(TypedDict):
    """What the bot's own listeners get for a post, as toppy's did."""

    server_count: int
    shards: list[int]
    shard_count: int


class BotStatsPayload(Displayed, msgspec.Struct, frozen=True):
    """Statistics that were posted. `int()` of it is the number of servers.

    Attributes:
        server_count: Guilds in all (of this process, where it runs only some of the shards).
        shards: Guilds of each shard that was posted, by shard id; empty where the bot is unsharded.
        shard_count: Shards of the whole bot, 1 where it is unsharded.

    Example:
        >>> posted = await client.post_stats()
        >>> f"{posted.server_count:,} servers on {posted.shard_count} shards"
    """

    server_count: int
    shards: tuple[int, ...] = ()
    shard_count: int = 1

    def __int__(self) -> int:
        return self.server_count

    def to_dict(self) -> StatsDict:
        """The dictionary that `on_guild_post` and `on_toppy_stat_autopost` get."""
        return {
            "server_count": self.server_count,
            "shards": list(self.shards),
            "shard_count": self.shard_count,
        }
