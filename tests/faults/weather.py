"""What goes wrong with the next exchange, drawn from a seed, and a count of what went wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from random import Random

__all__ = ["FAULTS", "Fate", "Weather"]


class Fate(StrEnum):
    """What becomes of a request and its answer."""

    PASSES = "passed"
    LOST = "was lost: the connection was reset before the request had arrived"
    UNANSWERED = "arrived, and the connection was reset before an answer"
    CUT = "was answered, and the answer cut off in the middle"
    HALF_OPEN = "was lost without a word: the connection stayed open"
    MUTE = "arrived, and the answer was lost without a word: the connection stayed open"
    DRIPS = "came and was answered one byte at a time"
    TWICE = "arrived twice"


FAULTS = tuple(fate for fate in Fate if fate is not Fate.PASSES)


class Weather:
    """Chance, for as many proxies as are given it.

    Attributes:
        is_down: Whether nobody gets through at all.
        drawn: How many exchanges there were, by what became of them.

    Args:
        seed: The same seed gives the same fates, in the order in which they are asked for.
        rate: How many of the exchanges go wrong, from 0 to 1.
        faults: What may become of these.
        delay: The shortest and the longest time that any chunk of bytes takes, in seconds.
    """

    def __init__(
        self,
        seed: object,
        rate: float = 0.0,
        faults: Sequence[Fate] = FAULTS,
        delay: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.rng = Random(f"weather {seed}")
        self.rate = rate
        self.faults = tuple(faults)
        self.delay = delay
        self.is_down = False
        self.drawn: Counter[Fate] = Counter()

    def fate(self) -> Fate:
        """What becomes of the next exchange."""
        strikes = self.rng.random() < self.rate
        fate = self.rng.choice(self.faults) if strikes else Fate.PASSES
        self.drawn[fate] += 1
        return fate

    async def latency(self) -> None:
        """Lets the time pass that a chunk takes."""
        if self.delay[1]:
            await asyncio.sleep(self.rng.uniform(*self.delay))

    @property
    def struck(self) -> int:
        """How many exchanges went wrong."""
        return self.drawn.total() - self.drawn[Fate.PASSES]

    def __str__(self) -> str:
        lines = [f"{self.drawn.total():,} exchanges, of which {self.struck:,} went wrong"]
        lines += [f"  {self.drawn[fate]:>6,} {fate}" for fate in FAULTS if self.drawn[fate]]
        return "\n".join(lines)
