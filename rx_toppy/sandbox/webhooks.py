"""All that the sandbox sends by itself: to endpoints and to integrations."""

from collections.abc import Callable
from datetime import datetime
from random import Random

from rx_toppy.sandbox import checks
from rx_toppy.sandbox.carrier import Carrier
from rx_toppy.sandbox.endpoint import Means, Treatment, WebhookTarget, checked_url
from rx_toppy.sandbox.integrations import Connection
from rx_toppy.sandbox.payloads import Messages
from rx_toppy.sandbox.signatures import Seal, V0Seal, V1Seal


class Webhooks:
    """The endpoints of a sandbox, in the order in which they were registered.

    Each has its own chance, made from the seed and from how many there were before it, so
    none depends on what the others draw.

    Args:
        seed: The sandbox's.
        messages: Writes what is sent.
        now: Gives the time, aware.
    """

    def __init__(self, seed: int, messages: Messages, now: Callable[[], datetime]) -> None:
        self._seed = seed
        self._carrier = Carrier()
        self._messages = messages
        self._means = Means(self._carrier, messages, now)
        self._made = 0
        self._endpoints: list[WebhookTarget] = []

    def open(self) -> None:
        """Begin to deliver, in the running loop."""
        for endpoint in self._endpoints:
            endpoint.begin()
        self._carrier.open()

    async def close(self) -> None:
        """End whatever is under way, and deliver nothing more; the endpoints stay."""
        await self._carrier.close()

    def add(
        self, url: str, authorization: str | None, secret: str | None, treatment: Treatment
    ) -> WebhookTarget:
        """Register an endpoint.

        Raises:
            TypeError: One of these is of the wrong type.
            ValueError: One of these makes no sense, or both or neither of the second and the
                third are there, or there are no such deliveries for the project.
        """
        if (authorization is None) == (secret is None):
            raise ValueError("an endpoint has either authorization (v0) or secret (v1)")
        checked_url(url, "url")
        seal: Seal
        if authorization is not None:
            seal = V0Seal(checks.secret(authorization, "authorization"))
        else:
            seal = V1Seal(checks.secret(secret, "secret"))
        if not self._messages.knows(seal.kind):
            raise ValueError("authorization is of v0, which has no webhooks for games")
        endpoint = WebhookTarget(self._means, url, seal, treatment, self._rng())
        self._endpoints.append(endpoint)
        return endpoint

    async def connect(self, url: str, secret: str, treatment: Treatment) -> Connection:
        """Connect an integration.

        Raises:
            HandshakeFailed: It did not answer as it should.
            RuntimeError: The sandbox is not running.
            TypeError: One of these is of the wrong type.
            ValueError: One of these makes no sense.
        """
        checked_url(url, "url")
        seal = V1Seal(checks.secret(secret, "secret"))
        connection = Connection(self._means, url, seal, treatment, self._rng())
        await connection.connect()
        self._endpoints.append(connection)
        return connection

    def tell(self, query: str | None) -> None:
        """Deliver the vote that came last to all endpoints."""
        self._endpoints = [endpoint for endpoint in self._endpoints if endpoint.is_on]
        for endpoint in self._endpoints:
            endpoint.deliver(self._messages.newest_vote(endpoint.kind, query))

    def _rng(self) -> Random:
        self._made += 1
        return Random(f"{self._seed} webhook {self._made}")
