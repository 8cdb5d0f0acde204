"""The seeded world: all bots and users, and the votes for the bot of the token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from operator import itemgetter
from random import Random

import msgspec
from msgspec import UNSET

from rx_toppy.sandbox.seeding import Seeder
from rx_toppy.sandbox.vote_log import Vote, VoteLog, is_weekend
from rx_toppy.sandbox.wire import Bot, StatsPost, User, Voter

MOST_VOTERS_LISTED = 1000
MONTH = timedelta(days=30)
# Of a history of a given length: nobody can vote more than 600 times in its 300 days.
FEWEST_VOTERS = 300
MOST_VOTES_A_VOTER = 100


class World:
    """What the sandbox knows; the same `rng` and the same `now` give the same world.

    The users and the bots do not depend on `now`, but for the points of the own bot: its
    votes lie in the weeks before `now`, and the weekends among them count double.

    Args:
        rng: Where all chance comes from, now and later.
        bots: How many bots there are, at least one.
        bot_id: The id of the own bot; None picks one of the bots.
        votes: How many votes the own bot has had; None leaves it to chance.
        now: The time at which the world begins.

    Attributes:
        bots: All bots, the most voted of the month first.
        users: All users by id.
        own: The bot that the token belongs to.
        votes: The votes for the own bot.
        posted: The bodies of the stats that were posted for it, newest last.
        counted_at: The time that its counts are of; None when nobody has posted any.
    """

    def __init__(
        self, rng: Random, *, bots: int, bot_id: str | None, votes: int | None, now: datetime
    ) -> None:
        self._rng = rng
        self._seeder = Seeder(rng, taken=[] if bot_id is None else [bot_id])
        self.users: dict[str, User] = {}
        self.posted: list[dict[str, object]] = []
        self.counted_at: datetime | None = None

        ids = self._seeder.bot_ids(bots)
        # One of the older half, so that it was there before its votes were.
        place = rng.randrange((bots + 1) // 2)
        own_id = ids[place] if bot_id is None else bot_id
        ids[place] = own_id
        made = {bot.id: bot for bot in self._make_bots(sorted(ids, key=int))}
        self.own = made[own_id]

        self.votes = VoteLog(
            Vote(voter, at, 2 if is_weekend(at) else 1) for voter, at in self._history(votes, now)
        )
        self._finish_own(now)
        self.bots = Catalogue(sorted(made.values(), key=_monthly_points, reverse=True))
        # Lists beside the dicts: chance can't pick from a dict.
        self._regulars = list(self.votes.voters())
        self._known = list(self.users)

    def cast(self, user_id: str, at: datetime, weight: int, *, now: datetime) -> None:
        """Let a user, who need not be known yet, vote for the own bot, now or before.

        Raises:
            ValueError: There is a newer vote, or the user's last one is not 12 hours old yet.
        """
        self.votes.add(Vote(user_id, at, weight))
        if user_id not in self.users:
            self.users[user_id] = self._seeder.user(user_id)
            self._known.append(user_id)
        self.own.points += weight
        if at >= now - MONTH:
            self.own.monthly_points += weight
        self.bots.changed(self.own, "points", "monthlyPoints")

    def next_voter(self, now: datetime) -> str:
        """Pick somebody who may vote now: mostly a regular, sometimes a new user."""
        fate = self._rng.random()
        pool = self._regulars if fate < 0.7 and self._regulars else self._known
        # Whoever has just voted is passed over; after a few of these somebody new comes.
        for _ in range(8 if fate < 0.9 else 0):
            user_id = self._rng.choice(pool)
            if not self.votes.is_voter(user_id, now):
                return user_id
        return self._seeder.user_id()

    def latest_voters(self) -> list[Voter]:
        """Give the last 1000 voters, newest first, nobody twice."""
        voters = (self.users[user_id] for user_id in self.votes.voters(MOST_VOTERS_LISTED))
        return [Voter(user.username, user.id, user.avatar) for user in voters]

    def post(self, stats: StatsPost, body: dict[str, object], now: datetime) -> None:
        """Take stats that were posted for the own bot; `body` is what they were read from."""
        own = self.own
        own.shards = _shards(stats, own.shards)
        if stats.shard_id is None and isinstance(stats.server_count, int):
            own.server_count = stats.server_count
        else:
            own.server_count = sum(own.shards)
        own.shard_count = stats.shard_count or len(own.shards) or own.shard_count
        self.posted.append(body)
        self.counted_at = now
        self.bots.changed(own, "server_count", "shard_count")

    def count(self, counts: Mapping[str, int], at: datetime) -> None:
        """Take counts of the own bot as v1 names them, which are of the time `at`."""
        own = self.own
        own.server_count = counts.get("server_count", own.server_count)
        own.shard_count = counts.get("shard_count", own.shard_count)
        # What was known of single shards does not add up to these.
        own.shards = []
        self.counted_at = at
        self.bots.changed(own, "server_count", "shard_count")

    def describe(self, shortdesc: str | None, longdesc: str | None) -> None:
        """Give the own bot other descriptions; where there is None, the one that it has stays."""
        own = self.own
        own.shortdesc = own.shortdesc if shortdesc is None else shortdesc
        own.longdesc = own.longdesc if longdesc is None else longdesc
        self.bots.changed(own, "shortdesc", "longdesc")

    def _make_bots(self, ids: Iterable[str]) -> Iterable[Bot]:
        """Make bots and their owners, the oldest first: so no owner is younger than a bot."""
        owners: list[str] = []
        for bot_id in ids:
            if not owners or self._rng.random() < 0.75:
                newcomer = self._seeder.owner(bot_id)
                self.users[newcomer.id] = newcomer
                owners.append(newcomer.id)
                main_owner = newcomer.id
            else:
                main_owner = self._rng.choice(owners)
            helper = self._rng.choice(owners)
            has_helper = helper != main_owner and self._rng.random() < 0.2
            bot = self._seeder.bot(bot_id, [main_owner, helper] if has_helper else [main_owner])
            if bot.certified_bot:
                self.users[main_owner].certified_dev = True
            yield bot

    def _history(self, votes: int | None, now: datetime) -> Iterable[tuple[str, datetime]]:
        """Tell who has voted for the own bot and when, oldest first."""
        if votes is None:
            voters = self._make_voters(30, self._rng.randrange(250, 400))
            return sorted(self._seeder.history(voters, now), key=itemgetter(1))
        count = min(votes, max(FEWEST_VOTERS, ceil(votes / MOST_VOTES_A_VOTER)))
        return self._seeder.steady_history(self._make_voters(0, count), votes, now)

    def _make_voters(self, developers: int, others: int) -> list[str]:
        """Pick who has voted for the own bot so far."""
        voters = list(self.users)[:developers]
        for _ in range(others):
            user_id = self._seeder.user_id()
            self.users[user_id] = self._seeder.user(user_id)
            voters.append(user_id)
        return voters

    def _finish_own(self, now: datetime) -> None:
        """Make the own bot fit its votes; it has posted a server count, but no shards."""
        own = self.own
        # Older votes, which nobody remembers one by one, make up the most of the points.
        own.points = self._rng.randrange(10_000, 50_000) + self.votes.weight()
        own.monthly_points = self.votes.weight(since=now - MONTH)
        own.shards = []
        own.shard_count = UNSET
        if not isinstance(own.server_count, int):
            own.server_count = self._rng.randrange(50, 1000)


def _monthly_points(bot: Bot) -> int:
    return bot.monthly_points


def _shards(stats: StatsPost, known: list[int]) -> list[int]:
    """Tell the count of each shard after `stats`, where `known` were the counts before."""
    if isinstance(stats.server_count, list):
        return stats.server_count
    shards = stats.shards or []
    if stats.shard_id is None:
        return shards
    shards = [*(shards or known)]
    count = stats.shard_count or max(len(shards), stats.shard_id + 1)
    if stats.shard_count is None:
        shards += [0] * (count - len(shards))
    elif len(shards) != count:
        # The bot was split anew: what was known of the old shards says nothing of these.
        shards = [0] * count
    shards[stats.shard_id] = stats.server_count
    return shards


FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Bot)}
"""The wire names of a bot's fields, and the attributes that hold them."""

