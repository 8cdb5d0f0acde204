"""The sandbox itself: the server, what every request passes through, and its life."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web

from rx_toppy.sandbox import checks
from rx_toppy.sandbox.endpoint import Treatment, WebhookTarget
from rx_toppy.sandbox.faults import Fault
from rx_toppy.sandbox.integrations import Connection
from rx_toppy.sandbox.limits import DEFAULT_LIMITS, Budget, LimitLike
from rx_toppy.sandbox.network import Latency, Line
from rx_toppy.sandbox.payloads import Messages
from rx_toppy.sandbox.project import OwnProject
from rx_toppy.sandbox.records import Announcement, PostedMetrics, RecordedRequest
from rx_toppy.sandbox.responses import (
    BASE,
    V1_BASE,
    Handler,
    Refused,
    Unanswered,
    answer,
    check_token,
    say_no,
)
from rx_toppy.sandbox.switches import FaultSwitch, Switches
from rx_toppy.sandbox.v0 import V0
from rx_toppy.sandbox.v1 import V1
from rx_toppy.sandbox.vote_log import is_weekend
from rx_toppy.sandbox.webhooks import Webhooks
from rx_toppy.sandbox.wire_v1 import ProjectKind
from rx_toppy.sandbox.world import World

MOST_REQUESTS_KEPT = 10_000
# All that waits is told to go on: only a client that never finishes its request takes longer.
SHUTDOWN_SECONDS = 1.0


class Sandbox:
    """A local top.gg: an HTTP server with made-up bots, users and votes.

    It speaks the v0 and the v1 API, wants a token, limits rates and blocks as top.gg does.
    While it runs, votes for one bot, `bot_id`, arrive at random; that bot is also the project
    of v1. Votes are delivered to the webhooks that `send_to` and `connect` register. Faults
    can be switched on by `fail` and off by `clear_faults`, at any time. It belongs to the loop
    that it was started in and is not to be used from other threads. Once closed, it can be
    started again and still knows everything.

    Args:
        seed: The same seed gives the same bots, users and voters; how long ago they voted
            is the same too, so only the points of `bot_id` vary with the weekends. What
            faults, latency and drops leave to chance is drawn from it as well: the same
            requests in the same order fare the same.
        bots: How many bots there are, at least 1.
        bot_id: The id of the bot that the token belongs to; None picks one of the bots.
        project: What the bot's project is at v1: `"discord bot"`, `"discord server"` or
            `"roblox game"`. That decides which metrics can be posted there; v0 knows bots only.
        votes: How many votes the bot has had by the start. A number gives exactly as many,
            spread evenly over the last 300 days; None some hundred voters, who voted a few
            times each, and mostly of late.
        votes_per_page: How many votes a page of v1's history holds.
        history_lag: How long a vote takes until v1's history shows it, in seconds or a
            timedelta; webhooks, and whoever asks for that vote alone, are told of it at once.
        token: The token to take; None makes one from the seed.
        rate_limits: `Limit`s or anything else with `calls`, `per` and `prefix`; all of
            them hold at once, `()` is none. The default is top.gg's: 100 requests a second
            over all, 60 a minute over `/bots`.
        block: How long one request too many blocks the token, in seconds or a timedelta.
            Asking while blocked starts the block anew.
        votes_per_minute: How many votes arrive on average; 0 for none.
        weekend: Whether votes count double: True, False, or None for on Saturdays and
            Sundays (UTC).
        host: The address to listen at.
        port: The port to listen at; 0 takes a free one.
        latency: How long each answer is held back: seconds or a timedelta, or a pair of the
            shortest and the longest, between which it is drawn for each.
        drop: The rate, from 0 to 1, at which a kept-alive connection ends without an answer
            when its next request comes, as if the server had let go of it just then. That
            request is in `requests`, but top.gg has not heard it: it costs no limit.
        clock: Gives the time in seconds since 1970 (UTC). Limits, votes and weekends go by
            it, and so do the times in webhooks and the lag of the history, but not the arrival
            of votes, latency, delays and the pauses before retries, which take real time.
        on_request: Called soon after each request, in the loop, with what `requests` got.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a value that makes no sense.

    Example:
        ::

            async with Sandbox(seed=1, bots=100, rate_limits=()) as sandbox:
                voter = sandbox.vote()
                url = f"{sandbox.base_url}/bots/{sandbox.bot_id}/check?userId={voter}"
                headers = {"Authorization": sandbox.token}
                async with aiohttp.request("GET", url, headers=headers) as answer:
                    assert await answer.json() == {"voted": 1}
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        bots: int = 3000,
        bot_id: int | None = None,
        project: ProjectKind = "discord bot",
        votes: int | None = None,
        votes_per_page: int = 100,
        history_lag: float | timedelta = 0.0,
        token: str | None = None,
        rate_limits: Sequence[LimitLike] = DEFAULT_LIMITS,
        block: float | timedelta = 3600.0,
        votes_per_minute: float = 6.0,
        weekend: bool | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: Latency = 0.0,
        drop: float = 0.0,
        clock: Callable[[], float] = time.time,
        on_request: Callable[[RecordedRequest], object] | None = None,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an int, not {seed!r}")
        if weekend is not None and not isinstance(weekend, bool):
            raise TypeError(f"weekend must be True, False or None, not {weekend!r}")
        if checks.number(votes_per_minute, "votes_per_minute") < 0:
            raise ValueError(f"votes_per_minute must be at least 0, not {votes_per_minute!r}")
        if not callable(clock):
            raise TypeError(f"clock must be callable, not {clock!r}")
        if on_request is not None and not callable(on_request):
            raise TypeError(f"on_request must be callable, not {on_request!r}")
        checks.whole(bots, "bots", least=1)
        checks.whole(votes_per_page, "votes_per_page", least=1)
        self._host = checks.text(host, "host")
        self._port = checks.whole(port, "port", least=0, most=65535)
        self._budget = Budget(rate_limits, checks.seconds(block, "block"))
        self._votes_per_minute = votes_per_minute
        self._weekend = weekend
        self._clock = clock
        self._on_request = on_request
        self._line = Line(seed, latency, drop)
        self._rng = Random(seed)
        # Drawn in any case: a token of one's own must not change the data.
        made_token = f"sandbox-{self._rng.getrandbits(128):032x}"
        self._token = made_token if token is None else checks.secret(token, "token")
        self._world = World(
            self._rng,
            bots=bots,
            bot_id=None if bot_id is None else str(checks.snowflake(bot_id, "bot_id")),
            votes=None if votes is None else checks.whole(votes, "votes", least=0),
            now=self._now(),
        )
        self._project = OwnProject(self._world, project)
        v0 = V0(self._world, self._now, lambda: self._is_weekend(self._now()))
        lag = checks.seconds(history_lag, "history_lag", zero=True)
        v1 = V1(self._world, self._project, self._now, votes_per_page, lag)
        messages = Messages(self._world, project, lambda: self._is_weekend(self._now()))
        self._webhooks = Webhooks(seed, messages, self._now)
        self._routes = v0.routes(BASE) + v1.routes(V1_BASE)
        self._switches = Switches(
            seed, [(route.method, route.path.removeprefix(BASE)) for route in self._routes]
        )
        self._requests: deque[RecordedRequest] = deque(maxlen=MOST_REQUESTS_KEPT)
        self._lifecycle = asyncio.Lock()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._arrivals: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        """Where the API is, as in `http://127.0.0.1:8080/api`; v1 is under `/v1` there.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the sandbox is not running: use `async with` or await start()")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._runner.addresses[0][1]}{BASE}"

    @property
    def token(self) -> str:
        """The token that the sandbox takes."""
        return self._token

    @property
    def bot_id(self) -> int:
        """The id of the bot that the token belongs to."""
        return int(self._world.own.id)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests it has dealt with, the last 10,000, newest last.

        Refused and unanswered ones are among them; one that is being delayed comes in with
        its answer, one that hangs at once.
        """
        return list(self._requests)

    @property
    def posted(self) -> list[dict[str, object]]:
        """The stats that were posted for `bot_id` at v0: the decoded bodies, newest last."""
        return list(self._world.posted)

    @property
    def metrics(self) -> list[PostedMetrics]:
        """The metrics that were posted at v1, oldest first by their timestamps.

        Those without a timestamp have that of when they came. Stats of v0 are not among them.
        """
        return list(self._project.metrics)

    @property
    def announcements(self) -> list[Announcement]:
        """The announcements that were accepted, newest last."""
        return list(self._project.announcements)

    @property
    def commands(self) -> list[dict[str, object]]:
        """The commands that were put last, as they were sent."""
        return list(self._project.commands)

    @property
    def headline(self) -> dict[str, str]:
        """The headlines that were set at v1, by locale."""
        return dict(self._project.headline)

    @property
    def page_content(self) -> dict[str, str]:
        """The long descriptions that were set at v1, by locale."""
        return dict(self._project.page_content)

    def vote(
        self,
        user_id: int | None = None,
        *,
        at: datetime | None = None,
        query: str | None = None,
    ) -> int:
        """Let a vote for `bot_id` arrive; while the sandbox runs, webhooks are told of it.

        Args:
            user_id: Who votes: any Discord id, which need not be known yet. None picks
                somebody who may vote.
            at: When it was cast, aware, but not before the newest vote there is; None is now.
                A sandbox with `votes=0` takes any time that has passed for its first vote.
            query: The query string that the vote page had, as in `"?a=1&b=2"`, which webhooks
                of v0 tell; `""` for an empty one, None for none.

        Returns:
            The id of who voted.

        Raises:
            TypeError: `user_id` is no int, `at` no datetime, or `query` no str.
            ValueError: `user_id` is not from 1 to 2**63-1, or that user has voted within
                the 12 hours before; `at` is naive, in the future or before the newest vote;
                `query` does not begin with a question mark.
        """
        if query is not None:
            checks.query(query, "query")
        now = self._now()
        if at is None:
            # A clock that was set back must not keep votes from arriving.
            moment = max(now, self._world.votes.newest or now)
        else:
            moment = checks.moment(at, "at", until=now)
        if user_id is None:
            voter = self._world.next_voter(moment)
        else:
            voter = str(checks.snowflake(user_id, "user_id"))
        self._world.cast(voter, moment, weight=2 if self._is_weekend(moment) else 1, now=now)
        self._webhooks.tell(query)
        return int(voter)

    def send_to(
        self,
        url: str,
        *,
        authorization: str | None = None,
        secret: str | None = None,
        timeout: float | timedelta = 5.0,
        speed: float = 1.0,
        duplicates: float = 0.0,
        delay: Latency = 0.0,
    ) -> WebhookTarget:
        """Deliver every vote from now on to this URL, as top.gg does to a webhook.

        An answer of 2xx ends a delivery, and any other but 5xx ends it too, as refused. After a
        5xx, a timeout or a connection that fails it is retried: at v0 after 1, 2, 4, ... 1,024
        seconds (2,047 in all), at v1 after 1, 2 and 4. What is not delivered when the sandbox
        closes is lost, and so are votes that arrive while it does not run.

        Args:
            url: Where to, as in `"http://127.0.0.1:8080/votes"`. Redirects are not followed.
            authorization: For v0: what the Authorization header says.
            secret: For v1, as in `"whs_abc"`: what the signatures are made with.
            timeout: How long there is for an answer, in seconds or a timedelta of real time.
            speed: How many times faster than top.gg the sandbox waits before retries, and
                before delayed deliveries.
            duplicates: The rate, from 0 to 1, at which a vote is delivered twice: both at once,
                each with its own delay and retries.
            delay: How long a vote is held back, in seconds or a timedelta, or a pair of the
                shortest and the longest, between which it is drawn for each: so they come in
                another order.

        Returns:
            What stops it, counts, has the record, sends tests, and lets retries go at once.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument makes no sense, there are both or neither of
                `authorization` and `secret`, or the project is a game, which v0 knows not.

        Example:
            ::

                endpoint = sandbox.send_to(url, secret="whs_abc", speed=100)
                assert await endpoint.send_test() == 204
                sandbox.vote()
                await endpoint.wait_idle()
                print(endpoint.deliveries)
        """
        treatment = Treatment(timeout=timeout, speed=speed, duplicates=duplicates, delay=delay)
        return self._webhooks.add(url, authorization, secret, treatment)

    async def connect(
        self,
        url: str,
        *,
        secret: str,
        timeout: float | timedelta = 5.0,
        speed: float = 1.0,
        duplicates: float = 0.0,
        delay: Latency = 0.0,
    ) -> Connection:
        """Connect an integration, as somebody does by a button on top.gg.

        It is sent `integration.create`, once, and answers where to deliver and what. From then
        on it gets the votes, signed with a secret of this connection, as `send_to` says.

        Args:
            url: Where the integration takes connections.
            secret: The integration's own, which its handshake and its leave are signed with.
            timeout: As for `send_to`, and so are the others.
            speed: As for `send_to`.
            duplicates: As for `send_to`.
            delay: As for `send_to`.

        Returns:
            The connection, which `disconnect` ends.

        Raises:
            HandshakeFailed: There was no answer, or not as it should be.
            RuntimeError: The sandbox is not running.
            TypeError: An argument is of the wrong type.
            ValueError: An argument makes no sense.
        """
        treatment = Treatment(timeout=timeout, speed=speed, duplicates=duplicates, delay=delay)
        return await self._webhooks.connect(url, secret, treatment)

    def fail(
        self,
        fault: Fault,
        *,
        route: str | None = None,
        method: str | None = None,
        times: int | None = None,
        rate: float | None = None,
    ) -> FaultSwitch:
        """Switch a fault on: with neither `times` nor `rate`, for each request from now on.

        It strikes requests that have the token and that the limits let through, so those
        that it strikes count in the limits and are in `requests`. Of several faults the one
        that was switched on first goes first.

        Args:
            fault: One of `rx_toppy.sandbox.faults`.
            route: The route to strike as the API names it, as in `/bots/{id}` or
                `/v1/projects/@me/votes/{user_id}`; None for any, unknown ones too.
            method: As in `"GET"`, one that the route takes; None for any.
            times: How often it strikes at most.
            rate: How likely it strikes each request, from 0 to 1. The same seed, the same
                calls of `fail` and the same requests have the same outcome.

        Returns:
            What stops it and counts; as a context manager it stops it at the end.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: There is no such route, it does not take the method, or `times` or
                `rate` are out of range.

        Example:
            ::

                sandbox.fail(faults.Status(503), route="/bots/{id}/stats", times=3)
                with sandbox.fail(faults.Reset(), rate=0.2) as resets:
                    ...
                print(resets.count)
        """
        return self._switches.add(fault, route=route, method=method, times=times, rate=rate)

    def clear_faults(self) -> None:
        """Switch off all that `fail` has switched on; `latency` and `drop` stay."""
        self._switches.stop_all()

    async def start(self) -> None:
        """Begin to listen; does nothing when the sandbox is running.

        Raises:
            OSError: The address can't be listened at, as when the port is taken.
        """
        async with self._lifecycle:
            if self._runner is not None:
                return
            self._closing = asyncio.Event()
            runner = web.AppRunner(
                self._app(),
                access_log=None,
                shutdown_timeout=SHUTDOWN_SECONDS,
                # Nothing hangs for, or is done after a delay for, a client that has left.
                handler_cancellation=True,
            )
            try:
                await runner.setup()
                await web.TCPSite(runner, self._host, self._port).start()
            except BaseException:
                await runner.cleanup()
                raise
            self._runner = runner
            self._webhooks.open()
            if self._votes_per_minute > 0:
                self._arrivals = asyncio.create_task(self._receive_votes())

    async def close(self) -> None:
        """Stop listening and drop all connections; does nothing when it is not running."""
        async with self._lifecycle:
            # Forgotten only when they have ended, so that a cancelled close can be repeated.
            if self._arrivals is not None:
                self._arrivals.cancel()
                await asyncio.wait([self._arrivals])
                self._arrivals = None
            await self._webhooks.close()
            if self._runner is not None:
                self._closing.set()
                await self._runner.cleanup()
                self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _app(self) -> web.Application:
        # From the outside in. Nobody but the user of this machine sends anything here, so
        # there is no bound on the size of a body.
        layers = [say_no, self._record, self._drop, self._authorize, self._limit]
        app = web.Application(middlewares=[*layers, self._fail], client_max_size=0)
        app.add_routes(self._routes)
        app.on_response_prepare.append(self._lag)
        return app

    async def _lag(self, _: web.Request, __: web.StreamResponse) -> None:
        if seconds := self._line.lag():
            await self._pause(seconds)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        at = self._now()
        body = await request.read()
        url = request.rel_url

        def note(status: int | None) -> None:
            path, query = url.raw_path, url.raw_query_string
            seen = RecordedRequest(at, request.method, path, query, body, status)
            self._requests.append(seen)
            if self._on_request is not None:
                # Not called from here, where what it raises would spoil an answer.
                asyncio.get_running_loop().call_soon(self._on_request, seen)

        try:
            response = await handler(request)
        except (Refused, web.HTTPException) as error:
            note(error.status)
            raise
        except asyncio.CancelledError:
            note(None)
            raise
        note(None if isinstance(response, Unanswered) else response.status)
        return response

    @web.middleware
    async def _drop(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return Unanswered() if self._line.drops(request) else await handler(request)

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        check_token(request, self._token)
        return await handler(request)

    @web.middleware
    async def _limit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        blocked = self._budget.refusal(request.path.removeprefix(BASE), self._clock())
        if blocked is not None:
            return answer({"retry-after": blocked}, status=429)
        return await handler(request)

    @web.middleware
    async def _fail(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._switches.any_on:
            return await handler(request)

        async def undisturbed() -> web.StreamResponse:
            try:
                return await say_no(request, handler)
            except web.HTTPException as error:
                # An answer like any other, for a fault to work on.
                return web.Response(status=error.status, body=error.body, headers=error.headers)

        resource = request.match_info.route.resource
        route = None if resource is None else resource.canonical.removeprefix(BASE)
        return await self._switches.lead(request, route, undisturbed, self._pause)

    async def _pause(self, seconds: float | None) -> None:
        """Sleep, for ever where it is None, but no longer than until the sandbox closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _receive_votes(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._rng.expovariate(self._votes_per_minute / 60)
            await asyncio.sleep(due - loop.time())
            self.vote()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _is_weekend(self, at: datetime) -> bool:
        return is_weekend(at) if self._weekend is None else self._weekend
