"""`rx-toppy demo` in a pipe and in a terminal, its board, and its ends."""

import io
import re
import signal
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from rx_toppy import (
    AutopostFailed,
    BotStatsPayload,
    ConnectionFailed,
    NotFound,
    PostEvent,
    SimpleUser,
)
from rx_toppy.cli import main
from rx_toppy.cli.demo.board import Board
from rx_toppy.cli.demo.pipelines import NoPage, Spent, Started, Top
from rx_toppy.cli.live.finding import Page, Voted, newcomers
from rx_toppy.cli.live.lines import Lines
from rx_toppy.cli.live.panels import BLOCKS, sparkline
from rx_toppy.cli.live.run import view
from rx_toppy.cli.live.screen import Screen
from rx_toppy.models import Bot
from tests.cli import (
    NO_RICH,
    PATIENCE,
    Terminal,
    ended,
    finished,
    posix_only,
    request,
    screen,
    started,
)

LINE = re.compile(
    r"\d\d:\d\d:\d\d  (sandbox|request|post|autopost|growth|spent|vote|page|no page|top) "
)
SUMMARY = re.compile(
    r"The demo ran for [\d.]+ s\.\n"
    r"  posts       (\d+), and 0 failed\n"
    r"  servers     ([\d,]+) -> ([\d,]+) \([+-]\d+\)\n"
    r"  requests    (\d+): .*\b\d+ x 200\b.*\n"
    r"  new voters  (\d+)\n$"
)

# --- in a pipe -----------------------------------------------------------------------------------


KINDS = ["sandbox", "request", "post", "autopost", "growth", "vote", "page", "no page", "top"]


@pytest.fixture(scope="module")
def piped() -> tuple[int, str, str]:
    """What a demo came to, in a pipe, that was ended when all of its pipelines had shown something.

    The growth is that of a second post; and there was a request after the page that is not there.
    """

    def is_enough(shown: str) -> bool:
        _, _, after = shown.partition("NotFound")
        return "  request  " in after and all(f"  {kind} " in shown for kind in KINDS)

    return ended("demo", when=is_enough)


def test_demo_ends_by_itself_in_silence():
    """`--seconds` ends it with success, and there is no complaint, nothing left pending."""
    status, out, err = finished("demo", "--seconds", "0.3")
    assert (status, err) == (0, "")
    assert re.search(r"^The demo ran for 0\.[3-9] s|^The demo ran for [1-9]", out, re.MULTILINE)


def test_demo_writes_one_plain_line_for_each_event(piped):
    """Piped, every event is a line of time, kind and what, without any escape sequence."""
    status, out, err = piped
    assert (status, err) == (0, "")
    lines = out.partition("The demo")[0].splitlines()
    assert [line for line in lines if not LINE.match(line)] == []
    assert "\x1b" not in piped[1]
    assert re.search(r"  request   POST /bots/\{id\}/stats   200 +[\d.]+ ms\n", piped[1])


@pytest.mark.parametrize("kind", KINDS)
def test_demo_shows_every_pipeline(piped, kind):
    """The main job and each of the composed pipelines show something within seconds."""
    assert re.search(rf"^[\d:]+  {kind} ", piped[1], re.MULTILINE)


def test_a_failure_is_a_line_and_ends_nothing(piped):
    """The bot that is not listed is told of, as is what comes after."""
    before, _, after = piped[1].partition("NotFound 110373943822540800")
    assert "  404  " in before
    assert "  request  " in after


def test_demo_sums_up(piped):
    """The summary counts what the lines told."""
    lines, summary = piped[1].split("The demo", 1)
    posts, first, last, requests, voters = SUMMARY.match("The demo" + summary).groups()
    assert int(posts) == lines.count("  post      ") >= 2
    counts = re.findall(r"  post      ([\d,]+) server", lines)
    assert (first, last) == (counts[0], counts[-1])
    assert int(requests) == lines.count("  request   ")
    assert int(voters) == lines.count("  vote      ") > 0


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_cleanly(number):
    """Ctrl-C and SIGTERM are a clean end: the summary, success, and nothing on stderr."""
    with started("demo") as process:
        shown = ""
        while "  post      " not in shown:
            shown += process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert SUMMARY.search(shown + out)


def test_a_closed_pipe_ends_the_demo_quietly():
    """A reader who leaves (`| head`) ends it: with success, and without a word."""
    with started("demo") as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["demo"], ["--version"]])
def test_a_full_disk_is_one_line(arguments):
    """What can't be written is an error of one line, and status 1."""
    with Path("/dev/full").open("w") as full:
        status, _, err = finished(*arguments, stdout=full)
    assert status == 1
    assert re.fullmatch(r"rx-toppy( demo)?: error: .*No space left on device\n", err)


def test_piped_demo_needs_no_rich():
    """Without rich installed the plain lines are the same, and no hint disturbs a pipe."""
    status, out, err = finished("demo", "--seconds", "0.6", code=NO_RICH)
    assert (status, err) == (0, "")
    assert LINE.match(out)
    assert "\nThe demo ran for " in out


# --- in a terminal -------------------------------------------------------------------------------


