"""What most tests need: a stand-in for top.gg, and clients of it that are closed at the end."""

import gc
import itertools
import os
import re
import shutil
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from rx_toppy import StandaloneBot, TopGG
from tests.standin import StandIn

OWN_ID = 264811613708746752
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LW9mLWx1Y2E.Zx9-_q3Kd0v"

MakeClient = Callable[..., TopGG]

# The same examples in each run: chance is for `python -m tests.faults`, which says its seed.
settings.register_profile("rx_toppy", deadline=None, derandomize=True)
settings.load_profile("rx_toppy")

ADDRESS = re.compile(r" at 0x[0-9a-f]+")

# What their tests share takes long to make.
ON_ONE_WORKER = {
    "tests/cli/test_demo.py",
    "tests/bot/test_forks.py",
    "tests/notebook/test_kernel.py",
    "tests/test_notebooks.py",
}
FRAMES = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slow`."""
    parser.addoption(
        "--slow", action="store_true", help="run only the tests that take long by nature"
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one test more at a time than there are cores, as many wait for processes and for Redis.

    A test that is named runs in this process.
    """
    if any("::" in argument for argument in config.args):
        return 0
    return 1 + (os.cpu_count() or 1)


class Scheduler(LoadScopeScheduling):
    """Gives tests to the workers one by one, but those that share something to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in ON_ONE_WORKER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Begin with what takes longest."""
    return Scheduler(config, log)


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


@pytest.fixture(autouse=True, scope="session")
def short_stacks() -> Iterator[None]:
    """Let asyncio's debug mode note a few frames of where a thing was made, and not all.

    It does so for each future, task and handle, and below a test there are some fifty of pytest's:
    that is more work than all that is tested. Tracebacks of exceptions stay as they are.
    """
    walk = traceback.walk_stack

    def walk_less(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        return itertools.islice(walk(frame), FRAMES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traceback, "walk_stack", walk_less)
        yield


@pytest.fixture(autouse=True)
def only_new_garbage() -> Iterator[None]:
    """Let `gc.collect()` in a test look at what came with the test.

    What was there before, modules and thousands of collected tests, is by far the most of it.
    """
    gc.freeze()
    yield
    gc.unfreeze()


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
