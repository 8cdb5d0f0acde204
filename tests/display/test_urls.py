"""Which addresses become links."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy import Bot
from rx_toppy.display import html_of
from rx_toppy.display.html import discord_invite, web_url
from tests.display import HOSTILE, Page


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://bot.example", "https://bot.example/"),
        ("http://bot.example:8080/a?b=1&c=2#d", "http://bot.example:8080/a?b=1&c=2#d"),
        ("HTTPS://Bot.Example/Path", "https://bot.example/Path"),
        ("https://bot.example?x=1", "https://bot.example/?x=1"),
        ("https://bot.example/%20%C3%A4", "https://bot.example/%20%C3%A4"),
        ("https://bot.example/ä", "https://bot.example/%C3%A4"),
        ("https://bot.example//other.example/", "https://bot.example//other.example/"),
    ],
)
def test_an_ordinary_address_leads_where_it_says(text: str, url: str) -> None:
    """http and https, with whatever stands behind the host."""
    assert web_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "bot.example",
        "//bot.example/",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://bot.example",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://bot.example/",
        "https:bot.example",
        "https:///bot.example",
        "https://",
        "https://user@evil.example/",
        "https://bot.example@evil.example/",
        "https://:password@evil.example/",
        "https://bot.example\\@evil.example/",
        "https://bot.example%2eevil.example/",
        "https://bot.example\n.evil.example/",
        "https://bot.example /",
        'https://bot.example/"onclick="x',
        "https://bot.example/<script>",
        "https://bot.example/\u202egpj.exe",
        "https://bot.example/\u200b",
        "https://b\u043et.example/",
        "https://[::1",
        "https://bot.example:port/",
        "https://bot.example:99999/",
        "https://bot.example/\ud800",
        "https://bot.example/" + "x" * 2_000,
        "https://bot.example/" + "ä" * 400,
    ],
)
def test_any_other_is_no_link(text: str | None) -> None:
    """Other schemes, users before the host, what a browser may read otherwise, what is too long."""
    assert web_url(text) is None
    assert discord_invite(text) is None


def test_an_invite_is_a_code_or_an_address() -> None:
    """As top.gg has it, a code; a whole URL will do."""
    assert discord_invite("KYZsaFb") == "https://discord.gg/KYZsaFb"
    assert discord_invite("https://discord.gg/x-1") == "https://discord.gg/x-1"
    assert discord_invite("../evil") is None


@given(st.one_of(st.text(), st.from_regex(r"https?:[/\\@.a-z0-9:?#%\[\]\s]{1,30}", fullmatch=True)))
def test_a_link_is_plain_whatever_the_text(text: str) -> None:
    """What is let through has a scheme, a plain host and printable ASCII behind it."""
    url = web_url(text)
    if url is not None:
        assert re.fullmatch(r"https?://[a-z0-9._-]+(:\d+)?/[!-~]*", url)
        assert not set('"<>\\^`{|}') & set(url)
        assert web_url(url) == url


def test_a_bots_links_are_those_that_are_safe() -> None:
    """All of them where they are; none for what is no address, and the card is whole."""
    bot = Bot(
        id=1,
        website="https://bot.example/x?a=1&b=2",
        support="abc",
        github="https://github.com/o/r",
        _invite="https://discord.com/oauth2/authorize?client_id=1",
    )
    assert Page(html_of(bot)).links == [
        "https://top.gg/bot/1",
        "https://discord.com/oauth2/authorize?client_id=1",
        "https://discord.gg/abc",
        "https://bot.example/x?a=1&b=2",
        "https://github.com/o/r",
    ]
    bad = HOSTILE["another host"]
    bot = Bot(id=1, website=bad, support=bad, github=bad, _invite=bad)
    assert Page(html_of(bot)).links == ["https://top.gg/bot/1"]
