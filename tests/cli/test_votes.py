"""`rx-toppy votes`: votes as they come, the history as a file, what it refuses, and its ends."""

import asyncio
import csv
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import reactivex as rx
from rich.cells import cell_len

from rx_toppy import Vote
from rx_toppy.cli import main
from rx_toppy.cli import text as terminal_lines
from rx_toppy.cli.arguments import moment
from rx_toppy.cli.export import asking
from rx_toppy.cli.export.asking import client_of
from rx_toppy.cli.export.bar import Bar
from rx_toppy.cli.export.bookmark import Bookmark
from rx_toppy.cli.export.files import drafted
from rx_toppy.cli.export.formats import Csv, JsonLines
from rx_toppy.cli.export.progress import Notices, shown
from rx_toppy.cli.export.votes import VoteHistory, fraction
from rx_toppy.cli.records import VoteRecord
from rx_toppy.errors import ToppyError
from rx_toppy.sandbox import faults
from tests.cli import (
    EAGER,
    NO_RICH,
    PATIENCE,
    TOKEN,
    Served,
    Terminal,
    ended,
    finished,
    posix_only,
    serving,
    started,
)

VOTES = 2500
NAMES = ["user_id", "platform_id", "weight", "created_at", "expires_at"]
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
LINE = re.compile(rf"{TIME}  (\d+) +weight ([12])  ([\d,]+) so far")
REFUSED = re.compile(
    r"rx-toppy votes: error: top\.gg refuses the token in TOPGG_TOKEN "
    r"\(401 for GET http://\S+/api/v1/projects/@me/votes\?\S+\)\n"
)
FAILED = re.compile(rf"{TIME}  failed: .*503.*; again in \d+ s")


@pytest.fixture
def served() -> Iterator[Served]:
    """A local top.gg with a history of 26 pages, where nobody votes unasked."""
    with serving(votes=VOTES) as served:
        yield served


