"""`rx-toppy demo`: a local top.gg, a bot that grows, and a client whose streams are composed.

The pipelines come first: they are what a bot of one's own would have. What they find goes back onto
`client.events`, as events of the demo's own, so that one stream tells all that happens; the lines,
the board and the summary are three readers of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from itertools import accumulate, islice, repeat, takewhile
from operator import attrgetter
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TextIO

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from .api.limits import DEFAULT_RATE_LIMITS
from .bots import StandaloneBot
from .client import TopGG
from .errors import ToppyError
from .events import AutopostEvent, AutopostFailed, Event, PostEvent, RequestEvent
from .models import Bot, SimpleUser
from .operators import map_async, of_type
from .sandbox import Sandbox

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.layout import Layout

__all__ = ["run"]

SEED = 2
BOTS = 600
VOTES_PER_MINUTE = 24.0
FIRST_COUNT = 1_204
TOP = 10
UNLISTED = 110_373_943_822_540_800

# Seconds. All of this together keeps well below the 60 requests a minute.
POST_EVERY = 3.0
VOTERS_EVERY = 4.0
PAGE_EVERY = 4.0
TOP_EVERY = 30.0
BUDGET_EVERY = 10.0
FRAME_EVERY = 0.2

WIDE = 110  # columns, from which on the panels stand beside the events

BUDGET = DEFAULT_RATE_LIMITS[1]
MINUTE = timedelta(minutes=1)


# --- the pipelines -------------------------------------------------------------------------------


class Started(Event, frozen=True):
    """The sandbox listens."""

    url: str


class Growth(Event, frozen=True):
    """How many servers more (or less) than in the last post."""

    servers: int


class Spent(Event, frozen=True):
    """How many requests each route has had so far."""

    routes: Counter[str]


class Voted(Event, frozen=True):
    """Somebody voted."""

    name: str
    bio: str


class Page(Event, frozen=True):
    """A bot's page, as it is now."""

    bot: Bot


class NoPage(Event, frozen=True):
    """A bot's page could not be had."""

    id: int
    error: Exception


class Top(Event, frozen=True):
    """The certified bots with the most votes of the month."""

    bots: list[Bot]


def growth(client: TopGG) -> Observable[Growth]:
    """What each post tells that the one before did not.

    ```
    events: --Post(10)--Request--Post(12)--Post(12)--Post(19)-->
    growth: ---------------------+2------------------+7-------->
    ```
    """
    return client.events.pipe(
        of_type(PostEvent),
        ops.map(attrgetter("stats.server_count")),
        ops.pairwise(),
        ops.starmap(lambda before, now: Growth(now - before)),
        ops.filter(attrgetter("servers")),
    )


def spending(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Spent]:
    """What eats the budget: a counter that is carried along, looked at now and then."""

    def one_more(counts: Counter[str], route: str) -> Counter[str]:
        return counts + Counter([route])

    return client.events.pipe(
        of_type(RequestEvent),
        ops.map(route_of),
        ops.scan(one_more, Counter[str]()),
        ops.sample(BUDGET_EVERY, scheduler=scheduler),
        ops.map(Spent),
    )


def route_of(event: RequestEvent) -> str:
    """A request's method and route."""
    return f"{event.method} {event.route}"


def votes(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Voted]:
    """Who has voted since the last look: the list of voters has the newest first.

    `exclusive` drops a tick that comes while a call still runs; without it a slow answer would be
    overtaken. A call that fails is skipped: its `RequestEvent` has told of it.
    """

    def look(_: int) -> Observable[list[SimpleUser]]:
        return client.fetch_votes().pipe(ops.catch(rx.empty()))

    async def greet(voter: SimpleUser) -> Voted:
        # A bot would give its reward here. An error would end the pipeline, so none leaves.
        bio = None
        with suppress(ToppyError):
            bio = (await client.fetch_user(voter)).bio
        return Voted(voter.username or str(voter.id), bio or "")

    return rx.timer(0.0, VOTERS_EVERY, scheduler=scheduler).pipe(
        ops.map(look),
        ops.exclusive(),
        ops.pairwise(),
        ops.starmap(_newcomers),
        ops.flat_map(rx.from_iterable),
        map_async(greet, max_concurrent=4),
    )


