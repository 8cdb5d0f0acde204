"""One output of a cell, which is shown once and then replaced, frame by frame."""

from __future__ import annotations

import sys
from contextvars import Context
from html import escape
from typing import Any, NamedTuple

from ..display.html import Element
from ..display.style import muted as muted_text
from ..display.style import panel
from .checks import needed
from .pictures import RED, Picture


class Bundle(NamedTuple):
    """Something displayed: the data by MIME type, and what is said of these."""

    data: dict[str, Any]
    metadata: dict[str, Any]


class Output:
    """An output in the cell that runs now, under a display id of its own."""

    def __init__(self, first: Any) -> None:
        self._display = needed("IPython.display")
        self._handle = self._display.DisplayHandle()
        self.bundle = bundle_of(first)
        self._show(self._handle.display)

    def update(self, value: Any) -> None:
        """Replaces what is shown, wherever it is.

        Raises:
            TypeError: the value has no display.
        """
        self.bundle = bundle_of(value)
        # A cell that runs may have been the first to hear of it: who saves the outputs of a
        # notebook, cell after cell, heeds what the present cell says. In an empty context that one
        # is the sender; in ours it would be the cell that made this.
        Context().run(self._show, self._handle.update)

    def again(self) -> None:
        """Shows it in the cell that runs now as well; both are updated from then on."""
        self._show(self._handle.display)

    def _show(self, how: Any) -> None:
        if shell() is None:
            how(self.bundle.data["text/plain"])  # which is printed
        else:
            how(self.bundle.data, raw=True, metadata=self.bundle.metadata)


def shell() -> Any:
    """IPython's shell, if this runs in one."""
    return needed("IPython").get_ipython()


def bundle_of(value: Any) -> Bundle:
    """A value as IPython shows it.

    Raises:
        TypeError: it has no display.
    """
    if isinstance(value, Bundle):
        return value
    figures = sys.modules.get("matplotlib.figure")
    if figures is not None and isinstance(value, figures.Figure):
        value = Picture(value)  # IPython knows only the figures that pyplot has made
    host = shell()
    if host is None:
        return Bundle({"text/plain": repr(value)}, {})
    data, metadata = host.display_formatter.format(value)
    if not data:
        raise TypeError(f"{type(value).__name__} can't be displayed")
    return Bundle(data, metadata)


def muted(text: str) -> Bundle:
    """A line of text that stands where there is nothing to show."""
    return Bundle({"text/html": str(panel(muted_text(text))), "text/plain": text}, {})


def with_note(bundle: Bundle, note: str) -> Bundle:
    """The same with a line below that says what went wrong."""
    data, metadata = bundle
    plain = str(data.get("text/plain", ""))
    above = ""
    if "text/html" in data:
        above = str(data["text/html"])
    elif "image/png" in data:
        width = int(metadata.get("image/png", {}).get("width", 0))
        size = f' width="{width}"' if width else ""
        above = f'<img src="data:image/png;base64,{escape(data["image/png"])}"{size}>'
    elif set(data) == {"text/plain"}:
        above = f"<pre>{escape(plain)}</pre>"
    below = panel(Element("strong", note, style=f"color:{RED}"))
    html = f"{above}<div>{below}</div>"
    return Bundle({"text/html": html, "text/plain": f"{plain}\n{note}".strip()}, {})
