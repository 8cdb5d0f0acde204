"""What came back: a status and some bytes in, a model or one of our errors out.

The status is looked at before the body. A body is decoded in one strict pass; only when that fails
is it gone through again, field by field and item by item, to keep all that makes sense.
"""

from __future__ import annotations

import logging
import math
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec

from ..errors import (
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    Ratelimited,
    TopGGServerError,
    ToppyError,
)

__all__ = ["Decoder", "failure", "retry_after"]

T = TypeVar("T")

log = logging.getLogger("rx_toppy.api")

# top.gg's block after one request too many; taken where a 429 does not say how long.
BLOCK = 3600.0

LONGEST_TEXT = 500


class Decoder(Generic[T]):
    """Bytes to a model, leniently.

    What a field can't take becomes its default, an item that a list can't take is left out, counted
    and warned of; a body that is not even of the right outline is an `InvalidResponse`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        # Ids are digits in text, so text must pass for a number. Dates are kept as text by the
        # models: as datetimes, "12" would pass for a moment in 1970.
        self._decoder = msgspec.json.Decoder(model, strict=False)

    def __call__(self, body: bytes) -> T:
        """The model, or a `ValueError` that says what is wrong with the body."""
        try:
            return self._decoder.decode(body)  # type: ignore[no-any-return]
        except msgspec.ValidationError:
            pass
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(_not_json(body, error)) from None
        lenience = _Lenience()
        try:
            value = lenience.read(self.model, msgspec.json.decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"JSON of another shape than expected: {error}") from None
        if lenience.skipped:
            log.warning(
                "left out %d malformed items of an answer, the first because of: %s",
                lenience.skipped,
                lenience.first,
            )
            if hasattr(value, "skipped"):
                msgspec.structs.force_setattr(value, "skipped", lenience.skipped)
        return typing.cast("T", value)


class _Lenience:
    """One walk through a body that did not fit, and what it had to leave out."""

    def __init__(self) -> None:
        self.skipped = 0
        self.first = ""

    def read(self, kind: Any, value: Any) -> Any:
        """`value` as a `kind`, as little lost as can be; a ValidationError if there's no way."""
        if get_origin(kind) in (typing.Union, types.UnionType):
            kind = next(one for one in get_args(kind) if one is not types.NoneType)
        if isinstance(value, list) and get_origin(kind) in (tuple, list):
            return get_origin(kind)(self._items(get_args(kind)[0], value))
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind, value)
        return msgspec.convert(value, kind, strict=False)

    def _items(self, kind: Any, values: list[Any]) -> list[Any]:
        items = []
        for value in values:
            try:
                items.append(self.read(kind, value))
            except msgspec.ValidationError as error:
                self.skipped += 1
                self.first = self.first or str(error)
        return items

    def _struct(self, kind: type[msgspec.Struct], values: dict[str, Any]) -> msgspec.Struct:
        fields: dict[str, Any] = {}
        hints = typing.get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            value = values.get(field.encode_name)
            if value is None:
                if field.required:
                    raise msgspec.ValidationError(f"there is no {field.encode_name!r}")
                continue
            try:
                fields[field.name] = self.read(hints[field.name], value)
            except msgspec.ValidationError as error:
                if field.required:
                    raise
                log.debug("ignored a malformed %r: %s", field.encode_name, error)
        return kind(**fields)


def failure(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    url: str,
    token: str,
    now: datetime | None = None,
) -> ToppyError:
    """The error that a status other than 2xx means, with what the body says of it."""
    text = said(body)
    if len(token) > 3:  # a shorter one is no secret, and part of every other word
        text = text.replace(token, "***")
    now = now or datetime.now(UTC)
    about: dict[str, Any] = {"status": status, "method": method, "url": url, "text": text}
    if status == 429:
        wait = retry_after(headers, body, now)
        return Ratelimited(BLOCK if wait is None else wait, **about)
    if status in (401, 403):
        return Forbidden("top.gg refused the token or what it was used for", **about)
    if status == 404:
        return NotFound("top.gg knows nothing by that id", **about)
    if 400 <= status < 500:
        return InvalidRequest(f"top.gg did not take the request (status {status})", **about)
    if 500 <= status < 600:
        trouble = TopGGServerError(f"top.gg is in trouble (status {status})", **about)
        trouble.retry_after = _header_seconds(headers.get("Retry-After"), now)
        return trouble
    if 300 <= status < 400:
        return InvalidResponse(f"top.gg sent a redirect (status {status}); not followed", **about)
    return InvalidResponse(f"top.gg answered with an unknown status, {status}", **about)


def retry_after(headers: Mapping[str, str], body: bytes, now: datetime) -> float | None:
    """Seconds to wait as the answer says, or None where it says nothing usable.

    top.gg puts them into the body (`retry-after`), the header, or both; the longer one counts, for
    asking too early prolongs the block. The header may also be a date.
    """
    said: list[float | None] = [_header_seconds(headers.get("Retry-After"), now)]
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        content = None
    if isinstance(content, dict):
        said += [_number(content.get(key)) for key in ("retry-after", "retry_after", "retryAfter")]
    return max((wait for wait in said if wait is not None), default=None)


def said(body: bytes) -> str:
    """What an error body says, in at most a few lines of plain text."""
    text = body[: 8 * LONGEST_TEXT].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        title = re.search(r"<title[^>]*>([^<]*)</title>", text, re.IGNORECASE)
        return f"an HTML page: {title[1].strip() if title else '(no title)'}"[:LONGEST_TEXT]
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        content = None
    if isinstance(content, dict):
        parts = [content.get(key) for key in ("title", "detail", "error", "message")]
        told = ": ".join(dict.fromkeys(part for part in parts if isinstance(part, str) and part))
        text = told or text
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _header_seconds(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _not_json(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "an empty body where JSON was expected"
    if body.lstrip()[:1] == b"<":
        return f"{said(body)}, where JSON was expected"
    return f"a body that is no JSON: {error}"
