"""`bulk_fetch_bots`: page by page, as they are wanted, some of them ahead of the reader."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops

from rx_toppy import Bot, InvalidResponse, TopGG, TopGGServerError
from rx_toppy.api.pagination import DEEPEST, PAGE, Depth
from tests.standin import Answer, Seen, StandIn, delay, hang, ok, status, wait

from .conftest import NewClient, virtual
from .helpers import PATIENCE, Catalogue, Heard, offsets, page, settled, tasks_left, turns

LATENCY = 0.15  # long enough that pages ahead pay off, whatever a page of these tests is to decode


def ids(bots: Any) -> list[int]:
    """Their ids."""
    return [bot.id for bot in bots]


async def read(bots: Any, count: int) -> list[int]:
    """The ids of the first bots; the iteration is left open."""
    async with asyncio.timeout(PATIENCE):
        return [(await anext(bots)).id for _ in range(count)]


def later(catalogue: Catalogue) -> Answer:
    """Pages of the catalogue, after a while."""
    return delay(LATENCY, catalogue)


# --- what is asked for ---


@pytest.mark.parametrize(
    ("limit", "offset", "asked"),
    [
        (1, 0, [(1, 0)]),
        (500, 0, [(500, 0)]),
        (501, 0, [(500, 0), (1, 500)]),
        (1_200, 0, [(500, 0), (500, 500), (200, 1_000)]),
        (700, 1_250, [(500, 1_250), (200, 1_750)]),
    ],
)
async def test_what_is_asked_for(
    limit: int, offset: int, asked: list[tuple[int, int]], client: TopGG, server: StandIn
) -> None:
    """Pages of 500 from the offset on, the last one as small as it takes; and no more."""
    catalogue = Catalogue(3_000)
    server.reply("GET /bots", catalogue)
    assert ids(await client.bulk_fetch_bots(limit, offset)) == catalogue.ids[offset:][:limit]
    pages = [(int(seen.query["limit"]), int(seen.query["offset"])) for seen in server.seen]
    assert sorted(pages, key=lambda page: page[1]) == asked


async def test_500_by_default(client: TopGG, server: StandIn) -> None:
    """Without a limit it is one page of 500."""
    server.reply("GET /bots", Catalogue(3_000))
    assert len(await client.bulk_fetch_bots()) == 500
    assert len(server.seen) == 1


async def test_search_and_sort_are_of_every_page(client: TopGG, server: StandIn) -> None:
    """`search` and `sort` go along with every page."""
    server.reply("GET /bots", Catalogue(3_000))
    await client.bulk_fetch_bots(1_500, search={"tags": "music"}, sort="-points")
    assert [(s.query["search"], s.query["sort"]) for s in server.seen] == [
        ("tags: music", "-points")
    ] * 3


async def test_none_at_all(client: TopGG, server: StandIn) -> None:
    """A limit of 0 is empty, in all three ways, and asks nobody."""
    nothing = client.bulk_fetch_bots(0)
    heard = Heard()
    nothing.subscribe(heard)
    await heard.over()
    assert (heard.values, heard.errors, heard.completed) == ([], [], 1)
    assert await nothing == []
    assert [bot async for bot in nothing] == []
    assert server.seen == []


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"limit": -1}, ValueError),
        ({"offset": -1}, ValueError),
        ({"limit": "5"}, TypeError),
        ({"limit": 1.5}, TypeError),
        ({"limit": True}, TypeError),
        ({"search": 1}, TypeError),
        ({"sort": 1}, TypeError),
    ],
    ids=str,
)
async def test_bad_arguments(
    arguments: dict[str, Any], kind: type[Exception], client: TopGG, server: StandIn
) -> None:
    """Bad arguments are refused where the call is made."""
    with pytest.raises(kind):
        client.bulk_fetch_bots(**arguments)
    assert server.seen == []


# --- as they are wanted ---


@virtual
async def test_the_first_page_comes_alone(client: TopGG, server: StandIn) -> None:
    """A reader that takes 500 or fewer costs one request, however slow the network is."""
    server.reply("GET /bots", later(Catalogue(10_000)))
    bots = aiter(client.bulk_fetch_bots(10_000))
    await read(bots, 500)
    await server.idle()
    assert not tasks_left()
    assert offsets(server) == [0]
    await bots.aclose()
    assert offsets(server) == [0]


@pytest.mark.parametrize("count", [1, 499, 500])
async def test_taking_no_more_than_a_page(count: int, client: TopGG, server: StandIn) -> None:
    """Subscribed to, `ops.take` of 500 or fewer costs one request too."""
    server.reply("GET /bots", Catalogue(10_000))
    heard = Heard()
    client.bulk_fetch_bots(10_000).pipe(ops.take(count)).subscribe(heard)
    await heard.over()
    await settled()
    assert (len(heard.values), heard.completed) == (count, 1)
    assert offsets(server) == [0]


async def test_filter_and_take(client: TopGG, server: StandIn) -> None:
    """The design's example: what is found on the first page costs one request."""
    server.reply("GET /bots", Catalogue(10_000))
    found = client.bulk_fetch_bots(5_000).pipe(
        ops.filter(lambda bot: bot.id % 40 == 0), ops.take(10), ops.to_list()
    )
    assert ids(await found) == [1_000 + 40 * n for n in range(10)]
    await settled()
    assert offsets(server) == [0]


