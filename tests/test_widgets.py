"""The URLs of widgets: pictures of a project's numbers, which need no token and no request."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import rx_toppy
from rx_toppy import SimpleUser, StandaloneBot, widgets
from rx_toppy.widgets import ColorOptions, ColourOptions, large_widget, small_widget

ID = 264811613708746752
LARGE = [
    "topcolor",
    "midcolor",
    "usernamecolor",
    "certifiedcolor",
    "datacolor",
    "labelcolor",
    "highlightcolor",
]
SMALL = ["avatar_background", "leftcolor", "rightcolor", "lefttext", "righttext"]
KEYS = ["owner", "status", "upvotes", "servers", "lib"]

V1: dict[str, Callable[..., str]] = {
    "large": widgets.large,
    "small/votes": widgets.votes,
    "small/owner": widgets.owner,
    "small/social": widgets.social,
}
every_v1 = pytest.mark.parametrize(("path", "make"), V1.items(), ids=V1.keys())


def small(id: Any, *args: Any, **kwargs: Any) -> str:
    """A small widget of the old API; of votes, if nothing else is said."""
    return small_widget(id, *args, **({"key": "upvotes"} | kwargs))


LEGACY: list[Any] = [
    pytest.param(large_widget, f"https://top.gg/api/widget/{ID}", LARGE, SMALL, id="large"),
    pytest.param(small, f"https://top.gg/api/widget/upvotes/{ID}", SMALL, LARGE, id="small"),
]
every_legacy = pytest.mark.parametrize(("make", "base", "own", "foreign"), LEGACY)


def colours(url: str) -> dict[str, str]:
    """The colours that a URL asks for."""
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) if "?" in url else {}


# --- v1 ---


@every_v1
@pytest.mark.parametrize(
    ("platform", "type"), [("discord", "bot"), ("discord", "server"), ("roblox", "game")]
)
def test_a_widget_of_v1(path: str, make: Any, platform: Any, type: Any) -> None:
    """Kind, platform and type of the project, and its id."""
    url = f"https://top.gg/api/v1/widgets/{path}/{platform}/{type}/{ID}"
    assert make(ID, platform, type) == make(ID, platform=platform, type=type) == url


@every_v1
def test_a_widget_of_v1_is_a_discord_bots(path: str, make: Any) -> None:
    """If nothing else is said."""
    assert make(ID) == f"https://top.gg/api/v1/widgets/{path}/discord/bot/{ID}"
    assert make(ID, type="server") == f"https://top.gg/api/v1/widgets/{path}/discord/server/{ID}"


@every_v1
@pytest.mark.parametrize(
    ("platform", "type"),
    [
        ("discord", "game"),
        ("roblox", "bot"),
        ("roblox", "server"),
        ("steam", "game"),
        ("Discord", "bot"),
        ("discord", "guild"),
        ("discord", ""),
        ("", "bot"),
        ("discord/bot", ""),
        (None, None),
        (["discord"], "bot"),
    ],
)
def test_there_are_three_kinds_of_projects(path: str, make: Any, platform: Any, type: Any) -> None:
    """Any other platform and type, and any other pair of them, is a ValueError."""
    with pytest.raises(ValueError, match="platform"):
        make(ID, platform, type)


# --- the old API ---


@pytest.mark.parametrize("format", ["svg", "png"])
def test_widgets_of_the_old_api(format: Any) -> None:
    """A large one, and small ones by their key."""
    assert large_widget(ID, format) == f"https://top.gg/api/widget/{ID}.{format}"
    for key in KEYS:
        url = f"https://top.gg/api/widget/{key}/{ID}.{format}"
        assert small_widget(ID, format, key=key) == url  # type: ignore[arg-type]


def test_a_widget_is_a_vector_graphic() -> None:
    """If nothing else is said."""
    assert large_widget(ID).endswith(f"{ID}.svg")
    assert small(ID).endswith(f"{ID}.svg")


@every_legacy
def test_a_format_may_be_in_capitals(make: Any, base: str, own: Any, foreign: Any) -> None:
    """As toppy has it; the URL has it small."""
    assert make(ID, "PNG") == f"{base}.png"


@every_legacy
@pytest.mark.parametrize("format", ["", "gif", "jpeg", ".svg", "svg ", "svg?x=1", None, 5, b"svg"])
def test_other_formats_are_refused(
    format: Any, make: Any, base: str, own: Any, foreign: Any
) -> None:
    """There are svg and png."""
    with pytest.raises(ValueError, match="format"):
        make(ID, format)


@pytest.mark.parametrize("key", ["", "votes", "social", "owner/", "../owner", None, 5, ["lib"]])
def test_other_keys_are_refused(key: Any) -> None:
    """There are five."""
    with pytest.raises(ValueError, match="key"):
        small_widget(ID, key=key)


def test_a_small_widget_needs_a_key() -> None:
    """Nobody guesses what it shall show."""
    with pytest.raises(TypeError):
        small_widget(ID)  # type: ignore[call-arg]


# --- whose ---

ANY: list[Callable[..., str]] = [*V1.values(), large_widget, small]
every_widget = pytest.mark.parametrize("make", ANY, ids=[*V1, "large_widget", "small_widget"])

WHO: dict[str, object] = {
    "int": ID,
    "str": str(ID),
    "object": SimpleNamespace(id=ID),
    "object with text": SimpleNamespace(id=str(ID)),
    "model": SimpleUser(id=ID),
    "bot": StandaloneBot(ID),
    "user of a bot": StandaloneBot(ID).user,
}


@every_widget
@pytest.mark.parametrize("who", WHO.values(), ids=WHO.keys())
def test_whose_widget_comes_in_any_form(make: Any, who: Any) -> None:
    """A number, a text of digits, or anything with an id."""
    assert make(who) == make(ID)


@every_widget
@pytest.mark.parametrize("who", [None, True, 1.5, b"1", [ID], {"id": ID}, SimpleNamespace(id=None)])
def test_what_has_no_id_is_a_type_error(make: Any, who: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(TypeError, match="id"):
        make(who)


@every_widget
@pytest.mark.parametrize("who", [0, -1, 2**63, "", "abc", "@me", "1/../2", "1?x", "²", "1 "])
def test_what_can_be_no_id_is_a_value_error(make: Any, who: Any) -> None:
    """And nothing of it gets into a URL."""
    with pytest.raises(ValueError, match="id"):
        make(who)


# --- colours ---


class Colour:
    """A colour as Discord libraries have it."""

    def __init__(self, value: int) -> None:
        self.value = value


class Palette(Enum):
    """Somebody's colours."""

    BLURPLE = "#7289da"


