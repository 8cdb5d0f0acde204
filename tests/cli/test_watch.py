"""`rx-toppy watch`: what it shows of a bot, how failures look, what it refuses, and its ends."""

import asyncio
import io
import json
import re
import signal
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from rich.cells import cell_len

from rx_toppy import PollFailed, Ratelimited, SimpleUser
from rx_toppy.cli import main
from rx_toppy.cli.live.finding import Voted, newcomers
from rx_toppy.cli.live.lines import Lines
from rx_toppy.cli.watch.board import Board
from rx_toppy.cli.watch.pipelines import Budget, OwnPage, Stats, Voters, Watching
from rx_toppy.models import Bot, BotStats
from rx_toppy.sandbox import Sandbox, faults
from tests.cli import (
    BUSY,
    EAGER,
    PATIENCE,
    TOKEN,
    Terminal,
    ended,
    finished,
    posix_only,
    request,
    screen,
    started,
)

BOT = "264811613708746752"
LINE = re.compile(r"\d\d:\d\d:\d\d  (watch|request|stats|page|voters|vote|budget|failed) +\S")
SUMMARY = re.compile(
    r"The watch ran for [\d.]+ s\.\n"
    r"  servers     ([\d,]+ -> [\d,]+ \([+-]\d+\)|not known)\n"
    r"  votes       ([\d,]+ -> [\d,]+ \([+-]\d+\)|not known)\n"
    r"  failures    (\d+)\n"
    r"  requests    (\d+): .+\n"
    r"  new voters  (\d+)\n$"
)


@pytest.fixture(autouse=True)
def token(monkeypatch) -> None:
    """The environment of somebody who has a bot."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A local top.gg on the test's loop, where nobody votes unasked."""
    async with Sandbox(seed=2, bots=20, token=TOKEN, votes_per_minute=0) as sandbox:
        yield sandbox


def watch(sandbox: Sandbox) -> tuple[str, ...]:
    """The arguments that watch the sandbox's bot."""
    return "watch", str(sandbox.bot_id), "--base-url", sandbox.base_url


async def watched(sandbox: Sandbox, *options: str, **more: object) -> tuple[int, str, str]:
    """The exit status of a watch of the sandbox's bot, and what it wrote; it may end `when` so."""
    run = ended if "when" in more else finished
    came_to = await asyncio.to_thread(run, *watch(sandbox), *options, **more)
    assert TOKEN not in f"{came_to[1]}{came_to[2]}"
    return came_to


# --- what it shows -------------------------------------------------------------------------------


@posix_only
async def test_it_shows_the_bot_and_the_requests_that_find_it(sandbox):
    """A line each: what it watches, stats, votes, voters, every request, and the budget used."""
    status, out, err = await watched(sandbox, when=lambda shown: "  budget " in shown)
    assert (status, err) == (0, "")
    lines, _, summary = out.partition("The watch")
    assert [line for line in lines.splitlines() if not LINE.match(line)] == []
    for part in (
        rf"watch     bot {sandbox.bot_id} at {sandbox.base_url}, every 30 s\n",
        r"request   GET /bots/\{id\} +200 +[\d.]+ ms\n",
        r"request   GET /bots/\{id\}/stats +200 ",
        r"request   GET /bots/\{id\}/votes +200 ",
        r"stats     [\d,]+ servers",
        r"page      \S.* has [\d,]+ votes? this month, [\d,]+ in all\n",
        r"voters    [\d,]+ voters? so far, the newest: \S",
        r"budget    3 of 60 requests a minute\n",
    ):
        assert re.search(part, lines), part
    assert SUMMARY.match("The watch" + summary).group(3, 4, 5) == ("0", "3", "0")
    assert sandbox.posted == []
    assert {seen.method for seen in sandbox.requests} == {"GET"}


@posix_only
async def test_new_voters_are_announced_and_failures_are_survived(sandbox):
    """Who votes meanwhile is told of once, in order; 503s are values, and the looks go on."""

    def is_enough(shown: str) -> bool:
        return shown.count("  vote      ") == 4 and shown.count("  page      ") > 1

    watching = asyncio.create_task(watched(sandbox, "--every=0.2", code=EAGER, when=is_enough))
    async with asyncio.timeout(PATIENCE):
        while len(sandbox.requests) < 6:
            await asyncio.sleep(0.02)
        voters = [sandbox.vote() for _ in range(3)]
        with sandbox.fail(faults.Status(503), times=4) as failing:
            while failing.count < 4:
                await asyncio.sleep(0.02)
        voters.append(sandbox.vote())
    status, out, err = await watching
    assert (status, err) == (0, "")
    assert re.findall(r"  vote      .*: (\d+)\n", out) == [str(voter) for voter in voters]
    assert out.count("  503  ") == out.count("  failed    ") == 4
    assert re.search(r"failed    .*503.*; again in 0 s\n", out)
    assert out.count("  page      ") > 1  # their votes were counted there, too
    assert SUMMARY.search(out).group(3, 5) == ("4", "4")


