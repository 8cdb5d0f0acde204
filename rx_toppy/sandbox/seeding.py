"""Makes up believable bots, users and votes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random
from typing import TypeVar

from msgspec import UNSET, UnsetType

from rx_toppy.sandbox import words
from rx_toppy.sandbox.checks import MAX_ID
from rx_toppy.sandbox.vote_log import COOLDOWN
from rx_toppy.sandbox.wire import Bot, User

T = TypeVar("T")

# Times are milliseconds since 1970. They are fixed, so that a seed gives the same bots on any day.
DISCORD_EPOCH = 1_420_070_400_000


def _milliseconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)


FIRST_USER = _milliseconds(2015, 6)
FIRST_BOT = _milliseconds(2016, 6)
LAST_BOT = _milliseconds(2026, 2)
LAST_ADDED = _milliseconds(2026, 4)

HOUR = 3_600_000
MOST_SERVERS = 15_000_000
MOST_SHARDS_POSTED = 64
VOTES_A_VOTER = 5.0
MOST_AGO = timedelta(days=300)


def created(snowflake: str) -> int:
    """When a Discord id was made, in milliseconds since 1970."""
    return (int(snowflake) >> 22) + DISCORD_EPOCH


class Seeder:
    """Draws from `rng` whatever the sandbox needs; no id twice.

    Args:
        rng: All chance comes from here: the same state gives the same data.
        taken: Ids that are in use already.
    """

    def __init__(self, rng: Random, taken: Sequence[str] = ()) -> None:
        self._rng = rng
        self._taken = set(taken)

    def bot_ids(self, count: int) -> list[str]:
        """Give ids of `count` bots, the oldest first."""
        return sorted((self._id(FIRST_BOT, LAST_BOT) for _ in range(count)), key=int)

    def bot(self, bot_id: str, owners: list[str]) -> Bot:
        """Make up a bot; a fame that it draws decides votes, servers and certification."""
        chance = self._rng.random
        fame = self._rng.gauss(0, 1)
        tag = self._pick(tuple(words.THEMES))
        names, deeds = words.THEMES[tag]
        name = self._bot_name(names)
        prefix = self._pick(words.PREFIXES)
        points = int(exp(5.2 + 2.4 * fame))
        servers = min(MOST_SERVERS, int(exp(4.5 + 1.6 * fame + self._rng.gauss(0, 1))))
        shards = servers // 1000 + 1
        knows_servers = chance() < 0.85
        posts_shards = knows_servers and shards <= MOST_SHARDS_POSTED and chance() < 0.1
        site = f"https://{name.replace(' ', '').lower()}.example"
        first, second = self._rng.sample(deeds, 2)
        opening = self._pick(words.OPENINGS)
        return Bot(
            id=bot_id,
            username=name,
            discriminator=f"{1 + int(chance() * 9999):04d}",
            avatar=self._avatar(),
            def_avatar=self._maybe(self._pick(words.DEFAULT_AVATARS), 0.7),
            lib=self._maybe(self._pick(words.LIBRARIES), 0.6),
            prefix=prefix,
            shortdesc=opening.format(name=name, tag=tag.lower(), first=first, second=second),
            longdesc=self._maybe(self._long_description(name, prefix, deeds), 0.95),
            tags=[tag, *self._more_tags(tag)],
            website=self._maybe(site, 0.45),
            support=self._maybe(self._code(7), 0.8),
            github=self._maybe(f"https://github.com/{self._user_name()}/{name.split()[0]}", 0.25),
            owners=owners,
            guilds=[self._id(FIRST_USER, LAST_BOT) for _ in range(int(chance() ** 3 * 4))],
            invite=self._pick(("", "", f"{site}/invite")),
            date=self._added(bot_id),
            server_count=servers if knows_servers else self._nothing(),
            shard_count=shards if knows_servers and chance() < 0.8 else self._nothing(),
            shards=self._split(servers, shards) if posts_shards else [],
            certified_bot=chance() < (0.6 if fame > 1.8 else 0.15 if fame > 1.0 else 0.002),
            vanity=self._maybe(name.replace(" ", "").lower(), 0.5 if fame > 1.5 else 0.02),
            points=points,
            monthly_points=int(points * chance() ** 2 * 0.05),
            donatebotguildid=self._id(FIRST_USER, LAST_BOT) if chance() < 0.05 else "",
            clientid=bot_id,
        )

    def owner(self, bot_id: str) -> User:
        """Make up a user who was there before the bot was."""
        born = created(bot_id)
        return self.user(self._id(min(FIRST_USER, born - HOUR), born))

    def user_id(self) -> str:
        """Make up the id of a user who is not there yet."""
        return self._id(FIRST_USER, LAST_BOT)

    def user(self, user_id: str) -> User:
        """Make up the user with this id."""
        self._taken.add(user_id)
        chance = self._rng.random
        name = self._user_name()
        staff = chance() < 0.004
        return User(
            id=user_id,
            username=name,
            # Most have given up the four digits for a name that nobody else has.
            discriminator="0" if chance() < 0.8 else f"{1 + int(chance() * 9999):04d}",
            avatar=self._avatar(),
            def_avatar=self._pick(words.DEFAULT_AVATARS),
            bio=self._maybe(self._pick(words.BIOS), 0.35),
            banner=self._maybe(f"https://images.example/{self._code(10)}.png", 0.1),
            social=dict(self._socials(name)),
            color=self._maybe(self._pick(words.COLOURS), 0.3),
            supporter=chance() < 0.02,
            mod=staff,
            web_mod=staff and chance() < 0.4,
            admin=staff and chance() < 0.15,
        )

    def history(self, voters: Sequence[str], now: datetime) -> Iterator[tuple[str, datetime]]:
        """Tell who voted when until `now`, voter by voter.

        A fifth has voted within the last 12 hours, half of them within the last month.
        """
        for voter in voters:
            ago = MOST_AGO * self._rng.random() ** 4
            for _ in range(1 + int(self._rng.expovariate(1 / VOTES_A_VOTER))):
                yield voter, now - ago
                ago += COOLDOWN + timedelta(hours=self._rng.expovariate(1 / 24))

    def steady_history(
        self, voters: Sequence[str], votes: int, now: datetime
    ) -> Iterator[tuple[str, datetime]]:
        """Tell who voted when until `now`: so many votes, oldest first, as many on any day.

        Everybody votes in turn, so that 12 hours are always between the votes of one user
        where there are 300 votes or more, and a voter for each 100 of them.
        """
        half = len(voters) // 2
        first, second = list(voters[:half]), list(voters[half:])
        step = MOST_AGO.total_seconds() / max(votes, 1)
        turn: list[str] = []
        for place in range(votes):
            if place % len(voters) == 0:
                # Another order in each turn, but never the last of one as the first of the next.
                self._rng.shuffle(first)
                self._rng.shuffle(second)
                turn = first + second
            ago = (votes - place - self._rng.random()) * step
            yield turn[place % len(voters)], now - timedelta(seconds=ago)

    def _id(self, first: int, last: int) -> str:
        """Make up an id that no other has, of something that was made between two times."""
        while True:
            moment = first + int(self._rng.random() * (last - first))
            number = max(moment - DISCORD_EPOCH, 0) << 22 | self._rng.getrandbits(22)
            snowflake = str(min(number, MAX_ID))
            if number and snowflake not in self._taken:
                self._taken.add(snowflake)
                return snowflake

    def _added(self, bot_id: str) -> str:
        """Tell when a bot came to top.gg: after a while of building and of review."""
        waited = HOUR + int(self._rng.expovariate(1 / (30 * 24 * HOUR)))
        moment = min(max(created(bot_id), FIRST_BOT) + waited, LAST_ADDED)
        at = datetime.fromtimestamp(moment // 1000, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03d}Z"

    def _pick(self, items: Sequence[T]) -> T:
        # A good deal quicker than Random.choice, and there is a lot to choose.
        return items[int(self._rng.random() * len(items))]

    def _nothing(self) -> UnsetType | None:
        return None if self._rng.random() < 0.5 else UNSET

    def _maybe(self, value: T, likelihood: float) -> T | UnsetType | None:
        return value if self._rng.random() < likelihood else self._nothing()

    def _avatar(self) -> str | UnsetType | None:
        hexadecimal = f"{self._rng.getrandbits(128):032x}"
        animated = self._rng.random() < 0.1
        return self._maybe(f"a_{hexadecimal}" if animated else hexadecimal, 0.9)

    def _code(self, length: int) -> str:
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
        return "".join([self._pick(alphabet) for _ in range(length)])

    def _bot_name(self, names: Sequence[str]) -> str:
        name = self._pick(words.STEMS)
        kind = self._rng.random()
        if kind < 0.3:
            return f"{name} {self._pick(names)}"
        if kind < 0.6:
            return f"{self._pick(words.ADJECTIVES).title()}{self._pick(names)}"
        return f"{name} Bot" if kind < 0.8 else name

    def _user_name(self) -> str:
        name = self._pick(words.ADJECTIVES) + self._pick(("", "_", ".")) + self._pick(words.NOUNS)
        return name if self._rng.random() < 0.4 else f"{name}{int(self._rng.random() * 1000)}"

    def _long_description(self, name: str, prefix: str, deeds: Sequence[str]) -> str:
        lines = [f"# {name}", "", f"With **{name}** you can", ""]
        lines += [f"- {deed}" for deed in deeds]
        lines += ["", "## Commands", ""]
        for _ in range(2 + int(self._rng.random() * 8)):
            command = self._pick(words.NOUNS)
            lines.append(f"* `{prefix}{command} <{self._pick(words.NOUNS)}>`")
        lines += ["", self._pick(words.CLOSINGS).format(prefix=prefix)]
        return "\r\n".join(lines)

    def _more_tags(self, tag: str) -> list[str]:
        tags = {self._pick(words.MORE_TAGS), self._pick(tuple(words.THEMES))} - {tag}
        return sorted(tags)[: int(self._rng.random() * 3)]

    def _socials(self, name: str) -> Iterator[tuple[str, str]]:
        for site in ("youtube", "reddit", "twitter", "instagram", "github"):
            if self._rng.random() < 0.12:
                yield site, self._pick((name, f"@{name}", ""))

    def _split(self, servers: int, shards: int) -> list[int]:
        """Spread servers over shards as evenly as Discord does: by ids, so almost."""
        counts = [servers // shards] * shards
        for _ in range(shards):
            giver, taker = int(self._rng.random() * shards), int(self._rng.random() * shards)
            given = int(counts[giver] * self._rng.random() * 0.1)
            counts[giver] -= given
            counts[taker] += given
        counts[0] += servers - sum(counts)
        return counts
