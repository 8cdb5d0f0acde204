"""What there is without IPython, without matplotlib, and without a notebook; and `show`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import reactivex as rx
from reactivex.scheduler import VirtualTimeScheduler

from rx_toppy import Bot
from rx_toppy.notebook import live, marbles, rate, show, table
from tests.notebook.conftest import Page

EXTRA = r"pip install 'rx_toppy\[notebooks\]'"
SCRIPT = """
import asyncio, reactivex as rx
from rx_toppy.notebook import live

async def main():
    print("last:", await live(rx.of(1, 2, 3)))

asyncio.run(main())
"""


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """As if a library was not installed."""
    names = [name for name in sys.modules if name.split(".")[0] == request.param]
    for name in {*names, request.param}:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("without", ["IPython"], indirect=True)
async def test_without_ipython(without: None) -> None:
    """An error that names the extra, where something is to be shown."""
    for call in (live, table, rate):
        with pytest.raises(ImportError, match=EXTRA):
            call(rx.of(1))
    with pytest.raises(ImportError, match=EXTRA):
        show(Bot(id=1))


@pytest.mark.parametrize("without", ["matplotlib"], indirect=True)
async def test_without_matplotlib(without: None) -> None:
    """Diagrams are text; the figure is an error that names the extra, and so is a plot."""
    diagram = await marbles({"a": rx.of("x")}, scheduler=VirtualTimeScheduler())
    assert diagram._repr_mimebundle_() == {"text/plain": str(diagram)}
    assert str(diagram).startswith("a: (x|)")
    with pytest.raises(ImportError, match=EXTRA):
        _ = diagram.figure
    with pytest.raises(ImportError, match=EXTRA):
        rate(rx.of(1))


def test_in_a_script_frames_are_printed() -> None:
    """There is no output to update; what is awaited is the same."""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert run.stdout.splitlines() == ["nothing has come yet", "3", "last: 3"]
    assert run.stderr == ""


def test_show_displays_a_model(page: Page) -> None:
    """As HTML and as text; pictures of the network only when asked for."""
    bot = Bot(id=5, username="<b>Luca</b>", user_avatar="a" * 32)
    show(bot)
    show(bot, images=True)
    plain, with_images = (one["data"] for one in page.shell.display_pub.outputs)
    assert plain["text/plain"] == repr(bot)
    assert "<b>" not in plain["text/html"]
    assert "<img" not in plain["text/html"]
    assert "<img" in with_images["text/html"]


def test_show_says_what_has_no_display(page: Page) -> None:
    """A TypeError."""
    with pytest.raises(TypeError, match="no display for int"):
        show(5)
