"""Votes: those that a test makes, and those that arrive by themselves."""

import asyncio

import pytest

from rx_toppy.sandbox import Sandbox


async def test_a_vote_arrives(run):
    """A vote shows in the list, in the check and in the points."""
    async with run() as (sandbox, api):
        before = (await api.own()).data
        voter = sandbox.vote()
        after = (await api.own()).data
        voters = (await api.own("/votes")).data
        assert (await api.own("/check", userId=voter)).data == {"voted": 1}
    assert voters[0]["id"] == str(voter)
    assert after["points"] == before["points"] + 1
    assert after["monthlyPoints"] == before["monthlyPoints"] + 1


async def test_a_stranger_may_vote(run):
    """A user who was not known before becomes one by voting."""
    async with run() as (sandbox, api):
        assert (await api.get("/users/140862798832861184")).status == 404
        assert sandbox.vote(140862798832861184) == 140862798832861184
        user = (await api.get("/users/140862798832861184")).data
        newest = (await api.own("/votes")).data[0]
    assert newest["id"] == user["id"] == "140862798832861184"
    assert newest["username"] == user["username"]


async def test_a_vote_is_valid_for_12_hours(run, clock):
    """The check forgets a vote after 12 hours; only then the user may vote again."""
    async with run() as (sandbox, api):
        sandbox.vote(5)
        clock.advance(hours=12, seconds=-1)
        assert (await api.own("/check", userId=5)).data == {"voted": 1}
        with pytest.raises(ValueError, match="user 5 voted at"):
            sandbox.vote(5)
        clock.advance(seconds=1)
        assert (await api.own("/check", userId=5)).data == {"voted": 0}
        sandbox.vote(5)
        assert (await api.own("/check", userId=5)).data == {"voted": 1}


async def test_a_refused_vote_changes_nothing(run):
    """Who has voted already leaves points and voters as they were."""
    async with run() as (sandbox, api):
        sandbox.vote(5)
        before = (await api.own()).data, (await api.own("/votes")).data
        with pytest.raises(ValueError, match="12 hours"):
            sandbox.vote(5)
        assert ((await api.own()).data, (await api.own("/votes")).data) == before


async def test_voting_again_moves_a_voter_to_the_front(run, clock):
    """The list has each voter once, at the place of the latest vote."""
    async with run() as (sandbox, api):
        for user_id in (5, 6, 7):
            sandbox.vote(user_id)
        clock.advance(hours=12)
        sandbox.vote(5)
        voters = [voter["id"] for voter in (await api.own("/votes")).data]
    assert voters[:3] == ["5", "7", "6"]
    assert voters.count("5") == 1


async def test_the_list_ends_after_1000_voters(run):
    """Only the last 1000 voters are listed."""
    async with run() as (sandbox, api):
        for user_id in range(1, 1102):
            sandbox.vote(user_id)
        voters = [voter["id"] for voter in (await api.own("/votes")).data]
    assert voters == [str(user_id) for user_id in range(1101, 101, -1)]


async def test_votes_of_chance_come_from_who_may_vote(run, clock):
    """Nobody is picked twice within 12 hours, though most of the voters come back."""
    async with run() as (sandbox, api):
        known = {int(voter["id"]) for voter in (await api.own("/votes")).data}
        picked = []
        for _ in range(1000):
            clock.advance(seconds=1)
            picked.append(sandbox.vote())
    assert len(set(picked)) == 1000
    assert set(picked) & known
    assert set(picked) - known


@pytest.mark.parametrize(("weekend", "weight"), [(True, 2), (False, 1)])
async def test_a_weekend_can_be_forced(run, weekend, weight):
    """On a weekend votes count double in the points, and once in the list."""
    async with run(weekend=weekend) as (sandbox, api):
        assert (await api.get("/weekend")).data == {"is_weekend": weekend}
        before = (await api.own()).data["points"]
        sandbox.vote(5)
        assert (await api.own()).data["points"] == before + weight
        assert [voter["id"] for voter in (await api.own("/votes")).data].count("5") == 1


async def test_weekends_go_by_the_calendar(run, clock):
    """Unless told otherwise, Saturday and Sunday in UTC are the weekend."""
    days = []
    async with run() as (_, api):
        clock.advance(hours=-12)
        for _ in range(7):
            days.append((await api.get("/weekend")).data["is_weekend"])
            clock.advance(days=1)
    # It began on a Wednesday.
    assert days == [False, False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("user_id", "error"),
    [("5", TypeError), (True, TypeError), (5.0, TypeError), (0, ValueError), (2**63, ValueError)],
)
def test_who_votes_is_an_id(user_id, error):
    """Anything but an id is an error that names the argument."""
    with pytest.raises(error, match="user_id"):
        Sandbox(bots=1).vote(user_id)


async def test_votes_arrive_by_themselves(run):
    """While the sandbox runs, votes come in; each is another user's."""
    async with run(votes_per_minute=600_000) as (sandbox, api), asyncio.timeout(20):
        start = (await api.own()).data["points"]
        points = start
        while points < start + 50:
            await asyncio.sleep(0.02)
            points = (await api.own()).data["points"]
        before = (await api.own("/votes")).data
    assert len({voter["id"] for voter in before}) == len(before)
    await sandbox.close()


async def test_no_votes_arrive_unasked(run):
    """With no votes a minute nothing happens by itself."""
    async with run(votes_per_minute=0):
        assert len(asyncio.all_tasks() - {asyncio.current_task()}) == 0
