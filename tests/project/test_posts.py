"""Metrics by the hundred, and commands in all their forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from rx_toppy import ConnectionFailed, Forbidden, InvalidRequest, Ratelimited, ToppyError
from tests.conftest import MakeClient
from tests.standin import Reply, StandIn, garbage, rate_limited, status

from . import AT, Heard, awaited, problem, scene, subscribed, virtual

BATCH = f"{AT}/metrics/batch"
COMMANDS = f"{AT}/commands"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
BIG = 846097297812455424


def samples(count: int) -> list[Any]:
    """So many, a minute apart; each tells its number."""
    return [
        (LONG_AGO + timedelta(minutes=number), {"server_count": number}) for number in range(count)
    ]


def batches(topgg: StandIn) -> list[list[Any]]:
    """The entries of each request."""
    return [json.loads(seen.body)["data"] for seen in topgg.seen]


# --- batches of metrics ---


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (99, [99]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])],
)
async def test_samples_go_by_the_hundred(
    count: int, sizes: list[int], topgg: StandIn, make_client: MakeClient
) -> None:
    """As many requests as it takes, all samples once and in the order given."""
    topgg.reply(f"POST {BATCH}", status(204))
    assert await make_client().project.post_metrics_batch(samples(count)) is None
    assert [len(batch) for batch in batches(topgg)] == sizes
    numbers = [entry["metrics"]["server_count"] for batch in batches(topgg) for entry in batch]
    assert numbers == list(range(count))


async def test_one_request_follows_the_other(topgg: StandIn, make_client: MakeClient) -> None:
    """The next goes out when the one before was answered, by the same connection."""
    topgg.reply(f"POST {BATCH}", status(204))
    await make_client().project.post_metrics_batch(samples(250))
    assert {seen.connection for seen in topgg.seen} == {1}


@pytest.mark.parametrize("empty", [[], (), {}.items(), iter([])])
async def test_no_samples_are_no_request(
    empty: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """It is done at once, and emits None all the same."""
    client = make_client()
    call = client.project.post_metrics_batch(empty)
    assert await call is None
    assert await subscribed(call) == Heard([None], ["completed"])
    assert topgg.seen == []


FAILURES: dict[str, tuple[Reply, type[ToppyError]]] = {
    "422": (problem(422, "Unprocessable", "metrics.server_count is odd"), InvalidRequest),
    "401": (status(401), Forbidden),
    "429": (rate_limited(60, shape="header"), Ratelimited),
    "no HTTP": (garbage(), ConnectionFailed),
}


@pytest.mark.parametrize(("failure", "kind"), FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_failure_says_what_was_posted_before(
    before: int, failure: Reply, kind: type[ToppyError], topgg: StandIn, make_client: MakeClient
) -> None:
    """How many samples, in its attribute and its words; none is sent after it."""
    topgg.script(BATCH, *[status(204)] * before, failure)
    error = await awaited(make_client(retries=0).project.post_metrics_batch(samples(250)))
    assert type(error) is kind
    assert error.posted_samples == before * 100
    assert (f"{before * 100} samples" in str(error)) == (before > 0)
    assert len(topgg.seen) == before + 1


async def test_the_rest_can_be_posted_from_there(topgg: StandIn, make_client: MakeClient) -> None:
    """`posted_samples` is where to go on: nothing is posted twice, nothing is lost."""
    topgg.script(BATCH, status(204), status(409), status(204))
    project, wanted = make_client().project, samples(250)
    error = await awaited(project.post_metrics_batch(wanted))
    await project.post_metrics_batch(wanted[error.posted_samples :])
    first, _, *rest = batches(topgg)
    numbers = [entry["metrics"]["server_count"] for batch in (first, *rest) for entry in batch]
    assert numbers == list(range(250))


@virtual
async def test_only_the_batch_that_failed_is_sent_again() -> None:
    """A 503 in the middle repeats one request, and no sample of the others."""
    async with scene(retries=1) as (topgg, client):
        topgg.script(BATCH, status(204), status(503), status(204))
        await client.project.post_metrics_batch(samples(250))
        assert [len(batch) for batch in batches(topgg)] == [100, 100, 100, 50]
        assert topgg.seen[1].body == topgg.seen[2].body


@pytest.mark.parametrize("hours", [-11, 0, 5.75, 14])
async def test_timestamps_are_sent_in_utc(
    hours: float, topgg: StandIn, make_client: MakeClient
) -> None:
    """Whatever time zone they were given in, and to the microsecond."""
    topgg.default(status(204))
    at = (LONG_AGO + timedelta(microseconds=123456)).astimezone(timezone(timedelta(hours=hours)))
    await make_client().project.post_metrics_batch([(at, {"server_count": 1})])
    (entry,) = batches(topgg)[0]
    assert entry["timestamp"] in ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456+00:00")


async def test_a_sample_of_now_has_no_timestamp(topgg: StandIn, make_client: MakeClient) -> None:
    """Dated and undated ones may come together, and stay in their order."""
    topgg.default(status(204))
    given = [(LONG_AGO, {"player_count": 1}), (None, {"player_count": 2})]
    await make_client().project.post_metrics_batch(given)
    (batch,) = batches(topgg)
    assert [sorted(entry) for entry in batch] == [["metrics", "timestamp"], ["metrics"]]
    assert [entry["metrics"] for entry in batch] == [{"player_count": 1}, {"player_count": 2}]


# --- commands ---


class Command:
    """A command of some library."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def to_dict(self) -> Mapping[str, Any]:
        return self.fields


