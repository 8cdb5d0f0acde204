"""What the calls of `client.project` put on the wire, what they emit, and how they fail."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import rx_toppy
from rx_toppy import (
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    RequestEvent,
    SimpleUser,
    StandaloneBot,
    TopGGServerError,
    of_type,
)
from tests.conftest import TOKEN, MakeClient
from tests.standin import Answer, StandIn, ThreadedStandIn, bad_json, hang, html, ok, reset, status

from . import (
    AT,
    CASES,
    NOT_VOTED,
    PROJECT,
    STATUS,
    USER,
    Case,
    Heard,
    assert_no_token,
    awaited,
    canonical,
    new_client,
    problem,
    scene,
    subscribed,
    virtual,
)

every_call = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


# --- on the wire ---


@every_call
async def test_a_call_is_this_request(case: Case, topgg: StandIn, make_client: MakeClient) -> None:
    """Method, target and JSON are exactly those that top.gg's v1 API documents."""
    case.answer(topgg)
    await case.make(make_client().project)
    assert [(seen.method, seen.target) for seen in topgg.seen] == [
        (case.method, target) for target in case.targets
    ]
    body = topgg.seen[0].body
    if case.body is None:
        assert body == b""
    else:
        assert canonical(body) == canonical(json.dumps(case.body).encode())


@every_call
async def test_the_headers_of_a_call(case: Case, topgg: StandIn, make_client: MakeClient) -> None:
    """The token is a bearer's and stands nowhere else; a body is JSON, and no body is no type."""
    case.answer(topgg)
    await case.make(make_client().project)
    for seen in topgg.seen:
        others = dict(seen.headers)
        assert others.pop("authorization") == f"Bearer {TOKEN}"
        assert TOKEN not in f"{others} {seen.target} {seen.body!r}"
        assert others.get("content-type") == (None if case.body is None else "application/json")
        assert others.get("content-length", "0") == str(len(seen.body))
        assert others["user-agent"].startswith(f"rx_toppy/{rx_toppy.__version__}")


@every_call
async def test_making_a_call_sends_nothing(
    case: Case, topgg: StandIn, make_client: MakeClient
) -> None:
    """It is sent when it is awaited, and again when it is awaited again."""
    case.answer(topgg)
    client = make_client()
    call = case.make(client.project)
    assert client.session is None
    assert topgg.seen == []
    await call
    await call
    assert [seen.target for seen in topgg.seen] == case.targets * 2
    assert topgg.seen[0].body == topgg.seen[len(case.targets)].body


async def test_the_routes_lie_under_the_base_url(topgg: StandIn, make_client: MakeClient) -> None:
    """v1 is a folder of whatever base URL was given."""
    topgg.default(json=PROJECT)
    base = f"http://127.0.0.1:{topgg.port}/elsewhere/"
    await make_client(base_url=base).project.fetch()
    assert [seen.target for seen in topgg.seen] == ["/elsewhere/v1/projects/@me"]


@every_call
async def test_its_event_has_the_route(case: Case, topgg: StandIn, make_client: MakeClient) -> None:
    """One RequestEvent for each send, with the route's blanks not filled in."""
    case.answer(topgg)
    client = make_client()
    events: list[RequestEvent] = []
    client.events.pipe(of_type(RequestEvent)).subscribe(events.append)
    await case.make(client.project)
    route = case.path.replace(str(USER), "{user_id}")
    url = f"http://127.0.0.1:{topgg.port}"
    assert [(event.method, event.route, event.url) for event in events] == [
        (case.method, route, url + target) for target in case.targets
    ]


CURSORS = ["a", "Zm9v+/8=", "a&b=c#d?e", "%2F", "ü 🤖", "x\r\nHost: evil", "../..", "1" * 2000]


