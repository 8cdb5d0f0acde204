"""Many processes, one token: clusters on Redis."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inbox import RedisInbox
    from .redis_cluster import RedisCluster

__all__ = ["RedisCluster", "RedisInbox"]

MODULES = {"RedisCluster": "redis_cluster", "RedisInbox": "inbox"}


def __getattr__(name: str) -> Any:
    # Each part is loaded by those who use it.
    if name in MODULES:
        return getattr(importlib.import_module(f".{MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
