"""The lists that are given: lists like any other, and tables in a notebook."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from rx_toppy import Bot, BotStats, SimpleUser, Vote, VoteInbox
from rx_toppy.display import html_of
from rx_toppy.models.html_repr import Listed
from tests.conftest import OWN_ID, MakeClient
from tests.display import Page
from tests.standin import StandIn, ok


@given(st.lists(st.integers() | st.text()))
def test_it_is_a_list_like_any_other(items: list[Any]) -> None:
    """Equal to one, with its repr and its JSON, whole after a pickle or a copy."""
    listed: Listed[Any] = Listed(items)
    assert isinstance(listed, list)
    assert listed == items
    assert items == listed
    assert repr(listed) == repr(items)
    assert json.dumps(listed) == json.dumps(items)
    for again in (pickle.loads(pickle.dumps(listed)), copy.copy(listed), copy.deepcopy(listed)):
        assert again == items
        assert type(again) is Listed
    assert listed[:3] == items[:3]
    with pytest.raises(TypeError, match="unhashable"):
        hash(listed)


def test_msgspec_takes_it_for_a_list() -> None:
    """It is encoded, and converted, as a list is."""
    voters = [SimpleUser(id=1, username="a"), SimpleUser(id=2)]
    listed = Listed(voters)
    assert msgspec.json.encode(listed) == msgspec.json.encode(voters)
    assert msgspec.msgpack.encode(listed) == msgspec.msgpack.encode(voters)
    assert msgspec.to_builtins(listed) == msgspec.to_builtins(voters)
    assert msgspec.convert(Listed([1]), list[int]) == [1]


def test_it_has_no_more_attributes_than_a_list() -> None:
    """Nor is it larger."""
    with pytest.raises(AttributeError):
        Listed().anything = 1  # type: ignore[attr-defined]
    assert Listed([1, 2]).__sizeof__() == [1, 2].__sizeof__()


def test_models_of_one_kind_are_a_table() -> None:
    """How many there are, the first of them, and how many more."""
    page = Page(html_of([SimpleUser(id=n, username=f"voter {n}") for n in range(1, 1001)]))
    assert page.text.startswith("1,000 voters")
    assert page.cells[:2] == [["Name", "Id"], ["voter 1", "1"]]
    assert len(page.cells) == 21
    assert page.text.endswith("… 980 more")
    assert Page(html_of((SimpleUser(id=1),))).text.startswith("1 voter")


def test_others_stand_below_one_another() -> None:
    """Models of several kinds, or of one that makes no table; nothing at all says so."""
    mixed = html_of([SimpleUser(id=1, username="a"), Bot(id=2, username="b")])
    assert Page(mixed).text.startswith("a 1b 2")
    stats = Page(html_of([BotStats(server_count=n) for n in range(2, 30)]))
    assert stats.text.startswith("2 servers3 servers")
    assert stats.text.endswith("… 23 more")
    assert Page(html_of([])).text == "nothing: an empty list"


def test_what_has_no_display_leaves_the_list_to_its_repr() -> None:
    """IPython is given no HTML then, and no error."""
    mine: list[Any] = Listed([SimpleUser(id=1)])
    mine.append("something else")
    data, _ = DisplayFormatter().format(mine)
    assert data == {"text/plain": "[SimpleUser(id=1), 'something else']"}


async def test_the_lists_of_calls_are_tables(make_client: MakeClient, topgg: StandIn) -> None:
    """Voters, bots and votes, awaited."""
    topgg.reply(f"/bots/{OWN_ID}/votes", json=[{"id": "1", "username": "<b>"}])
    topgg.reply("/bots", json={"results": [{"id": "5", "username": "Luca"}], "total": 1})
    vote = {"platform_id": "9", "created_at": "2026-04-11T00:00:00Z"}
    topgg.script(
        "/v1/projects/@me/votes",
        ok({"data": [vote], "cursor": "1"}),
        ok({"data": [], "cursor": "1"}),
    )
    client = make_client()
    since = datetime.now(UTC) - timedelta(days=1)
    voters, bots = await client.fetch_votes(), await client.bulk_fetch_bots()
    votes = await client.project.votes(since=since)
    for given_list, seen in ((voters, "<b>"), (bots, "Luca"), (votes, "2026-04-11 00:00:00")):
        data, _ = DisplayFormatter().format(given_list)
        assert Page(data["text/html"]).cells[1][0] == seen


async def test_the_lists_of_an_inbox_are_tables(tmp_path: Path) -> None:
    """Votes, dead letters and the best voters, awaited."""
    async with VoteInbox(tmp_path / "votes.db") as inbox:
        await inbox.add(Vote(platform_id=9, created_at=datetime(2026, 4, 11, tzinfo=UTC)))

        async def refuse(vote: Vote) -> None:
            raise ValueError("<no>")

        async for _ in inbox.process(refuse, tries=1):
            break
        lists: list[Any] = [
            await inbox.votes(),
            await inbox.dead_letters(),
            await inbox.top_voters(),
        ]
    for given_list, seen in zip(lists, ("1 vote", "1 dead letter", "1 voter"), strict=True):
        page = Page(given_list._repr_html_())
        assert page.text.startswith(seen)
        assert "9" in page.cells[1]
