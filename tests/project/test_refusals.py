"""What top.gg would not take is refused where the call is made, and nothing at all is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import MakeClient
from tests.standin import StandIn, ok, status

from . import ANNOUNCEMENT, USER

Ask = Callable[[Any], Any]
HALF = "half \ud83c a character, and some more"
LOCALES = [
    "en",
    "de",
    "fr",
    "pt",
    "tr",
    "hi",
    "ja",
    "ar",
    "nl",
    "ko",
    "it",
    "es",
    "ru",
    "uk",
    "vi",
    "zh",
]


def ahead(**time: float) -> datetime:
    """So long from now, aware."""
    return datetime.now(UTC) + timedelta(**time)


def case(id: str, ask: Ask, error: type[Exception], says: str = "") -> Any:
    """A call that is refused."""
    return pytest.param(ask, error, says, id=re.sub(" at 0x[0-9a-f]+", "", id))


# --- texts ---

NO_TEXTS: list[Any] = [5, None, True, b"headline", ["headline"], {"en": "headline"}]

PAGES = [
    *(
        case(
            f"headline of {length}", lambda p, n=length: p.edit({"en": "x" * n}), ValueError, "140"
        )
        for length in (0, 1, 2, 141, 5000)
    ),
    *(
        case(
            f"content of {length}",
            lambda p, n=length: p.edit(page_content={"en": "x" * n}),
            ValueError,
            "50,000",
        )
        for length in (0, 299, 50_001)
    ),
    *(
        case(
            f"{name} in {locale!r}", lambda p, a=name, b=locale: p.edit(**{a: {b: "x" * 300}}), kind
        )
        for name in ("headline", "page_content")
        for locale, kind in [(one, ValueError) for one in ("xx", "EN", "en-US", "", 5, None)]
    ),
    *(
        case(f"{name} as {value!r}", lambda p, a=name, v=value: p.edit(**{a: {"en": v}}), TypeError)
        for name in ("headline", "page_content")
        for value in NO_TEXTS
    ),
    *(
        case(
            f"{name} by no locale: {value!r}",
            lambda p, a=name, v=value: p.edit(**{a: v}),
            TypeError,
        )
        for name in ("headline", "page_content")
        for value in ("A headline", 5, ["A headline"], [("en", "A headline")], True)
    ),
    case("no headlines", lambda p: p.edit({}), ValueError),
    case("no contents", lambda p: p.edit({"en": "fine"}, {}), ValueError),
    case("nothing to edit", lambda p: p.edit(), ValueError),
    case("nothing but None", lambda p: p.edit(None, None), ValueError),
    case("one bad of two", lambda p: p.edit({"en": "fine", "de": "no"}), ValueError, "de"),
    case("half a character", lambda p: p.edit({"en": HALF}), ValueError),
    case("half in content", lambda p: p.edit(page_content={"en": HALF * 20}), ValueError),
]

FINE = "A content of some length"
ANNOUNCEMENTS = [
    *(
        case(
            f"title of {length}", lambda p, n=length: p.announce("x" * n, FINE), ValueError, "title"
        )
        for length in (0, 2, 101)
    ),
    *(
        case(
            f"text of {length}",
            lambda p, n=length: p.announce("Fine", "x" * n),
            ValueError,
            "content",
        )
        for length in (0, 9, 2_001)
    ),
    *(
        case(f"title as {value!r}", lambda p, v=value: p.announce(v, FINE), TypeError)
        for value in NO_TEXTS
    ),
    *(
        case(f"text as {value!r}", lambda p, v=value: p.announce("Fine", v), TypeError)
        for value in NO_TEXTS
    ),
    case("half in the title", lambda p: p.announce(HALF, FINE), ValueError),
    case("half in the text", lambda p: p.announce("Fine", HALF), ValueError),
]

# --- numbers ---

METRICS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({}, ValueError),
    ({"server_count": None}, ValueError),
    ({"server_count": 1, "member_count": 1}, ValueError),
    ({"server_count": 1, "player_count": 1}, ValueError),
    ({"shard_count": 1, "online_count": 1}, ValueError),
    ({"online_count": 1, "player_count": 1}, ValueError),
    ({"server_count": 0, "shard_count": 0, "player_count": 0}, ValueError),
    *(
        ({name: value}, kind)
        for name in ("server_count", "shard_count", "member_count", "online_count", "player_count")
        for value, kind in [
            (-1, ValueError),
            (True, TypeError),
            (False, TypeError),
            (1.0, TypeError),
            ("1", TypeError),
            ([1], TypeError),
        ]
    ),
    ({"member_count": 10, "online_count": 11}, ValueError),
    ({"member_count": 0, "online_count": 1}, ValueError),
]
POSTS = [
    *(
        case(f"metrics {values}", lambda p, v=values: p.post_metrics(**v), kind)
        for values, kind in METRICS
    ),
    *(
        case(f"sample of {values}", lambda p, v=values: p.post_metrics_batch([(None, v)]), kind)
        for values, kind in METRICS
    ),
]

GOOD = (None, {"server_count": 1})
BATCHES = [
    *(
        case(f"samples {samples!r}", lambda p, s=samples: p.post_metrics_batch(s), TypeError)
        for samples in (None, 5, "ab", b"ab", {"server_count": 5}, {None: {"server_count": 5}})
    ),
    *(
        case(f"entry {entry!r}", lambda p, e=entry: p.post_metrics_batch([GOOD, e]), TypeError)
        for entry in (
            None,
            5,
            "ab",
            b"ab",
            (),
            (None,),
            (None, {"server_count": 1}, 1),
            ({"server_count": 1}, None),
            {"server_count": 1},
            (None, 5),
            (None, None),
            (None, [("server_count", 1)]),
        )
    ),
    *(
        case(f"at {at!r}", lambda p, at=at: p.post_metrics_batch([(at, GOOD[1])]), TypeError)
        for at in ("2026-01-01T00:00:00Z", 1_750_000_000, 0, date(2026, 1, 1), True)
    ),
    case(
        "unheard-of metric",
        lambda p: p.post_metrics_batch([(None, {"guild_count": 1})]),
        ValueError,
    ),
    case(
        "naive timestamp",
        lambda p: p.post_metrics_batch([(datetime(2026, 1, 1), GOOD[1])]),
        ValueError,
        "timezone",
    ),
    *(
        case(
            f"{minutes:g} minutes ahead",
            lambda p, m=minutes: p.post_metrics_batch([GOOD, (ahead(minutes=m), GOOD[1])]),
            ValueError,
            "5 minutes",
        )
        for minutes in (5.2, 60, 10**6)
    ),
    case(
        "ahead in another time zone",
        lambda p: p.post_metrics_batch(
            [(ahead(minutes=6).astimezone(timezone(timedelta(hours=-11))), GOOD[1])]
        ),
        ValueError,
    ),
    case(
        "the last of many", lambda p: p.post_metrics_batch([GOOD] * 250 + [(None, {})]), ValueError
    ),
]

# --- commands ---


def with_dict(given: Any) -> Any:
    """Something whose `to_dict()` gives that."""
    return SimpleNamespace(to_dict=lambda: given)


class NeedsTree:
    """A command whose `to_dict` wants to know more."""

    def to_dict(self, tree: Any) -> dict[str, Any]:
        return {"name": "play"}


PLAY = {"name": "play"}
COMMANDS = [
    *(
        case(f"commands {given!r}", lambda p, g=given: p.post_commands(g), TypeError)
        for given in (None, 5, "play", b"play", PLAY, True)
    ),
    case("a single object", lambda p: p.post_commands(with_dict(PLAY)), TypeError),
    *(
        case(f"command {given!r}", lambda p, g=given: p.post_commands([PLAY, g]), TypeError)
        for given in (None, 5, "play", ["play"], object())
    ),
    *(
        case(
            f"to_dict gives {given!r}",
            lambda p, g=given: p.post_commands([with_dict(g)]),
            TypeError,
        )
        for given in (None, "play", [PLAY])
    ),
    case(
        "to_dict that is no function",
        lambda p: p.post_commands([SimpleNamespace(to_dict=PLAY)]),
        TypeError,
    ),
    case(
        "to_dict with arguments",
        lambda p: p.post_commands([NeedsTree()]),
        TypeError,
        r"NeedsTree.*fetch_commands\(\)",
    ),
    *(
        case(f"called {given!r}", lambda p, g=given: p.post_commands([PLAY, g]), ValueError, "name")
        for given in ({}, {"description": "x"}, {"name": ""}, {"name": None}, {"name": 5})
    ),
    *(
        case(
            f"not JSON: {value!r}",
            lambda p, v=value: p.post_commands([{"name": "play", "options": [{"x": v}]}]),
            TypeError,
        )
        for value in (object(), 1j, "\ud83c", str)
    ),
]

# --- votes ---

HISTORY = [
    case(
        "naive since",
        lambda p: p.votes(datetime.now() - timedelta(days=1)),
        ValueError,
        r"replace\(tzinfo=timezone\.utc\).*astimezone\(\)",
    ),
    *(
        case(f"{days} days ago", lambda p, d=days: p.votes(ahead(days=-d)), ValueError, "year")
        for days in (367, 1000, 36500)
    ),
    case(
        "before all time", lambda p: p.votes(datetime.min.replace(tzinfo=UTC)), ValueError, "year"
    ),
    *(
        case(f"since {value!r}", lambda p, v=value: p.votes(v), TypeError)
        for value in ("2026-01-01T00:00:00Z", 1_750_000_000, 0, timedelta(days=1), date(2026, 1, 1))
    ),
    case(
        "since beyond UTC",
        lambda p: p.votes(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))),
        ValueError,
        "UTC",
    ),
    case("bad since beside a cursor", lambda p: p.votes("yesterday", cursor="c"), TypeError),
    case("empty cursor", lambda p: p.votes(cursor=""), ValueError),
    case("cursor with half a character", lambda p: p.votes(cursor=HALF), ValueError),
    *(
        case(f"cursor {value!r}", lambda p, v=value: p.votes(cursor=v), TypeError)
        for value in (5, b"c", ["c"], True)
    ),
    *(
        case(
            f"on_cursor {value!r}", lambda p, v=value: p.votes(on_cursor=v), TypeError, "on_cursor"
        )
        for value in (5, "print", [print])
    ),
]
NOBODY: list[tuple[Any, type[Exception]]] = [
    *((value, TypeError) for value in (None, True, 1.0, b"1", [1], {"id": 1}, object())),
    *((value, ValueError) for value in (0, -1, 2**63, "", "0", "abc", "1 ", "-1", "1/..", "@me")),
    *((SimpleNamespace(id=id), TypeError) for id in (None, True, 1.5)),
    *((SimpleNamespace(id=id), ValueError) for id in (0, -1, "x")),
]
EDGES = [
    case(
        "a sample before time",
        lambda p: p.post_metrics_batch(
            [(datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), {"server_count": 1})]
        ),
        ValueError,
        "UTC",
    ),
    case("a command within itself", lambda p: p.post_commands([_endless()]), ValueError, "nested"),
]
VOTE = [
    *(case(f"vote of {who!r}", lambda p, w=who: p.vote(w), kind) for who, kind in NOBODY),
    *(
        case(f"source {value!r}", lambda p, v=value: p.vote(USER, v), ValueError, "source")
        for value in ("", "top.gg", "Discord", None, 5, ["discord"])
    ),
]


def _endless() -> dict[str, Any]:
    command: dict[str, Any] = {"name": "x"}
    command["options"] = [command]
    return command


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [*PAGES, *ANNOUNCEMENTS, *POSTS, *BATCHES, *COMMANDS, *HISTORY, *EDGES, *VOTE],
)
async def test_a_bad_argument_is_refused_where_the_call_is_made(
    ask: Ask, error: type[Exception], says: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """A ValueError or TypeError that says what is wrong, and the server sees no request at all."""
    topgg.default(status(204))
    client = make_client()
    with pytest.raises(error, match=says or None) as caught:
        ask(client.project)
    assert isinstance(caught.value, (TypeError, ValueError))
    assert str(caught.value)
    assert client.session is None
    assert (topgg.seen, topgg.open_connections) == ([], 0)


# --- the other side of each edge ---

EDGES: dict[str, tuple[Ask, Any]] = {
    **{
        f"headline of {length}": (
            lambda p, n=length: p.edit({"en": "é" * n}),
            {"headline": {"en": "é" * length}},
        )
        for length in (3, 140)
    },
    **{
        f"content of {length}": (
            lambda p, n=length: p.edit(page_content={"en": "x" * n}),
            {"page_content": {"en": "x" * length}},
        )
        for length in (300, 50_000)
    },
    "all locales": (
        lambda p: p.edit(dict.fromkeys(LOCALES, "Music")),
        {"headline": dict.fromkeys(LOCALES, "Music")},
    ),
    **{
        f"title of {length}": (
            lambda p, n=length: p.announce("x" * n, FINE),
            {"title": "x" * length, "content": FINE},
        )
        for length in (3, 100)
    },
    **{
        f"text of {length}": (
            lambda p, n=length: p.announce("Fine", "x" * n),
            {"title": "Fine", "content": "x" * length},
        )
        for length in (10, 2_000)
    },
    "metrics of nought": (
        lambda p: p.post_metrics(server_count=0, shard_count=0),
        {"server_count": 0, "shard_count": 0},
    ),
    "None is left out": (
        lambda p: p.post_metrics(None, 3, None, None, None),
        {"shard_count": 3},
    ),
    "None in a sample": (
        lambda p: p.post_metrics_batch([[None, {"server_count": 1, "member_count": None}]]),
        {"data": [{"metrics": {"server_count": 1}}]},
    ),
    "all members online": (
        lambda p: p.post_metrics(member_count=7, online_count=7),
        {"member_count": 7, "online_count": 7},
    ),
    "online alone": (lambda p: p.post_metrics(online_count=7), {"online_count": 7}),
    "command of one letter": (lambda p: p.post_commands([{"name": "x"}]), [{"name": "x"}]),
}


@pytest.mark.parametrize(("ask", "body"), EDGES.values(), ids=EDGES.keys())
async def test_up_to_the_edge_all_is_sent(
    ask: Ask, body: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """What just keeps to a rule goes out as it was given."""
    topgg.default(ok(ANNOUNCEMENT))
    await ask(make_client().project)
    (seen,) = topgg.seen
    assert json.loads(seen.body) == body


@pytest.mark.parametrize("minutes", [-(10**6), -1, 0, 4.8])
async def test_a_sample_may_be_dated_up_to_five_minutes_ahead(
    minutes: float, topgg: StandIn, make_client: MakeClient
) -> None:
    """Clocks differ a little; the past is all right however long ago."""
    topgg.default(status(204))
    at = ahead(minutes=minutes)
    await make_client().project.post_metrics_batch([(at, {"server_count": 1})])
    ((sample,),) = json.loads(topgg.seen[0].body).values()
    assert datetime.fromisoformat(sample["timestamp"]) == at


@pytest.mark.parametrize("days", [364, 1, 0])
async def test_since_may_be_any_time_of_the_last_year(
    days: int, topgg: StandIn, make_client: MakeClient
) -> None:
    """Up to now."""
    topgg.default(json={"cursor": "c", "data": []})
    assert await make_client().project.votes(since=ahead(days=-days)) == []
    assert len(topgg.seen) == 1


async def test_a_year_is_365_days_and_a_moment(topgg: StandIn, make_client: MakeClient) -> None:
    """It is counted from when top.gg hears of it: a year ago as of now is not refused here."""
    topgg.default(json={"cursor": "c", "data": []})
    project = make_client().project
    assert await project.votes(since=ahead(days=-365, seconds=-30)) == []
    with pytest.raises(ValueError, match="year"):
        project.votes(since=ahead(days=-365, seconds=-90))
    assert len(topgg.seen) == 1


@pytest.mark.parametrize("who", [1, "1", 2**63 - 1, str(2**63 - 1)])
async def test_ids_of_all_sizes_are_asked_for(
    who: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """From 1 to 2**63-1."""
    topgg.default(json={})
    assert await make_client().project.vote(who) is not None
    assert topgg.paths == [f"GET /v1/projects/@me/votes/{who}"]
