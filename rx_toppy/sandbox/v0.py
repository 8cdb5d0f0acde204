"""The routes of the v0 API."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from aiohttp import web

from rx_toppy.sandbox.responses import Refused, answer
from rx_toppy.sandbox.wire import Bot, Page, Stats, StatsPost
from rx_toppy.sandbox.world import FIELDS, World

DEFAULT_PAGE = 50
LARGEST_PAGE = 500


class V0:
    """Answers what v0 is asked about a world.

    Args:
        world: What there is to tell.
        now: Gives the time, aware.
        is_weekend: Tells whether votes count double now.
    """

    def __init__(
        self, world: World, now: Callable[[], datetime], is_weekend: Callable[[], bool]
    ) -> None:
        self._world = world
        self._now = now
        self._is_weekend = is_weekend

    def routes(self, base: str) -> list[web.RouteDef]:
        """Give the routes, which lie under the path `base`."""
        return [
            web.get(f"{base}/bots", self.bots),
            web.get(f"{base}/bots/{{id}}", self.bot),
            web.get(f"{base}/bots/{{id}}/votes", self.votes),
            web.get(f"{base}/bots/{{id}}/check", self.check),
            web.get(f"{base}/bots/{{id}}/stats", self.stats),
            web.post(f"{base}/bots/{{id}}/stats", self.post_stats),
            web.get(f"{base}/users/{{id}}", self.user),
            web.get(f"{base}/weekend", self.weekend),
        ]

    async def bots(self, request: web.Request) -> web.Response:
        """A page of the bots that `search` finds; a `limit` above 500 counts as 500."""
        query = request.query
        limit = min(_count(query.get("limit"), "limit", DEFAULT_PAGE), LARGEST_PAGE)
        offset = _count(query.get("offset"), "offset", 0)
        criteria = _criteria(query.get("search", ""))
        try:
            found = self._world.bots.find(criteria, query.get("sort", ""))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        page = found[offset : offset + limit]
        results = self._results(page, query.get("fields", ""))
        return answer(Page(results, limit, offset, len(page), len(found)))

    async def bot(self, request: web.Request) -> web.Response:
        """One bot."""
        return answer(self._world.bots.encoded(self._bot(request)))

    async def votes(self, request: web.Request) -> web.Response:
        """The last 1000 voters of the own bot."""
        self._own_bot(request)
        return answer(self._world.latest_voters())

    async def check(self, request: web.Request) -> web.Response:
        """Whether a user has voted; only the own bot has votes, so 0 for any other."""
        bot = self._bot(request)
        user_id = request.query.get("userId", "")
        if not (user_id.isascii() and user_id.isdigit()):
            raise Refused(400, "userId must be the id of a user")
        voted = bot is self._world.own and self._world.votes.is_voter(user_id, self._now())
        return answer({"voted": int(voted)})

    async def stats(self, request: web.Request) -> web.Response:
        """The counts that a bot has posted."""
        bot = self._bot(request)
        return answer(Stats(bot.server_count, bot.shards, bot.shard_count))

    async def post_stats(self, request: web.Request) -> web.Response:
        """Take the counts of the own bot; a request without a body changes nothing."""
        self._own_bot(request)
        content = await request.read()
        if content:
            try:
                stats = msgspec.json.decode(content, type=StatsPost)
                body = msgspec.json.decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Refused(400, str(error)) from None
            self._world.post(stats, body, self._now())
        return answer({})

    async def user(self, request: web.Request) -> web.Response:
        """One user."""
        user = self._world.users.get(request.match_info["id"])
        if user is None:
            raise Refused(404, "Not Found")
        return answer(user)

    async def weekend(self, _: web.Request) -> web.Response:
        """Whether votes count double."""
        return answer({"is_weekend": self._is_weekend()})

    def _bot(self, request: web.Request) -> Bot:
        bot = self._world.bots.get(request.match_info["id"])
        if bot is None:
            raise Refused(404, "Not Found")
        return bot

    def _own_bot(self, request: web.Request) -> Bot:
        bot = self._bot(request)
        if bot is not self._world.own:
            raise Refused(403, "Forbidden")
        return bot

    def _results(self, bots: Iterable[Bot], fields: str) -> list[msgspec.Raw]:
        if not fields:
            return [self._world.bots.encoded(bot) for bot in bots]
        wanted = {"id", *(field.strip() for field in fields.split(","))}
        names = [name for name in FIELDS if name in wanted]
        return [msgspec.Raw(msgspec.json.encode(_restricted(bot, names))) for bot in bots]


def _restricted(bot: Bot, names: Iterable[str]) -> dict[str, object]:
    values = {name: getattr(bot, FIELDS[name]) for name in names}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def _count(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    # More digits than these no list is long: past them int() itself refuses at some point.
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused(400, f"{name} must be a whole number, at least 0")
    return int(text)


def _criteria(search: str) -> list[tuple[str, str]]:
    """Take `key: value, key: value` apart; a comma may be in a value, unless a key follows."""
    criteria: list[tuple[str, str]] = []
    for part in search.split(",") if search.strip() else []:
        key, colon, value = part.partition(":")
        if colon:
            criteria.append((key.strip(), value.strip()))
        elif criteria:
            key, value = criteria[-1]
            criteria[-1] = (key, f"{value},{part.rstrip()}")
        else:
            raise Refused(400, "search must be of the form 'key: value, key: value'")
    return criteria
