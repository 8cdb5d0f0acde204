"""`rx-toppy bots`: the table, what is searched for, exports of any size, and the budget's pace."""

import csv
import io
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from rx_toppy import RateLimit, RequestEvent
from rx_toppy.cli import main
from rx_toppy.cli.export.pace import Pace
from tests.cli import (
    NO_RICH,
    PATIENCE,
    SCRIPT,
    TOKEN,
    Served,
    Terminal,
    finished,
    in_ascii,
    posix_only,
    request,
    serving,
    started,
)
from tests.standin import Answer, Seen, ThreadedStandIn, delay, ok, status

BOTS = 1200
FIELDS = [
    "id", "username", "short_description", "tags", "prefix", "server_count", "shard_count",
    "monthly_votes", "all_time_votes", "certified", "approved_at", "owners", "website", "support",
    "github", "invite", "vanity_uri",
]  # fmt: skip
# As the command, where top.gg allows 3 calls in 2 seconds. For these no machine is too slow.
HURRIED = (
    "from rx_toppy import RateLimit; from rx_toppy.cli.export import bots; "
    "bots.LIMITS = (RateLimit(100, per=1), RateLimit(3, per=2, prefix='/bots')); " + SCRIPT
)
# As the command; at last it tells how much memory it took at the most, in kilobytes.
MEASURED = (
    "import resource, sys; from rx_toppy.cli import main; main(); "
    "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
)


@pytest.fixture(autouse=True)
def token(monkeypatch, tmp_path) -> None:
    """The environment of somebody who has a token, in a directory of their own."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A local top.gg with three pages of bots, and no limits: all tests here ask the same one."""
    with serving(bots=BOTS, rate_limits=()) as served:
        yield served


@pytest.fixture
def topgg() -> Iterator[ThreadedStandIn]:
    """A stand-in for top.gg."""
    with ThreadedStandIn() as topgg:
        yield topgg


def listing(total: int, bot: Callable[[int], dict[str, object]] | None = None) -> Answer:
    """A list of so many bots, by the page."""

    def page(seen: Seen) -> Answer:
        limit, offset = int(seen.query["limit"]), int(seen.query["offset"])
        numbers = range(offset + 1, min(offset + limit, total) + 1)
        results = [(bot or plain)(number) for number in numbers]
        return ok({"results": results, "total": total})

    return page


def plain(number: int) -> dict[str, object]:
    return {"id": str(10**17 + number), "username": f"Bot {number}", "shortdesc": "x" * 100}


def base(topgg: ThreadedStandIn) -> tuple[str, str]:
    return "--base-url", topgg.base_url


