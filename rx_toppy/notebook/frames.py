"""`to_frame`: models as a data frame of pandas or polars."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from ..models import Bot, BotSearchResults
from .fields import public_names

LIBRARIES = ("pandas", "polars")

# What a column holds, by the annotation of its attribute: how each library calls that.
KINDS: dict[Any, tuple[str, str]] = {
    bool: ("boolean", "Boolean"),
    int: ("Int64", "Int64"),
    float: ("Float64", "Float64"),
    str: ("string", "String"),
    datetime: ("datetime64[us, UTC]", "Datetime"),
}


def to_frame(
    models: Iterable[msgspec.Struct], library: Literal["pandas", "polars"] | None = None
) -> Any:
    """Makes a data frame of models: a row for each, a column for each public attribute.

    Ids stay whole numbers of 64 bits, also beside missing ones; times are aware, in UTC. What is
    neither a number nor text, a truth value or a time (tags, nested models, errors) is kept as it
    is. Models of several types have a column `type` in front, and gaps where one lacks an
    attribute.

    Args:
        models: Bots, users, votes, events, or any other msgspec Structs; or a page of a search.
        library: "pandas" or "polars"; without it pandas, or else polars, whichever is there.

    Raises:
        TypeError: an item is no Struct.
        ValueError: there is no such library.
        ImportError: neither is installed, or the one that was asked for is not.

    Example:
        >>> bots = to_frame(await client.fetch_bots(500))
        >>> bots.groupby("certified").monthly_votes.median()
        >>> to_frame(requests).groupby("route").elapsed.describe()
    """
    name = _library(library)
    rows = list(_checked(models))
    kinds = list(dict.fromkeys(type(row) for row in rows))
    if not kinds and isinstance(models, BotSearchResults):
        kinds = [Bot]
    annotations: dict[str, Any] = {"type": str} if len(kinds) > 1 else {}
    for kind in kinds:
        annotations = annotations | _annotations(kind)
    columns = {
        column: [_value(row, column, len(kinds) > 1) for row in rows] for column in annotations
    }
    make = _pandas if name == "pandas" else _polars
    return make(import_module(name), columns, annotations)


def _library(name: str | None) -> str:
    if name is not None and name not in LIBRARIES:
        raise ValueError(f'library takes "pandas" or "polars", not {name!r}')
    wanted = LIBRARIES if name is None else (name,)
    for one in wanted:
        if find_spec(one) is not None:
            return one
    raise ImportError(f"to_frame() needs {' or '.join(wanted)}: pip install {wanted[0]}")


def _checked(models: Any) -> Iterable[msgspec.Struct]:
    takes = "to_frame() takes models, as [bot, ...] or a page of a search"
    if not isinstance(models, Iterable):
        raise TypeError(f"{takes}, not {type(models).__name__}")
    for model in models:
        if not isinstance(model, msgspec.Struct):
            raise TypeError(f"{takes}; there is {type(model).__name__} among them")
        yield model


def _annotations(kind: type[Any]) -> dict[str, Any]:
    """What each public attribute may be, None aside."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    found = {}
    for name in public_names(kind):
        if name in fields:
            found[name] = _plain(fields[name])
        else:
            found[name] = _plain(get_type_hints(getattr(kind, name).fget).get("return"))
    return found


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        some = {_plain(one) for one in get_args(annotation) if one is not type(None)}
        return some.pop() if len(some) == 1 else None
    if get_origin(annotation) is Literal:
        return str if all(isinstance(one, str) for one in get_args(annotation)) else None
    return annotation


def _value(row: Any, column: str, is_mixed: bool) -> Any:
    if is_mixed and column == "type":
        return type(row).__name__
    value = getattr(row, column, None)
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _fits(values: Sequence[Any], annotation: Any) -> bool:
    """Whether values are what was annotated: nothing makes sure of that in a Struct."""
    if annotation not in KINDS:
        return False
    known = [value for value in values if value is not None]
    if annotation is datetime:
        return all(isinstance(value, datetime) and value.tzinfo for value in known)
    if annotation is float:
        return all(type(value) in (int, float) for value in known)
    if annotation is int:
        return all(type(value) is int and -(2**63) <= value < 2**63 for value in known)
    return all(isinstance(value, annotation) for value in known)


def _pandas(pandas: Any, columns: dict[str, list[Any]], annotations: dict[str, Any]) -> Any:
    def series(values: list[Any], annotation: Any) -> Any:
        if not _fits(values, annotation):
            return pandas.Series(values, dtype="object")
        return pandas.Series(values, dtype=KINDS[annotation][0])

    return _built(pandas.DataFrame, series, columns, annotations)


def _polars(polars: Any, columns: dict[str, list[Any]], annotations: dict[str, Any]) -> Any:
    def series(values: list[Any], annotation: Any) -> Any:
        if not _fits(values, annotation):
            return _polars_objects(polars, values, annotation)
        kind = getattr(polars, KINDS[annotation][1])
        return polars.Series(values, dtype=kind("us", "UTC") if annotation is datetime else kind)

    return _built(polars.DataFrame, series, columns, annotations)


def _polars_objects(polars: Any, values: list[Any], annotation: Any) -> Any:
    inner = get_args(annotation)
    is_list = get_origin(annotation) is tuple and inner[0] in (int, str) and inner[1:] == (...,)
    if not is_list or not all(_fits(value or (), inner[0]) for value in values):
        return polars.Series(values, dtype=polars.Object)
    listed = [None if value is None else list(value) for value in values]
    return polars.Series(listed, dtype=polars.List(getattr(polars, KINDS[inner[0]][1])))


def _built(
    frame: Callable[..., Any],
    series: Callable[[list[Any], Any], Any],
    columns: dict[str, list[Any]],
    annotations: dict[str, Any],
) -> Any:
    return frame({name: series(values, annotations[name]) for name, values in columns.items()})
