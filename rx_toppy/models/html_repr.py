"""What makes models, lists of them, and a client show themselves in notebooks."""

from __future__ import annotations

from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def load_display() -> ModuleType:
    """Import `rx_toppy.display`, which is above all that it shows, and which most never need."""
    from .. import display

    return display


class Displayed:
    """A model that a notebook shows as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = load_display().html_of(self)
        return html


class Listed(list[T]):
    """A list like any other, which a notebook shows as a table of its models."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        try:
            html: str = load_display().html_of(self)
        except TypeError:  # something else was put into it: then its repr has to do
            return None
        return html
