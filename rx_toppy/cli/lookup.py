"""`rx-toppy bot`, `user` and `stats`: look one thing up by its id."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import TypeVar

import msgspec

from ..client import TopGG
from ..models import Bot, BotStats, User
from ..streams.cold import Call
from .arguments import VARIABLE, Commands, add_base_url, command, in_our_terms, refuse, token
from .export.asking import client_of
from .records import BotPage, Record, StatsRecord, UserRecord, json_line
from .tables import Sheet, show

T = TypeVar("T")


def _add_lookup(
    commands: Commands,
    name: str,
    *,
    help: str,
    description: str,
    call: Callable[[TopGG, str], Call[T]],
    record: Callable[[str, T], Record],
    sheet: Callable[[str, T], Sheet],
) -> None:
    """Adds a command that looks something up.

    Args:
        commands: Where it is added.
        name: What it is called.
        help: What it shows, in a few words.
        description: The same in a sentence.
        call: Looks it up, by its id.
        record: What is printed as JSON.
        sheet: What is shown.
    """

    def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
        secret = token(parser, "a token of top.gg")
        try:
            client = client_of(secret, given.base_url)
            asked = call(client, given.id)
        except ValueError as error:
            refuse(parser, in_our_terms(error))
        found = asyncio.run(_answer(client, asked))
        if given.json:
            line = json_line(record(given.id, found), sys.stdout.encoding)
            sys.stdout.write(f"{line}\n")
        else:
            show(sheet(given.id, found), sys.stdout)
        return 0

    parser = command(
        commands,
        name,
        help=help,
        description=(
            f"{description} A token of top.gg is read from the environment variable {VARIABLE}."
        ),
        examples=(f"{name} 264811613708746752", f"{name} 264811613708746752 --json"),
        run=run,
    )
    what = "user" if name == "user" else "bot"
    parser.add_argument("id", metavar="ID", help=f"the {what}'s id")
    add_base_url(parser)


async def _answer(client: TopGG, call: Call[T]) -> T:
    async with client:
        return await call


def _known(rows: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Those of the rows that have a value."""
    return [(name, value) for name, value in rows if value]


def _number(count: int | None) -> str | None:
    """A count, with commas."""
    return None if count is None else f"{count:,}"


def add_bot(commands: Commands) -> None:
    """Adds `rx-toppy bot`."""
    _add_lookup(
        commands,
        "bot",
        help="show a bot's page",
        description="Shows what top.gg has of a bot, with its texts cut (--json has them whole).",
        call=TopGG.fetch_bot,
        record=lambda _, bot: BotPage.of(bot),
        sheet=_bot_sheet,
    )


def _bot_sheet(_: str, bot: Bot) -> Sheet:
    approved = bot.approved_at
    rows = (
        ("id", str(bot.id)),
        ("about", bot.short_description),
        ("page", bot.long_description),
        ("tags", ", ".join(bot.tags)),
        ("prefix", bot.prefix),
        ("servers", _number(bot.server_count)),
        ("shards", _number(bot.shard_count)),
        ("votes this month", _number(bot.monthly_votes)),
        ("votes in all", _number(bot.all_time_votes)),
        ("certified", None if bot.certified is None else "yes" if bot.certified else "no"),
        ("approved", f"{approved.astimezone(UTC):%Y-%m-%d}" if approved else None),
        ("owners", ", ".join(map(str, bot.owners))),
        ("website", bot.website),
        ("support", f"https://discord.gg/{bot.support}" if bot.support else None),
        ("code", bot.github),
        ("invite", bot.invite),
        ("on top.gg", f"https://top.gg/bot/{bot.vanity_uri or bot.id}"),
    )
    return Sheet(bot.username or str(bot.id), _known(rows))


def add_user(commands: Commands) -> None:
    """Adds `rx-toppy user`."""
    _add_lookup(
        commands,
        "user",
        help="show a user's profile",
        description="Shows what top.gg has of a user, with their bio cut (--json has it whole).",
        call=TopGG.fetch_user,
        record=lambda _, user: UserRecord.of(user),
        sheet=_user_sheet,
    )


def _user_sheet(_: str, user: User) -> Sheet:
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
    return Sheet(user.name or str(user.id), _known(rows))


def add_stats(commands: Commands) -> None:
    """Adds `rx-toppy stats`."""
    _add_lookup(
        commands,
        "stats",
        help="show how many servers a bot has posted",
        description=(
            "Shows how many servers and shards a bot has posted to top.gg, and whether the total "
            "is the sum of the shards."
        ),
        call=TopGG.get_stats,
        record=lambda id, stats: StatsRecord.of(int(id), stats),  # noqa: A006
        sheet=_stats_sheet,
    )


def _stats_sheet(id: str, stats: BotStats) -> Sheet:
    by_shard = (f"{shard}: {count:,}" for shard, count in stats.shards.items())
    rows = (
        ("servers", _number(stats.server_count) or "not posted yet"),
        ("shards", _number(stats.shard_count)),
        ("by shard", ", ".join(by_shard)),
        ("reliable", _reliability(stats)),
    )
    return Sheet(f"bot {int(id)}", _known(rows))


def _reliability(stats: BotStats) -> str:
    if stats.reliable:
        return "yes, the total is the sum of the shards"
    if stats.shards:
        return f"no, the sum of the shards is {sum(stats.shards.values()):,}"
    return "no, nothing is known by shard"
