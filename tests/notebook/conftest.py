"""A page: what a notebook's outputs would show, without a notebook."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Page:
    """The outputs of one cell, each under its display id, with all the frames that it has shown."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        shell.display_pub = CapturingDisplayPublisher(shell=shell, parent=shell)

    @property
    def frames(self) -> list[dict[str, Any]]:
        """What was shown, frame by frame. All of it is one output."""
        published = self.shell.display_pub.outputs
        assert len({one["transient"]["display_id"] for one in published}) <= 1
        assert [one["update"] for one in published] == [False] + [True] * (len(published) - 1)
        return [one["data"] for one in published]

    @property
    def texts(self) -> list[str]:
        """The frames as plain text."""
        return [frame["text/plain"] for frame in self.frames]

    @property
    def html(self) -> str:
        """The last frame as HTML."""
        return str(self.frames[-1]["text/html"])


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A shell of IPython's that keeps what is displayed."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    yield Page(shell)
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()
