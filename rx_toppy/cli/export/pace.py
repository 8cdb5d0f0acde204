"""The pace that top.gg's budget allows, and how much of it is used."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from math import ceil

from ...api.rate_limits import RateLimit
from ...arguments import seconds
from ...events import RequestEvent


class Pace:
    """How many calls of the last minute a limit counts, and how long one more has to wait.

    It goes by what the client has sent. Whatever else uses the same token is not known here.

    Args:
        limit: The limit.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._per = timedelta(seconds=seconds(limit.per, "per"))
        self._ended: deque[datetime] = deque()

    def add(self, event: RequestEvent) -> None:
        """Takes one request in, which has ended."""
        if event.route.startswith(self._limit.prefix):
            self._ended.append(event.at)

    def used(self, now: datetime) -> int:
        """How many calls are counted now."""
        while self._ended and self._ended[0] <= now - self._per:
            self._ended.popleft()
        return len(self._ended)

    def wait(self, now: datetime) -> int:
        """Seconds until the next call may go out, rounded up; 0 where it may now."""
        if self.used(now) < self._limit.calls:
            return 0
        return ceil((self._ended[-self._limit.calls] + self._per - now).total_seconds())

    def told(self, now: datetime | None = None) -> str:
        """Both in words."""
        now = now or datetime.now(UTC)
        wait = self.wait(now)
        minute = (
            "minute" if self._per == timedelta(minutes=1) else f"{self._per.total_seconds():g} s"
        )
        calls = f"{self.used(now)} of {self._limit.calls} calls"
        return f"{calls}, waiting for {wait} s" if wait else f"{calls} this {minute}"
