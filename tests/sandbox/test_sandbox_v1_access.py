"""What every request of v1 passes through: the bearer's token, problem details, faults."""

import pytest

from rx_toppy.sandbox import Limit, faults

ME = "/v1/projects/@me"
ROUTES = [
    ("GET", ME),
    ("PATCH", ME),
    ("POST", f"{ME}/announcements"),
    ("PATCH", f"{ME}/metrics"),
    ("POST", f"{ME}/metrics/batch"),
    ("PUT", f"{ME}/commands"),
    ("GET", f"{ME}/votes"),
    ("GET", f"{ME}/votes/{{user_id}}"),
]


def is_problem(answer, status, title):
    """Whether an answer is RFC 7807's, with these."""
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    assert list(answer.data) == ["type", "title", "status", "detail"]
    assert (answer.data["status"], answer.data["title"]) == (status, title)
    return bool(answer.data["type"] and answer.data["detail"])


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1"), ("GET", "/v1/nothing")])
@pytest.mark.parametrize("header", [None, "{token}", "Bearer wrong", "bearer {token}", "Bearer "])
async def test_the_token_is_a_bearers(run, method, path, header):
    """Without the token, or with it bare as v0 has it, v1 says 401; of an edit it says 400."""
    async with run() as (sandbox, api):
        headers = {} if header is None else {"Authorization": header.format(token=sandbox.token)}
        answer = await api.ask(method, path, headers=headers)
    if (method, path) == ("PATCH", ME):
        assert is_problem(answer, 400, "Bad Request")
    else:
        assert is_problem(answer, 401, "Unauthorized")


@pytest.mark.parametrize("path", ["/v1/", "/v1/nothing", "/v1/projects", "/v1/bots", f"{ME}/"])
async def test_unknown_routes_are_not_found(run, path):
    """A route of v1 that is not there is a 404 with problem details."""
    async with run() as (_, api):
        assert is_problem(await api.ask("GET", path), 404, "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", ME, {"GET", "HEAD", "PATCH"}),
        ("POST", f"{ME}/votes", {"GET", "HEAD"}),
        ("GET", f"{ME}/commands", {"PUT"}),
    ],
)
async def test_a_wrong_method_is_refused(run, method, path, allowed):
    """A method that a route does not take is a 405 that names those that it does."""
    async with run() as (_, api):
        answer = await api.ask(method, path)
    assert is_problem(answer, 405, "Method Not Allowed")
    assert set(answer.headers["Allow"].split(",")) == allowed


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("PATCH", ""),
        ("POST", "/announcements"),
        ("PATCH", "/metrics"),
        ("POST", "/metrics/batch"),
        ("PUT", "/commands"),
    ],
)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"server_count=1", 400),
        (b'{"server_count": 1, "more": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'"text"', 422),
        (b"null", 422),
        (b"[5]", 422),
        (b'{"nothing": "that is known"}', 422),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_bodies_are_checked(run, method, route, body, status):
    """What is no JSON is a 400, what has the wrong shape a 422; neither is taken."""
    titles = {400: "Bad Request", 422: "Unprocessable Entity"}
    async with run() as (sandbox, api):
        before = (await api.v1("GET", "")).data
        assert is_problem(await api.v1(method, route, body), status, titles[status])
        assert (await api.v1("GET", "")).data == before
    assert sandbox.headline == sandbox.page_content == {}
    assert sandbox.announcements == sandbox.metrics == sandbox.commands == sandbox.posted == []


async def test_the_limits_hold_for_v1(run, clock):
    """One request too many blocks both APIs, and the 429 is the same at both."""
    async with run(rate_limits=[Limit(2, 60)]) as (_, api):
        assert [(await api.v1("GET", "")).status for _ in range(2)] == [200, 200]
        blocked = [await api.v1("GET", ""), await api.get("/weekend")]
        assert [answer.status for answer in blocked] == [429, 429]
        assert [answer.data for answer in blocked] == [{"retry-after": 3600}] * 2
        clock.advance(hours=1)
        assert (await api.v1("GET", "")).status == 200


async def test_v1_costs_nothing_of_bots(run):
    """The limit of `/bots` is v0's: calls of v1 do not count in it."""
    async with run(rate_limits=[Limit(1, 60, "/bots")]) as (_, api):
        assert [(await api.v1("GET", "")).status for _ in range(3)] == [200, 200, 200]
        assert (await api.own()).status == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_each_route_can_fail(run, method, path):
    """A fault for a route of v1 and its method strikes that, and nothing else."""
    async with run() as (sandbox, api):
        switch = sandbox.fail(faults.Status(503), route=path, method=method)
        found = {
            route: (await api.ask(route[0], route[1].format(user_id=5), data=b"{}")).status
            for route in ROUTES
        }
    assert [route for route, status in found.items() if status == 503] == [(method, path)]
    assert switch.count == 1


async def test_problems_come_through_faults(run):
    """A fault that lets an answer through leaves problem details as they are."""
    async with run() as (sandbox, api):
        sandbox.fail(faults.Delay(0.001))
        assert is_problem(await api.v1("GET", "/votes"), 400, "Bad Request")
        assert is_problem(await api.ask("DELETE", ME), 405, "Method Not Allowed")


async def test_requests_of_v1_are_recorded(run):
    """They are kept as those of v0 are, without the token."""
    async with run() as (sandbox, api):
        await api.v1("PUT", "/commands", [])
        await api.v1("GET", "/votes/5", source="discord")
        first, second = sandbox.requests
        assert sandbox.token not in repr(sandbox.requests)
    assert (first.method, first.path, first.body, first.status) == (
        "PUT",
        "/api/v1/projects/@me/commands",
        b"[]",
        204,
    )
    assert (second.query, second.status) == ("source=discord", 404)
