"""The builder: no way to make markup of text, nor to link to what was not looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rx_toppy.display.html import Element, Url, web_url
from tests.display import HOSTILE, Page

anything = st.text(st.characters(exclude_categories=()), max_size=200)


@given(anything, anything)
def test_text_and_values_are_escaped(text: str, value: str) -> None:
    """Whatever is handed in as text or as an attribute's value, the outline stays."""
    html = str(Element("div", text, Element("span", align=value), None, "end"))
    page = Page(html)
    assert page.text.endswith("end")
    assert html.count("<div>") == 1


@pytest.mark.parametrize("text", HOSTILE.values())
def test_a_forgotten_limit_does_no_harm(text: str) -> None:
    """Text that nobody has shortened is of bounded length all the same."""
    assert len(Page(str(Element("div", text))).text) <= 500


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("script", {}), ("iframe", {}), ("div", {"onclick": "x"}), ("div", {"srcdoc": "x"})],
)
def test_other_names_are_refused(name: str, attributes: dict[str, Any]) -> None:
    """No display has scripts, frames or handlers."""
    with pytest.raises(ValueError, match="no display has"):
        Element(name, **attributes)


def test_an_address_is_one_that_was_looked_at() -> None:
    """A plain text is no address, however harmless it looks."""
    for key in ("href", "src"):
        with pytest.raises(TypeError, match=f"{key} takes a Url, not str"):
            Element("a", **{key: "https://top.gg/"})
    url = web_url("https://top.gg/")
    assert isinstance(url, Url)
    assert Page(str(Element("a", href=url, rel="noopener noreferrer nofollow"))).links == [url]


def test_tex_is_taken_apart() -> None:
    """What begins and ends TeX stands by itself, where MathJax finds no other end."""
    html = str(Element("div", "$a$ \\(b\\)"))
    assert html == (
        "<div><span>&#36;</span>a<span>&#36;</span> <span>&#92;</span>(b<span>&#92;</span>)</div>"
    )
