"""What a notebook shows of a client, in any state. It never raises, nor starts anything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rx_toppy import RateLimit, Ratelimited, StandaloneBot, TopGG, ToppyError
from rx_toppy.display import html_of
from tests.conftest import OWN_ID, TOKEN, MakeClient
from tests.display import HOSTILE, Page
from tests.standin import StandIn, ThreadedStandIn, fault, ok

BOT = {"id": "1"}
CLOCK = r"\d\d:\d\d:\d\d UTC"


def facts_of(client: TopGG) -> dict[str, str]:
    """What is known of a client: labels and values, limits and what is left of them."""
    html = html_of(client)
    assert TOKEN not in html
    assert "Bearer" not in html
    page = Page(html)
    labels, values, *limits = page.cells
    known = dict(zip(labels, values, strict=True)) | {"": page.text}
    return known | {name: f"{left}, {free}" for name, left, free in limits[1:]}


def ends_up(text: str, pattern: str) -> bool:
    """Whether a text is as a pattern says, wherever it has a time of day."""
    return re.fullmatch(pattern.replace("CLOCK", CLOCK), text) is not None


def test_a_client_that_was_never_used() -> None:
    """Without a loop: everything is left, nothing was sent, and nothing begins."""
    client = TopGG(StandaloneBot(OWN_ID, server_count=5), token=TOKEN)
    known = facts_of(client)
    assert ends_up(known[""].partition("Requests")[0], f"TopGG for {OWN_ID} open at CLOCK")
    assert known["Requests sent"] == "0"
    assert known["Autopost"] == "begins with the bot, every 30 min"
    assert known["100 in 1 s"] == "100 of 100, now"
    assert known["60 in 1 min to /bots"] == "60 of 60, now"
    assert client.session is None
    assert not client.autopost.is_running()


async def test_a_client_in_use(make_client: MakeClient, topgg: StandIn) -> None:
    """How much was sent, repetitions and failures among it, and what that leaves."""
    topgg.script("/bots/1", fault.status(404), ok(BOT))
    client = make_client(rate_limits=[RateLimit(3, per=60, prefix="/bots")])
    with suppress(ToppyError):
        await client.fetch_bot(1)
    await client.fetch_bot(1)
    known = facts_of(client)
    assert known["Requests sent"] == "2 (1 failed)"
    assert known["3 in 1 min to /bots"] == "1 of 3, now"
    assert known["Waiting calls"] == "0"
    assert known["Autopost"] == "stopped"


async def test_a_client_with_nothing_left(make_client: MakeClient, topgg: StandIn) -> None:
    """When the next place is free, as far as anybody can know, and who waits for it."""
    topgg.script("/bots/1", fault.hang(), ok(BOT))
    client = make_client(rate_limits=[RateLimit(1, per=7200)], max_wait=None)
    hanging = asyncio.ensure_future(client.fetch_bot(1))
    await topgg.arrived(1)
    assert facts_of(client)["1 in 2 h"] == "0 of 1, when an answer has come"
    hanging.cancel()
    await asyncio.wait([hanging])
    waiting = asyncio.ensure_future(client.fetch_bot(1))
    await asyncio.sleep(0)
    known = facts_of(client)
    assert ends_up(known["1 in 2 h"], r"0 of 1, (\d+-\d+-\d+ )?CLOCK \(in 2 h\)")
    assert known["Waiting calls"] == "1"
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_blocked_client(make_client: MakeClient, topgg: StandIn) -> None:
    """Until when a 429 forbids everything; then no place is any earlier."""
    topgg.default(fault.rate_limited(1800))
    client = make_client()
    with suppress(Ratelimited):
        await client.fetch_bot(1)
    known = facts_of(client)
    assert re.search(rf"Blocked by a 429 until .*{CLOCK} \(in 30 min\)", known[""])
    assert re.fullmatch(rf"59 of 60, .*{CLOCK} \(in 30 min\)", known["60 in 1 min to /bots"])


async def test_a_block_of_one_route(make_client: MakeClient, topgg: StandIn) -> None:
    """An announcement too many forbids announcements, and nothing else."""
    topgg.default(fault.rate_limited(4 * 3600))
    client = make_client()
    with suppress(Ratelimited):
        await client.project.announce("A title", "And what it is about")
    known = facts_of(client)
    blocked = rf"announcements is blocked by a 429 until .*{CLOCK} \(in 4 h\)"
    assert re.search(blocked, known[""])
    assert known["100 in 1 s"].endswith(", now")


async def test_a_closed_client(make_client: MakeClient, topgg: StandIn) -> None:
    """It says so, and what was sent; what could be sent matters no more."""
    topgg.default(ok(BOT))
    client = make_client(autopost=True)
    await client.fetch_bot(1)
    await client.close()
    known = facts_of(client)
    assert "closed" in known[""]
    assert known["Requests sent"].startswith(("1", "2"))
    assert known["Autopost"] == "stopped"
    assert "100 in 1 s" not in known


async def test_autopost_says_when(make_client: MakeClient, topgg: StandIn) -> None:
    """What it posted last, and when it posts next."""
    topgg.default(ok({}))
    client = make_client(interval=5400.0)
    assert "Next post" not in facts_of(client)
    client.autopost.start()
    assert facts_of(client)["Next post"] == "under way, or waits for the bot"
    while client.autopost.next_iteration is None:
        await asyncio.sleep(0.01)
    known = facts_of(client)
    assert known["Autopost"] == "running, every 1 h 30 min"
    assert ends_up(known["Last post"], "CLOCK: 1,234 servers")
    assert re.fullmatch(rf".*{CLOCK} \(in 1 h 30 min\)", known["Next post"])


async def test_it_starts_nothing(make_client: MakeClient, topgg: StandIn) -> None:
    """No request, no session, no task."""
    client = make_client(autopost=False)
    before = asyncio.all_tasks()
    facts_of(client)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert client.session is None
    assert topgg.seen == []


def test_after_its_loop_has_gone() -> None:
    """Between two `asyncio.run`, and when it is used again."""
    with ThreadedStandIn() as topgg:
        topgg.default(ok(BOT))
        bot = StandaloneBot(OWN_ID, server_count=5)
        client = TopGG(bot, token=TOKEN, base_url=topgg.base_url)

        async def use() -> None:
            await client.fetch_bot(1)

        asyncio.run(use())
        known = facts_of(client)
        assert known["60 in 1 min to /bots"].endswith(" of 60, now")
        sent = int(known["Requests sent"].split()[0])
        asyncio.run(use())
        assert int(facts_of(client)["Requests sent"].split()[0]) > sent
        asyncio.run(client.close())


async def test_from_another_thread(make_client: MakeClient, topgg: StandIn) -> None:
    """While calls are under way on the client's loop."""
    topgg.default(ok(BOT))
    client = make_client(rate_limits=[RateLimit(10_000, per=60)])
    calls = asyncio.gather(*[client.fetch_bot(1) for _ in range(50)])
    while not calls.done():
        await asyncio.to_thread(facts_of, client)
    await calls
    assert facts_of(client)["Requests sent"] == "50"


