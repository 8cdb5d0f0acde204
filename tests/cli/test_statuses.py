"""The exit statuses: one for each kind of error, in every command, and one plain line on stderr."""

import re
import signal
import socket
from collections.abc import Iterator

import pytest

from rx_toppy import TopGG, cli
from rx_toppy.cli import arguments, exit_codes, main
from rx_toppy.errors import ToppyError
from tests.cli import PATIENCE, TOKEN, finished, posix_only, started
from tests.standin import ThreadedStandIn, fault, hang, html, ok, rate_limited, redirect

ID = "264811613708746752"
COMMANDS = (["bots"], ["bots", "--json"], ["bot", ID], ["user", ID], ["stats", ID])
LISTS = (["bots", "--export", "x"], ["votes", "--export", "x"])
ANSWERS = [
    (3, fault.status(401), "top.gg refuses the token in TOPGG_TOKEN (401 for GET http://"),
    (3, fault.status(403), "top.gg refuses the token in TOPGG_TOKEN (403 for GET http://"),
    (4, fault.status(404), "top.gg knows nothing by that id"),
    (5, rate_limited(1234), "top.gg says too many requests; try again in 1234 s"),
    (7, fault.status(503), "top.gg is in trouble (status 503)"),
    (7, html(502), "top.gg is in trouble (status 502): an HTML page"),
    (8, fault.status(400), "top.gg did not take the request (status 400"),
    (8, html(200), "top.gg sent an HTML page"),
    (8, ok([1]), "top.gg sent JSON of another shape than expected"),
    (8, redirect("http://127.0.0.1:1/"), "top.gg sent a redirect"),
]


@pytest.fixture(autouse=True)
def token(monkeypatch, tmp_path) -> None:
    """The environment of somebody who has a token, and who is not patient."""
    monkeypatch.setenv("TOPGG_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rx_toppy.api.retries.FIRST_PAUSE", 0.001)


@pytest.fixture
def topgg() -> Iterator[ThreadedStandIn]:
    """A stand-in for top.gg."""
    with ThreadedStandIn() as topgg:
        yield topgg


def failed(capsys, *arguments: str) -> tuple[int, str]:
    """How a command ended, and what it said on its one line."""
    status = main(list(arguments))
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert TOKEN not in err
    name = arguments[0]
    assert err.startswith(f"rx-toppy {name}: error: ")
    return status, err.removeprefix(f"rx-toppy {name}: error: ")


@pytest.mark.parametrize("arguments", [*COMMANDS, *LISTS], ids=" ".join)
@pytest.mark.parametrize(("status", "answer", "said"), ANSWERS)
def test_each_kind_of_error_has_its_status(topgg, capsys, arguments, status, answer, said):
    """Whichever command asks, what top.gg answers decides the status, and is said on one line."""
    topgg.default(answer)
    ended, told = failed(capsys, *arguments, "--base-url", topgg.base_url)
    assert (ended, told.startswith(said)) == (status, True), told


@pytest.mark.parametrize("arguments", [*COMMANDS, *LISTS, ["votes"]], ids=" ".join)
def test_following_and_looking_up_refuse_a_token_alike(topgg, capsys, arguments):
    """A refused token is status 3 in every command, with the request that it was refused for."""
    topgg.default(fault.status(401))
    ended, told = failed(capsys, *arguments, "--base-url", topgg.base_url)
    assert ended == 3
    assert re.fullmatch(r"top\.gg refuses the token in TOPGG_TOKEN \(401 for GET \S+\)\n", told)


