"""Whether a failed send is worth another, and after how long.

What may be repeated (the route says so) is tried again after a connection error, a timeout or a
5xx: a number of times, for a time, with growing pauses. A 429 never is: asking again is what
lengthens a block, so the call errs and the limiter keeps the client off the network.
"""

from __future__ import annotations

from random import Random

from ..errors import ConnectionFailed, TopGGServerError, ToppyError

FIRST_PAUSE = 0.3
LONGEST_PAUSE = 10.0

# The pause of a timer (autopost, a poll) after a call that failed in spite of its retries, and what
# it grows to.
FIRST_PAUSE_OF_ROUNDS = 15.0
LONGEST_PAUSE_OF_ROUNDS = 600.0

# No pause of a call ends later than this many seconds after its first send.
RETRY_FOR = 60.0


def backoff(failures: int, rng: Random, *, first: float, longest: float) -> float:
    """Seconds to pause after so many failures in a row: doubling from `first` up to `longest`.

    The result is drawn from the upper half below that, so that clients that failed together do
    not come back together; the cap is taken before the draw, so they don't at the cap either.
    """
    ceiling = min(longest, first * 2.0 ** min(failures - 1, 60))
    return ceiling * rng.uniform(0.5, 1.0)


def is_passing(error: ToppyError) -> bool:
    """Whether the same request, sent again, may well succeed."""
    return isinstance(error, (ConnectionFailed, TopGGServerError))


def no_sooner(error: Exception, pause: float) -> float:
    """A pause, lengthened to what the server asked for: a 429 does, and a 503 may."""
    asked = getattr(error, "retry_after", None)
    return pause if asked is None else max(pause, asked)


def pause_before_retry(
    error: ToppyError,
    *,
    attempt: int,
    retries: int,
    elapsed: float,
    rng: Random,
) -> float | None:
    """Seconds to pause before the next send, or None when the call has failed for good.

    Args:
        error: What became of this attempt.
        attempt: Its number, from 1.
        retries: How many sends may come after the first.
        elapsed: Seconds since the first send began.
        rng: The client's randomness.
    """
    if attempt > retries or not is_passing(error):
        return None
    pause = no_sooner(error, backoff(attempt, rng, first=FIRST_PAUSE, longest=LONGEST_PAUSE))
    return pause if elapsed + pause <= RETRY_FOR else None


def pause_between_rounds(error: Exception, failures: int, rng: Random, interval: float) -> float:
    """Seconds until a timer tries again after so many failures in a row.

    No longer than its interval, unless the server asked for more.
    """
    first, longest = min(FIRST_PAUSE_OF_ROUNDS, interval), min(LONGEST_PAUSE_OF_ROUNDS, interval)
    return no_sooner(error, backoff(failures, rng, first=first, longest=longest))