@virtual
async def test_pages_ahead_hide_the_latency(client: TopGG, server: StandIn) -> None:
    """A reader that goes on over a slow network has several pages under way, but not many."""
    waiting = most = 0
    catalogue = Catalogue(10_000)
    both = asyncio.Event()

    def answer(seen: Seen) -> Answer:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        if most > 1:
            both.set()

        def over(seen: Seen) -> Answer:
            nonlocal waiting
            waiting -= 1
            return catalogue(seen)

        return delay(LATENCY, over)

    server.reply("GET /bots", answer)
    bots = aiter(client.bulk_fetch_bots(10_000))
    await read(bots, 501)
    async with asyncio.timeout(PATIENCE):
        await both.wait()
    await read(bots, 4_000)
    await bots.aclose()
    assert 2 <= most <= DEEPEST


@virtual
async def test_a_reader_that_stands_still(client: TopGG, server: StandIn) -> None:
    """While the reader stands still at most so many pages are fetched as may be under way."""
    server.reply("GET /bots", later(Catalogue(30_000)))
    bots = aiter(client.bulk_fetch_bots(30_000))
    for read_pages in (1, 2, 3):
        await read(bots, 500)
        await settled()  # all that was under way has come
        assert len(server.seen) <= read_pages + DEEPEST
    assert len(server.seen) > 3
    await bots.aclose()


@virtual
async def test_order_does_not_depend_on_the_answers(client: TopGG, server: StandIn) -> None:
    """Bots come in order though later pages answer first."""
    catalogue = Catalogue(2_000)
    others = asyncio.Event()

    def last(seen: Seen) -> Answer:
        others.set()
        return catalogue.page(500, 1_000)

    catalogue.special = {
        0: delay(LATENCY, catalogue.page(500, 0)),
        500: wait(others, delay(0.01, catalogue.page(500, 500))),
        1_000: last,
    }
    server.reply("GET /bots", catalogue)
    async with asyncio.timeout(PATIENCE):
        assert ids(await client.bulk_fetch_bots(2_000)) == catalogue.ids


@virtual
async def test_a_fast_network_needs_no_pages_ahead(client: TopGG, server: StandIn) -> None:
    """A reader that takes its time over every page has the next one fetched, and no more."""
    server.reply("GET /bots", Catalogue(10_000))
    bots = aiter(client.bulk_fetch_bots(10_000))
    for _ in range(4):
        await read(bots, 500)
        await asyncio.sleep(0.1)  # the reader's work
    assert len(server.seen) <= 6
    await bots.aclose()


# --- where it ends ---


