"""What top.gg is told and asked, checked and put into its form.

The rules are top.gg's: it would answer 422 to what is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from ..arguments import count

LOCALES = (
    "en",
    "de",
    "fr",
    "pt",
    "tr",
    "hi",
    "ja",
    "ar",
    "nl",
    "ko",
    "it",
    "es",
    "ru",
    "uk",
    "vi",
    "zh",
)

# How many samples one request may carry.
BATCH = 100

# How far ahead of top.gg's clock a sample may be dated.
AHEAD = timedelta(minutes=5)

# What is known of each kind of project. One request tells of one kind.
METRICS = {
    "a Discord bot": ("server_count", "shard_count"),
    "a Discord server": ("member_count", "online_count"),
    "a Roblox game": ("player_count",),
}

# Discord's ids are text in JSON. The libraries keep them as numbers, of which JavaScript would
# round those above this one.
SNOWFLAKES = {"id", "application_id", "guild_id", "version"}
LARGEST_EXACT = 2**53 - 1

NAIVE = (
    "takes an aware datetime, and this one has no time zone: "
    "{0}.replace(tzinfo=timezone.utc) if it is in UTC, {0}.astimezone() if it is in local time"
)


def text(value: Any, name: str, *, least: int, most: int) -> str:
    """A text of `least` to `most` characters.

    Raises:
        TypeError: it is no text.
        ValueError: it is too short or too long, or can't be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} takes text, not {type(value).__name__}")
    if not least <= len(value) <= most:
        raise ValueError(f"{name} takes {least:,} to {most:,} characters, not {len(value):,}")
    return _sendable(value, name)


def localized(values: Any, name: str, *, least: int, most: int) -> dict[str, str]:
    """Texts by locale.

    Raises:
        TypeError: it is no mapping of texts.
        ValueError: it is empty, or a locale or a length can't be.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f'{name} takes texts by locale, as in {{"en": "..."}}, not {type(values).__name__}'
        )
    if not values:
        raise ValueError(f"{name} takes at least one locale's text")
    for locale in values:
        if locale not in LOCALES:
            raise ValueError(f"{name} takes {', '.join(LOCALES)}; not {locale!r}")
    return {
        locale: text(value, f"{name}[{locale!r}]", least=least, most=most)
        for locale, value in values.items()
    }


def metrics(values: Mapping[str, Any], name: str) -> dict[str, int]:
    """The numbers of one sample; None counts as left out.

    Raises:
        TypeError: a number is none.
        ValueError: there is none at all, or they do not go together.
    """
    known = [metric for kind in METRICS.values() for metric in kind]
    for metric in values:
        if metric not in known:
            raise ValueError(f"{name} takes {', '.join(known)}; not {metric!r}")
    given = {metric: value for metric, value in values.items() if value is not None}
    given = {
        metric: count(value, f"{name}: {metric}", most=LARGEST_EXACT)
        for metric, value in given.items()
    }
    if not any(given.keys() <= set(kind) for kind in METRICS.values()):
        kinds = "; ".join(f"{kind}'s {' and '.join(own)}" for kind, own in METRICS.items())
        raise ValueError(
            f"{name} takes the metrics of one kind of project ({kinds}), not a mixture"
        )
    if not given:
        raise ValueError(f"{name} takes at least one of {', '.join(known)}")
    members, online = given.get("member_count"), given.get("online_count")
    if members is not None and online is not None and online > members:
        raise ValueError(f"{name}: online_count is at most member_count, {members}, not {online}")
    return given


def sample(entry: Any, name: str, now: datetime) -> dict[str, object]:
    """A pair of a timestamp (or None) and metrics, as top.gg's batch takes it.

    Raises:
        TypeError: it is no such pair.
        ValueError: the timestamp is naive or too far ahead, or the metrics can't be.
    """
    if isinstance(entry, (str, bytes, Mapping)) or not isinstance(entry, Iterable):
        raise TypeError(f"{name} takes (timestamp or None, metrics), not {type(entry).__name__}")
    parts = tuple(entry)
    if len(parts) != 2 or not isinstance(parts[1], Mapping):
        raise TypeError(f"{name} takes (timestamp or None, {{metric: number}}), not {entry!r}")
    at, values = parts
    checked: dict[str, object] = {"metrics": metrics(values, name)}
    if at is None:
        return checked
    if aware_datetime(at, f"{name}: its timestamp") > now + AHEAD:
        raise ValueError(f"{name}: its timestamp is more than 5 minutes ahead: {at}")
    return {**checked, "timestamp": timestamp(at)}


def since(value: Any, name: str, now: datetime) -> datetime:
    """A moment from which the vote history can be asked for.

    Raises:
        TypeError: it is no datetime.
        ValueError: it is naive, or more than a year ago.
    """
    # A little more may be right: the year is counted from when top.gg hears of it.
    if aware_datetime(value, name) < year_ago(now) - timedelta(minutes=1):
        raise ValueError(f"{name} takes a moment of the last year, not {value}: top.gg has no more")
    return value  # type: ignore[no-any-return]


def year_ago(now: datetime) -> datetime:
    """How far back the vote history goes."""
    return now - timedelta(days=365)


def cursor(value: Any, name: str) -> str:
    """A cursor of the vote history.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, or can't be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a cursor, which is text, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} takes a cursor, or None to begin without one; not an empty text")
    return _sendable(value, name)