async def sent(topgg: StandIn, make_client: MakeClient, commands: Any) -> Any:
    """What arrives of them."""
    topgg.reply(f"PUT {COMMANDS}", status(204))
    assert await make_client().project.post_commands(commands) is None
    return json.loads(topgg.seen[-1].body)


PLAY = {"name": "play", "description": "Plays", "options": [{"type": 3, "name": "what"}]}


@pytest.mark.parametrize(
    "commands",
    [
        [PLAY, {"name": "stop"}],
        (PLAY, Command(name="stop")),
        [Command(**PLAY), MappingProxyType({"name": "stop"})],
        [Command(**MappingProxyType(PLAY)), {"name": "stop"}],
        {"a": PLAY, "b": {"name": "stop"}}.values(),
        iter([PLAY, {"name": "stop"}]),
        (one for one in [Command(**PLAY), Command(name="stop")]),
    ],
    ids=["dicts", "tuple", "mapping", "objects", "values", "iterator", "generator"],
)
async def test_commands_come_in_many_forms(
    commands: Any, topgg: StandIn, make_client: MakeClient
) -> None:
    """Dictionaries, mappings and objects with a `to_dict()`, in any iterable, in their order."""
    assert await sent(topgg, make_client, commands) == [PLAY, {"name": "stop"}]


async def test_big_ids_go_as_text(topgg: StandIn, make_client: MakeClient) -> None:
    """As Discord has them in JSON; a reader that keeps numbers as doubles would round them."""
    given = {
        "name": "play",
        "id": BIG,
        "application_id": BIG + 1,
        "guild_id": BIG + 2,
        "version": BIG + 3,
        "options": [{"name": "inner", "id": BIG + 4, "choices": ({"id": BIG + 5},)}],
    }
    assert await sent(topgg, make_client, [given]) == [
        {
            "name": "play",
            "id": str(BIG),
            "application_id": str(BIG + 1),
            "guild_id": str(BIG + 2),
            "version": str(BIG + 3),
            "options": [{"name": "inner", "id": str(BIG + 4), "choices": [{"id": str(BIG + 5)}]}],
        }
    ]


async def test_what_is_no_big_id_stays_as_it_is(topgg: StandIn, make_client: MakeClient) -> None:
    """Ids that are text, null, and numbers that are none."""
    given = {
        "name": "play",
        "id": str(BIG),
        "guild_id": None,
        "type": 1,
        "nsfw": False,
        "options": [{"name": "n", "type": 4, "min_value": -5, "max_value": 1.5, "choices": []}],
        "name_localizations": {"de": "spiele", "id": "putar"},
    }
    assert await sent(topgg, make_client, [given]) == [given]


# --- when the arguments are looked at ---


async def test_arguments_are_looked_at_when_the_call_is_made(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """What is changed afterwards, however deep inside, does not matter."""
    topgg.default(status(204))
    project = make_client().project
    headline, numbers = {"en": "Music"}, {"server_count": 1}
    given: list[Any] = [(None, numbers)]
    option = {"name": "what"}
    commands: list[Any] = [{"name": "play", "options": [option]}]
    calls = [
        project.edit(headline),
        project.post_metrics_batch(given),
        project.post_commands(commands),
    ]
    headline["en"] = "Noise"
    numbers["server_count"] = -1
    given.append("nonsense")
    option["name"] = "which"
    commands.clear()
    for call in calls:
        await call
    assert [json.loads(seen.body) for seen in topgg.seen] == [
        {"headline": {"en": "Music"}},
        {"data": [{"metrics": {"server_count": 1}}]},
        [{"name": "play", "options": [{"name": "what"}]}],
    ]


async def test_what_can_be_gone_through_once_is_sent_each_time(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """A call made of generators can be awaited again, and sends the same again."""
    topgg.default(status(204))
    project = make_client().project
    for call in (
        project.post_commands(command for command in [PLAY]),
        project.post_metrics_batch(sample for sample in samples(2)),
    ):
        await call
        await call
        assert topgg.seen[-1].body == topgg.seen[-2].body
    assert len(topgg.seen) == 4


async def test_a_number_is_made_text_where_it_is_a_big_id_and_nowhere_else(
    topgg: StandIn, make_client: MakeClient
) -> None:
    """An id that every reader can hold stays a number, and so does what is no id at all."""
    topgg.reply(f"PUT {COMMANDS}", status(204))
    largest = 2**53 - 1
    command = {"name": "play", "id": largest, "guild_id": largest + 1, "max_value": largest + 1}
    await make_client().project.post_commands([command])
    assert json.loads(topgg.seen[0].body) == [command | {"guild_id": str(largest + 1)}]