def printed(capsys, *arguments: str) -> str:
    """What a search prints."""
    assert main(["bots", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def names(out: str) -> list[str]:
    """The names in JSON Lines of bots."""
    return [json.loads(line)["username"] for line in out.splitlines()]


# --- the table -----------------------------------------------------------------------------------


def test_a_pipe_gets_plain_aligned_rows(served, capsys):
    """Piped, twenty bots are a heading, a line each, nothing cut, and how many there are."""
    lines = printed(capsys, *served.base).splitlines()
    assert lines[0].split() == ["name", "id", "servers", "month", "votes", "tags", "✓"]
    assert len(lines) == 1 + 20 + 2
    assert lines[-1] == "20 of 1,200 bots; month: votes this month; ✓: certified"
    at = lines[0].index("id  ")
    assert all(re.match(r"\d{17,19}  ", line[at:]) for line in lines[1:21])


@posix_only
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_gets_a_table_that_fits(served, terminal, width, rich):
    """By rich or without it no line is wider than the terminal, ids are whole, and all is told."""
    shown = terminal(width, "bots", *served.base, rich=rich)
    assert {cell_len(line) <= width for line in shown.splitlines()} == {True}
    assert len(re.findall(r" \d{17,19} ", shown)) == 20
    assert "20 of 1,200 bots" in shown


@posix_only
@pytest.mark.parametrize(("width", "code"), [(80, SCRIPT), (100, NO_RICH)])
def test_a_process_asks_its_terminal_how_wide_it_is(served, width, code):
    """As a process it is the same: the table is as wide as the terminal that it finds."""
    with Terminal(width) as terminal:
        arguments = ("bots", "--tag=a", *served.base)
        assert finished(*arguments, code=code, stdout=terminal.end) == (0, None, "")
    shown = re.sub(r"\x1b\[[\d;]*m", "", terminal.shown)
    assert ("\x1b[" in terminal.shown) == (code == SCRIPT)
    widths = [cell_len(line.rstrip()) for line in shown.splitlines()]
    assert max(widths) <= width
    assert width != 80 or max(widths) == 80


def test_columns_says_how_wide_it_is(served, capsys, monkeypatch):
    """`COLUMNS` bounds the lines of a pipe as well."""
    monkeypatch.setenv("COLUMNS", "80")
    out = printed(capsys, *served.base)
    assert max(map(cell_len, out.splitlines())) <= 80
    assert re.search(r"[A-Za-z]\.  ", out)  # something was cut, and says so


@posix_only
@pytest.mark.parametrize("rich", [True, False])
def test_names_cannot_move_the_cursor_or_pass_for_markup(topgg, terminal, rich):
    """Whatever a bot is called, a terminal obeys nothing of it, and rich takes it as text."""
    hostile = "a\x1b[2J\x9b1mb\nc\u202ed\u2066e\u200f [red]f[/red] :boom: [link=x]長い名前"
    bot = {"id": "1" * 18, "username": hostile, "tags": ["\x1b]0;t\x07", "[bold]"], "points": 1}
    topgg.default(ok({"results": [bot] * 2 + [bot | {"id": "2"}], "total": 3}))
    shown = terminal(120, "bots", *base(topgg), rich=rich)
    assert "[2J 1mb c d e [red]f[/red] :boom: [link=x]長い名前" in shown
    assert not set("\x1b\x9b\x07\u202e\u2066\u200f") & set(shown)
    assert shown.count(" [red]f") == 2  # the same bot is not shown twice
    assert {cell_len(line) <= 120 for line in shown.splitlines()} == {True}


def test_an_encoding_without_unicode_is_no_trouble(topgg, monkeypatch):
    """A pipe of ASCII gets question marks and a plus, and no error."""
    bot = {"id": "7", "username": "名前…", "certifiedBot": True}
    topgg.default(ok({"results": [bot], "total": 1}))
    out = in_ascii(monkeypatch, "bots", *base(topgg))
    assert out.splitlines()[1].split() == ["??.", "7", "-", "-", "-", "+"]


def test_nothing_found_is_said(served, capsys):
    """A search that finds nothing says so, and is no failure."""
    assert printed(capsys, "no such bot", *served.base) == "No bots found.\n"
    assert printed(capsys, "no such bot", "--json", *served.base) == ""


# --- what is searched for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ([], {}),
        (["mu, sic"], {"search": "username: mu, sic"}),
        (["prefix: !, lib: x"], {"search": "prefix: !, lib: x"}),
        (["--tag=music", "--tag", "role play"], {"search": "tags: music, tags: role play"}),
        (["bot", "--tag=fun"], {"search": "username: bot, tags: fun"}),
        (["--sort=votes"], {"sort": "-points"}),
        (["--sort", "new"], {"sort": "-date"}),
        (["--sort=-vanity"], {"sort": "-vanity"}),
        (["--limit=3"], {"limit": "3"}),
        (["--limit", "501"], {"limit": "500"}),
    ],
)
def test_what_is_sent(topgg, capsys, arguments, sent):
    """Text, tags and order go to top.gg in its own form."""
    topgg.default(listing(2))
    printed(capsys, "--json", *arguments, *base(topgg))
    assert topgg.seen[0].query == {"limit": "20", "offset": "0"} | sent


def test_a_tag_finds_those_that_have_it(served, capsys):
    """`--tag` leaves bots with other tags out, whatever its letters' case."""
    out = printed(capsys, "--tag", "economy", "--json", *served.base)
    found = [json.loads(line) for line in out.splitlines()]
    assert found
    assert all("Economy" in bot["tags"] for bot in found)


