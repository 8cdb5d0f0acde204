"""What can be wrong with a cluster: what it is given, what is not installed, what Redis refuses."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from rx_toppy import RateLimit, ToppyError
from rx_toppy.cluster import RedisCoordinator, budget
from rx_toppy.cluster import connection as link
from rx_toppy.cluster import totals as roll
from tests.conftest import MakeClient
from tests.faults.mortal import claimed_port
from tests.votes.inbox import ROOT

from .harness import TopGGSeen
from .server import HOST, RedisServer

SECRET = "hunter2"
LIMITS = [(10, 0.3, "/bots"), (40, 0.3, "")]
PATIENCE = 60.0  # of no matter where nothing hangs


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_behind_the_scenes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task or timer ends with an exception, and no log shows a password."""
    yield
    records = caplog.get_records("call")
    assert [r.getMessage() for r in records if r.levelno >= logging.ERROR] == []
    assert SECRET not in caplog.text


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes a tenth."""
    for name, value in (("BEAT", 0.1), ("PRESENT", 0.15), ("SETTLING", 0.1)):
        monkeypatch.setattr(budget, name, value)
    monkeypatch.setattr(roll, "BEAT", 0.1)


@pytest.fixture
def soon_alone(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a Redis is soon held to be away, once something went wrong with it."""
    monkeypatch.setattr(budget, "SILENCE", 0.3)


@pytest.fixture
def impatient(soon_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is waited for an answer as long as a busy Redis may take."""
    for module in (budget, link):
        monkeypatch.setattr(module, "ANSWER", 0.4)


@pytest.fixture
async def topgg() -> AsyncIterator[TopGGSeen]:
    """A top.gg that answers everything."""
    async with TopGGSeen() as topgg:
        yield topgg


def told(error: BaseException) -> str:
    """All that somebody would see of an error, but for the lines of code."""
    lines: list[str] = []
    for one in traceback.TracebackException.from_exception(error).format(chain=True):
        lines += [line for line in one.splitlines() if not line.startswith("    ")]
    return "\n".join(lines)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the library has warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("rx_toppy")
    ]


async def until(true: Callable[[], bool]) -> None:
    """Waits until something is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


# --- what it is given ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (f"redis://:{SECRET}@localhost", "text"),
        (6379, "int"),
        (True, "bool"),
        ({"url": "redis://localhost"}, "dict"),
        (object(), "object"),
        (f"redis://:{SECRET}@localhost".encode(), "bytes"),
        (RedisCoordinator, "type"),
    ],
    ids=lambda value: value if isinstance(value, str) and SECRET not in value else "given",
)
async def test_what_is_no_cluster(make_client: MakeClient, given: Any, name: str) -> None:
    """It is a TypeError that says what `cluster` takes, and what it got."""
    with pytest.raises(TypeError) as caught:
        make_client(cluster=given)
    assert str(caught.value) == f"cluster takes a rx_toppy.cluster.RedisCoordinator, not {name}"


