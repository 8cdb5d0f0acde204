"""What makes models, and lists of them, show themselves in notebooks."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["Displayed", "Listed"]

T = TypeVar("T")


class Displayed:
    """A model that a notebook shows as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # Loaded when it is needed, which most programs never do.
        from ..display import html_of

        return html_of(self)


class Listed(list[T]):
    """A list like any other, which a notebook shows as a table of its models."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        from ..display import html_of

        try:
            return html_of(self)
        except TypeError:  # something else was put into it: then its repr has to do
            return None
