"""A user's profile, a voter, and lists of either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .look import Column, badge, facts, heading, muted, named, panel, picture, quoted, spaced
from .markup import Element, Node

if TYPE_CHECKING:
    from ..models import IndividualUserVoteResult, SimpleUser, User

__all__ = ["USER_COLUMNS", "has_voted", "profile", "profile_row", "voter", "voter_row"]

LONGEST_BIO = 240
LONGEST_ACCOUNT = 40

USER_COLUMNS = (Column("Name"), Column("Id", is_number=True))


def profile(user: User, *, images: bool = False) -> Element:
    """A user's profile."""
    accounts = user.socials
    return panel(
        heading(
            picture(user.avatar_url, 40) if images else None,
            Element("strong", named(user.name)),
            *_badges(user),
            muted(f"{user.id}"),
        ),
        Element("div", quoted(user.bio, LONGEST_BIO)),
        facts(
            ("Colour", _colour(user.colour)),
            # As they typed them: links are nothing that a profile's text may make.
            ("YouTube", quoted(accounts.youtube, LONGEST_ACCOUNT)),
            ("Reddit", quoted(accounts.reddit, LONGEST_ACCOUNT)),
            ("Instagram", quoted(accounts.instagram, LONGEST_ACCOUNT)),
            ("GitHub", quoted(accounts.github, LONGEST_ACCOUNT)),
            ("Twitter", quoted(accounts.twitter, LONGEST_ACCOUNT)),
        ),
    )


def profile_row(user: User, *, images: bool = False) -> tuple[Node, ...]:
    """A user among others."""
    face = picture(user.avatar_url, 20) if images else None
    return Element("span", *spaced(face, named(user.name), *_badges(user))), f"{user.id}"


def voter(user: SimpleUser, *, images: bool = False) -> Element:
    """A voter."""
    face = picture(user.avatar, 40) if images else None
    return panel(heading(face, Element("strong", named(user.username)), muted(f"{user.id}")))


def voter_row(user: SimpleUser, *, images: bool = False) -> tuple[Node, ...]:
    """A voter among others."""
    face = picture(user.avatar, 20) if images else None
    return Element("span", *spaced(face, named(user.username))), f"{user.id}"


def has_voted(result: IndividualUserVoteResult, *, images: bool = False) -> Element:
    """Whether somebody voted."""
    answer = "voted" if result.voted else "did not vote"
    return panel(heading(Element("strong", answer), muted("within the last 12 hours")))


def _badges(user: User) -> list[Node]:
    return [
        badge("certified", user.certified),
        badge("supporter", user.supporter),
        badge("moderator", user.moderator),
        badge("admin", user.admin),
    ]


def _colour(colour: int | None) -> Element | None:
    if colour is None:
        return None
    code = f"#{colour:06x}"
    swatch = Element("span", style=f"display:inline-block;width:.8em;height:.8em;background:{code}")
    return Element("span", *spaced(swatch, code))