@pytest.fixture(autouse=True)
def token(monkeypatch, tmp_path) -> Iterator[None]:
    """The environment of somebody who has a project, in a directory where no token is left."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    yield
    for path in filter(Path.is_file, tmp_path.iterdir()):
        assert TOKEN.encode() not in path.read_bytes()


def read_jsonl(text: str) -> list[dict[str, object]]:
    return [with_times(json.loads(line)) for line in text.splitlines()]


def read_csv(text: str) -> list[dict[str, object]]:
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    return [with_times(row | {"weight": int(row["weight"])}) for row in rows]


def with_times(record: dict[str, object]) -> dict[str, object]:
    assert list(record) == NAMES
    times = ("created_at", "expires_at")
    return record | {name: datetime.fromisoformat(record[name]) for name in times}


def text_of(name: str) -> str:
    return Path(name).read_bytes().decode("ascii")


def left() -> list[str]:
    """The names of all files that are there."""
    return sorted(path.name for path in Path().iterdir())


def refused(capsys, *arguments: str, status: int = 2) -> str:
    """What a command that is refused says, on its one line."""
    try:
        ended = main(["votes", *arguments])
    except SystemExit as error:
        ended = error.code
    out, err = capsys.readouterr()
    assert (ended, out) == (status, "")
    assert TOKEN not in err
    return err.splitlines()[-1] + "\n"


# --- exporting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (["--export", "votes.jsonl"], read_jsonl),
        (["--export", "votes.CSV"], read_csv),
        (["--export", "votes", "--format", "csv"], read_csv),
        (["--export", "votes.csv", "--format", "jsonl"], read_jsonl),
    ],
)
def test_the_whole_history_is_exported(served, capsys, options, read):
    """Each vote is a record, oldest first, in the format of the name or the one asked for."""
    assert main(["votes", *options, *served.base]) == 0
    assert capsys.readouterr() == ("", f"2,500 votes written to {options[1]}\n")
    assert read(text_of(options[1])) == served.history()
    assert left() == [options[1]]


def test_stdout_gets_it_as_it_is(served):
    """In a pipe there are the records and nothing else; the count is on stderr."""
    status, out, err = finished("votes", "--export", "-", "--format", "csv", *served.base)
    assert (status, err) == (0, "2,500 votes written to stdout\n")
    assert read_csv(out) == served.history()


def test_lines_end_as_their_formats_say(served):
    """CSV has CRLF and a header, JSON Lines a line feed, also on stdout."""
    with started("votes", "--export=-", "--format=csv", *served.base, encoding=None) as process:
        out, _ = process.communicate(timeout=PATIENCE)
    assert out.startswith(b"user_id,platform_id,weight,created_at,expires_at\r\n")
    assert out.count(b"\r\n") == out.count(b"\n") == VOTES + 1
    assert main(["votes", "--export", "votes.jsonl", *served.base]) == 0
    assert text_of("votes.jsonl").count("\n") == VOTES
    assert "\r" not in text_of("votes.jsonl")


def test_since_is_where_it_begins(served, capsys):
    """Votes before the moment are left out; one of that moment is there."""
    history = served.history()
    begin = history[2000]["created_at"]
    since = begin.replace(tzinfo=None).isoformat()  # without an offset it is UTC
    assert main(["votes", "--export", "v.jsonl", "--since", since, *served.base]) == 0
    assert read_jsonl(text_of("v.jsonl")) == history[2000:]
    assert main(["votes", "--export", "v.jsonl", "--since", "365d", *served.base]) == 0
    assert capsys.readouterr().err.endswith("2,500 votes written to v.jsonl\n")


@pytest.mark.parametrize(("name", "content"), [("v.jsonl", ""), ("v.csv", ",".join(NAMES))])
def test_no_votes_make_an_empty_file(capsys, name, content):
    """Nothing to export is a file all the same, with the header where the format has one."""
    with serving(votes=0) as served:
        assert main(["votes", "--export", name, *served.base]) == 0
    assert text_of(name).rstrip("\r\n") == content
    assert capsys.readouterr().err == f"0 votes written to {name}\n"


def test_a_503_in_the_middle_costs_nothing(served):
    """A page that fails is asked for again: no vote is missing, and none is there twice."""
    served.fail_at(5, faults.Status(503), 2)
    assert main(["votes", "--export", "v.jsonl", *served.base]) == 0
    assert read_jsonl(text_of("v.jsonl")) == served.history()
    assert [seen.status for seen in served.sandbox.requests].count(503) == 2


@pytest.mark.parametrize("before", [None, "what was there"])
def test_an_export_that_fails_leaves_all_as_it_was(served, capsys, before):
    """When the history can't be read to its end there is no new file, and the old one stays."""
    if before:
        Path("v.jsonl").write_text(before)
    served.fail_at(5, faults.Status(404), 9)
    said = refused(capsys, "--export", "v.jsonl", *served.base, status=4)
    assert re.fullmatch(r"rx-toppy votes: error: .+/v1/projects/@me/votes.+\n", said)
    assert left() == (["v.jsonl"] if before else [])
    assert before is None or text_of("v.jsonl") == before


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_file(served, number):
    """Ctrl-C and SIGTERM end it with 130 and one line; nothing half written stays."""
    served.fail(faults.Delay(0.3))
    file = Path("v.csv").resolve()
    with started("votes", "--export", str(file), *served.base) as process:
        served.wait_for(3)
        assert [name.startswith(".v.csv.") for name in left()] == [True]
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert err == f"rx-toppy votes: interrupted; {file} is as it was\n"
    assert left() == []


def test_a_reader_who_leaves_ends_an_export_quietly(served):
    """`--export - | head` ends with success and without a word."""
    served.fail(faults.Delay(0.05))
    with started("votes", "--export", "-", *served.base) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""


def test_a_replaced_file_keeps_its_mode_and_links_to_it(served):
    """What a link leads to is replaced, not the link; its mode stays."""
    Path("real.csv").write_text("old")
    Path("real.csv").chmod(0o640)
    Path("link.csv").symlink_to("real.csv")
    assert main(["votes", "--export", "link.csv", *served.base]) == 0
    assert Path("link.csv").is_symlink()
    assert len(read_csv(text_of("real.csv"))) == VOTES
    assert Path("real.csv").stat().st_mode & 0o777 == 0o640


@posix_only
def test_a_device_is_written_and_not_replaced(served):
    """What is no plain file is written straight away."""
    os.mkfifo("pipe")
    with started("votes", "--export", str(Path("pipe").resolve()), *served.base) as process:
        text = Path("pipe").read_text("ascii")
        assert process.wait(timeout=PATIENCE) == 0
    assert read_jsonl(text) == served.history()
    assert Path("pipe").is_fifo()