_BY_LOWERED_NAME = {name.lower(): attribute for name, attribute in FIELDS.items()}
_NOT_SORTABLE = {"tags", "owners", "guilds", "shards"}
_encoder = msgspec.json.Encoder()


class Catalogue:
    """All bots, in an order that stays.

    Sorting and encoding takes longer than sending a page does, so the outcome of both is
    kept; whoever changes a bot says so by `changed`.
    """

    def __init__(self, bots: Iterable[Bot]) -> None:
        self._bots = {bot.id: bot for bot in bots}
        self._sorted: dict[str, list[Bot]] = {"": list(self._bots.values())}
        self._encoded = {bot_id: _encode(bot) for bot_id, bot in self._bots.items()}

    def get(self, bot_id: str) -> Bot | None:
        """Give the bot with this id, if there is one."""
        return self._bots.get(bot_id)

    def sorted(self, sort: str = "") -> Sequence[Bot]:
        """Give all bots by the field `sort`, a wire name; a `-` before it reverses.

        Bots that lack the field come last either way; `""` is the order that stays.

        Raises:
            ValueError: There is no such field, or it can't be sorted by.
        """
        if sort not in self._sorted:
            field = sort.removeprefix("-")
            if field not in FIELDS or field in _NOT_SORTABLE:
                raise ValueError(f"can't sort by {field!r}")
            self._sorted[sort] = self._sort(FIELDS[field], reverse=sort != field)
        return self._sorted[sort]

    def find(self, criteria: Sequence[tuple[str, str]], sort: str = "") -> Sequence[Bot]:
        """Give the bots whose fields hold all of these texts, sorted as by `sorted`.

        Args:
            criteria: Pairs of a field and a text. Case does not matter; a list holds the
                text when one of its items does; a field that no bot has holds nothing.
            sort: As for `sorted`.
        """
        found = self.sorted(sort)
        for field, wanted in criteria:
            attribute = _BY_LOWERED_NAME.get(field.lower())
            if attribute is None:
                return []
            text = wanted.lower()
            found = [bot for bot in found if _holds(getattr(bot, attribute), text)]
        return found

    def encoded(self, bot: Bot) -> msgspec.Raw:
        """Give the bot as JSON."""
        return self._encoded[bot.id]

    def changed(self, bot: Bot, *fields: str) -> None:
        """Hear that these fields, by wire name, of the bot have new values."""
        self._encoded[bot.id] = _encode(bot)
        for field in fields:
            self._sorted.pop(field, None)
            self._sorted.pop(f"-{field}", None)

    def _sort(self, attribute: str, *, reverse: bool) -> list[Bot]:
        keyed = [(_sort_key(attribute, bot), bot) for bot in self._bots.values()]
        having = [pair for pair in keyed if pair[0] is not None]
        having.sort(key=itemgetter(0), reverse=reverse)
        return [bot for _, bot in having] + [bot for key, bot in keyed if key is None]


def _encode(bot: Bot) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(bot))


def _sort_key(attribute: str, bot: Bot) -> str | int | None:
    """Give what orders the bot: one type for all bots, or None where there is nothing."""
    value: object = getattr(bot, attribute)
    if value is None or value is UNSET:
        return None
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text) if attribute in {"id", "clientid"} else text.casefold()


def _holds(value: object, text: str) -> bool:
    if value is None or value is UNSET:
        return False
    if isinstance(value, list):
        return any(_holds(item, text) for item in value)
    return text in str(value).lower()