@posix_only
def test_terminal_shows_the_board_and_gives_the_screen_back():
    """In a terminal there is the board, on a screen of its own; the summary stays behind."""
    with Terminal() as terminal:
        status, _, err = finished("demo", "--seconds", "1", stdout=terminal.end)
    assert (status, err) == (0, "")
    board, _, after = terminal.shown.partition("\x1b[?1049l")
    assert board.startswith("\x1b[?1049h")
    assert "top certified bots" in board
    assert "\x1b[?25h" in board + after.partition("The demo")[0]  # the cursor is back
    assert re.search(r"^The demo ran for \d+\.\d s\.$", after, re.MULTILINE)


@posix_only
def test_terminal_without_rich_shows_lines():
    """A terminal gets plain lines where rich is not installed, with one line that says how to."""
    with Terminal() as terminal:
        status, _, err = finished("demo", "--seconds", "0.4", code=NO_RICH, stdout=terminal.end)
    assert status == 0
    assert err == "For the demo as a live board: pip install 'rx_toppy[cli]'\n"
    assert LINE.match(terminal.shown)
    assert "\x1b" not in terminal.shown


def test_a_dumb_terminal_shows_lines(capsys, monkeypatch):
    """A terminal that can't move its cursor gets plain lines, and no hint that would not help."""
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(view(out, Board()), Lines)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(view(out, Board()), Screen)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def board() -> Board:
    """A board on which a good deal has happened."""
    board = Board(seconds=90)
    board.add(Started("http://127.0.0.1:43210/api"))
    for count in range(1_200, 1_260, 2):
        board.add(request("/bots/{id}/stats", method="POST"))
        board.add(PostEvent(BotStatsPayload(count)))
        board.add(request("/users/{id}"))
        board.add(Voted(f"a_user_{count}", "a bio that goes on and on, 長い, beyond all room"))
    board.add(request("/bots/{id}", status=404))
    board.add(NoPage(1234567890, NotFound("no such bot", status=404)))
    board.add(AutopostFailed(ConnectionFailed("no answer, " + "and none, " * 20), 12.0))
    board.add(Page(Bot(id=1, username="Test Bot", monthly_votes=1_234)))
    board.add(
        Top([Bot(id=id, username=f"Bot {id}", monthly_votes=9_000 - id) for id in range(1, 11)])
    )
    board.add(Spent(board.routes))
    return board


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_board_fits_and_tells_all(board, width, height):
    """At both usual sizes the board fills the terminal to the letter, and has all that matters."""
    lines = screen(board, width, height)
    assert [cell_len(line) for line in lines] == [width] * height
    text = "\n".join(lines)
    assert re.match(
        r" rx_toppy  Test Bot  127\.0\.0\.1:43210/api +0:0\d of 1:30  Ctrl-C ends it ", text
    )
    for part in (
        "1,258 servers  +58",
        "30 posts, 1 failed",
        "budget  ████",
        "31 of 60 a minute",
        r"POST /bots/{id}/stats    30  12.3 ms" if width == 80 else "POST /bots/{id}/stats ",
        "a_user_1258",
        " 1  Bot 1 ",
        "8,999",
        "no page   NotFound 1234567890; the stream goes on",
        "failed    no answer, and none",
        "page      Test Bot has 1,234 votes this month",
        "▂",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (20, 5), (79, 12), (109, 30), (110, 24), (250, 70)]
)
def test_board_fits_any_size(board, width, height):
    """Whatever the terminal's size, no line is wider and none is too many."""
    lines = screen(board, width, height)
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


def test_board_before_anything_has_happened():
    """An empty board says so, and has nothing to divide by."""
    text = "\n".join(screen(Board(), 80, 24))
    for part in ("nothing posted yet", "nobody yet", "not known yet", "0 of 60 a minute"):
        assert part in text


def test_board_in_ascii(board):
    """A terminal without Unicode gets a board of ASCII."""
    text = "\n".join(screen(board, 80, 24, "ascii"))
    assert text.isascii()
    assert "budget  ####" in text
    assert "vote      a_user_1258: a bio that goes on and on, ??, " in text


def test_lines_replace_what_an_encoding_lacks():
    """A name that the encoding of a pipe does not have costs question marks, and no more."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    Lines(out).show(Voted("名前", ""))
    out.seek(0)
    assert out.read().endswith("  vote      ??\n")


def test_demo_can_be_redirected_from_within(capsys):
    """`main` may be called by a program: it writes to whatever stands for stdout just then."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(["demo", "--seconds", "0.1"]) == 0
    assert LINE.match(out.getvalue())
    assert capsys.readouterr() == ("", "")


def test_budget_forgets_after_a_minute(board):
    """What the budget counts is the last minute, and only what is below /bots."""
    assert board.spent(datetime.now(UTC)) == 31
    assert board.spent(datetime.now(UTC) + timedelta(seconds=61)) == 0


def test_sparkline_goes_from_the_least_to_the_greatest():
    """The least value is a low column, the greatest a full one, and the newest are on the right."""
    assert sparkline([1, 8], 4, 1, BLOCKS) == ["▁▁██"]
    assert sparkline([5, 5], 4, 1, BLOCKS) == ["▁▁▁▁"]
    assert sparkline([0, 1, 2], 4, 2, BLOCKS) == ["  ██", "▁▁██"]


def test_newcomers_are_those_before_the_one_known():
    """Two looks at the voters, newest first, give those who voted in between, oldest first."""
    ada, ben, cleo = (SimpleUser(id=id) for id in (1, 2, 3))
    assert newcomers([ada], [cleo, ben, ada]) == [ben, cleo]
    assert newcomers([ada], [ada]) == []
    assert newcomers([], [ben, ada]) == [ada, ben]
