"""The notebooks: they run from top to bottom, say nothing on stderr, and show what they showed."""

import io
import re
from base64 import b64decode
from collections.abc import Iterator
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
PATIENCE = 60  # seconds for one cell

# What the axes of a notebook's plots are about: each of these labels belongs to a plot of its own.
PLOTS = {
    "first_steps": ["votes this month", "seconds since the first post", "requests"],
    "inbox": ["seconds since the first vote", "payments"],
    "votes": [
        "day of the week (UTC)",
        "votes this week",
        "hours from now",
        "seconds since the first vote",
    ],
}


class Run(NamedTuple):
    """A notebook as it is stored, and as it is after a run."""

    name: str
    stored: Any
    fresh: Any


def outputs(cell: Any) -> list[Any]:
    """What a cell shows."""
    return cell.get("outputs", [])


def said(cell: Any) -> list[str]:
    """What a cell shows as text: the last word that a reader sees of each output."""
    kinds = ("text/markdown", "text/plain")
    shown = [out.get("data", {}) for out in outputs(cell)]
    texts = [out.text for out in outputs(cell) if out.output_type == "stream"]
    return texts + [next((data[kind] for kind in kinds if kind in data), "") for data in shown]


def pictures(cell: Any) -> list[bytes]:
    """The PNGs that a cell shows."""
    shown = [out.get("data", {}) for out in outputs(cell)]
    return [b64decode(data["image/png"]) for data in shown if "image/png" in data]


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A notebook that was run in an empty folder, by a kernel that shows every warning."""
    path: Path = request.param
    folder = tmp_path_factory.mktemp(path.stem)
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYTHONWARNINGS", "default")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.delenv("MPLBACKEND", raising=False)
        client = NotebookClient(
            fresh,
            timeout=PATIENCE,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    yield Run(path.stem, stored, fresh)
    assert {item.name for item in folder.iterdir()} <= {"ipython"}, "it left files behind"


def test_there_are_notebooks() -> None:
    """Else nothing would be tested here; and each says which plots it has."""
    assert {path.stem for path in NOTEBOOKS} == set(PLOTS)


def test_it_runs_without_a_word_on_stderr(run: Run) -> None:
    """No error (which would have ended the run), no warning, no traceback."""
    for cell in code_cells(run.fresh):
        for out in outputs(cell):
            assert out.output_type != "error"
            assert out.get("name") != "stderr", out.text


def test_the_plots_are_there(run: Run) -> None:
    """One picture for each `plt.show()`, with something on it, and those that it is about."""
    plotting = [cell for cell in code_cells(run.fresh) if "plt.show()" in cell.source]
    for cell in plotting:
        (png,) = pictures(cell)
        pixels = matplotlib.image.imread(io.BytesIO(png))
        height, width, _ = pixels.shape
        assert width >= 600
        assert height >= 200
        assert pixels[..., :3].std() > 0.05
    for label in PLOTS[run.name]:
        assert sum(f'set_xlabel("{label}")' in cell.source for cell in plotting) == 1


def test_it_shows_what_it_shows_in_the_file(run: Run) -> None:
    """The outputs that are stored are those of the present code, to the letter."""
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
    text = "\n".join(["".join(said(cell)) for cell in code_cells(run.stored)])
    assert not re.search(
        r"(?<![\w}])/(home|root|tmp|usr|work|Users)\b|[A-Z]:\\|0x[0-9a-f]{6}", text
    )
    assert "127.0.0.1" not in text


def test_it_explains_before_it_does(run: Run) -> None:
    """It begins with a title, ends with text, and no more than two cells of code stand together."""
    kinds = [cell.cell_type for cell in run.stored.cells]
    assert run.stored.cells[0].source.startswith("# ")
    assert kinds[-1] == "markdown"
    assert "code code code" not in " ".join(kinds)
