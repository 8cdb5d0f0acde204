"""What notebooks show of what the library gives: HTML, and nothing in it that is not ours.

What top.gg sends are other people's words. They are text here, cut to a sensible length; nothing is
fetched from the network unless pictures were asked for. It is loaded when something is displayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ..client import TopGG
from ..models import (
    Bot,
    BotSearchResults,
    BotStats,
    BotStatsPayload,
    IndividualUserVoteResult,
    Project,
    SimpleUser,
    User,
    Vote,
    VoteStatus,
)
from ..votes.operators.leaderboard import LeaderboardEntry
from ..votes.worker import DeadLetter
from . import cards
from .client import client_html
from .html import Element, Node
from .style import ROWS, Column, heading, listing, muted, panel

__all__ = ["client_html", "html_of"]

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


KINDS: dict[type, Kind] = {
    Bot: Kind(cards.card, "bot", cards.BOT_COLUMNS, cards.bot_row),
    BotSearchResults: Kind(cards.search),
    BotStats: Kind(cards.as_known),
    BotStatsPayload: Kind(cards.as_posted),
    DeadLetter: Kind(cards.letter, "dead letter", cards.LETTER_COLUMNS, cards.letter_row),
    IndividualUserVoteResult: Kind(cards.has_voted),
    Project: Kind(cards.page),
    SimpleUser: Kind(cards.voter, "voter", cards.USER_COLUMNS, cards.voter_row),
    LeaderboardEntry: Kind(cards.standing, "voter", cards.STANDING_COLUMNS, cards.standing_row),
    User: Kind(cards.profile, "user", cards.USER_COLUMNS, cards.profile_row),
    Vote: Kind(cards.one, "vote", cards.VOTE_COLUMNS, cards.vote_row),
    VoteStatus: Kind(cards.status),
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
    if isinstance(model, TopGG):  # which knows itself best, and has no pictures
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
    for kind in type(model).__mro__:
        if kind in KINDS:
            return KINDS[kind]
    raise TypeError(f"there is no display for {type(model).__name__}")
