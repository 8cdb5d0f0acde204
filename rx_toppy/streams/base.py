"""What all our observables share: a coroutine function is no callback, and who waits for what."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NoReturn, TypeVar

from reactivex import Observable, abc

from .iterate import iterate

T_co = TypeVar("T_co", covariant=True)


class Ours(Observable[T_co]):
    """What all our observables share: a coroutine function is no callback."""

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        callbacks_of(on_next, on_error, on_completed)
        return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)


class Endless(Ours[T_co]):
    """An observable that does not end by itself: there is no last value to await."""

    def __await__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no end, so it can't be awaited; for its next value: "
            f"await stream.pipe(ops.first())"
        )

    def run(self, scheduler: abc.SchedulerBase | None = None) -> NoReturn:
        """There is no last value to wait for: a TypeError that says what to do instead."""
        raise TypeError(f"{self!r} has no end, so it can't be run; see ops.first()")

    def __aiter__(self) -> AsyncIterator[T_co]:
        """`async for` over what comes from here on: see `iterate`, whose defaults it has."""
        return iterate(self).__aiter__()


def callbacks_of(on_next: Any, on_error: Any, on_completed: Any) -> tuple[Any, Any, Any]:
    """The three callbacks of a `subscribe`, which may also have been given one observer."""
    if type(on_next) is not FunctionType and callable(getattr(on_next, "on_next", None)):
        on_next, on_error, on_completed = on_next.on_next, on_next.on_error, on_next.on_completed
    for callback in (on_next, on_error, on_completed):
        if callback is not None and _is_async(callback):
            name = getattr(callback, "__qualname__", repr(callback))
            raise TypeError(
                f"{name} is a coroutine function, and its result would never be awaited; "
                f"use .pipe(map_async({name})).subscribe()"
            )
    return on_next, on_error, on_completed


def _is_async(callback: Any) -> bool:
    while isinstance(callback, partial):
        callback = callback.func
    if isinstance(callback, MethodType):
        callback = callback.__func__
    if type(callback) is FunctionType:
        return bool(callback.__code__.co_flags & inspect.CO_COROUTINE)
    if type(callback) is BuiltinFunctionType:
        return False
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        getattr(type(callback), "__call__", None)  # noqa: B004 - it may be an async __call__
    )