def test_json_has_an_object_for_each_bot(served, capsys):
    """`--json` prints the fields that are documented: ids as text, times in UTC, lists as lists."""
    lines = printed(capsys, "--json", "--limit=700", "--sort=name", *served.base).splitlines()
    found = [json.loads(line) for line in lines]
    assert [list(bot) for bot in found] == [FIELDS] * 700
    assert len({bot["id"] for bot in found}) == 700
    assert all(isinstance(id, str) for bot in found for id in (bot["id"], *bot["owners"]))
    assert all(datetime.fromisoformat(bot["approved_at"]).tzinfo == UTC for bot in found)
    assert all(isinstance(bot["tags"], list) for bot in found)
    lowered = [bot["username"].casefold() for bot in found]
    assert lowered == sorted(lowered)


def test_json_is_safe_to_look_at(topgg, capsys):
    """What a terminal would obey is escaped in JSON, and read as what it was."""
    name = "a\x1b[2J\x9b\u202e\u2028b 名前 \x7f"
    topgg.default(ok({"results": [{"id": "7", "username": name}], "total": 1}))
    out = printed(capsys, "--json", *base(topgg))
    assert names(out) == [name]
    assert "名前" in out
    assert out.count("\n") == len(out.splitlines()) == 1
    assert out.rstrip("\n").isprintable()


def test_json_in_ascii_keeps_all_characters(topgg, monkeypatch):
    """Where the encoding has no such characters they are escaped, and none is lost."""
    topgg.default(ok({"results": [{"id": "7", "username": "名前 🦦"}], "total": 1}))
    assert names(in_ascii(monkeypatch, "bots", "--json", *base(topgg))) == ["名前 🦦"]


@posix_only
def test_a_reader_who_leaves_ends_it_quietly(served):
    """`bots --json | head` ends with success and without a word."""
    with started("bots", "--json", "--limit=1200", *served.base) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""


# --- exporting -----------------------------------------------------------------------------------


