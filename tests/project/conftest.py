"""Debug mode at a lower price."""

from collections.abc import Iterator

import pytest

from tests.thrift import short_stacks


@pytest.fixture(autouse=True)
def thrift() -> Iterator[None]:
    """All tests here run in debug mode, thousands of requests in all."""
    with short_stacks():
        yield
