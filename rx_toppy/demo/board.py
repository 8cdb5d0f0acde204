"""What is kept of all events."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import UTC, datetime, timedelta

from ..api.limits import DEFAULT_RATE_LIMITS
from ..events import AutopostFailed, Event, PostEvent, RequestEvent
from ..models import Bot
from .pipelines import Page, Started, Top, Voted, route_of
from .telling import told

__all__ = ["BUDGET", "Board"]

BUDGET = DEFAULT_RATE_LIMITS[1]
MINUTE = timedelta(minutes=1)


class Board:
    """What has happened so far.

    Args:
        seconds: When it ends by itself, None for never.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.began = self.ended = datetime.now(UTC)
        self.url = ""
        self.page: Bot | None = None
        self.next_post: datetime | None = None
        self.log: deque[tuple[datetime, str, str]] = deque(maxlen=200)
        self.servers: list[int] = []
        self.posts = 0
        self.failures = 0
        self.answers: Counter[str] = Counter()
        self.routes: Counter[str] = Counter()
        self.elapsed: defaultdict[str, float] = defaultdict(float)
        self.voters: deque[Voted] = deque(maxlen=50)
        self.votes = 0
        self.top: list[Bot] = []
        self._counted: deque[datetime] = deque()

    def add(self, event: Event) -> None:
        """Takes one event in."""
        self.log.append((event.at, *told(event)))
        match event:
            case Started():
                self.url = event.url
            case RequestEvent():
                self._add_request(event)
            case PostEvent():
                self.posts += 1
                self.servers.append(int(event.stats))
            case AutopostFailed():
                self.failures += 1
            case Voted():
                self.votes += 1
                self.voters.appendleft(event)
            case Page():
                self.page = event.bot
            case Top():
                self.top = event.bots

    def _add_request(self, event: RequestEvent) -> None:
        route = route_of(event)
        # Without an error nobody waited for the answer any more: the demo had come to its end.
        missing = "given up" if event.error is None else "no answer"
        self.answers[missing if event.status is None else str(event.status)] += 1
        self.routes[route] += 1
        self.elapsed[route] += event.elapsed
        if event.route.startswith(BUDGET.prefix):
            self._counted.append(event.at)

    def spent(self, now: datetime) -> int:
        """How many requests of the last minute the budget counts."""
        while self._counted and self._counted[0] <= now - MINUTE:
            self._counted.popleft()
        return len(self._counted)

    def summary(self) -> str:
        """What is left to say at the end, in a few lines."""
        answers = ", ".join(f"{count} x {what}" for what, count in self.answers.most_common())
        servers = "none posted"
        if self.servers:
            first, last = self.servers[0], self.servers[-1]
            servers = f"{first:,} -> {last:,} ({last - first:+,})"
        return (
            f"The demo ran for {_duration(self.ended - self.began)}.\n"
            f"  posts       {self.posts}, and {self.failures} failed\n"
            f"  servers     {servers}\n"
            f"  requests    {self.answers.total()}{': ' if answers else ''}{answers}\n"
            f"  new voters  {self.votes}\n"
        )


def _duration(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"
