"""The vote history in pieces is the vote history: for all pages, cursors and interruptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as ops

from . import Ledger, scene, subscribed, vote, voters

EXAMPLES = settings(max_examples=75)


@dataclass
class Stop:
    """After how many votes a reader leaves, and how."""

    after: int
    piped: bool


JUNK = st.sampled_from([None, 5, {}, "x", {"weight": 1}])
# Cursors that a query could be confused by, and some that are each other's beginnings.
CURSORS = st.one_of(
    st.sampled_from(["0", "00", "a", "ab", " ", "&", "=", "?cursor=a", "%61", "+", "ü", "🤖"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)
SHAPES = st.lists(
    st.lists(st.one_of(st.just("vote"), st.just("vote"), JUNK), min_size=1, max_size=5), max_size=7
)
STOPS = st.lists(st.builds(Stop, st.integers(1, 12), st.booleans()), max_size=8)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """Votes from 1 on, split up at random among junk, with any cursors that differ."""
    shapes = draw(SHAPES)
    count = len(shapes) + 1
    cursors = draw(st.lists(CURSORS, min_size=count, max_size=count, unique=True))
    numbers = iter(range(1, 1000))
    pages = [[vote(next(numbers)) if one == "vote" else one for one in page] for page in shapes]
    return Ledger(pages, cursors)


def truth(ledger: Ledger, cursor: str | None = None) -> list[int]:
    """The voters behind a cursor, as they stand in the ledger."""
    place = 0 if cursor is None else ledger.cursors.index(cursor)
    items = [item for page in ledger.pages[place:] for item in page]
    return [
        int(item["platform_id"])
        for item in items
        if isinstance(item, dict) and "platform_id" in item
    ]


def in_loop(test: Any) -> None:
    """Runs it in a loop of its own, in asyncio's debug mode."""
    asyncio.run(test(), debug=True)


@EXAMPLES
@given(ledgers())
def test_read_at_once_it_is_all_there(ledger: Ledger) -> None:
    """Every vote once and in order, a request for each page; awaited, iterated and subscribed."""

    async def test() -> None:
        async with scene() as (topgg, client):
            topgg.default(ledger)
            votes = client.project.votes()
            assert voters(await votes) == truth(ledger)
            assert len(topgg.seen) == len(ledger.pages) + 1
            assert voters([one async for one in votes]) == truth(ledger)
            heard = await subscribed(votes)
            assert (voters(heard.values), heard.ends) == (truth(ledger), ["completed"])

    in_loop(test)


@EXAMPLES
@given(ledgers())
def test_a_restart_from_any_cursor_gives_the_rest(ledger: Ledger) -> None:
    """Each cursor that is told stands behind what was delivered by then, and before the rest."""

    async def test() -> None:
        async with scene() as (topgg, client):
            topgg.default(ledger)
            told: list[tuple[str, int]] = []
            read: list[int] = []
            reading = client.project.votes(on_cursor=lambda c: told.append((c, len(read))))
            async for one in reading:
                read.append(one.platform_id or 0)  # noqa: PERF401 - it is looked at meanwhile
            expected = ledger.cursors[1:] or ledger.cursors  # an empty history has one as well
            assert [cursor for cursor, _ in told] == expected
            for cursor, place in told:
                rest = await client.project.votes(cursor=cursor)
                assert read[:place] + voters(rest) == truth(ledger)

    in_loop(test)


class Reader:
    """One who keeps what was delivered up to the last cursor, and that cursor."""

    def __init__(self, project: Any) -> None:
        self.kept: list[int] = []
        self.cursor: str | None = None
        self._fresh: list[int] = []
        self._project = project

    async def read(self, stop: Stop | None = None) -> None:
        """Goes on from where it stands, up to the end or until it is interrupted."""
        self._fresh = []
        votes = self._project.votes(cursor=self.cursor, on_cursor=self._keep)
        if stop is None:
            async for one in votes:
                self._take(one)
            self.kept += self._fresh
        elif stop.piped:
            await subscribed(votes.pipe(ops.take(stop.after), ops.do_action(self._take)))
        else:
            left = stop.after
            async for one in votes:
                self._take(one)
                left -= 1
                if not left:
                    break

    def _take(self, one: Any) -> None:
        self._fresh.append(one.platform_id)

    def _keep(self, cursor: str) -> None:
        self.kept += self._fresh
        self._fresh = []
        self.cursor = cursor


@EXAMPLES
@given(ledgers(), STOPS)
def test_read_in_pieces_it_is_the_same(ledger: Ledger, stops: list[Stop]) -> None:
    """However often a reader is interrupted, going on from its cursor it keeps each vote once."""

    async def test() -> None:
        async with scene() as (topgg, client):
            topgg.default(ledger)
            reader = Reader(client.project)
            for stop in stops:
                await reader.read(stop)
                assert reader.kept == truth(ledger)[: len(reader.kept)]
            await reader.read()
            assert reader.kept == truth(ledger)

    in_loop(test)


@EXAMPLES
@given(ledgers(), STOPS, st.lists(st.integers(1, 4), max_size=6))
def test_votes_that_come_meanwhile_are_read_once(
    ledger: Ledger, stops: list[Stop], arrivals: list[int]
) -> None:
    """A history that grows between interruptions: each vote once, and in order."""

    async def test() -> None:
        async with scene() as (topgg, client):
            topgg.default(ledger)
            reader = Reader(client.project)
            number = 1000
            ledger.cursors = [f"{place}:{cursor}" for place, cursor in enumerate(ledger.cursors)]
            for turn in range(max(len(stops), len(arrivals))):
                await reader.read(stops[turn] if turn < len(stops) else None)
                if turn < len(arrivals):
                    ledger.append([vote(number + n) for n in range(arrivals[turn])])
                    number += arrivals[turn]
            await reader.read()
            assert reader.kept == truth(ledger)

    in_loop(test)
