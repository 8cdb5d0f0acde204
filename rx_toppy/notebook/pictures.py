"""What all plots here share: figures without pyplot, and colours for light and dark pages."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .checks import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DPI = 100  # pixels of a page
SHARPNESS = 2  # pixels of the picture for each of them

# Of one brightness, with which white on them, and they on white and on black, can be read.
GREY = "#777777"
RED = "#e0245e"
COLOURS = (
    "#3575e2",  # blue
    "#c2580c",  # orange
    "#2b8a3e",  # green
    "#9b51c9",  # violet
    "#0b8599",  # teal
    "#c2377f",  # pink
    "#8d7208",  # ochre
    "#6366d6",  # indigo
    "#5c7d10",  # olive
    "#a6594c",  # brown
    "#c93a3a",  # red
    "#5f7285",  # slate
)


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many pixels, without a background. No list of pyplot's keeps it alive."""
    figures = needed("matplotlib.figure")
    figure: Figure = figures.Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="none")
    needed("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure


@contextmanager
def any_characters() -> Iterator[None]:
    """Within this, a character that no font has is drawn as a box without a warning.

    Names and texts come from anywhere.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


class Picture:
    """A figure as a notebook shows it: a PNG, sharp on any screen, with a transparent ground."""

    def __init__(self, figure: Figure, text: str = "") -> None:
        self._figure = figure
        self._text = text or f"a figure of {len(figure.axes)} axes"

    def __repr__(self) -> str:
        return self._text

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        file = BytesIO()
        dpi = self._figure.dpi * SHARPNESS
        with any_characters():
            self._figure.savefig(file, format="png", dpi=dpi)
        width, height = self._figure.get_size_inches() * self._figure.dpi
        size = {"width": round(width), "height": round(height)}
        data = {"image/png": b64encode(file.getvalue()).decode(), "text/plain": self._text}
        return data, {"image/png": size}
