"""Starting, closing and what the sandbox is made with."""

import asyncio
import gc
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest

from rx_toppy.sandbox import Limit, RecordedRequest, Sandbox


async def status_of(sandbox, base_url=None):
    headers = {"Authorization": sandbox.token}
    url = f"{base_url or sandbox.base_url}/weekend"
    async with aiohttp.request("GET", url, headers=headers) as answer:
        return answer.status


def port_of(sandbox):
    return urlsplit(sandbox.base_url).port


async def test_nothing_is_left_after_close():
    """No task, no socket and no warning outlives the sandbox."""
    before = asyncio.all_tasks()
    async with Sandbox(bots=5, votes_per_minute=60_000) as sandbox:
        assert await status_of(sandbox) == 200
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    gc.collect()


async def test_open_connections_do_not_hold_it_up():
    """Close drops the connections that clients keep alive."""
    sandbox = Sandbox(bots=5)
    await sandbox.start()
    async with aiohttp.ClientSession(headers={"Authorization": sandbox.token}) as session:
        async with session.get(f"{sandbox.base_url}/weekend") as answer:
            await answer.read()
        async with asyncio.timeout(30):
            await sandbox.close()


async def test_an_unfinished_request_does_not_hold_it_up(monkeypatch):
    """Close waits only so long for a client that never sends the rest of its request."""
    monkeypatch.setattr("rx_toppy.sandbox.server.SHUTDOWN_SECONDS", 0.01)
    async with Sandbox(bots=5, votes_per_minute=0) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sandbox))
        writer.write(b"POST /api/bots/1/stats HTTP/1.1\r\nHost: me\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        # One more request, answered, and the sandbox has seen the first one, too.
        assert await status_of(sandbox) == 200
    assert await reader.read() == b""
    writer.close()
    assert [request.method for request in sandbox.requests] == ["GET"]


async def test_close_and_start_may_be_repeated():
    """Starting a running sandbox and closing a closed one do nothing."""
    sandbox = Sandbox(bots=5)
    await sandbox.close()
    await asyncio.gather(sandbox.start(), sandbox.start())
    url = sandbox.base_url
    await sandbox.start()
    assert sandbox.base_url == url
    assert await status_of(sandbox) == 200
    await asyncio.gather(sandbox.close(), sandbox.close())
    await sandbox.close()


async def test_it_remembers_when_it_is_started_again():
    """A sandbox that was closed and started again has lost nothing."""
    sandbox = Sandbox(bots=5)
    async with sandbox:
        await status_of(sandbox)
        voter = sandbox.vote()
    async with sandbox:
        headers = {"Authorization": sandbox.token}
        url = f"{sandbox.base_url}/bots/{sandbox.bot_id}/check?userId={voter}"
        async with aiohttp.request("GET", url, headers=headers) as answer:
            assert await answer.json() == {"voted": 1}
    assert [request.status for request in sandbox.requests] == [200, 200]


async def test_it_can_not_be_reached_once_closed():
    """After close nobody answers, and there is no URL."""
    async with Sandbox(bots=5) as sandbox:
        url = sandbox.base_url
    with pytest.raises(aiohttp.ClientConnectionError):
        await status_of(sandbox, url)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url


async def test_a_taken_port_is_an_error():
    """Where somebody else listens, start fails and leaves nothing behind."""
    async with Sandbox(bots=5) as first:
        second = Sandbox(bots=5, port=port_of(first))
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.close()
        assert await status_of(first) == 200


async def test_the_port_can_be_chosen():
    """The sandbox listens where it was told to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with Sandbox(bots=5, port=port) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{port}/api"
        assert await status_of(sandbox) == 200


async def test_sandboxes_do_not_share_anything():
    """What happens to one is not seen by another, even of the same seed."""
    async with Sandbox(bots=5) as first, Sandbox(bots=5) as second:
        first.vote(5)
        await status_of(first)
        assert len(first.requests) == 1
        assert second.requests == []
        second.vote(5)


async def test_the_records_are_frozen():
    """Limits and seen requests can't be changed."""
    async with Sandbox(bots=5) as sandbox:
        await status_of(sandbox)
        [seen] = sandbox.requests
    assert isinstance(seen, RecordedRequest)
    for record, name in ((seen, "status"), (Limit(1, 2.0), "calls")):
        with pytest.raises(AttributeError):
            setattr(record, name, 3)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("seed", "1", TypeError),
        ("seed", None, TypeError),
        ("bots", 0, ValueError),
        ("bots", 1.5, TypeError),
        ("bots", True, TypeError),
        ("bot_id", 0, ValueError),
        ("bot_id", 2**63, ValueError),
        ("bot_id", "5", TypeError),
        ("project", "discord", ValueError),
        ("project", None, ValueError),
        ("votes", -1, ValueError),
        ("votes", 1.5, TypeError),
        ("votes_per_page", 0, ValueError),
        ("votes_per_page", "100", TypeError),
        ("history_lag", -1, ValueError),
        ("history_lag", float("inf"), ValueError),
        ("history_lag", "1", TypeError),
        ("history_lag", (1, 2), TypeError),
        ("token", "", ValueError),
        ("token", "a\nb", ValueError),
        ("token", " a", ValueError),
        ("token", "ü", ValueError),
        ("token", b"a", TypeError),
        ("block", 0, ValueError),
        ("block", -1.0, ValueError),
        ("block", float("nan"), ValueError),
        ("block", "1", TypeError),
        ("votes_per_minute", -1, ValueError),
        ("votes_per_minute", float("inf"), ValueError),
        ("votes_per_minute", None, TypeError),
        ("weekend", 1, TypeError),
        ("host", "", ValueError),
        ("host", None, TypeError),
        ("port", -1, ValueError),
        ("port", 65536, ValueError),
        ("port", "80", TypeError),
        ("clock", 5, TypeError),
        ("rate_limits", 60, TypeError),
        ("rate_limits", [60], TypeError),
        ("rate_limits", [Limit(0, 1)], ValueError),
        ("rate_limits", [Limit(1.5, 1)], TypeError),
        ("rate_limits", [Limit(1, 0)], ValueError),
        ("rate_limits", [Limit(1, "1")], TypeError),
        ("rate_limits", [Limit(1, 1, None)], TypeError),
        ("rate_limits", [Limit(1, 1, "bots")], ValueError),
    ],
)
def test_bad_arguments_are_refused_at_once(name, value, error):
    """An argument that makes no sense is an error that names it, before anything runs."""
    with pytest.raises(error, match=name.replace("rate_limits", "rate.limit")):
        Sandbox(**({"bots": 5} | {name: value}))


def test_a_bad_token_is_not_repeated():
    """The error about a token does not say the token."""
    with pytest.raises(ValueError, match="token") as caught:
        Sandbox(token="secret\n")
    assert "secret" not in str(caught.value)


def test_arguments_are_named():
    """All arguments are keywords."""
    with pytest.raises(TypeError):
        Sandbox(1)
