"""Every vote is handled, whatever the day has in store for the bot; or else it is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from .votes_day import votes_day


def wipe(inbox: Path) -> None:
    """Takes away all that was kept."""
    for file in inbox.parent.glob(f"{inbox.name}*"):
        file.unlink()


def test_half_a_day_of_votes() -> None:
    """The webhook away for a third of it, kills, a late history: each vote, in time, and once."""
    print(votes_day(1, hours=12))


def test_without_the_history_votes_are_lost() -> None:
    """So it is the history that brings what no delivery has brought, and a loss is noticed."""
    with pytest.raises(AssertionError, match="never handled"):
        votes_day(1, hours=4, history=False, patience=3)


def test_without_an_inbox_that_lasts_votes_are_handled_again() -> None:
    """So it is the inbox that knows what was handled, and a repetition is noticed."""
    with pytest.raises(AssertionError, match="handed over again"):
        votes_day(1, hours=6, on_kill=wipe)
