"""A bot as a card, bots as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .look import (
    ROWS,
    Column,
    badge,
    date,
    facts,
    heading,
    link,
    listing,
    muted,
    named,
    number,
    panel,
    picture,
    quoted,
    spaced,
    tagged,
)
from .markup import Element, Node
from .urls import Url, discord_invite, web_url

if TYPE_CHECKING:
    from ..models import Bot, BotSearchResults

__all__ = ["BOT_COLUMNS", "bot_row", "card", "search"]

LONGEST_DESCRIPTION = 240
LONGEST_PREFIX = 20

BOT_COLUMNS = (
    Column("Name"),
    Column("Servers", is_number=True),
    Column("Votes this month", is_number=True),
    Column("Votes in all", is_number=True),
    Column("Tags"),
)


def card(bot: Bot, *, images: bool = False) -> Element:
    """A bot's page in short."""
    return panel(
        heading(
            picture(bot.avatar_url, 40) if images else None,
            Element("strong", named(bot.username)),
            badge("certified", bot.certified),
            muted(f"{bot.id}"),
        ),
        Element("div", quoted(bot.short_description, LONGEST_DESCRIPTION)),
        facts(
            ("Servers", number(bot.server_count)),
            ("Shards", number(bot.shard_count)),
            ("Votes this month", number(bot.monthly_votes)),
            ("Votes in all", number(bot.all_time_votes)),
            ("Prefix", quoted(bot.prefix, LONGEST_PREFIX)),
            ("Owners", number(len(bot.owners) or None)),
            ("Approved", date(bot.approved_at)),
        ),
        Element("div", tagged(bot.tags)),
        heading(*_links(bot)),
    )


def _links(bot: Bot) -> list[Node]:
    website = web_url(bot.website)
    return [
        link("top.gg", Url(f"https://top.gg/bot/{bot.id}")),
        link("invite", web_url(bot.invite)),
        link("support", discord_invite(bot.support)),
        None if website is None else link(website.host, website),
        link("source", web_url(bot.github)),
    ]


def bot_row(bot: Bot, *, images: bool = False) -> tuple[Node, ...]:
    """A bot among others."""
    return (
        Element(
            "span",
            *spaced(
                picture(bot.avatar_url, 20) if images else None,
                named(bot.username),
                badge("certified", bot.certified),
            ),
        ),
        number(bot.server_count),
        number(bot.monthly_votes),
        number(bot.all_time_votes),
        tagged(bot.tags),
    )


def search(page: BotSearchResults, *, images: bool = False) -> Element:
    """A page of a search: how much of the whole it is, and its first bots."""
    here, total = len(page), number(page.total)
    size = f"{here:,} bots" if total is None else f"{here:,} of {total} bots"
    rows = [bot_row(bot, images=images) for bot in page[:ROWS]]
    return panel(
        heading(
            Element("strong", size),
            muted(f"from {number(page.offset)} on") if page.offset else None,
            muted(f"({page.skipped:,} malformed ones left out)") if page.skipped else None,
        ),
        *listing(BOT_COLUMNS, rows, here),
    )
