"""What the library logs, as lines on standard error like all that a command says."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .parsing import cleaned

__all__ = ["remarks"]

LIBRARY = logging.getLogger("rx_toppy")


class _Remarks(logging.Handler):
    def __init__(self, prog: str) -> None:
        super().__init__(logging.WARNING)
        self._prog = prog

    def emit(self, record: logging.LogRecord) -> None:
        # A 429 is the error that the command ends with: said here as well, it would be told twice.
        if not str(record.msg).startswith("top.gg says too many requests"):
            sys.stderr.write(cleaned(f"{self._prog}: {record.getMessage()}\n"))


@contextmanager
def remarks(prog: str) -> Iterator[None]:
    """Within this, warnings of the library are plain lines, without the token."""
    handler = _Remarks(prog)
    LIBRARY.addHandler(handler)
    try:
        yield
    finally:
        LIBRARY.removeHandler(handler)
