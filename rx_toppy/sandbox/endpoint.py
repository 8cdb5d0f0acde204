"""Where deliveries go: one endpoint, what was sent to it, and what waits for another try."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

from rx_toppy.sandbox import checks
from rx_toppy.sandbox.carrier import Carrier, Reply
from rx_toppy.sandbox.network import Latency
from rx_toppy.sandbox.payloads import Message, Messages
from rx_toppy.sandbox.records import Delivery, DeliveryAttempt
from rx_toppy.sandbox.signatures import Kind, Seal

MOST_DELIVERIES_KEPT = 10_000
MOST_AT_ONCE = 50


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint is served; `Sandbox.send_to` says what these mean.

    Raises:
        TypeError: One of these is of the wrong type.
        ValueError: One of these is out of range.
    """

    timeout: float | timedelta
    speed: float
    duplicates: float
    delay: Latency

    def __post_init__(self) -> None:
        checks.seconds(self.timeout, "timeout")
        if checks.number(self.speed, "speed") <= 0:
            raise ValueError(f"speed must be above 0, not {self.speed!r}")
        checks.share(self.duplicates, "duplicates")
        checks.span(self.delay, "delay")


class Means(msgspec.Struct, frozen=True):
    """What all endpoints of a sandbox share: who carries, who writes, and the time."""

    carrier: Carrier
    messages: Messages
    now: Callable[[], datetime]


class Errand:
    """One delivery, as far as it has come.

    Args:
        url: Where it goes.
        seal: What shows from whom it is.
        message: What is delivered.
        trace: An id for all its tries.
        outlasts_stop: Whether it goes on when its endpoint is stopped.
    """

    def __init__(
        self, url: str, seal: Seal, message: Message, trace: str, *, outlasts_stop: bool = False
    ) -> None:
        self.url = url
        self.seal = seal
        self.message = message
        self.trace = trace
        self.outlasts_stop = outlasts_stop
        self.tries: list[DeliveryAttempt] = []
        self.reply = Reply(None)
        self.done = False

    @property
    def is_taken(self) -> bool:
        """Whether the last try was answered with a 2xx."""
        status = self.reply.status
        return status is not None and 200 <= status < 300

    @property
    def wants_retry(self) -> bool:
        """Whether the last try may be followed by another one: not after a 4xx, for one."""
        status = self.reply.status
        return status is None or status >= 500

    def told(self) -> Delivery:
        """Give it as it stands now."""
        return Delivery(
            url=self.url,
            kind=self.seal.kind,
            event=self.message.event,
            user_id=self.message.user_id,
            tries=tuple(self.tries),
            done=self.done,
        )


