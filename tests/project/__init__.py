"""The tests of `client.project`, and what they share: sample bodies, calls, a vote history."""

from __future__ import annotations

import asyncio
import functools
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from rx_toppy import StandaloneBot, TopGG
from tests.conftest import OWN_ID, TOKEN
from tests.standin import Answer, Reply, Seen, StandIn, ok, status
from tests.virtual import run_virtual

PATIENCE = 60.0  # of no matter where nothing hangs
AT = "/v1/projects/@me"
USER = 661200758510977084

PROJECT: dict[str, Any] = {
    "id": "218109768489992192",
    "name": "Miki",
    "type": "bot",
    "platform": "discord",
    "headline": "A great bot with tons of features!",
    "tags": ["anime", "economy", "fun", "leveling"],
    "votes": 1120,
    "votes_total": 313389,
    "review_score": 4.38,
    "review_count": 62245,
}
VOTES: list[dict[str, Any]] = [
    {
        "user_id": "800506814562787328",
        "platform_id": "1461830808796139662",
        "weight": 2,
        "created_at": "2026-01-17T23:36:06.34732Z",
        "expires_at": "2026-01-18T11:36:06.34732Z",
    },
    {
        "user_id": "8226924471638491136",
        "platform_id": str(USER),
        "weight": 1,
        "created_at": "2026-02-25T22:35:36.978392Z",
        "expires_at": "2026-02-26T10:35:36.978392Z",
    },
]
STATUS = {
    "created_at": "2026-02-09T00:47:14.2510149+00:00",
    "expires_at": "2026-02-09T12:47:14.2510149+00:00",
    "weight": 2,
}
ANNOUNCEMENT = {
    "title": "Version 2",
    "content": "Playlists are here.",
    "created_at": "2026-02-09T00:47:14Z",
}
NOT_VOTED = {
    "title": "User not found",
    "status": 404,
    "detail": "The user was not resolved into a valid Top.gg user.",
}


def problem(code: int, title: str, detail: str) -> Reply:
    """An error as top.gg's v1 API words it."""
    body = {"type": "about:blank", "title": title, "status": code, "detail": detail}
    return status(code, headers={"Content-Type": "application/problem+json"}, json=body)


# --- the calls ---


@dataclass(frozen=True)
class Case:
    """A call, what it puts on the wire, what it is answered, and what it emits of that."""

    name: str
    make: Callable[[Any], Any]
    method: str
    target: str
    body: Any = None
    answers: tuple[Reply, ...] = (status(204),)
    emits: tuple[Any, ...] = (None,)
    shape: Callable[[Any], Any] = lambda value: value
    """What is compared of a value."""
    is_paged: bool = False
    ends: str | None = None
    """The target of a last request, of one that goes on until there is nothing more."""

    @property
    def path(self) -> str:
        """The path below the base URL."""
        return self.target.removeprefix("/api").partition("?")[0]

    @property
    def targets(self) -> list[str]:
        """All that is asked for."""
        return [self.target, *([self.ends] if self.ends else [])]

    def answer(self, topgg: Any) -> None:
        """Has a stand-in answer it properly, any number of times."""
        first, last = self.answers[0], self.answers[-1]
        topgg.reply(
            f"{self.method} {self.path}", lambda seen: last if seen.target == self.ends else first
        )

    def values(self, given: Any) -> list[Any]:
        """What was emitted, of what awaiting it gave."""
        return [self.shape(value) for value in (given if self.is_paged else [given])]


HEADLINE = {"en": "Music — and no ads", "de": "Musik ohne Werbung 🎵"}
CONTENT = {"zh": "音" * 300}
COMMANDS = [{"name": "play", "description": "Plays “it”", "options": [{"type": 3, "name": "what"}]}]

