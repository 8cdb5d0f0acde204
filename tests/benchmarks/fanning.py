"""Events that reach many filtered subscribers."""

from __future__ import annotations

from typing import Any

import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rx_toppy import PostEvent, of_type
from rx_toppy.events import RequestEvent
from rx_toppy.models import BotStatsPayload

from .measuring import Bench, Goal, Growth, Run, repeat
from .serving import make_client

SIZES = {
    1: "events to 1 filtered subscriber",
    10: "events to 10 filtered subscribers",
    100: "events to 100 filtered subscribers",
}


async def fan_out(bench: Bench) -> None:
    """One event in four is what the subscribers want."""
    request = RequestEvent("GET", "url", "/bots/{id}", 200, 0.001, 1, None)
    events = [request, request, request, PostEvent(BotStatsPayload(1))]

    def emit(stream: reactivex.Subject[Any], bursts: int) -> Run:
        def burst() -> None:
            for event in events:
                stream.on_next(event)

        return repeat(bursts, burst)

    for size, name in SIZES.items():
        if not bench.wanted(name):
            continue
        bursts = 20_000 // (size + 9)
        async with make_client("http://127.0.0.1:1") as client:
            subject: Subject[Any] = Subject()
            for _ in range(size):
                client.events.pipe(of_type(PostEvent)).subscribe(lambda _: None)
                wanted = ops.filter(lambda event: isinstance(event, PostEvent))
                subject.pipe(wanted).subscribe(lambda _: None)
            await bench.compare(
                name,
                "us an event",
                emit(client.events, bursts),
                emit(subject, bursts),
                goal=Goal(1.0) if size == 10 else None,
                work=bursts * len(events),
                growth=Growth("subscribers", size),
            )