def _newcomers(before: list[SimpleUser], now: list[SimpleUser]) -> list[SimpleUser]:
    """Those who voted between two looks, in the order in which they did."""
    known = before[0].id if before else None
    return list(takewhile(lambda voter: voter.id != known, now))[::-1]


def pages(
    client: TopGG, ids: Sequence[int], scheduler: abc.SchedulerBase
) -> Observable[Page | NoPage]:
    """The pages of some bots, one after another for ever.

    One of them is not listed. An error that is caught inside, before the calls flow together, is a
    value like any other: the pipeline goes on.
    """

    def look(turn: int) -> Observable[Page | NoPage]:
        id = ids[turn % len(ids)]
        page: Observable[Page | NoPage] = client.fetch_bot(id).pipe(ops.map(Page))
        return page.pipe(ops.catch(lambda error, _: rx.of(NoPage(id, error))))

    return rx.timer(0.0, PAGE_EVERY, scheduler=scheduler).pipe(ops.map(look), ops.exclusive())


def top(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Top]:
    """The most voted of the certified bots: `take` stops the fetching as soon as it has them."""
    certified = client.bulk_fetch_bots(BOTS, sort="-monthlyPoints").pipe(
        ops.filter(attrgetter("certified")),
        ops.take(TOP),
        ops.to_list(),
        ops.map(Top),
        ops.catch(rx.empty()),
    )

    def look(_: int) -> Observable[Top]:
        return certified

    return rx.timer(1.0, TOP_EVERY, scheduler=scheduler).pipe(ops.map(look), ops.exclusive())


def growing(rng: Random) -> Callable[[], int]:
    """A count of servers that is a little higher now and then, for `StandaloneBot` to call."""
    steps = (rng.choice((-2, 0, 0, 1, 3, 5, 8, 13)) for _ in repeat(None))
    return accumulate(steps, initial=FIRST_COUNT).__next__


# --- the demo itself -----------------------------------------------------------------------------


def run(seconds: float | None = None) -> None:
    """Runs it until the time is over, or until Ctrl-C; then tells what happened.

    It is a board that changes in a terminal, where rich is installed, and plain lines elsewhere.

    Raises:
        OSError: what it shows can't be written any more.
    """
    board = Board(seconds)
    # Made out here: a world takes its time, in which no loop should stand still.
    sandbox = Sandbox(seed=SEED, bots=BOTS, votes_per_minute=VOTES_PER_MINUTE)
    with suppress(KeyboardInterrupt), _view(sys.stdout, board) as view:
        asyncio.run(_play(sandbox, board, view))
    board.ended = _now()
    sys.stdout.write(_writable(board.summary(), sys.stdout.encoding))
    sys.stdout.flush()


async def _play(sandbox: Sandbox, board: Board, view: Lines | Screen) -> None:
    loop = asyncio.get_running_loop()
    scheduler = AsyncIOScheduler(loop)
    over: asyncio.Future[None] = loop.create_future()

    def show(action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            if not over.done():
                over.set_exception(error)

    with _ended_by_signals(loop, over):
        async with sandbox:
            bot = StandaloneBot(sandbox.bot_id, server_count=growing(Random(SEED)))
            client = TopGG(bot, token=sandbox.token, base_url=sandbox.base_url, interval=POST_EVERY)

            def tick(_: int) -> None:
                board.next_post = client.autopost.next_iteration
                show(view.refresh)

            async with client:
                client.events.subscribe(board.add)
                client.events.subscribe(lambda event: show(lambda: view.show(event)))
                client.events.on_next(Started(url=sandbox.base_url))
                found = rx.merge(
                    growth(client),
                    spending(client, scheduler),
                    votes(client, scheduler),
                    pages(client, [sandbox.bot_id, UNLISTED], scheduler),
                    top(client, scheduler),
                )
                frames = rx.interval(FRAME_EVERY, scheduler=scheduler)
                with found.subscribe(client.events), frames.subscribe(tick), suppress(TimeoutError):
                    await asyncio.wait_for(over, board.seconds)


@contextmanager
def _ended_by_signals(
    loop: asyncio.AbstractEventLoop, over: asyncio.Future[None]
) -> Iterator[None]:
    """Ctrl-C and SIGTERM are an end like any other."""

    def end() -> None:
        if not over.done():
            over.set_result(None)

    with ExitStack() as undone:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, end)
                undone.callback(loop.remove_signal_handler, number)
            except NotImplementedError:  # Windows
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
                undone.callback(signal.signal, number, before)
        yield


