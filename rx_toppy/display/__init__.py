"""What notebooks show of what the library gives: HTML, and nothing in it that is not ours.

What top.gg sends are other people's words. They are text here, cut to a sensible length; nothing is
fetched from the network unless pictures were asked for. It is loaded when something is displayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from . import bots, projects, stats, users, votes
from .look import ROWS, Column, heading, listing, muted, panel
from .markup import Element, Node

__all__ = ["html_of"]

# So many are shown of a list of what makes no table.
STACKED = 5


class Row(Protocol):
    """Makes a model one row of a table."""

    def __call__(self, model: Any, /, *, images: bool) -> tuple[Node, ...]: ...


class Kind(NamedTuple):
    """How a kind of model is shown: alone, and where it makes sense in a table."""

    one: Callable[..., Element]
    noun: str = ""
    columns: tuple[Column, ...] = ()
    row: Row | None = None


# By name, for the models are above this.
KINDS = {
    "Bot": Kind(bots.card, "bot", bots.BOT_COLUMNS, bots.bot_row),
    "BotSearchResults": Kind(bots.search),
    "BotStats": Kind(stats.as_known),
    "BotStatsPayload": Kind(stats.as_posted),
    "DeadLetter": Kind(votes.letter, "dead letter", votes.LETTER_COLUMNS, votes.letter_row),
    "IndividualUserVoteResult": Kind(users.has_voted),
    "Project": Kind(projects.page),
    "SimpleUser": Kind(users.voter, "voter", users.USER_COLUMNS, users.voter_row),
    "Standing": Kind(votes.standing, "voter", votes.STANDING_COLUMNS, votes.standing_row),
    "User": Kind(users.profile, "user", users.USER_COLUMNS, users.profile_row),
    "Vote": Kind(votes.one, "vote", votes.VOTE_COLUMNS, votes.vote_row),
    "VoteStatus": Kind(votes.status),
}


def html_of(model: Any, images: bool = False) -> str:
    """What a notebook shows of a model, a list (or tuple) of models, or a client.

    Args:
        model: The model.
        images: Whether to show avatars, which the browser then fetches from wherever they lie.

    Raises:
        TypeError: there is no display for anything of its kind.

    Example:
        >>> html_of(await client.fetch_bot(264811613708746752))
    """
    if isinstance(model, (list, tuple)):
        return str(_many(model, images=images))
    if _name(model) == "TopGG":  # which knows itself best, and has no pictures
        return str(model._repr_html_())
    return str(_kind_of(model).one(model, images=images))


def _many(models: Sequence[Any], *, images: bool) -> Element:
    """A table where all are of one kind; else some of them, one below another."""
    if not models:
        return panel(muted("nothing: an empty list"))
    shown = [(_kind_of(model), model) for model in models[:ROWS]]
    first = shown[0][0]
    if first.row is None or any(kind is not first for kind, _ in shown):
        stack = [Element("div", kind.one(model, images=images)) for kind, model in shown[:STACKED]]
        more = len(models) - len(stack)
        return Element("div", *stack, muted(f"… {more:,} more") if more else None)
    size = f"{len(models):,} {first.noun}{'s' * (len(models) != 1)}"
    rows = [first.row(model, images=images) for _, model in shown]
    return panel(heading(Element("strong", size)), *listing(first.columns, rows, len(models)))


def _kind_of(model: object) -> Kind:
    kind = KINDS.get(_name(model))
    if kind is None:
        raise TypeError(f"there is no display for {type(model).__name__}")
    return kind


def _name(model: object) -> str:
    """What a model is called here, or what it was derived from; Discord's own have a `User` too."""
    here = __name__.partition(".")[0]
    names = (c.__name__ for c in type(model).__mro__ if c.__module__.partition(".")[0] == here)
    return next(names, "")
