"""What saves hundreds of tests time that nobody would want to spend on them."""

import gc
import itertools
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

FRAMES = 4


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Within this, `gc.collect()` leaves alone what was there before.

    That is by far the most of it, modules and thousands of collected tests, and would be looked at
    in vain each time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def short_stacks() -> Iterator[None]:
    """Within this, asyncio's debug mode notes a few frames of where a thing was made, not all.

    It does so for each future, task and handle, and below a test there are some fifty of pytest's:
    that is more work than all that is tested. Tracebacks of exceptions stay as they are.
    """
    walk = traceback.walk_stack

    def walk_less(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        return itertools.islice(walk(frame), FRAMES)

    traceback.walk_stack = walk_less
    try:
        yield
    finally:
        traceback.walk_stack = walk
