"""The routes that are about the bot of the token: stats, voters and the check."""

import pytest


async def someone_else(sandbox, api):
    ids = [bot["id"] for bot in await api.all_bots()]
    return next(bot_id for bot_id in ids if bot_id != str(sandbox.bot_id))


async def test_stats_of_any_bot_can_be_read(run):
    """Stats are what the bot itself says; the shards are always there, the counts not."""
    async with run(bots=120) as (_, api):
        bots = await api.all_bots()
        answers = [(await api.get(f"/bots/{bot['id']}/stats")).data for bot in bots]
    names = ("server_count", "shards", "shard_count")
    assert answers == [{name: bot[name] for name in names if name in bot} for bot in bots]
    assert any(answer["shards"] for answer in answers)
    assert any("server_count" not in answer for answer in answers)
    assert any(answer.get("shard_count", 0) is None for answer in answers)


@pytest.mark.parametrize(
    ("body", "stats"),
    [
        ({"server_count": 12}, {"server_count": 12, "shards": []}),
        ({"server_count": 0}, {"server_count": 0, "shards": []}),
        (
            {"server_count": [3, 4, 5]},
            {"server_count": 12, "shards": [3, 4, 5], "shard_count": 3},
        ),
        (
            {"server_count": 13, "shards": [3, 4, 5]},
            {"server_count": 13, "shards": [3, 4, 5], "shard_count": 3},
        ),
        (
            {"server_count": 12, "shards": [], "shard_count": 1},
            {"server_count": 12, "shards": [], "shard_count": 1},
        ),
        (
            {"server_count": 12, "shard_count": 4},
            {"server_count": 12, "shards": [], "shard_count": 4},
        ),
        (
            {"server_count": 12, "shard_id": 1, "shard_count": 3},
            {"server_count": 12, "shards": [0, 12, 0], "shard_count": 3},
        ),
        (
            {"server_count": 12, "shard_id": 2},
            {"server_count": 12, "shards": [0, 0, 12], "shard_count": 3},
        ),
        (
            {"server_count": 12, "shards": None, "shard_id": None, "shard_count": None},
            {"server_count": 12, "shards": []},
        ),
        ({"server_count": 12, "more": {"to": ["come"]}}, {"server_count": 12, "shards": []}),
    ],
)
async def test_stats_are_posted_in_every_shape(run, body, stats):
    """Each body that top.gg takes is answered 200 and `{}`, and shows in the stats."""
    async with run() as (sandbox, api):
        answer = await api.post_stats(body)
        own = (await api.own()).data
        read = (await api.own("/stats")).data
    assert (answer.status, answer.data) == (200, {})
    assert read == stats
    assert {name: own[name] for name in stats} == stats
    assert sandbox.posted == [body]


async def test_stats_come_together_shard_by_shard(run):
    """Posts of single shards add up to the whole, a later one replacing the earlier."""
    async with run() as (_, api):
        for shard_id, count in ((0, 5), (2, 7), (0, 6)):
            await api.post_stats({"server_count": count, "shard_id": shard_id, "shard_count": 3})
        assert (await api.own("/stats")).data == {
            "server_count": 13,
            "shards": [6, 0, 7],
            "shard_count": 3,
        }


async def test_another_number_of_shards_starts_anew(run):
    """Counts of a bot that was split otherwise say nothing of its shards now."""
    async with run() as (_, api):
        await api.post_stats({"server_count": [1, 2]})
        await api.post_stats({"server_count": 5, "shard_id": 3, "shard_count": 4})
        stats = (await api.own("/stats")).data
    assert stats == {"server_count": 5, "shards": [0, 0, 0, 5], "shard_count": 4}


