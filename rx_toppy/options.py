"""What a client and its searches are given, checked and put into form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from .api.rate_limits import RateLimit

if TYPE_CHECKING:
    from .cluster import RedisCluster

__all__ = [
    "Search",
    "checked_cluster",
    "checked_limits",
    "checked_session",
    "checked_token",
    "checked_url",
    "dispatch_of",
    "search_of",
    "shown",
]

Search = Mapping[str, object] | str


def checked_token(token: Any) -> str:
    """A token of top.gg's; an error that does not show it where it is none."""
    # What was given stays out of the message: it may be a real token with a slip in it.
    if not isinstance(token, str):
        raise TypeError(f"token takes text, not {type(token).__name__}")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "token takes a token of top.gg: printable ASCII without spaces, and not empty "
            "(is the environment variable set?)"
        )
    return token


def checked_url(url: Any) -> str:
    """A base URL, without a slash at its end."""
    if not isinstance(url, str):
        raise TypeError(f"base_url takes text, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an odd port, or brackets that do not match
        is_url = False
    if not is_url or not url.isprintable() or set(" ?#") & set(url):
        raise ValueError(f"base_url takes an http or https URL without a query, not {url!r}")
    if parts.username or parts.password:
        raise ValueError("base_url takes a URL without a username and password")
    return url.rstrip("/")


def checked_session(session: Any) -> aiohttp.ClientSession | None:
    """A session of the user's own, or None."""
    if session is not None and not isinstance(session, aiohttp.ClientSession):
        raise TypeError(f"session takes an aiohttp.ClientSession, not {type(session).__name__}")
    return session


def checked_cluster(cluster: Any) -> RedisCluster:
    """A cluster."""
    # (It is not imported here: those who have no cluster don't load it.)
    is_text = isinstance(cluster, (str, bytes, bytearray))
    if is_text or not callable(getattr(type(cluster), "join", None)):
        raise TypeError(
            "cluster takes a rx_toppy.cluster.RedisCluster, not "
            f"{'text' if isinstance(cluster, str) else type(cluster).__name__}"
        )
    checked: RedisCluster = cluster
    return checked


def checked_limits(limits: Any) -> tuple[RateLimit, ...]:
    """Rate limits."""
    if isinstance(limits, RateLimit) or not isinstance(limits, Sequence):
        raise TypeError("rate_limits takes a sequence of RateLimit, () for none")
    for limit in limits:
        if not isinstance(limit, RateLimit):
            raise TypeError(f"rate_limits takes RateLimit after RateLimit, not {limit!r}")
    return tuple(limits)


def dispatch_of(bot: Any) -> Callable[..., Any] | None:
    """How a bot's own listeners are told of events, if it has any."""
    if not callable(getattr(bot, "dispatch", None)):
        return None

    def dispatch(*args: Any, **kwargs: Any) -> None:
        # Looked up anew each time: a bot may be given another one later.
        if _can_listen(bot):
            bot.dispatch(*args, **kwargs)

    return dispatch


def _can_listen(bot: Any) -> bool:
    """Whether a bot's listeners can run: before it starts discord.py has no loop for them."""
    try:
        loop = getattr(bot, "loop", None)
    except RuntimeError:
        return False
    # In its place there is an object then that can nothing at all.
    return loop is None or hasattr(loop, "create_task")


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
