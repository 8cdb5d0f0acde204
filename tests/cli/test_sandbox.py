"""`rx-toppy sandbox`: what it prints, what it takes, and its ends."""

import http.client
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rx_toppy.cli import main
from rx_toppy.sandbox import Sandbox
from tests.cli import PATIENCE, finished, posix_only, started

SMALL = ("sandbox", "--bots", "20", "--seed", "3", "--votes-per-minute", "0")
GREETING = re.compile(
    r"A local top\.gg; Ctrl-C ends it\.\n"
    r"  base URL  (?P<url>http://127\.0\.0\.1:\d+/api)\n"
    r"  token     (?P<token>\S+)\n"
    r"  bot id    (?P<bot>\d+)\n"
    r"(?P<fails>(  fails     .+\n)*)"
    r"  try       (?P<curl>curl .+)\n\n"
)
LINE = re.compile(r"\d\d:\d\d:\d\d  (---|\d{3})  [A-Z]+ +/\S*\n")


class Served:
    """A sandbox in a process of its own, and what it said at first."""

    def __init__(self, process):
        self.process = process
        said = ""
        while not said.endswith("\n\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        self.said = GREETING.fullmatch(said)
        assert self.said, said

    def get(self, path: str) -> int | None:
        """The status of an answer; None where there is none."""
        request = Request(self.said["url"] + path, headers={"Authorization": self.said["token"]})
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                answer.read()
                return answer.status
        except HTTPError as error:
            error.close()
            return error.code
        except (http.client.HTTPException, OSError):
            return None

    def end(self) -> tuple[str, str]:
        """What else it wrote, when SIGTERM has ended it with success."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0
        return out, err


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    with started(*SMALL, *arguments) as process:
        yield Served(process)


@posix_only
def test_it_says_where_it_is_and_tells_of_each_request():
    """The addresses are printed at once, each request has its line, and the end sums them up."""
    with served() as sandbox:
        bot = sandbox.said["bot"]
        assert sandbox.said["curl"] == (
            f"curl -H 'Authorization: {sandbox.said['token']}' {sandbox.said['url']}/bots/{bot}"
        )
        assert sandbox.get(f"/bots/{bot}") == 200
        first = sandbox.process.stdout.readline()
        assert sandbox.get("/bots?limit=3") == 200
        assert sandbox.get("/nothing") == 404
        out, err = sandbox.end()
    lines = [first, *out.splitlines(keepends=True)]
    assert all(LINE.fullmatch(line) for line in lines[:3])
    assert [line[10:] for line in lines[:3]] == [
        f"200  GET   /api/bots/{bot}\n",
        "200  GET   /api/bots?limit=3\n",
        "404  GET   /api/nothing\n",
    ]
    assert lines[3:] == ["\n", "3 requests: 2 x 200, 1 x 404\n"]
    assert err == ""


@posix_only
def test_the_seed_makes_the_token_and_the_bot():
    """The same seed prints the same token and bot, which are those of a `Sandbox` of that seed."""
    same = Sandbox(seed=3, bots=20)
    with served() as sandbox:
        assert sandbox.said["token"] == same.token
        assert sandbox.said["bot"] == str(same.bot_id)
        sandbox.end()


@posix_only
def test_it_fails_where_it_is_told_to():
    """Faults of all kinds can be switched on, so many times or at a rate, by route."""
    fails = ("503:x2@/bots", "reset:x1@/weekend", "html=520:1@/users/{id}", "429@/bots/{id}/votes")
    with served(*(part for text in fails for part in ("--fail", text))) as sandbox:
        assert sandbox.said["fails"].split() == [word for text in fails for word in ("fails", text)]
        bot = sandbox.said["bot"]
        paths = ["/bots"] * 3 + ["/weekend"] * 2 + ["/users/1", f"/bots/{bot}/votes"]
        found = [sandbox.get(path) for path in paths]
        out, _ = sandbox.end()
    assert found == [503, 503, 200, None, 200, 520, 429]
    assert [line.split()[1] for line in out.splitlines()[:7]] == [
        "503", "503", "200", "---", "200", "520", "429",
    ]  # fmt: skip
    assert "1 x no answer" in out


@posix_only
@pytest.mark.parametrize(("option", "last"), [((), 429), (("--no-limits",), 200)])
def test_it_limits_unless_told_not_to(option, last):
    """The 61st request to /bots is one too many, but without limits it is not."""
    with served(*option) as sandbox:
        assert [sandbox.get("/bots?limit=1") for _ in range(61)] == [200] * 60 + [last]
        sandbox.end()


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number):
    """Ctrl-C and SIGTERM are a clean end, though a request hangs: success, nothing on stderr."""
    with served("--fail", "hang", "--latency", "0.001-0.002", "--drop", "0.5") as sandbox:
        url = sandbox.said["url"].removeprefix("http://").removesuffix("/api")
        connection = http.client.HTTPConnection(url)
        headers = {"Authorization": sandbox.said["token"]}
        connection.request("GET", "/api/weekend", headers=headers)
        assert sandbox.process.stdout.readline().endswith("  ---  GET   /api/weekend\n")
        sandbox.process.send_signal(number)
        out, err = sandbox.process.communicate(timeout=PATIENCE)
        connection.close()
    assert (sandbox.process.returncode, err) == (0, "")
    assert out == "\n1 request: 1 x no answer\n"


def test_it_ends_by_itself():
    """`--seconds` ends it with success; all that it says is plain lines."""
    status, out, err = finished(*SMALL, "--seconds", "0.2")
    assert (status, err) == (0, "")
    assert re.fullmatch(GREETING.pattern + r"\n0 requests\n", out)
    assert "\x1b" not in out


def test_a_taken_port_is_one_line():
    """Where somebody else listens, that is an error of one line, and status 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, out, err = finished(*SMALL, "--port", port)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"rx-toppy sandbox: error: .*address already in use.*\n", err)


