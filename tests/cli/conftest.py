"""A terminal for commands of this process, and none but that."""

import os
import re
import sys
from collections.abc import Callable

import pytest

from rx_toppy.cli import main
from tests.cli import Terminal


@pytest.fixture(autouse=True)
def no_width(monkeypatch) -> None:
    """No width of somebody's terminal, which readline hands down to the processes of the tests."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal(monkeypatch) -> Callable[..., str]:
    """Runs a command of this process in a terminal: `terminal(width, *arguments, rich=True)`.

    It gives what the terminal showed, without colours. Without rich is as if
    it were not installed.
    """

    def run(width: int, *arguments: str, rich: bool = True) -> str:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width))
        if not rich:
            monkeypatch.setitem(sys.modules, "rich.console", None)
        with Terminal(width) as terminal, os.fdopen(os.dup(terminal.end), "w") as out:
            monkeypatch.setattr(sys, "stdout", out)
            assert main(arguments) == 0
        assert ("\x1b[" in terminal.shown) == rich
        return re.sub(r"\x1b\[[\d;]*m", "", terminal.shown)

    return run
