"""The models' attributes, as toppy's users know them, and what the errors carry along."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rx_toppy
from rx_toppy import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    SimpleUser,
    User,
    errors,
    models,
)

HASH = "7edcc4c6fbb0b23762455ca139f0e1c9"
CDN = "https://cdn.discordapp.com"
ID = 264811613708746752

EVERY_ERROR = [getattr(errors, name) for name in errors.__all__]


def received(model: Any, **fields: Any) -> Any:
    """A model as it comes off the wire, with an id unless it has none."""
    has_id = any(field.name == "id" for field in msgspec.structs.fields(model))
    return msgspec.convert(({"id": ID} if has_id else {}) | fields, model, strict=False)


# --- names ---


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            Bot,
            (
                "id username discriminator user_avatar default_avatar avatar prefix "
                "short_description long_description tags website support github owners "
                "featured_guilds invite approved_at certified vanity_uri all_time_votes "
                "monthly_votes donations_guild server_count shard_count lib"
            ),
        ),
        (
            User,
            (
                "id name discriminator avatar_url bio banner_url colour color socials supporter "
                "certified moderator admin"
            ),
        ),
        (models.Socials, "youtube reddit instagram github twitter"),
        (SimpleUser, "id username discriminator avatar"),
        (BotStats, "server_count shards shard_count reliable"),
    ],
)
def test_a_model_has_all_of_toppys_names(model: Any, names: str) -> None:
    """Each is there even when top.gg sent an id alone."""
    bare = received(model)
    for name in names.split():
        getattr(bare, name)


def test_pages_and_payloads_have_all_of_toppys_names() -> None:
    """The names of a search's page, and of what was posted."""
    page = BotSearchResults(results=())
    for name in ["results", "limit", "offset", "count", "total", "skipped"]:
        getattr(page, name)
    payload = BotStatsPayload(5)
    assert (payload.server_count, payload.shards, payload.shard_count) == (5, (), 1)
    assert IndividualUserVoteResult(True).voted


def test_the_models_are_where_users_look_for_them() -> None:
    """In rx_toppy.models, and the main ones in rx_toppy."""
    for name in ("Bot", "BotSearchResults", "BotStats", "BotStatsPayload", "SimpleUser", "User"):
        assert getattr(rx_toppy, name) is getattr(models, name)
    assert all(hasattr(models, name) for name in models.__all__)


# --- values ---

SAMPLES = [
    received(
        Bot, username="Luca", tags=["a"], owners=["1"], guilds=["2"], date="2017-04-26T18:08:17Z"
    ),
    received(User, username="Xetera", social={"github": "xetera"}),
    received(SimpleUser, username="Xetera"),
    received(models.Socials, github="xetera"),
    received(BotStats, server_count=6, shards=[1, 2, 3], shard_count=3),
    BotStatsPayload(6, (1, 2, 3), 3),
    IndividualUserVoteResult(True),
    BotSearchResults(results=(received(Bot), received(Bot, username="Luca")), total=2),
]


@pytest.mark.parametrize("model", SAMPLES, ids=lambda model: type(model).__name__)
def test_models_are_values(model: Any) -> None:
    """Hashable, equal to their likes, frozen, and as good after pickle and copy."""
    twin = pickle.loads(pickle.dumps(model))
    assert twin == model
    assert hash(twin) == hash(model)
    assert copy.copy(model) == copy.deepcopy(model) == model
    assert {model: 1}[twin] == 1
    name = msgspec.structs.fields(model)[0].name
    with pytest.raises(AttributeError):
        setattr(model, name, None)


def test_a_page_is_a_sequence() -> None:
    """Iterable, sized, indexable."""
    one, two = received(Bot, username="one"), received(Bot, username="two")
    page = BotSearchResults(results=(one, two), limit=50, offset=0, count=2, total=2)
    assert list(page) == [one, two]
    assert len(page) == 2
    assert (page[0], page[-1], page[:1]) == (one, two, (one,))
    assert two in page
    with pytest.raises(IndexError):
        page[2]


