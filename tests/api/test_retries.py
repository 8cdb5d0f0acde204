"""Whether a failed send is tried again, and after which pause: bounded, doubling, with jitter."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy import errors
from rx_toppy.api.retries import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RETRY_FOR,
    backoff,
    is_passing,
    pause_before_retry,
)

FINAL: list[errors.ToppyError] = [
    errors.Ratelimited(0.0),
    errors.Ratelimited(3600.0),
    errors.Ratelimited(1.0, internal=True),
    errors.Forbidden("no", status=401),
    errors.Forbidden("no", status=403),
    errors.NotFound("nobody", status=404),
    errors.InvalidRequest("no", status=400),
    errors.InvalidRequest("no", status=418),
    errors.InvalidResponse("HTML", status=200),
    errors.InvalidResponse("a redirect", status=302),
    errors.ClientClosed("closed"),
    errors.BufferOverflow("full"),
    errors.ToppyError("anything"),
]
PASSING: list[errors.ToppyError] = [
    errors.ConnectionFailed("reset"),
    errors.ConnectionFailed("cut off", status=200),
    errors.TopGGServerError("in trouble", status=500),
    errors.TopGGServerError("in trouble", status=599),
]


class Extreme(Random):
    """Draws the least, the most, or whatever lies at a share of the way between."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def random(self) -> float:
        return self.share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.share


def pauses(retries: int, takes: float = 0.0, share: float = 1.0) -> list[float]:
    """The pauses between the sends of a call of which every send fails after `takes` seconds."""
    error = PASSING[0]
    rng, elapsed, waited = Extreme(share), 0.0, []
    for attempt in range(1, 1000):
        elapsed += takes
        pause = pause_before_retry(
            error, attempt=attempt, retries=retries, elapsed=elapsed, rng=rng
        )
        if pause is None:
            return waited
        elapsed += pause
        waited.append(pause)
    raise AssertionError("it is tried again for ever")


# --- backoff ---


def test_pauses_double_up_to_the_longest() -> None:
    """Without the draw: 1, 2, 4, 8, 10, 10."""
    rng = Extreme(1.0)
    assert [backoff(n, rng, first=1.0, longest=10.0) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(
    st.integers(1, 10**9),
    st.floats(0.001, 100),
    st.floats(0.001, 1000),
    st.randoms(use_true_random=False),
)
def test_a_pause_lies_in_the_upper_half_below_its_ceiling(
    failures: int, first: float, longest: float, rng: Random
) -> None:
    """However many failures: never more than the longest, never less than half of the ceiling."""
    pause = backoff(failures, rng, first=first, longest=longest)
    ceiling = min(longest, first * 2.0 ** min(failures - 1, 40))
    assert ceiling / 2 <= pause <= ceiling <= longest


def test_jitter_survives_the_cap() -> None:
    """At the cap the pauses still differ, over the whole upper half."""
    drawn = [backoff(50, Random(seed), first=1.0, longest=10.0) for seed in range(200)]
    assert len(set(drawn)) == 200
    assert 5.0 <= min(drawn) < 5.5
    assert 9.5 < max(drawn) <= 10.0


def test_the_same_randomness_gives_the_same_pauses() -> None:
    """Randomness is handed in: nothing else decides."""
    one, other = Random(7), Random(7)
    for n in range(1, 20):
        pause = backoff(n, one, first=1.0, longest=10.0)
        assert pause == backoff(n, other, first=1.0, longest=10.0)


# --- what is tried again ---


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(error: errors.ToppyError) -> None:
    """Connection errors, timeouts and 5xx."""
    assert is_passing(error)
    pause = pause_before_retry(error, attempt=1, retries=1, elapsed=0.0, rng=Random())
    assert pause is not None
    assert FIRST_PAUSE / 2 <= pause <= FIRST_PAUSE


@pytest.mark.parametrize("error", FINAL, ids=repr)
@given(
    attempt=st.integers(1, 100),
    retries=st.integers(0, 10**6),
    elapsed=st.floats(0, 100),
)
def test_what_does_not_pass_is_never_tried_again(
    error: errors.ToppyError, attempt: int, retries: int, elapsed: float
) -> None:
    """A 429 least of all, nor any other 4xx, nor an answer that makes no sense."""
    assert not is_passing(error)
    state: dict[str, Any] = {"attempt": attempt, "retries": retries, "elapsed": elapsed}
    assert pause_before_retry(error, rng=Random(), **state) is None


# --- bounds ---


@pytest.mark.parametrize("retries", [0, 1, 3, 7])
def test_retries_are_bounded_in_count(retries: int) -> None:
    """`retries` come after the first send, and no more; 0 is none."""
    assert len(pauses(retries)) == retries


@given(retries=st.integers(0, 500), takes=st.floats(0, 30), share=st.floats(0, 1))
def test_retries_are_bounded_in_time(retries: int, takes: float, share: float) -> None:
    """However many are allowed and however long each takes, none begins after RETRY_FOR."""
    waited = pauses(retries, takes, share)
    assert len(waited) <= retries
    begins = [sum(waited[: n + 1]) + takes * (n + 1) for n in range(len(waited))]
    assert all(at <= RETRY_FOR + 1e-6 for at in begins)
    assert all(0 < pause <= LONGEST_PAUSE for pause in waited)


def test_no_retry_begins_when_the_time_is_up() -> None:
    """A send that took all of the time was the last one."""
    state: dict[str, Any] = {"attempt": 1, "retries": 100, "rng": Random()}
    error = PASSING[0]
    assert pause_before_retry(error, elapsed=RETRY_FOR, **state) is None
    assert pause_before_retry(error, elapsed=RETRY_FOR / 2, **state) is not None


def test_a_pause_is_no_shorter_than_the_server_asked_for() -> None:
    """Retry-After of a 503 counts where it is the longer one."""
    state: dict[str, Any] = {"attempt": 1, "retries": 3, "elapsed": 0.0, "rng": Random()}
    error = errors.TopGGServerError(status=503)
    error.retry_after = 30.0
    assert pause_before_retry(error, **state) == 30.0
    error.retry_after = 0.001
    shorter = pause_before_retry(error, **state)
    assert shorter is not None
    assert shorter >= FIRST_PAUSE / 2


def test_who_is_asked_to_wait_for_too_long_gives_up() -> None:
    """A pause beyond the time for retries ends the call."""
    state: dict[str, Any] = {"attempt": 1, "retries": 3, "elapsed": 0.0, "rng": Random()}
    error = errors.TopGGServerError(status=503)
    error.retry_after = RETRY_FOR + 1
    assert pause_before_retry(error, **state) is None
