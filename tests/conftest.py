"""What most tests need: a stand-in for top.gg, and clients of it that are closed at the end."""

import os
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import settings

from rx_toppy import StandaloneBot, TopGG
from tests.standin import StandIn

OWN_ID = 264811613708746752
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LW9mLWx1Y2E.Zx9-_q3Kd0v"

MakeClient = Callable[..., TopGG]

settings.register_profile("rx_toppy", deadline=None)
settings.load_profile("rx_toppy")

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slow`."""
    parser.addoption(
        "--slow", action="store_true", help="run only the tests that take long by nature"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the slow tests or the others, and refuse ids that differ from run to run."""
    for item in items:
        if ADDRESS.search(item.nodeid):
            raise pytest.UsageError(f"the id must be the same in each run: {item.nodeid}")
    wanted: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        is_slow = item.get_closest_marker("slow") is not None
        wanted[is_slow == config.getoption("--slow")].append(item)
    config.hook.pytest_deselected(items=wanted[False])
    items[:] = wanted[True]


def require(program: str, package: str) -> None:
    """Skip a test whose program is not installed; in CI, which installs them all, fail it."""
    if shutil.which(program) is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"needs {program}: apt-get install {package}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say why tests were skipped: one line for each reason."""
    skipped = terminalreporter.getreports("skipped")
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} skipped: {reason}")


@pytest.fixture
def bot() -> StandaloneBot:
    """A bot without a Discord connection, on 1234 servers."""
    return StandaloneBot(OWN_ID, server_count=1234)


@pytest.fixture
async def topgg() -> AsyncIterator[StandIn]:
    """A stand-in for top.gg, on the loop of the test."""
    async with StandIn() as standin:
        yield standin


@pytest.fixture
async def make_client(topgg: StandIn, bot: StandaloneBot) -> AsyncIterator[MakeClient]:
    """Make clients of the stand-in that do not autopost unless told to: `make_client(**options)`.

    Another bot can be handed in as the first argument.
    """
    clients: list[TopGG] = []

    def make(host: Any = bot, **options: Any) -> TopGG:
        quiet = {"token": TOKEN, "base_url": topgg.base_url, "autopost": False}
        clients.append(TopGG(host, **(quiet | options)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
