"""Virtual time: pauses and timeouts take none here, and come in order on any machine."""

import asyncio
from collections.abc import Callable

from tests.virtual import VirtualLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests here, and their fixtures, on loops whose clock jumps."""
    return {"virtual": VirtualLoop}
