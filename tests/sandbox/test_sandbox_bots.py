"""GET /bots and /bots/:id."""

from typing import Any

import pytest

NUMBERS = ("points", "monthlyPoints", "server_count", "shard_count", "certifiedBot")
TEXTS = ("username", "date", "shortdesc", "website", "vanity")


def sort_key(field: str, value: Any) -> Any:
    if field in {"id", "clientid"}:
        return int(value)
    return value.casefold() if isinstance(value, str) else value


async def test_a_page_holds_50_bots_from_the_first_on(run):
    """Without arguments a page has the first 50 bots, and says so."""
    async with run(bots=80) as (_, api):
        answer = await api.get("/bots")
        page = answer.data
    assert answer.status == 200
    assert list(page) == ["results", "limit", "offset", "count", "total"]
    assert (page["limit"], page["offset"], page["count"], page["total"]) == (50, 0, 50, 80)
    assert len(page["results"]) == 50


async def test_pages_follow_each_other(run):
    """Limit and offset cut the same list into pages, the last of them shorter."""
    async with run(bots=80) as (_, api):
        everything = await api.all_bots()
        pages = [(await api.get("/bots", limit=30, offset=offset)).data for offset in (0, 30, 60)]
    assert [page["count"] for page in pages] == [30, 30, 20]
    assert [bot for page in pages for bot in page["results"]] == everything
    assert len({bot["id"] for bot in everything}) == 80


@pytest.mark.parametrize("query", [{"offset": 80}, {"offset": 10**17}, {"limit": 0}])
async def test_a_page_can_be_empty(run, query):
    """Past the last bot, or with no bot wanted, there is an empty page and the total."""
    async with run(bots=80) as (_, api):
        page = (await api.get("/bots", **query)).data
    assert (page["results"], page["count"], page["total"]) == ([], 0, 80)


async def test_a_page_holds_500_bots_at_most(run):
    """A limit above 500 counts as 500."""
    async with run(bots=510) as (_, api):
        page = (await api.get("/bots", limit=10_000)).data
    assert (page["limit"], page["count"], page["total"]) == (500, 500, 510)


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "", "²", "9" * 5000])
@pytest.mark.parametrize("name", ["limit", "offset"])
async def test_limit_and_offset_are_whole_numbers(run, name, value):
    """Anything else is refused with an error that names the argument."""
    async with run() as (_, api):
        answer = await api.get("/bots", **{name: value})
    assert answer.status == 400
    assert name in answer.data["error"]


@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("field", [*NUMBERS, *TEXTS, "id", "clientid"])
async def test_bots_are_sorted_by_a_field(run, field, direction):
    """Sorting goes by the field, `-` reverses, and who lacks the field comes last."""
    async with run(bots=80) as (_, api):
        plain = await api.all_bots()
        bots = await api.all_bots(sort=direction + field)
    values = [bot.get(field) for bot in bots]
    there = [sort_key(field, value) for value in values if value is not None]
    assert len(bots) == len(plain)
    assert there == sorted(there, reverse=direction == "-")
    assert all(value is None for value in values[len(there) :])


@pytest.mark.parametrize("sort", ["nothing", "-", "-nothing", "tags", "owners", "shards"])
async def test_what_can_not_be_sorted_by_is_refused(run, sort):
    """A field that is not there, or that holds lists, is an error."""
    async with run() as (_, api):
        answer = await api.get("/bots", sort=sort)
    assert answer.status == 400
    assert "sort" in answer.data["error"]


async def test_sorting_sees_votes_and_posted_stats(run):
    """What has changed about the own bot changes its place at once."""
    async with run() as (sandbox, api):
        first = [await api.all_bots(sort=sort) for sort in ("-server_count", "monthlyPoints")]
        await api.post_stats({"server_count": 2**50})
        for user_id in range(1, 2001):
            sandbox.vote(user_id)
        by_servers = await api.all_bots(sort="-server_count")
        by_votes = await api.all_bots(sort="monthlyPoints")
        own = str(sandbox.bot_id)
    assert first[0][0]["id"] != own
    assert by_servers[0]["id"] == own
    assert by_servers[0]["server_count"] == 2**50
    assert by_votes != first[1]
    votes = [bot["monthlyPoints"] for bot in by_votes]
    assert votes == sorted(votes)


