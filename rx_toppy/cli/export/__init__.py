"""Lists of top.gg's: votes as they come, and votes and bots as a file or on standard output."""

from __future__ import annotations

from .bots import BotSearch, Search, exporting_bots, searching
from .following import following
from .formats import FORMATS, format_of
from .progress import Notices
from .votes import exporting_votes
from .writing import Exported, Target, read

__all__ = [
    "FORMATS",
    "BotSearch",
    "Exported",
    "Notices",
    "Search",
    "Target",
    "exporting_bots",
    "exporting_votes",
    "following",
    "format_of",
    "read",
    "searching",
]
