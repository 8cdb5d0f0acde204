"""Virtual time: pauses and timeouts take none here, and come in order on any machine."""

import asyncio
from collections.abc import Callable

import pytest

from tests.virtual import VirtualLoop

# An inbox works in a thread of its own, which time would not wait for.
WITH_INBOXES = {"test_safety.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests here, and their fixtures, on loops whose clock jumps."""
    if item.path.name in WITH_INBOXES:
        return {"real": asyncio.SelectorEventLoop}
    return {"virtual": VirtualLoop}