@pytest.mark.parametrize("size", [0, 1, 499, 500, 501, 1_000, 1_234])
@pytest.mark.parametrize("tells_total", [True, False], ids=["total", "no total"])
async def test_a_list_that_is_shorter_than_the_limit(
    size: int, tells_total: bool, client: TopGG, server: StandIn
) -> None:
    """A short page is the last one; so is the one that reaches the total, if top.gg gives it."""
    catalogue = Catalogue(size, tells_total=tells_total)
    server.reply("GET /bots", catalogue)
    assert ids(await client.bulk_fetch_bots(10_000)) == catalogue.ids
    pages = -(-size // PAGE) or 1
    if tells_total:
        assert len(server.seen) == pages
    else:  # a full page may be the last one, and some may be under way by then
        assert pages <= len(server.seen) <= pages + DEEPEST
    assert not tasks_left()


@virtual
async def test_pages_beyond_the_end_are_given_up(client: TopGG, server: StandIn) -> None:
    """Pages that are under way when a short one turns up are cancelled, and nobody waits."""
    catalogue = Catalogue(1_200, tells_total=False)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0))}
    catalogue.special |= {offset: hang() for offset in range(1_500, 10_000, 500)}
    server.reply("GET /bots", catalogue)
    async with asyncio.timeout(PATIENCE):
        assert ids(await client.bulk_fetch_bots(10_000)) == catalogue.ids
    assert not tasks_left()
    await server.idle()


async def test_a_total_that_shrinks(client: TopGG, server: StandIn) -> None:
    """A total that gets smaller on the way is believed."""
    full = list(range(1_000, 1_500))
    server.script(
        "GET /bots",
        ok(page(*full, total=5_000)),
        ok(page(*(id + 500 for id in full), total=1_000)),
        ok(page(*(id + 1_000 for id in full), total=1_000)),
    )
    assert len(await client.bulk_fetch_bots(5_000)) == 1_000


# --- a list that moves ---


async def test_bots_that_slide_come_once(client: TopGG, server: StandIn) -> None:
    """A bot that slides from one page to the next while it is read comes once, in its place."""
    catalogue = Catalogue(1_000, tells_total=False)
    catalogue.special = {
        500: ok(page(1_498, 1_499, *range(1_500, 1_998))),
        1_000: ok(page(1_997, 1_998)),
    }
    server.reply("GET /bots", catalogue)
    assert ids(await client.bulk_fetch_bots(5_000)) == list(range(1_000, 1_999))


async def test_the_same_page_again(client: TopGG, server: StandIn) -> None:
    """A server that gives the same page over and over does not make the list longer."""
    server.reply("GET /bots", json=page(*range(1_000, 1_500)))
    assert len(await client.bulk_fetch_bots(3_000)) == 500
    assert len(server.seen) == 6