@pytest.mark.parametrize("cursor", CURSORS, ids=lambda cursor: repr(cursor)[:20])
async def test_a_cursor_arrives_as_it_was_given(
    cursor: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """Percent-encoded, nothing of it spills into the request."""
    topgg.default(json={"cursor": cursor, "data": []})
    assert await make_client().project.votes(cursor=cursor) == []
    (seen,) = topgg.seen
    parts = urlsplit(seen.target)
    assert parts.path == "/api/v1/projects/@me/votes"
    assert parse_qsl(parts.query, strict_parsing=True) == [("cursor", cursor)]
    assert seen.target.isascii()


@pytest.mark.parametrize("hours", [-12, 0, 5.5, 14])
async def test_since_is_sent_in_utc(hours: float, topgg: StandIn, make_client: MakeClient) -> None:
    """Whatever its time zone, the same moment arrives, in ISO 8601."""
    topgg.default(json={"cursor": "c", "data": []})
    since = datetime.now(timezone(timedelta(hours=hours))) - timedelta(days=3)
    await make_client().project.votes(since=since)
    ((name, text),) = parse_qsl(urlsplit(topgg.seen[0].target).query, strict_parsing=True)
    assert name == "startDate"
    assert text.endswith(("Z", "+00:00"))
    assert datetime.fromisoformat(text) == since


WHO: dict[str, object] = {
    "int": USER,
    "str": str(USER),
    "object": SimpleNamespace(id=USER),
    "model": SimpleUser(id=USER),
    "bot": StandaloneBot(USER),
}


@pytest.mark.parametrize("who", WHO.values(), ids=WHO.keys())
async def test_whose_vote_comes_in_any_form(
    who: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """A number, a text of digits, or anything with an id: the wire form is the same."""
    topgg.default(json=STATUS)
    await make_client().project.vote(who)
    assert topgg.paths == [f"GET {AT}/votes/{USER}"]


# --- what is emitted ---


@every_call
async def test_a_call_can_be_awaited(case: Case, topgg: StandIn, make_client: MakeClient) -> None:
    """It gives its value: None where there is nothing to say, the list where there are many."""
    case.answer(topgg)
    assert case.values(await case.make(make_client().project)) == list(case.emits)


@every_call
async def test_a_call_can_be_subscribed_to(
    case: Case, topgg: StandIn, make_client: MakeClient
) -> None:
    """It emits its values, None included, and completes."""
    case.answer(topgg)
    heard = await subscribed(case.make(make_client().project))
    assert [case.shape(value) for value in heard.values] == list(case.emits)
    assert heard.ends == ["completed"]


@every_call
async def test_a_call_can_be_iterated(case: Case, topgg: StandIn, make_client: MakeClient) -> None:
    """`async for` goes over its values."""
    case.answer(topgg)
    values = [case.shape(value) async for value in case.make(make_client().project)]
    assert values == list(case.emits)


@pytest.fixture
def far() -> Any:
    """A stand-in in a loop of its own."""
    with ThreadedStandIn() as standin:
        yield standin


@every_call
def test_a_call_can_be_run(case: Case, far: ThreadedStandIn) -> None:
    """Outside of any loop, `run()` gives what awaiting it would."""
    case.answer(far)
    call = case.make(new_client(far.base_url).project)
    assert case.values(call.run()) == list(case.emits)
    assert [seen.target for seen in far.seen] == case.targets


# --- reading what comes ---


async def test_the_project_is_read(topgg: StandIn, make_client: MakeClient) -> None:
    """Every documented field of a project, with ids as numbers and tags as a tuple."""
    topgg.default(json=PROJECT)
    project = await make_client().project.fetch()
    for name, value in PROJECT.items():
        expected = {"id": int(PROJECT["id"]), "tags": tuple(PROJECT["tags"])}.get(name, value)
        assert getattr(project, name) == expected
    assert hash(project) == hash(await make_client().project.fetch())


@pytest.mark.parametrize(
    ("platform", "type"), [("roblox", "game"), ("discord", "server"), ("steam", "mod"), ("", "")]
)
async def test_kinds_that_nobody_has_heard_of_come_as_they_are(
    platform: str, type: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """An unknown platform or type sinks nothing."""
    topgg.default(json=PROJECT | {"platform": platform, "type": type, "new": {"a": [1]}})
    project = await make_client().project.fetch()
    assert (project.platform, project.type, project.name) == (platform, type, "Miki")


FIELDS = [name for name in PROJECT if name != "id"]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("how", ["missing", "null"])
async def test_a_field_of_a_project_may_be_absent(
    name: str, how: str, topgg: StandIn, make_client: MakeClient
) -> None:
    """It is None, or empty where it is a list, and the others are there."""
    body = {key: value for key, value in PROJECT.items() if key != name}
    topgg.default(json=body if how == "missing" else body | {name: None})
    project = await make_client().project.fetch()
    assert getattr(project, name) == (() if name == "tags" else None)
    for other in FIELDS:
        assert (getattr(project, other) in (None, ())) == (other == name)


WRONG: dict[str, list[Any]] = {
    "text": [5, 1.5, True, ["x"], {"x": 1}],
    "number": ["many", [], {}, ["1"], ""],
    "list": ["anime", 5, {"a": 1}, True],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("name", "platform", "type") for value in WRONG["text"]),
        *((name, value) for name in ("votes", "review_score") for value in WRONG["number"]),
        *(("tags", value) for value in WRONG["list"]),
        ("votes", 1.5),
    ],
)
async def test_a_field_of_the_wrong_type_is_as_good_as_none(
    name: str, value: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """It becomes None or empty; nothing is invented, and the rest arrives."""
    topgg.default(json=PROJECT | {name: value})
    project = await make_client().project.fetch()
    assert getattr(project, name) == (() if name == "tags" else None)
    assert project.votes_total == PROJECT["votes_total"]


async def test_a_bad_tag_is_left_out(topgg: StandIn, make_client: MakeClient) -> None:
    """The other tags arrive."""
    topgg.default(json=PROJECT | {"tags": ["fun", 5, None, ["x"], "music"]})
    assert (await make_client().project.fetch()).tags == ("fun", "music")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"id": "x"}', b'{"id": null}', b"<html>", b'{"id": "1"'],
)
async def test_what_is_no_project_is_an_invalid_response(
    body: bytes, topgg: StandIn, make_client: MakeClient
) -> None:
    """One of our errors, whatever came in its place."""
    topgg.default(ok(body))
    error = await awaited(make_client().project.fetch())
    assert type(error) is InvalidResponse
    assert (error.status, error.method) == (200, "GET")


@pytest.mark.parametrize("body", [b"done", b"", b'{"a": ', b"[1]"])
async def test_what_is_said_of_a_success_is_of_no_interest(
    body: bytes, topgg: StandIn, make_client: MakeClient
) -> None:
    """Where there is nothing to emit, any 2xx will do, whatever its body."""
    topgg.default(status(200, body))
    assert await make_client().project.post_metrics(5) is None


@pytest.mark.parametrize("call", ["post_metrics", "post_stats"])
async def test_a_web_page_is_no_success(call: str, topgg: StandIn, make_client: MakeClient) -> None:
    """A proxy's page with a 200 does not mean that top.gg has got what was posted."""
    topgg.default(html(200))
    client = make_client()
    error = await awaited(
        client.project.post_metrics(5) if call == "post_metrics" else client.post_stats()
    )
    assert type(error) is InvalidResponse
    assert "an HTML page" in str(error)


# --- one vote ---


async def test_the_vote_of_a_user_is_read(topgg: StandIn, make_client: MakeClient) -> None:
    """When it was cast and when it expires, aware, also to seven digits; and what it weighs."""
    topgg.default(json=STATUS)
    vote = await make_client().project.vote(USER)
    cast = datetime(2026, 2, 9, 0, 47, 14, 251015, tzinfo=UTC)
    assert abs(vote.created_at - cast) <= timedelta(microseconds=1)
    assert vote.expires_at - vote.created_at == timedelta(hours=12)
    assert (vote.weight, vote.created_at.utcoffset()) == (2, timedelta(0))


@pytest.mark.parametrize(
    "body", [{}, dict.fromkeys(STATUS), {"created_at": "12", "expires_at": 5, "weight": "heavy"}]
)
async def test_a_vote_without_its_fields_is_a_vote(
    body: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """What is missing or malformed is None; that there was an answer says that they voted."""
    topgg.default(json=body)
    vote = await make_client().project.vote(USER)
    assert (vote.created_at, vote.expires_at, vote.weight) == (None, None, None)


@pytest.mark.parametrize("source", ["discord", "topgg"])
async def test_who_has_not_voted_is_none(
    source: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """top.gg's 404 of that is no error: it is None, awaited or subscribed, after one request."""
    topgg.default(status(404, json=NOT_VOTED))
    client = make_client()
    assert await client.project.vote(USER, source=source) is None
    heard = await subscribed(client.project.vote(USER, source))
    assert heard == Heard([None], ["completed"])
    assert [seen.query for seen in topgg.seen] == [{"source": source}] * 2


async def test_a_404_that_is_a_web_page_is_no_answer(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """It comes of whatever stands where top.gg should: NotFound, and not "has not voted"."""
    topgg.default(html(404))
    error = await awaited(make_client().project.vote(USER))
    assert type(error) is NotFound
    assert "Just a moment" in error.text


@pytest.mark.parametrize(("code", "kind"), [(401, Forbidden), (400, InvalidRequest)])
async def test_other_errors_of_a_vote_come_out(
    code: int, kind: type, topgg: StandIn, make_client: MakeClient
) -> None:
    """Only a 404 says that somebody has not voted."""
    topgg.default(problem(code, "No", "Not like this."))
    assert type(await awaited(make_client().project.vote(USER))) is kind


# --- errors ---

ERRORS: dict[int, type] = {
    400: InvalidRequest,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: InvalidRequest,
    422: InvalidRequest,
    500: TopGGServerError,
    503: TopGGServerError,
}


FAILING = [
    pytest.param(case, code, id=f"{case.name}-{code}")
    for case in CASES
    for code in ERRORS
    if not (case.path == f"{AT}/votes/{USER}" and code == 404)  # which is an answer
]


@pytest.mark.parametrize(("case", "code"), FAILING)
async def test_errors_say_what_top_gg_said(
    case: Case, code: int, topgg: StandIn, make_client: MakeClient
) -> None:
    """Title and detail of the problem are in `text` and in what is printed."""
    topgg.default(problem(code, "Out of tune", "The headline has 2 characters."))
    error = await awaited(case.make(make_client(retries=0).project))
    assert type(error) is ERRORS[code]
    assert (error.status, error.method) == (code, case.method)
    assert error.url == f"http://127.0.0.1:{topgg.port}{case.target}"
    for said in ("Out of tune", "The headline has 2 characters."):
        assert said in error.text
        assert said in str(error)
    assert len(topgg.seen) == 1


@every_call
async def test_an_error_reaches_the_subscriber(
    case: Case, topgg: StandIn, make_client: MakeClient
) -> None:
    """One error, and nothing else."""
    topgg.default(problem(422, "No", "Not like this."))
    heard = await subscribed(case.make(make_client().project))
    assert heard.values == []
    assert [type(error) for error in heard.ends] == [InvalidRequest]


async def test_a_400_may_be_the_token(topgg: StandIn, make_client: MakeClient) -> None:
    """top.gg's v1 says 400 of a bad token too, and the error says so; of a 422 it does not."""
    topgg.script(AT, problem(400, "Bad Request", "Nope."), problem(422, "Unprocessable", "Nope."))
    project = make_client().project
    assert "token" in str(await awaited(project.fetch()))
    assert "token" not in str(await awaited(project.fetch()))


ECHOES: dict[str, Answer] = {
    "problem": problem(422, f"Bearer {TOKEN}", f"The token {TOKEN} is of no use."),
    "401": problem(401, "Unauthorized", f"Authorization: Bearer {TOKEN}"),
    "429": status(429, json={"retry-after": 1, "detail": TOKEN}),
    "text": status(400, f"Bearer {TOKEN}".encode()),
    "html": status(500, f"<html><title>{TOKEN}</title></html>".encode()),
    "shape": ok({"id": f"Bearer {TOKEN}"}),
    "redirect": status(302, headers={"Location": f"/?token={TOKEN}"}),
    "no json": bad_json(),
    "reset": reset(),
}


@every_call
@pytest.mark.parametrize("name", ECHOES)
async def test_the_token_is_in_no_error(
    name: str,
    case: Case,
    topgg: StandIn,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor in an event, a repr or the log, even where the server repeats it."""
    caplog.set_level(logging.DEBUG)
    topgg.default(ECHOES[name])
    client = make_client(retries=0)
    events: list[Any] = []
    client.events.subscribe(events.append)
    call = case.make(client.project)
    outcome = await awaited(call)
    assert topgg.seen
    assert_no_token(outcome, call, client.project, *events)
    assert TOKEN not in caplog.text


async def test_what_a_call_is_shows_in_its_repr(make_client: MakeClient) -> None:
    """Which call it is, and what to do with it."""
    project = make_client().project
    assert "project.fetch()" in repr(project.fetch())
    assert "project.post_metrics(server_count=5)" in repr(project.post_metrics(5))
    assert str(USER) in repr(project.vote(USER))


# --- sending again ---

REPEATABLE = [case for case in CASES if case.name != "announce"]


@pytest.mark.parametrize("case", REPEATABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("trouble", [status(503), reset()], ids=lambda reply: reply.name)
@virtual
async def test_what_may_be_repeated_is_sent_again(case: Case, trouble: Any) -> None:
    """After a 5xx or a lost connection it goes out once more, the same."""
    async with scene(retries=1) as (topgg, client):
        topgg.script(case.path, trouble, *case.answers)
        assert case.values(await case.make(client.project)) == list(case.emits)
        assert [seen.target for seen in topgg.seen] == [case.target, *case.targets]
        assert topgg.seen[0].body == topgg.seen[1].body


@pytest.mark.parametrize("case", REPEATABLE, ids=lambda case: case.name)
@virtual
async def test_sending_again_comes_to_an_end(case: Case) -> None:
    """After its retries the error comes out."""
    async with scene(retries=2) as (topgg, client):
        topgg.default(status(500))
        assert type(await awaited(case.make(client.project))) is TopGGServerError
        assert len(topgg.seen) == 3


async def test_disposing_stops_a_call(topgg: StandIn, make_client: MakeClient) -> None:
    """A subscription that is disposed of gives its connection back, and emits nothing."""
    topgg.default(hang())
    heard: list[Any] = []
    subscription = make_client().project.fetch().subscribe(heard.append, heard.append)
    await topgg.arrived(1)
    subscription.dispose()
    await topgg.connected(0)
    assert heard == []
