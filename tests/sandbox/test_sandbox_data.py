"""The made-up data: the same for the same seed, and believable."""

from datetime import datetime
from statistics import mean, median

import pytest

from rx_toppy.sandbox import Sandbox

DISCORD_EPOCH = 1_420_070_400
OWN_ROUTES = ("", "/votes", "/stats")


def made_at(snowflake):
    return (int(snowflake) >> 22) / 1000 + DISCORD_EPOCH


async def everything(api):
    own = [(await api.own(route)).body for route in OWN_ROUTES]
    return [(await api.get("/bots", limit=500)).body, *own]


async def test_the_same_seed_gives_the_same_data(run):
    """Two sandboxes of one seed can't be told apart, new votes included."""
    seen = []
    for _ in range(2):
        async with run(seed=7, votes=None) as (sandbox, api):
            votes = [sandbox.vote() for _ in range(100)]
            seen.append((sandbox.bot_id, sandbox.token, votes, await everything(api)))
    assert seen[0] == seen[1]


async def test_another_seed_gives_other_data(run):
    """Bots, voters and the token of another seed are different."""
    async with run(seed=1, votes=None) as (first, api):
        bots = {bot["id"] for bot in await api.all_bots()}
        voters = {voter["id"] for voter in (await api.own("/votes")).data}
    async with run(seed=2, votes=None) as (second, api):
        assert not bots & {bot["id"] for bot in await api.all_bots()}
        assert not voters & {voter["id"] for voter in (await api.own("/votes")).data}
    assert first.token != second.token


async def test_the_day_changes_only_the_votes_of_the_weekends(run, clock):
    """On another day a seed gives the same bots and voters; only the own points vary."""
    async with run(seed=1, votes=None) as (sandbox, api):
        bots, voters = await api.all_bots(), (await api.own("/votes")).data
    clock.advance(days=100)
    async with run(seed=1, votes=None) as (again, api):
        own = str(sandbox.bot_id)
        others = {bot["id"]: bot for bot in await api.all_bots() if bot["id"] != own}
        assert others == {bot["id"]: bot for bot in bots if bot["id"] != own}
        assert (await api.own("/votes")).data == voters
    assert again.bot_id == sandbox.bot_id


async def test_the_own_bot_is_one_of_the_bots(run):
    """The bot of the token is in the list; it has a server count to begin with."""
    async with run(bots=40) as (sandbox, api):
        bots = {bot["id"]: bot for bot in await api.all_bots()}
    assert len(bots) == 40
    own = bots[str(sandbox.bot_id)]
    assert own["server_count"] > 0
    assert own["shards"] == []


@pytest.mark.parametrize("bots", [1, 2, 40])
@pytest.mark.parametrize("bot_id", [1, 264811613708746752, 2**63 - 1])
async def test_the_own_id_can_be_chosen(run, bots, bot_id):
    """Any id will do for the own bot; there are no more bots for it."""
    async with run(bots=bots, bot_id=bot_id) as (sandbox, api):
        assert sandbox.bot_id == bot_id
        assert (await api.own()).data["id"] == str(bot_id)
        assert (await api.get("/bots")).data["total"] == bots
        assert (await api.post_stats({"server_count": 1})).status == 200


async def test_ids_fit_the_dates(run):
    """A bot was made before it was listed, and its owners were there before."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
    for bot in bots:
        listed = datetime.fromisoformat(bot["date"])
        assert made_at(bot["id"]) < listed.timestamp()
        assert 2016 <= listed.year <= 2026
        assert all(made_at(owner) < made_at(bot["id"]) for owner in bot["owners"])
        assert len(set(bot["owners"])) == len(bot["owners"]) >= 1


async def test_voters_and_bots_do_not_share_ids(run):
    """Every id is one thing's only."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
        voters = {voter["id"] for voter in (await api.own("/votes")).data}
    ids = {bot["id"] for bot in bots}
    owners = {owner for bot in bots for owner in bot["owners"]}
    guilds = {guild for bot in bots for guild in bot["guilds"]}
    assert len(ids) == 500
    assert not ids & owners
    assert not ids & voters
    assert not guilds & (ids | owners | voters)


async def test_few_bots_have_most_of_the_votes(run):
    """Votes are spread as they are in life: a long tail, and fewer a month than ever."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
    points = [bot["points"] for bot in bots]
    assert mean(points) > 5 * median(points) > 0
    assert all(bot["monthlyPoints"] <= bot["points"] for bot in bots)
    assert sum(points) > 10 * sum(bot["monthlyPoints"] for bot in bots)


async def test_the_certified_bots_are_mostly_popular(run):
    """Few bots are certified, and those have more votes than most."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
    certified = [bot["points"] for bot in bots if bot["certifiedBot"]]
    assert 3 <= len(certified) <= 75
    assert median(certified) > 10 * median(bot["points"] for bot in bots)


@pytest.mark.parametrize(
    "field",
    [
        *("avatar", "defAvatar", "lib", "longdesc", "website", "support", "github", "vanity"),
        *("server_count", "shard_count"),
    ],
)
async def test_fields_may_be_missing_or_null(run, field):
    """As in the live API, what a bot has not filled in is left out or null."""
    async with run(bots=500) as (_, api):
        bots = await api.all_bots()
    assert any(bot.get(field) is not None for bot in bots)
    assert any(field not in bot for bot in bots)
    assert any(bot.get(field, "") is None for bot in bots)


async def test_the_list_begins_with_what_is_popular(run):
    """Without a sort the list goes by the votes of the month, as they were at the start."""
    async with run(bots=500) as (_, api):
        votes = [bot["monthlyPoints"] for bot in await api.all_bots()]
    assert votes == sorted(votes, reverse=True)


async def test_the_order_stays_while_votes_arrive(run):
    """Votes do not move bots in the list without a sort: its pages do not overlap."""
    async with run(bots=80) as (sandbox, api):
        before = [bot["id"] for bot in await api.all_bots()]
        for user_id in range(1, 5001):
            sandbox.vote(user_id)
        assert [bot["id"] for bot in await api.all_bots()] == before


def test_the_history_agrees_with_the_points():
    """Nobody voted twice within 12 hours, weekends count double, all of it is counted."""
    world = Sandbox(seed=3, bots=10)._world
    votes = world.votes.page(0, len(world.votes))
    last = {}
    for vote in votes:
        assert vote.weight == (2 if vote.at.weekday() in {5, 6} else 1)
        if vote.user_id in last:
            assert (vote.at - last[vote.user_id]).total_seconds() >= 12 * 3600
        last[vote.user_id] = vote.at
        assert vote.user_id in world.users
    times = [vote.at for vote in votes]
    assert times == sorted(times)
    assert world.own.points > world.votes.weight() > world.own.monthly_points > 0
    assert list(world.votes.voters()) == sorted(last, key=lambda user: last[user], reverse=True)
