"""Carries deliveries over HTTP: the tasks and the connections, and their end."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

import aiohttp

# ValueError: a host name that can't be looked up is none of the errors of aiohttp.
_NOT_ANSWERED = (aiohttp.ClientError, OSError, ValueError)


class Reply(NamedTuple):
    """How a delivery was answered; the status is None where it was not, or not in time."""

    status: int | None
    content: bytes = b""


class Carrier:
    """Sends while it is open; all that it began ends when it is closed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return self._loop is not None

    def open(self) -> None:
        """Begin to carry, in the running loop."""
        self._loop = asyncio.get_running_loop()

    def start(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run this in the background, no longer than until the close.

        Raises:
            RuntimeError: It is not open.
        """
        if self._loop is None:
            errand.close()
            raise RuntimeError("the sandbox is not running: use `async with` or await start()")
        task = self._loop.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout: float,
        with_content: bool = False,
    ) -> Reply:
        """Send once.

        Args:
            url: Where to.
            headers: Those that say from whom it is.
            body: JSON.
            timeout: How many seconds there are for the answer.
            with_content: Whether the answer is to be read, and not only its status.
        """
        if self._session is None:
            # Each try has a connection of its own: none fails as the receiver has just let go
            # of an idle one. How many there are at once is the sender's business.
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            async with self._session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json", **headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                content = await response.read() if with_content else b""
                return Reply(response.status, content)
        except _NOT_ANSWERED:
            return Reply(None)

    async def close(self) -> None:
        """End whatever is under way; does nothing when it is not open."""
        self._loop = None
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
        if self._session is not None:
            await self._session.close()
            self._session = None