class Odd:
    """A bot of which little is certain."""

    def __init__(self, user: Callable[[], Any]) -> None:
        self._user = user
        self.guilds: list[Any] = []

    @property
    def user(self) -> Any:
        return self._user()

    def __repr__(self) -> str:
        return f"<Odd {TOKEN}>"


class Named:
    """A bot's user."""

    def __init__(self, id: Any, name: Any) -> None:
        self.id = id
        self.name = name


def boom() -> Any:
    raise RuntimeError("not logged in")


@pytest.mark.parametrize("user", [lambda: None, boom, object])
def test_a_bot_without_a_user(user: Callable[[], Any]) -> None:
    """It has not logged in, or has another idea of what a user is."""
    client = TopGG(Odd(user), token=TOKEN, autopost=False)
    assert "for a bot without a user yet" in facts_of(client)[""]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bot_with_a_hostile_name(name: str) -> None:
    """A bot's own name, and the prefix of a limit, are text like any other."""
    text = HOSTILE[name]
    limits = [RateLimit(1, per=0.5, prefix=text)] * 50
    bot = Odd(lambda: Named(5, text))
    client = TopGG(bot, token=TOKEN, autopost=False, rate_limits=limits)
    html = html_of(client)
    Page(html)
    assert len(html) < 20_000


def test_limits_of_any_size() -> None:
    """However long and however many."""
    limits = [RateLimit(10**20, per=1e300), RateLimit(1, per=1e-9)]
    client = TopGG(Odd(boom), token=TOKEN, interval=1e15, rate_limits=limits)
    assert "10¹⁵ or more" in facts_of(client)[""]