class WebhookTarget:
    """A URL that votes are delivered to, as `Sandbox.send_to` gives it.

    As a context manager it is served until the end of the block.

    Example:
        ::

            with sandbox.send_to(url, secret="whs_abc", speed=100) as endpoint:
                sandbox.vote()
                await endpoint.wait_idle()
            print(endpoint.delivered, "arrived,", endpoint.lost, "did not")
    """

    def __init__(
        self, means: Means, url: str, seal: Seal, treatment: Treatment, rng: Random
    ) -> None:
        self._means = means
        self._url = url
        self._seal = seal
        self._timeout = checks.seconds(treatment.timeout, "timeout")
        self._speed = treatment.speed
        self._duplicates = treatment.duplicates
        self._delay = checks.span(treatment.delay, "delay")
        self._rng = rng
        self._errands: deque[Errand] = deque(maxlen=MOST_DELIVERIES_KEPT)
        self._under_way: set[asyncio.Task[None]] = set()
        self._count = 0
        self._delivered = 0
        self._stopped = False
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)
        self._hurried = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the votes go."""
        return self._url

    @property
    def kind(self) -> Kind:
        """`"v0"` or `"v1"`."""
        return self._seal.kind

    @property
    def is_on(self) -> bool:
        """Whether it was not stopped."""
        return not self._stopped

    @property
    def count(self) -> int:
        """How many deliveries were begun, duplicates and tests among them; not how many tries."""
        return self._count

    @property
    def delivered(self) -> int:
        """How many deliveries were answered with a 2xx."""
        return self._delivered

    @property
    def pending(self) -> int:
        """How many deliveries are under way or wait, delayed or for another try."""
        return len(self._under_way)

    @property
    def lost(self) -> int:
        """How many deliveries were refused or given up: nothing more is sent of them."""
        return self._count - self._delivered - self.pending

    @property
    def deliveries(self) -> list[Delivery]:
        """The deliveries as they stand now, the last 10,000, newest last."""
        return [errand.told() for errand in self._errands]

    def stop(self) -> None:
        """Deliver nothing more and give up what waits; does nothing when it was stopped.

        What is being sent just now is still heard.
        """
        self._stopped = True
        self.retry_now()

    def retry_now(self) -> None:
        """Let whatever waits, for another try or as it was delayed, go now.

        What fails again waits for its next pause as ever.
        """
        self._hurried.set()
        self._hurried = asyncio.Event()

    async def wait_idle(self) -> None:
        """Wait until nothing is under way nor waits for another try."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def send_test(self) -> int | None:
        """Send a test, as from the dashboard: once, without delay, duplicate or retry.

        Returns:
            The status it was answered with; None when it was not, or not in time.

        Raises:
            RuntimeError: The endpoint was stopped, or the sandbox is not running.
        """
        if self._stopped:
            raise RuntimeError("the endpoint was stopped")
        errand = self._errand(self._means.messages.test(self.kind))
        return (await self._reply(self._start(errand, [0.0]), errand)).status

    def begin(self) -> None:
        """Forget the loop that the sandbox ran in before; it calls this when it starts."""
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)
        self._hurried = asyncio.Event()

    def deliver(self, message: Message) -> None:
        """Deliver this in the background, or twice where chance wants it; the sandbox calls this.

        Nothing happens when the endpoint was stopped or the sandbox is not running.
        """
        if self._stopped or not self._means.carrier.is_open:
            return
        # Drawn in any case, so that no option changes what becomes of another one's chance.
        twice = self._rng.random() < self._duplicates
        for _ in range(2 if twice else 1):
            delay = self._rng.uniform(*self._delay)
            self._start(self._errand(message), [delay, *self._seal.pauses])

    def _errand(self, message: Message) -> Errand:
        return Errand(self._url, self._seal, message, self._trace())

    def _trace(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    async def _reply(self, task: asyncio.Task[None], errand: Errand) -> Reply:
        """Wait for a delivery, and give its last reply; a close may have cut it off."""
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        return errand.reply

    def _start(
        self, errand: Errand, pauses: Sequence[float], *, with_content: bool = False
    ) -> asyncio.Task[None]:
        # Of now, not of when the task begins to wait: a hurry may come before that.
        run = self._run(errand, pauses, self._hurried, with_content=with_content)
        task = self._means.carrier.start(run)
        self._errands.append(errand)
        self._count += 1
        self._under_way.add(task)
        task.add_done_callback(lambda task: self._end(task, errand))
        return task

    def _end(self, task: asyncio.Task[None], errand: Errand) -> None:
        # In one step, and also for a task that was cancelled before it began.
        errand.done = True
        self._delivered += errand.is_taken
        self._under_way.discard(task)

    async def _run(
        self,
        errand: Errand,
        pauses: Sequence[float],
        hurried: asyncio.Event,
        *,
        with_content: bool,
    ) -> None:
        for pause in pauses:
            await self._wait(pause, hurried)
            async with self._turn:
                if self._stopped and not errand.outlasts_stop:
                    return
                await self._try(errand, pause, with_content=with_content)
            if not errand.wants_retry:
                return
            hurried = self._hurried

    async def _wait(self, seconds: float, hurried: asyncio.Event) -> None:
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds / self._speed):
                    await hurried.wait()

    async def _try(self, errand: Errand, pause: float, *, with_content: bool) -> None:
        at = self._means.now()
        body = errand.message.body
        errand.reply = Reply(None)
        try:
            errand.reply = await self._means.carrier.post(
                errand.url,
                errand.seal.headers(body, errand.trace, at),
                body,
                timeout=self._timeout,
                with_content=with_content,
            )
        finally:
            errand.tries.append(DeliveryAttempt(at, pause, errand.reply.status))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        """Say where it is, whether it is on and how much was delivered; no secret."""
        return f"<{type(self).__name__} {' '.join(self._said())}>"

    def _said(self) -> Iterator[str]:
        yield self.kind
        yield self._url
        yield "on" if self.is_on else "off"
        yield f"delivered={self._delivered}/{self._count}"


def checked_url(value: object, name: str) -> str:
    """Give a URL that can be posted to.

    Raises:
        TypeError: It is no str.
        ValueError: It is not one of http or https with a host, or holds a password.
    """
    url = checks.text(value, name)
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as of brackets that do not match, or of a port that is none
        raise ValueError(f"{name} must be a URL, not {url!r}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not hold a user or a password")
    if not fine:
        raise ValueError(f"{name} must be a URL with http or https and a host, not {url!r}")
    return url
