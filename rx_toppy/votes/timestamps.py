"""Moments as they are kept: microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """A moment as it is kept."""
    return (moment - EPOCH) // MICROSECOND


def moment(value: int) -> datetime:
    """A moment that was kept."""
    return EPOCH + value * MICROSECOND
