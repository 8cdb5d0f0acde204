"""The routes of the v1 API."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET

from rx_toppy.sandbox import wire_v1
from rx_toppy.sandbox.ids import discord_id, topgg_id
from rx_toppy.sandbox.project import OwnProject
from rx_toppy.sandbox.records import Announcement
from rx_toppy.sandbox.responses import Refused, answer
from rx_toppy.sandbox.vote_log import Vote
from rx_toppy.sandbox.wire_v1 import stamp
from rx_toppy.sandbox.world import World

T = TypeVar("T")

LONGEST_HISTORY = timedelta(days=365)
FURTHEST_AHEAD = timedelta(minutes=5)
_CURSOR_MARK = b"votes"
_CURSOR_BYTES = 8


class V1:
    """Answers what v1 is asked about the project of the token.

    Args:
        world: Where its users and votes are.
        project: What else there is to tell of it.
        now: Gives the time, aware.
        votes_per_page: How many votes a page of the history holds.
        history_lag: How many seconds old a vote is when the history begins to show it.
    """

    def __init__(
        self,
        world: World,
        project: OwnProject,
        now: Callable[[], datetime],
        votes_per_page: int,
        history_lag: float,
    ) -> None:
        self._world = world
        self._project = project
        self._now = now
        self._votes_per_page = votes_per_page
        self._history_lag = history_lag

    def routes(self, base: str) -> list[web.RouteDef]:
        """Give the routes, which lie under the path `base`."""
        me = f"{base}/projects/@me"
        return [
            web.get(me, self.project),
            web.patch(me, self.edit),
            web.post(f"{me}/announcements", self.announce),
            web.patch(f"{me}/metrics", self.post_metrics),
            web.post(f"{me}/metrics/batch", self.post_metrics_batch),
            web.put(f"{me}/commands", self.put_commands),
            web.get(f"{me}/votes", self.votes),
            web.get(f"{me}/votes/{{user_id}}", self.vote),
        ]

    async def project(self, _: web.Request) -> web.Response:
        """The project."""
        return answer(self._project.told())

    async def edit(self, request: web.Request) -> web.Response:
        """Set its headline and its long description, by locale."""
        self._project.edit(await _read(request, wire_v1.Edit))
        return _done()

    async def announce(self, request: web.Request) -> web.Response:
        """Make an announcement; a refused one does not count."""
        post = await _read(request, wire_v1.AnnouncementPost)
        now = self._now()
        wait = ceil(self._project.wait(now).total_seconds())
        if wait:
            raise Refused(
                429,
                f"The next announcement can be made in {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )
        self._project.announce(Announcement(post.title, post.content, now))
        return answer(wire_v1.AnnouncementMade(post.title, post.content, stamp(now)))

    async def post_metrics(self, request: web.Request) -> web.Response:
        """Take metrics of now."""
        metrics = await _read(request, wire_v1.METRICS[self._project.kind].one)
        self._project.post([(metrics.counts(), None)], self._now())
        return _done()

    async def post_metrics_batch(self, request: web.Request) -> web.Response:
        """Take many metrics, all or none of them."""
        batch = await _read(request, wire_v1.METRICS[self._project.kind].batch)
        now = self._now()
        entries = []
        for place, entry in enumerate(batch.data):
            at = None if entry.timestamp is UNSET else entry.timestamp
            if at is not None and at > now + FURTHEST_AHEAD:
                where = f"`$.data[{place}].timestamp`"
                raise Refused(422, f"More than 5 minutes in the future - at {where}")
            entries.append((entry.metrics.counts(), at))
        self._project.post(entries, now)
        return _done()

    async def put_commands(self, request: web.Request) -> web.Response:
        """Replace the commands."""
        content = await _content(request)
        _shaped(content, list[wire_v1.Command])
        # As they came: there is more in them than that shape says.
        self._project.commands = _shaped(content, list[dict[str, object]])
        return _done()

    async def votes(self, request: web.Request) -> web.Response:
        """A page of the votes, oldest first; its cursor leads to those that come after it."""
        log, lag = self._world.votes, self._history_lag
        # Without a lag it is all of them, by a clock that was set back as well.
        shown = log.count(lag, self._now()) if lag else len(log)
        if "cursor" in request.query:
            place = _place(request.query["cursor"], end=len(log))
        elif "startDate" in request.query:
            place = log.place(_start(request.query["startDate"], self._now()))
        else:
            raise Refused(400, "startDate or cursor is required")
        page = log.page(place, max(0, min(self._votes_per_page, shown - place)))
        return answer(wire_v1.VotesPage(_cursor(place + len(page)), [_told(vote) for vote in page]))

    async def vote(self, request: web.Request) -> web.Response:
        """The vote of one user, as long as it is valid."""
        source = request.query.get("source", "topgg")
        if source not in {"topgg", "discord"}:
            raise Refused(400, "source must be topgg or discord")
        given = request.match_info["user_id"]
        user_id = given if source == "discord" else discord_id(given)
        if user_id not in self._world.users:
            raise Refused(
                404,
                "The user was not resolved into a valid Top.gg user. The user ID might be"
                " invalid, or the user may have deleted their account.",
                title="User not found",
            )
        vote = self._world.votes.latest(user_id)
        if vote is None or not vote.is_valid(self._now()):
            raise Refused(
                404,
                "The user has not voted for this project within the last 12 hours.",
                title="Vote not found",
            )
        return answer(
            wire_v1.VoteStatus(
                created_at=stamp(vote.at), expires_at=stamp(vote.expires_at), weight=vote.weight
            )
        )


async def _read(request: web.Request, shape: type[T]) -> T:
    return _shaped(await _content(request), shape)


async def _content(request: web.Request) -> object:
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, str(error)) from None


def _shaped(content: object, shape: type[T]) -> T:
    try:
        return msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error)) from None


def _done() -> web.Response:
    return web.Response(status=204)


def _start(text: str, now: datetime) -> datetime:
    """Read a startDate, which is in UTC where it does not say otherwise."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, "startDate must be a time in ISO 8601") from None
    if start.utcoffset() is None:
        start = start.replace(tzinfo=UTC)
    if start < now - LONGEST_HISTORY:
        raise Refused(400, "startDate must be at most a year ago")
    return start


def _cursor(place: int) -> str:
    return urlsafe_b64encode(_CURSOR_MARK + place.to_bytes(_CURSOR_BYTES, "big")).decode()


def _place(cursor: str, *, end: int) -> int:
    """Read a cursor, which is the place of the first vote that was not told yet."""
    try:
        content = b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        content = b""
    mark, place = content[:-_CURSOR_BYTES], int.from_bytes(content[-_CURSOR_BYTES:], "big")
    if mark != _CURSOR_MARK or place > end:
        raise Refused(400, "cursor is not one that was given out")
    return place


def _told(vote: Vote) -> wire_v1.Vote:
    return wire_v1.Vote(
        user_id=topgg_id(vote.user_id),
        platform_id=vote.user_id,
        weight=vote.weight,
        created_at=stamp(vote.at),
        expires_at=stamp(vote.expires_at),
    )