def read(name: str) -> list[dict[str, object]]:
    """The bots of an export, in CSV or JSON Lines."""
    text = Path(name).read_bytes().decode()
    if name.endswith("jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("name", ["bots.jsonl", "bots.csv"])
@pytest.mark.parametrize(("options", "count"), [([], BOTS), (["--limit", "600"], 600)])
def test_all_that_is_found_is_exported(served, capsys, name, options, count):
    """An export has every bot once, as flat records, in the format that the name says."""
    assert main(["bots", "--export", name, *options, *served.base]) == 0
    said = "1,200" if count == BOTS else "600"
    assert capsys.readouterr() == ("", f"{said} bots written to {name}\n")
    found = read(name)
    assert [list(bot) for bot in found] == [FIELDS] * count
    assert len({bot["id"] for bot in found}) == count
    assert [path.name for path in Path().iterdir()] == [name]


def test_csv_and_json_lines_have_the_same(served):
    """Both formats tell the same: in CSV lists are joined, and what is unknown is empty."""
    for name in ("b.jsonl", "b.csv"):
        assert main(["bots", "--export", name, "--limit=50", *served.base]) == 0

    def flat(value: object) -> str:
        if isinstance(value, list):
            return ", ".join(value)
        return "" if value is None else str(value).lower() if value in (True, False) else str(value)

    rows = [{name: flat(value) for name, value in bot.items()} for bot in read("b.jsonl")]
    assert read("b.csv") == rows


def test_csv_is_one_line_for_each_bot(topgg):
    """A name with line breaks, quotes and escapes is one cell on one line of a CSV file."""
    bot = {"id": "7", "username": 'a"b,\nc\x1b[2Jd', "tags": ["x", "y z"], "certifiedBot": False}
    topgg.default(ok({"results": [bot], "total": 1}))
    assert main(["bots", "--export", "b.csv", *base(topgg)]) == 0
    (row,) = read("b.csv")
    assert (row["username"], row["tags"], row["certified"]) == ('a"b, c [2Jd', "x, y z", "false")
    assert Path("b.csv").read_bytes().count(b"\n") == 2


def test_json_tells_what_was_exported(served, capsys):
    """With `--json` an export's outcome is one object on stdout."""
    assert main(["bots", "--export=b.csv", "--limit=7", "--json", *served.base]) == 0
    out, err = capsys.readouterr()
    told = {"file": "b.csv", "format": "csv", "written": 7, "appended": False}
    assert (json.loads(out), out.count("\n"), err) == (told, 1, "")


def test_it_takes_no_call_more_than_it_must(topgg):
    """A list of so many full pages is read with as many calls, and the total from the first."""
    topgg.default(listing(1500))
    assert main(["bots", "--export", "b.jsonl", *base(topgg)]) == 0
    offsets = [seen.query["offset"] for seen in topgg.seen]
    assert offsets == ["0", "500", "1000"]
    assert len(read("b.jsonl")) == 1500


@pytest.mark.parametrize("total", [None, "many"])
def test_a_total_that_is_not_told_is_no_trouble(topgg, capsys, total):
    """Where top.gg does not say how many there are it is read until a page is not full."""

    def page(seen: Seen) -> Answer:
        offset = int(seen.query["offset"])
        numbers = range(offset, min(offset + 500, 700))
        return ok({"results": [plain(number) for number in numbers], "total": total})

    topgg.default(page)
    assert main(["bots", "--export", "b.jsonl", *base(topgg)]) == 0
    assert len(read("b.jsonl")) == 700
    assert printed(capsys.readouterr() and capsys, *base(topgg)).endswith("; ✓: certified\n")


def test_a_bot_that_slides_to_the_next_page_comes_once(topgg):
    """The list moves while it is read: a bot of the first page that comes again is left out."""

    def page(seen: Seen) -> Answer:
        offset = int(seen.query["offset"])
        numbers = range(max(0, offset - 3), min(offset + 500, 900))  # three have moved up
        return ok({"results": [plain(number) for number in numbers][:500], "total": 900})

    topgg.default(page)
    assert main(["bots", "--export", "b.jsonl", *base(topgg)]) == 0
    ids = [bot["id"] for bot in read("b.jsonl")]
    assert len(ids) == len(set(ids)) >= 897


@pytest.mark.parametrize("before", [None, "what was there"])
def test_an_export_that_fails_leaves_all_as_it_was(topgg, capsys, before):
    """When a page can't be had there is no new file, the old one stays, and the status tells."""
    if before:
        Path("b.csv").write_text(before)
    pages = listing(2000)
    topgg.default(lambda seen: pages(seen) if seen.query["offset"] == "0" else status(403))
    assert main(["bots", "--export", "b.csv", *base(topgg)]) == 3
    assert "top.gg refuses the token" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == (["b.csv"] if before else [])
    assert before is None or Path("b.csv").read_text() == before


@posix_only
def test_an_interrupted_export_leaves_no_file(topgg):
    """Ctrl-C ends it with 130 and one line; nothing half written stays."""
    pages = listing(5000)
    topgg.default(lambda seen: pages(seen) if seen.query["offset"] == "0" else delay(30, pages))
    file = Path("b.csv").resolve()
    with started("bots", "--export", str(file), *base(topgg)) as process:
        topgg.arrived(2)
        assert [path.name.startswith(".b.csv.") for path in Path().iterdir()] == [True]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert err == f"rx-toppy bots: interrupted; {file} is as it was\n"
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kilobytes")
def test_memory_does_not_grow_with_the_list(topgg):
    """An export of ten times as many bots takes hardly more memory, and is whole."""

    def large(number: int) -> dict[str, object]:
        return plain(number) | {"longdesc": "x" * 1000}

    def measured(total: int) -> int:
        topgg.default(listing(total, large))
        arguments = ("bots", "--export", str(Path("b.jsonl").resolve()), *base(topgg))
        code, _, err = finished(*arguments, code=MEASURED, is_new=True)
        assert code == 0
        with Path("b.jsonl").open() as file:
            assert sum(1 for _ in file) == total
        said, _, kilobytes = err.rpartition("\n")
        assert said == f"{total:,} bots written to {Path('b.jsonl').resolve()}"
        return int(kilobytes)

    assert measured(25_000) - measured(3_000) < 16_000  # the list itself takes 40,000


# --- its pace ------------------------------------------------------------------------------------


def test_an_export_that_has_to_wait_says_so(topgg):
    """More pages than the budget has calls wait for more; a pipe gets a line for each wait."""
    topgg.default(listing(3_500))
    arguments = ("bots", "--export", "-", *base(topgg))
    code, out, err = finished(*arguments, code=HURRIED)
    assert (code, len(out.splitlines())) == (0, 3_500)
    lines = err.splitlines()
    assert lines.pop() == "3,500 bots written to stdout"
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"1,500 of .*|3,000 of .*", line), line
        assert re.search(r" of 3,500 bots; 3 of 3 calls, waiting for [12] s$", line)


