"""A project of top.gg's v1 API, and an announcement of its."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

import msgspec
from msgspec import field

from .fields import Id, Text, TextItems, Whole, aware, short_repr
from .html_repr import Displayed


class Project(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """A bot, server or game as top.gg's v1 API has it. Any attribute but `id` may be None.

    Attributes:
        id: Its id on top.gg, which is not the bot's id on Discord.
        name: Its name.
        platform: Where it is: "discord", "roblox", or what top.gg may add.
        type: What it is: "bot", "server", "game", or what top.gg may add.
        headline: One line about it.
        votes: Votes this month.
        votes_total: Votes since it was listed.
        review_count: How many there are.
    """

    id: Id
    name: Text = None
    platform: Text = None
    type: Text = None
    headline: Text = None
    votes: Whole = None
    votes_total: Whole = None
    review_count: Whole = None
    _review_score: float | None = field(name="review_score", default=None)
    _tags: TextItems = field(name="tags", default=())

    @property
    def review_score(self) -> float | None:
        """The mean of its reviews, up to 5."""
        score = self._review_score
        return score if score is not None and isfinite(score) else None

    @property
    def tags(self) -> tuple[str, ...]:
        """What it is about, in top.gg's words."""
        return self._tags or ()

    def __repr__(self) -> str:
        return short_repr(self, "id", "name", "platform", "type", "votes", "votes_total")


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement on a project's page.

    Attributes:
        title: Its title.
        content: Its text.
    """

    title: Text = None
    content: Text = None
    _created_at: Text = field(name="created_at", default=None)

    @property
    def created_at(self) -> datetime | None:
        """When it was made, aware."""
        return aware(self._created_at)

    def __repr__(self) -> str:
        return short_repr(self, "title", "created_at")


class IntegrationCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A project's owner has connected it to an integration.

    Attributes:
        connection_id: The connection's id.
        webhook_secret: What this connection's deliveries are signed with. Keep it; it is not shown
            in the repr.
        project_id: The project's id on top.gg.
        project_platform_id: The project's id on Discord (or the platform that it is on).
        project_type: What it is: "bot", "server" or "game".
        project_platform: Where it is: "discord" or "roblox".
        user_id: The id on top.gg of who connected it.
        user_platform_id: Their id on Discord (or the platform that the project is on).
        user_name: Their name.
    """

    connection_id: int
    webhook_secret: str
    project_id: int | None = None
    project_platform_id: int | None = None
    project_type: Text = None
    project_platform: Text = None
    user_id: int | None = None
    user_platform_id: int | None = None
    user_name: Text = None

    def __repr__(self) -> str:
        return short_repr(self, "connection_id", "project_id", "project_platform_id", "user_id")


class IntegrationDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A project has left an integration: nothing more is delivered for this connection.

    Attributes:
        connection_id: The connection's id.
    """

    connection_id: int


class IntegrationReply(msgspec.Struct, frozen=True):
    """Where a new connection's deliveries go, and which.

    Args:
        webhook_url: The URL that top.gg delivers to from then on.
        routes: The types of deliveries that are wanted.

    Example:
        >>> IntegrationReply("https://bot.example/votes/112402021105124")
    """

    webhook_url: str
    routes: tuple[str, ...] = ("vote.create",)
