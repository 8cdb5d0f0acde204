"""The project of the token: the own bot as v1 knows it, and what was posted for it there."""

from bisect import insort
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import get_args

from rx_toppy.sandbox.ids import topgg_id
from rx_toppy.sandbox.records import Announcement, PostedMetrics
from rx_toppy.sandbox.wire_v1 import Edit, Project, ProjectKind
from rx_toppy.sandbox.world import World

BETWEEN_ANNOUNCEMENTS = timedelta(hours=4)


class OwnProject:
    """What v1 tells and takes for the own bot of a world.

    Args:
        world: Where the bot and its votes are.
        kind: The platform and the type that it goes by.

    Raises:
        ValueError: There is no such kind.

    Attributes:
        kind: The platform and the type.
        headline: The headlines that were set, by locale.
        page_content: The long descriptions that were set, by locale.
        announcements: Those that were accepted, newest last.
        metrics: Those that were posted, by their times, oldest first.
        commands: Those that were put last.
    """

    def __init__(self, world: World, kind: ProjectKind) -> None:
        if kind not in get_args(ProjectKind):
            known = ", ".join(map(repr, get_args(ProjectKind)))
            raise ValueError(f"project must be one of {known}, not {kind!r}")
        self.kind = kind
        self.headline: dict[str, str] = {}
        self.page_content: dict[str, str] = {}
        self.announcements: list[Announcement] = []
        self.metrics: list[PostedMetrics] = []
        self.commands: list[dict[str, object]] = []
        self._world = world
        # Chance of its own: the world's must not be drawn from for this.
        reviews = Random(f"{world.own.id} reviews")
        self._review_score = round(reviews.uniform(3.5, 5), 2)
        self._review_count = reviews.randrange(1, 500)

    def told(self) -> Project:
        """Give what the project's page shows."""
        own = self._world.own
        platform, kind = self.kind.split()
        return Project(
            id=topgg_id(own.id),
            name=own.username,
            type=kind,
            platform=platform,
            headline=own.shortdesc,
            tags=own.tags,
            votes=own.monthly_points,
            votes_total=own.points,
            review_score=self._review_score,
            review_count=self._review_count,
        )

    def edit(self, edit: Edit) -> None:
        """Set texts by locale; those of other locales stay."""
        self.headline.update(edit.headline.items())
        self.page_content.update(edit.page_content.items())
        self._world.describe(_shown(self.headline), _shown(self.page_content))

    def wait(self, now: datetime) -> timedelta:
        """Tell how long it is until the next announcement may be made; 0 for not at all."""
        if not self.announcements:
            return timedelta()
        return max(timedelta(), self.announcements[-1].created_at + BETWEEN_ANNOUNCEMENTS - now)

    def announce(self, announcement: Announcement) -> None:
        """Keep an announcement that was accepted."""
        self.announcements.append(announcement)

    def post(
        self, entries: Iterable[tuple[dict[str, int], datetime | None]], now: datetime
    ) -> None:
        """Take metrics: those without a time first, in their order, then the others by time.

        Those of a bot show in it, but for the ones with a time that is older than what the
        bot has posted last.
        """
        undated: list[PostedMetrics] = []
        dated: list[PostedMetrics] = []
        for metrics, at in entries:
            posted = PostedMetrics(now if at is None else at, metrics)
            insort(self.metrics, posted, key=_timestamp)
            (undated if at is None else dated).append(posted)
        if self.kind != "discord bot":
            return
        for posted in undated:
            self._world.count(posted.metrics, now)
        for posted in sorted(dated, key=_timestamp):
            if self._world.counted_at is None or posted.timestamp >= self._world.counted_at:
                self._world.count(posted.metrics, posted.timestamp)


def _shown(texts: dict[str, str]) -> str | None:
    """Pick the text to show: the English one, or the first that was set."""
    return texts.get("en", next(iter(texts.values()), None))


def _timestamp(posted: PostedMetrics) -> datetime:
    return posted.timestamp
