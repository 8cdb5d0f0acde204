"""`--json` of the commands that go on: an object a line, there at once, and nothing else."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rx_toppy import Ratelimited, SimpleUser, __version__
from rx_toppy.cli import main
from rx_toppy.cli.live.finding import Page, Voted
from rx_toppy.cli.live.recording import recorded
from rx_toppy.cli.watch.pipelines import Budget, OwnPage, Stats, Voters
from rx_toppy.events import PollFailed
from rx_toppy.models import Bot, BotStats
from rx_toppy.sandbox import faults
from tests.cli import EAGER, PATIENCE, TOKEN, Served, ended, finished, posix_only, serving, started


@pytest.fixture(autouse=True)
def token(monkeypatch) -> None:
    """The environment of somebody who has a token."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)


@pytest.fixture
def served() -> Iterator[Served]:
    """A local top.gg with some votes, where nobody votes unasked."""
    with serving(votes=5) as served:
        yield served


def events(out: str) -> list[dict[str, object]]:
    """Lines of JSON; each says when it was and what, and none has the token."""
    assert TOKEN not in out
    found = [json.loads(line) for line in out.splitlines()]
    for event in found:
        assert datetime.fromisoformat(event["at"]).tzinfo == UTC
        assert event["at"].endswith("Z")
        assert isinstance(event["event"], str)
    return found


@posix_only
def test_demo_is_an_object_for_each_event():
    """The demo's events are JSON from the first line to the last, without a summary."""
    kinds = {"sandbox", "request", "post", "autopost", "page", "top"}

    def is_enough(shown: str) -> bool:
        return all(f'"event":"{kind}"' in shown for kind in kinds)

    status, out, err = ended("demo", "--json", when=is_enough)
    assert (status, err) == (0, "")
    found = events(out)
    assert found[0]["event"] == "sandbox"
    assert found[0]["base_url"].startswith("http://127.0.0.1:")
    assert {event["event"] for event in found} >= kinds
    request = next(event for event in found if event["event"] == "request")
    assert list(request) == [
        "at", "event", "method", "url", "route", "status", "elapsed", "attempt", "error",
    ]  # fmt: skip
    post = next(event for event in found if event["event"] == "post")
    assert post | {"at": ""} == {
        "at": "", "event": "post", "server_count": post["server_count"], "shards": [],
        "shard_count": 1,
    }  # fmt: skip


@posix_only
def test_watch_is_an_object_for_each_event(served):
    """What is watched, what is found and the requests that find it: ids are text."""
    bot = str(served.sandbox.bot_id)
    status, out, err = ended(
        "watch", bot, "--json", *served.base, when=lambda shown: '"event":"budget"' in shown
    )
    assert (status, err) == (0, "")
    found = {event["event"]: event for event in events(out)}
    assert found["watch"]["id"] == found["page"]["id"] == bot
    assert found["budget"] | {"at": ""} == {"at": "", "event": "budget", "spent": 3, "calls": 60}
    assert {"stats", "voters", "request"} <= set(found)
    assert all(isinstance(voter["user_id"], str) for voter in found["voters"]["voters"])


def test_votes_are_the_records_of_their_export(served, capsys):
    """Followed as JSON, votes are there at once, as an export has them; failures go to stderr."""
    arguments = ("votes", "--json", "--every=0.1", "--since=365d", *served.base)
    with started(*arguments, code=EAGER) as process:
        lines = [process.stdout.readline() for _ in range(5)]
        served.fail(faults.Status(503), times=1)
        failure = process.stderr.readline()
        served.vote()
        lines.append(process.stdout.readline())
        process.terminate()
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert main(["votes", "--export=-", *served.base]) == 0
    assert capsys.readouterr().out == "".join(lines)
    assert re.fullmatch(r"\S+ \S+Z  failed: .*503.*; again in 0 s\n", failure)


