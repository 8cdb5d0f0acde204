"""Widgets: the URLs of the pictures that show a project's numbers on a web page or in a README.

They are images on top.gg that need no token. Nothing here sends anything.

    >>> from rx_toppy import widgets
    >>> widgets.large(264811613708746752)
    'https://top.gg/api/v1/widgets/large/discord/bot/264811613708746752'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from .arguments import UserLike, snowflake

__all__ = [
    "ColorOptions",
    "ColourOptions",
    "large",
    "large_widget",
    "owner",
    "small_widget",
    "social",
    "votes",
]

API = "https://top.gg/api"

Platform = Literal["discord", "roblox"]
Kind = Literal["bot", "server", "game"]
Format = Literal["svg", "png"]

PROJECTS = (("discord", "bot"), ("discord", "server"), ("roblox", "game"))
LARGE = (
    "topcolor",
    "midcolor",
    "usernamecolor",
    "certifiedcolor",
    "datacolor",
    "labelcolor",
    "highlightcolor",
)
SMALL = ("avatar_background", "leftcolor", "rightcolor", "lefttext", "righttext")
# What toppy takes as well, in American spelling.
ALIASES = {f"{name.removesuffix('color')}_color": name for name in (*LARGE, *SMALL[1:3])} | {
    "avatar_color": "avatar_background",
    "avatar_backgroundcolor": "avatar_background",
    "left_textcolor": "lefttext",
    "left_text_color": "lefttext",
    "right_textcolor": "righttext",
    "right_text_color": "righttext",
}
SMALL_KEYS = ("owner", "status", "upvotes", "servers", "lib")


def large(id: UserLike, platform: Platform = "discord", type: Kind = "bot") -> str:
    """The URL of the large widget: name, votes, reviews and tags.

    Args:
        id: The bot's, server's or game's id on its platform, or anything with an `.id`.
        platform: "discord" or "roblox".
        type: "bot" or "server" on Discord, "game" on Roblox.

    Raises:
        TypeError, ValueError: an argument can't be.
    """
    return _widget("large", id, platform, type)


def votes(id: UserLike, platform: Platform = "discord", type: Kind = "bot") -> str:
    """The URL of the small widget that shows the votes; arguments as for `large`."""
    return _widget("small/votes", id, platform, type)


def owner(id: UserLike, platform: Platform = "discord", type: Kind = "bot") -> str:
    """The URL of the small widget that shows the owner; arguments as for `large`."""
    return _widget("small/owner", id, platform, type)


def social(id: UserLike, platform: Platform = "discord", type: Kind = "bot") -> str:
    """The URL of the small widget that shows how popular it is; arguments as for `large`."""
    return _widget("small/social", id, platform, type)


class ColourOptions(dict[str, Any]):
    """Colours for the legacy widgets, by name, as toppy's users know it.

    Names are top.gg's (`topcolor`, `lefttext`, ...), also in British spelling (`topcolour`).
    Colours are 0xRRGGBB, text such as "#7289da" or "fff", or anything with such a `value`, as
    `discord.Colour` has.

    Raises:
        TypeError: a name is none, or a colour is nothing of the kind.
        ValueError: no colour is like that.

    Example:
        >>> large_widget(264811613708746752, formatting=ColourOptions(topcolour="#7289da"))
    """

    def __init__(self, **colours: Any) -> None:
        super().__init__(_colours(colours, LARGE + SMALL))


ColorOptions = ColourOptions


def large_widget(
    id: UserLike,
    format: Format = "svg",
    *,
    formatting: Mapping[str, Any] | None = None,
    **colours: Any,
) -> str:
    """The URL of the large widget of top.gg's old API.

    Args:
        id: The bot's id, or anything with an `.id`.
        format: "svg" or "png".
        formatting: Colours by name; those that only small widgets have are left out.
        colours: The same as keywords: `topcolor`, `midcolor`, `usernamecolor`, `certifiedcolor`,
            `datacolor`, `labelcolor`, `highlightcolor`. See `ColourOptions`.

    Raises:
        TypeError, ValueError: an argument can't be.

    Example:
        >>> large_widget(264811613708746752, "png", topcolor="#7289da", datacolor=0xFFFFFF)
        'https://top.gg/api/widget/264811613708746752.png?topcolor=7289da&datacolor=ffffff'
    """
    return _legacy("", id, format, formatting, colours, LARGE)


def small_widget(
    id: UserLike,
    format: Format = "svg",
    *,
    key: Literal["owner", "status", "upvotes", "servers", "lib"],
    formatting: Mapping[str, Any] | None = None,
    **colours: Any,
) -> str:
    """The URL of a small widget of top.gg's old API.

    Args:
        id: The bot's id, or anything with an `.id`.
        format: "svg" or "png".
        key: What it shows: "owner", "status", "upvotes", "servers" or "lib".
        formatting: Colours by name; those that only the large widget has are left out.
        colours: The same as keywords: `avatar_background`, `leftcolor`, `rightcolor`, `lefttext`,
            `righttext`. See `ColourOptions`.

    Raises:
        TypeError, ValueError: an argument can't be.

    Example:
        >>> small_widget(264811613708746752, key="upvotes", leftcolor="#333")
        'https://top.gg/api/widget/upvotes/264811613708746752.svg?leftcolor=333333'
    """
    if str(key).lower() not in SMALL_KEYS:
        raise ValueError(f"key takes {', '.join(SMALL_KEYS)}; not {key!r}")
    return _legacy(f"{str(key).lower()}/", id, format, formatting, colours, SMALL)


def _widget(kind: str, id: UserLike, platform: str, type: str) -> str:
    if (platform, type) not in PROJECTS:
        known = ", ".join(f"{platform} {type}" for platform, type in PROJECTS)
        raise ValueError(f"a widget's platform and type are one of {known}; not {platform} {type}")
    return f"{API}/v1/widgets/{kind}/{platform}/{type}/{snowflake(id, 'a widget')}"


def _legacy(
    key: str,
    id: UserLike,
    format: str,
    formatting: Mapping[str, Any] | None,
    colours: Mapping[str, Any],
    names: tuple[str, ...],
) -> str:
    if str(format).lower() not in ("svg", "png"):
        raise ValueError(f'format takes "svg" or "png", not {format!r}')
    if formatting is not None and not isinstance(formatting, Mapping):
        raise TypeError(f"formatting takes colours by name, not {type(formatting).__name__}")
    given = _colours(formatting or {}, LARGE + SMALL)
    query = {name: given[name] for name in names if name in given} | _colours(colours, names)
    tail = f"?{urlencode(query)}" if query else ""
    return f"{API}/widget/{key}{snowflake(id, 'a widget')}.{str(format).lower()}{tail}"


def _colours(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Colours as top.gg takes them, by its names; those that are None or empty are left out."""
    colours = {}
    for spelling, value in given.items():
        name = str(spelling).replace("colour", "color")
        name = ALIASES.get(name, name)
        if name not in names:
            raise TypeError(f"a widget has no colour {spelling!r}; it has {', '.join(names)}")
        if value is not None and value != "":
            colours[name] = _hex(value, name)
    return colours


def _hex(colour: Any, name: str) -> str:
    """Six hexadecimal digits."""
    value = getattr(colour, "value", colour)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= 0xFFFFFF:
            raise ValueError(f"{name} takes a colour from 0 to 0xFFFFFF, not {value:#x}")
        return f"{value:06x}"
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a colour, not {type(colour).__name__}")
    digits = value.removeprefix("#").lower()
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    if len(digits) != 6 or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{name} takes six hexadecimal digits, not {value!r}")
    return digits