# --- exporting what is new -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "read"), [("v.jsonl", read_jsonl), ("v.csv", read_csv)])
def test_a_repeated_export_appends_what_is_new(served, capsys, name, read):
    """With a cursor file each run adds exactly the votes since the last, and says how many."""
    export = ["votes", "--export", name, "--cursor-file", "cursor", *served.base]
    for new, said in (
        (0, "2,500 votes"),
        (3, "3 new votes"),
        (0, "0 new votes"),
        (1, "1 new vote"),
    ):
        served.vote(new)
        assert main(export) == 0
        assert capsys.readouterr().err == f"{said} written to {name}\n"
        assert read(text_of(name)) == served.history()
    before = Path(name).stat()
    assert main(export) == 0
    assert capsys.readouterr().err == f"0 new votes written to {name}\n"
    assert Path(name).stat() == before
    assert left() == sorted([name, "cursor"])


def test_what_was_taken_away_is_not_written_again(served):
    """Where the file of an earlier export was moved, a new one has what came since."""
    export = ["votes", "--export", "v.csv", "--cursor-file", "cursor", *served.base]
    assert main(export) == 0
    Path("v.csv").unlink()
    served.vote(2)
    assert main(export) == 0
    assert read_csv(text_of("v.csv")) == served.history()[VOTES:]


def test_stdout_goes_on_without_another_header(served, capsys):
    """With a cursor, stdout gets the new rows alone: `>>` makes one table of them."""
    export = ["votes", "--export=-", "--format=csv", "--cursor-file=cursor", *served.base]
    assert main(export) == 0
    served.vote(2)
    assert main(export) == 0
    assert read_csv(capsys.readouterr().out) == served.history()


def test_a_last_line_without_its_end_is_no_trouble(served):
    """A file that an editor left without the last line's end goes on with a new line."""
    export = ["votes", "--export", "v.jsonl", "--cursor-file", "cursor", *served.base]
    assert main(export) == 0
    Path("v.jsonl").write_text(text_of("v.jsonl").rstrip("\n"))
    served.vote()
    assert main(export) == 0
    assert read_jsonl(text_of("v.jsonl")) == served.history()


def test_a_failed_export_keeps_its_cursor(served, capsys):
    """After a failure both files are as they were, and the next run misses nothing."""
    export = ["--export", "v.jsonl", "--cursor-file", "cursor", *served.base]
    assert main(["votes", *export]) == 0
    before = text_of("v.jsonl"), text_of("cursor")
    served.vote(150)
    served.fail_at(len(served.sandbox.requests) + 1, faults.Status(401), 1)
    capsys.readouterr()
    refused(capsys, *export, status=3)
    assert (text_of("v.jsonl"), text_of("cursor")) == before
    assert left() == ["cursor", "v.jsonl"]
    assert main(["votes", *export]) == 0
    assert read_jsonl(text_of("v.jsonl")) == served.history()


def test_the_cursor_comes_after_the_votes(served, capsys, monkeypatch):
    """If the cursor can't be written the votes are in their file: repeated, rather than missed."""
    export = ["votes", "--export", "v.jsonl", "--cursor-file", "cursor", *served.base]
    assert main(export) == 0
    before = text_of("cursor")
    served.vote(2)

    def broken(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Bookmark, "keep", broken)
        assert main(export) == 1
    assert capsys.readouterr().err.endswith(
        "rx-toppy votes: error: [Errno 28] No space left on device\n"
    )
    assert text_of("cursor") == before
    assert read_jsonl(text_of("v.jsonl")) == served.history()
    assert main(export) == 0
    assert read_jsonl(text_of("v.jsonl")) == served.history() + served.history()[-2:]


@pytest.mark.parametrize(
    ("name", "content", "cursor", "said"),
    [
        ("v.csv", "a,b\r\n", "dm90ZXM", "--export would add to a file that has no votes of that"),
        ("v.jsonl", "user_id,", "dm90ZXM", "--export would add to a file that has no votes of"),
        ("v.jsonl", "{}\n", None, "--cursor-file has no cursor to go on from, but the file to"),
        ("v.jsonl", "{}\n", " \n", "--cursor-file has no cursor to go on from, but the file to"),
        ("v.jsonl", "{}\n", "two words", "--cursor-file names a file that holds something else"),
        ("v.jsonl", "{}\n", "x" * 5000, "--cursor-file names a file that holds something else"),
        ("v.jsonl", "{}\n", "a\x00b", "--cursor-file names a file that holds something else"),
    ],
)
def test_files_that_do_not_fit_are_left_alone(capsys, name, content, cursor, said):
    """What would mix up two files, or lose one, is refused before anything is sent."""
    Path(name).write_bytes(content.encode())
    if cursor is not None:
        Path("cursor").write_bytes(cursor.encode())
    err = refused(capsys, "--export", name, "--cursor-file", "cursor")
    assert err.startswith(f"rx-toppy votes: error: {said}")
    assert text_of(name) == content


