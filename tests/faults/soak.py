"""A soak: everything at once for a while; then all that it took is back where it was."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from .soak_calls import CALLS
from .soak_census import Census, grown
from .soak_complaints import listening_to
from .soak_lives import LIVES
from .soak_world import Activity, World, world_of

__all__ = ["ACTIVITIES", "soak"]

ACTIVITIES: tuple[Activity, ...] = (*CALLS, *LIVES)

# How many activities go on at a time.
AT_ONCE = 16

# The parts of the time: one for what is made once (caches, pools, lanes), then two of equal length.
PARTS = (0.2, 0.4, 0.4)

# Bytes by which the second of these may end above the first: the libraries' caches go on to fill.
SLACK = 300_000


class WaryLoop(asyncio.SelectorEventLoop):
    """A loop that is as particular about threads as in debug mode, without the rest of its cost."""

    def call_soon(self, *args: Any, **options: Any) -> asyncio.Handle:
        """As ever, but from the thread of the loop."""
        self._check_thread()  # type: ignore[attr-defined]
        return super().call_soon(*args, **options)

    def call_at(self, *args: Any, **options: Any) -> asyncio.TimerHandle:
        """As ever, but from the thread of the loop."""
        self._check_thread()  # type: ignore[attr-defined]
        return super().call_at(*args, **options)


def soak(
    seed: int,
    seconds: float = 120.0,
    *,
    rate: float = 0.1,
    activities: Sequence[Activity] = ACTIVITIES,
) -> str:
    """Everything at once in bad weather; tasks, sockets and memory end where they began."""

    async def main() -> str:
        with TemporaryDirectory() as folder:
            first = await Census.of_rest(())
            told = await _phases(seed, seconds, rate, activities, Path(folder))
            more = grown(first, await Census.of_rest(()))
            ours = [what for what in more if "object" not in what or "object rx_toppy" in what]
            assert not ours, f"after the end there is (seed {seed}): {'; '.join(ours)}"
            return told

    gc.collect()
    gc.freeze()  # what was there before is looked at in no census: there may be a lot of it
    with asyncio.Runner(loop_factory=WaryLoop) as runner:
        tracemalloc.start()
        try:
            return runner.run(main())
        finally:
            tracemalloc.stop()
            gc.unfreeze()


async def _phases(
    seed: int, seconds: float, rate: float, activities: Sequence[Activity], folder: Path
) -> str:
    done: list[int] = []
    rests: list[Census] = []
    async with world_of(seed, rate, folder) as world:
        with listening_to(world.complaints):
            for number, part in enumerate(PARTS):
                rng = Random(f"{seed} {number}")
                await _phase(world, rng, part * seconds, activities)
                done.append(world.done.total())
                rests.append(await Census.of_rest(world.clients))
            for client in world.clients:
                await client.close()
    wrong = [*world.arrivals.broken(), *world.complaints.said]
    assert not wrong, "\n\n".join([f"{len(wrong)} complaints (seed {seed})", *wrong[:5]])
    assert not world.arrivals.refused, f"the sandbox said 429 (seed {seed})"
    _compare(rests, done, seed)
    return (
        f"{done[-1]:,} activities, {world.arrivals.total:,} requests; how they ended: "
        f"{_told(world.ended)}; the longest took {world.longest:.1f} s, the loop stood still for "
        f"{world.arrivals.slowest:.2f} s at most\n"
        f"activities: {_told(world.done)}\n"
        f"{world.weather}\n"
    ) + "\n".join(
        f"after {activities:,} activities: {rest}"
        for activities, rest in zip(done, rests, strict=True)
    )


async def _phase(world: World, rng: Random, seconds: float, activities: Sequence[Activity]) -> None:
    """Each activity once, then whichever chance wants, for so long."""
    loop = asyncio.get_running_loop()
    planned = rng.sample(activities, len(activities))
    async with world.phase(rng.random()):
        until = loop.time() + seconds

        async def worker() -> None:
            while planned or loop.time() < until:
                activity = planned.pop() if planned else rng.choice(activities)
                await world.perform(activity, Random(rng.random()))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())


def _compare(rests: Sequence[Census], done: Sequence[int], seed: int) -> None:
    """After the first part there is nothing that the later ones have added to."""
    warm, middle, last = rests
    more = grown(warm, last)
    assert not more, (
        f"after {done[-1] - done[0]:,} activities there is (seed {seed}): {'; '.join(more)}"
    )
    memory = last.memory - middle.memory
    assert memory < SLACK, (
        f"{memory:,} bytes more after {done[-1] - done[1]:,} activities (seed {seed})"
    )


def _told(counts: Any) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
