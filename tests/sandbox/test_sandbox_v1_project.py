"""The project at v1: what it shows, edits, announcements and commands."""

from datetime import UTC, datetime

import pytest

from rx_toppy.sandbox import Announcement

HOUR = 3600
LOCALES = ["en", "de", "fr", "pt", "tr", "hi", "ja", "ar"]
LOCALES += ["nl", "ko", "it", "es", "ru", "uk", "vi", "zh"]
PAGE = "A page about the bot. " * 20


# --- what it shows -------------------------------------------------------------------------------


async def test_the_project_is_the_own_bot(run):
    """It has the fields of a project, which say what v0 says of the bot."""
    async with run() as (sandbox, api):
        answer = await api.v1("GET", "")
        bot = (await api.own()).data
    project = answer.data
    assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8")
    assert list(project) == [
        *("id", "name", "type", "platform", "headline", "tags"),
        *("votes", "votes_total", "review_score", "review_count"),
    ]
    assert (project["platform"], project["type"]) == ("discord", "bot")
    assert (project["name"], project["tags"]) == (bot["username"], bot["tags"])
    assert project["headline"] == bot["shortdesc"]
    assert (project["votes"], project["votes_total"]) == (bot["monthlyPoints"], bot["points"])
    assert 1 <= project["review_score"] <= 5
    assert type(project["review_count"]) is int
    assert project["id"].isdigit()
    assert 1 <= int(project["id"]) < 2**63
    assert int(project["id"]) != sandbox.bot_id


@pytest.mark.parametrize("kind", ["discord bot", "discord server", "roblox game"])
async def test_the_kind_of_project_can_be_chosen(run, kind):
    """The platform and the type are those that were asked for; nothing else changes."""
    async with run() as (_, api):
        usual = (await api.v1("GET", "")).data
    async with run(project=kind) as (_, api):
        project = (await api.v1("GET", "")).data
    platform, type_ = kind.split()
    assert project == usual | {"platform": platform, "type": type_}


async def test_the_project_shows_each_vote(run):
    """A vote counts in this month and in all, as it does at v0."""
    async with run(weekend=True) as (sandbox, api):
        before = (await api.v1("GET", "")).data
        sandbox.vote()
        after = (await api.v1("GET", "")).data
        bot = (await api.own()).data
    assert after["votes"] == before["votes"] + 2 == bot["monthlyPoints"]
    assert after["votes_total"] == before["votes_total"] + 2 == bot["points"]


# --- edits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_headline_is_set(run, locale):
    """In each locale it can be set; it shows in the project and at v0, the page is not touched."""
    async with run() as (sandbox, api):
        before = (await api.own()).data
        answer = await api.v1("PATCH", "", {"headline": {locale: "Hello there"}})
        assert (answer.status, answer.body) == (204, b"")
        assert (await api.v1("GET", "")).data["headline"] == "Hello there"
        assert (await api.own()).data == before | {"shortdesc": "Hello there"}
    assert sandbox.headline == {locale: "Hello there"}
    assert sandbox.page_content == {}


async def test_the_english_texts_are_shown(run):
    """Of several locales the English one shows, else the first; edits leave other locales alone."""
    async with run() as (sandbox, api):
        await api.v1("PATCH", "", {"headline": {"de": "Moin", "fr": "Salut"}})
        assert (await api.v1("GET", "")).data["headline"] == "Moin"
        await api.v1("PATCH", "", {"headline": {"en": "Hello"}, "page_content": {"nl": PAGE}})
        assert (await api.v1("GET", "")).data["headline"] == "Hello"
        await api.v1("PATCH", "", {"headline": {"de": "Servus"}})
        assert (await api.v1("GET", "")).data["headline"] == "Hello"
        assert (await api.own()).data["longdesc"] == PAGE
    assert sandbox.headline == {"de": "Servus", "fr": "Salut", "en": "Hello"}
    assert sandbox.page_content == {"nl": PAGE}


@pytest.mark.parametrize(
    ("field", "length", "status"),
    [
        ("headline", 2, 422),
        ("headline", 3, 204),
        ("headline", 140, 204),
        ("headline", 141, 422),
        ("page_content", 299, 422),
        ("page_content", 300, 204),
        ("page_content", 50_000, 204),
        ("page_content", 50_001, 422),
    ],
)
async def test_texts_have_a_length(run, field, length, status):
    """A text may be as short and as long as the API says, and no character more or less."""
    async with run() as (sandbox, api):
        assert (await api.v1("PATCH", "", {field: {"en": "ü" * length}})).status == status
    taken = {"en": "ü" * length} if status == 204 else {}
    assert getattr(sandbox, field) == taken


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"headline": {}},
        {"headline": {}, "page_content": {}},
        {"headline": "Hello"},
        {"headline": None},
        {"headline": {"en": None}},
        {"headline": {"en": 12345}},
        {"headline": {"sv": "Hej hej"}},
        {"headline": {"EN": "Hello"}},
        {"headline": {"en-US": "Hello"}},
        {"headline": {"en": "Hello", "de": "x"}},
        {"headline": {"en": "Hello"}, "page_content": {"en": "short"}},
        {"headline": {"en": "Hello"}, "title": "Hello"},
    ],
)
async def test_bad_edits_are_refused(run, body):
    """An edit of nothing, of an unknown locale or with anything wrong in it changes nothing."""
    async with run() as (sandbox, api):
        before = (await api.own()).data
        answer = await api.v1("PATCH", "", body)
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert (await api.own()).data == before
    assert sandbox.headline == sandbox.page_content == {}


