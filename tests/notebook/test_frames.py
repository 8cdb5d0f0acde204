"""`to_frame`: models in pandas and in polars."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy import Bot, BotSearchResults, BotStatsPayload, NotFound, PostEvent, RequestEvent, Vote
from rx_toppy.notebook import to_frame

BIG = 2**63 - 1
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
EAST = AT.astimezone(timezone(timedelta(hours=2)))
BOTS = [
    msgspec.json.decode(
        b'{"id": 9223372036854775807, "username": "A", "tags": ["x", "y"], "points": null,'
        b' "owners": ["9223372036854775807"], "date": "2020-01-01T00:00:00+02:00"}',
        type=Bot,
    ),
    Bot(id=5, all_time_votes=7, certified=True),
]


def frame(models: Any, library: Any) -> Any:
    return to_frame(models, library)


def values(frame: Any, column: str) -> list[Any]:
    """A column as Python has it, what is missing as None."""
    if isinstance(frame, pl.DataFrame):
        return list(frame[column].to_list())
    return [
        None if value is pd.NA or value is pd.NaT else value for value in frame[column].tolist()
    ]


both = pytest.mark.parametrize("library", ["pandas", "polars"])


@both
def test_a_row_for_each_model_and_a_column_for_each_public_attribute(library: Any) -> None:
    """Under the names that a model has, properties among them."""
    found = frame(BOTS, library)
    assert found.shape[0] == 2
    names = {name for name in dir(BOTS[0]) if not name.startswith("_") and name != "user"}
    assert set(found.columns) == names
    assert list(found.columns)[:2] == ["id", "username"]
    assert [list(tags) for tags in values(found, "tags")] == [["x", "y"], []]


@both
def test_ids_stay_whole_numbers(library: Any) -> None:
    """Of 64 bits, also beside missing ones: nothing becomes a float."""
    found = frame(BOTS, library)
    assert str(found["id"].dtype) == str(found["all_time_votes"].dtype) == "Int64"
    assert values(found, "id") == [BIG, 5]
    assert values(found, "all_time_votes") == [None, 7]
    votes = frame([Vote(id=BIG, platform_id=None), Vote(platform_id=BIG)], library)
    assert values(votes, "id") == [BIG, None]
    assert values(votes, "platform_id") == [None, BIG]


@both
def test_times_are_aware_and_in_utc(library: Any) -> None:
    """Whatever zone they came in; to the microsecond; missing ones are missing."""
    found = frame([Vote(created_at=EAST, received_at=AT), Vote(received_at=AT)], library)
    assert values(found, "created_at") == [AT, None]
    assert "UTC" in str(found["created_at"].dtype)
    assert "UTC" in str(found["expires_at"].dtype)
    assert values(frame(BOTS, library), "approved_at")[0] == datetime(2019, 12, 31, 22, tzinfo=UTC)


@both
def test_truth_values_and_texts_keep_their_type_where_all_are_missing(library: Any) -> None:
    """The type of a column is the attribute's, and not that of a few rows."""
    full, empty = frame(BOTS, library), frame([Bot(id=1)], library)
    assert list(map(str, full.dtypes)) == list(map(str, empty.dtypes))
    assert values(full, "certified") == [None, True]


@both
def test_no_models_make_an_empty_frame(library: Any) -> None:
    """An empty page of a search has the columns of bots."""
    assert frame([], library).shape == (0, 0)
    page = frame(BotSearchResults(results=()), library)
    assert page.shape[0] == 0
    assert list(page.columns) == list(frame(BOTS, library).columns)


@both
def test_a_page_of_a_search_and_a_generator_will_do(library: Any) -> None:
    """Whatever can be looped over."""
    assert frame(BotSearchResults(results=tuple(BOTS)), library).shape[0] == 2
    assert frame((bot for bot in BOTS), library).shape[0] == 2


@both
def test_events_of_several_types_are_told_apart(library: Any) -> None:
    """With a column for the type, and gaps."""
    sent = {"at": AT, "method": "GET", "url": "u", "route": "/bots", "attempt": 1}
    error = NotFound("no bot")
    events = [
        RequestEvent(**sent, status=404, elapsed=0.5, error=error),
        PostEvent(BotStatsPayload(5), at=AT),
    ]
    found = frame(events, library)
    assert found.columns[0] == "type"
    assert values(found, "type") == ["RequestEvent", "PostEvent"]
    assert values(found, "status") == [404, None]
    assert values(found, "elapsed") == [0.5, None]
    assert values(found, "error")[0] is error
    assert values(found, "stats")[1] == BotStatsPayload(5)


@both
def test_values_that_are_not_what_was_annotated_are_kept(library: Any) -> None:
    """Nothing makes sure of types in a Struct; nothing is lost or invented."""

    class Odd(msgspec.Struct):
        number: int
        at: datetime

    odd = [Odd(2**70, datetime(2026, 1, 1)), Odd("x", AT)]  # type: ignore[arg-type]
    found = frame(odd, library)
    assert values(found, "number") == [2**70, "x"]
    assert values(found, "at") == [datetime(2026, 1, 1), AT]


@both
@given(st.lists(st.none() | st.integers(-(2**63), BIG)))
def test_any_whole_number_of_64_bits_comes_back(library: Any, numbers: list[int | None]) -> None:
    """As it was."""
    votes = [Vote(weight=number) for number in numbers]
    if votes:
        assert values(frame(votes, library), "weight") == numbers


def test_pandas_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars where there is no pandas; else an error that says what to install."""
    assert isinstance(to_frame(BOTS), pd.DataFrame)
    missing(monkeypatch, "pandas")
    assert isinstance(to_frame(BOTS), pl.DataFrame)
    with pytest.raises(ImportError, match="pip install pandas"):
        to_frame(BOTS, "pandas")
    missing(monkeypatch, "polars")
    with pytest.raises(ImportError, match="needs pandas or polars: pip install pandas"):
        to_frame(BOTS)


def missing(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """As if a library was not installed."""
    monkeypatch.setitem(sys.modules, library, None)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: to_frame(BOTS[0]), TypeError, r"takes models.*not Bot"),  # type: ignore[arg-type]
        (lambda: to_frame([1]), TypeError, "int among them"),  # type: ignore[list-item]
        (lambda: to_frame(BOTS, "numpy"), ValueError, '"pandas" or "polars"'),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """A clear error."""
    with pytest.raises(error, match=says):
        call()
