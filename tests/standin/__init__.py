"""What the tests use as top.gg: a server that can put any bytes on the wire.

async with StandIn() as topgg:
    topgg.script("/bots/1", fault.reset(), fault.status(503), ok({"id": "1"}))
    ...  # point a client at topgg.base_url
    assert topgg.paths == ["GET /bots/1"] * 3
"""

from . import replies as fault
from .proxy import Jitter, Proxy
from .rates import most_in_window, violations
from .replies import (
    FAULTS,
    Answer,
    Reply,
    bad_json,
    bad_utf8,
    close,
    cut,
    cut_chunked,
    deep_json,
    delay,
    drip,
    drop_next,
    empty,
    garbage,
    gzip_bomb,
    hang,
    html,
    ok,
    oversized,
    rate_limited,
    raw,
    redirect,
    reset,
    stall_body,
    status,
    then_close,
    wait,
)
from .server import StandIn, ThreadedStandIn
from .wire import Seen

__all__ = [
    "FAULTS",
    "Answer",
    "Jitter",
    "Proxy",
    "Reply",
    "Seen",
    "StandIn",
    "ThreadedStandIn",
    "bad_json",
    "bad_utf8",
    "close",
    "cut",
    "cut_chunked",
    "deep_json",
    "delay",
    "drip",
    "drop_next",
    "empty",
    "fault",
    "garbage",
    "gzip_bomb",
    "hang",
    "html",
    "most_in_window",
    "ok",
    "oversized",
    "rate_limited",
    "raw",
    "redirect",
    "reset",
    "stall_body",
    "status",
    "then_close",
    "violations",
    "wait",
]
