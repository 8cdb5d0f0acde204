"""How often the token may call, and what one call too many costs."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from math import ceil
from typing import Protocol

import msgspec

from rx_toppy.sandbox import checks


class Limit(msgspec.Struct, frozen=True):
    """At most `calls` requests within any `per` (seconds or a timedelta).

    Those whose path after `/api` begins with `prefix` count; with `""`, all do.

    Example:
        ``Limit(60, 60.0, "/bots")``: 60 a minute over all of ``/bots``.
    """

    calls: int
    per: float | timedelta
    prefix: str = ""


class LimitLike(Protocol):
    """Anything that says `calls`, `per` and `prefix` as a `Limit` does."""

    @property
    def calls(self) -> int: ...
    @property
    def per(self) -> float | timedelta: ...
    @property
    def prefix(self) -> str: ...


DEFAULT_LIMITS = (Limit(100, 1.0), Limit(60, 60.0, "/bots"))
"""What top.gg allows: 100 a second over all routes, 60 a minute over `/bots`."""


class _Window:
    """One limit and the times (seconds) of the latest calls that it let through."""

    def __init__(self, limit: LimitLike) -> None:
        if not all(hasattr(limit, name) for name in ("calls", "per", "prefix")):
            raise TypeError(f"a rate limit must have calls, per and prefix: {limit!r}")
        prefix = limit.prefix
        if not isinstance(prefix, str):
            raise TypeError(f"prefix of a rate limit must be a str, not {prefix!r}")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"prefix of a rate limit must begin with '/', not {prefix!r}")
        self.prefix = prefix
        self._per = checks.seconds(limit.per, "per of a rate limit")
        calls = checks.whole(limit.calls, "calls of a rate limit", least=1)
        self._times: deque[float] = deque(maxlen=calls)

    def is_full(self, now: float) -> bool:
        times = self._times
        return len(times) == times.maxlen and now - times[0] < self._per

    def count(self, now: float) -> None:
        self._times.append(now)


class Budget:
    """What one token may still ask: a sliding window for each limit, and the block.

    The times are the caller's, in seconds, on whatever clock never runs backwards.

    Args:
        limits: All of them hold at once; `()` allows everything.
        block: How long the token is blocked after one request too many, in seconds.

    Raises:
        TypeError: A limit is none, or one of its parts is of the wrong type.
        ValueError: A limit allows no call, or its time or prefix makes no sense.

    Example:
        ::

            budget = Budget([Limit(1, 60.0)], block=3600.0)
            budget.refusal("/weekend", now=0.0)  # None
            budget.refusal("/weekend", now=1.0)  # 3600
    """

    def __init__(self, limits: Sequence[LimitLike], block: float) -> None:
        if not isinstance(limits, Iterable):
            raise TypeError(f"rate_limits must be a sequence of limits, not {limits!r}")
        self._windows = [_Window(limit) for limit in limits]
        self._block = block
        self._blocked_until: float | None = None

    def refusal(self, path: str, now: float) -> int | None:
        """Count a request to `path`, or say how many whole seconds the token is blocked.

        Asking while blocked starts the block anew, as it does at top.gg.
        """
        windows = [window for window in self._windows if path.startswith(window.prefix)]
        if self._is_blocked(now) or any(window.is_full(now) for window in windows):
            self._blocked_until = now + self._block
            return ceil(self._block)
        for window in windows:
            window.count(now)
        return None

    def _is_blocked(self, now: float) -> bool:
        return self._blocked_until is not None and now < self._blocked_until