def test_a_cursor_that_top_gg_does_not_know_is_one_line(served, capsys):
    """What top.gg says of a cursor is told, with status 8."""
    Path("cursor").write_text("bm9uc2Vuc2U=")
    said = refused(capsys, "--export=v.csv", "--cursor-file=cursor", *served.base, status=8)
    assert "cursor is not one that was given out" in said
    assert left() == ["cursor"]


# --- its progress --------------------------------------------------------------------------------


@posix_only
def test_a_terminal_gets_a_progress_bar(served):
    """In a terminal stderr has a bar, which goes away, and the count, which stays."""
    served.fail(faults.Delay(0.03))
    with Terminal() as terminal:
        status, out, _ = finished("votes", "--export=-", *served.base, stderr=terminal.end)
    assert status == 0
    assert read_jsonl(out) == served.history()
    shown = terminal.shown
    assert re.search(r"[\d,]{3,} votes  [\d,]+/s +20\d\d-\d\d-\d\d", shown)
    assert "%" in shown
    assert shown.endswith("2,500 votes written to stdout\n")
    for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)):
        assert cell_len(line) <= 80
    assert "\x1b[?25h" in shown  # the cursor is back


@posix_only
def test_votes_in_a_terminal_have_it_to_themselves(served):
    """Where the votes themselves go to a terminal there is no bar between them."""
    with Terminal() as terminal:
        ends = {"stdout": terminal.end, "stderr": terminal.end}
        assert finished("votes", "--export=-", *served.base, **ends)[0] == 0
    assert "\x1b" not in terminal.shown
    assert len(terminal.shown.splitlines()) == VOTES + 1


@posix_only
def test_a_terminal_without_rich_gets_a_hint(served):
    """Without rich an export works as well, and one line says how to get a bar."""
    with Terminal() as terminal:
        arguments = ("votes", "--export=-", *served.base)
        status, _, _ = finished(*arguments, code=NO_RICH, stderr=terminal.end)
    assert status == 0
    assert terminal.shown == (
        "For a progress bar: pip install 'rx_toppy[cli]'\n2,500 votes written to stdout\n"
    )


def test_where_a_bar_is_shown(monkeypatch):
    """Only a terminal that can move its cursor gets one, and not where votes go by."""
    err = io.StringIO()
    reading = VoteHistory(client_of(TOKEN, "http://127.0.0.1:1/api"), rx.empty())
    assert isinstance(shown(err, reading, is_seen=False), Notices)
    monkeypatch.setattr(err, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(shown(err, reading, is_seen=False), Notices)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(shown(err, reading, is_seen=True), Notices)
    assert isinstance(shown(err, reading, is_seen=False), Bar)


def test_how_much_has_been_read():
    """The bar goes from the first vote to now, whatever the clocks say."""
    now = datetime(2026, 4, 8, tzinfo=UTC)
    first = now - timedelta(days=8)
    assert fraction(first, now - timedelta(days=6), now) == 0.25
    assert fraction(first, now + timedelta(days=1), now) == 1.0
    assert fraction(first, first - timedelta(days=1), now) == 0.0
    assert fraction(now, now, now) == 0.0


# --- its records ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "line"),
    [
        (
            JsonLines,
            (
                '{"user_id":null,"platform_id":"9223372036854775807","weight":null,'
                '"created_at":"2026-04-01T10:00:00.000000Z","expires_at":null}\n'
            ),
        ),
        (Csv, ",9223372036854775807,,2026-04-01T10:00:00.000000Z,\r\n"),
    ],
)
def test_what_is_not_known_is_empty(format, line):
    """Missing values are null or empty, ids are whole, times are in UTC and of one length."""
    out = io.StringIO(newline="")
    noon = datetime(2026, 4, 1, 12, tzinfo=UTC).astimezone()
    vote = Vote(platform_id=2**63 - 1, created_at=noon - timedelta(hours=2))
    format(VoteRecord).writer(out)(VoteRecord.of(vote))
    assert out.getvalue() == line


def test_a_draft_that_is_not_committed_is_gone():
    """Whatever ends the writing before its commit, nothing of it is left."""
    with drafted(Path("x" * 250)) as draft:
        draft.out.write("half")
        assert len(left()) == 1
    assert left() == []


