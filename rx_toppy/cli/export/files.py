"""Files that are whole or not there."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, EISDIR, ENOTDIR, ENOTSUP, EROFS
from pathlib import Path
from typing import TextIO

# How a pipe, a terminal and a stand-in for a file say that they are on no disk.
NO_DISK = (EINVAL, ENOTSUP, EROFS, None)
NAME_LENGTH = 40  # of the file's name, in that of its draft: names have an end, at 255 bytes


class Draft:
    """What a file is going to hold. Until it is committed, nobody sees any of it.

    Attributes:
        out: Where to write it.
    """

    def __init__(self, out: TextIO, draft: Path | None = None, path: Path | None = None) -> None:
        self.out = out
        self._draft = draft
        self._path = path

    def commit(self) -> None:
        """Makes it the file; when this returns it is on disk, as far as there is one below it."""
        self.out.flush()
        try:
            os.fsync(self.out.fileno())
        except OSError as error:
            if error.errno not in NO_DISK:
                raise
        if self._draft is not None and self._path is not None:
            self.out.close()
            if self._path.exists():
                shutil.copymode(self._path, self._draft)
            self._draft.replace(self._path)
            _sync(self._path.parent)


@contextmanager
def drafted(path: Path, *, append: bool = False) -> Iterator[Draft]:
    """A file to be written anew, or with what it has and more: beside it, until it is committed.

    Within this nothing but a commit touches it. What is no plain file (a device, a named pipe)
    can't be replaced, and is written straight away.

    Raises:
        OSError: there is no such place, or no right or room to write there.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as out:
            yield Draft(out)
        return
    path = path.resolve()  # of a link, what it leads to is replaced
    draft = path.with_name(f".{path.name[:NAME_LENGTH]}.{secrets.token_hex(4)}.part")
    try:
        if append:
            shutil.copyfile(path, draft)
        with draft.open("a" if append else "x", encoding="utf-8", newline="") as out:
            yield Draft(out, draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def streamed() -> Iterator[Draft]:
    """Standard output in a draft's place: there is no way back, and line ends stay as they are."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(newline="")
    yield Draft(out)


def check_place(path: Path) -> None:
    """Finds out beforehand what would only fail at the end.

    Raises:
        OSError: no file can be there.
    """
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    if not path.resolve().parent.is_dir():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(path.parent))


def _sync(directory: Path) -> None:
    """A new name is on disk when its directory is. Not every system can say that."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
