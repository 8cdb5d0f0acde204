"""Whatever text top.gg sends: a display has no markup but its own, and stays small."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    Project,
    SimpleUser,
    User,
    Vote,
    VoteStatus,
)
from rx_toppy.display import html_of
from rx_toppy.votes.operators.leaderboard import LeaderboardEntry
from rx_toppy.votes.sqlite_queries import DeadLetter
from tests.conftest import MakeClient
from tests.display import HOSTILE, Page, filled
from tests.standin import StandIn

MODELS = (
    *(Bot, BotSearchResults, BotStats, BotStatsPayload, DeadLetter, IndividualUserVoteResult),
    *(Project, SimpleUser, LeaderboardEntry, User, Vote, VoteStatus),
)
# Those that have words of somebody else's in them, and where these are to be seen.
WITH_WORDS = (Bot, BotSearchResults, DeadLetter, Project, SimpleUser, User, Vote)

anything = st.text(st.characters(exclude_categories=()), max_size=300)
ordinary = st.text(
    st.characters(categories=("Lu", "Ll", "Nd", "Po", "Sc", "Sm"), max_codepoint=0x2FFF),
    min_size=1,
    max_size=15,
)


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_markup_nor_breaks_any(model: Any, name: str, images: bool) -> None:
    """In every text field of every model, alone and in a list."""
    hostile = filled(model, HOSTILE[name])
    for shown in (hostile, [hostile] * 3):
        html = html_of(shown, images=images)
        Page(html)
        assert len(html) < 30_000


@given(anything, st.sampled_from(MODELS), st.booleans())
def test_arbitrary_text_is_never_markup(text: str, model: Any, is_list: bool) -> None:
    """Any characters at all, surrogates and unassigned ones among them."""
    shown = filled(model, text)
    page = Page(html_of([shown] if is_list else shown))
    assert not page.images


@given(ordinary, st.sampled_from(WITH_WORDS), st.booleans())
def test_ordinary_text_is_seen_as_it_is(text: str, model: Any, is_list: bool) -> None:
    """Letters, digits, punctuation and signs come out as they went in."""
    shown = filled(model, text)
    page = Page(html_of([shown] if is_list and model is not Vote else shown))
    assert text in page.text


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_page_from_the_server_is_harmless(
    name: str, make_client: MakeClient, topgg: StandIn
) -> None:
    """From the wire to the notebook: what top.gg sends of a bot of somebody's."""
    text = HOSTILE[name]
    fields = ("username", "avatar", "prefix", "shortdesc", "longdesc", "website", "support")
    topgg.reply(
        "/bots/1",
        json={"id": "1", **dict.fromkeys((*fields, "github", "invite", "date"), text)}
        | {"tags": [text] * 30, "owners": [text, "2"], "points": 10**18, "monthlyPoints": -3},
    )
    bot = await make_client().fetch_bot(1)
    page = Page(bot._repr_html_())
    assert not page.images
    assert {link.split("/")[2] for link in page.links} <= {"top.gg", "discord.com", "discord.gg"}


def test_nothing_is_fetched_unless_pictures_were_asked_for() -> None:
    """By default no display has a picture; asked for, those that have an avatar do."""
    for model in MODELS:
        shown = filled(model, "a_1234")
        html = html_of(shown)
        assert not any(part in html for part in ("<img", "src", "url("))
    for model, count in ((Bot, 1), (BotSearchResults, 3), (User, 1), (SimpleUser, 1)):
        page = Page(html_of(filled(model, "a_1234"), images=True))
        assert page.images == ["https://cdn.discordapp.com/avatars/5/a_1234.gif"] * count


@pytest.mark.parametrize(
    "address",
    ["http://cdn.example/a.png", "https://user@evil.example/a.png", "https://a.example\\b/a.png"],
)
def test_only_plain_https_is_a_picture(address: str) -> None:
    """An avatar elsewhere is left out, even when pictures were asked for."""
    assert Page(html_of(SimpleUser(id=1, _avatar=address), images=True)).images == []
    good = SimpleUser(id=1, _avatar="https://a.example/a.png?x=1&y=$2")
    assert Page(html_of(good, images=True)).images == ["https://a.example/a.png?x=1&y=$2"]


def test_a_long_page_and_a_large_bot_stay_small() -> None:
    """A thousand rows, and names of 100 kB: some rows and a name's beginning."""
    bots = tuple(
        Bot(id=n + 1, username="x" * 100_000, _tags=("t" * 999,) * 99) for n in range(1000)
    )
    html = html_of(BotSearchResults(results=bots, total=30_000))
    assert len(html) < 60_000
    page = Page(html)
    assert "1,000 of 30,000 bots" in page.text
    assert "… 980 more" in page.text
    assert len(page.cells) == 21
