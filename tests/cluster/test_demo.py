"""`rx-toppy demo --cluster`: terminals that are the processes of one bot."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as ops
from rich.cells import cell_len

from rx_toppy.api.rate_limits import Budget
from rx_toppy.cli import main
from rx_toppy.cli.demo.cluster.board import Board
from rx_toppy.cli.demo.cluster.events import Away, Hosts, Met, Missing, Posts, Total
from rx_toppy.cli.demo.cluster.session import Terminal
from rx_toppy.cli.demo.cluster.standing import SHARDS, Standing, changes, shards_of
from rx_toppy.cli.live.board import BUDGET
from rx_toppy.cli.live.telling import told
from tests.cli import SCRIPT, finished, posix_only, screen, started

from .server import RedisServer

PATIENCE = 60.0  # of no matter where nothing hangs

ONE = Terminal(1, (0, 1), posts_since=1.0, hosts=True)
TWO = Terminal(2, (2, 3))


def standing(*terminals: Terminal, **more: Any) -> Standing:
    """How terminal 1 stands."""
    usual = {
        "me": 1,
        "url": "http://127.0.0.1:43210/api",
        "processes": len(terminals),
        "is_away": False,
        "total": None,
        "own": {0: 1_200, 1: 1_300},
        "budget": Budget(BUDGET, 45, 0.0),
    }
    return Standing(terminals=terminals, **(usual | more))


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What a terminal tells, as it does."""
    assert process.stdout is not None
    return map(json.loads, process.stdout)


