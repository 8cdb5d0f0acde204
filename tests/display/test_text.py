"""Other people's text in a line: what goes, what stays, and where it is cut."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy.display.html import clean, shorten
from tests.display import HOSTILE, ZALGO

anything = st.text(st.characters(exclude_categories=()), max_size=200)
# What piles up, hides and joins, in every order.
awkward = st.text(st.sampled_from("ab \t\u0300\u0301\u20dd\u200b\u200d\u200c\u202e\ud800…"))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("  two \r\n lines\t", "two lines"),
        ("a\u2028b\x85c\u3000d", "a b c d"),
        ("a\u202ebc\u2069\u200b\ufeff\u00ad", "abc"),
        ("nul\0 bell\a", "nul bell"),
        ("half \ud83d", "half \ufffd"),
        ("x\u3164\u3164\u2800y", "x y"),
        (ZALGO, "Z\u0316\u0317\u0352lgo"),
        ("\u0301\u0301accent", "accent"),
        ("\U000e0041tag\ufffe", "tag"),
    ],
)
def test_what_is_not_to_be_seen_goes(text: str, seen: str) -> None:
    """Controls, directions and nothings go; space is one space; marks don't pile up."""
    assert shorten(text, 100) == seen


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧 family",
        "می‌خواهم",
        "e\u0301tude",
        "Tiếng Việt",
        "สวัสดีครับ",
        "שָׁלוֹם",
        "日本語",
        "☕️",
        "\U0001fae8",
    ],
)
def test_what_languages_and_emoji_need_stays(text: str) -> None:
    """Joiners, variants and marks that mean something are left as they are."""
    assert shorten(text, 100) == text


def test_a_long_text_ends_where_it_is_cut() -> None:
    """Exactly the limit fits; one more is cut by one, and says so."""
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 11, 10) == "x" * 9 + "…"
    assert shorten("\u200b" * 1_000 + "seen", 10) == "seen"
    assert shorten("a" + "\u200b" * 100_000 + "unseen", 10) == "a…"


@given(st.one_of(anything, awkward, st.sampled_from(list(HOSTILE.values()))), st.integers(1, 50))
def test_any_text_is_one_short_line(text: str, limit: int) -> None:
    """Within the limit, encodable, without controls, and nothing over which marks pile up."""
    line = clean(text, limit)
    assert len(line) <= limit
    line.encode()
    assert not {"Cc", "Cs", "Zl", "Zp"} & set(map(category, line))
    assert "  " not in line
    marks = "".join(
        "m" if category(c) in ("Mn", "Me") else c for c in line if c not in "\u200c\u200d"
    )
    assert "mmmm" not in marks


@given(st.one_of(anything, awkward), st.integers(1, 50))
def test_twice_is_the_same_as_once(text: str, limit: int) -> None:
    """What was made fit is fit."""
    once = clean(text, limit)
    assert clean(once, limit) == once
    assert clean(once) == once


@given(anything, st.integers(1, 300))
def test_letters_and_digits_stay_in_their_order(text: str, limit: int) -> None:
    """Of what people read, only the end is cut off."""
    before = "".join(c for c in text if c.isalnum() and c not in "\u3164\u115f\u1160\uffa0")
    after = "".join(c for c in clean(text, limit) if c.isalnum())
    assert before.startswith(after)
    assert before == after or "…" in clean(text, limit)
