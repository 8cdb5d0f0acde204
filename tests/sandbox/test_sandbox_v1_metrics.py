"""Metrics at v1: alone and in batches, and what v0 says of the bot after them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rx_toppy.sandbox import PostedMetrics

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
MOST = 2**53 - 1


def ago(**options):
    return NOON - timedelta(**options)


def entry(at, **metrics):
    return {"metrics": metrics} | ({} if at is None else {"timestamp": at.isoformat()})


async def counts(api):
    """What v0 says of the own bot: servers and shards, the same at both of its routes."""
    stats, bot = (await api.own("/stats")).data, (await api.own()).data
    told = stats.get("server_count"), stats.get("shard_count")
    assert told == (bot.get("server_count"), bot.get("shard_count"))
    return told


async def batch(api, *entries):
    return await api.v1("POST", "/metrics/batch", {"data": list(entries)})


# --- alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("discord bot", {"server_count": 12}),
        ("discord bot", {"server_count": 0, "shard_count": 0}),
        ("discord bot", {"shard_count": MOST}),
        ("discord server", {"member_count": 5, "online_count": 5}),
        ("discord server", {"member_count": 0}),
        ("discord server", {"online_count": 7}),
        ("roblox game", {"player_count": 0}),
        ("roblox game", {"player_count": MOST}),
    ],
)
async def test_metrics_are_taken(run, kind, body):
    """Each kind of project has metrics of its own; they are kept with the time they came."""
    async with run(project=kind) as (sandbox, api):
        answer = await api.v1("PATCH", "/metrics", body)
    assert (answer.status, answer.body) == (204, b"")
    assert sandbox.metrics == [PostedMetrics(NOON, body)]
    assert sandbox.posted == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("discord bot", {}),
        ("discord bot", {"server_count": -1}),
        ("discord bot", {"server_count": MOST + 1}),
        ("discord bot", {"server_count": 1.5}),
        ("discord bot", {"server_count": "12"}),
        ("discord bot", {"server_count": True}),
        ("discord bot", {"server_count": None}),
        ("discord bot", {"server_count": [1, 2]}),
        ("discord bot", {"server_count": 1, "shard_count": -1}),
        ("discord bot", {"server_count": 1, "member_count": 1}),
        ("discord bot", {"member_count": 1}),
        ("discord bot", {"player_count": 1}),
        ("discord server", {}),
        ("discord server", {"member_count": 4, "online_count": 5}),
        ("discord server", {"member_count": -1}),
        ("discord server", {"server_count": 1}),
        ("roblox game", {}),
        ("roblox game", {"player_count": -1}),
        ("roblox game", {"player_count": None}),
        ("roblox game", {"server_count": 1}),
    ],
)
async def test_bad_metrics_are_refused(run, kind, body):
    """No metric, one of another kind of project or one that can't be is a 422, and is not taken."""
    async with run(project=kind) as (sandbox, api):
        before = await counts(api)
        for answer in (
            await api.v1("PATCH", "/metrics", body),
            await batch(api, {"metrics": body}),
        ):
            assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert await counts(api) == before
    assert sandbox.metrics == []


async def test_the_bot_shows_its_metrics(run):
    """What was posted at v1 is what v0 tells; what was not said stays as it was."""
    async with run() as (_, api):
        await api.v1("PATCH", "/metrics", {"server_count": 12, "shard_count": 2})
        assert await counts(api) == (12, 2)
        await api.v1("PATCH", "/metrics", {"server_count": 13})
        assert await counts(api) == (13, 2)
        await api.v1("PATCH", "/metrics", {"shard_count": 3})
        assert await counts(api) == (13, 3)


async def test_the_latest_of_both_apis_counts(run):
    """Stats of v0 and metrics of v1 replace each other, the counts of single shards too."""
    async with run() as (sandbox, api):
        await api.v1("PATCH", "/metrics", {"server_count": 12})
        await api.post_stats({"server_count": [3, 4]})
        assert (await api.own("/stats")).data == {
            "server_count": 7,
            "shards": [3, 4],
            "shard_count": 2,
        }
        await api.v1("PATCH", "/metrics", {"server_count": 20})
        assert (await api.own("/stats")).data == {
            "server_count": 20,
            "shards": [],
            "shard_count": 2,
        }
    assert sandbox.posted == [{"server_count": [3, 4]}]
    assert [posted.metrics["server_count"] for posted in sandbox.metrics] == [12, 20]


async def test_metrics_of_other_projects_are_not_the_bots(run):
    """Members and players say nothing of the servers of a bot."""
    async with run(project="roblox game") as (_, api):
        before = (await api.own()).data
        assert (await api.v1("PATCH", "/metrics", {"player_count": 5})).status == 204
        assert (await api.own()).data == before


# --- batches -------------------------------------------------------------------------------------


