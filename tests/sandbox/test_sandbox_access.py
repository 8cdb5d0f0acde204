"""What every request passes through: the token, errors as JSON, the record."""

from datetime import UTC, datetime

import pytest


@pytest.mark.parametrize("path", ["/bots", "/weekend", "/users/1", "/nothing"])
@pytest.mark.parametrize("header", [None, "", "wrong", "Bearer {token}", "{token}x"])
async def test_the_token_is_required(run, path, header):
    """Without the token, or with it in another form, everything is answered 401."""
    async with run() as (sandbox, api):
        headers = {} if header is None else {"Authorization": header.format(token=sandbox.token)}
        answer = await api.ask("GET", path, headers=headers)
    assert (answer.status, answer.data) == (401, {"error": "Unauthorized"})


async def test_a_token_can_be_given(run):
    """The sandbox takes the token that it was given, and its data stays the same."""
    async with run(seed=4) as (_, api):
        bots = await api.all_bots()
    async with run(seed=4, token="my-own") as (sandbox, api):
        assert sandbox.token == "my-own"
        assert await api.all_bots() == bots


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/bots/", "/users", "/v2/projects/@me"])
async def test_unknown_routes_are_not_found(run, path):
    """A route that is not there is answered 404 in JSON."""
    async with run() as (_, api):
        answer = await api.get(path)
    assert (answer.status, answer.data) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("path", ["/bots", "/weekend", "/bots/1/votes", "/users/1"])
async def test_a_wrong_method_is_refused(run, path):
    """A route that only gives takes nothing."""
    async with run() as (_, api):
        answer = await api.ask("POST", path)
    assert answer.status == 405


async def test_answers_are_json(run):
    """Answers and errors say that they are JSON in UTF-8."""
    async with run() as (_, api):
        answers = [await api.get("/weekend"), await api.get("/nothing"), await api.own("/check")]
    assert [answer.status for answer in answers] == [200, 404, 400]
    assert {answer.content_type for answer in answers} == {"application/json; charset=utf-8"}


async def test_a_user_is_told(run):
    """A user has what a profile has; of the owners of bots each is there."""
    async with run() as (_, api):
        owners = {owner for bot in await api.all_bots() for owner in bot["owners"]}
        users = [await api.get(f"/users/{owner}") for owner in owners]
    assert {user.status for user in users} == {200}
    assert {user.data["id"] for user in users} == owners
    always = {"id", "username", "discriminator", "defAvatar", "social", "supporter"}
    always |= {"certifiedDev", "mod", "webMod", "admin"}
    assert all(always <= set(user.data) for user in users)


@pytest.mark.parametrize("user_id", ["1", "abc", "9" * 100])
async def test_an_unknown_user_is_not_found(run, user_id):
    """A user that is not there is answered 404."""
    async with run() as (_, api):
        answer = await api.get(f"/users/{user_id}")
    assert (answer.status, answer.data) == (404, {"error": "Not Found"})


async def test_requests_are_recorded(run, clock):
    """Each request is kept as it was sent, with the time and the status of its answer."""
    async with run() as (sandbox, api):
        await api.get("/bots", search="username: ü", limit=1)
        clock.advance(seconds=90)
        await api.post_stats(b'{"server_count": 3}')
        await api.get("/nothing")
        first, second, third = sandbox.requests
    assert first.at == datetime(2026, 4, 15, 12, 0, 0, tzinfo=UTC)
    assert (first.method, first.path, first.status) == ("GET", "/api/bots", 200)
    assert first.query == "search=username:+%C3%BC&limit=1"
    assert first.body == b""
    assert second.at == datetime(2026, 4, 15, 12, 1, 30, tzinfo=UTC)
    assert (second.method, second.status) == ("POST", 200)
    assert second.path == f"/api/bots/{sandbox.bot_id}/stats"
    assert second.body == b'{"server_count": 3}'
    assert (third.path, third.query, third.status) == ("/api/nothing", "", 404)


async def test_refused_requests_are_recorded(run):
    """Those without the token, with a wrong method or over the limit are kept as well."""
    async with run() as (sandbox, api):
        await api.ask("GET", "/weekend", headers={})
        await api.ask("DELETE", "/weekend")
        await api.post_stats(b"{")
        assert [request.status for request in sandbox.requests] == [401, 405, 400]


async def test_the_record_never_holds_the_token(run):
    """Nothing that is kept of a request says the token."""
    async with run() as (sandbox, api):
        await api.own("/stats")
        assert sandbox.token not in repr(sandbox.requests)
        assert sandbox.token not in repr(sandbox)


async def test_the_record_is_a_copy(run):
    """Changing the list changes nothing of the record."""
    async with run() as (sandbox, api):
        await api.get("/weekend")
        sandbox.requests.clear()
        assert len(sandbox.requests) == 1


async def test_the_record_forgets_the_oldest(run, monkeypatch):
    """Only the latest requests are kept, so that a long run does not fill the memory."""
    monkeypatch.setattr("rx_toppy.sandbox.server.MOST_REQUESTS_KEPT", 3)
    async with run() as (sandbox, api):
        for page in range(5):
            await api.get("/bots", offset=page, limit=1)
        queries = [request.query for request in sandbox.requests]
    assert queries == ["offset=2&limit=1", "offset=3&limit=1", "offset=4&limit=1"]