@posix_only
async def test_a_429_is_a_line_and_keeps_it_quiet(sandbox):
    """It says how long the 429 lasts, asks for nothing until then, and then goes on."""
    sandbox.fail(faults.TooManyRequests(1), route="/bots/{id}/stats", times=1)
    options = ("--every", "0.2", "--json")
    status, out, err = await watched(
        sandbox, *options, code=EAGER, when=lambda shown: '"event":"stats"' in shown
    )
    assert (status, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    failed, *_ = [event for event in events if event["event"] == "failed"]
    assert "too many requests; try again in 1 s" in failed["error"]
    assert 1 <= failed["retry_in"] < 1.2
    (at,) = [seen.at for seen in sandbox.requests if seen.status == 429]
    known = datetime.fromisoformat(failed["at"])
    for event in events:
        if event["event"] == "request":
            sent = datetime.fromisoformat(event["at"]) - timedelta(seconds=event["elapsed"])
            assert sent <= known or (sent - at).total_seconds() > 0.95


@posix_only
async def test_ctrl_c_ends_it_with_a_summary(sandbox):
    """A signal is a clean end: the summary, success, nothing on stderr."""

    def interrupted() -> tuple[int, str, str]:
        with started(*watch(sandbox)) as process:
            shown = ""
            while "  page      " not in shown:
                shown += process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
            return process.returncode, shown + out, err

    status, out, err = await asyncio.to_thread(interrupted)
    assert (status, err) == (0, "")
    assert SUMMARY.search(out)


async def test_a_closed_pipe_ends_it_quietly(sandbox):
    """A reader who leaves ends it with success and without a word."""

    def left() -> tuple[int, str]:
        with started(*watch(sandbox), "--every", "0.1", code=EAGER) as process:
            assert process.stdout.readline()
            process.stdout.close()
            return process.wait(timeout=PATIENCE), process.stderr.read()

    assert await asyncio.to_thread(left) == (0, "")


@posix_only
async def test_a_terminal_gets_the_board(sandbox):
    """In a terminal there is a board on a screen of its own; the summary stays behind."""
    with Terminal() as terminal, started(*watch(sandbox), stdout=terminal.end) as process:
        await asyncio.to_thread(terminal.wait_for, "3 of 60 a minute")
        process.terminate()
        _, err = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        status = process.returncode
    board, _, after = terminal.shown.partition("\x1b[?1049l")
    assert (status, BUSY.sub("", err)) == (0, "")
    assert board.startswith("\x1b[?1049h")
    assert "3 of 60 a minute" in board
    assert SUMMARY.search(after)
    assert TOKEN not in terminal.shown


def full_board() -> Board:
    """A board on which a good deal has happened."""
    board = Board(90, "https://top.gg/api")
    users = [SimpleUser(id=id, username=f"user {id}") for id in (7, 8)]
    for event in (
        Watching(1, "https://top.gg/api", 30),
        request("/bots/{id}/stats"),
        Stats(BotStats(server_count=1_200, shard_count=4)),
        Stats(BotStats(server_count=1_258, shard_count=4)),
        OwnPage(Bot(id=1, username="Test Bot", monthly_votes=1_234, all_time_votes=98_765)),
        Voters(users),
        Voted("a voter", "1234"),
        PollFailed(Ratelimited(120), 120.1),
        Budget(1),
    ):
        board.add(event)
    return board


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (1, 1), (20, 5)])
def test_board_fits_and_tells_all(width, height):
    """Whatever the size the board fills it; at the usual ones it has all that matters."""
    lines = screen(full_board(), width, height)
    assert [cell_len(line) for line in lines] == [width] * height
    text = "\n".join(lines)
    for part in (
        " rx_toppy  Test Bot  top.gg/api ",
        "1,258 servers  +58",
        "4 shards",
        "1,234 votes",
        "98,765 in all",
        "a voter ",
        "user 7 ",
        "1 of 60 a minute",
        "failed    top.gg says too many requests; try again in 120 s",
    ):
        assert width < 80 or part in text, part


