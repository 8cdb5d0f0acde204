"""A project of the v1 API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .look import facts, heading, muted, named, number, panel, quoted, tagged
from .markup import Element

if TYPE_CHECKING:
    from ..models import Project

__all__ = ["page"]

LONGEST_HEADLINE = 240
LONGEST_KIND = 20


def page(project: Project, *, images: bool = False) -> Element:
    """A project's page in short."""
    score = project.review_score
    return panel(
        heading(
            Element("strong", named(project.name)),
            quoted(f"{project.platform or ''} {project.type or ''}", LONGEST_KIND),
            muted(f"{project.id}"),
        ),
        Element("div", quoted(project.headline, LONGEST_HEADLINE)),
        facts(
            ("Votes this month", number(project.votes)),
            ("Votes in all", number(project.votes_total)),
            ("Reviews", number(project.review_count)),
            ("Score", None if score is None else f"{score:.3g} of 5"),
        ),
        Element("div", tagged(project.tags)),
    )
