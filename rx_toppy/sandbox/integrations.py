"""Integrations: endpoints that are agreed upon by a handshake, and taken leave of."""

from collections.abc import Iterator
from random import Random

import msgspec

from rx_toppy.sandbox.carrier import Reply
from rx_toppy.sandbox.endpoint import Errand, Means, Treatment, WebhookTarget, checked_url
from rx_toppy.sandbox.payloads import Message
from rx_toppy.sandbox.signatures import V1Seal
from rx_toppy.sandbox.wire_webhooks import Wishes


class HandshakeFailed(Exception):
    """An integration that did not answer `integration.create` as it should.

    Args:
        reason: What was wrong.
        status: The status of its answer; None when there was none.
    """

    def __init__(self, reason: str, status: int | None) -> None:
        super().__init__(reason, status)
        self.status = status

    def __str__(self) -> str:
        """Say what was wrong."""
        return str(self.args[0])


class Connection(WebhookTarget):
    """An integration that was connected, as `Sandbox.connect` gives it.

    It is an endpoint whose URL and routes the integration has told. `stop` only ends the
    deliveries, as the end of a `with` block does; the integration hears of `disconnect`.

    Example:
        ::

            connection = await sandbox.connect(url, secret="whs_abc")
            sandbox.vote()
            await connection.wait_idle()
            await connection.disconnect()
    """

    def __init__(
        self, means: Means, url: str, seal: V1Seal, treatment: Treatment, rng: Random
    ) -> None:
        connection_id = str(rng.randrange(10**14, 10**15))
        webhook_secret = f"whs_{rng.getrandbits(256):064x}"
        super().__init__(means, url, V1Seal(webhook_secret), treatment, rng)
        self._connection_id = connection_id
        self._webhook_secret = webhook_secret
        self._home = url
        self._home_seal = seal
        self._routes: tuple[str, ...] = ()

    @property
    def connection_id(self) -> str:
        """The id that it goes by: digits."""
        return self._connection_id

    @property
    def webhook_secret(self) -> str:
        """What its deliveries are signed with."""
        return self._webhook_secret

    @property
    def routes(self) -> tuple[str, ...]:
        """What it wants to hear of, as in `("vote.create",)`; without that it gets no votes."""
        return self._routes

    async def connect(self) -> None:
        """Make the handshake; the sandbox calls this, once.

        Raises:
            HandshakeFailed: The answer did not come, or was not as it should be.
            RuntimeError: The sandbox is not running.
        """
        message = self._means.messages.connected(self._connection_id, self._webhook_secret)
        errand = self._home_errand(message)
        task = self._start(errand, [0.0], with_content=True)
        wishes = _wishes(await self._reply(task, errand))
        self._url = wishes.webhook_url
        self._routes = tuple(wishes.routes)

    async def disconnect(self) -> int | None:
        """End the deliveries, and tell the integration; that is retried as votes are.

        Returns:
            The status it was answered with in the end; None when it was not, or when the
            connection had ended before.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if not self.is_on:
            return None
        message = self._means.messages.disconnected(self._connection_id)
        errand = self._home_errand(message, outlasts_stop=True)
        task = self._start(errand, [0.0, *self._home_seal.pauses])
        self.stop()
        return (await self._reply(task, errand)).status

    def deliver(self, message: Message) -> None:
        """Deliver this if it was asked for; the sandbox calls this."""
        if message.event in self._routes:
            super().deliver(message)

    def _home_errand(self, message: Message, *, outlasts_stop: bool = False) -> Errand:
        return Errand(
            self._home, self._home_seal, message, self._trace(), outlasts_stop=outlasts_stop
        )

    def _said(self) -> Iterator[str]:
        yield self._connection_id
        yield from super()._said()


def _wishes(reply: Reply) -> Wishes:
    status = reply.status
    if status is None:
        raise HandshakeFailed("the integration did not answer", None)
    if not 200 <= status < 300:
        raise HandshakeFailed(f"the integration answered with {status}", status)
    try:
        wishes = msgspec.json.decode(reply.content, type=Wishes)
        checked_url(wishes.webhook_url, "webhook_url")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise HandshakeFailed(f"the integration's answer is not valid: {error}", status) from None
    return wishes
