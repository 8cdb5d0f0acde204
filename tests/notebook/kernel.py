"""A real kernel, and what a notebook makes of its messages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 30.0


class Kernel:
    """Runs cells, and keeps what they show: a text for each display id, as a notebook does."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client
        self.outputs: dict[str, dict[str, Any]] = {}
        self.frames: dict[str, list[str]] = {}
        self.cells: dict[str, list[str]] = {}
        self.streams: list[str] = []
        self._replies: dict[str, str] = {}

    def send(self, code: str, cell: str = "") -> str:
        """Begins to run a cell."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        metadata = {"cellId": cell} if cell else {}
        message = self._client.session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def wait(self, cell: str) -> str:
        """Waits until a cell has run: "ok", or the name of its error."""
        self.until(lambda: cell in self._replies)
        return self._replies[cell]

    def run(self, code: str, cell: str = "") -> str:
        """Runs a cell, and gives what it prints."""
        before = len(self.streams)
        status = self.wait(self.send(code, cell))
        assert status == "ok", (status, self.streams)
        return "".join(self.streams[before:]).strip()

    def interrupt(self) -> None:
        """As the button for it does."""
        self.manager.interrupt_kernel()

    def click(self, model: str) -> None:
        """Presses a button."""
        content = {"comm_id": model, "data": {"method": "custom", "content": {"event": "click"}}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", content))

    def until(self, is_so: Any) -> None:
        """Takes messages until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, (self.frames, self.streams)
            try:
                self._take(self._client.get_iopub_msg(timeout=0.1))
            except Empty:
                continue

    def _take(self, message: Any) -> None:
        content, parent = message["content"], message["parent_header"].get("msg_id", "")
        match message["msg_type"]:
            case "display_data" | "update_display_data" | "execute_result" as kind:
                name = content.get("transient", {}).get("display_id", parent)
                self.outputs[name] = content["data"]
                self.frames.setdefault(name, []).append(content["data"].get("text/plain", ""))
                if kind != "update_display_data":
                    self.cells.setdefault(parent, []).append(name)
            case "stream":
                self.streams.append(content["text"])
            case "error":
                self._replies[parent] = content["ename"]
            case "status" if content["execution_state"] == "idle":
                self._replies.setdefault(parent, "ok")


@contextmanager
def running_kernel() -> Iterator[Kernel]:
    """A kernel of its own process."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