async def test_search_finds_what_holds_the_text(run):
    """A search matches part of a field, whatever the case of field and text."""
    async with run(bots=300) as (_, api):
        bots = await api.all_bots()
        wanted = bots[7]["username"][1:4]
        page = (await api.get("/bots", limit=500, search=f"UserName: {wanted.upper()}")).data
    expected = [bot for bot in bots if wanted.lower() in bot["username"].lower()]
    assert page["results"] == expected
    assert bots[7] in expected
    assert page["total"] == len(expected) < 300


@pytest.mark.parametrize(
    ("search", "matches"),
    [
        ("tags: music", lambda bot: "Music" in bot["tags"]),
        ("certifiedBot: true", lambda bot: bot["certifiedBot"]),
        ("server_count: 12", lambda bot: "12" in str(bot.get("server_count"))),
        ("website: https://", lambda bot: bot.get("website") is not None),
        ("shortdesc: a file, and", lambda bot: "a file, and" in bot["shortdesc"]),
        (
            "tags: game, prefix: !,lib: js",
            lambda bot: (
                any("Game" in tag for tag in bot["tags"])
                and "!" in bot["prefix"]
                and "js" in (bot.get("lib") or "")
            ),
        ),
    ],
)
async def test_search_by_several_kinds_of_fields(run, search, matches):
    """Lists match by an item, numbers by their digits, several fields only all together."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
        found = await api.all_bots(search=search)
    assert found == [bot for bot in bots if matches(bot)]
    assert found


async def test_search_and_sort_go_together(run):
    """What was found is sorted, and cut into pages, too."""
    async with run(bots=300) as (_, api):
        found = await api.all_bots(search="tags: a", sort="-points")
        second = (
            await api.get("/bots", search="tags: a", sort="-points", limit=10, offset=10)
        ).data
    points = [bot["points"] for bot in found]
    assert points == sorted(points, reverse=True)
    assert second["results"] == found[10:20]
    assert second["total"] == len(found)


@pytest.mark.parametrize("search", ["nothing: x", "username: no such name"])
async def test_search_may_find_nothing(run, search):
    """No match, and a field that no bot has, give an empty page."""
    async with run() as (_, api):
        page = (await api.get("/bots", search=search)).data
    assert (page["results"], page["total"]) == ([], 0)


async def test_an_empty_search_finds_everything(run):
    """Without criteria all bots match."""
    async with run(bots=80) as (_, api):
        assert (await api.get("/bots", search="")).data["total"] == 80


async def test_a_search_without_a_key_is_refused(run):
    """A search that names no field is an error that says how it should look."""
    async with run() as (_, api):
        answer = await api.get("/bots", search="music")
    assert answer.status == 400
    assert "key: value" in answer.data["error"]


async def test_fields_restrict_what_is_sent(run):
    """Only the named fields come, and the id; what a bot lacks is left out."""
    async with run(bots=80) as (_, api):
        bots = await api.all_bots()
        restricted = await api.all_bots(fields="username, website,nothing")
    names = ("id", "username", "website")
    assert restricted == [{name: bot[name] for name in names if name in bot} for bot in bots]


async def test_one_bot_is_as_it_is_in_the_list(run):
    """A bot by its id is the same that the list holds."""
    async with run() as (_, api):
        bots = await api.all_bots()
        answers = [await api.get(f"/bots/{bot['id']}") for bot in bots[:5]]
    assert [answer.data for answer in answers] == bots[:5]
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("bot_id", ["1", "0", "abc", "-5", "9" * 5000])
@pytest.mark.parametrize("route", ["", "/votes", "/stats", "/check"])
async def test_an_unknown_bot_is_not_found(run, bot_id, route):
    """Every route of a bot that is not there answers 404."""
    async with run() as (_, api):
        answer = await api.get(f"/bots/{bot_id}{route}")
    assert (answer.status, answer.data) == (404, {"error": "Not Found"})
