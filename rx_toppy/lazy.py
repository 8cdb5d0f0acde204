"""Parts of a package that are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, exports: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's `__getattr__` and `__dir__`.

    Args:
        package: Its `__name__`.
        exports: The names that each of its modules has to offer; a module without any is itself
            what is exported.

    Example:
        >>> __getattr__, __dir__ = lazy_exports(__name__, {"feed": ["Feed"], "sandbox": []})
    """
    modules = {name: module for module, names in exports.items() for name in names or [module]}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f".{modules[name]}", package)
        return getattr(module, name) if exports[modules[name]] else module

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return load, names
