"""Days in which things fail: what was promised is kept, whatever the seed."""

from __future__ import annotations

import pytest

from .autopost_day import autopost_day, autopost_day_v1
from .storm import storm
from .weather import Fate


def test_a_day_of_autopost_with_five_in_a_hundred_failing() -> None:
    """48 beats, each of them posted on time, with the number of its moment."""
    assert autopost_day(1, interval=1_800.0).startswith("48 beats")


def test_a_day_of_autopost_with_a_quarter_failing() -> None:
    """Rounds fail, and are tried again; no beat is left out."""
    autopost_day(3, interval=900.0, rate=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 5, 6])
@pytest.mark.parametrize("rate", [0.05, 0.25])
def test_more_days_of_autopost(seed: int, rate: float) -> None:
    """However often it posts, no beat is left out."""
    autopost_day(seed, rate=rate)


def test_a_day_of_v1_with_three_outages() -> None:
    """The history has no hole."""
    autopost_day_v1(1, interval=1_200.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_more_days_of_v1_with_three_outages(seed: int) -> None:
    """The history has no hole, however often it is posted to."""
    autopost_day_v1(seed, interval=300.0)


def test_a_storm() -> None:
    """Every call ends in time with the truth or an error of ours; polls miss and repeat nothing."""
    storm(1, hours=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_long_storm(seed: int) -> None:
    """Hours of it are no worse than half an hour."""
    storm(seed, hours=2.0)


def test_what_is_late_is_found() -> None:
    """With everything failing there is no post, and the day says so."""
    with pytest.raises(AssertionError, match="nothing was posted at 0 s"):
        autopost_day(1, rate=1.0, kinds=[Fate.HALF_OPEN], hours=0.5)
