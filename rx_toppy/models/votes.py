"""A vote, whichever way it was heard of, and whether a user's vote still counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import field

from .fields import Text, UserCache, Whole, aware, short_repr
from .html_repr import Displayed

VoteSource = Literal["history", "webhook_v0", "webhook_v1"]


def _now() -> datetime:
    return datetime.now(UTC)


class Vote(Displayed, msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One vote. What its source does not know is None.

    Attributes:
        id: The vote's own id. Only webhooks of v1 tell it.
        user_id: The voter's id on top.gg.
        platform_id: The voter's id on Discord (or the platform that the project is on).
        weight: How many votes it counts for: 2 on weekends, else 1.
        created_at: When the user voted, aware.
        expires_at: When they may vote again, aware: 12 hours after `created_at`.
        received_at: When it came in here, aware; always known.
        project_id: The id of what was voted for, as the source gives it.
        is_test: Whether it is a test from top.gg's dashboard, and no vote.
        query: What stood behind the `?` of the vote page's URL. Not part of the hash.
        source: How it was heard of: "history", "webhook_v0" or "webhook_v1".

    Example:
        >>> async for vote in client.project.votes(since=yesterday):
        ...     print(vote.created_at, vote.platform_id, vote.weight)
    """

    id: int | None = None
    user_id: int | None = None
    platform_id: int | None = None
    weight: int | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    received_at: datetime = field(default_factory=_now)
    project_id: int | None = None
    is_test: bool = False
    query: dict[str, str] = field(default_factory=dict)
    source: VoteSource | None = None

    @property
    def cast_at(self) -> datetime:
        """When it was cast, as far as is known: `created_at`, or else `received_at`."""
        return self.created_at or self.received_at

    @property
    def voter_id(self) -> int | None:
        """Who voted: their id on the platform where that is known, or else on top.gg."""
        return self.platform_id or self.user_id

    def user(self, state: UserCache) -> Any:
        """The Discord user that `state` (a Discord client) has in its cache, or None."""
        return None if self.platform_id is None else state.get_user(self.platform_id)

    def __hash__(self) -> int:
        return hash(
            (
                self.id,
                self.user_id,
                self.platform_id,
                self.weight,
                self.created_at,
                self.expires_at,
                self.received_at,
                self.project_id,
                self.is_test,
                self.source,
            )
        )

    def __repr__(self) -> str:
        return short_repr(self, "id", "user_id", "platform_id", "weight", "created_at", "source")


class VoteStatus(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """A user's vote that still counts: it is less than 12 hours old.

    Attributes:
        weight: How many votes it counts for: 2 on weekends, else 1.
    """

    weight: Whole = None
    _created_at: Text = field(name="created_at", default=None)
    _expires_at: Text = field(name="expires_at", default=None)

    @property
    def created_at(self) -> datetime | None:
        """When the user voted, aware."""
        return aware(self._created_at)

    @property
    def expires_at(self) -> datetime | None:
        """When they may vote again, aware."""
        return aware(self._expires_at)

    def __repr__(self) -> str:
        return short_repr(self, "created_at", "expires_at", "weight")
