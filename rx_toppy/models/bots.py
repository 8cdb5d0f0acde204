"""A bot's page on top.gg, and a page of a search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, overload

import msgspec
from msgspec import field

from .fields import (
    Id,
    IdTexts,
    Text,
    TextItems,
    UserCache,
    Whole,
    avatar_url,
    aware,
    digits,
    short_repr,
)
from .html_repr import Displayed


class Bot(Displayed, msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bot as top.gg lists it. Any attribute but `id` may be None.

    Attributes:
        id: Its id.
        username: Its name.
        discriminator: The four digits of its tag, `"0"` for new names.
        user_avatar: The hash (or URL) of the avatar that it set.
        default_avatar: The hash of the avatar that Discord gave it.
        prefix: What its commands start with.
        short_description: One line about it.
        long_description: Its page, in Markdown or HTML.
        website: Its website's URL.
        support: The invite code of its support server.
        github: The URL of its repository.
        certified: Whether top.gg certified it.
        vanity_uri: Its short name in top.gg's URLs.
        all_time_votes: Votes since it was listed.
        monthly_votes: Votes this month.
        server_count: Guilds that it is in, as it last posted.
        shard_count: Shards that it runs on, as it last posted.
        lib: The library it was written with (top.gg no longer asks).
        date: When it was approved, as top.gg wrote it; `approved_at` is the same as a datetime.
    """

    id: Id
    username: Text = None
    discriminator: Text = None
    user_avatar: Text = field(name="avatar", default=None)
    default_avatar: Text = field(name="defAvatar", default=None)
    prefix: Text = None
    short_description: Text = field(name="shortdesc", default=None)
    long_description: Text = field(name="longdesc", default=None)
    website: Text = None
    support: Text = None
    github: Text = None
    certified: bool | None = field(name="certifiedBot", default=None)
    vanity_uri: Text = field(name="vanity", default=None)
    all_time_votes: Whole = field(name="points", default=None)
    monthly_votes: Whole = field(name="monthlyPoints", default=None)
    server_count: Whole = None
    shard_count: Whole = None
    lib: Text = None
    date: Text = None
    _tags: TextItems = field(name="tags", default=())
    _owners: IdTexts = field(name="owners", default=())
    _guilds: IdTexts = field(name="guilds", default=())
    _invite: Text = field(name="invite", default=None)
    _donations: Text = field(name="donatebotguildid", default=None)

    @property
    def avatar(self) -> str | None:
        """The hash of its avatar: the one that it set, or else Discord's."""
        return self.user_avatar or self.default_avatar

    @property
    def avatar_url(self) -> str:
        """Where its avatar lies; Discord's default where it has none."""
        return avatar_url(self.id, self.avatar, self.discriminator)

    @property
    def tags(self) -> tuple[str, ...]:
        """What it is about, in top.gg's words."""
        return self._tags or ()

    @property
    def owners(self) -> tuple[int, ...]:
        """The ids of its owners, the main one first."""
        return _ids(self._owners)

    @property
    def featured_guilds(self) -> tuple[int, ...]:
        """The ids of the guilds that its page shows."""
        return _ids(self._guilds)

    @property
    def raw_ids(self) -> tuple[str, ...]:
        """The ids in its lists as they were sent, of which `owners` and such leave out odd ones."""
        return (*(self._owners or ()), *(self._guilds or ()))

    @property
    def invite(self) -> str:
        """The URL that adds it to a guild; Discord's own for its id where it gave none."""
        return self._invite or (
            f"https://discord.com/oauth2/authorize?client_id={self.id}&scope=bot&permissions=0"
        )

    @property
    def approved_at(self) -> datetime | None:
        """When top.gg approved it, aware; None where the date is missing or none."""
        return aware(self.date)

    @property
    def donations_guild(self) -> int | None:
        """The id of the guild that takes its donations."""
        return digits(self._donations)

    def user(self, state: UserCache) -> Any:
        """The Discord user that `state` (a Discord client) has in its cache, or None."""
        return state.get_user(self.id)

    def __repr__(self) -> str:
        return short_repr(
            self, "id", "username", "server_count", "monthly_votes", "all_time_votes", "certified"
        )


def _ids(texts: IdTexts) -> tuple[int, ...]:
    return tuple(id for id in map(digits, texts or ()) if id is not None)


class BotSearchResults(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """One page of a search: a sequence of bots.

    Attributes:
        results: The bots.
        limit: How many were asked for.
        offset: How many came before this page.
        count: How many bots top.gg says are on this page.
        total: How many bots the search found in all.
        skipped: How many malformed entries of the page were left out of `results`.

    Example:
        >>> page = await client.fetch_bots(limit=10, sort="-points")
        >>> [bot.username for bot in page], len(page), page[0]
    """

    results: tuple[Bot, ...]
    limit: Whole = None
    offset: Whole = None
    count: Whole = None
    total: Whole = None
    skipped: int = 0

    def __iter__(self) -> Iterator[Bot]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> Bot: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Bot, ...]: ...
    def __getitem__(self, index: int | slice) -> Bot | tuple[Bot, ...]:
        return self.results[index]

    def __repr__(self) -> str:
        return f"<BotSearchResults: {len(self)} bots from {self.offset}, {self.total} in all>"