async def test_posts_are_kept_in_order(run):
    """`posted` has each body as it was sent, newest last, and is a copy."""
    async with run() as (sandbox, api):
        bodies = [{"server_count": 1}, {"server_count": [2, 3]}]
        for body in bodies:
            await api.post_stats(body)
        sandbox.posted.clear()
        assert sandbox.posted == bodies


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        12,
        {"shards": [1]},
        {"server_count": "12"},
        {"server_count": 1.5},
        {"server_count": True},
        {"server_count": None},
        {"server_count": -1},
        {"server_count": 2**53},
        {"server_count": [1, -1]},
        {"server_count": [1, "2"]},
        {"server_count": 1, "shards": 3},
        {"server_count": 1, "shards": [None]},
        {"server_count": 1, "shard_id": -1, "shard_count": 2},
        {"server_count": 1, "shard_id": 2, "shard_count": 2},
        {"server_count": [1], "shard_id": 0, "shard_count": 2},
        {"server_count": 1, "shard_id": 10**9},
        {"server_count": 1, "shard_count": 10**9},
        {"server_count": 1, "shard_count": "2"},
        b"{",
        b"server_count=1",
        b'{"server_count": 1, "more": "\xff"}',
        b'{"server_count": 1, "more": ' + b"[" * 100_000,
    ],
    ids=lambda body: str(body)[:40],
)
async def test_bad_stats_are_refused(run, body):
    """A body that makes no sense is answered 400 with a reason, and changes nothing."""
    async with run() as (sandbox, api):
        before = (await api.own()).data
        answer = await api.post_stats(body)
        after = (await api.own()).data
    assert answer.status == 400
    assert answer.data["error"]
    assert after == before
    assert sandbox.posted == []


async def test_a_post_without_a_body_changes_nothing(run):
    """An empty body is answered 200 and `{}`, and is no post."""
    async with run() as (sandbox, api):
        before = (await api.own()).data
        answer = await api.post_stats(b"")
        assert (answer.status, answer.data) == (200, {})
        assert (await api.own()).data == before
    assert sandbox.posted == []


async def test_stats_of_another_bot_can_not_be_posted(run):
    """The token posts for its own bot only: 403 for another, 404 for none."""
    async with run() as (sandbox, api):
        other = await someone_else(sandbox, api)
        forbidden = await api.ask("POST", f"/bots/{other}/stats", json={"server_count": 1})
        missing = await api.ask("POST", "/bots/1/stats", json={"server_count": 1})
    assert (forbidden.status, forbidden.data) == (403, {"error": "Forbidden"})
    assert (missing.status, missing.data) == (404, {"error": "Not Found"})
    assert sandbox.posted == []


async def test_voters_of_another_bot_are_forbidden(run):
    """The voters are for the owner of the token only."""
    async with run() as (sandbox, api):
        answer = await api.get(f"/bots/{await someone_else(sandbox, api)}/votes")
    assert (answer.status, answer.data) == (403, {"error": "Forbidden"})


async def test_the_voters_are_users(run):
    """The bot starts with a few hundred voters; each is a user, listed once."""
    async with run(votes=None) as (_, api):
        voters = (await api.own("/votes")).data
        users = [(await api.get(f"/users/{voter['id']}")).data for voter in voters[::5]]
    assert 200 <= len(voters) <= 500
    assert len({voter["id"] for voter in voters}) == len(voters)
    names = ("username", "id", "avatar")
    assert voters[::5] == [{name: user[name] for name in names if name in user} for user in users]


async def test_the_check_tells_who_voted_within_12_hours(run):
    """Some of the voters have voted of late, the newest of them first; others have not."""
    async with run(votes=None) as (_, api):
        voters = (await api.own("/votes")).data
        answers = [(await api.own("/check", userId=voter["id"])).data for voter in voters[::5]]
    voted = [answer["voted"] for answer in answers]
    assert set(voted) == {0, 1}
    assert voted == sorted(voted, reverse=True)
    assert {type(value) for value in voted} == {int}


async def test_a_stranger_has_not_voted(run):
    """Who is no voter, or nobody at all, has not voted; for another bot nobody has."""
    async with run() as (sandbox, api):
        voter = sandbox.vote()
        other = await someone_else(sandbox, api)
        assert (await api.own("/check", userId=voter)).data == {"voted": 1}
        assert (await api.own("/check", userId=1)).data == {"voted": 0}
        assert (await api.get(f"/bots/{other}/check", userId=voter)).data == {"voted": 0}


@pytest.mark.parametrize("query", [{}, {"userId": ""}, {"userId": "me"}, {"userId": "²"}])
async def test_the_check_wants_a_user_id(run, query):
    """A check of nobody is refused with an error that names the argument."""
    async with run() as (_, api):
        answer = await api.own("/check", **query)
    assert answer.status == 400
    assert "userId" in answer.data["error"]