def _now() -> datetime:
    return datetime.now(UTC)


# --- what is told of an event --------------------------------------------------------------------


@singledispatch
def told(event: Any) -> tuple[str, str]:
    """An event's kind and what it says, in ASCII as far as that is up to us."""
    return type(event).__name__.lower(), ""


@told.register
def _(event: Started) -> tuple[str, str]:
    return "sandbox", f"listens at {event.url}"


@told.register
def _(event: RequestEvent) -> tuple[str, str]:
    status = "---" if event.status is None else event.status
    return "request", f"{route_of(event):<22}  {status}  {1000 * event.elapsed:5.1f} ms"


@told.register
def _(event: PostEvent) -> tuple[str, str]:
    return "post", counted(int(event.stats), "server")


@told.register
def _(_event: AutopostEvent) -> tuple[str, str]:
    return "autopost", f"done; the next post is due in {POST_EVERY:g} s"


@told.register
def _(event: AutopostFailed) -> tuple[str, str]:
    return "failed", f"{event.error}; again in {event.retry_in:.0f} s"


@told.register
def _(event: Growth) -> tuple[str, str]:
    return "growth", f"{counted(event.servers, 'server', '+,')} since the last post"


@told.register
def _(event: Spent) -> tuple[str, str]:
    shares = ", ".join(f"{count} {route}" for route, count in event.routes.most_common())
    return "spent", shares


@told.register
def _(event: Voted) -> tuple[str, str]:
    return "vote", event.name + (f": {event.bio}" if event.bio else "")


@told.register
def _(event: Page) -> tuple[str, str]:
    return "page", f"{event.bot.username} has {event.bot.monthly_votes or 0:,} votes this month"


@told.register
def _(event: NoPage) -> tuple[str, str]:
    return "no page", f"{type(event.error).__name__} {event.id}; the stream goes on"


@told.register
def _(event: Top) -> tuple[str, str]:
    return "top", ", ".join(f"{bot.username} {bot.monthly_votes or 0:,}" for bot in event.bots[:4])


def counted(number: int, what: str, form: str = ",") -> str:
    """As in "1 server" and "2 servers"."""
    return f"{number:{form}} {what}{'' if abs(number) == 1 else 's'}"


# --- what is kept of all events ------------------------------------------------------------------


