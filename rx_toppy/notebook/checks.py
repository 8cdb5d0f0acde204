"""What the functions of this package are given, checked where they are called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from reactivex import Observable, abc

from ..streams.loop import running_loop


def checked_observable(observable: Any, name: str) -> Observable[Any]:
    """An observable of reactivex's, or a TypeError that says that `name` takes one."""
    if not isinstance(observable, abc.ObservableBase):
        raise TypeError(
            f"{name} takes an observable (a call, a stream of events, what .pipe() gives), "
            f"not {type(observable).__name__}"
        )
    return observable  # type: ignore[return-value]  # whatever has the base has the rest


def checked_function(function: Any, name: str) -> Callable[[Any], Any] | None:
    """A plain function, or None where none was given."""
    if function is None:
        return None
    if not callable(function):
        raise TypeError(f"{name} takes a function, not {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - it may be an async __call__
    ):
        called = getattr(function, "__qualname__", repr(function))
        raise TypeError(
            f"{name} takes a plain function, and {called} is a coroutine function: "
            f"put it into the stream, as in stream.pipe(map_async({called}))"
        )
    return function  # type: ignore[no-any-return]


def checked_loop(name: str) -> asyncio.AbstractEventLoop:
    """The running event loop, or a RuntimeError that says where there is one."""
    loop = running_loop()
    if loop is None:
        raise RuntimeError(
            f"{name} needs a running event loop: every cell of a notebook has one; "
            "in a script, call it inside of what asyncio.run() runs"
        )
    return loop


def needed(module: str) -> Any:
    """A module of the extra `notebooks`, or an ImportError that names the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(
            f"this needs {library}: pip install 'rx_toppy[notebooks]'", name=library
        ) from error
