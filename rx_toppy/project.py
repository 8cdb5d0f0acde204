"""TopGG.project: the calls of top.gg's v1 API, as observables like the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from .api import payloads as checks
from .api import routes
from .api.responses import HTML
from .api.transport import Transport
from .api.vote_history import History, VotesPage
from .arguments import UserLike, snowflake
from .errors import NotFound
from .models import Announcement, Project, Vote, VoteStatus
from .stats import post_samples
from .streams.cold import Call, Paged
from .streams.loop import Home

T = TypeVar("T")

Sample = tuple[datetime | None, Mapping[str, int | None]]
"""Metrics of a moment: when (None for now), and the numbers by name."""


class ProjectAPI:
    """What top.gg's v1 API says of the project that the token belongs to, and takes for it.

    It is `client.project`. A project is a Discord bot, a Discord server or a Roblox game. The calls
    are cold like the client's own: nothing is sent until one is awaited, subscribed to or iterated.
    What top.gg would refuse is a `ValueError` or `TypeError` where the call is made. Of what it
    refuses all the same (an `InvalidRequest` or `Forbidden`) the error's `text` says why.

    Example:
        >>> project = await client.project.fetch()
        >>> print(project.name, project.votes, "votes this month")
    """

    def __init__(self, home: Home, transport: Transport) -> None:
        self._home = home
        self._transport = transport

    def fetch(self) -> Call[Project]:
        """The project, as its page shows it.

        Returns:
            One `Project`.

        Example:
            >>> (await client.project.fetch()).review_score
        """
        return self._call("fetch", routes.FETCH_PROJECT.request())

    def edit(
        self,
        headline: Mapping[str, str] | None = None,
        page_content: Mapping[str, str] | None = None,
    ) -> Call[None]:
        """Changes the project's page. What is left out stays as it is.

        Args:
            headline: The line under the name, by locale, of 3 to 140 characters each. top.gg's
                locales are en, de, fr, pt, tr, hi, ja, ar, nl, ko, it, es, ru, uk, vi and zh.
            page_content: The long description, by locale, of 300 to 50,000 characters each.

        Returns:
            None, once it is done.

        Raises:
            TypeError, ValueError: top.gg would not take this, or there is nothing to change.

        Example:
            >>> await client.project.edit({"en": "Music, and no ads", "de": "Musik ohne Werbung"})
        """
        body: dict[str, object] = {}
        if headline is not None:
            body["headline"] = checks.localized(headline, "headline", least=3, most=140)
        if page_content is not None:
            body["page_content"] = checks.localized(
                page_content, "page_content", least=300, most=50_000
            )
        if not body:
            raise ValueError("edit() takes a headline, page_content, or both")
        return self._call("edit", routes.EDIT_PROJECT.request(body=body), *body)

    def announce(self, title: str, content: str) -> Call[Announcement]:
        """Puts an announcement on the project's page. top.gg takes one in four hours.

        It is sent once, whatever becomes of it: it never stands there twice. One too many is a
        `Ratelimited`, and holds back announcements only; the next one fails at once until the time
        is over, or waits for it if `max_wait` allows.

        Args:
            title: 3 to 100 characters.
            content: 10 to 2,000 characters.

        Returns:
            One `Announcement`.

        Raises:
            TypeError, ValueError: top.gg would not take this.

        Example:
            >>> await client.project.announce("Version 2", "Playlists are here. Try /playlist!")
        """
        body = {
            "title": checks.text(title, "title", least=3, most=100),
            "content": checks.text(content, "content", least=10, most=2_000),
        }
        send = partial(self._transport.send_alone, routes.ANNOUNCE.request(body=body))
        return Call(self._home, send, "project.announce", repr(title))

    def post_metrics(
        self,
        server_count: int | None = None,
        shard_count: int | None = None,
        member_count: int | None = None,
        online_count: int | None = None,
        player_count: int | None = None,
    ) -> Call[None]:
        """Posts the numbers of the moment. At least one, and those of one kind of project.

        Args:
            server_count: Of a Discord bot: the servers it is in.
            shard_count: Of a Discord bot: the shards it runs on.
            member_count: Of a Discord server: its members.
            online_count: Of a Discord server: those who are online.
            player_count: Of a Roblox game: those who play.

        Returns:
            None, once it is done.

        Raises:
            TypeError, ValueError: a number can't be, or they do not go together.

        Example:
            >>> await client.project.post_metrics(server_count=1204, shard_count=2)
        """
        given = {
            "server_count": server_count,
            "shard_count": shard_count,
            "member_count": member_count,
            "online_count": online_count,
            "player_count": player_count,
        }
        body = checks.metrics(given, "post_metrics()")
        return self._call("post_metrics", routes.POST_METRICS.request(body=body), *_shown(body))

    def post_metrics_batch(self, samples: Iterable[Sample]) -> Call[None]:
        """Posts the numbers of many moments, in as many requests of 100 as it takes.

        The requests follow one another, in the order given. Where one fails, the error's
        `posted_samples` says how many samples had been taken before.

        Args:
            samples: Pairs of an aware datetime (None for now, at most 5 minutes ahead) and a
                dictionary of numbers as `post_metrics` takes them. top.gg applies those without a
                time before the others of their request.

        Returns:
            None, once all is done; at once where there is nothing to post.

        Raises:
            TypeError, ValueError: one of them can't be. Nothing is sent.

        Example:
            >>> samples = [(row.at, {"server_count": row.servers}) for row in log]
            >>> await client.project.post_metrics_batch(samples)
        """
        if isinstance(samples, (str, bytes, Mapping)) or not isinstance(samples, Iterable):
            raise TypeError(
                "post_metrics_batch() takes a list of (timestamp or None, metrics), "
                f"not {type(samples).__name__}"
            )
        now = datetime.now(UTC)
        checked = [
            checks.sample(entry, f"sample number {place}", now)
            for place, entry in enumerate(samples, 1)
        ]

        async def post() -> None:
            await post_samples(self._transport, checked)

        return Call(self._home, post, "project.post_metrics_batch", f"{len(checked)} samples")

    def post_commands(self, commands: Iterable[Any]) -> Call[None]:
        """Says which commands the bot has, in place of those that it said before.

        Args:
            commands: Application commands: dictionaries as Discord has them, or objects with a
                `to_dict()`, as `bot.tree.fetch_commands()` of discord.py gives. None at all
                (`[]`) clears them.

        Returns:
            None, once it is done.

        Raises:
            TypeError, ValueError: one of them is no command.

        Example:
            >>> await client.project.post_commands(await bot.tree.fetch_commands())
        """
        body = checks.commands(commands, "post_commands()")
        return self._call(
            "post_commands", routes.PUT_COMMANDS.request(body=body), f"{len(body)} commands"
        )

    def votes(
        self,
        since: datetime | None = None,
        cursor: str | None = None,
        on_cursor: Callable[[str], object] | None = None,
    ) -> Paged[Vote]:
        """The vote history: vote after vote, oldest first, page by page as they are wanted.

        ```
        async for: --v-v-v--v-v-v--v|    the next page when the last one is read
        ```

        Args:
            since: From when on: an aware datetime of the last year. Left out, all of that year.
            cursor: Where to read on, as `on_cursor` was told; it counts more than `since`.
            on_cursor: Is told the cursor of each page, once the last of its votes was delivered: to
                read on from there another time misses nothing and repeats nothing. (What was handed
                to something that passes it on later, as `map_async` and `iterate` do, may still
                wait there.) A coroutine function is awaited before the next page. What it raises
                ends the reading.

        Returns:
            `Vote` after `Vote`, up to the newest. Awaited, it gives a list.

        Raises:
            TypeError, ValueError: an argument can't be.

        Example:
            >>> yesterday = datetime.now(timezone.utc) - timedelta(days=1)
            >>> async for vote in client.project.votes(since=yesterday):
            ...     print(vote.platform_id, vote.created_at)
        """
        begin = history_reader(self._transport, since, cursor, on_cursor, default=_long_ago)
        shown = _shown({"since": since, "cursor": cursor})
        return Paged(self._home, lambda: begin().unread(), "project.votes", *shown)

    def vote(
        self, user: UserLike, source: Literal["discord", "topgg"] = "discord"
    ) -> Call[VoteStatus | None]:
        """A user's vote, if they voted within the last 12 hours.

        Args:
            user: An id, a string of digits, or anything with an `.id`.
            source: Whose id that is: Discord's, or top.gg's own ("topgg").

        Returns:
            One `VoteStatus`, or None for who has not voted (or is nobody that top.gg knows).

        Raises:
            TypeError, ValueError: `user` is nothing that names a user, or there is no such source.

        Example:
            >>> if vote := await client.project.vote(ctx.author):
            ...     await ctx.send(f"You may vote again <t:{vote.expires_at.timestamp():.0f}:R>.")
        """
        user_id = snowflake(user, "vote()")
        if source not in ("discord", "topgg"):
            raise ValueError(f'source takes "discord" or "topgg", not {source!r}')
        request = routes.FETCH_VOTE_STATUS.request(user_id=user_id, query={"source": source})

        async def send() -> VoteStatus | None:
            try:
                return await self._transport.send(request)
            except NotFound as error:
                if error.text.startswith(HTML):  # of whatever stands where top.gg should
                    raise
                return None

        return Call(self._home, send, "project.vote", user_id)

    def _call(self, name: str, request: routes.Request[T], *shown: object) -> Call[T]:
        send = partial(self._transport.send, request)
        return Call(self._home, send, f"project.{name}", *shown)

    def __repr__(self) -> str:
        return "<client.project>"


def history_reader(
    transport: Transport,
    since: datetime | None,
    cursor: str | None,
    on_cursor: Callable[[str], object] | None,
    *,
    default: Callable[[datetime], datetime],
    patient: bool = False,
) -> Callable[[], History]:
    """Checks where a reading of the vote history begins, and gives what begins one.

    `default` says from when on where neither `since` nor `cursor` was given, as seen from the
    moment at which the reading begins. `patient` is said of all pages; of later ones it is true
    anyway.
    """
    if since is not None:
        checks.since(since, "since", datetime.now(UTC))
    if cursor is not None:
        checks.cursor(cursor, "cursor")
    if on_cursor is not None and not callable(on_cursor):
        raise TypeError(f"on_cursor takes a function, not {type(on_cursor).__name__}")

    def fetch(query: Mapping[str, object], /, *, later: bool) -> Awaitable[VotesPage]:
        return transport.send(routes.FETCH_HISTORY.request(query=query), patient=patient or later)

    def begin() -> History:
        start = since or default(datetime.now(UTC))
        return History(fetch, start, cursor, on_cursor)

    return begin


def _long_ago(now: datetime) -> datetime:
    """The earliest moment that is still less than a year ago when top.gg hears of it."""
    return checks.year_ago(now) + timedelta(hours=1)


def _shown(given: Mapping[str, object]) -> list[str]:
    """Arguments, for the call's repr."""
    return [f"{name}={value!r}" for name, value in given.items() if value is not None]