class Board:
    """What has happened so far.

    Args:
        seconds: When it ends by itself, None for never.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.began = self.ended = _now()
        self.url = ""
        self.page: Bot | None = None
        self.next_post: datetime | None = None
        self.log: deque[tuple[datetime, str, str]] = deque(maxlen=200)
        self.servers: list[int] = []
        self.posts = 0
        self.failures = 0
        self.statuses: Counter[int | None] = Counter()
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
        self.statuses[event.status] += 1
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
        statuses = ", ".join(
            f"{count} x {'no answer' if status is None else status}"
            for status, count in self.statuses.most_common()
        )
        servers = "none posted"
        if self.servers:
            first, last = self.servers[0], self.servers[-1]
            servers = f"{first:,} -> {last:,} ({last - first:+,})"
        return (
            f"The demo ran for {_duration(self.ended - self.began)}.\n"
            f"  posts       {self.posts}, and {self.failures} failed\n"
            f"  servers     {servers}\n"
            f"  requests    {sum(self.statuses.values())}{': ' if statuses else ''}{statuses}\n"
            f"  new voters  {self.votes}\n"
        )


def _duration(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"


# --- lines, for pipes ----------------------------------------------------------------------------


class Lines:
    """A line for each event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        """Writes the event's line, at once."""
        kind, what = told(event)
        line = f"{event.at.astimezone():%H:%M:%S}  {kind:<8}  {what}".rstrip()
        self._out.write(_writable(line + "\n", self._out.encoding))
        self._out.flush()

    def refresh(self) -> None:
        """Nothing: what is written stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _writable(text: str, encoding: str | None) -> str:
    """The text with a question mark for each character that the encoding does not have."""
    encoding = encoding or "utf-8"  # a StringIO has none
    return text.encode(encoding, "replace").decode(encoding)


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")


def _view(out: TextIO, board: Board) -> Lines | Screen:
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(out)
    try:
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write("For the demo as a live board: pip install 'rx_toppy[cli]'\n")
        return Lines(out)
    return Screen(out, board)


# --- the board, for terminals --------------------------------------------------------------------

Pieces = Sequence[str | tuple[str, str]]
"""A text in pieces, those with a style as `(text, style)`."""

Row = tuple[Pieces, Pieces]
"""A line: what is on its left, and cut where there is no room, and what is on its right."""

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*%#"

STYLES = {
    "request": "dim",
    "post": "green",
    "autopost": "cyan",
    "failed": "bold red",
    "growth": "bold green",
    "spent": "yellow",
    "vote": "magenta",
    "no page": "red",
    "page": "blue",
    "top": "blue",
}


class Screen:
    """The board, drawn anew several times a second; the terminal's own content comes back."""

    def __init__(self, out: TextIO, board: Board) -> None:
        from rich.console import Console
        from rich.live import Live

        self._board = board
        # Its own refresher would draw on a thread, while the loop changes the board.
        console = Console(file=out, highlight=False)
        self._live = Live(self, console=console, screen=True, auto_refresh=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield drawn(self._board, console)

    def show(self, event: Event) -> None:
        """Nothing: the next frame has it."""

    def refresh(self) -> None:
        """Draws a frame."""
        self._live.refresh()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()


def drawn(board: Board, console: Console) -> Layout:
    """The board as it is now, to fill the console."""
    from rich.layout import Layout
    from rich.panel import Panel

    now = _now()
    blocks = BLOCKS if _is_unicode(console.encoding) else ASCII_BLOCKS

    def area(rows: Rows, title: str = "", **size: Any) -> Layout:
        content = _Area(rows, console.encoding)
        frame = Panel(content, title=f"[not dim]{title}[/]", title_align="left", border_style="dim")
        return Layout(frame if title else content, **size)

    def split(*parts: Layout, as_row: bool, **size: Any) -> Layout:
        layout = Layout(**size)
        (layout.split_row if as_row else layout.split_column)(*parts)
        return layout

    is_wide = console.width >= WIDE
    head = area(lambda _: [_head(board, now)], size=1)
    events = area(lambda size: _events(board, size), "events")
    servers = area(lambda size: _servers(board, now, size, blocks), "servers")
    requests = area(lambda size: _requests(board, now, size, blocks), "requests")
    voters = area(lambda size: _voters(board, now), "new voters")
    best = area(lambda size: _top(board), "top certified bots")
    if is_wide:
        servers.size, requests.size = 9, 8
        side = split(servers, requests, voters, best, as_row=False, size=46)
        body = split(events, side, as_row=True)
    else:
        upper = split(servers, requests, as_row=True, size=7)
        lower = split(voters, best, as_row=True, size=6)
        body = split(events, upper, lower, as_row=False)
    return split(head, body, as_row=False)


class Size(NamedTuple):
    """How much room there is, in characters."""

    width: int
    height: int


Rows = Callable[[Size], Iterable[Row]]


class _Area:
    """Lines that are made to fit, once it is known how much room there is."""

    def __init__(self, rows: Rows, encoding: str) -> None:
        self._rows = rows
        self._encoding = encoding
        self._overflow: Literal["crop", "ellipsis"] = (
            "ellipsis" if _is_unicode(encoding) else "crop"
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        size = Size(options.max_width, options.height or options.max_height)
        lines = []
        for left, right in islice(self._rows(size), size.height):
            tail = Text.assemble(*right)
            line = Text.assemble(*left)
            line.plain = _writable(line.plain, self._encoding)
            room = max(0, size.width - tail.cell_len)
            line.truncate(room, overflow=self._overflow, pad=True)
            lines.append(line + tail)
        yield Text("\n", no_wrap=True, overflow="crop").join(lines)


def _head(board: Board, now: datetime) -> Row:
    elapsed = _clock(now - board.began)
    if board.seconds is not None:
        elapsed += f" of {_clock(timedelta(seconds=board.seconds))}"
    name = board.page.username or "" if board.page else ""
    address = board.url.removeprefix("http://")
    left = (" rx_toppy  ", "bold cyan"), (f"{name}  ", "bold"), (address, "dim")
    return left, ("  ", (elapsed, "bold"), ("  Ctrl-C ends it ", "dim"))


def _clock(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


def _events(board: Board, size: Size) -> Iterator[Row]:
    for at, kind, what in list(board.log)[-size.height :]:
        time = f"{at.astimezone():%H:%M:%S}  "
        yield ((time, "dim"), (f"{kind:<8}  ", STYLES.get(kind, "")), what), ()


def _servers(board: Board, now: datetime, size: Size, blocks: str) -> Iterator[Row]:
    counts = board.servers
    if not counts:
        yield [("nothing posted yet", "dim")], ()
        return
    gained = counts[-1] - counts[0]
    change = f"  {gained:+,}", "bold red" if gained < 0 else "bold green"
    failed = f", {board.failures} failed" if board.failures else ""
    count = (counted(counts[-1], "server"), "bold")
    yield (count, change), (counted(board.posts, "post"), (failed, "bold red"))
    for line in sparkline(counts, size.width, size.height - 2, blocks):
        yield [(line, "green")], ()
    left = max(0.0, (board.next_post - now).total_seconds()) if board.next_post else None
    yield [("posting" if left is None else f"the next post in {left:.0f} s", "dim")], ()


def _requests(board: Board, now: datetime, size: Size, blocks: str) -> Iterator[Row]:
    spent = board.spent(now)
    tail = f"  {spent} of {BUDGET.calls} a minute"
    room = max(0, size.width - len(tail) - len("budget  "))
    filled = min(room, round(room * spent / BUDGET.calls))
    bar = (blocks[-1] * filled, "yellow"), (blocks[1] * (room - filled), "dim")
    yield ("budget  ", *bar), [tail]
    for route, count in board.routes.most_common():
        mean = f"{1000 * board.elapsed[route] / count:.1f} ms"
        yield [route], ((f"{count:>5}", "bold"), (f"{mean:>9}", "dim"))


def _voters(board: Board, now: datetime) -> Iterator[Row]:
    if not board.voters:
        yield [("nobody yet", "dim")], ()
    for vote in board.voters:
        ago = f"  {(now - vote.at).total_seconds():.0f} s ago"
        yield ((f"{vote.name:<17}  ", "magenta"), vote.bio), [(ago, "dim")]


def _top(board: Board) -> Iterator[Row]:
    if not board.top:
        yield [("not known yet", "dim")], ()
    for place, bot in enumerate(board.top, 1):
        yield [f"{place:>2}  {bot.username}"], [(f"  {bot.monthly_votes or 0:,}", "bold")]


def sparkline(values: Sequence[int], width: int, height: int, blocks: str) -> list[str]:
    """The newest of the values as columns, the least of them low and the greatest of them high.

    Args:
        values: At least one.
        width: Characters there are; each value takes two.
        height: Lines there are.
        blocks: Nine characters, from an empty one to a full one.
    """
    shown = values[-max(1, width // 2) :]
    low, high = min(shown), max(shown)
    steps = 8 * height - 1
    levels = [1 + round(steps * (value - low) / (high - low or 1)) for value in shown]
    return [
        "".join(2 * blocks[max(0, min(8, level - 8 * row))] for level in levels)
        for row in reversed(range(height))
    ]
