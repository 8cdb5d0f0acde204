"""In a real kernel: what happens to outputs, cells, interrupts and buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebook.kernel import Kernel, running_kernel

ROOT = Path(__file__).parents[2]
SETUP = """
import asyncio
import reactivex as rx
from reactivex import Subject, operators as ops
from rx_toppy.notebook import live, marbles, rate, table
subject = Subject()

async def feed(*items):
    # Some time is between the items, however busy the machine is.
    feeding = subject
    for item in items:
        await asyncio.sleep(0.1)
        feeding.on_next(item)
    await asyncio.sleep(0.1)
    feeding.on_completed()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYTHONWARNINGS", "default")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.delenv("MPLBACKEND", raising=False)
        with running_kernel() as kernel:
            kernel.run(SETUP)
            yield kernel


@pytest.fixture
def kernel(shared: Kernel) -> Kernel:
    """The kernel with a new subject, and nothing shown yet."""
    shared.run("subject.on_completed(); subject = Subject(); await asyncio.sleep(0.3)")
    shared.outputs.clear()
    shared.frames.clear()
    shared.streams.clear()
    return shared


def listeners(kernel: Kernel) -> str:
    """How many listen to the subject."""
    return kernel.run("print(len(subject.observers))")


def test_it_updates_one_output_while_the_cell_runs(kernel: Kernel) -> None:
    """And the value of the await is the last item."""
    cell = kernel.send(
        "task = asyncio.create_task(feed(*range(10)));"
        "last = await live(subject, every=0.2); print(last)"
    )
    assert kernel.wait(cell) == "ok"
    assert kernel.streams == ["9\n"]
    (frames,) = kernel.frames.values()
    assert frames[0] == "nothing has come yet"
    assert frames[-1] == "9"
    assert 4 <= len(frames) <= 11  # one for each item, where the machine was busy


def test_interrupting_the_cell_stops_it(kernel: Kernel) -> None:
    """No subscription is left."""
    cell = kernel.send("await live(subject)")
    kernel.until(lambda: kernel.frames)
    kernel.interrupt()
    assert kernel.wait(cell) in ("CancelledError", "KeyboardInterrupt")
    assert listeners(kernel) == "0"


def test_interrupting_a_recording_stops_it(kernel: Kernel) -> None:
    """Likewise."""
    cell = kernel.send("print('on'); await marbles({'a': subject})")
    kernel.until(lambda: kernel.streams)
    kernel.interrupt()
    assert kernel.wait(cell) in ("CancelledError", "KeyboardInterrupt")
    assert listeners(kernel) == "0"


def is_button(data: dict[str, Any]) -> bool:
    """Whether an output is a widget."""
    return any("widget" in kind for kind in data)


def views(kernel: Kernel, cell: str) -> list[str]:
    """A cell's outputs, but the button below them, which may come once the cell is over."""
    return [name for name in kernel.cells[cell] if not is_button(kernel.outputs[name])]


def test_it_goes_on_in_its_own_output_after_its_cell(kernel: Kernel) -> None:
    """A cell without an await is done at once; later ones feed the same output."""
    first = kernel.send("view = live(subject, every=0.01)")
    kernel.wait(first)
    (output,) = views(kernel, first)
    for item in range(3):
        kernel.run(f"subject.on_next({item})")
        kernel.until(lambda item=item: kernel.outputs[output]["text/plain"] == str(item))
    kernel.run("view.stop()")
    assert kernel.frames[output] == ["nothing has come yet", "0", "1", "2"]


def test_the_stop_button_stops_it(kernel: Kernel) -> None:
    """It stands below what nobody awaits, and goes away with it."""
    kernel.run("live(subject, every=0.01)")
    view = "application/vnd.jupyter.widget-view+json"
    buttons: list[tuple[str, str]] = []

    def is_there() -> bool:
        buttons[:] = [
            (n, data[view]["model_id"]) for n, data in kernel.outputs.items() if view in data
        ]
        return bool(buttons)

    kernel.until(is_there)
    assert listeners(kernel) == "1"
    ((output, model),) = buttons
    kernel.click(model)
    kernel.until(lambda: view not in kernel.outputs[output])
    assert listeners(kernel) == "0"