COLOURS: dict[str, tuple[Any, str]] = {
    "text": ("7289da", "7289da"),
    "text with #": ("#7289da", "7289da"),
    "capitals": ("#7289DA", "7289da"),
    "three digits": ("fa3", "ffaa33"),
    "three with #": ("#FA3", "ffaa33"),
    "int": (0x7289DA, "7289da"),
    "black": (0, "000000"),
    "black text": ("000", "000000"),
    "white": (0xFFFFFF, "ffffff"),
    "small int": (0xFF, "0000ff"),
    "object": (Colour(0x7289DA), "7289da"),
    "black object": (Colour(0), "000000"),
    "enum": (Palette.BLURPLE, "7289da"),
}


@every_legacy
@pytest.mark.parametrize(("colour", "hex"), COLOURS.values(), ids=COLOURS.keys())
def test_colours_come_in_many_forms(
    colour: Any, hex: str, make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """Always six hexadecimal digits arrive, for every part of the picture."""
    for name in own:
        expected = f"{base}.svg?{name}={hex}"
        assert make(ID, **{name: colour}) == expected
        assert make(ID, formatting={name: colour}) == expected
        assert make(ID, formatting=ColourOptions(**{name: colour})) == expected


@every_legacy
def test_colours_are_spelt_in_two_ways(make: Any, base: str, own: list[str], foreign: Any) -> None:
    """British `topcolour` is the same as American `topcolor`, and goes out as the latter."""
    for name in own:
        british = name.replace("color", "colour")
        url = f"{base}.png?{name}=ffaa33"
        assert make(ID, "png", **{british: "fa3"}) == url
        assert make(ID, "png", formatting={british: "fa3"}) == url
        assert make(ID, "png", formatting=ColourOptions(**{british: "fa3"})) == url


@every_legacy
def test_all_colours_together(make: Any, base: str, own: list[str], foreign: Any) -> None:
    """Each part has its own."""
    wanted = {name: f"{number:06x}" for number, name in enumerate(own)}
    url = make(ID, **wanted)
    assert colours(url) == wanted
    assert url.startswith(f"{base}.svg?")


BAD: list[Any] = [
    *((value, ValueError) for value in ("#", "ff", "ffff", "12345", "1234567", "red", "##fff")),
    *((value, ValueError) for value in ("ggg", "0xffffff", " ffffff", "ffffff&a=b", "１２３")),
    *((value, ValueError) for value in (-1, 0x1000000, Colour(-1), Colour(2**32))),
    *((value, TypeError) for value in (True, 1.5, b"ffffff", (255, 0, 0), [1], object())),
    (Colour("red"), ValueError),  # type: ignore[arg-type]
    (Colour(None), TypeError),  # type: ignore[arg-type]
]


@every_legacy
@pytest.mark.parametrize(("colour", "error"), BAD)
def test_what_is_no_colour_is_refused(
    colour: Any, error: type[Exception], make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """In every way to give it; the error names the part."""
    name = own[1]
    for ask in (
        lambda: make(ID, **{name: colour}),
        lambda: make(ID, formatting={name: colour}),
        lambda: ColourOptions(**{name: colour}),
    ):
        with pytest.raises(error, match=name):
            ask()


@every_legacy
@pytest.mark.parametrize("name", ["color", "colour", "background", "TopColor", "topcolor&x"])
def test_unknown_parts_are_refused(
    name: str, make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """A TypeError that names those that there are."""
    for ask in (
        lambda: make(ID, **{name: "fff"}),
        lambda: make(ID, formatting={name: "fff"}),
        lambda: ColourOptions(**{name: "fff"}),
    ):
        with pytest.raises(TypeError, match=own[-1]):
            ask()


@every_legacy
def test_parts_of_the_other_widget_are_refused_as_keywords(
    make: Any, base: str, own: Any, foreign: list[str]
) -> None:
    """A small widget has no `topcolor`, nor a large one a `lefttext`."""
    for name in foreign:
        with pytest.raises(TypeError, match=name):
            make(ID, **{name: "fff"})


@every_legacy
def test_one_set_of_options_serves_both_kinds(
    make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """Of `formatting` each widget takes its own parts, and leaves the others out."""
    options = ColourOptions(**dict.fromkeys(LARGE + SMALL, "123456"))
    assert colours(make(ID, formatting=options)) == dict.fromkeys(own, "123456")
    assert colours(make(ID, formatting=dict(options))) == dict.fromkeys(own, "123456")


@every_legacy
def test_options_of_the_other_kind_alone_are_no_query(
    make: Any, base: str, own: Any, foreign: list[str]
) -> None:
    """Nothing is left of them, not even the question mark."""
    options = ColourOptions(**dict.fromkeys(foreign, "123456"))
    for formatting in (options, ColourOptions(), {}, None):
        assert make(ID, formatting=formatting) == f"{base}.svg"


@every_legacy
def test_a_keyword_counts_more_than_the_options(
    make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """They can be had with one part changed, in either spelling."""
    first, second = own[1], own[2]
    options = ColourOptions(**{first: "111", second: "222"})
    british = first.replace("color", "colour")
    assert colours(make(ID, formatting=options, **{british: "333"})) == {
        first: "333333",
        second: "222222",
    }
    assert colours(make(ID, formatting=options))[first] == "111111"


def test_options_are_a_dictionary() -> None:
    """By top.gg's names, in six digits; equal options are equal, and there are two spellings."""
    options = ColourOptions(topcolour="#fff", lefttext=0)
    assert options == {"topcolor": "ffffff", "lefttext": "000000"}
    assert options == ColorOptions(topcolor=0xFFFFFF, lefttext="000")
    assert isinstance(options, dict)


def test_options_that_were_changed_are_looked_at_again() -> None:
    """What was put into them afterwards counts, and is checked."""
    options = ColourOptions(topcolor="fff")
    options["datacolour"] = Colour(0x123456)
    assert colours(large_widget(ID, formatting=options)) == {
        "topcolor": "ffffff",
        "datacolor": "123456",
    }
    options["midcolor"] = "no colour"
    with pytest.raises(ValueError, match="midcolor"):
        large_widget(ID, formatting=options)


def test_formatting_is_any_mapping() -> None:
    """Also one that can't be changed."""
    formatting = MappingProxyType({"topcolour": "fff"})
    assert colours(large_widget(ID, formatting=formatting)) == {"topcolor": "ffffff"}


def test_widgets_are_at_hand() -> None:
    """`rx_toppy.widgets` needs no import of its own."""
    assert rx_toppy.widgets is widgets


@every_legacy
@pytest.mark.parametrize("empty", ["", None])
def test_empty_colours_are_left_out(
    empty: Any, make: Any, base: str, own: list[str], foreign: Any
) -> None:
    """As toppy does: a colour that was not chosen is not sent."""
    assert make(ID, formatting={own[1]: empty}) == f"{base}.svg"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("left_colour", "leftcolor"),
        ("left_text_colour", "lefttext"),
        ("right_textcolor", "righttext"),
        ("avatar_colour", "avatar_background"),
    ],
)
def test_toppys_spellings_are_known(spelling: str, name: str) -> None:
    """The parts of a small widget go by all the names that toppy knows."""
    url = small_widget(ID, key="owner", formatting=ColourOptions(**{spelling: "fff"}))
    assert url.endswith(f"?{name}=ffffff")


@pytest.mark.parametrize("formatting", ["topcolor=fff", [("topcolor", "fff")], {1: "fff"}])
def test_formatting_is_colours_by_name(formatting: Any) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError):
        large_widget(ID, formatting=formatting)


def test_a_key_may_be_in_capitals() -> None:
    """As it may be with toppy."""
    assert small_widget(ID, "PNG", key="UPVOTES") == small_widget(ID, "png", key="upvotes")  # type: ignore[arg-type]
