"""What top.gg tells an integration: that a project has connected to it, or has left."""

from __future__ import annotations

import msgspec

from .fields import Text, short_repr

__all__ = ["IntegrationCreated", "IntegrationDeleted", "IntegrationReply"]


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
