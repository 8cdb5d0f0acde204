"""The redis-server of the tests: what it keeps, and what it does when it is frozen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .server import RedisServer


@pytest.mark.parametrize("kill", [False, True])
async def test_a_restart_keeps_what_was_answered_for(own_redis: RedisServer, kill: bool) -> None:
    """A value is there again after a restart, on the same port, and gone after an empty one."""
    port = own_redis.port
    assert await own_redis.ask("SET", "some", "value") == "+OK"
    await own_redis.restart(kill=kill)
    assert own_redis.port == port
    assert await own_redis.ask("STRLEN", "some") == ":5"
    await own_redis.restart(kill=kill, empty=True)
    assert await own_redis.ask("STRLEN", "some") == ":0"


async def test_a_frozen_server_answers_later(own_redis: RedisServer) -> None:
    """It takes connections while it stands still, and answers when it goes on."""
    own_redis.pause()
    asking = asyncio.create_task(own_redis.ask("PING"))
    done, _ = await asyncio.wait([asking], timeout=0.2)
    assert not done
    own_redis.resume()
    assert await asking == "+PONG"


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    """With a password, the URL has it, and who gives none is refused."""
    async with RedisServer(tmp_path, password="pass-word") as server:
        assert await server.ask("PING") == "+PONG"
        assert server.url == f"redis://:pass-word@127.0.0.1:{server.port}/0"
        server._password = None
        assert (await server.ask("PING")).startswith("-NOAUTH")
    assert not server.is_running


@pytest.mark.parametrize("time", ["first", "second"])
async def test_the_shared_server_is_empty(redis_server: RedisServer, time: str) -> None:
    """Whatever tests before have left is gone."""
    assert await redis_server.ask("DBSIZE") == ":0"
    await redis_server.ask("SET", "left", "over")
