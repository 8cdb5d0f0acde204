"""`rx-toppy bot`."""

from __future__ import annotations

from datetime import UTC

from ..client import TopGG
from ..models import Bot
from ..terminal.records import BotPage
from ..terminal.tables import Sheet
from .lookups import add_lookup, known, number
from .parsing import Commands

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Adds the command."""
    add_lookup(
        commands,
        "bot",
        help="show a bot's page",
        description="Shows what top.gg has of a bot, with its texts cut (--json has them whole).",
        call=TopGG.fetch_bot,
        record=lambda _, bot: BotPage.of(bot),
        sheet=_sheet,
    )


def _sheet(_: str, bot: Bot) -> Sheet:
    approved = bot.approved_at
    rows = (
        ("id", str(bot.id)),
        ("about", bot.short_description),
        ("page", bot.long_description),
        ("tags", ", ".join(bot.tags)),
        ("prefix", bot.prefix),
        ("servers", number(bot.server_count)),
        ("shards", number(bot.shard_count)),
        ("votes this month", number(bot.monthly_votes)),
        ("votes in all", number(bot.all_time_votes)),
        ("certified", None if bot.certified is None else "yes" if bot.certified else "no"),
        ("approved", f"{approved.astimezone(UTC):%Y-%m-%d}" if approved else None),
        ("owners", ", ".join(map(str, bot.owners))),
        ("website", bot.website),
        ("support", f"https://discord.gg/{bot.support}" if bot.support else None),
        ("code", bot.github),
        ("invite", bot.invite),
        ("on top.gg", f"https://top.gg/bot/{bot.vanity_uri or bot.id}"),
    )
    return Sheet(bot.username or str(bot.id), known(rows))
