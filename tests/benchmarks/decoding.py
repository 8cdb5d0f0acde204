"""Decoding a page of bots, and the memory that bots take."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rx_toppy.api.routes import FETCH_BOTS

from .bare import PlainPage
from .measuring import Bench, Goal, Row, repeat
from .peers import peers
from .server import page
from .toppy_like import decode_as_toppy

PLAIN = "decoding, beside a plain Struct"
CLASSES = "decoding, beside toppy's way"
MEMORY = "memory of 10,000 bots, beside dicts"

Decode = Callable[[bytes], Any]


async def decoding(bench: Bench) -> None:
    """A page of 500 bots, as bytes."""
    if not bench.wanted(PLAIN, CLASSES, MEMORY):
        return
    body = page(500, 0)
    plain = msgspec.json.Decoder(PlainPage).decode
    decode = FETCH_BOTS.decoder
    assert decode is not None
    async with peers("") as others:
        await bench.compare(
            PLAIN,
            "ms a page",
            repeat(40, lambda: decode(body)),
            repeat(40, lambda: plain(body)),
            goal=Goal(1.10),
            work=40,
            rounds=15,
        )
        await bench.compare(
            CLASSES,
            "ms a page",
            repeat(10, lambda: decode(body)),
            repeat(10, lambda: decode_as_toppy(body)),
            goal=Goal(6, at_least=True),
            work=10,
            peers={
                who: repeat(10, lambda peer=peer: peer.decode(body))  # type: ignore[misc]
                for who, peer in others.items()
            },
        )
        if bench.wanted(MEMORY):
            bench.add(memory(decode, {who: peer.decode for who, peer in others.items()}))


def memory(decode: Decode, others: dict[str, Decode]) -> Row:
    """What 10,000 bots take while they are held."""
    bodies = [page(500, offset) for offset in range(0, 10_000, 500)]
    ours = held(bodies, lambda body: decode(body).results)
    dicts = held(bodies, lambda body: json.loads(body)["results"])
    row = Row(name=MEMORY, unit="MB", ours=ours, floor=dicts, ratios=[ours / dicts])
    row.peers = {who: held(bodies, way) for who, way in others.items()}
    return row


def held(bodies: Sequence[bytes], decode: Decode) -> float:
    """The megabytes that all their bots take."""
    decode(bodies[0])
    gc.collect()
    tracemalloc.start()
    kept = [bot for body in bodies for bot in decode(body)]
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 10_000
    return size / 1e6
