"""`show`: a model as it looks, on purpose."""

from __future__ import annotations

from typing import Any

from ..display import html_of
from .checks import needed


def show(model: Any, images: bool = False) -> None:
    """Displays a model as a cell does that ends with it, from anywhere in the cell.

    Args:
        model: A bot, a user, a vote, a page of a search, a client: whatever has a display.
        images: Whether pictures may be loaded from the network, as avatars are. They are not,
            otherwise: to look at a bot tells nobody.

    Raises:
        TypeError: it has no display.
        ImportError: IPython is missing.

    Example:
        >>> for bot in await client.fetch_bots(3, sort="-points"):
        ...     show(bot, images=True)
    """
    html = html_of(model, images=images)
    display = needed("IPython.display")
    display.display({"text/html": html, "text/plain": repr(model)}, raw=True)
