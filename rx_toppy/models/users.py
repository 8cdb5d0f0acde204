"""top.gg's users, as their profile and as voters."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from .fields import Id, Text, UserCache, avatar_url, short_repr
from .html_repr import Displayed


class Socials(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A user's accounts elsewhere, as they typed them; None where they gave none."""

    youtube: Text = None
    reddit: Text = None
    instagram: Text = None
    github: Text = None
    twitter: Text = None


class User(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """A user's profile on top.gg. Any attribute but `id` may be None.

    Attributes:
        id: Their id.
        name: Their username.
        discriminator: The four digits of their tag, `"0"` for new names.
        bio: What they say of themselves.
        banner_url: The picture over their profile.
        supporter: Whether they support top.gg.
        certified: Whether they develop a certified bot.
        admin: Whether they are one of top.gg's administrators.
    """

    id: Id
    name: Text = field(name="username", default=None)
    discriminator: Text = None
    bio: Text = None
    banner_url: Text = field(name="banner", default=None)
    supporter: bool | None = None
    certified: bool | None = field(name="certifiedDev", default=None)
    admin: bool | None = None
    _avatar: Text = field(name="avatar", default=None)
    _color: Text = field(name="color", default=None)
    _mod: bool | None = field(name="mod", default=None)
    _web_mod: bool | None = field(name="webMod", default=None)
    _social: Socials | None = field(name="social", default=None)

    @property
    def avatar_url(self) -> str:
        """Where their avatar lies; Discord's default where they have none."""
        return avatar_url(self.id, self._avatar, self.discriminator)

    @property
    def socials(self) -> Socials:
        """Their accounts elsewhere."""
        return self._social or Socials()

    @property
    def colour(self) -> int | None:
        """Their colour as 0xRRGGBB, which `discord.Colour` takes.

        The field is free text on top.gg: what is no hex colour (`#abc`, `#aabbcc`) is None.
        """
        digits = (self._color or "").strip().removeprefix("#").lower()
        if len(digits) == 3:
            digits = "".join(digit * 2 for digit in digits)
        is_hex = len(digits) == 6 and all(digit in "0123456789abcdef" for digit in digits)
        return int(digits, 16) if is_hex else None

    @property
    def color(self) -> int | None:
        """The same as `colour`."""
        return self.colour

    @property
    def moderator(self) -> bool:
        """Whether they moderate top.gg, the site or its Discord server."""
        return bool(self._mod or self._web_mod)

    def user(self, state: UserCache) -> Any:
        """The Discord user that `state` (a Discord client) has in its cache, or None."""
        return state.get_user(self.id)

    def __repr__(self) -> str:
        return short_repr(self, "id", "name", "certified", "supporter")


class SimpleUser(Displayed, msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A voter, as the list of the last thousand shows them.

    Attributes:
        id: Their id.
        username: Their name.
        discriminator: The digits of their tag; top.gg no longer sends them.
    """

    id: Id
    username: Text = None
    discriminator: Text = None
    _avatar: Text = field(name="avatar", default=None)

    @property
    def avatar(self) -> str:
        """Where their avatar lies; Discord's default where they have none."""
        return avatar_url(self.id, self._avatar, self.discriminator)

    def user(self, state: UserCache) -> Any:
        """The Discord user that `state` (a Discord client) has in its cache, or None."""
        return state.get_user(self.id)

    def __repr__(self) -> str:
        return short_repr(self, "id", "username")


class IndividualUserVoteResult(Displayed, msgspec.Struct, frozen=True, gc=False):
    """Whether a user voted within the last 12 hours; truthy when they did.

    Example:
        >>> if await client.upvote_check(ctx.author):
        ...     await ctx.send("Thank you for your vote!")
    """

    voted: bool

    def __bool__(self) -> bool:
        return self.voted
