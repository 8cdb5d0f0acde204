"""`rx-toppy stats`."""

from __future__ import annotations

from ..client import TopGG
from ..models import BotStats
from ..terminal.records import StatsRecord
from ..terminal.tables import Sheet
from .lookups import add_lookup, known, number
from .parsing import Commands

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Adds the command."""
    add_lookup(
        commands,
        "stats",
        help="show how many servers a bot has posted",
        description=(
            "Shows how many servers and shards a bot has posted to top.gg, and whether the total "
            "is the sum of the shards."
        ),
        call=TopGG.get_stats,
        record=lambda id, stats: StatsRecord.of(int(id), stats),  # noqa: A006
        sheet=_sheet,
    )


def _sheet(id: str, stats: BotStats) -> Sheet:
    by_shard = (f"{shard}: {count:,}" for shard, count in stats.shards.items())
    rows = (
        ("servers", number(stats.server_count) or "not posted yet"),
        ("shards", number(stats.shard_count)),
        ("by shard", ", ".join(by_shard)),
        ("reliable", _reliability(stats)),
    )
    return Sheet(f"bot {int(id)}", known(rows))


def _reliability(stats: BotStats) -> str:
    if stats.reliable:
        return "yes, the total is the sum of the shards"
    if stats.shards:
        return f"no, the sum of the shards is {sum(stats.shards.values()):,}"
    return "no, nothing is known by shard"