@pytest.mark.parametrize("url", [6379, None, True, b"redis://hunter2@host", Path("/run/redis")])
def test_what_is_no_text_is_no_url(url: Any) -> None:
    """It is a TypeError that says what it takes, and of which kind it got something."""
    with pytest.raises(TypeError) as caught:
        RedisCoordinator(url)
    assert "RedisCoordinator takes a URL, as in redis://localhost:6379" in str(caught.value)
    assert str(caught.value).endswith(f"not {type(url).__name__}")
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "localhost",
        "localhost:6379",
        "redis",
        "redis:",
        "redis://",
        "redis://:hunter2@",
        "http://:hunter2@localhost:6379",
        "redis+ssl://:hunter2@localhost",
        "redis://:hunter2@localhost:0",
        "redis://:hunter2@localhost:65536",
        "redis://:hunter2@localhost:-1",
        "redis://:hunter2@localhost:port",
        "redis://:hunter2@[::1",
        "redis://:hunter2/2@localhost:6379",
        "unix://",
        "redis://:hunter2@localhost?db=first",
        "redis://:hunter2@localhost?nonsense=1",
        "redis://:hunter2@localhost/first",
        "redis://me:12/hunter2@localhost:6379",
    ],
)
def test_what_is_no_url_of_a_redis(url: str) -> None:
    """It is a ValueError at once, with examples in it, that does not show what was given."""
    with pytest.raises(
        ValueError, match="RedisCoordinator takes a URL of a Redis, as redis:"
    ) as caught:
        RedisCoordinator(url)
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://:hunter2@localhost:6380/1", "redis://localhost:6380/1"),
        ("rediss://me:hunter2@redis.example/0?client_name=me", "rediss://redis.example/0"),
        ("redis://localhost:6379?password=hunter2&username=me", "redis://localhost:6379"),
        ("unix://me:hunter2@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://:hunter2@[::1]:6379/0", "redis://[::1]:6379/0"),
    ],
)
async def test_no_repr_shows_a_password(make_client: MakeClient, url: str, shown: str) -> None:
    """That of the cluster shows where it is; those of a client in it show nothing of it either."""
    cluster = RedisCoordinator(url)
    client = make_client(cluster=cluster)
    for shows in (repr(cluster), repr(client), repr(client.cluster), client._repr_html_()):
        assert SECRET not in shows
    assert repr(cluster) == f"<RedisCoordinator at {shown}>"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (2.9, ValueError),
        (timedelta(milliseconds=300), ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("300", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
    ids=repr,
)
def test_what_drop_after_takes(given: Any, kind: type[Exception]) -> None:
    """What is no time, or less than living processes need, is an error that names the argument."""
    with pytest.raises(kind, match="drop_after takes "):
        RedisCoordinator("redis://localhost", drop_after=given)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "options",
    [
        "protocol=2",
        "protocol=3",
        "client_name=me&max_connections=9",
        "socket_timeout=5&retry_on_timeout=yes",
        "decode_responses=true",
    ],
)
async def test_options_in_a_url(make_client: MakeClient, redis_url: str, options: str) -> None:
    """What redis takes there does no harm."""
    client = make_client(cluster=RedisCoordinator(f"{redis_url}?{options}"), max_wait=1.0)
    await client.fetch_bot(1)
    assert (await client.cluster.total()).server_count == 1234
    assert not client.cluster.is_offline


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("drop_after", [10 / 3, 60.00055, 1e12], ids=repr)
async def test_any_time_will_do_for_drop_after(
    make_client: MakeClient, redis_url: str, drop_after: float
) -> None:
    """It may be a fraction of milliseconds, and more than Redis can keep."""
    client = make_client(cluster=RedisCoordinator(redis_url, drop_after=drop_after))
    await client.fetch_bot(1)
    assert not client.cluster.is_offline


# --- what is not installed -----------------------------------------------------------------------


def test_without_the_package_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an ImportError that says what to install, and does not show the URL."""
    for name in ("redis", "redis.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=r"needs the package redis: install rx_toppy\[redis\]"
    ) as e:
        RedisCoordinator(f"redis://:{SECRET}@localhost")
    assert "RedisCoordinator" in str(e.value)
    assert SECRET not in told(e.value)


WITHOUT = """
import asyncio, sys
from rx_toppy import *
from rx_toppy import StandaloneBot, TopGG

async def main():
    async with TopGG(StandaloneBot(1, server_count=1), token="t", autopost=False) as client:
        assert client.cluster is None

asyncio.run(main())
print([name for name in sys.modules if name.split(".")[0] == "redis" or "cluster" in name])
"""


def test_nothing_of_it_is_loaded_without_a_cluster() -> None:
    """A program that has no cluster loads neither `redis` nor `rx_toppy.cluster`."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# --- a Redis that can't be used ------------------------------------------------------------------


@asynccontextmanager
async def not_a_redis() -> AsyncIterator[int]:
    """The port of a server that speaks HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


async def goes_on_alone(
    make_client: MakeClient, topgg: TopGGSeen, caplog: pytest.LogCaptureFixture, url: str
) -> str:
    """A client whose Redis can't be used keeps to a share; the one warning of it."""
    client = make_client(
        cluster=RedisCoordinator(url),
        rate_limits=[RateLimit(*limit) for limit in LIMITS],
        max_wait=PATIENCE,
    )
    async with asyncio.timeout(PATIENCE):
        bots = await asyncio.gather(*(client.fetch_bot(id) for id in (1, 2)))
    assert [bot.id for bot in bots] == [1, 2]
    assert topgg.overfull([(1, 0.3, "/bots")]) == []  # a tenth: nobody knows how many there are
    assert (client.cluster.process_count, client.cluster.is_offline) == (0, True)
    for call in (client.post_stats(), client.cluster.total()):
        with pytest.raises(ToppyError, match="while Redis is away") as caught:
            await call
        assert SECRET not in told(caught.value)
    await client.close()
    (warning,) = warnings(caplog)
    assert warning.startswith("Redis is away (")
    assert warning.endswith("goes on with its share of the rate limits, one of 10")
    return warning


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("login", [f":{SECRET}@", ""])
async def test_a_wrong_password(
    make_client: MakeClient,
    topgg: TopGGSeen,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    login: str,
) -> None:
    """The log says that Redis wants another one, and does not show it; calls go on."""
    async with RedisServer(tmp_path / "redis", password="another") as server:
        url = f"redis://{login}{HOST}:{server.port}/0"
        warning = await goes_on_alone(make_client, topgg, caplog, url)
    assert "password" in warning.lower() or "auth" in warning.lower()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", ["nobody", "no Redis", "no TLS", "no such database"])