def timestamp(moment: datetime) -> str:
    """A moment as top.gg takes it: ISO 8601, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def commands(given: Any, name: str) -> list[dict[str, Any]]:
    """Discord's application commands, from dictionaries or from objects with a `to_dict()`.

    Raises:
        TypeError: one of them is neither, or holds what is no JSON.
        ValueError: one has no name.
    """
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} takes a list of commands, not {type(given).__name__}")
    try:
        found = [_command(one, f"{name}: number {place}") for place, one in enumerate(given, 1)]
        msgspec.json.encode(found)
    except RecursionError:
        raise ValueError(
            f"{name}: one of the commands is nested too deeply, or in itself"
        ) from None
    except (UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise TypeError(f"{name} takes commands as Discord has them, in JSON: {error}") from None
    return found


def _command(given: Any, name: str) -> dict[str, Any]:
    command = given
    if not isinstance(given, Mapping):
        if not callable(getattr(given, "to_dict", None)):
            raise TypeError(
                f"{name} should be a dictionary or have a to_dict(); it is a {type(given).__name__}"
            )
        try:
            command = given.to_dict()
        except TypeError as error:
            raise TypeError(
                f"{name}, a {type(given).__name__}, has no to_dict() without arguments ({error}); "
                "with discord.py, give what `await bot.tree.fetch_commands()` returns"
            ) from None
    if not isinstance(command, Mapping):
        raise TypeError(f"{name}: its to_dict() gave no dictionary, but a {type(command).__name__}")
    if not isinstance(command.get("name"), str) or not command["name"]:
        raise ValueError(f"{name} has no name")
    return cast("dict[str, Any]", _with_text_ids(command))


def _with_text_ids(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: str(item)
            if key in SNOWFLAKES and isinstance(item, int) and item > LARGEST_EXACT
            else _with_text_ids(item)
            for key, item in value.items()
        }
    return [_with_text_ids(item) for item in value] if isinstance(value, (list, tuple)) else value


def aware_datetime(value: Any, name: str) -> datetime:
    """A datetime that says which moment it is.

    Raises:
        TypeError: it is none.
        ValueError: it has no time zone, or is beyond the times that UTC has.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} takes a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError(f"{name} {NAIVE.format('moment')}")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} takes a moment that exists in UTC, not {value}") from None
    return value


def _sendable(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} takes text that can be sent: it has half a character") from None
    return str.__str__(value)  # of a subclass, an enum's member say, the text alone


Search = Mapping[str, object] | str
"""Fields and what they must contain, or a text in top.gg's own form."""


def search_of(search: Any, sort: Any) -> dict[str, object]:
    """The query for a search: top.gg takes `key: value, key: value`."""
    query: dict[str, object] = {}
    if isinstance(search, Mapping):
        search = ", ".join(f"{key}: {value}" for key, value in search.items())
    if search is not None and not isinstance(search, str):
        raise TypeError(f"search takes a dict or text, not {type(search).__name__}")
    if search:
        query["search"] = search
    if sort is not None and not isinstance(sort, str):
        raise TypeError(f"sort takes a field's name, not {type(sort).__name__}")
    if sort:
        query["sort"] = sort
    return query


def shown(limit: int, offset: int, found: Mapping[str, object]) -> list[str]:
    """The arguments of a search, for the call's repr."""
    given = {"limit": limit, "offset": offset, **found}
    return [f"{name}={value!r}" for name, value in given.items() if value or name == "limit"]
