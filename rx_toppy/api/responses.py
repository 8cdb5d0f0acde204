"""What came back: a status and some bytes in, a model or one of our errors out.

The status is looked at before the body. A body is decoded in one strict pass; only when that fails
is it gone through again, field by field and item by item, to keep all that makes sense.
"""

from __future__ import annotations

import json
import logging
import math
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
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
from ..models import Bot
from ..models.fields import Id, IdText, digits
from .rate_limits import LONGEST_BLOCK

T = TypeVar("T")

log = logging.getLogger("rx_toppy.api")

# top.gg's block after one request too many; taken where a 429 does not say how long.
BLOCK = 3600.0

LONGEST_TEXT = 500

# How the text of an error begins that came as a web page: a proxy's, most often.
HTML = "an HTML page"


class Decoder(Generic[T]):
    """Bytes to a model, leniently.

    What a field can't take becomes its default, an item that a list can't take is left out, counted
    and warned of; a body that is not even of the right outline is a `ValueError`.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._is_page = "skipped" in getattr(model, "__struct_fields__", ())
        # Ids are digits in text, so text must pass for a number. Dates are kept as text by the
        # models: as datetimes, "12" would pass for a moment in 1970.
        self._decoder = msgspec.json.Decoder(model, strict=False)
        self._has_id = "id" in getattr(model, "__struct_fields__", ())

    def __call__(self, body: bytes) -> T:
        """The model, or a `ValueError` that says what is wrong with the body."""
        try:
            value = self._decoder.decode(body)
            if self._is_page and value.skipped:  # that is ours to say, not the server's
                msgspec.structs.force_setattr(value, "skipped", 0)
            if not self._has_id or _ids_are_plain(value, body):
                return value  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # a ValidationError is a DecodeError as well
        return self._salvaged(body)

    def _salvaged(self, body: bytes) -> T:
        """What can be had of a body that is not as it should be."""
        try:
            content = _plain_json(body)
        except (ValueError, RecursionError) as error:
            raise ValueError(_not_json(body, error)) from None
        lenience = _Lenience()
        try:
            value = lenience.read(self._model, content)
        except (msgspec.ValidationError, RecursionError) as error:
            raise ValueError(f"JSON of another shape than expected: {error}") from None
        if lenience.skipped:
            log.warning(
                "left out %d malformed items of an answer, the first because of: %s",
                lenience.skipped,
                lenience.first,
            )
        if self._is_page:
            msgspec.structs.force_setattr(value, "skipped", lenience.skipped_models)
        return typing.cast("T", value)


class _Identity(msgspec.Struct):
    """The id of a bot, a user or a project, as it was sent."""

    id: str | int | None = None


class _Lenience:
    """One walk through a body that did not fit, and what it had to leave out."""

    def __init__(self) -> None:
        self.skipped = 0
        self.skipped_models = 0
        self.first = ""

    def read(self, kind: Any, value: Any) -> Any:
        """`value` as a `kind`, as little lost as can be; a ValidationError if there's no way."""
        if get_origin(kind) in (typing.Union, types.UnionType):
            if value is None:
                return None
            kinds = [one for one in get_args(kind) if one is not types.NoneType]
            kind = kinds[0] if len(kinds) == 1 else kind
        if isinstance(value, list) and get_origin(kind) in (tuple, list):
            return get_origin(kind)(self._items(get_args(kind)[0], value))
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind, value)
        if kind == IdText:
            return str(self.read(Id, value))
        if kind == Id and isinstance(value, str):
            value = digits(value)
        if isinstance(value, str):
            value = value.encode(errors="replace").decode()  # halves of a character can't be kept
        return msgspec.convert(value, kind, strict=False)

    def _items(self, kind: Any, values: list[Any]) -> list[Any]:
        """The items that make sense; where a place in the list means something, None for others."""
        items = []
        for value in values:
            try:
                items.append(self.read(kind, value))
            except msgspec.ValidationError as error:
                self.skipped += 1
                self.skipped_models += isinstance(kind, type) and issubclass(kind, msgspec.Struct)
                self.first = self.first or str(error)
                if types.NoneType in get_args(kind):
                    items.append(None)
        return items

    def _struct(self, kind: type[msgspec.Struct], values: dict[str, Any]) -> msgspec.Struct:
        fields: dict[str, Any] = {}
        for field, hint in _fields_of(kind):
            value = values.get(field.encode_name)
            if value is None:
                if field.required:
                    raise msgspec.ValidationError(f"there is no {field.encode_name!r}")
                continue
            try:
                fields[field.name] = self.read(hint, value)
            except msgspec.ValidationError as error:
                if field.required:
                    raise
                log.debug("ignored a malformed %r: %s", field.encode_name, error)
        return kind(**fields)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> list[tuple[msgspec.structs.FieldInfo, Any]]:
    """A model's fields and their types, which take long to be found out."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [(field, hints[field.name]) for field in msgspec.structs.fields(kind)]


_read_identity = msgspec.json.Decoder(_Identity).decode


def _ids_are_plain(value: Any, body: bytes) -> bool:
    """Whether a model's ids were digits, or numbers: as text, "1e2" passes for 100.

    Only a short id, or one that ends in noughts, can come from such a text: a float is exact up to
    2**53. (On a page of a search that is not looked after: it would cost half as much again as
    decoding it.)
    """
    texts = "".join(value.raw_ids) if isinstance(value, Bot) else ""
    if texts and not (texts.isdigit() and texts.isascii()):
        return False
    if value.id > 2**53 and value.id % 10**6:
        return True
    return digits(_read_identity(body).id) is not None


def failure(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    url: str,
    token: str,
    is_v1: bool = False,
    now: datetime | None = None,
) -> ToppyError:
    """The error that a status other than 2xx means, with what the body says of it."""
    text = said(body, token)
    now = now or datetime.now(UTC)
    about: dict[str, Any] = {"status": status, "method": method, "url": url, "text": text}
    if status == 429:
        wait = retry_after(headers, body, now)
        return Ratelimited(BLOCK if wait is None else min(wait, LONGEST_BLOCK), **about)
    if status in (401, 403):
        return Forbidden("top.gg refused the token or what it was used for", **about)
    if status == 404:
        return NotFound("top.gg knows nothing by that id", **about)
    if 400 <= status < 500:
        # top.gg's v1 says 400 of a bad token too, where 401 would be expected.
        hint = "; it may be the token" if status == 400 and is_v1 else ""
        return InvalidRequest(f"top.gg did not take the request (status {status}{hint})", **about)
    if 500 <= status < 600:
        trouble = TopGGServerError(f"top.gg is in trouble (status {status})", **about)
        wait = _header_seconds(headers.get("Retry-After"), now)
        trouble.retry_after = None if wait is None else min(wait, LONGEST_BLOCK)
        return trouble
    if 300 <= status < 400:
        return InvalidResponse(f"top.gg sent a redirect (status {status}); not followed", **about)
    return InvalidResponse(f"top.gg answered with an unknown status, {status}", **about)


def retry_after(headers: Mapping[str, str], body: bytes, now: datetime) -> float | None:
    """Seconds to wait as the answer says, or None where it says nothing usable.

    top.gg puts them into the body (`retry-after`), the header, or both; the longer one counts, for
    asking too early prolongs the block. The header may also be a date.
    """
    content = _remark(body)
    waits = [_header_seconds(headers.get("Retry-After"), now)]
    waits += [_number(content.get(key)) for key in ("retry-after", "retry_after", "retryAfter")]
    return max((wait for wait in waits if wait is not None), default=None)


def said(body: bytes, token: str = "") -> str:
    """What an error body says, in at most a few lines of plain text, without the token."""
    return without(token, _words(body))


def without(token: str, text: str) -> str:
    """A text that may have come from the server, shortened, and the token taken out before that."""
    # A shorter one is no secret, and part of every other word.
    text = text.replace(token, "***") if len(token) > 3 else text
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _words(body: bytes) -> str:
    """What a body says, of any length."""
    text = body.strip()[: 8 * LONGEST_TEXT].decode("utf-8", "replace")
    if not text.startswith("<"):
        return _told(body) or text
    title = re.search(r"<title[^>]*>([^<]*)</title>", text, re.IGNORECASE)
    return f"{HTML}: {title[1].strip() if title else '(no title)'}"


def _told(body: bytes) -> str:
    """What a JSON body says is wrong, in the words of its usual fields."""
    content = _remark(body)
    parts = [content.get(key) for key in ("title", "detail", "error", "message")]
    return ": ".join(dict.fromkeys(part for part in parts if isinstance(part, str) and part))


def _remark(body: bytes) -> dict[str, Any]:
    """The fields of an error's body, none where it is no JSON object."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _header_seconds(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # One that lies in the past tells of clocks that differ, and not of how long to wait.
    wait = (moment - now).total_seconds()
    return wait if wait > 0 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", value):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _plain_json(body: bytes) -> Any:
    """JSON as Python has it. Numbers that are none of this world are infinite, or None."""
    return json.loads(body.decode(), parse_int=_int, parse_constant=_no_constant)


def _int(text: str) -> int | None:
    return int(text) if len(text) < 30 else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def refuse_page(body: bytes) -> None:
    """Where no body is wanted any will do but a web page: a `ValueError` then.

    A proxy that asks for a login, or is just being set up, answers so, with a 200 even; what was
    posted has not reached top.gg.
    """
    if _is_page(body):
        raise ValueError(_words(body))


def _is_page(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _not_json(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "an empty body where JSON was expected"
    if _is_page(body):
        return f"{_words(body)}, where JSON was expected"
    return f"a body that is no JSON: {error}"
