"""Votes: one, many, those that were given up, and whether one still counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .look import Column, badge, facts, heading, moment, muted, number, panel, quoted, spaced
from .markup import Element, Node

if TYPE_CHECKING:
    from ..models import Vote, VoteStatus
    from ..votes.counting import Standing
    from ..votes.records import DeadLetter

__all__ = [
    "LETTER_COLUMNS",
    "STANDING_COLUMNS",
    "VOTE_COLUMNS",
    "letter",
    "letter_row",
    "one",
    "standing",
    "standing_row",
    "status",
    "vote_row",
]

LONGEST_ERROR = 120
LONGEST_QUERY = 40
MOST_QUERIES = 5

VOTE_COLUMNS = (
    Column("Voted (UTC)"),
    Column("Voter", is_number=True),
    Column("Weight", is_number=True),
    Column("From"),
)
LETTER_COLUMNS = (*VOTE_COLUMNS, Column("Tries", is_number=True), Column("Error"))
STANDING_COLUMNS = (
    Column("Voter", is_number=True),
    Column("Votes", is_number=True),
    Column("Weight", is_number=True),
)


def one(vote: Vote, *, images: bool = False) -> Element:
    """One vote."""
    return panel(*_about(vote))


def letter(letter: DeadLetter, *, images: bool = False) -> Element:
    """A vote that was given up."""
    return panel(
        *_about(letter),
        heading(
            badge("dead letter"),
            f"after {number(letter.tries)} tries:",
            quoted(letter.error, LONGEST_ERROR),
        ),
    )


def _about(vote: Vote) -> list[Node]:
    query = [
        quoted(f"{key}={value}", LONGEST_QUERY)
        for key, value in list(vote.query.items())[:MOST_QUERIES]
    ]
    return [
        heading(
            Element("strong", "Vote of"),
            _voter(vote),
            badge("test", vote.is_test),
            badge(f"weight {number(vote.weight)}", vote.weight not in (None, 1)),
        ),
        facts(
            ("Voted (UTC)", moment(vote.created_at)),
            ("Came in (UTC)", moment(vote.received_at)),
            ("May vote again (UTC)", moment(vote.expires_at)),
            ("For", _id(vote.project_id)),
            ("From", quoted(vote.source, LONGEST_QUERY)),
            ("Query", Element("span", *spaced(*query)) if query else None),
        ),
    ]


def vote_row(vote: Vote, *, images: bool = False) -> tuple[Node, ...]:
    """A vote among others."""
    return (
        moment(vote.at),
        _voter(vote),
        number(vote.weight),
        Element("span", *spaced(quoted(vote.source, LONGEST_QUERY), badge("test", vote.is_test))),
    )


def letter_row(letter: DeadLetter, *, images: bool = False) -> tuple[Node, ...]:
    """A vote that was given up, among others."""
    return *vote_row(letter), number(letter.tries), quoted(letter.error, LONGEST_ERROR)


def status(status: VoteStatus, *, images: bool = False) -> Element:
    """A vote that still counts."""
    return panel(
        heading(
            Element("strong", "voted"),
            badge(f"weight {number(status.weight)}", status.weight not in (None, 1)),
        ),
        facts(
            ("Voted (UTC)", moment(status.created_at)),
            ("May vote again (UTC)", moment(status.expires_at)),
        ),
    )


def standing(standing: Standing, *, images: bool = False) -> Element:
    """Somebody's place on a leaderboard."""
    return panel(
        heading(Element("strong", f"{standing.voter}"), f"{number(standing.votes)} votes"),
        facts(("Weight", number(standing.weight))),
    )


def standing_row(standing: Standing, *, images: bool = False) -> tuple[Node, ...]:
    """A place on a leaderboard."""
    return f"{standing.voter}", number(standing.votes), number(standing.weight)


def _voter(vote: Vote) -> Node:
    return _id(vote.voter) or muted("(unknown)")


def _id(id: int | None) -> str | None:
    return None if id is None else f"{id}"
