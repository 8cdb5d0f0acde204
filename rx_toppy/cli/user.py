"""`rx-toppy user`."""

from __future__ import annotations

import msgspec

from ..client import TopGG
from ..models import User
from ..terminal.records import UserRecord
from ..terminal.tables import Sheet
from .lookups import add_lookup, known
from .parsing import Commands

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Adds the command."""
    add_lookup(
        commands,
        "user",
        help="show a user's profile",
        description="Shows what top.gg has of a user, with their bio cut (--json has it whole).",
        call=TopGG.fetch_user,
        record=lambda _, user: UserRecord.of(user),
        sheet=_sheet,
    )


def _sheet(_: str, user: User) -> Sheet:
    roles = {
        "develops a certified bot": user.certified,
        "supports top.gg": user.supporter,
        "moderates top.gg": user.moderator,
        "administers top.gg": user.admin,
    }
    rows = (
        ("id", str(user.id)),
        ("bio", user.bio),
        ("roles", ", ".join(role for role, has in roles.items() if has)),
        ("colour", None if user.colour is None else f"#{user.colour:06x}"),
        *msgspec.structs.asdict(user.socials).items(),
        ("avatar", user.avatar_url),
        ("banner", user.banner_url),
        ("on top.gg", f"https://top.gg/user/{user.id}"),
    )
    return Sheet(user.name or str(user.id), known(rows))
