"""A redis-server for the tests that need no more of it than that it is there and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import require

from .server import PROGRAM, RedisServer


@pytest.fixture(autouse=True, scope="session")
def redis_is_installed() -> None:
    """Skip all that is here where there is no Redis."""
    require(PROGRAM, "redis-server")


@pytest.fixture(scope="session")
def one_redis(
    redis_is_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """One server for all tests, that is started by the first."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.end()


@pytest.fixture
async def redis_server(one_redis: RedisServer) -> RedisServer:
    """A server that is running and empty. Who kills or freezes one makes one: `own_redis`."""
    await one_redis.start()
    await one_redis.ask("FLUSHALL")
    await one_redis.ask("SCRIPT", "FLUSH")
    return one_redis


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Where the empty server is."""
    return redis_server.url


@pytest.fixture
async def own_redis(redis_is_installed: None, tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server of this test's own, with its files in `tmp_path / "redis"`."""
    async with RedisServer(tmp_path / "redis") as server:
        yield server
