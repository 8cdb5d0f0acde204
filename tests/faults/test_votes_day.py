"""Every vote is handled, whatever the day has in store for the bot; or else it is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from .votes_day import votes_day


def wipe(inbox: Path) -> None:
    """Takes away all that was kept."""
    for file in inbox.parent.glob(f"{inbox.name}*"):
        file.unlink()


def test_some_hours_of_votes() -> None:
    """The webhook away for a third of it, kills, a late history: each vote, in time, and once."""
    print(votes_day(1, hours=4))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "hours"), [(1, 24), (2, 12), (3, 12)])
def test_a_day_of_votes(seed: int, hours: int) -> None:
    """However long it is: each vote, in time, and once."""
    print(votes_day(seed, hours=hours))


@pytest.mark.slow
def test_without_the_history_votes_are_lost() -> None:
    """So it is the history that brings what no delivery has brought, and a loss is noticed."""
    with pytest.raises(AssertionError, match="never handled"):
        votes_day(1, hours=4, history=False, patience=3)


@pytest.mark.slow
def test_without_an_inbox_that_lasts_votes_are_handled_again() -> None:
    """So it is the inbox that knows what was handled, and a repetition is noticed."""
    with pytest.raises(AssertionError, match="handed over again"):
        votes_day(1, hours=2, on_kill=wipe)