def test_an_export_of_votes_tells_its_outcome(served, capsys, tmp_path):
    """With `--json` an export of votes says on stdout what it has written."""
    file = str(tmp_path / "v.csv")
    cursor = str(tmp_path / "cursor")
    export = ["--json", "votes", "--export", file, "--cursor-file", cursor, *served.base]
    for written, appended in ((5, False), (1, True)):
        assert main(export) == 0
        told = {"file": file, "format": "csv", "written": written, "appended": appended}
        out, err = capsys.readouterr()
        assert (json.loads(out), err) == (told, "")
        served.vote()


@posix_only
def test_a_file_of_any_name_can_be_told_of(served, capsys, tmp_path, monkeypatch):
    """A file whose name is no text is written, and told of in JSON as far as that can be."""
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"v\xff.csv")
    assert main(["votes", "--json", "--export", name, *served.base]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "v\ufffd.csv"
    assert Path(name).exists()


@posix_only
def test_the_sandbox_says_where_it_is_and_tells_of_requests():
    """The first line has the base URL, the token and the bot's id; then a line for each request."""
    with started("sandbox", "--json", "--bots=20", "--votes-per-minute=0") as process:
        first = json.loads(process.stdout.readline())
        assert list(first) == ["at", "event", "base_url", "token", "bot_id"]
        url = f"{first['base_url']}/bots?limit=1"
        with urlopen(
            Request(url, headers={"Authorization": first["token"]}), timeout=PATIENCE
        ) as answer:
            answer.read()
        request = json.loads(process.stdout.readline())
        process.terminate()
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert request | {"at": ""} == {
        "at": "",
        "event": "request",
        "method": "GET",
        "path": "/api/bots",
        "query": "limit=1",
        "status": 200,
    }
    assert first["token"] not in json.dumps(request)


@pytest.mark.parametrize("arguments", [["--version", "--json"], ["--json", "--version"]])
def test_versions_are_one_object(capsys, arguments):
    """`--version --json` is one object with the versions, null for what is not installed."""
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rx_toppy"] == __version__
    assert {"aiohttp", "reactivex", "msgspec"} <= set(found["libraries"])


def test_json_of_nothing_is_refused(capsys):
    """`--json` alone has nothing to print."""
    with pytest.raises(SystemExit, match="2"):
        main(["--json"])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("rx-toppy: error: --json needs a command, or --version\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_status_1():
    """JSON that can't be written ends a command that goes on, with one line."""
    with Path("/dev/full").open("w") as full:
        status, _, err = finished("demo", "--json", stdout=full)
    assert status == 1
    assert re.fullmatch(r"rx-toppy demo: error: .*No space left on device\n", err)


@pytest.mark.parametrize(
    ("event", "kind", "fields"),
    [
        (Voted("ada", "a bio", 7), "vote", {"user_id": "7", "name": "ada"}),
        (Voted("ada", "a bio"), "vote", {"user_id": None, "name": "ada"}),
        (
            PollFailed(Ratelimited(120), 120.1),
            "failed",
            {"error": str(Ratelimited(120)), "retry_in": 120.1},
        ),
        (
            Page(Bot(id=7, username="x")),
            "page",
            {"id": "7", "username": "x", "monthly_votes": None, "all_time_votes": None},
        ),
        (
            OwnPage(Bot(id=7, monthly_votes=1, all_time_votes=2)),
            "page",
            {"id": "7", "username": None, "monthly_votes": 1, "all_time_votes": 2},
        ),
        (Stats(BotStats(server_count=5)), "stats", {"server_count": 5, "shard_count": None}),
        (
            Voters([SimpleUser(id=2**62, username="b")]),
            "voters",
            {"voters": [{"user_id": str(2**62), "name": "b"}]},
        ),
        (Budget(3), "budget", {"spent": 3, "calls": 60}),
    ],
)
def test_fields_of_events(event, kind, fields):
    """Each event has its documented fields."""
    assert recorded(event) == (kind, fields)
