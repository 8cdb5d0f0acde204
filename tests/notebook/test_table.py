"""`table`: the last items of a stream, in columns."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy import Bot, BotStatsPayload, NotFound, PostEvent, RequestEvent
from rx_toppy.notebook import table
from rx_toppy.notebook.table import grid
from tests.notebook.conftest import Page
from tests.notebook.test_live import Source
from tests.virtual import run_virtual

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SENT = {"at": AT, "method": "GET", "url": "https://x.example/api/bots/1", "route": "/bots/{id}"}
FOUND = RequestEvent(**SENT, status=200, elapsed=0.0123, attempt=1, error=None)
LOST = RequestEvent(**SENT, status=404, elapsed=0.5, attempt=2, error=NotFound("no <b>bot</b>"))


def shown(page: Page, *items: Any, **options: Any) -> list[list[str]]:
    """The words of a table's lines, the head first."""

    async def main() -> None:
        await table(rx.from_iterable(items), **options)

    run_virtual(main())
    return [line.split() for line in page.texts[-1].splitlines()]


def test_the_newest_is_on_top_and_the_oldest_goes(page: Page) -> None:
    """As many rows as were asked for."""
    assert shown(page, *range(100), rows=3) == [["value"], ["99"], ["98"], ["97"]]
    assert page.html.count("<tr") == 4


def test_it_is_updated_as_the_stream_goes(page: Page) -> None:
    """One output, frame by frame."""

    async def main() -> None:
        source = Source()
        view = table(source.stream, every=1)
        for item in "ab":
            source.subject.on_next(item)
            await asyncio.sleep(2)
        view.stop()
        assert source.listeners == 0

    run_virtual(main())
    assert page.texts == ["nothing has come yet", "value\na", "value\nb\na"]


def test_requests_have_the_columns_that_matter(page: Page) -> None:
    """Without the URL, which the route tells of; with an error only where there is one."""
    assert shown(page, FOUND) == [
        ["at", "method", "route", "status", "elapsed", "attempt"],
        ["03:04:05.678", "GET", "/bots/{id}", "200", "12.3", "ms", "1"],
    ]


def test_errors_are_a_column(page: Page) -> None:
    """By name and text, as text."""
    head, lost, _ = shown(page, FOUND, LOST)
    assert head[-1] == "error"
    assert " ".join(lost).endswith("NotFound: no <b>bot</b>")
    assert "<b>" not in page.html


def test_events_of_several_types_are_told_apart(page: Page) -> None:
    """Their columns are those of all, and the first one is the type."""
    posted = PostEvent(BotStatsPayload(1234), at=AT)
    head, *rows = shown(page, FOUND, posted)
    assert head[:2] == ["type", "at"]
    assert "stats" in head
    assert rows[0] == ["PostEvent", "03:04:05.678", "1,234", "servers"]
    assert rows[1][:3] == ["RequestEvent", "03:04:05.678", "GET"]


def test_whatever_has_fields_has_columns() -> None:
    """Structs, dataclasses, named tuples and dictionaries; private fields are none."""

    class Model(msgspec.Struct):
        x: int
        _hidden: int = 5

    @dataclass
    class Data:
        x: int

    pair = namedtuple("pair", "x")
    for item in (Model(1), Data(1), pair(1), {"x": 1}):
        assert grid([item]) == (["x"], [["1"]])


def test_bots_have_short_rows(page: Page) -> None:
    """A bot has two dozen attributes; a row of a table has six."""
    head, row = shown(page, Bot(id=2**63 - 1, username="Luca", server_count=5, certified=True))
    assert head == ["id", "username", "server_count", "certified"]
    assert row == [f"{2**63 - 1}", "Luca", "5", "True"]


@given(st.lists(st.one_of(st.text(), st.dictionaries(st.text(), st.text())), min_size=1))
def test_every_row_has_every_column(items: list[Any]) -> None:
    """Whatever comes, and in whatever order; in bounds, and on one line."""
    head, body = grid(items)
    assert len(body) == len(items)
    assert {len(row) for row in body} == {len(head)}
    assert all(len(text) <= 60 and "\n" not in text for row in [head, *body] for text in row)


def test_hostile_items_are_text(page: Page) -> None:
    """Names of columns, values and reprs: nothing of it is markup, or hides."""

    class Hostile:
        def __repr__(self) -> str:
            return "<img src=x onerror=alert(1)>\x1b[2J\u202e"

    shown(page, {"<script>": "</td><script>alert(1)</script>", "$x$": Hostile()})
    assert "<script" not in page.html
    assert "<img" not in page.html
    assert "\x1b" not in page.html + page.texts[-1]
    assert "$x$" not in page.html


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: table("abc"), TypeError, "takes an observable .* not str"),  # type: ignore[arg-type]
        (lambda: table(rx.of(1), 0), ValueError, "rows"),
        (lambda: table(rx.of(1), 2.5), TypeError, "rows"),  # type: ignore[arg-type]
    ],
)
async def test_bad_arguments(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """A clear error where it is called."""
    with pytest.raises(error, match=says):
        call()
