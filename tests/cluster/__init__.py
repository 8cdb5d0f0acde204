"""Many processes with one token, on a Redis that is a real one, and that fails as real ones do."""

import os

import pytest

LONG = pytest.mark.skipif(
    not os.environ.get("RX_TOPPY_CLUSTER"), reason="takes long: RX_TOPPY_CLUSTER=1 runs it"
)
