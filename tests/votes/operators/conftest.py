"""A clock on the wall that no machine is too slow for."""

from datetime import datetime, tzinfo
from typing import Self

import pytest

from .helpers import NOW


class Still(datetime):
    """A time of day that does not pass."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Always the same."""
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays `NOW`; timers go off all the same, as late after it as they are set.

    So votes that expire in a twentieth of a second have not expired yet when they are told of,
    however long that takes.
    """
    monkeypatch.setattr("rx_toppy.votes.operators.timed.datetime", Still)