# --- announcements -------------------------------------------------------------------------------


async def announce(api, title="A title", content="What there is to say."):
    return await api.v1("POST", "/announcements", {"title": title, "content": content})


async def test_an_announcement_is_made(run, clock):
    """It comes back with the time that it was made at, and is kept."""
    clock.advance(seconds=0.25)
    async with run() as (sandbox, api):
        answer = await announce(api)
    assert answer.status == 200
    assert answer.data == {
        "title": "A title",
        "content": "What there is to say.",
        "created_at": "2026-04-15T12:00:00.25Z",
    }
    made_at = datetime(2026, 4, 15, 12, 0, 0, 250_000, tzinfo=UTC)
    assert sandbox.announcements == [Announcement("A title", "What there is to say.", made_at)]


async def test_announcements_are_4_hours_apart(run, clock):
    """One that comes sooner is told when to come back, in whole seconds; then it is accepted."""
    async with run() as (sandbox, api):
        assert (await announce(api, "First")).status == 200
        for passed, wait in ((0, 4 * HOUR), (0.5, 4 * HOUR), (HOUR, 3 * HOUR)):
            clock.advance(seconds=passed)
            answer = await announce(api, "Too soon")
            assert (answer.status, answer.content_type) == (429, "application/problem+json")
            assert answer.headers["Retry-After"] == str(wait)
            assert answer.data["status"] == 429
        clock.advance(seconds=3 * HOUR - 1)
        assert (await announce(api, "Too soon")).headers["Retry-After"] == "1"
        clock.advance(seconds=0.5)
        assert (await announce(api, "Second")).status == 200
        assert (await announce(api, "Too soon")).headers["Retry-After"] == str(4 * HOUR)
    assert [made.title for made in sandbox.announcements] == ["First", "Second"]


async def test_an_announcement_too_soon_blocks_nothing_else(run):
    """The 429 of an announcement is not the token's: other calls go on."""
    async with run() as (_, api):
        await announce(api)
        assert (await announce(api)).status == 429
        assert (await api.v1("GET", "")).status == 200
        assert (await api.get("/weekend")).status == 200


@pytest.mark.parametrize(
    ("title", "content", "status"),
    [
        (2, 10, 422),
        (3, 10, 200),
        (100, 2000, 200),
        (101, 2000, 422),
        (3, 9, 422),
        (100, 2001, 422),
    ],
)
async def test_announcements_have_a_length(run, title, content, status):
    """Title and content may be as short and as long as the API says; a refused one is not made."""
    async with run() as (sandbox, api):
        assert (await announce(api, "ü" * title, "ü" * content)).status == status
        assert len(sandbox.announcements) == (status == 200)
        assert (await announce(api)).status == (429 if status == 200 else 200)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "A title"},
        {"content": "What there is to say."},
        {"title": None, "content": "What there is to say."},
        {"title": 12345, "content": "What there is to say."},
        {"title": "A title", "content": "What there is to say.", "ping": True},
    ],
)
async def test_bad_announcements_are_refused(run, body):
    """An announcement needs its title and its content, and has nothing else."""
    async with run() as (sandbox, api):
        assert (await api.v1("POST", "/announcements", body)).status == 422
    assert sandbox.announcements == []


# --- commands ------------------------------------------------------------------------------------


async def test_commands_are_replaced(run):
    """The commands are those of the last PUT, with all that was sent; `[]` clears them."""
    commands = [
        {"name": "ping", "description": "Pong", "options": [{"name": "loud", "type": 5}]},
        {"name": "x" * 32, "type": 2},
    ]
    async with run() as (sandbox, api):
        assert sandbox.commands == []
        answer = await api.v1("PUT", "/commands", commands)
        assert (answer.status, answer.body) == (204, b"")
        assert sandbox.commands == commands
        await api.v1("PUT", "/commands", commands[1:])
        assert sandbox.commands == commands[1:]
        assert (await api.v1("PUT", "/commands", [])).status == 204
        assert sandbox.commands == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "ping"},
        ["ping"],
        [{}],
        [{"name": ""}],
        [{"name": "x" * 33}],
        [{"name": None}],
        [{"name": 5}],
        [{"name": "ping"}, {"description": "Pong"}],
    ],
)
async def test_bad_commands_are_refused(run, body):
    """Anything but a list of objects with a name each is refused; the old commands stay."""
    async with run() as (sandbox, api):
        await api.v1("PUT", "/commands", [{"name": "old"}])
        answer = await api.v1("PUT", "/commands", body)
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert sandbox.commands == [{"name": "old"}]


async def test_what_was_taken_is_told_in_copies(run):
    """Changing what the sandbox tells changes nothing of what it knows."""
    async with run() as (sandbox, api):
        await api.v1("PATCH", "", {"headline": {"en": "Hello"}, "page_content": {"en": PAGE}})
        await api.v1("PUT", "/commands", [{"name": "ping"}])
        await api.v1("PATCH", "/metrics", {"server_count": 1})
        await announce(api)
        names = ("headline", "page_content", "commands", "metrics", "announcements")
        for name in names:
            getattr(sandbox, name).clear()
        assert all(getattr(sandbox, name) for name in names)
