"""The faults, for as long as you like: scenario after scenario, each with another seed.

    python -m tests.faults                           # five minutes, from a seed of chance
    python -m tests.faults --minutes 60 --seed 7     # an hour, the same as the last with this seed
    python -m tests.faults votes storm               # only some

It prints what it tried. What fails ends it, with the seed to find it again.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from types import MappingProxyType

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from .autopost_day import autopost_day, autopost_day_v1
from .soak import soak
from .storm import storm
from .test_autopost_machine import AutopostMachine
from .test_inbox_machine import InboxMachine
from .test_limiter_machine import LimiterMachine
from .votes_day import votes_day

Scenario = Callable[[int], str]

EXAMPLES = 50
STEPS = 100


def machine(kind: type[RuleBasedStateMachine], seed: int) -> str:
    """Runs a state machine with more steps than its test has."""
    kind._hypothesis_internal_use_seed = seed  # type: ignore[attr-defined]
    given = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=given)  # type: ignore[no-untyped-call]
    return f"{EXAMPLES} sequences of up to {STEPS} steps, and its invariants held"


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "autopost": autopost_day,
        "autopost-v1": autopost_day_v1,
        "storm": storm,
        "votes": votes_day,
        "limiter-machine": partial(machine, LimiterMachine),
        "inbox-machine": partial(machine, InboxMachine),
        "autopost-machine": partial(machine, AutopostMachine),
        "soak": soak,
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__.split("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long; each is finished")
    parser.add_argument("--seed", type=int, help="which chance; another each time by default")
    given = parser.parse_args()
    if odd := [name for name in given.names if name not in SCENARIOS]:
        parser.error(f"there is no {odd[0]!r}: there are {', '.join(SCENARIOS)}")
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    logging.disable(logging.WARNING)  # failures are what this is about
    warnings.simplefilter("error")
    print(f"seed {seed}, {given.minutes:g} minutes", flush=True)
    run(given.names or list(SCENARIOS), Random(seed), time.monotonic() + 60 * given.minutes)


def run(names: list[str], rng: Random, until: float) -> None:
    """Runs these in turn, again and again. None begins after that time, and the first one does."""
    for number, name in enumerate(itertools.cycle(names)):
        if number and time.monotonic() >= until:
            print(f"{number} scenarios, and nothing was lost")
            return
        seed = rng.randrange(10**6)
        began = time.monotonic()
        try:
            tried = SCENARIOS[name](seed)
        except BaseException:
            print(f"\n{name} with seed {seed}:", file=sys.stderr, flush=True)
            raise
        print(
            f"\n{name} (seed {seed}, {time.monotonic() - began:.0f} s)\n  {_indented(tried)}",
            flush=True,
        )


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


if __name__ == "__main__":
    main()
