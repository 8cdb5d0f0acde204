"""What other programs read of a model: records for JSON and CSV.

Fields are called what the models call them. Ids are text, for a JSON reader that makes doubles of
numbers would change them; times are ISO 8601 in UTC; what top.gg did not tell is null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..models import Bot, BotStats, User, Vote
from .text import CONTROLS, is_unicode

BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is written of something."""


class VoteRecord(Record, frozen=True, kw_only=True, gc=False):
    """A vote."""

    user_id: str | None
    platform_id: str | None
    weight: int | None
    created_at: str | None
    expires_at: str | None

    @classmethod
    def of(cls, vote: Vote) -> VoteRecord:
        return cls(
            user_id=_id(vote.user_id),
            platform_id=_id(vote.platform_id),
            weight=vote.weight,
            created_at=time(vote.created_at),
            expires_at=time(vote.expires_at),
        )


class BotRecord(Record, frozen=True, kw_only=True, gc=False):
    """A bot among others: all but its long texts."""

    id: str
    username: str | None
    short_description: str | None
    tags: list[str]
    prefix: str | None
    server_count: int | None
    shard_count: int | None
    monthly_votes: int | None
    all_time_votes: int | None
    certified: bool | None
    approved_at: str | None
    owners: list[str]
    website: str | None
    support: str | None
    github: str | None
    invite: str
    vanity_uri: str | None

    @classmethod
    def of(cls, bot: Bot) -> BotRecord:
        return cls(**_of_bot(bot))


class BotPage(BotRecord, frozen=True, kw_only=True, gc=False):
    """A bot, with all that its page has."""

    long_description: str | None
    featured_guilds: list[str]
    donations_guild: str | None
    avatar: str | None
    discriminator: str | None

    @classmethod
    def of(cls, bot: Bot) -> BotPage:
        return cls(
            **_of_bot(bot),
            long_description=bot.long_description,
            featured_guilds=_ids(bot.featured_guilds),
            donations_guild=_id(bot.donations_guild),
            avatar=bot.avatar,
            discriminator=bot.discriminator,
        )


class UserRecord(Record, frozen=True, kw_only=True, gc=False):
    """A user's profile; `colour` is as #rrggbb."""

    id: str
    name: str | None
    discriminator: str | None
    bio: str | None
    colour: str | None
    certified: bool | None
    supporter: bool | None
    moderator: bool
    admin: bool | None
    avatar_url: str
    banner_url: str | None
    socials: dict[str, str | None]

    @classmethod
    def of(cls, user: User) -> UserRecord:
        return cls(
            id=str(user.id),
            name=user.name,
            discriminator=user.discriminator,
            bio=user.bio,
            colour=None if user.colour is None else f"#{user.colour:06x}",
            certified=user.certified,
            supporter=user.supporter,
            moderator=user.moderator,
            admin=user.admin,
            avatar_url=user.avatar_url,
            banner_url=user.banner_url,
            socials=msgspec.structs.asdict(user.socials),
        )


class StatsRecord(Record, frozen=True, kw_only=True, gc=False):
    """How many servers a bot has posted; `shards` has them by shard id."""

    id: str
    server_count: int | None
    shard_count: int | None
    reliable: bool
    shards: dict[str, int]

    @classmethod
    def of(cls, id: int, stats: BotStats) -> StatsRecord:
        return cls(
            id=str(id),
            server_count=stats.server_count,
            shard_count=stats.shard_count,
            reliable=stats.reliable,
            shards={str(shard): count for shard, count in stats.shards.items()},
        )


_encode = msgspec.json.Encoder().encode


def json_line(value: object, encoding: str | None = None) -> str:
    """A value as JSON on one line, without the line's end.

    What a terminal would obey, and what the encoding may lack, is escaped: it is read as what it
    was, and can be looked at.
    """
    # All that is to be escaped stands within strings: there an escape means the same.
    text = _encode(value).decode("utf-8", "replace")
    unfit = CONTROLS if is_unicode(encoding) else BEYOND_ASCII
    return unfit.sub(_escaped, text)


def time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, always as long: sorted as text, times are in order."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z"


def _of_bot(bot: Bot) -> dict[str, Any]:
    return {
        "id": str(bot.id),
        "username": bot.username,
        "short_description": bot.short_description,
        "tags": list(bot.tags),
        "prefix": bot.prefix,
        "server_count": bot.server_count,
        "shard_count": bot.shard_count,
        "monthly_votes": bot.monthly_votes,
        "all_time_votes": bot.all_time_votes,
        "certified": bot.certified,
        "approved_at": time(bot.approved_at),
        "owners": _ids(bot.owners),
        "website": bot.website,
        "support": bot.support,
        "github": bot.github,
        "invite": bot.invite,
        "vanity_uri": bot.vanity_uri,
    }


def _id(id: int | None) -> str | None:
    return None if id is None else str(id)


def _ids(ids: Iterable[int]) -> list[str]:
    return [str(id) for id in ids]


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
