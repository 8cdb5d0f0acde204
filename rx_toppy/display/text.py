"""Other people's text made fit to stand in a line: one line, of bounded length and height.

Nothing here knows HTML.
"""

from __future__ import annotations

from unicodedata import category

__all__ = ["LONGEST", "clean", "shorten"]

# No text of a display is longer, whatever it is.
LONGEST = 500
# Nobody reads on where there is nothing to be seen in so many characters.
MOST_READ = 2_000

# So many marks may stand over or under a letter. Languages need two or three.
MOST_MARKS = 3

MARKS = frozenset({"Mn", "Me"})
# They make one of several characters: families of emoji, Persian words.
JOINERS = frozenset("\u200c\u200d")
# Letters and symbols that are nothing but blank: the Hangul fillers, and Braille without a dot.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def shorten(text: str, limit: int) -> str:
    """A text in at most `limit` characters: what is longer ends with "…"."""
    return clean(text, limit).strip()


def clean(text: str, limit: int = LONGEST) -> str:
    """A text without what is not to be seen but changes what is.

    Control and direction characters and what has no width go, white space of any kind is one space,
    halves of a character are U+FFFD, and marks don't pile up. Twice is the same as once.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text
    kept: list[str] = []
    marks = 0
    for character in map(_seen, text[:MOST_READ]):
        last = kept[-1] if kept else ""
        if not character or _is_too_much(character, last, marks):
            continue
        if category(character) in MARKS:
            marks += 1
        elif character not in JOINERS:
            marks = 0
        kept.append(character)
        if len(kept) > limit:
            break
    if len(kept) > limit or len(text) > MOST_READ:
        kept[limit - 1 :] = "…"
    return "".join(kept)


def _seen(character: str) -> str:
    """What is to be seen of a character."""
    kind = category(character)
    if kind in ("Zs", "Zl", "Zp") or character.isspace() or character in BLANKS:
        return " "
    if kind == "Cs":
        return "\ufffd"
    is_unseen = kind in ("Cc", "Cf") and character not in JOINERS
    return "" if is_unseen or _is_reserved(character) else character


def _is_reserved(character: str) -> bool:
    """Whether it is none and never will be, or is reserved for what is not to be seen."""
    number = ord(character)
    is_for_variants = 0xE0100 <= number <= 0xE01EF
    return (
        number & 0xFFFE == 0xFFFE
        or 0xFDD0 <= number <= 0xFDEF
        or (0xE0000 <= number <= 0xE0FFF and not is_for_variants)
    )


def _is_too_much(character: str, last: str, marks: int) -> bool:
    """Whether a character, after others, is one more than is good."""
    if character == " ":
        return last == " "
    if character in JOINERS:
        return last in ("", " ") or last in JOINERS
    return category(character) in MARKS and (last in ("", " ") or marks >= MOST_MARKS)
