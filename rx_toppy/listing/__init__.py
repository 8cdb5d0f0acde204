"""`rx-toppy votes`: votes as they come, and their history as a file."""

from __future__ import annotations

from .exporting import Exported, Target, exporting
from .following import following
from .records import FORMATS, format_of

__all__ = ["FORMATS", "Exported", "Target", "exporting", "following", "format_of"]
