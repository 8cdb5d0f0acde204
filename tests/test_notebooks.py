"""The notebooks: they run from top to bottom, say nothing on stderr, and show what they showed."""

import asyncio
import io
import os
import re
from base64 import b64decode
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.font_manager  # makes its cache of fonts here, and not in the kernel
import matplotlib.image
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PATIENCE = 150  # seconds for one cell

SLOW = {"dashboard"}  # half a minute of a bot's life, drawn several times a second
COURSE = ["first_steps", "events_and_operators", "votes", "inbox", "dashboard"]
FEWEST_PICTURES = 2
LARGEST = 1_000_000  # bytes of a file, which code hosts show without delay

# What outputs are made of that are not the same in the next run.
NUMBER = re.compile(r"\d[\d,.:]*")
THREAD = re.compile(r"\bThread-\d+")
FOLLOWS_A_STREAM = re.compile(r"\b(?:live|table|rate)\(")
IN_REAL_TIME = re.compile(r"- is [\d.e-]+ s\)$")  # a marble diagram in characters ends so
IN_VIRTUAL_TIME = "scheduler=clock"


class Run(NamedTuple):
    """A notebook as it is stored, and as it is after a run in an empty folder."""

    name: str
    folder: Path
    stored: Any
    fresh: Any


def outputs(cell: Any) -> list[Any]:
    """What a cell shows."""
    return cell.get("outputs", [])


def said(cell: Any) -> list[Any]:
    """What a cell prints, and what each of its displays says, as far as that is so in every run.

    That is its text to the letter, but for the numbers of threads. In a display (HTML) all numbers
    may differ, as times do. Streams that ran in real time have their names in common, and an output
    that follows a stream has only its kinds: what it showed last is a matter of the moment.
    """
    printed = "".join(out.text for out in outputs(cell) if out.output_type == "stream")
    shown = [out.get("data", {}) for out in outputs(cell) if out.output_type != "stream"]
    is_live = FOLLOWS_A_STREAM.search(cell.source)
    displays = [sorted(data) if is_live else _shown_by(data, cell.source) for data in shown]
    return [THREAD.sub("Thread-#", printed), *displays]


def _shown_by(data: Any, source: str) -> str:
    if "text/html" in data:
        text = re.sub(r"(?s)<style.*?</style>|<[^>]*>", " ", data["text/html"])
        return " ".join(NUMBER.sub("#", unescape(text)).split())
    text = str(data.get("text/markdown", data.get("text/plain", "")))
    if IN_REAL_TIME.search(text) and IN_VIRTUAL_TIME not in source:
        return "\n".join(line.partition(": ")[0] for line in text.splitlines()[:-1])
    return text


def everything(cell: Any) -> str:
    """All text of all outputs of a cell, whichever of it a reader sees."""
    shown = [out.get("data", {}) for out in outputs(cell)]
    texts = [out.text for out in outputs(cell) if out.output_type == "stream"]
    return "\n".join(texts + [str(data[kind]) for data in shown for kind in data if "text" in kind])


def pictures(cell: Any) -> list[bytes]:
    """The PNGs that a cell shows."""
    shown = [out.get("data", {}) for out in outputs(cell)]
    return [b64decode(data["image/png"]) for data in shown if "image/png" in data]


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


async def execute(path: Path, folder: Path) -> Run:
    """A notebook run in an empty folder, by a kernel that shows every warning."""
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    client = NotebookClient(
        fresh,
        timeout=PATIENCE,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    environment = {name: os.environ[name] for name in os.environ if name != "MPLBACKEND"}
    environment["PYTHONPATH"] = str(ROOT)
    environment["PYTHONWARNINGS"] = "default"
    environment["IPYTHONDIR"] = str(folder / "ipython")
    await client.async_execute(env=environment)
    return Run(path.stem, folder, stored, fresh)


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> dict[Path, Run | BaseException]:
    """All notebooks that are asked for, two at a time: most of what they do is wait."""
    is_slow = bool(pytestconfig.getoption("--slow"))
    wanted = [path for path in NOTEBOOKS if (path.stem in SLOW) == is_slow]
    places = asyncio.Semaphore(2)

    async def in_turn(path: Path) -> Run:
        async with places:
            return await execute(path, tmp_path_factory.mktemp(path.stem))

    async def every() -> list[Run | BaseException]:
        return await asyncio.gather(*map(in_turn, wanted), return_exceptions=True)

    return dict(zip(wanted, asyncio.run(every()), strict=True))


@pytest.fixture(
    params=[
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW))
        for path in NOTEBOOKS
    ]
)
def run(request: pytest.FixtureRequest, runs: dict[Path, Run | BaseException]) -> Run:
    """One of them, or what went wrong in it."""
    outcome = runs[request.param]
    if isinstance(outcome, BaseException):
        raise outcome
    left = {item.name for item in outcome.folder.iterdir()}
    assert left <= {"ipython"}, "it left files behind"
    return outcome


