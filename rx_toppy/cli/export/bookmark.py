"""The cursor to go on from another time, kept in a file."""

from __future__ import annotations

from pathlib import Path

from .files import check_place, drafted
from .writing import Target

LONGEST_CURSOR = 2000  # characters; top.gg's have some dozens


class Bookmark:
    """The cursor to go on from, in a file where one was asked for.

    Args:
        path: The file.
        cursor: What it holds, None for nothing.
    """

    def __init__(self, path: Path | None, cursor: str | None) -> None:
        self._path = path
        self._kept = self._cursor = cursor

    @property
    def is_kept(self) -> bool:
        """Whether there is an earlier export to go on from."""
        return self._kept is not None

    def move(self, cursor: str) -> None:
        """Goes behind a page that was read; it is kept only later."""
        self._cursor = cursor

    def keep(self) -> None:
        """Puts it into its file."""
        if self._path is not None and self._cursor != self._kept:
            with drafted(self._path) as draft:
                draft.out.write(f"{self._cursor}\n")
                draft.commit()


def kept_cursor(target: Target) -> str | None:
    """The cursor of an earlier export; None where there was none."""
    if target.cursor is None:
        return None
    check_place(target.cursor)
    if target.path is not None and target.cursor.resolve() == target.path.resolve():
        raise ValueError("--cursor-file takes a file of its own")
    cursor = _read_cursor(target.cursor) if target.cursor.exists() else None
    if cursor is None and has_content(target.path):
        # Replaced, it could lose votes that are older than a year, and so nowhere else.
        raise ValueError(
            "--cursor-file has no cursor to go on from, but the file to --export is there: "
            "move that away to begin anew"
        )
    return cursor


def _read_cursor(path: Path) -> str | None:
    with path.open("rb") as file:
        text = file.read(LONGEST_CURSOR).decode("utf-8", "replace").strip()
    # Whatever else it may be, it is not sent anywhere.
    if len(text.split()) > 1 or len(text) >= LONGEST_CURSOR or not (text + "-").isprintable():
        raise ValueError("--cursor-file names a file that holds something else than a cursor")
    return text or None


def has_content(path: Path | None) -> bool:
    """Whether there is a file, and anything in it."""
    return path is not None and path.is_file() and path.stat().st_size > 0
