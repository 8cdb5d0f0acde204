"""A day of autopost while some of the exchanges fail, and top.gg is away for hours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from rx_toppy import AutopostEvent, AutopostFailed, of_type
from rx_toppy.sandbox.records import RecordedRequest
from tests.virtual import run_virtual

from .weather import FAULTS, Fate, Weather
from .world import DAY, HOUR, World, in_virtual_time

__all__ = ["autopost_day", "autopost_day_v1"]

# Two half-open connections in a row, of ten seconds each, and the pauses after them; three are one
# in some thousand posts. Four end in an AutopostFailed, after which the next try may be 15 s away.
LATE = 75.0
EARLY = 0.001  # a time of day has microseconds, the loop's has more


def autopost_day(
    seed: int,
    *,
    interval: float = 600.0,
    rate: float = 0.05,
    kinds: Sequence[Fate] = FAULTS,
    hours: float = 24.0,
) -> str:
    """Each beat of the day has its post on time, with the number of that moment."""

    async def main() -> str:
        weather = Weather(seed, rate, kinds, delay=(0.0, 0.1))
        arrivals: list[tuple[float, int]] = []
        loop = asyncio.get_running_loop()

        def arrived(seen: RecordedRequest) -> None:
            if seen.status is not None and seen.status < 300:
                body: dict[str, int] = msgspec.json.decode(seen.body)
                arrivals.append((loop.time(), body["server_count"]))

        top = {"on_request": arrived}
        async with in_virtual_time(weather, sandbox=top, interval=interval) as world:
            told = _counted(world)
            await asyncio.sleep(hours * HOUR)
            beats = int(hours * HOUR / interval)
            latest = 0.0
            for beat in (interval * number for number in range(beats)):
                of_beat = [(at, count) for at, count in arrivals if beat <= at < beat + interval]
                assert of_beat, f"nothing was posted at {beat:g} s (seed {seed})"
                at, count = of_beat[0]
                assert at - beat <= LATE, f"{at - beat:.1f} s late at {beat:g} s (seed {seed})"
                assert abs(count - 1_000 - at) <= LATE, f"an old number at {beat:g} s (seed {seed})"
                latest = max(latest, at - beat)
            assert told[AutopostEvent] >= beats, f"{told} (seed {seed})"
            assert not world.refused, f"the limits were broken (seed {seed})"
        return (
            f"{beats} beats of autopost, each with its post, at most {latest:.0f} s late; "
            f"{told[AutopostFailed]} rounds failed and were tried again; {weather}"
        )

    return run_virtual(main())


def autopost_day_v1(seed: int, *, interval: float = 600.0, rate: float = 0.05) -> str:
    """The history of v1 has a number for each beat, though top.gg was away for hours."""

    async def main() -> str:
        weather = Weather(seed, rate, delay=(0.0, 0.1))
        loop = asyncio.get_running_loop()
        outages = sorted(weather.rng.uniform(1.0, 20.0) for _ in range(3))
        async with in_virtual_time(weather, sandbox={}, interval=interval, post_to="v1") as world:
            told = _counted(world)
            for hour in outages:
                await asyncio.sleep(max(0.0, hour * HOUR - loop.time()))
                await world.proxy.go_down()
                await asyncio.sleep(weather.rng.uniform(0.2, 2.0) * HOUR)
                world.proxy.come_up()
            await asyncio.sleep(DAY - loop.time())
            weather.rate = 0.0
            await asyncio.sleep(interval + LATE)
            beats = int(DAY / interval)
            start = world.now() - timedelta(seconds=loop.time())
            samples = [
                ((metrics.timestamp - start).total_seconds(), metrics.metrics["server_count"])
                for metrics in world.sandbox.metrics
            ]
            for beat in (interval * number for number in range(beats)):
                of_beat = [count for at, count in samples if -EARLY <= at - beat <= LATE]
                assert of_beat, f"the history has a hole at {beat:g} s (seed {seed})"
                off = min(abs(count - 1_000 - beat) for count in of_beat)
                assert off <= LATE, f"an old number at {beat:g} s (seed {seed})"
            assert not world.client.autopost.dropped
        return (
            f"{beats} beats of autopost in v1's history without a hole, over three outages of "
            f"up to 2 hours; {told[AutopostFailed]} rounds failed; {weather}"
        )

    return run_virtual(main())


def _counted(world: World) -> dict[type, int]:
    """How many events of each type there were so far; it goes on counting."""
    counts: dict[type, int] = {AutopostEvent: 0, AutopostFailed: 0}

    def count(event: object) -> None:
        counts[type(event)] += 1

    world.client.events.pipe(of_type(*counts)).subscribe(count)
    return counts