async def test_a_batch_goes_by_time(run):
    """Entries without a time come first, in their order, then the others by time; all are kept."""
    async with run() as (sandbox, api):
        answer = await batch(
            api,
            entry(ago(minutes=1), server_count=1),
            entry(None, server_count=2),
            entry(ago(minutes=-2), server_count=3),
            entry(ago(minutes=-1), server_count=4),
            entry(None, server_count=5),
            entry(ago(days=1000), server_count=6),
        )
        assert (answer.status, answer.body) == (204, b"")
        assert (await counts(api))[0] == 3
    assert sandbox.metrics == [
        PostedMetrics(at, {"server_count": count})
        for at, count in (
            (ago(days=1000), 6),
            (ago(minutes=1), 1),
            (NOON, 2),
            (NOON, 5),
            (ago(minutes=-1), 4),
            (ago(minutes=-2), 3),
        )
    ]


async def test_old_metrics_are_history(run, clock):
    """An entry that is older than what the bot has posted last changes nothing that shows."""
    async with run() as (sandbox, api):
        await batch(api, entry(ago(hours=2), server_count=1))
        assert (await counts(api))[0] == 1
        await batch(api, entry(ago(hours=1), server_count=2), entry(ago(hours=3), server_count=3))
        assert (await counts(api))[0] == 2
        await api.post_stats({"server_count": 4})
        await batch(api, entry(ago(seconds=1), server_count=5))
        assert (await counts(api))[0] == 4
        await batch(api, entry(NOON, server_count=6))
        assert (await counts(api))[0] == 6
        await batch(api, entry(ago(minutes=-1), server_count=7))
        await api.v1("PATCH", "/metrics", {"server_count": 8})
        assert (await counts(api))[0] == 8
    kept = [posted.metrics["server_count"] for posted in sandbox.metrics]
    assert kept == [3, 1, 2, 5, 6, 8, 7]


@pytest.mark.parametrize(("entries", "status"), [(0, 422), (1, 204), (100, 204), (101, 422)])
async def test_a_batch_has_1_to_100_entries(run, entries, status):
    """An empty batch, or one of more than a hundred, is refused."""
    async with run() as (sandbox, api):
        answer = await batch(api, *[entry(None, server_count=place) for place in range(entries)])
        assert answer.status == status
    assert len(sandbox.metrics) == (entries if status == 204 else 0)


@pytest.mark.parametrize(("milliseconds", "status"), [(300_000, 204), (300_001, 422)])
async def test_a_time_may_be_5_minutes_ahead(run, milliseconds, status):
    """Five minutes in the future are allowed, and no more; a refused batch is not taken in part."""
    at = NOON + timedelta(milliseconds=milliseconds)
    async with run() as (sandbox, api):
        answer = await batch(api, entry(None, server_count=1), entry(at, server_count=2))
    assert answer.status == status
    assert len(sandbox.metrics) == (2 if status == 204 else 0)
    if status == 422:
        assert "data[1]" in answer.data["detail"]


async def test_times_have_any_offset(run):
    """A time is the same in whatever offset it is said."""
    at = ago(minutes=5).astimezone(timezone(timedelta(hours=5, minutes=30)))
    async with run() as (sandbox, api):
        assert (await batch(api, entry(at, server_count=1))).status == 204
        await batch(api, {"metrics": {"server_count": 2}, "timestamp": "2026-04-15T11:54:00.5Z"})
        assert (await counts(api))[0] == 1
    assert [posted.timestamp for posted in sandbox.metrics] == [
        datetime(2026, 4, 15, 11, 54, 0, 500_000, tzinfo=UTC),
        ago(minutes=5),
    ]
    assert all(posted.timestamp.utcoffset() is not None for posted in sandbox.metrics)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": [{}]},
        {"data": [{"server_count": 1}]},
        {"data": [{"metrics": [1]}]},
        {"data": [{"metrics": {"server_count": 1}, "timestamp": "2026-04-15T11:00:00"}]},
        {"data": [{"metrics": {"server_count": 1}, "timestamp": "yesterday"}]},
        {"data": [{"metrics": {"server_count": 1}, "timestamp": 1_776_250_000}]},
        {"data": [{"metrics": {"server_count": 1}, "timestamp": None}]},
        {"data": [{"metrics": {"server_count": 1}, "timestamp": "9999-12-31T23:59:59-23:59"}]},
        {"data": [{"metrics": {"server_count": 1}, "at": "2026-04-15T11:00:00Z"}]},
        {"data": [{"metrics": {"server_count": 1}}], "more": 1},
        {"data": [{"metrics": {"server_count": 1}}, {"metrics": {}}]},
    ],
)
async def test_bad_batches_are_refused(run, body):
    """A batch of another shape, or with one bad entry or time in it, is refused as a whole."""
    async with run() as (sandbox, api):
        before = await counts(api)
        answer = await api.v1("POST", "/metrics/batch", body)
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert await counts(api) == before
    assert sandbox.metrics == []


async def test_posted_metrics_are_frozen(run):
    """What is kept of a post can't be changed."""
    async with run() as (sandbox, api):
        await api.v1("PATCH", "/metrics", {"server_count": 1})
    with pytest.raises(AttributeError):
        sandbox.metrics[0].timestamp = None