def test_the_course_is_complete() -> None:
    """All of its notebooks are there, and the first one names them in their order."""
    assert {path.stem for path in NOTEBOOKS} == set(COURSE)
    first = nbformat.read(ROOT / "notebooks" / "first_steps.ipynb", as_version=4)
    assert re.findall(r"`(\w+)\.ipynb`", first.cells[-1].source) == COURSE


def test_it_runs_without_a_word_on_stderr(run: Run) -> None:
    """No error (which would have ended the run), no warning, no traceback."""
    for cell in code_cells(run.fresh):
        for out in outputs(cell):
            assert out.output_type != "error"
            assert out.get("name") != "stderr", out.text


def test_the_pictures_are_there(run: Run) -> None:
    """One for each `plt.show()`, which says what it is about; with something on each of them."""
    found = 0
    for cell in code_cells(run.fresh):
        if "plt.show()" in cell.source:
            assert "set_xlabel(" in cell.source or "set_title(" in cell.source
            assert len(pictures(cell)) == 1
        for png in pictures(cell):
            found += 1
            pixels = matplotlib.image.imread(io.BytesIO(png))
            height, width, _ = pixels.shape
            assert width >= 600
            assert height >= 100
            opacity = pixels[..., 3:]
            on_white = pixels[..., :3] * opacity + 1 - opacity
            assert on_white.std() > 0.05
    assert found >= FEWEST_PICTURES


def test_it_shows_what_it_shows_in_the_file(run: Run) -> None:
    """The outputs that are stored are those of the present code."""
    for stored, fresh in zip(code_cells(run.stored), code_cells(run.fresh), strict=True):
        assert said(stored) == said(fresh)
        assert len(pictures(stored)) == len(pictures(fresh))


def test_it_was_stored_after_one_run_from_top_to_bottom(run: Run) -> None:
    """Numbered from 1, with nothing in it that belongs to one machine."""
    nbformat.validate(run.stored)
    counts = [cell.execution_count for cell in code_cells(run.stored)]
    assert counts == list(range(1, len(counts) + 1))
    assert run.stored.metadata == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    assert all(cell.metadata == {} for cell in run.stored.cells)
    text = "\n".join(map(everything, code_cells(run.stored)))
    assert not re.search(
        r"(?<![\w}])/(home|root|tmp|usr|work|Users)\b|[A-Z]:\\|0x[0-9a-f]{6}", text
    )
    assert "127.0.0.1" not in text


def test_it_says_how_to_use_the_real_top_gg(run: Run) -> None:
    """Near the top, before anything is made."""
    top = "\n".join(cell.source for cell in run.stored.cells[:4] if cell.cell_type == "markdown")
    assert re.search(r'TopGG\(.*token=os\.environ\["TOPGG_TOKEN"\]', top)


def test_it_is_small(run: Run) -> None:
    """A code host shows it as a page, and not as a file that is too large."""
    assert (ROOT / "notebooks" / f"{run.name}.ipynb").stat().st_size < LARGEST


def test_it_explains_before_it_does(run: Run) -> None:
    """It begins with a title, ends with text, and no more than two cells of code stand together."""
    kinds = [cell.cell_type for cell in run.stored.cells]
    assert run.stored.cells[0].source.startswith("# ")
    assert kinds[-1] == "markdown"
    assert "code code code" not in " ".join(kinds)