def test_an_empty_page_is_empty() -> None:
    """Nothing was found: no bots, and so it is falsy."""
    page = BotSearchResults(results=(), total=0)
    assert list(page) == []
    assert not page


@pytest.mark.parametrize("voted", [True, False])
def test_a_vote_check_is_truthy_when_voted(voted: bool) -> None:
    """It can stand in an `if`."""
    assert bool(IndividualUserVoteResult(voted)) is voted


class State:
    """Knows the users that were put into it, as a Discord client does."""

    def __init__(self, *ids: int) -> None:
        self.users = {id: object() for id in ids}

    def get_user(self, id: int, /) -> object | None:
        return self.users.get(id)


@pytest.mark.parametrize("model", [Bot, User, SimpleUser])
def test_the_discord_user_comes_from_a_clients_cache(model: Any) -> None:
    """`user(state)` gives what the client has, and None where it has nothing."""
    state = State(ID)
    assert received(model).user(state) is state.users[ID]
    assert received(model).user(State()) is None


# --- avatars ---


@pytest.mark.parametrize(
    ("avatar", "discriminator", "url"),
    [
        (HASH, "0001", f"{CDN}/avatars/{ID}/{HASH}.png"),
        (f"a_{HASH}", None, f"{CDN}/avatars/{ID}/a_{HASH}.gif"),
        (f"{CDN}/avatars/1/x.webp?size=64", None, f"{CDN}/avatars/1/x.webp?size=64"),
        ("http://example.org/a.png", "0001", "http://example.org/a.png"),
        (None, "1375", f"{CDN}/embed/avatars/0.png"),
        (None, "0002", f"{CDN}/embed/avatars/2.png"),
        ("", "0003", f"{CDN}/embed/avatars/3.png"),
        (None, "#0004", f"{CDN}/embed/avatars/4.png"),
        (None, "0", f"{CDN}/embed/avatars/{(ID >> 22) % 6}.png"),
        (None, None, f"{CDN}/embed/avatars/{(ID >> 22) % 6}.png"),
        (None, "", f"{CDN}/embed/avatars/{(ID >> 22) % 6}.png"),
        (None, "none", f"{CDN}/embed/avatars/{(ID >> 22) % 6}.png"),
    ],
)
def test_where_an_avatar_lies(avatar: str | None, discriminator: str | None, url: str) -> None:
    """A hash, an animated one, a URL; or Discord's default, by discriminator or by id."""
    given = {"avatar": avatar, "discriminator": discriminator}
    assert received(User, **given).avatar_url == url
    assert received(SimpleUser, **given).avatar == url


@pytest.mark.parametrize(
    ("own", "default", "avatar"),
    [(HASH, "d" * 32, HASH), (None, "d" * 32, "d" * 32), ("", "d" * 32, "d" * 32)],
)
def test_a_bots_avatar_is_its_own_or_the_default(
    own: str | None, default: str, avatar: str
) -> None:
    """Both stay what they were."""
    bot = received(Bot, avatar=own, defAvatar=default)
    assert (bot.avatar, bot.user_avatar, bot.default_avatar) == (avatar, own, default)


# --- a bot ---


def test_a_bot_without_an_invite_has_discords() -> None:
    """An OAuth2 URL made from its id."""
    for invite in (None, ""):
        url = urlsplit(received(Bot, invite=invite).invite)
        assert (url.scheme, url.hostname) == ("https", "discord.com")
        assert url.path.endswith("/oauth2/authorize")
        query = parse_qs(url.query)
        assert query["client_id"] == [str(ID)]
        assert "bot" in query["scope"][0].split()


def test_a_bots_own_invite_stays() -> None:
    """As its owner typed it."""
    assert received(Bot, invite="https://example.org/add").invite == "https://example.org/add"


