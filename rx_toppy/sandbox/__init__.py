"""A top.gg of your own: a local server with made-up bots, users and votes.

Demos, notebooks and tests talk to it instead of to the real thing. It behaves as top.gg
does, the token, the rate limits and the hour's block included, and its data is the same
for the same seed. Votes are delivered to webhooks: see `Sandbox.send_to`. What can go wrong
can be switched on: see `faults`, and `Sandbox.fail`.

Example:
    ::

        async with Sandbox(seed=1) as sandbox:
            headers = {"Authorization": sandbox.token}
            async with aiohttp.ClientSession(headers=headers) as session:
                async with session.get(f"{sandbox.base_url}/bots/{sandbox.bot_id}") as answer:
                    print(await answer.json())
"""

from rx_toppy.sandbox import faults
from rx_toppy.sandbox.endpoint import WebhookTarget
from rx_toppy.sandbox.integrations import Connection, HandshakeFailed
from rx_toppy.sandbox.limits import Limit
from rx_toppy.sandbox.records import (
    Announcement,
    Delivery,
    DeliveryAttempt,
    PostedMetrics,
    RecordedRequest,
)
from rx_toppy.sandbox.server import Sandbox
from rx_toppy.sandbox.switches import FaultSwitch

__all__ = [
    "Announcement",
    "Connection",
    "Delivery",
    "DeliveryAttempt",
    "FaultSwitch",
    "HandshakeFailed",
    "Limit",
    "PostedMetrics",
    "RecordedRequest",
    "Sandbox",
    "WebhookTarget",
    "faults",
]