async def test_a_redis_that_is_none(
    make_client: MakeClient,
    topgg: TopGGSeen,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    """Where there is none, or another kind of server, calls go on after the silence."""
    async with not_a_redis() as port:
        with claimed_port() as free:
            url = {
                "nobody": f"redis://:{SECRET}@{HOST}:{free}",
                "no Redis": f"redis://:{SECRET}@{HOST}:{port}",
                "no TLS": f"rediss://{HOST}:{redis_server.port}",
                "no such database": f"redis://{HOST}:{redis_server.port}/99",
            }[what]
            await goes_on_alone(make_client, topgg, caplog, url)


REFUSALS = {
    "NOPERM": ("ACL SETUSER default -evalsha -eval -set", "ACL SETUSER default +@all"),
    "READONLY": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "OOM": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
}


@pytest.mark.usefixtures("soon_alone")
@pytest.mark.parametrize("why", REFUSALS)
async def test_a_redis_that_refuses(
    make_client: MakeClient,
    topgg: TopGGSeen,
    own_redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    why: str,
) -> None:
    """Calls go on with a share, and after that together again; nothing of redis is raised."""
    caplog.set_level(logging.INFO, "rx_toppy")
    refuse, permit = REFUSALS[why]
    client = make_client(
        cluster=RedisCoordinator(own_redis.url),
        rate_limits=[RateLimit(*limit) for limit in LIMITS],
        autopost=True,
        interval=0.2,
    )
    await client.fetch_bot(1)
    await until(lambda: bool(topgg.posts()))
    assert await own_redis.ask(*refuse.split()) == "+OK"
    for id in range(2, 6):
        await client.fetch_bot(id)
    await until(lambda: client.cluster.is_offline)
    await asyncio.gather(*(client.fetch_bot(id) for id in range(6, 12)))
    with pytest.raises(ToppyError, match="while Redis is away"):
        await client.post_stats()
    with pytest.raises(ToppyError, match="while Redis is away"):
        await client.cluster.total()

    assert await own_redis.ask(*permit.split()) == "+OK"
    await until(lambda: not client.cluster.is_offline)
    posts = len(topgg.posts())
    await client.fetch_bot(12)
    await until(lambda: len(topgg.posts()) > posts)
    assert topgg.overfull(LIMITS) == []
    assert [text[:13] for text in warnings(caplog)] == ["Redis is away", "Redis is back"]


@pytest.mark.usefixtures("quick")
async def test_a_redis_that_has_forgotten_the_scripts(
    make_client: MakeClient,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are sent again, and nobody hears of it."""
    client = make_client(cluster=RedisCoordinator(redis_server.url))
    await client.fetch_bot(1)
    assert await redis_server.ask("SCRIPT", "FLUSH") == "+OK"
    await client.fetch_bot(2)
    assert (await client.cluster.total()).server_count == 1234
    assert warnings(caplog) == []


@pytest.mark.usefixtures("quick")
async def test_connections_that_are_cut(
    make_client: MakeClient, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """New ones are made, and nobody hears of it."""
    client = make_client(cluster=RedisCoordinator(redis_server.url))
    await client.fetch_bot(1)
    for id in range(2, 6):
        async with Redis.from_url(redis_server.url) as redis:
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
        await client.fetch_bot(id)
    assert not client.cluster.is_offline
    assert warnings(caplog) == []


@pytest.mark.usefixtures("quick")
async def test_a_client_closes_while_redis_stands_still(
    make_client: MakeClient,
    own_redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not wait for it for ever, and raises nothing."""
    monkeypatch.setattr(link, "ANSWER", 0.6)
    client = make_client(cluster=RedisCoordinator(own_redis.url), autopost=True, interval=0.2)
    await client.fetch_bot(1)
    await until(lambda: client.cluster.is_leader)
    own_redis.pause()
    async with asyncio.timeout(PATIENCE):
        await client.close()
    assert warnings(caplog) == []