# --- following -----------------------------------------------------------------------------------


def test_votes_are_shown_as_they_come(served):
    """A line each, in order, numbered; in a pipe there is nothing else."""
    with started("votes", "--every=0.1", *served.base, code=EAGER) as process:
        served.wait_for(2)
        voters = served.vote(3)
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")
    found = [LINE.fullmatch(line.rstrip("\n")).groups() for line in lines]
    assert [int(voter) for voter, _, _ in found] == voters
    assert [number for _, _, number in found] == ["1", "2", "3"]


@posix_only
def test_following_from_earlier_on(served):
    """With `--since` the history comes first."""
    history = served.history()
    since = history[-120]["created_at"].isoformat()
    arguments = ("votes", "--since", since, *served.base)
    status, out, err = ended(*arguments, when=lambda shown: shown.count("\n") >= 120)
    assert (status, err) == (0, "")
    lines = [LINE.fullmatch(line) for line in out.splitlines()]
    assert [line[1] for line in lines] == [vote["platform_id"] for vote in history[-120:]]
    assert [int(line[2]) for line in lines] == [vote["weight"] for vote in history[-120:]]
    assert lines[-1][3] == "120"
    assert all(earlier[0][:20] <= later[0][:20] for earlier, later in pairwise(lines))
    assert out.startswith(f"{history[-120]['created_at']:%Y-%m-%d %H:%M:%S}Z  ")


def test_failures_are_lines_and_it_goes_on(served):
    """503s are lines among the votes, told once each, and no vote is missed for them."""
    with started("votes", "--every=0.1", *served.base, code=EAGER) as process:
        served.wait_for(2)
        served.fail(faults.Status(503), times=3)
        failed = [process.stdout.readline().rstrip("\n") for _ in range(3)]
        (voter,) = served.vote()
        line = process.stdout.readline().rstrip("\n")
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")
    assert [FAILED.fullmatch(text) is not None for text in failed] == [True] * 3
    assert LINE.fullmatch(line).groups()[::2] == (str(voter), "1")


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_quietly(served, number):
    """A signal is a clean end: success, and not a word."""
    with started("votes", *served.base) as process:
        served.wait_for(1)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_reader_who_leaves_ends_it_quietly(served):
    """`| head` ends it at the next line, with success."""
    arguments = ("votes", "--every=0.1", "--since=365d", *served.base)
    with started(*arguments, code=EAGER) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""


@posix_only
def test_a_terminal_is_told_what_goes_on(served):
    """In a terminal a first line says from when on, how often, and how to end it."""
    with Terminal() as terminal:
        assert finished("votes", "--seconds=0.5", *served.base, stdout=terminal.end)[0] == 0
    assert terminal.shown == "Votes from now on, with a look every 60 s; Ctrl-C ends it.\n"


def test_following_in_process(served, capsys, monkeypatch):
    """`main` may be called by a program, and says the same."""
    since = served.history()[-2]["created_at"].isoformat()
    lines: list[str] = []

    async def unless_ended(following, seconds):
        """As the command's, but its time begins when what there is was shown."""
        task = asyncio.ensure_future(following)
        while len(lines) < 2 and not task.done():
            await asyncio.sleep(0.01)
        await asking.unless_ended(asyncio.wait_for(task, None), seconds)

    def write(out, line):
        lines.append(line)
        terminal_lines.write(out, line)

    module = sys.modules["rx_toppy.cli.export.following"]
    monkeypatch.setattr(module, "unless_ended", unless_ended)
    monkeypatch.setattr(module, "write", write)
    assert main(["votes", "--since", since, "--seconds", "0.5", *served.base]) == 0
    out, err = capsys.readouterr()
    assert [bool(LINE.fullmatch(line)) for line in out.splitlines()] == [True, True]
    assert err == ""


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--export", "v.csv"]])
def test_a_wrong_token_is_one_line(served, capsys, monkeypatch, options):
    """A token that top.gg refuses ends it with status 3 and no file."""
    monkeypatch.setenv("TOPGG_TOKEN", "another-token")
    said = refused(capsys, *options, *served.base, status=3)
    assert REFUSED.fullmatch(said)
    assert left() == []