async def test_malformed_items_do_not_end_it(
    client: TopGG, server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed bots are left out and warned of; the page still counts as a full one."""
    catalogue = Catalogue(1_200)
    bad = page(*range(1_000, 1_500))
    assert isinstance(bad["results"], list)
    bad["results"][7:10] = [None, {"username": "no id"}, "text"]
    catalogue.special = {0: ok(bad)}
    server.reply("GET /bots", catalogue)
    bots = ids(await client.bulk_fetch_bots(5_000))
    assert bots == [id for id in catalogue.ids if id not in (1_007, 1_008, 1_009)]
    [warning] = [r.getMessage() for r in caplog.records if r.name.startswith("rx_toppy")]
    assert "3 malformed" in warning


async def test_a_page_of_nothing_but_malformed_items(client: TopGG, server: StandIn) -> None:
    """A full page of which nothing makes sense does not end it either."""
    catalogue = Catalogue(1_200)
    catalogue.special = {500: ok({"results": [None] * 500})}
    server.reply("GET /bots", catalogue)
    bots = ids(await client.bulk_fetch_bots(5_000))
    assert bots == catalogue.ids[:500] + catalogue.ids[1_000:]


# --- a page that fails ---


@virtual
async def test_a_page_that_fails_in_the_middle(client: TopGG, server: StandIn) -> None:
    """The bots of the pages before it come, then the error; later pages are cancelled."""
    catalogue = Catalogue(5_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0)), 1_000: status(503)}
    catalogue.special |= {offset: hang() for offset in range(1_500, 5_000, 500)}
    server.reply("GET /bots", catalogue)
    heard = Heard()
    client.bulk_fetch_bots(5_000).subscribe(heard)
    await heard.over()
    await settled()
    assert ids(heard.values) == catalogue.ids[:1_000]
    assert [type(error) for error in heard.errors] == [TopGGServerError]
    assert heard.completed == 0
    await server.idle()


@virtual
async def test_pages_that_fail_under_way(client: TopGG, server: StandIn) -> None:
    """If several pages fail the first in order counts; of the others nothing is heard."""
    catalogue = Catalogue(5_000)
    seen_all = asyncio.Event()

    def fails(seen: Seen) -> Answer:
        seen_all.set()
        return ok({"results": "no list"})

    catalogue.special = {
        0: delay(LATENCY, catalogue.page(500, 0)),
        500: wait(seen_all, delay(0.05, status(503))),
        1_000: fails,
    }
    server.reply("GET /bots", catalogue)
    bots = aiter(client.bulk_fetch_bots(5_000))
    assert await read(bots, 500) == catalogue.ids[:500]
    with pytest.raises(TopGGServerError):
        await anext(bots)
    assert not tasks_left()


@virtual
async def test_a_failed_page_that_nobody_gets_to(client: TopGG, server: StandIn) -> None:
    """The failure of a page that the reader never came to is not reported anywhere."""
    catalogue = Catalogue(5_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0)), 1_000: status(503)}
    server.reply("GET /bots", catalogue)
    async for bot in client.bulk_fetch_bots(5_000):
        if bot.id == 1_900:
            break
    await settled()


async def test_the_first_page_fails(client: TopGG, server: StandIn) -> None:
    """If the first page fails there is nothing but the error."""
    server.reply("GET /bots", ok({"nothing": "of the kind"}))
    heard = Heard()
    client.bulk_fetch_bots(5_000).subscribe(heard)
    await heard.over()
    assert [type(error) for error in heard.errors] == [InvalidResponse]
    assert heard.values == []
    with pytest.raises(InvalidResponse):
        await client.bulk_fetch_bots(5_000)


async def test_a_page_is_sent_again(new_client: NewClient, server: StandIn) -> None:
    """A page that fails for a moment is sent again by itself; the reader notices nothing."""
    client = new_client(retries=1)
    catalogue = Catalogue(1_000)
    answers = iter([status(503), catalogue.page(500, 500)])
    catalogue.special = {500: lambda _: next(answers)}
    server.reply("GET /bots", catalogue)
    assert ids(await client.bulk_fetch_bots(1_000)) == catalogue.ids
    assert offsets(server) == [0, 500, 500]


# --- leaving ---


async def _open_ahead(client: TopGG, server: StandIn) -> Any:
    """An iteration that has read a page and a bot, and has others under way that hang."""
    catalogue = Catalogue(10_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0))}
    catalogue.special |= {offset: hang() for offset in range(1_000, 10_000, 500)}
    server.reply("GET /bots", catalogue)
    bots = aiter(client.bulk_fetch_bots(10_000))
    await read(bots, 501)
    await server.arrived(3)
    assert tasks_left()
    return bots


async def test_leaving_cancels_the_pages_under_way(client: TopGG, server: StandIn) -> None:
    """Closed, an iteration cancels its pages under way and gives their connections back."""
    bots = await _open_ahead(client, server)
    await bots.aclose()
    assert not tasks_left()
    await server.idle()
    assert server.open_connections <= 1


async def test_an_iteration_that_is_dropped(client: TopGG, server: StandIn) -> None:
    """Let go of without a word, as `break` does, it cancels them as well."""
    bots = await _open_ahead(client, server)
    del bots
    await settled()
    await server.idle()
    assert server.open_connections <= 1


@virtual
async def test_a_reader_that_is_cancelled(client: TopGG, server: StandIn) -> None:
    """A reader that is cancelled while it waits for a page leaves no page under way."""
    catalogue = Catalogue(10_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0))}
    catalogue.special |= {offset: hang() for offset in range(500, 10_000, 500)}
    server.reply("GET /bots", catalogue)
    heard = Heard()

    async def work() -> None:
        async for bot in client.bulk_fetch_bots(10_000):
            heard.on_next(bot)

    reading = asyncio.ensure_future(work())
    await server.arrived(2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await settled()
    assert len(heard.values) == 500
    await server.idle()
    assert server.open_connections <= 1


@virtual
async def test_an_await_that_is_cancelled(client: TopGG, server: StandIn) -> None:
    """An await of the list that is cancelled leaves no page under way."""
    catalogue = Catalogue(10_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0))}
    catalogue.special |= {offset: hang() for offset in range(500, 10_000, 500)}
    server.reply("GET /bots", catalogue)
    reading = asyncio.ensure_future(client.bulk_fetch_bots(10_000))
    await server.arrived(3)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not tasks_left()
    await server.idle()


@virtual
async def test_dispose_in_the_middle(client: TopGG, server: StandIn) -> None:
    """Disposed of in the middle of a page, it says no more; pages under way are cancelled."""
    catalogue = Catalogue(10_000)
    catalogue.special = {0: delay(LATENCY, catalogue.page(500, 0))}
    catalogue.special |= {offset: hang() for offset in range(1_000, 10_000, 500)}
    server.reply("GET /bots", catalogue)
    heard = Heard()

    def until(bot: Bot) -> None:
        heard.on_next(bot)
        if bot.id == 1_750:
            subscription.dispose()

    subscription = client.bulk_fetch_bots(10_000).subscribe(
        until, heard.on_error, heard.on_completed
    )
    await heard.count(751)
    await settled()
    assert len(heard.values) == 751
    assert not heard.is_over
    await server.idle()


async def test_the_loop_comes_round(client: TopGG, server: StandIn) -> None:
    """A long list that is subscribed to does not keep the loop from doing other things."""
    server.reply("GET /bots", Catalogue(5_000))
    heard = Heard()
    client.bulk_fetch_bots(5_000).subscribe(heard)
    between: set[int] = set()
    while not heard.is_over:
        between.add(len(heard.values))
        await turns(1)
    assert len(heard.values) == 5_000
    assert between >= {500 * n for n in range(1, 10)}


# --- how many ahead ---


def test_one_page_at_first() -> None:
    """Before anything is known there is one page under way."""
    assert Depth().pages == 1


def test_as_many_as_hide_the_latency() -> None:
    """As many pages as a reader gets through while one is waited for, rounded up."""
    depth = Depth()
    depth.observe(waited=0.050, worked=0.010)
    assert depth.pages == 5
    depth = Depth()
    depth.observe(waited=0.051, worked=0.020)
    assert depth.pages == 3


def test_one_page_where_there_is_no_latency() -> None:
    """No latency, or a reader that takes longer than a page: one page."""
    for waited in (0.0, 0.001, 0.01):
        depth = Depth()
        depth.observe(waited=waited, worked=0.01)
        assert depth.pages == 1


def test_no_more_than_the_deepest() -> None:
    """However long a page takes, or however quick the reader is, it is bounded."""
    for waited, worked in ((10.0, 0.001), (0.01, 0.0), (10.0, 0.0)):
        depth = Depth()
        depth.observe(waited=waited, worked=worked)
        assert depth.pages == DEEPEST


def test_it_follows_the_network() -> None:
    """It adapts within a few pages when the network or the reader changes, and not at one spike."""
    depth = Depth()
    for _ in range(5):
        depth.observe(waited=0.001, worked=0.010)
    assert depth.pages == 1
    depth.observe(waited=0.040, worked=0.010)
    assert depth.pages < 4
    for _ in range(5):
        depth.observe(waited=0.040, worked=0.010)
    assert depth.pages == 4
    for _ in range(10):
        depth.observe(waited=0.0, worked=0.010)
    assert depth.pages == 1


@given(
    st.lists(
        st.tuples(
            st.floats(min_value=-1.0, max_value=1e9, allow_nan=False),
            st.floats(min_value=0.0, max_value=1e9, allow_nan=False),
        )
    )
)
def test_it_stays_in_its_bounds(observed: list[tuple[float, float]]) -> None:
    """Whatever is observed (clocks differ, so waiting may come out below zero), 1 to DEEPEST."""
    depth = Depth()
    for waited, worked in observed:
        depth.observe(waited, worked)
        assert 1 <= depth.pages <= DEEPEST
