"""What the displays of models say."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from IPython.core.formatters import DisplayFormatter

from rx_toppy import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    Project,
    RateLimit,
    SimpleUser,
    User,
    Vote,
    VoteStatus,
)
from rx_toppy.display import html_of
from rx_toppy.models import Socials
from rx_toppy.votes.sqlite_queries import DeadLetter
from tests.display import Page

AT = datetime(2026, 4, 11, 20, 15, 9, 123456, tzinfo=UTC)


def text_of(model: object) -> str:
    """What is to be seen of a model."""
    return Page(html_of(model)).text


def test_a_bot_is_a_card() -> None:
    """Who it is, its numbers apart in thousands, when it was approved; not its long description."""
    bot = Bot(
        id=264811613708746752,
        username="Luca",
        certified=True,
        prefix="-",
        short_description="Runs code",
        long_description="a very long page",
        server_count=11_204,
        shard_count=12,
        monthly_votes=0,
        all_time_votes=345_678,
        date="2017-04-26T23:08:17-02:00",
        _tags=("Fun", "", "Logging"),
        _owners=("1", "2"),
    )
    page = Page(html_of(bot))
    assert page.text.startswith("Luca certified 264811613708746752Runs code")
    assert dict(zip(*page.cells, strict=True)) == {
        "Servers": "11,204",
        "Shards": "12",
        "Votes this month": "0",
        "Votes in all": "345,678",
        "Prefix": "-",
        "Owners": "2",
        "Approved": "2017-04-27",
    }
    assert "Fun, Logging" in page.text
    assert "very long" not in page.text


def test_what_is_not_known_is_left_out() -> None:
    """A bot of which top.gg sent an id alone, and others with nothing to say."""
    assert text_of(Bot(id=5)) == "(no name) 5top.gg invite"
    assert text_of(User(id=5)) == "(no name) 5"
    assert text_of(Project(id=5)) == "(no name) 5"
    assert text_of(BotStats()) == "no servers posted"
    assert text_of(VoteStatus()) == "voted"
    assert text_of(BotSearchResults(results=())) == "0 bots"


def test_a_search_says_how_much_of_the_whole_it_is() -> None:
    """The total, where the page begins, what was left out, and its first bots."""
    bots = tuple(Bot(id=n, username=f"bot {n}", server_count=n * 1000) for n in range(1, 51))
    page = Page(html_of(BotSearchResults(results=bots, total=3000, offset=100, skipped=2)))
    assert page.text.startswith("50 of 3,000 bots from 100 on (2 malformed ones left out)")
    assert page.cells[0] == ["Name", "Servers", "Votes this month", "Votes in all", "Tags"]
    assert page.cells[20] == ["bot 20", "20,000", "", "", ""]
    assert len(page.cells) == 21
    assert page.text.endswith("… 30 more")


def test_a_user_is_a_profile() -> None:
    """What they are, what they say, and their accounts as words, not as links."""
    user = User(
        id=7,
        name="Xetera",
        bio="Hello",
        certified=True,
        supporter=False,
        _mod=True,
        _color="7289DA",
        _social=Socials(github="https://github.com/x"),
    )
    page = Page(html_of(user))
    assert page.text.startswith("Xetera certified moderator 7Hello")
    assert page.cells[1] == [" #7289da", "https://github.com/x"]
    assert page.links == []


def test_statistics_say_whether_they_add_up() -> None:
    """The total, each shard, and whether the one is the sum of the others."""
    page = Page(html_of(BotStats(server_count=1234, shard_count=3, _shards=(500, 700, 34))))
    assert page.text.startswith("1,234 servers on 3 shards the sum of its shards")
    assert page.cells[1:] == [["0", "500", ""], ["1", "700", ""], ["2", "34", ""]]
    assert "not reliable: its shards have 3" in text_of(BotStats(server_count=9, _shards=(1, 2)))
    assert text_of(BotStats(server_count=9)) == "9 servers"
    many = Page(html_of(BotStats(server_count=0, shard_count=2000, _shards=(0, None) * 1000)))
    assert many.text.endswith("… 988 more")
    assert many.cells[2][0] == "2"


def test_a_post_says_of_which_shards_it_was() -> None:
    """All of them with their ids; of some nobody knows which."""
    assert text_of(BotStatsPayload(1)) == "1 server on 1 shard posted"
    page = Page(html_of(BotStatsPayload(30, (10, 20), 2)))
    assert page.cells[1:] == [["0", "10", ""], ["1", "20", ""]]
    assert text_of(BotStatsPayload(30, (10, 20), 16)) == (
        "30 servers on 16 shards posted 2 of the shards"
    )


def test_a_project_has_its_numbers() -> None:
    """Votes, and reviews with their mean."""
    project = Project(
        id=1, name="Miki", platform="discord", type="bot", votes_total=313_389, _review_score=4.38
    )
    page = Page(html_of(project))
    assert page.text.startswith("Miki discord bot 1")
    assert page.cells == [["Votes in all", "Score"], ["313,389", "4.38 of 5"]]


def test_votes_have_their_times_in_utc() -> None:
    """Whatever the offset that they were told with; alone and in a list."""
    here = AT.astimezone(timezone(timedelta(hours=-7)))
    vote = Vote(platform_id=9, weight=2, created_at=here, received_at=AT, query={"a": "b"})
    page = Page(html_of(vote))
    assert page.text.startswith("Vote of 9 weight 2")
    assert page.cells[1] == ["2026-04-11 20:15:09", "2026-04-11 20:15:09", "a=b"]
    rows = Page(html_of([vote, Vote(received_at=AT, is_test=True, source="webhook_v0")])).cells
    assert rows[1:] == [
        ["2026-04-11 20:15:09", "9", "2", ""],
        ["2026-04-11 20:15:09", "(unknown)", "", "webhook_v0 test"],
    ]


def test_a_dead_letter_says_why() -> None:
    """How often it was tried, and the last error."""
    letter = DeadLetter(platform_id=9, received_at=AT, tries=5, error="ValueError('no')")
    assert "dead letter after 5 tries: ValueError('no')" in text_of(letter)
    assert Page(html_of((letter,))).cells[1][-2:] == ["5", "ValueError('no')"]


def test_whether_somebody_voted() -> None:
    """Yes or no, and until when."""
    assert text_of(IndividualUserVoteResult(True)) == "voted within the last 12 hours"
    assert text_of(IndividualUserVoteResult(False)) == "did not vote within the last 12 hours"
    status = VoteStatus(_created_at="2026-04-11T00:00:00Z", _expires_at="2026-04-11T12:00:00Z")
    assert Page(html_of(status)).cells[1] == ["2026-04-11 00:00:00", "2026-04-11 12:00:00"]


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**30, 10**4000, -5, 10**15 - 1])
def test_no_number_is_too_large(number: int) -> None:
    """Whatever was sent, it is a few characters."""
    bot = Bot(id=1, server_count=number, monthly_votes=number)
    cells = Page(html_of(bot)).cells[1]
    assert max(map(len, cells)) <= 20


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_no_moment_is_too_far_away(date: str) -> None:
    """Those that are none in UTC are shown all the same."""
    assert date[:10] in text_of(VoteStatus(_created_at=date))
    assert date[:10] in text_of(Bot(id=1, date=date))


def test_what_is_derived_from_a_model_is_shown_as_that() -> None:
    """A vote with something more of the user's own."""

    class MyVote(Vote, frozen=True, kw_only=True):
        paid: bool = False

    assert text_of(MyVote(platform_id=9)).startswith("Vote of 9")


class Strange:
    """Has a model's name, and none of its attributes."""


@pytest.mark.parametrize("name", ["User", "Bot", "TopGG", "Strange"])
def test_what_is_not_ours_has_no_display(name: str) -> None:
    """Discord's libraries have a `User` and a `Bot` of their own."""
    stranger = type(name, (Strange,), {})()
    for shown in (stranger, [stranger], [SimpleUser(id=1), stranger]):
        with pytest.raises(TypeError, match=f"there is no display for {name}"):
            html_of(shown)
    with pytest.raises(TypeError, match="there is no display for RateLimit"):
        html_of(RateLimit(1, per=1))


def test_ipython_shows_html_and_a_short_text() -> None:
    """As a notebook asks for it: both kinds, and a repr of one line."""
    data, _ = DisplayFormatter().format(Bot(id=1, username="Luca"))
    assert Page(data["text/html"]).text.startswith("Luca")
    assert data["text/plain"] == "Bot(id=1, username='Luca')"


def test_displays_are_loaded_when_something_is_displayed() -> None:
    """Importing the library costs nothing for them."""
    code = "import rx_toppy, sys; assert not [m for m in sys.modules if 'rx_toppy.display' in m]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
