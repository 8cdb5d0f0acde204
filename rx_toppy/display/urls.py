"""Which of other people's URLs may become a link or a picture."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

__all__ = ["Url", "discord_invite", "web_url"]

LONGEST = 1_000

HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
INVITE = re.compile(r"[A-Za-z0-9-]{2,32}")


class Url(str):
    """A URL that was looked at: of http or https, and to the host that it seems to lead to."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Where it leads."""
        return urlsplit(self).hostname or ""

    @property
    def is_secure(self) -> bool:
        """Whether it is of https."""
        return self.startswith("https:")


def web_url(text: str | None) -> Url | None:
    """A text as a URL that is safe to follow, or None where it is none.

    Refused is whatever a browser could read in another way: control characters, white space,
    backslashes, a user before the host, a host that is not plain ASCII.
    """
    if not text or len(text) > LONGEST or not text.isprintable() or set(' "<>\\^`{|}') & set(text):
        return None
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    host = parts.hostname or ""
    is_web = parts.scheme in ("http", "https") and HOST.fullmatch(host) and "@" not in parts.netloc
    if not is_web:
        return None
    try:
        tail = quote(parts._replace(scheme="", netloc="").geturl(), safe="/%:?#[]@!$&'()*+,;=~-._")
    except UnicodeEncodeError:
        return None
    slash = "" if tail.startswith("/") else "/"
    url = f"{parts.scheme}://{host}{port}{slash}{tail}"
    return Url(url) if len(url) <= LONGEST else None


def discord_invite(text: str | None) -> Url | None:
    """Where an invite leads: a code, or the whole URL."""
    if text and INVITE.fullmatch(text):
        return Url(f"https://discord.gg/{text}")
    return web_url(text)
