"""The guilds of a bot, counted shard by shard."""

from __future__ import annotations

from types import SimpleNamespace

from rx_toppy.bot import Host

from .measuring import Bench, Goal, Growth, Run

SHARDS = 64
SIZES = {
    1_000: "counting 1,000 guilds on 64 shards",
    10_000: "counting 10,000 guilds on 64 shards",
    50_000: "counting 50,000 guilds on 64 shards",
}


class Guild:
    """A guild that works out its shard, as discord.py's do."""

    def __init__(self, id: int) -> None:
        self.id = id

    @property
    def shard_id(self) -> int:
        return (self.id >> 22) % SHARDS


async def counting(bench: Bench) -> None:
    """Beside a sum over all guilds, which is one pass."""
    for size, name in SIZES.items():
        if not bench.wanted(name):
            continue
        guilds = [Guild(number << 22) for number in range(size)]
        repeats = 50_000 // size
        await bench.compare(
            name,
            "ms",
            counted(guilds, repeats),
            summed(guilds, repeats),
            goal=Goal(50, of="ours") if size == 50_000 else None,
            work=repeats,
            growth=Growth("guilds", size),
        )


def counted(guilds: list[Guild], repeats: int) -> Run:
    """Ours."""
    host = Host(SimpleNamespace(guilds=guilds, shard_count=SHARDS))

    async def run() -> None:
        for _ in range(repeats):
            assert host.census().server_count == len(guilds)

    return run


def summed(guilds: list[Guild], repeats: int) -> Run:
    """The floor."""

    async def run() -> None:
        for _ in range(repeats):
            assert sum(guild.shard_id >= 0 for guild in guilds) == len(guilds)

    return run
