"""What is kept of all events, whatever finds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from ...api.rate_limits import DEFAULT_RATE_LIMITS
from ...events import AutopostFailed, Event, PollFailed, RequestEvent
from ...models import Bot
from .finding import Page, Voted, route_of
from .panels import Panel, Place, Row
from .telling import told

BUDGET = DEFAULT_RATE_LIMITS[1]
MINUTE = timedelta(minutes=1)


class Board(ABC):
    """What has happened so far.

    Attributes:
        name: What it shows, in a word.

    Args:
        seconds: When it ends by itself, None for never.
        url: Where top.gg is.
    """

    name: ClassVar[str]

    def __init__(self, seconds: float | None = None, url: str = "") -> None:
        self.seconds = seconds
        self.began = self.ended = datetime.now(UTC)
        self.url = url
        self.page: Bot | None = None
        self.log: deque[tuple[datetime, str, str]] = deque(maxlen=200)
        self.servers: list[int] = []
        self.failures = 0
        self.answers: Counter[str] = Counter()
        self.routes: Counter[str] = Counter()
        self.elapsed: defaultdict[str, float] = defaultdict(float)
        self.voters: deque[Voted] = deque(maxlen=50)
        self.votes = 0
        self._counted: deque[datetime] = deque()

    def add(self, event: Event) -> None:
        """Takes one event in."""
        self.log.append((event.at, *told(event)))
        match event:
            case RequestEvent():
                self._add_request(event)
            case AutopostFailed() | PollFailed():
                self.failures += 1
            case Voted():
                self.votes += 1
                self.voters.appendleft(event)
            case Page():
                self.page = event.bot

    def refresh(self) -> None:  # noqa: B027  # not all have such
        """Looks at what no event tells of."""

    def _add_request(self, event: RequestEvent) -> None:
        route = route_of(event)
        # Without an error nobody waited for the answer any more: it had come to its end.
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

    def summary(self) -> Iterable[str]:
        """What is left to say at the end, line by line."""
        answers = ", ".join(f"{count} x {what}" for what, count in self.answers.most_common())
        yield f"The {self.name} ran for {_duration(self.ended - self.began)}."
        for what, result in (
            *self.results(),
            ("requests", f"{self.answers.total()}{': ' if answers else ''}{answers}"),
            ("new voters", f"{self.votes}"),
        ):
            yield f"  {what:<10}  {result}"

    @abstractmethod
    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""

    @abstractmethod
    def panels(self) -> Sequence[Panel]:
        """Four parts to draw beside the events."""


def requests(board: Board, place: Place) -> Iterator[Row]:
    """How much of the budget is used, and by which routes."""
    spent = board.spent(place.now)
    tail = f"  {spent} of {BUDGET.calls} a minute"
    room = max(0, place.width - len(tail) - len("budget  "))
    filled = min(room, round(room * spent / BUDGET.calls))
    bar = (place.blocks[-1] * filled, "yellow"), (place.blocks[1] * (room - filled), "dim")
    yield ("budget  ", *bar), [tail]
    for route, count in board.routes.most_common():
        mean = f"{1000 * board.elapsed[route] / count:.1f} ms"
        yield [route], ((f"{count:>5}", "bold"), (f"{mean:>9}", "dim"))


def voters(board: Board, place: Place) -> Iterator[Row]:
    """Who has voted, and how long ago."""
    if not board.voters:
        yield [("nobody yet", "dim")], ()
    for vote in board.voters:
        ago = f"  {(place.now - vote.at).total_seconds():.0f} s ago"
        yield ((f"{vote.name:<17}  ", "magenta"), vote.about), [(ago, "dim")]


def change(counts: Sequence[int], none: str) -> str:
    """How a count went, from its first value to its last; `none` where it has none."""
    if not counts:
        return none
    first, last = counts[0], counts[-1]
    return f"{first:,} -> {last:,} ({last - first:+,})"


def _duration(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"