@pytest.mark.parametrize(
    ("sent", "guild"),
    [
        ("264445053596991498", 264445053596991498),
        ("", None),
        (None, None),
        ("none", None),
        ("１２", None),
        ("-5", None),
        ("9" * 5000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_donations_guild_is_an_id_or_none(sent: str | None, guild: int | None) -> None:
    """Unused, it is an empty text on the wire."""
    assert received(Bot, donatebotguildid=sent).donations_guild == guild


# --- a user ---


@pytest.mark.parametrize(
    ("typed", "colour"),
    [
        ("#ff8000", 0xFF8000),
        ("ff8000", 0xFF8000),
        ("#FF8000", 0xFF8000),
        (" #ff8000 ", 0xFF8000),
        ("#f80", 0xFF8800),
        ("000", 0),
        ("#000000", 0),
        ("", None),
        (None, None),
        ("red", None),
        ("#ff80", None),
        ("#ff80001", None),
        ("##ff8000", None),
        ("0xff80", None),
        ("-f8000", None),
        ("ff_800", None),
        ("１２３", None),
        ("rgb(1,2,3)", None),
    ],
)
def test_a_colour_is_what_was_typed_or_none(typed: str | None, colour: int | None) -> None:
    """The field is free text; what is no hex colour is no colour."""
    user = received(User, color=typed)
    assert user.colour == user.color == colour


@given(st.text(max_size=8))
def test_any_colour_fits_a_discord_colour(typed: str) -> None:
    """0 to 0xFFFFFF, or None."""
    colour = received(User, color=typed).colour
    assert colour is None or 0 <= colour <= 0xFFFFFF


@pytest.mark.parametrize(
    ("mod", "web_mod", "moderator"),
    [(True, False, True), (False, True, True), (None, True, True), (False, None, False)],
)
def test_who_moderates_either_is_a_moderator(
    mod: bool | None, web_mod: bool | None, moderator: bool
) -> None:
    """The site or its Discord server."""
    assert received(User, mod=mod, webMod=web_mod).moderator is moderator


def test_a_user_without_accounts_has_empty_socials() -> None:
    """`user.socials.github` needs no check for None."""
    assert received(User).socials.github is None
    assert received(User, social={"github": "luca"}).socials.github == "luca"


# --- statistics ---


@pytest.mark.parametrize(
    ("server_count", "shards", "reliable"),
    [(6, [1, 2, 3], True), (7, [1, 2, 3], False), (None, [1, 2, 3], False), (6, [], False)],
)
def test_stats_are_reliable_when_the_total_is_the_sum(
    server_count: int | None, shards: list[int], reliable: bool
) -> None:
    """The shards add up to the server count."""
    assert received(BotStats, server_count=server_count, shards=shards).reliable is reliable


def test_shards_are_told_by_id() -> None:
    """{shard id: count}, a new dictionary each time."""
    stats = received(BotStats, shards=[4, 5])
    stats.shards[0] = 9
    assert stats.shards == {0: 4, 1: 5}


def test_int_of_a_payload_is_the_server_count() -> None:
    """As of toppy's."""
    assert int(BotStatsPayload(1234)) == 1234


@pytest.mark.parametrize(
    ("payload", "stats"),
    [
        (BotStatsPayload(5), {"server_count": 5, "shards": [], "shard_count": 1}),
        (BotStatsPayload(5, (5,)), {"server_count": 5, "shards": [5], "shard_count": 1}),
        (BotStatsPayload(5, (2, 3), 2), {"server_count": 5, "shards": [2, 3], "shard_count": 2}),
    ],
)
def test_a_payload_as_listeners_get_it(payload: BotStatsPayload, stats: dict[str, Any]) -> None:
    """All three keys, always; shards are a list."""
    assert payload.to_dict() == stats
    assert isinstance(payload.to_dict()["shards"], list)


# --- reprs ---


@pytest.mark.parametrize("model", SAMPLES, ids=lambda model: type(model).__name__)
def test_a_repr_names_the_model(model: Any) -> None:
    """And what tells one from another."""
    assert type(model).__name__ in repr(model)
    if hasattr(model, "id"):
        assert str(ID) in repr(model)


def test_reprs_are_short() -> None:
    """No pages of Markdown in a log."""
    page = "x" * 5000
    long = {"longdesc": page, "shortdesc": page, "tags": [page], "owners": ["1234567"] * 500}
    bot = received(Bot, username="Luca", **long)
    user = received(User, username="Luca", bio=page, banner=page, color=page)
    results = BotSearchResults(results=(bot,) * 500)
    for model in (bot, user, results):
        assert len(repr(model)) < 200
        assert "xxx" not in repr(model)
    assert "Luca" in repr(bot)


# --- errors ---


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_errors_are_one_tree(kind: type[errors.ToppyError]) -> None:
    """`except ToppyError` catches all, and rx_toppy has each of them."""
    assert issubclass(kind, errors.ToppyError)
    assert getattr(rx_toppy, kind.__name__) is kind


def of(kind: type[errors.ToppyError], **about: Any) -> errors.ToppyError:
    if issubclass(kind, errors.Ratelimited):
        return kind(12.5, True, **about)
    return kind("so it went", **about)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("clone", ["pickle", "copy", "deepcopy"])
def test_errors_pickle_and_copy_with_all_they_know(
    kind: type[errors.ToppyError], clone: str
) -> None:
    """Attributes, message and arguments."""
    about = {"status": 520, "method": "POST", "url": "https://top.gg/api/x", "text": "oops"}
    error = of(kind, **about)
    error.posted_shards = (0, 1)
    clones = {
        "pickle": lambda: pickle.loads(pickle.dumps(error)),
        "copy": lambda: copy.copy(error),
        "deepcopy": lambda: copy.deepcopy(error),
    }
    twin = clones[clone]()
    assert type(twin) is kind
    assert {name: getattr(twin, name) for name in about} == about
    assert twin.posted_shards == (0, 1)
    assert (twin.args, str(twin), repr(twin)) == (error.args, str(error), repr(error))
    if isinstance(error, errors.Ratelimited):
        assert (twin.retry_after, twin.internal) == (12.5, True)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_errors_know_nothing_unless_told(kind: type[errors.ToppyError]) -> None:
    """Not about a request: None, and an empty text."""
    error = of(kind)
    assert (error.status, error.method, error.url, error.text) == (None, None, None, "")
    assert error.posted_shards == ()


@pytest.mark.parametrize("status", [404, 520, 999, 0, -1])
def test_any_status_fits_an_error(status: int) -> None:
    """It is a plain int, which a proxy may have made up."""
    error = pickle.loads(pickle.dumps(errors.TopGGServerError("so it went", status=status)))
    assert error.status == status
    assert type(error.status) is int


def test_an_errors_text_says_what_where_and_why() -> None:
    """The message, what the server said, the request, and the shards that were posted."""
    error = errors.NotFound("nobody", method="GET", url="https://top.gg/api/x", text="Not Found")
    assert str(error) == "nobody: Not Found (GET https://top.gg/api/x)"
    error.posted_shards = (0, 2)
    assert "0, 2" in str(error)
    assert str(errors.ToppyError("plain")) == "plain"
    assert str(errors.ToppyError()) == ""


def test_a_ratelimited_says_how_long_and_whose_doing() -> None:
    """Held back by the client, or refused by top.gg."""
    ours, theirs = errors.Ratelimited(12.5, True), errors.Ratelimited(3600.0)
    assert "12.5 s" in str(ours)
    assert "3600 s" in str(theirs)
    assert str(ours).partition(";")[0] != str(theirs).partition(";")[0]
    assert (theirs.retry_after, theirs.internal) == (3600.0, False)