CASES = [
    Case(
        "fetch",
        lambda p: p.fetch(),
        "GET",
        "/api/v1/projects/@me",
        answers=(ok(PROJECT),),
        emits=((218109768489992192, "Miki", 1120),),
        shape=lambda project: (project.id, project.name, project.votes),
    ),
    Case(
        "edit the headline",
        lambda p: p.edit(HEADLINE),
        "PATCH",
        "/api/v1/projects/@me",
        {"headline": HEADLINE},
    ),
    Case(
        "edit the content",
        lambda p: p.edit(page_content=CONTENT),
        "PATCH",
        "/api/v1/projects/@me",
        {"page_content": CONTENT},
    ),
    Case(
        "edit both",
        lambda p: p.edit(headline=HEADLINE, page_content=CONTENT),
        "PATCH",
        "/api/v1/projects/@me",
        {"headline": HEADLINE, "page_content": CONTENT},
    ),
    Case(
        "announce",
        lambda p: p.announce("Version 2", 'Playlists — "here".\n'),
        "POST",
        "/api/v1/projects/@me/announcements",
        {"title": "Version 2", "content": 'Playlists — "here".\n'},
        answers=(ok(ANNOUNCEMENT),),
        emits=(("Version 2", "Playlists are here.", "2026-02-09T00:47:14+00:00"),),
        shape=lambda it: (it.title, it.content, it.created_at.isoformat()),
    ),
    Case(
        "post_metrics of a bot",
        lambda p: p.post_metrics(1204, 2),
        "PATCH",
        "/api/v1/projects/@me/metrics",
        {"server_count": 1204, "shard_count": 2},
    ),
    Case(
        "post_metrics of a server",
        lambda p: p.post_metrics(member_count=10, online_count=10),
        "PATCH",
        "/api/v1/projects/@me/metrics",
        {"member_count": 10, "online_count": 10},
    ),
    Case(
        "post_metrics of a game",
        lambda p: p.post_metrics(player_count=0),
        "PATCH",
        "/api/v1/projects/@me/metrics",
        {"player_count": 0},
    ),
    Case(
        "post_metrics_batch",
        lambda p: p.post_metrics_batch([(None, {"server_count": 5}), (None, {"shard_count": 1})]),
        "POST",
        "/api/v1/projects/@me/metrics/batch",
        {"data": [{"metrics": {"server_count": 5}}, {"metrics": {"shard_count": 1}}]},
    ),
    Case(
        "post_commands",
        lambda p: p.post_commands(COMMANDS),
        "PUT",
        "/api/v1/projects/@me/commands",
        COMMANDS,
    ),
    Case(
        "post_commands of none",
        lambda p: p.post_commands([]),
        "PUT",
        "/api/v1/projects/@me/commands",
        [],
    ),
    Case(
        "votes",
        lambda p: p.votes(cursor="b+/=% &"),
        "GET",
        "/api/v1/projects/@me/votes?cursor=b%2B%2F%3D%25%20%26",
        answers=(ok({"cursor": "next", "data": VOTES}), ok({"cursor": "next", "data": []})),
        emits=((1461830808796139662, 2), (USER, 1)),
        shape=lambda vote: (vote.platform_id, vote.weight),
        is_paged=True,
        ends="/api/v1/projects/@me/votes?cursor=next",
    ),
    Case(
        "vote",
        lambda p: p.vote(USER),
        "GET",
        f"/api/v1/projects/@me/votes/{USER}?source=discord",
        answers=(ok(STATUS),),
        emits=((2, "2026-02-09T12:47:14"),),
        shape=lambda vote: (vote.weight, vote.expires_at.isoformat()[:19]),
    ),
    Case(
        "vote of a top.gg user",
        lambda p: p.vote(SimpleNamespace(id=str(USER)), source="topgg"),
        "GET",
        f"/api/v1/projects/@me/votes/{USER}?source=topgg",
        answers=(problem(404, "User not found", "They have not voted."),),
    ),
]


def canonical(body: bytes) -> bytes:
    """JSON with nothing left to choose, so that equal bytes mean equal values of equal types."""
    return json.dumps(json.loads(body), sort_keys=True).encode()


async def awaited(call: Any) -> Any:
    """The value or the error."""
    try:
        return await call
    except Exception as error:
        return error


@dataclass
class Heard:
    """All that a subscriber was told, in order."""

    values: list[Any] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)


async def subscribed(call: Any) -> Heard:
    """Subscribes, and waits for the end."""
    heard, over = Heard(), asyncio.Event()

    def end(*error: Exception) -> None:
        heard.ends.extend(error or ["completed"])
        over.set()

    call.subscribe(heard.values.append, end, end)
    async with asyncio.timeout(PATIENCE):
        await over.wait()
    return heard


def assert_no_token(*things: object) -> None:
    """In nothing that a user may come to see, and in no error behind another."""
    said: list[str] = []
    errors = [thing for thing in things if isinstance(thing, BaseException)]
    for error in errors:
        errors += [e for e in (error.__cause__, error.__context__) if e and e not in errors]
        said += [*traceback.format_exception(error), repr(error.args), repr(vars(error))]
    said += [form(thing) for thing in (*things, *errors) for form in (repr, str)]
    pieces = {TOKEN[at : at + 12] for at in range(len(TOKEN) - 11)}
    assert not [text for text in said if any(piece in text for piece in pieces)]


# --- virtual time ---


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[tuple[StandIn, TopGG]]:
    """A stand-in and a client of it, for tests that run their own loop."""
    async with StandIn() as topgg, new_client(topgg.base_url, **options) as client:
        yield topgg, client


def new_client(base_url: str, **options: Any) -> TopGG:
    """A client without autopost."""
    options = {"token": TOKEN, "autopost": False} | options
    return TopGG(StandaloneBot(OWN_ID, server_count=1), base_url=base_url, **options)


# --- the vote history ---


def vote(number: int) -> dict[str, Any]:
    """A vote of somebody's, told from all others by its voter's id."""
    return VOTES[0] | {"user_id": str(10**6 + number), "platform_id": str(number)}


def pages_of(count: int, size: int, first: int = 1) -> list[list[Any]]:
    """So many votes, in pages."""
    numbers = range(first, first + count)
    return [[vote(n) for n in numbers[at : at + size]] for at in range(0, count, size)]


class Ledger:
    """A vote history: pages, and the cursors before, between and behind them."""

    def __init__(
        self, pages: Sequence[Sequence[Any]], cursors: Sequence[str] | None = None
    ) -> None:
        self.pages = [list(page) for page in pages]
        self.cursors = list(cursors or [f"cursor {n}" for n in range(len(pages) + 1)])

    def append(self, page: Sequence[Any]) -> None:
        """More votes come in."""
        self.cursors.append(f"cursor {len(self.cursors)}")
        self.pages.append(list(page))

    def __call__(self, seen: Seen) -> Answer:
        """The page behind the cursor that is asked for, or the first."""
        asked = seen.query.get("cursor")
        if (asked is None) != ("startDate" in seen.query):
            return problem(422, "Unprocessable", "one of startDate and cursor is required")
        if asked is not None and asked not in self.cursors:
            return problem(422, "Unprocessable", "no such cursor")
        place = 0 if asked is None else self.cursors.index(asked)
        if place == len(self.pages):
            return ok({"cursor": self.cursors[place], "data": []})
        return ok({"cursor": self.cursors[place + 1], "data": self.pages[place]})


def voters(votes: Sequence[Any]) -> list[int]:
    """Whose votes they are."""
    return [vote.platform_id for vote in votes]
