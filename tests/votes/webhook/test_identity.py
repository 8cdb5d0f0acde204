"""When two records are one vote: the rule, over everything that sources may know of a vote."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rx_toppy import Vote
from rx_toppy.votes.deduplication import is_same_vote

CAST = datetime(2026, 2, 9, 0, 47, 14, tzinfo=UTC)
ID, PLATFORM_ID, PROJECT = 808499215864008704, 661200758510977084, 160105994217586689
AROUND = timedelta(minutes=40)

webhook_v1 = Vote(
    id=ID,
    user_id=8226924471638491136,
    platform_id=PLATFORM_ID,
    created_at=CAST,
    received_at=CAST + timedelta(seconds=2),
    project_id=PROJECT,
    source="webhook_v1",
)
history = Vote(
    user_id=8226924471638491136,
    platform_id=PLATFORM_ID,
    created_at=CAST - timedelta(microseconds=400),
    received_at=CAST + timedelta(days=30),
    source="history",
)
webhook_v0 = Vote(
    platform_id=PLATFORM_ID,
    received_at=CAST + timedelta(minutes=30),
    project_id=PROJECT,
    source="webhook_v0",
)


def other(vote: Vote, **changes: object) -> Vote:
    """The vote with some things changed."""
    return Vote(**({name: getattr(vote, name) for name in vote.__struct_fields__} | changes))


# --- examples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [webhook_v1, history, webhook_v0])
@pytest.mark.parametrize("b", [webhook_v1, history, webhook_v0])
def test_one_vote_as_each_source_tells_it(a, b):
    """v1's webhook, the history and v0's webhook tell of one vote, whichever comes first."""
    assert is_same_vote(a, b)


@pytest.mark.parametrize("vote", [webhook_v1, history, webhook_v0])
@pytest.mark.parametrize(
    "changes",
    [
        {"platform_id": 7, "user_id": 7},
        {"platform_id": 7},
        {"platform_id": None, "user_id": None},
        {"is_test": True},
    ],
)
def test_another_voter_or_a_test(vote, changes):
    """Another voter's record, an unknown one's or a test is not the same vote."""
    changes = {"id": None} | changes
    assert not is_same_vote(vote, other(vote, **changes))


def test_two_tests_never_merge():
    """Tests from the dashboard are all different, even from themselves."""
    test = other(webhook_v1, is_test=True)
    assert not is_same_vote(test, test)


@pytest.mark.parametrize(("seconds", "same"), [(0, True), (1, True), (1.001, False), (60, False)])
def test_times_within_a_second(seconds, same):
    """Where both know when it was cast, a second is the most that they may lie apart."""
    for sign in (1, -1):
        moved = other(history, created_at=CAST + timedelta(seconds=sign * seconds))
        assert is_same_vote(moved, other(webhook_v1, id=None)) is same


@pytest.mark.parametrize(("minutes", "same"), [(0, True), (40, True), (40.01, False), (720, False)])
@pytest.mark.parametrize("known", [webhook_v1, webhook_v0])
def test_v0_within_forty_minutes(minutes, same, known):
    """A record without a time is the same as one of 40 minutes before or after its arrival."""
    for sign in (1, -1):
        moved = other(webhook_v0, received_at=known.cast_at + timedelta(minutes=sign * minutes))
        assert is_same_vote(moved, known) is same


def test_equal_ids_are_enough():
    """Nothing else needs to be known, or to agree, where the ids do."""
    assert is_same_vote(Vote(id=5, received_at=CAST), Vote(id=5, user_id=1))
    assert not is_same_vote(Vote(id=5), Vote(id=6))
    assert not is_same_vote(Vote(received_at=CAST), Vote(received_at=CAST))


def test_an_unknown_project_matches_any():
    """The history does not say what was voted for; two that say different things differ."""
    assert is_same_vote(other(webhook_v0, project_id=None), webhook_v0)
    assert not is_same_vote(other(webhook_v0, project_id=7), webhook_v0)


def test_time_zones_make_no_difference():
    """The same moment in another offset is the same moment."""
    east = CAST.astimezone(timezone(timedelta(hours=9)))
    assert is_same_vote(other(history, created_at=east), other(webhook_v1, id=None))


# --- properties ----------------------------------------------------------------------------------

moments = st.integers(0, 3 * 3600).map(lambda n: CAST + timedelta(seconds=n)) | st.sampled_from(
    [CAST, CAST + timedelta(milliseconds=999), CAST + timedelta(seconds=1), CAST + AROUND]
)


@st.composite
def records(draw):
    """Something of what there is to know of a vote, of few voters and projects."""
    voter = draw(st.integers(1, 2))
    knows = draw(st.sampled_from(["user_id", "platform_id", "both", "both", "neither"]))
    return Vote(
        id=draw(st.none() | st.integers(1, 3)),
        user_id=1000 + voter if knows in {"user_id", "both"} else None,
        platform_id=2000 + voter if knows in {"platform_id", "both"} else None,
        project_id=draw(st.none() | st.integers(1, 2)),
        created_at=draw(st.none() | moments),
        received_at=draw(moments),
        is_test=draw(st.sampled_from([False] * 9 + [True])),
    )


def is_expected_to_be_same(a: Vote, b: Vote) -> bool:
    """The rule, as the design has it."""
    if a.is_test or b.is_test:
        return False
    if a.id is not None and a.id == b.id:
        return True
    platform_ids, user_ids = {a.platform_id, b.platform_id}, {a.user_id, b.user_id}
    one_voter = (None not in platform_ids and len(platform_ids) == 1) or (
        None not in user_ids and len(user_ids) == 1
    )
    one_project = len({a.project_id, b.project_id} - {None}) <= 1
    if not (one_voter and one_project):
        return False
    if a.created_at and b.created_at:
        return abs((a.created_at - b.created_at).total_seconds()) <= 1
    a_at, b_at = (vote.created_at or vote.received_at for vote in (a, b))
    return abs((a_at - b_at).total_seconds()) <= 40 * 60


@settings(max_examples=150)
@given(a=records(), b=records())
def test_the_rule(a, b):
    """For any two records it is the rule of the design, and the same from both sides."""
    assert is_same_vote(a, b) is is_expected_to_be_same(a, b)
    assert is_same_vote(b, a) is is_same_vote(a, b)


test_the_rule_at_length = pytest.mark.slow(
    settings(max_examples=500)(given(a=records(), b=records())(test_the_rule.hypothesis.inner_test))
)


@given(vote=records())
def test_a_vote_is_itself(vote):
    """Every vote that says who voted, or which it is, is the same as itself, unless a test."""
    is_known = vote.voter_id is not None or vote.id is not None
    assert is_same_vote(vote, vote) is (is_known and not vote.is_test)


@given(a=records(), b=records(), to=st.integers(-(10**6), 10**6))
def test_only_differences_of_time_count(a, b, to):
    """When both records are of another time, by as much, nothing changes."""

    def moved(vote: Vote) -> Vote:
        by = timedelta(seconds=to)
        created = vote.created_at and vote.created_at + by
        return other(vote, created_at=created, received_at=vote.received_at + by)

    assert is_same_vote(moved(a), moved(b)) is is_same_vote(a, b)
