"""Who handles an inbox's votes: one at a time, on whichever process of this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ..errors import InboxError

# One who has just been told to end may still be about it.
PATIENCE = 10.0
PAUSE = 0.05


class Ownership:
    """A lock of the operating system's on a file: it is free again the moment its holder is dead.

    (A lease in a table would keep everybody waiting after a crash.)

    Example:
        >>> async with Ownership(Path("votes.db.lock")): ...
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    async def __aenter__(self) -> None:
        left = PATIENCE
        while not self._take():
            if left <= 0:
                raise InboxError(
                    f"the votes of {self._path.stem} are being handled already: one process() at a "
                    "time, in one process"
                )
            await asyncio.sleep(PAUSE)
            left -= PAUSE

    async def __aexit__(self, *_: object) -> None:
        os.close(self._file)

    def _take(self) -> bool:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise InboxError(f"{self._path.name} can't be made: {error}") from error
        try:
            _lock(file)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True


def _lock(file: int) -> None:
    """Locks a file, or raises an OSError at once."""
    if os.name == "nt":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