def test_board_before_anything_is_known():
    """An empty board says so."""
    text = "\n".join(screen(Board(None, ""), 80, 24))
    assert text.count("not known yet") == 2
    assert "nobody yet" in text


def test_what_others_wrote_cannot_move_the_cursor():
    """Names and what a server says may hold anything: no escape sequence or line break is left."""
    out = io.StringIO()
    Lines(out).show(Voted("a\x1b[2Jb\nc\u202ed", "1"))
    assert out.getvalue().endswith("  vote      a [2Jb c d: 1\n")


def test_who_votes_again_hides_nobody():
    """Who was the newest voter and votes again is told of, and so are those in between."""
    ada, ben, cleo, dan = (SimpleUser(id=id) for id in (1, 2, 3, 4))
    assert newcomers([ada, dan], [ada, ben, dan]) == [ben, ada]
    assert newcomers([cleo, ben, ada], [cleo, ada]) == []  # one was struck off
    assert newcomers([cleo, ben, ada], [cleo, ada, dan]) == []  # and an older one moved up


# --- what it refuses -----------------------------------------------------------------------------


async def test_a_wrong_token_is_one_line(sandbox, monkeypatch):
    """A token that top.gg refuses at the first look is one line and status 3."""
    monkeypatch.setenv("TOPGG_TOKEN", "another-token")
    status, out, err = await watched(sandbox)
    assert status == 3
    assert re.fullmatch(
        r"rx-toppy watch: error: top\.gg refuses the token in TOPGG_TOKEN "
        rf"\(401 for GET {sandbox.base_url}/bots/{sandbox.bot_id}\S*\)\n",
        err,
    )
    assert "another-token" not in out + err


@posix_only
async def test_a_token_that_is_refused_later_is_a_value(sandbox):
    """Once it was taken, a refusal is shown like any failure, and the looks go on."""

    def goes_on(shown: str) -> bool:
        before, _, after = shown.rpartition("  failed    ")
        return before.count("  failed    ") == 2 and "  200  " in after

    watching = asyncio.create_task(watched(sandbox, "--every=0.2", code=EAGER, when=goes_on))
    async with asyncio.timeout(PATIENCE):
        while len(sandbox.requests) < 3:
            await asyncio.sleep(0.02)
    sandbox.fail(faults.Status(401), times=3)
    status, out, err = await watching
    assert (status, err) == (0, "")
    assert out.count("  failed    ") == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "set the environment variable TOPGG_TOKEN to your bot's token of top.gg"),
        ("", "set the environment variable TOPGG_TOKEN to your bot's token of top.gg"),
        ("s3cret with spaces", "TOPGG_TOKEN takes a token of top.gg: printable ASCII"),
        ("s3cret\n", "TOPGG_TOKEN takes a token of top.gg: printable ASCII"),
    ],
)
def test_a_missing_or_odd_token_is_one_line(capsys, monkeypatch, value, said):
    """Without a token there is a line that says where to put it; an odd one is not repeated."""
    monkeypatch.delenv("TOPGG_TOKEN")
    if value is not None:
        monkeypatch.setenv("TOPGG_TOKEN", value)
    with pytest.raises(SystemExit, match="2"):
        main(["watch", BOT])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"rx-toppy watch: error: {said}")
    assert err.count("\n") == 1
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bot"], "BOT_ID takes an id of digits only\n"),
        ([TOKEN], "BOT_ID takes an id of digits only\n"),
        (["0"], "BOT_ID takes an id from 1 to 2**63-1\n"),
        ([BOT, "--base-url", "top.gg"], "--base-url takes an http or https URL without a query"),
        ([BOT, "--every", "9.9"], "--every takes at least 10 seconds"),
    ],
)
def test_bad_arguments_are_one_line(capsys, arguments, said):
    """What can't be is refused in the command's own terms, before anything is sent."""
    with pytest.raises(SystemExit, match="2"):
        main(["watch", *arguments])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"rx-toppy watch: error: {said}")
    assert err.count("\n") == 1


def test_the_token_is_no_argument(capsys):
    """The command line is no place for a token: there is no option for it, and help says where."""
    with pytest.raises(SystemExit, match="2"):
        main(["watch", BOT, "--token", TOKEN])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["watch", "--help"])
    assert "TOPGG_TOKEN" in capsys.readouterr().out
