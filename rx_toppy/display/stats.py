"""How many servers a bot is in, shard by shard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .look import Column, badge, heading, listing, muted, number, panel
from .markup import Element, Node

if TYPE_CHECKING:
    from ..models import BotStats, BotStatsPayload

__all__ = ["as_known", "as_posted"]

SHARDS = 12
WIDEST = 160

BAR = "display:inline-block;height:.6em;background:currentColor;opacity:.45;width:"


def as_known(stats: BotStats, *, images: bool = False) -> Element:
    """A bot's statistics, as top.gg has them."""
    shards = stats.shards
    return panel(
        _total(stats.server_count, stats.shard_count, _reliability(stats, shards)),
        *_bars(list(shards.items()), sum(shards.values())),
    )


def _reliability(stats: BotStats, shards: dict[int, int]) -> Element | None:
    if stats.reliable:
        return badge("the sum of its shards")
    if shards and stats.server_count is not None:
        return badge(f"not reliable: its shards have {number(sum(shards.values()))}")
    return None


def as_posted(stats: BotStatsPayload, *, images: bool = False) -> Element:
    """Statistics that were posted."""
    # A process that runs some of its bot's shards does not say which these are.
    is_whole = len(stats.shards) == stats.shard_count
    shards = list(enumerate(stats.shards))
    part = None if is_whole or not shards else badge(f"{len(shards):,} of the shards")
    return panel(
        _total(stats.server_count, stats.shard_count, badge("posted"), part),
        *(_bars(shards, sum(stats.shards)) if is_whole else []),
    )


def _total(servers: int | None, shards: int | None, *badges: Node) -> Element:
    if servers is None:
        return heading(Element("strong", "no servers posted"), *badges)
    count = None if shards is None else muted(f"on {number(shards)} shard{'s' * (shards != 1)}")
    return heading(
        Element("strong", f"{number(servers)} server{'s' * (servers != 1)}"), count, *badges
    )


def _bars(shards: list[tuple[int, int]], total: int) -> Iterable[Node]:
    columns = (Column("Shard", is_number=True), Column("Servers", is_number=True), Column(""))
    shown = shards[:SHARDS]
    most = max((count for _, count in shown), default=0)
    rows = [(number(id), number(count), _bar(count, most)) for id, count in shown]
    return listing(columns, rows, len(shards))


def _bar(count: int, most: int) -> Element | None:
    if count <= 0 or most <= 0:
        return None
    return Element("span", style=f"{BAR}{max(1, WIDEST * count // most)}px")