def test_a_wrong_token_ends_the_process(served, monkeypatch):
    """As a process it is the same: one line on stderr, nothing pending, status 3."""
    monkeypatch.setenv("TOPGG_TOKEN", "another-token")
    status, out, err = finished("votes", *served.base)
    assert (status, out) == (3, "")
    assert REFUSED.fullmatch(err)


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_token_is_one_line(capsys, monkeypatch, value):
    """Without a token there is a line that says where to put it."""
    monkeypatch.delenv("TOPGG_TOKEN")
    if value is not None:
        monkeypatch.setenv("TOPGG_TOKEN", value)
    said = "set the environment variable TOPGG_TOKEN to your project's token of top.gg"
    assert refused(capsys) == f"rx-toppy votes: error: {said}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "9.9"], "--every takes at least 10 seconds"),
        (["--every", "never"], "argument --every: takes a number of seconds above 0"),
        (["--seconds", "0"], "argument --seconds: takes a number of seconds above 0"),
        (["--since", "yesterday"], "argument --since: takes a date or time, as 2026-04-01, or"),
        (["--since", "12"], "argument --since: takes a date or time"),
        (["--since", "999999w"], "argument --since: takes a date or time"),
        (["--since", "9999-12-31"], "argument --since: takes a time that has passed"),
        (["--since", "2001-01-01"], "--since takes a moment of the last year\n"),
        (["--since", "366d", "--export", "v"], "--since takes a moment of the last year\n"),
        (["--base-url", "top.gg"], "--base-url takes an http or https URL without a query"),
        (["--base-url", "top.gg", "--export", "v"], "--base-url takes an http or https URL"),
        (["--format", "csv"], "--format is only for an --export\n"),
        (["--cursor-file", "c"], "--cursor-file is only for an --export\n"),
        (["--export", "v", "--every", "60"], "--every is not for an --export\n"),
        (["--export", "v", "--seconds", "5"], "--seconds is not for an --export\n"),
        (["--export", "v", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["--export", "v", "--cursor-file", "./v"], "--cursor-file takes a file of its own\n"),
        (["265811613708746752"], ""),
    ],
)
def test_bad_arguments_are_refused(capsys, arguments, said):
    """What can't be is refused in the command's own terms, before anything is sent."""
    err = refused(capsys, *arguments)
    assert err.startswith(f"rx-toppy votes: error: {said}" if said else "rx-toppy: error: ")
    assert left() == []


@pytest.mark.parametrize(
    "options",
    [["--export", "."], ["--export", "no/v.csv"], ["--export=v", "--cursor-file", "no/cursor"]],
)
def test_a_place_where_no_file_can_be_is_one_line(served, capsys, options):
    """What could only fail in the end is refused at the beginning, with status 1."""
    assert main(["votes", *options, *served.base]) == 1
    assert re.fullmatch(r"rx-toppy votes: error: \[Errno \d+\] .+\n", capsys.readouterr().err)
    assert (left(), served.sandbox.requests) == ([], [])


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("0d", timedelta()),
    ],
)
def test_how_long_ago(text, ago):
    """A number and a unit are so long ago."""
    assert abs(datetime.now(UTC) - ago - moment(text)) < timedelta(seconds=5)


def test_dates_are_in_utc():
    """A date without an offset is of UTC, wherever the user is."""
    assert moment("2024-04-01") == datetime(2024, 4, 1, tzinfo=UTC)
    assert moment("2024-04-01T18:30") == datetime(2024, 4, 1, 18, 30, tzinfo=UTC)
    assert moment("2024-04-01T18:30+02:00") == datetime(2024, 4, 1, 16, 30, tzinfo=UTC)


def test_help_has_an_example(capsys):
    """Help names the token's variable, says which time dates are in, and has an example."""
    with pytest.raises(SystemExit, match="0"):
        main(["votes", "--help"])
    out = capsys.readouterr().out
    for part in ("TOPGG_TOKEN", "UTC", " rx-toppy votes --since 30d --export votes.csv"):
        assert part in out


def test_who_asks_has_no_bot(served):
    """The client needs no bot's id, and makes none up."""

    client = client_of(TOKEN, served.sandbox.base_url)
    with pytest.raises(ToppyError, match="no user"):
        assert client.vote_url


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [["--since", "365d"], ["--export", "-"]])
def test_a_full_disk_is_one_line(served, options):
    """What can't be written is an error of one line, and status 1."""
    with Path("/dev/full").open("w") as full:
        status, _, err = finished("votes", *options, *served.base, stdout=full)
    assert status == 1
    assert re.fullmatch(r"rx-toppy votes: error: .*No space left on device\n", err)
