"""A short soak in bad weather; and whatever leaks in one is found, and named."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
import warnings
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from . import soak_world
from .soak import soak
from .soak_world import World

kept: list[Any] = []
over = threading.Event()


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Any:
    """What a test has leaked on purpose is put away after it."""
    over.clear()
    with warnings.catch_warnings(), ExitStack() as stack:
        stack.callback(gc.collect)
        stack.callback(kept.clear)
        stack.callback(over.set)
        warnings.simplefilter("ignore")
        yield


def test_everything_ends_where_it_began() -> None:
    """A moment of everything at once: nothing is left of it, and nothing went wrong."""
    assert "after" in soak(1, 1.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "seconds"), [(2, 30.0), (3, 10.0), (4, 10.0)])
def test_everything_ends_where_it_began_after_long(seed: int, seconds: float) -> None:
    """A while of everything at once: nothing is left of it, and nothing went wrong."""
    assert "after" in soak(seed, seconds)


async def leaks(world: World, _: Random) -> None:
    """One of each thing that somebody may forget to end."""
    kept.append(asyncio.ensure_future(asyncio.Event().wait()))
    kept.append(socket.socket())
    kept.append((world.folder / "leak").open("a"))
    world.v0.events.subscribe()
    asyncio.get_running_loop().call_later(60.0, print)
    async with world.client() as client:
        kept.append(client)
    threading.Thread(target=over.wait, name="lost", daemon=True).start()


async def raises(world: World, _: Random) -> None:
    """An error that is none of ours."""
    raise KeyError("retry-after")


async def hangs(world: World, _: Random) -> None:
    """Something that does not end."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (
            leaks,
            [
                r"more: task Event\.wait",
                "more: open socket",
                "more: open file .*leak",
                "more: subscribers of <client.events",
                "more: timer print",
                r"more: object rx_toppy\.client\.TopGG",
                "more: thread lost",
            ],
        ),
        (raises, ["raises failed(.|\n)*KeyError"]),
        (hangs, ["hangs hung(.|\n)*Event"]),
    ],
)
def test_what_goes_wrong_is_named(
    fault: soak_world.Activity, named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A soak of something that leaks, fails or hangs does not pass, and says what it was."""

    async def unhurried(world: World, rng: Random) -> None:
        await asyncio.sleep(0.1)
        await fault(world, rng)

    unhurried.__name__ = fault.__name__
    if fault is hangs:
        monkeypatch.setattr(soak_world, "BOUND", 0.3)
    monkeypatch.setattr("tests.faults.soak_census.SETTLES", 0.1)
    with pytest.raises(AssertionError) as failure:
        soak(1, 0.3, rate=0.0, activities=[unhurried])
    for words in named:
        assert re.search(words, str(failure.value)), words
