"""What Python, asyncio and the library complain of beside what they raise."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rx_toppy import ToppyError

__all__ = ["Complaints", "Mischief", "listening_to"]


class Mischief(Exception):
    """What a scenario's own callbacks raise on purpose."""


class Complaints(logging.Handler):
    """All that must not be said. It keeps text only: an error would keep alive what it knows."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Something was logged as an error: fine where our own mischief was its reason."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name.startswith("rx_toppy") and isinstance(error, (Mischief, ToppyError)):
            return
        self.say(f"{record.name} logged: {record.getMessage()}", error)

    def say(self, what: str, error: BaseException | None = None) -> None:
        """Keeps a complaint."""
        told = "".join(traceback.format_exception(error)) if error is not None else ""
        self.said.append(f"{what}\n{told}".strip())

    def of_warning(self, message: Warning | str, kind: type[Warning], *where: Any) -> None:
        """What `warnings` shows."""
        self.say(f"a warning at {where[0]}:{where[1]}: {kind.__name__}: {message}")


@contextmanager
def listening_to(complaints: Complaints) -> Iterator[None]:
    """All complaints of this process go there."""
    root = logging.getLogger()
    hooks = sys.unraisablehook, threading.excepthook
    # The only one: others may keep what they are told, and with it all that an error knows.
    handlers, root.handlers = root.handlers, [complaints]
    sys.unraisablehook = lambda hurt: complaints.say(
        f"{hurt.err_msg or 'an exception was ignored in'} {hurt.object!r}", hurt.exc_value
    )
    threading.excepthook = lambda hurt: complaints.say(
        f"the thread {hurt.thread.name if hurt.thread else '?'} died", hurt.exc_value
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = complaints.of_warning
            yield
            gc.collect()
    finally:
        sys.unraisablehook, threading.excepthook = hooks
        root.handlers = handlers
