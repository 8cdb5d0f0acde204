"""TopGG: the client, with every call of top.gg's API as an observable."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import aiohttp
from reactivex import Observable

from .api import routes
from .api.http import HTTP, checked_session
from .api.pagination import PAGE, all_bots
from .api.payloads import Search, search_of, shown
from .api.rate_limiter import Gate
from .api.rate_limits import DEFAULT_RATE_LIMITS, RateLimit, checked_limits
from .api.transport import Transport
from .arguments import Seconds, UserLike, checked_token, checked_url, count, seconds, snowflake
from .autopost import Autopost, PostTo
from .bot import Host, dispatch_of
from .errors import ClientClosed
from .events import EventStream
from .membership import Coordinator, Member, checked_cluster
from .models import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    SimpleUser,
    User,
    Vote,
)
from .models.html_repr import Listed, load_display
from .polling import Poller
from .project import ProjectAPI, history_reader
from .stats import Poster
from .streams.cold import Call, Paged, Poll
from .streams.loop import ELSEWHERE, Home, running_loop

T = TypeVar("T")

log = logging.getLogger("rx_toppy")

__version__ = "0.1.0"

# How long what closes along with a client may take.
COMPANION_SECONDS = 5.0

AGENT = f"rx_toppy/{__version__} aiohttp/{aiohttp.__version__}"


class TopGG:
    """A client for top.gg, whose calls, timer and events are observables.

    Every call is cold: nothing is sent until it is awaited, subscribed to or iterated, and each of
    these is a request of its own. Results arrive on the client's event loop, whichever thread a
    call is subscribed from: the loop of its first use, for as long as that is open. The client may
    be made before any loop runs.

    It comes and goes with its bot: autopost starts when the bot connects, and the client closes
    when the bot does. Without a Discord connection, `StandaloneBot` stands in for the bot; then
    close the client yourself, with `async with` or `await client.close()`.

    Args:
        bot: A client of discord.py, py-cord, disnake or nextcord, or a `StandaloneBot`.
        token: The bot's token of top.gg. It goes nowhere but into requests.
        autopost: Whether to post the bot's statistics every `interval` by itself.
        interval: Seconds (or a `timedelta`) between two autoposts.
        base_url: What all paths are below; `rx_toppy.sandbox` and tests have their own.
        session: A session to use instead of one of the client's own; it is not closed.
        timeout: Seconds for one attempt, from sending to the end of the answer.
        retries: How many times a request may be sent again after the first, where it may be
            repeated at all: after connection errors, timeouts and 5xx. 0 for none.
        max_wait: Seconds that a call may be held back to keep within the rate limits, None for as
            long as it takes. One that would have to wait longer fails at once.
        rate_limits: The limits to keep; `()` for none. top.gg's own by default. The token's budget
            is shared by all processes that use it: see `cluster`, or give each its part.
        post_to: Which API autopost posts to, "v0" or "v1".
        cluster: What shares the limits and the posts with the other processes of this bot: see
            `rx_toppy.cluster`. Without it, this process is taken to be the only one.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument's value can't be.

    Example:
        >>> bot = commands.Bot("!", intents=discord.Intents.default())
        >>> client = TopGG(bot, token=os.environ["TOPGG_TOKEN"])
        >>> client.events.pipe(of_type(PostEvent)).subscribe(lambda e: print(int(e.stats)))
        >>> bot.run(os.environ["DISCORD_TOKEN"])
    """

    def __init__(
        self,
        bot: Any,
        *,
        token: str,
        autopost: bool = True,
        interval: Seconds = 1800.0,
        base_url: str = "https://top.gg/api",
        session: aiohttp.ClientSession | None = None,
        timeout: Seconds = 10.0,
        retries: int = 3,
        max_wait: Seconds | None = 60.0,
        rate_limits: Sequence[RateLimit] = DEFAULT_RATE_LIMITS,
        post_to: PostTo = "v0",
        cluster: Coordinator | None = None,
    ) -> None:
        # Said first, so that a client that could not be made is one that has nothing to close.
        self._closing: asyncio.Future[None] | None = None
        self._companions: list[Callable[[], Awaitable[object]]] = []
        self._home = Home()
        if post_to not in ("v0", "v1"):
            raise ValueError(f'post_to takes "v0" or "v1", not {post_to!r}')
        if not isinstance(autopost, bool):
            raise TypeError(f"autopost takes True or False, not {type(autopost).__name__}")
        every = seconds(interval, "interval")
        token = checked_token(token)
        limits = checked_limits(rate_limits)
        attempt = seconds(timeout, "timeout")
        longest = None if max_wait is None else seconds(max_wait, "max_wait", zero=True)
        self._host = Host(bot)
        self._events = EventStream(self._home, dispatch_of(bot))
        self._membership: Member | None = None
        if cluster is not None:
            self._membership = checked_cluster(cluster).join(
                self._host, token=token, limits=limits, max_wait=longest, timeout=attempt
            )
        self._http = HTTP(
            self._home,
            token=token,
            session=checked_session(session),
            timeout=attempt,
            agent=AGENT,
        )
        self._transport = Transport(
            self._home,
            self._events,
            http=self._http,
            token=token,
            base_url=checked_url(base_url),
            retries=count(retries, "retries"),
            gate=Gate(limits, longest) if self._membership is None else self._membership.gate,
        )
        self._project = ProjectAPI(self._home, self._transport)
        self._poller = Poller(self._home, self._transport, self._events)
        if self._membership is None:
            self._poster = Poster(self._host, self._transport, self._events)
        else:
            self._poster = self._membership.poster(self._transport, self._events)
        self._autopost = Autopost(
            self._home, self._poster, self._events, interval=every, post_to=post_to
        )
        if self._membership is not None:
            self._membership.follow(self._autopost)
            self._home.release = self._release
        self._home.on_bind = self._bound
        self._autopost.is_wanted = autopost and self._host.can_count
        self._host.hosted_by(self._connecting, self.close)
        self._start_autopost()

    # --- calls ---------------------------------------------------------------------------------

    def fetch_bot(self, bot: UserLike) -> Call[Bot]:
        """A bot's page on top.gg.

        Args:
            bot: An id, a string of digits, or anything with an `.id`.

        Returns:
            One `Bot`, or an error: `NotFound` where top.gg does not list it, or any `ToppyError`.

        Raises:
            TypeError: `bot` is nothing of the kind.
            ValueError: no id looks like that.

        Example:
            >>> me = await client.fetch_bot(bot.user)
            >>> me.monthly_votes, me.certified
        """
        id = snowflake(bot, "fetch_bot()")
        return self._call(routes.FETCH_BOT.request(id=id), "fetch_bot", id)

    def fetch_bots(
        self,
        limit: int = 50,
        offset: int = 0,
        search: Search | None = None,
        sort: str | None = None,
    ) -> Call[BotSearchResults]:
        """One page of the bots that top.gg lists.

        Args:
            limit: How many at the most: 1 to 500, which is what top.gg gives at once.
            offset: How many to skip.
            search: Fields and what they must contain, as `{"tags": "music"}`; or a text in top.gg's
                own form.
            sort: The field to sort by; a `-` before it reverses the order, as in "-points".

        Returns:
            One `BotSearchResults`: a sequence of `Bot`s that knows the `total`.

        Raises:
            TypeError, ValueError: an argument can't be; `bulk_fetch_bots` takes more than 500.

        Example:
            >>> page = await client.fetch_bots(10, sort="-monthlyPoints")
            >>> [bot.username for bot in page]
        """
        hint = f"; bulk_fetch_bots() fetches more than {PAGE}"
        count(limit, "fetch_bots(limit=...)", least=1, most=PAGE, hint=hint)
        count(offset, "fetch_bots(offset=...)")
        found = search_of(search, sort)
        request = routes.FETCH_BOTS.request(query={"limit": limit, "offset": offset} | found)
        return self._call(request, "fetch_bots", *shown(limit, offset, found))

    def bulk_fetch_bots(
        self,
        limit: int = 500,
        offset: int = 0,
        search: Search | None = None,
        sort: str | None = None,
    ) -> Paged[Bot]:
        """Any number of the bots that top.gg lists, one after another, none of them twice.

        Pages of up to 500 are fetched as they are wanted: the first one alone, then some ahead of
        the reader, in order. A reader who stops costs no more than those few. 60 requests a minute
        make 30,000 bots the most that come without a wait; what is more waits for its turn.

        ```
        async for: --b-b-b--b-b-b-b--b|    the next page when the last one is read
        ```

        Args:
            limit: How many at the most; 0 for none.
            offset: How many to skip.
            search: As in `fetch_bots`.
            sort: As in `fetch_bots`.

        Returns:
            `Bot` after `Bot`, up to `limit`: there may be fewer. Awaited, it gives a list.

        Raises:
            TypeError, ValueError: an argument can't be.

        Example:
            >>> async for bot in client.bulk_fetch_bots(5_000, sort="-points"):
            ...     print(bot.username)
        """
        count(limit, "bulk_fetch_bots(limit=...)")
        count(offset, "bulk_fetch_bots(offset=...)")
        found = search_of(search, sort)

        def fetch(
            limit: int, offset: int, /, *, later: bool
        ) -> Coroutine[Any, Any, BotSearchResults]:
            query = {"limit": limit, "offset": offset} | found
            return self._transport.send(routes.FETCH_BOTS.request(query=query), patient=later)

        items = partial(all_bots, fetch, limit, offset)
        return Paged(self._home, items, "bulk_fetch_bots", *shown(limit, offset, found))

    def fetch_votes(self) -> Call[list[SimpleUser]]:
        """The last 1000 voters of this bot, newest first, each of them once.

        Returns:
            One list of `SimpleUser`. top.gg leaves repeated votes out, and a weekend's double ones.

        Example:
            >>> for voter in await client.fetch_votes():
            ...     print(voter.username)
        """

        async def send() -> list[SimpleUser]:
            request = routes.FETCH_VOTES.request(id=self._host.user_id)
            voters = await self._transport.send(request)
            return Listed(voters)

        return Call(self._home, send, "fetch_votes")

    def upvote_check(self, user: UserLike) -> Call[IndividualUserVoteResult]:
        """Whether a user voted for this bot within the last 12 hours.

        Args:
            user: An id, a string of digits, or anything with an `.id`.

        Returns:
            One `IndividualUserVoteResult`, truthy when they voted.

        Raises:
            TypeError, ValueError: `user` is nothing that names a user.

        Example:
            >>> if await client.upvote_check(ctx.author):
            ...     await ctx.send("Thank you!")
        """
        id = snowflake(user, "upvote_check()")
        return self._own_call(
            lambda: routes.CHECK_VOTE.request(id=self._host.user_id, query={"userId": id}),
            "upvote_check",
            id,
        )

    # What toppy's users know it by as well.
    vote_check = has_upvoted = get_user_vote = upvote_check

    def get_stats(self, bot: UserLike | None = None) -> Call[BotStats]:
        """How many servers and shards a bot has, as it posted them.

        Args:
            bot: An id, a string of digits, or anything with an `.id`; this bot where left out.

        Returns:
            One `BotStats`. Votes are not among them: see `fetch_bot`.

        Raises:
            TypeError, ValueError: `bot` is nothing that names a bot.

        Example:
            >>> (await client.get_stats(264811613708746752)).server_count
        """
        if bot is None:
            return self._own_call(
                lambda: routes.GET_STATS.request(id=self._host.user_id), "get_stats"
            )
        id = snowflake(bot, "get_stats()")
        return self._call(routes.GET_STATS.request(id=id), "get_stats", id)

    def post_stats(self, force_shard_count: bool = False) -> Call[BotStatsPayload]:
        """Counts this bot's servers and posts them, now.

        It waits for the bot to be ready. A process that runs only some of its bot's shards posts
        each of these by itself. A `PostEvent` tells of it.

        Args:
            force_shard_count: Whether to tell of shards where an unsharded bot has none to tell of.

        Returns:
            One `BotStatsPayload`; `int()` of it is the number of servers. A `ToppyError` where the
            bot has not begun to connect, for readiness would never come.

        Example:
            >>> print("posted", int(await client.post_stats()), "servers")
        """
        if not isinstance(force_shard_count, bool):
            raise TypeError(
                f"force_shard_count takes True or False, not {type(force_shard_count).__name__}"
            )

        async def post() -> BotStatsPayload:
            self._home.bind()
            return await self._poster.post_all(force_shard_count=force_shard_count)

        return Call(self._home, post, "post_stats", *["force_shard_count=True"][:force_shard_count])

    def fetch_user(self, user: UserLike) -> Call[User]:
        """A user's profile on top.gg.

        Args:
            user: An id, a string of digits, or anything with an `.id`.

        Returns:
            One `User`, or an error: `NotFound` where they have no profile, or any `ToppyError`.

        Raises:
            TypeError, ValueError: `user` is nothing that names a user.

        Example:
            >>> (await client.fetch_user(ctx.author)).bio
        """
        id = snowflake(user, "fetch_user()")
        return self._call(routes.FETCH_USER.request(id=id), "fetch_user", id)

    def is_weekend(self) -> Call[bool]:
        """Whether it is a weekend for top.gg: then votes count double.

        Returns:
            One bool.

        Example:
            >>> if await client.is_weekend(): ...
        """

        async def send() -> bool:
            return (await self._transport.send(routes.IS_WEEKEND.request())).is_weekend

        return Call(self._home, send, "is_weekend")

    # --- polls -----------------------------------------------------------------------------------

    def poll(
        self, factory: Callable[[], Observable[T] | Awaitable[T]], every: Seconds = 60.0
    ) -> Poll[T]:
        """Asks again and again: what `factory` gives is subscribed to, round after round.

        ```
        factory:      a|           b|   X        c|
        poll(factory, every=60): a------------b---!---c---->
        ```

        Each round begins `every` seconds after the last one began, and never before that one has
        completed. Lost connections, 5xx, rate limits and answers that make no sense do not end it:
        each is a `PollFailed` on `client.events`, and the next round comes after a pause that
        grows from 15 seconds to 10 minutes (but not beyond `every`), and no sooner than top.gg
        allows. Any other error ends it. It completes when the client is closed.

        Args:
            factory: Called for each round; gives an observable, all of whose values are emitted, or
                something to await.
            every: Seconds (or a `timedelta`) from one round to the next.

        Returns:
            All that the rounds emit. Cold: each subscriber polls by itself, unless `ops.share()` is
            between them.

        Raises:
            TypeError, ValueError: an argument can't be.

        Example:
            >>> votes_this_month = client.poll(client.project.fetch, every=300).pipe(
            ...     ops.map(lambda project: project.votes), ops.distinct_until_changed()
            ... )
        """
        if not callable(factory):
            raise TypeError(
                "poll() takes a function that gives an observable, as in "
                f"poll(lambda: client.get_stats()), not {type(factory).__name__}"
            )
        pace = seconds(every, "every")
        rounds = partial(self._poller.anything, factory, pace)
        return Poll(self._home, rounds, "poll", f"every={pace:g}")

    def poll_votes(
        self,
        every: Seconds = 60.0,
        since: datetime | None = None,
        cursor: str | None = None,
        on_cursor: Callable[[str], object] | None = None,
    ) -> Poll[Vote]:
        """New votes, for ever: each once, oldest first, from top.gg's vote history.

        ```
        history:    -v--v---------v---v-----v-->
        poll_votes: r---r-vv--r---r-v-X-r-v-r-->    r: a request, X: one that failed
        ```

        It reads on from a cursor, through every failure that can pass (see `poll`), so that no vote
        is missed and none comes twice. A bad token or cursor ends it with the error.

        Args:
            every: Seconds (or a `timedelta`) from one look to the next.
            since: From when on: an aware datetime of the last year. Left out, from now on.
            cursor: Where to read on, as `on_cursor` was told; it counts more than `since`.
            on_cursor: Is told the cursor of each page, once the last of its votes was delivered.
                Keep it, and a restart from there misses and repeats nothing. (What was handed to
                something that passes it on later, as `map_async` and `iterate` do, may still wait
                there.) A
                coroutine function is awaited before the next page. What it raises ends the poll.

        Returns:
            `Vote` after `Vote`. Cold: each subscriber begins where the arguments say and polls by
            itself, unless `ops.share()` is between them.

        Raises:
            TypeError, ValueError: an argument can't be.

        Example:
            >>> client.poll_votes(cursor=load(), on_cursor=save).pipe(map_async(reward)).subscribe()
        """
        pace = seconds(every, "every")
        begin = history_reader(
            self._transport, since, cursor, on_cursor, default=lambda now: now, patient=True
        )
        votes = partial(self._poller.votes, begin, pace)
        return Poll(self._home, votes, "poll_votes", f"every={pace:g}")

    def poll_voters(self, every: Seconds = 60.0) -> Poll[SimpleUser]:
        """New voters, for ever, from v0's list of the last 1000: those who were not on it before.

        ```
        the list:    [b a]   [c b a]   [a c b]   [e d a c b]
        poll_voters: ----------c---------------------d-e----->
        ```

        The first look takes stock and emits nothing. Who votes again while they are still listed is
        nobody new: these are voters, not votes, and `poll_votes` is the better one where a token
        for v1 is at hand. Failures that can pass do not end it (see `poll`).

        Args:
            every: Seconds (or a `timedelta`) from one look to the next. A look takes one of the 60
                requests a minute to `/bots`.

        Returns:
            `SimpleUser` after `SimpleUser`. Cold: each subscriber polls by itself, unless
            `ops.share()` is between them.

        Raises:
            TypeError, ValueError: `every` can't be.

        Example:
            >>> client.poll_voters().subscribe(lambda voter: print(voter.username, "is new"))
        """
        pace = seconds(every, "every")

        def fetch() -> Awaitable[list[SimpleUser]]:
            request = routes.FETCH_VOTES.request(id=self._host.user_id)
            return self._transport.send(request, patient=True)

        voters = partial(self._poller.voters, fetch, pace)
        return Poll(self._home, voters, "poll_voters", f"every={pace:g}")

    # --- streams and the rest --------------------------------------------------------------------

    @property
    def project(self) -> ProjectAPI:
        """The calls of top.gg's v1 API: see `ProjectAPI`."""
        return self._project

    @property
    def events(self) -> EventStream:
        """All that this client does, as one hot stream: see `EventStream`."""
        return self._events

    @property
    def autopost(self) -> Autopost:
        """The timer that posts statistics, and the stream of what it posted: see `Autopost`."""
        return self._autopost

    @property
    def cluster(self) -> Member | None:
        """This client's part in its cluster: see `cluster.Membership`. None without one."""
        return self._membership

    @property
    def bot(self) -> Any:
        """The bot that this client belongs to."""
        return self._host.bot

    @property
    def session(self) -> aiohttp.ClientSession | None:
        """The session in use: the one that was handed in, or else None until the first call."""
        return self._http.session

    @property
    def vote_url(self) -> str:
        """Where users vote for this bot; a `ToppyError` before the bot has logged in."""
        return f"https://top.gg/bot/{self._host.user_id}/vote"

    @property
    def invite_url(self) -> str:
        """Where users add this bot; a `ToppyError` before the bot has logged in."""
        return f"https://top.gg/bot/{self._host.user_id}/invite"

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed."""
        return self._home.closed

    def on_close(self, close: Callable[[], Awaitable[object]]) -> Callable[[], None]:
        """Has something closed along with the client: before all else, so that it still has one.

        Args:
            close: A coroutine function. What it raises is logged; it may take five seconds.

        Returns:
            What takes that back, for something that has been closed before.

        Example:
            >>> client.on_close(inbox.close)
        """
        if not callable(close):
            raise TypeError(f"on_close() takes a coroutine function, not {type(close).__name__}")
        if self._home.closed:
            raise ClientClosed("this client was closed")
        self._companions.append(close)

        def forget() -> None:
            with suppress(ValueError):  # it may be closing just now, or be called twice
                self._companions.remove(close)

        return forget

    async def close(self) -> None:
        """Ends all that the client does, and frees its connections.

        Calls in flight err with `ClientClosed`; their last `RequestEvent`s still come, then
        `autopost`, polls and `events` complete. A session that was handed in stays open. It may be
        called any number of times, and from any thread.

        Raises:
            RuntimeError: the client's loop is open but stands still, so that nothing can end there.
        """
        home = self._home
        loop, here = home.loop, asyncio.get_running_loop()
        if loop is None or loop is here or loop.is_closed():
            await self._close_here(here)
        elif not loop.is_running():
            raise RuntimeError(ELSEWHERE)
        else:
            closing = asyncio.run_coroutine_threadsafe(self._close_here(loop), loop)
            await asyncio.wrap_future(closing)

    async def __aenter__(self) -> TopGG:
        self._home.bind()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._home.closed else "open"
        return f"<TopGG for {self._host.bot!r}: {state}, {self._autopost!r}>"

    def _repr_html_(self) -> str:
        html: str = load_display().client_html(
            self._host.bot,
            is_closed=self._home.closed,
            usage=self._transport.usage(),
            autopost=self._autopost,
            last_post=self._poster.last,
            now=self._home.clock(),
        )
        return html

    def __del__(self) -> None:
        http = getattr(self, "_http", None)  # none where it could not be made
        if http is not None and http.is_open and not self._home.closed:
            warnings.warn(
                f"{self!r} was never closed: use `async with`, or `await client.close()`",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )

    # --- inside ----------------------------------------------------------------------------------

    def _call(self, request: routes.Request[T], name: str, *arguments: object) -> Call[T]:
        return Call(self._home, partial(self._transport.send, request), name, *arguments)

    def _own_call(
        self, request: Callable[[], routes.Request[T]], name: str, *arguments: object
    ) -> Call[T]:
        """A call about this bot: who that is shows when it runs, not when it is made."""

        async def send() -> T:
            return await self._transport.send(request())

        return Call(self._home, send, name, *arguments)

    def _bound(self, moved: float) -> None:
        self._transport.moved(moved)
        if self._membership is not None:
            self._membership.start()
        self._autopost.start_if_wanted()

    async def _release(self) -> None:
        """Leaves a loop that was only lent."""
        await self._http.release()
        if self._membership is not None:
            await self._membership.rest()

    def _start_autopost(self) -> None:
        """At once where the bot is there already and there is a loop to run on."""
        if not self._host.has_begun:
            return
        if running_loop() is not None:
            self._autopost.start_if_wanted()
        elif (loop := self._host.running_loop()) is not None:
            loop.call_soon_threadsafe(self._autopost.start_if_wanted)

    def _connecting(self) -> None:
        """The bot begins to connect, on its loop: that is the client's now."""
        if not self._home.closed:
            self._home.bind()
            self._autopost.start_if_wanted()

    async def _close_here(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._closing is None:
            if not self._companions:
                self._shut()
            self._closing = loop.create_task(self._close())
        # Whoever waits for it may be cancelled; what is begun is brought to its end.
        if self._closing.get_loop() is loop:
            await asyncio.shield(self._closing)

    def _shut(self) -> None:
        """Nothing new begins from here on."""
        self._home.closed = True
        if self._home.loop is not None and self._home.loop.is_closed():
            self._transport.moved(0.0)  # whatever was under way has gone with it

    async def _close(self) -> None:
        while self._companions:
            close = self._companions.pop()  # the last one first, as it may need the others
            try:
                async with asyncio.timeout(COMPANION_SECONDS):
                    await close()
            except Exception:
                log.exception("%r could not be closed along with its client", close)
        self._shut()
        await self._autopost.close()
        await self._transport.close()
        if self._membership is not None:
            await self._membership.close()
        # Subscriptions that wait for something else than top.gg: a reader who has stopped reading.
        for task in (tasks := list(self._home.tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._autopost.finish()
        self._events.finish()
