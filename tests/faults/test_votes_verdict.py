"""The verdict on a day of votes: whatever went wrong with it is noticed, and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rx_toppy import Vote
from tests.votes.inbox import by_history, by_v0

from .lives import Entry
from .votes_verdict import Evidence, judge
from .weather import Weather

VOTERS = [1_000, 1_001, 1_002, 1_003]


@pytest.fixture
def day(tmp_path: Path) -> Evidence:
    """A day on which all went well: four votes, and a kill while two of them were handled."""
    return Evidence(
        seed=1,
        cast=VOTERS,
        kept=[by_history(voter) for voter in VOTERS],
        dead_letters=[],
        inbox=tmp_path / "votes.db",
        diary=[
            *(Entry(0, "returned", voter) for voter in VOTERS[:2]),
            *(Entry(0, "began", voter) for voter in VOTERS[2:]),
            *(Entry(1, "returned", voter) for voter in VOTERS[2:]),
        ],
        kills=1,
        at_once=2,
        endpoints=[],
        polls=[200],
        to_topgg=Weather(1),
        to_bot=Weather(1),
    )


def test_a_good_day(day: Evidence) -> None:
    """What is handed over again after a kill is counted, and is no fault."""
    assert judge(day).startswith("4 votes, 1 kills: all handled, 2 again after a kill (0 of these")


def loses(day: Evidence) -> None:
    day.diary = day.diary[:-1]


def makes_up(day: Evidence) -> None:
    day.diary.append(Entry(1, "returned", 9))


def repeats_what_was_done(day: Evidence) -> None:
    day.diary += [Entry(1, "returned", voter) for voter in VOTERS[:2]]


def repeats_in_one_life(day: Evidence) -> None:
    day.diary.append(Entry(1, "returned", VOTERS[3]))


def keeps_too_few(day: Evidence) -> None:
    day.kept = day.kept[1:]


def keeps_twice(day: Evidence) -> None:
    day.kept.append(day.kept[0])


def is_never_told_when(day: Evidence) -> None:
    day.kept[0] = by_v0(VOTERS[0])


def gives_up(day: Evidence) -> None:
    day.dead_letters = [Vote(platform_id=VOTERS[0])]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (loses, "never handled: 1 of 4"),
        (makes_up, "nobody has cast"),
        (repeats_what_was_done, "handed over again after kill 0"),
        (repeats_in_one_life, "handled twice in life 1"),
        (keeps_too_few, "has not those that were cast"),
        (keeps_twice, "twice in the inbox"),
        (is_never_told_when, "the history has never told"),
        (gives_up, "given up"),
    ],
)
def test_a_bad_day(day: Evidence, fault: Callable[[Evidence], None], told: str) -> None:
    """What was lost, made up, repeated or left is an AssertionError that says so."""
    fault(day)
    with pytest.raises(AssertionError, match=told):
        judge(day)