def test_there_is_no_button_where_the_cell_awaits(kernel: Kernel) -> None:
    """The cell's own Stop is that; also where it awaits several at a time."""
    kernel.run("await asyncio.gather(live(subject, seconds=0.4), live(subject, seconds=0.4))")
    kernel.run("await asyncio.sleep(0.3)")
    assert not any(map(is_button, kernel.outputs.values()))


def test_the_last_expression_of_its_cell_shows_it_once(kernel: Kernel) -> None:
    """No `<Live ...>` below it; another cell shows it again, and both are updated."""
    first = kernel.send("view = live(subject, every=0.01); view")
    kernel.wait(first)
    second = kernel.send("view")
    kernel.wait(second)
    (view,) = views(kernel, first)
    assert kernel.cells[second] == [view]
    kernel.run("view.stop()")


def test_running_its_cell_again_stops_it(kernel: Kernel) -> None:
    """Where the notebook says which cell runs; other cells do not touch it."""
    for _ in range(3):
        kernel.run("live(subject)", cell="a")
        assert listeners(kernel) == "1"
    kernel.run("live(subject)", cell="b")
    assert listeners(kernel) == "2"


def test_an_error_of_the_stream_is_shown_and_raised(kernel: Kernel) -> None:
    """The traceback is the cell's; the line is the output's, and stays."""
    cell = kernel.send("await live(rx.throw(ValueError('<b>bad')))")
    assert kernel.wait(cell) == "ValueError"
    (shown,) = kernel.outputs.values()
    assert shown["text/plain"].endswith("ValueError: <b>bad")
    assert "<b>bad" not in shown["text/html"]


def test_a_marble_diagram_is_a_picture_and_a_text(kernel: Kernel) -> None:
    """Without a word on stderr."""
    kernel.run("streams = {'ab': subject, 'bad': rx.throw(KeyError('x'))}")
    kernel.wait(kernel.send("task = asyncio.create_task(feed(*'ab')); await marbles(streams, 30)"))
    (shown,) = kernel.outputs.values()
    assert {"image/png", "text/plain"} <= set(shown)
    assert re.match("ab: +-*a-+b-+\\|\nbad: -*X\n", shown["text/plain"])
    assert kernel.streams == []


def test_nothing_is_loaded_before_it_is_needed() -> None:
    """Neither with the library, nor with the functions."""
    with running_kernel() as kernel:
        found = kernel.run(
            "import sys, rx_toppy; print('rx_toppy.notebook' in sys.modules);"
            "import rx_toppy.notebook;"
            "print([name for name in ('matplotlib', 'pandas', 'polars', 'ipywidgets')"
            " if name in sys.modules])"
        )
    assert found.split("\n") == ["False", "[]"]


def test_what_is_saved_is_the_last_frame(kernel: Kernel) -> None:
    """A notebook that was run from top to bottom, as such programs store it."""
    cells = [
        SETUP,
        "await live(rx.interval(0.05).pipe(ops.take(5)));",
        "view = table(subject, every=0.01)",
        "subject.on_next('x'); await asyncio.sleep(0.2)",
        "subject.on_next('y'); view.stop()",
        "await rate(rx.interval(0.1), 1, seconds=1);",
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    client = NotebookClient(notebook, timeout=60, km=kernel.manager)
    client.execute()
    client.kc.stop_channels()
    shown = [[out["data"] for out in cell.outputs] for cell in notebook.cells]
    assert [len(outputs) for outputs in shown] == [0, 1, 1, 0, 0, 1]
    assert shown[1][0]["text/plain"] == "4"
    assert shown[2][0]["text/plain"] == "value\ny\nx"
    assert shown[5][0]["text/plain"].endswith(" a second")
    assert "image/png" in shown[5][0]
