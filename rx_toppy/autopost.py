"""Posting a bot's statistics again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil, floor
from random import Random
from typing import Literal

from reactivex import abc

from .api.retries import pause_between_rounds
from .arguments import Seconds, seconds
from .errors import ClientClosed, ToppyError
from .events import AutopostEvent, AutopostFailed, EventStream
from .models import BotStatsPayload
from .stats import Poster, Samples
from .streams.base import Endless
from .streams.hot import HotStream
from .streams.loop import Home, running_loop

PostTo = Literal["v0", "v1"]

log = logging.getLogger("rx_toppy.autopost")


class Autopost(Endless[BotStatsPayload]):
    """Posts the bot's statistics every so often; a hot observable of what was posted.

    ```
    start():         p-----------p--x-p--------p----->   a post each interval; x failed, tried again
    client.autopost: s-----------s----s--------s----->   what was posted
    client.events:   PA----------PA-F-PA-------PA---->   Post, Autopost and AutopostFailed events
    ```

    It waits for the bot to be ready, posts at once, then every `interval`. Posts never overlap. A
    post that failed is tried again, with growing pauses and no sooner than top.gg allows, and the
    rhythm goes on as it was. Nothing ends it but `stop()`, `cancel()` and closing the client, and
    only the latter completes the observable. Subscribing never starts it.

    A process that runs only some of its bot's shards posts each of these by itself, spread over the
    interval from a random moment on, so that processes that start together do not post together.
    All processes share the token's 60 requests a minute: over 60 shards with an interval of a
    minute is what no spreading helps; choose a longer interval.

    With `post_to="v1"` it posts metrics, which top.gg shows as a history. That gets no hole: while
    posts fail, a sample is taken at each beat all the same. Up to 1,000 are kept (then the oldest
    is dropped, logged and counted in `dropped`) and posted with their times once that works again.

    It runs on the client's loop; its methods may be called from any thread.

    Example:
        >>> client.autopost.subscribe(lambda stats: print(int(stats), "servers"))
        >>> client.autopost.change_interval(minutes=10)
    """

    def __init__(
        self, home: Home, poster: Poster, events: EventStream, *, interval: float, post_to: PostTo
    ) -> None:
        super().__init__()
        self._home = home
        self._poster = poster
        self._events = events
        self._interval = interval
        self._post_to = post_to
        self._posted: HotStream[BotStatsPayload] = HotStream(home, "client.autopost")
        self._rng = Random()
        self._task: asyncio.Task[None] | None = None
        self._sleeper: asyncio.Future[None] | None = None
        self._stopping = False
        self._next: datetime | None = None
        self._began: float | None = None
        self._samples = Samples()
        self._latest: BotStatsPayload | None = None
        self._offset = 0.0
        self._rounds = 0
        self.is_wanted = False

    @property
    def interval(self) -> float:
        """Seconds from one post to the next."""
        return self._interval

    @property
    def next_iteration(self) -> datetime | None:
        """When the next post or try is due, aware; None while one runs, and when it is stopped."""
        return self._next

    @property
    def current_loop(self) -> int:
        """How many times it has posted since it was started."""
        return self._rounds

    @property
    def dropped(self) -> int:
        """With `post_to="v1"`: samples lost as too many waited, or because top.gg refused them."""
        return self._samples.dropped

    def is_running(self) -> bool:
        """Whether it posts, or waits until it is time to."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Starts it: at once on the client's loop, or when there is one to run on.

        Raises:
            RuntimeError: it is running.
            ClientClosed: the client was closed.
        """
        if self._home.closed:
            raise ClientClosed("this client was closed")
        if self.is_running():
            raise RuntimeError("autopost is running; restart() starts it over")
        self.is_wanted = True
        self._on_loop(self._start)

    def stop(self) -> None:
        """Stops it, after the post that is running, if one is."""
        self.is_wanted = False
        self._on_loop(self._stop)

    def cancel(self) -> None:
        """Stops it at once; a post that is running is given up."""
        self.is_wanted = False
        self._on_loop(self._cancel)

    def restart(self) -> None:
        """Starts it over, whatever it is doing: the next post is due at once."""
        if self._home.closed:
            raise ClientClosed("this client was closed")
        self.is_wanted = True
        self._on_loop(self._restart)

    def change_interval(
        self, *, seconds: Seconds = 0, minutes: float = 0, hours: float = 0
    ) -> None:
        """Changes the interval, from the last post on: the next one may become due at once.

        Raises:
            TypeError: something is no number.
            ValueError: they do not add up to more than zero.
        """
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        for name, value in (("seconds", seconds), ("minutes", minutes), ("hours", hours)):
            _seconds(value, name, zero=True)
        self._interval = _seconds(seconds + 60 * minutes + 3600 * hours, "the interval")
        self._on_loop(self._wake)

    def start_if_wanted(self) -> None:
        """Starts it on the running loop, if it should run and does not. For the client."""
        if self.is_wanted and not self.is_running():
            self._start()

    async def close(self) -> None:
        """Ends it and waits for its end. For the client."""
        self.is_wanted = False
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            if task is not asyncio.current_task():
                await asyncio.wait([task])

    def finish(self) -> None:
        """Completes the observable. For the client."""
        self._posted.finish()

    def _on_loop(self, action: Callable[[], None]) -> None:
        loop = self._home.loop_elsewhere()
        if loop is None:
            action()
        else:
            loop.call_soon_threadsafe(action)

    def _start(self) -> None:
        if running_loop() is None or self._home.is_lent or not self._poster.can_begin:
            return  # it is wanted: it starts when that has changed
        loop = self._home.bind()
        if self.is_running():
            return
        self._stopping = False
        self._rounds = 0
        self._task = loop.create_task(self._run(loop))

    def _stop(self) -> None:
        self._stopping = True
        self._wake()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _restart(self) -> None:
        before = self._task
        if before is None or before.done():
            self._start()
            return
        before.cancel()
        before.add_done_callback(lambda _: self.start_if_wanted())

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._offset = self._rng.random()
            self._began = None
            while not self._stopping:
                payload = await self._round(loop)
                if payload is None:
                    return
                self._rounds += 1
                self._poster.tell(payload)
                self._events.emit(AutopostEvent(payload))
                self._posted.emit(payload)
                await self._next_beat(loop)
        except ClientClosed:
            pass
        finally:
            self._next = None

    async def _round(self, loop: asyncio.AbstractEventLoop) -> BotStatsPayload | None:
        """One round of posts, tried again until it has succeeded; None if it was stopped."""
        self._latest = None
        failures = 0
        posted: list[int] = []
        while True:
            try:
                return await self._posts(loop, posted)
            except ClientClosed:
                raise
            except Exception as error:
                failures += 1
                pause = pause_between_rounds(error, failures, self._rng, self._interval)
                if isinstance(error, ToppyError):
                    error.posted_shards = tuple(posted)
                log.warning("autopost failed: %s; trying again in %.0f s", error, pause)
                self._events.emit(AutopostFailed(error, pause))
            await self._pause(loop, loop.time() + pause)
            if self._stopping:
                return None

    async def _posts(
        self, loop: asyncio.AbstractEventLoop, posted: list[int]
    ) -> BotStatsPayload | None:
        if not await self._ready(loop):
            return None
        if self._began is None:
            self._began = loop.time()  # the rhythm's first beat: the bot is there
        if self._post_to == "v1":
            if self._latest is None or not self._samples.kept:
                self._sample()
            await self._poster.post_samples(self._samples)
            return self._latest
        census = self._poster.census()
        if census.is_whole:
            await self._poster.post_whole(census, patient=True)
        else:
            shards = list(census.shards or ())
            for place, shard in enumerate(shards):
                if shard in posted:
                    continue
                share = (place + self._offset) / len(shards)
                await self._sleep(loop, partial(self._after_beat, share))
                if self._stopping:
                    return None
                census = self._poster.census()
                await self._poster.post_shard(census, shard, patient=True)
                posted.append(shard)
        return census.payload()

    async def _ready(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Waits until there is something to post, or it is told to stop: then False."""
        ready = loop.create_task(self._poster.ready())
        try:
            while not self._stopping and not ready.done():
                self._sleeper = loop.create_future()
                await asyncio.wait([ready, self._sleeper], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sleeper = None
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        if not ready.cancelled():
            ready.result()
        return not ready.cancelled()

    def _after_beat(self, intervals: float) -> float:
        """The loop's time so many intervals after the present round's beat."""
        return (self._began or 0.0) + intervals * self._interval

    def _sample(self) -> None:
        """Counts, for a post that is due."""
        census = self._poster.census()
        self._samples.take(census, self._home.clock())
        self._latest = census.payload()

    async def _pause(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """Waits between two tries. A beat that comes meanwhile is not posted, but sampled."""
        self._catch_up(loop.time())
        while not self._stopping:
            beat = self._beat_after(loop.time())
            if self._post_to == "v0" or self._began is None or beat() > until:
                await self._sleep(loop, lambda: until)
                return
            await self._sleep(loop, beat)
            if not self._stopping:
                self._began = beat()
                with suppress(ToppyError):  # the next try says so
                    self._sample()

    def _catch_up(self, now: float) -> None:
        """Samples a beat of v1 that has passed while a try was under way: late, but not never."""
        if self._post_to == "v0" or self._began is None or self._stopping:
            return
        missed = floor((now - self._began) / self._interval)
        if missed >= 1:
            self._began = self._after_beat(missed)
            with suppress(ToppyError):  # the next try says so
                self._sample()

    async def _next_beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Waits for the rhythm's next beat after now; beats that were missed are over."""
        self._catch_up(loop.time())
        beat = self._beat_after(loop.time())
        await self._sleep(loop, beat)
        self._began = beat()

    def _beat_after(self, moment: float) -> Callable[[], float]:
        """When the first beat after a moment is due, which a new interval changes."""

        def due() -> float:
            elapsed = moment - self._after_beat(0)
            return self._after_beat(max(1, ceil(elapsed / self._interval)))

        return due

    async def _sleep(self, loop: asyncio.AbstractEventLoop, due: Callable[[], float]) -> None:
        """Sleeps until `due`, which may move, or until it is told to stop."""
        while not self._stopping and (left := due() - loop.time()) > 0:
            self._next = datetime.now(UTC) + timedelta(seconds=left)
            self._sleeper = loop.create_future()
            handle = loop.call_later(left, self._wake)
            try:
                await self._sleeper
            finally:
                handle.cancel()
                self._sleeper = None
        self._next = None

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def subscribe(
        self,
        on_next: abc.ObserverBase[BotStatsPayload] | abc.OnNext[BotStatsPayload] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Listens to what is posted, which starts nothing: see `HotStream.subscribe`."""
        return self._posted.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

    def __repr__(self) -> str:
        state = "running" if self.is_running() else "stopped"
        return f"<client.autopost: {state}, every {self._interval:g} s>"


_seconds = seconds  # under a name that the keyword `seconds` of change_interval does not hide