def test_json_that_has_to_wait_says_so(topgg):
    """As much without an export waits as well, and says so on stderr."""
    topgg.default(listing(2_000))
    code, out, err = finished("bots", "--json", "--limit=2000", *base(topgg), code=HURRIED)
    assert (code, len(names(out))) == (0, 2_000)
    assert re.fullmatch(r"1,500 of 2,000 bots; 3 of 3 calls, waiting for [12] s\n", err)


@posix_only
@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_how_far_it_is_and_at_what_pace(topgg, width):
    """The bar has the bots so far of the total, the rate, the calls used, and what it waits for."""
    topgg.default(listing(2_500))
    with Terminal(width) as terminal:
        arguments = ("bots", "--export", "-", *base(topgg))
        code, out, _ = finished(*arguments, code=HURRIED, stderr=terminal.end)
    assert (code, len(out.splitlines())) == (0, 2_500)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.shown)
    assert re.search(r"1,500 of 2,500 bots  [\d,]+/s  3 of 3 calls, waiting for [12] s", shown)
    assert "60%" in shown
    assert shown.endswith("2,500 bots written to stdout\n")
    for line in re.split(r"[\r\n]", shown):
        assert cell_len(line) <= width
    assert "\x1b[?25h" in terminal.shown  # the cursor is back


def test_pace_counts_the_last_minute():
    """Calls are counted until a minute after their end; with all used, the oldest is waited for."""
    pace = Pace(RateLimit(2, per=60, prefix="/bots"))
    noon = datetime(2026, 4, 1, 12, tzinfo=UTC)

    def after(seconds: float) -> datetime:
        return noon + timedelta(seconds=seconds)

    assert pace.told(noon) == "0 of 2 calls this minute"
    for seconds in (0, 10):
        pace.add(request_at("/bots", after(seconds)))
        pace.add(request_at("/users/{id}", after(seconds)))
    assert pace.told(after(20)) == "2 of 2 calls, waiting for 40 s"
    assert pace.told(after(59.5)) == "2 of 2 calls, waiting for 1 s"
    assert pace.told(after(60)) == "1 of 2 calls this minute"
    assert pace.told(after(70)) == "0 of 2 calls this minute"


def request_at(route: str, at: datetime) -> RequestEvent:
    return msgspec.structs.replace(request(route), at=at)


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--limit", "0"], "argument --limit: takes a whole number above 0, not '0'"),
        (["--limit", "1e3"], "argument --limit: takes a whole number above 0, not '1e3'"),
        (["--limit", "9" * 40], "argument --limit: takes a whole number above 0, not '999"),
        (["--sort", "-points"], "argument --sort: expected one argument (one that begins with -"),
        (["--tag", "a: b"], "--tag takes one tag, without commas or colons\n"),
        (["--tag", "a, b"], "--tag takes one tag, without commas or colons\n"),
        (["--tag", ""], "--tag takes one tag, without commas or colons\n"),
        ([" "], "TEXT takes a part of a name\n"),
        (["--format", "csv"], "--format is only for an --export\n"),
        (["--export", "b", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["--export", "-", "--json"], "--json has no place beside an --export to stdout; see"),
        (["--base-url", "top.gg"], "--base-url takes an http or https URL without a query"),
    ],
)
def test_bad_arguments_are_refused(capsys, arguments, said):
    """What can't be is refused in the command's own terms, before anything is sent."""
    with pytest.raises(SystemExit, match="2"):
        main(["bots", *arguments])
    out, err = capsys.readouterr()
    assert out == ""
    assert (err.splitlines()[-1] + "\n").startswith(f"rx-toppy bots: error: {said}")
    assert list(Path().iterdir()) == []