async def until(
    told: Iterator[dict[str, Any]], event: str, **fields: object
) -> list[dict[str, Any]]:
    """All that is told up to an event with these fields, which is the last."""

    def read() -> list[dict[str, Any]]:
        seen = []
        for one in told:
            seen.append(one)
            if one["event"] == event and fields.items() <= one.items():
                return seen
        raise AssertionError(f"it has ended without {event} {fields}: {seen}")

    return await asyncio.wait_for(asyncio.to_thread(read), PATIENCE)


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status of a terminal that was told to end, and what it wrote to stderr."""
    _, err = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    # A machine that is busy with something else makes asyncio's debug mode remark upon it.
    return process.returncode, re.sub(r"Executing <.* seconds\n", "", err)


@pytest.mark.slow
@posix_only
async def test_two_terminals_post_as_one_and_the_second_goes_on_alone(redis_url: str) -> None:
    """Nothing is posted of half the shards; when one is killed, another hosts and posts."""
    command = ("demo", "--cluster", redis_url, "--json")
    with ExitStack() as stack:
        first = stack.enter_context(started(*command))
        ones = events(first)
        await until(ones, "missing", shards=[2, 3], is_waiting=True)
        before = await until(ones, "posts", terminal=1, is_here=True)
        assert "post" not in {one["event"] for one in before}
        second = stack.enter_context(started(*command))
        twos = events(second)
        assert (await until(twos, "joined"))[-1]["shards"] == [2, 3]
        posted = (await until(ones, "post"))[-1]
        assert len(posted["shards"]) == SHARDS
        assert posted["server_count"] == sum(posted["shards"])
        both = await until(twos, "posts", terminal=1, is_here=False)
        assert "post" not in {one["event"] for one in both}
        # The first had all of the budget for itself: it takes a moment to share it.
        await until(ones, "post")
        first.kill()
        await until(twos, "sandbox", is_here=True)
        await until(twos, "posts", is_here=True)
        alone = (await until(twos, "autopost"))[-1]
        assert len(alone["shards"]) == SHARDS  # those of the dead one as it told of them last
        second.send_signal(signal.SIGINT)
        assert await ended(second) == (0, "")


@posix_only
async def test_two_terminals_are_one_bot_and_one_is_left(redis_url: str) -> None:
    """What is posted is of both; when the first is killed, the local top.gg goes on in the other.

    In all its time: `test_two_terminals_post_as_one_and_the_second_goes_on_alone`.
    """
    command = ("demo", "--cluster", redis_url, "--json")
    with started(*command) as first:
        ones = events(first)
        await until(ones, "joined")
        with started(*command) as second:
            twos = events(second)
            assert (await until(twos, "joined"))[-1]["shards"] == [2, 3]
            posted = (await until(ones, "post"))[-1]
            assert len(posted["shards"]) == SHARDS
            assert posted["server_count"] == sum(posted["shards"])
            first.kill()
            await until(twos, "sandbox", is_here=True)
            second.send_signal(signal.SIGINT)
            assert await ended(second) == (0, "")


@pytest.mark.slow
@posix_only
async def test_a_terminal_tells_that_redis_is_away_and_back(own_redis: RedisServer) -> None:
    """Without its Redis a terminal goes on, and says so; and it says that all is well again."""
    with started("demo", "--cluster", own_redis.url, "--json") as process:
        telling = events(process)
        await until(telling, "posts", is_here=True)
        await own_redis.kill()
        await until(telling, "redis", is_away=True, processes=1)
        await own_redis.start()
        back = await until(telling, "redis", is_away=False)
        assert "terminals" not in {one["event"] for one in back}
        process.send_signal(signal.SIGTERM)
        assert (await ended(process))[0] == 0


def test_no_redis_is_one_line_that_says_how_to_start_one() -> None:
    """Where no Redis is, that is the error, with what to do."""
    status, out, err = finished("demo", "--cluster", "redis://me:secret@127.0.0.1:1", "--json")
    assert (status, out) == (1, "")
    assert err.startswith("rx-toppy demo: error: no Redis at redis://127.0.0.1:1 ")
    assert "start one with `redis-server`" in err
    assert err.count("\n") == 1
    assert "secret" not in err


@pytest.mark.parametrize("url", ["http://127.0.0.1", "nonsense", "redis://"])
def test_what_is_no_url_of_a_redis_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that make no sense have a status of their own."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--cluster", url])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith("rx-toppy demo: error: --cluster takes a URL of a Redis, as redis://")


def test_without_the_package_it_says_what_to_install() -> None:
    """The extra is named."""
    code = f"import sys; sys.modules['redis'] = None; {SCRIPT}"
    status, out, err = finished("demo", "--cluster", code=code)
    assert (status, out) == (1, "")
    assert "--cluster needs the package redis: install rx_toppy[redis]" in err


def test_the_plain_demo_loads_nothing_of_clusters() -> None:
    """Neither `redis` nor what is there for it."""
    code = (
        "import sys; from rx_toppy.cli import main; main(['demo', '--seconds', '0.2', '--json'])\n"
        "sys.exit(any(n.partition('.')[0] == 'redis' or '.cluster' in n for n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_first_two_terminals_have_all_shards() -> None:
    """Each shard is in one terminal; who comes third only reads."""
    assert shards_of(1) + shards_of(2) == tuple(range(SHARDS))
    assert shards_of(3) == ()


def found(*looks: Standing) -> list[Any]:
    """What is new, look by look."""
    found: list[Any] = []
    changes(rx.from_iterable(looks)).pipe(ops.to_list()).subscribe(found.extend)
    return found


def test_what_has_not_changed_is_no_news() -> None:
    """A terminal that is alone waits; a second one ends that; nothing is told twice."""
    alone, both = standing(ONE), standing(ONE, TWO, total=5_000)
    first = found(alone, alone)
    assert [type(one) for one in first] == [Met, Hosts, Posts, Missing]
    assert first[-1].shards == (2, 3)
    assert first[-1].is_waiting
    then = found(alone, both, both)[len(first) :]
    assert [type(one) for one in then] == [Met, Missing]
    assert then[-1].shards == ()


def test_without_redis_nobody_posts() -> None:
    """The leader is none while Redis is away, and the same again when it is back."""
    well, away = standing(ONE, TWO), standing(ONE, TWO, is_away=True)
    news = found(well, away, well)[3:]
    assert [type(one) for one in news[-4:]] == [Away, Posts, Away, Posts]
    assert [one.number for one in news if isinstance(one, Posts)] == [None, 1]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Missing((2, 3), is_waiting=True), ("waits", "for the shards 2, 3, 30 s at the most")),
        (Missing((2, 3), is_waiting=False), ("shards", "no terminal has the shards 2, 3")),
        (Missing((), is_waiting=False), ("shards", "all shards have a terminal")),
        (Posts(2, is_here=False), ("leader", "terminal 2 posts for all")),
        (Posts(1, is_here=True), ("leader", "this terminal posts for all")),
        (Met((ONE, TWO)), ("met", "terminals 1 (shards 0, 1), 2 (shards 2, 3)")),
        (Met((Terminal(3, ()),)), ("met", "terminal 3 (only reads)")),
        (Total(5_000, {0: 1_200, 1: 1_300}), ("total", "5,000 servers, 2,500 of them here")),
    ],
)
def test_events_are_told_in_words(event: Any, words: tuple[str, str]) -> None:
    """A line each."""
    kind, what = told(event)
    assert kind == words[0]
    assert what.startswith(words[1])


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (20, 5)])
@pytest.mark.parametrize(
    ("state", "parts"),
    [
        (standing(ONE), ("waits for the shards 2, 3", "1  shards 0, 1", "posts 1:05  top.gg")),
        (
            standing(ONE, TWO, Terminal(3, ()), total=5_000),
            ("5,000 servers", "2  shards 2, 3", "3  only reads", "45 of 60 left for all"),
        ),
        (
            standing(ONE, TWO, is_away=True, total=5_000),
            ("Redis is away: nobody posts", "Redis is away: a share, one of 2"),
        ),
    ],
    ids=["alone", "three", "away"],
)
def test_the_board_fits_and_shows_how_it_stands(
    state: Standing, parts: tuple[str, ...], width: int, height: int
) -> None:
    """Whatever the terminal's size; and at the usual ones with all that matters."""
    board = Board()
    since = datetime.now(UTC).timestamp() - 65.5
    leader = Terminal(1, (0, 1), posts_since=since, hosts=True)
    rest = state.terminals[1:]
    board.look(standing(leader, *rest, is_away=state.is_away, total=state.total))
    if state.total is not None:
        board.add(Total(state.total, state.own))
    lines = screen(board, width, height)
    assert [cell_len(line) for line in lines] == [width] * height
    text = "\n".join(lines)
    assert width < 80 or [part for part in parts if part not in text] == []


def test_the_board_before_anything_is_known() -> None:
    """It says so."""
    assert "not known yet" in "\n".join(screen(Board(), 80, 24))