def test_nobody_at_home_is_status_6(capsys):
    """Where nobody listens, that is said, and is not a failure of this machine."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/api"
        ended, told = failed(capsys, "bot", ID, "--base-url", url)
    assert ended == 6
    assert told.startswith("there is no connection: ")


def test_no_answer_in_time_is_status_6(topgg, capsys, monkeypatch):
    """An answer that does not come is status 6 as well."""
    monkeypatch.setattr("rx_toppy.client.TopGG.__init__", impatient)
    topgg.default(hang())
    ended, told = failed(capsys, "bot", ID, "--base-url", topgg.base_url)
    assert ended == 6
    assert told.startswith("no answer within 0.1 s")


def impatient(self, *arguments: object, _init=TopGG.__init__, **options: object) -> None:
    _init(self, *arguments, **options | {"timeout": 0.1, "retries": 0})


def test_other_errors_are_status_1():
    """What has no status of its own is status 1."""
    assert exit_codes.status_of(ToppyError("x")) == exit_codes.status_of(OSError()) == 1


def test_a_server_can_write_nothing_but_a_line(topgg, capsys):
    """What a server says of an error is on one plain line, without the token that it repeats."""
    said = f"no\x1b[2J\x9b {TOKEN}\n\u202egnp [bold]x[/bold]"
    topgg.default(fault.status(404, json={"error": said}))
    _, told = failed(capsys, "bot", ID, "--base-url", topgg.base_url)
    assert told.rstrip("\n").isprintable()
    assert "no [2J" in told
    assert "*** " in told


def test_the_token_is_not_repeated_from_a_command_line(capsys):
    """Who types the token where it does not belong does not see it again, nor an escape."""
    for given in (["bot", ID, "--token", TOKEN], ["bot", ID, f"{TOKEN}\x1b[2J"], [TOKEN]):
        with pytest.raises(SystemExit, match="2"):
            main(given)
        err = capsys.readouterr().err
        assert TOKEN not in err
        assert "\x1b" not in err
        assert "***" in err


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_without_a_token_there_is_a_line(capsys, monkeypatch, arguments):
    """Without a token nothing is sent, and a line says where to put it."""
    monkeypatch.delenv("TOPGG_TOKEN")
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    said = "error: set the environment variable TOPGG_TOKEN to a token of top.gg\n"
    assert capsys.readouterr().err == f"rx-toppy {arguments[0]}: {said}"


@posix_only
def test_ctrl_c_is_status_130(topgg):
    """Ctrl-C while an answer is waited for is the shell's usual 130, without a word."""
    topgg.default(hang())
    with started("bot", ID, "--base-url", topgg.base_url) as process:
        topgg.arrived(1, PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_429_is_told_once(topgg):
    """A 429 is one line on stderr, that of the error; what the library logs of it is left out."""
    topgg.default(rate_limited(1234))
    ended, out, err = finished("bots", "--export=-", "--base-url", topgg.base_url)
    assert (ended, out, err.count("\n")) == (5, "", 1)
    assert "try again in 1234 s" in err


def test_what_was_left_out_is_told(topgg, capsys):
    """Bots that make no sense are left out of a list, and a plain line says how many."""
    results = [{"id": "7"}, {"id": "\x1b[2J"}, {"id": None}]
    topgg.default(ok({"results": results, "total": 3}))
    assert main(["bots", "--json", "--base-url", topgg.base_url]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == err.count("\n") == 1
    assert err.startswith("rx-toppy bots: left out 2 malformed items of an answer")
    assert err.rstrip("\n").isprintable()


def test_help_has_them_all(capsys):
    """`rx-toppy --help` has the table, with each status that there is."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    out = capsys.readouterr().out
    found = re.findall(r"^ {2,4}(\d+)  \S", out.partition("exit status:\n")[2], re.MULTILINE)
    assert list(map(int, found)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]


@pytest.mark.parametrize("width", ["80", "120"])
@pytest.mark.parametrize(
    "command", ["", "demo", "bots", "bot", "user", "stats", "votes", "watch", "sandbox"]
)
def test_help_fits_and_ends_with_examples(capsys, monkeypatch, command, width):
    """Help is no wider than the terminal; it ends with one or two examples that parse."""
    monkeypatch.setenv("COLUMNS", width)
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(width)
    examples = re.findall(
        r"^(?:examples?:)? +rx-toppy (\S.*)$", out.partition("\nexample")[2], re.MULTILINE
    )
    assert 1 <= len(examples) <= 2
    for example in examples:
        assert example.split()[0] == command or not command
        assert cli._parser().parse_args(example.split()).run


def test_the_least_pause_is_ten_seconds():
    """Nobody looks more often than top.gg's budget is meant for."""
    assert arguments.LEAST_EVERY == 10