@posix_only
def test_a_closed_pipe_ends_it_quietly():
    """A reader who leaves (`| head`) ends it at the next line: with success, without a word."""
    with served() as sandbox:
        sandbox.process.stdout.close()
        sandbox.get("/weekend")
        assert sandbox.process.wait(timeout=PATIENCE) == 0
        assert sandbox.process.stderr.read() == ""


@posix_only
@pytest.mark.parametrize("path", [b"\xc3\xa4", b"\x1b[2J", b"\xff\x80"])
def test_whatever_comes_is_one_plain_line(path):
    """What a client sends, proper HTTP or not, can't write anything but a line that is plain."""
    with served() as sandbox:
        host, port = sandbox.said["url"].removeprefix("http://").removesuffix("/api").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            client.sendall(b"GET /api/" + path + b" HTTP/1.1\r\nHost: me\r\n\r\n")
            client.recv(1000)
        out, err = sandbox.end()
    assert err == ""
    assert out.isascii()
    assert out.replace("\n", "").isprintable()
    assert out.count("\n") == 3
    assert out[10:12] == "40"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail", "503:2"], "'503:2': rate must be from 0 to 1, not 2.0"),
        (["--fail", "503:x0"], "'503:x0': times must be at least 1, not 0"),
        (["--fail", "503:often"], "could not convert string to float: 'often'"),
        (["--fail", "flood"], "a fault is a status or one of reset, hang, "),
        (["--fail", "reset=1"], "reset takes no value"),
        (["--fail", "delay"], "'delay': Missing required argument 'seconds'"),
        (["--fail", "cutoff=1"], "share must be below 1"),
        (["--fail", "999"], "code must be from 200 to 599, not 999"),
        (["--fail", "503@/bot"], "there is no route '/bot', only /bots, "),
        (["--fail", "503@"], "route must not be empty"),
        (["--bots", "0"], "bots must be at least 1"),
        (["--bots", "many"], "argument --bots: invalid int value: 'many'"),
        (["--port", "70000"], "port must be from 0 to 65535"),
        (["--latency", "1-"], "argument --latency: takes seconds, as 0.1 or 0.05-0.2, not '1-'"),
        (["--latency", "2-1"], "latency must be at least 0"),
        (["--latency=-1"], "latency must be at least 0"),
        (["--drop", "2"], "drop must be from 0 to 1"),
        (["--votes-per-minute", "nan"], "votes_per_minute must be finite"),
        (["--seconds", "0"], "argument --seconds: takes a number of seconds above 0"),
    ],
)
def test_bad_arguments_are_refused(capsys, arguments, said):
    """What makes no sense is refused with status 2 and a line that says why."""
    with pytest.raises(SystemExit, match="2"):
        main(["sandbox", "--bots", "5", *arguments])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("rx-toppy sandbox: error: ")
    assert said in last


def test_help_tells_how_to_fail(capsys):
    """The help names every option and each way to fail."""
    with pytest.raises(SystemExit, match="0"):
        main(["sandbox", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "--host", "--port", "--seed", "--bots", "--votes-per-minute", "--latency", "--drop",
        "--no-limits", "--fail", "--seconds", "503:0.1", "reset:x3", "cutoff[=SHARE]",
    ):  # fmt: skip
        assert part in told
