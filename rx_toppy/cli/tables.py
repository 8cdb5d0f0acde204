"""Tables and sheets: by rich in a terminal, and as plain aligned text elsewhere."""

from __future__ import annotations

import os
import shutil
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO

from .text import is_unicode, writable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table as Grid

LONGEST_CELL = 100  # characters, where a line may be as long as it likes
LONGEST_VALUE = 300
LEAST_FLEXIBLE = 10  # characters
GAP = 2
MARK = "…"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        heading: What stands over it.
        is_number: Whether it is aligned to the right.
        is_flexible: Whether it is cut where a line would be too long.
        style: How a terminal shows it.
    """

    heading: str
    is_number: bool = False
    is_flexible: bool = False
    style: str = ""


class Table(NamedTuple):
    """Rows of cells, and a line below them."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: str


class Sheet(NamedTuple):
    """What is known of one thing: names and values."""

    title: str
    rows: Sequence[tuple[str, str]]


def show(what: Table | Sheet, out: TextIO) -> None:
    """Prints it, as wide as the terminal (or `COLUMNS`) at the most.

    Whatever it holds, nothing of it is obeyed by a terminal.
    """
    what = _harmless(what, out.encoding)
    if out.isatty() and os.environ.get("TERM") != "dumb":
        with suppress(ImportError):
            _draw(what, out)
            return
    is_bound = out.isatty() or "COLUMNS" in os.environ
    width = shutil.get_terminal_size().columns if is_bound else None
    lines = _table(what, width) if isinstance(what, Table) else _sheet(what, width)
    out.writelines(f"{line}\n" for line in lines)


def fitting(table: Table, width: int | None, measure: Callable[[str], int]) -> list[int]:
    """How wide each column is, so that a line is no wider than all there is.

    Only flexible columns give way, the last of them first.

    Args:
        table: The table.
        width: How many columns of characters there are; None for as many as it takes.
        measure: How wide a text is.
    """
    widths = [
        max(measure(column.heading), *(measure(row[at]) for row in table.rows), 1)
        for at, column in enumerate(table.columns)
    ]
    excess = 0 if width is None else sum(widths) + GAP * (len(widths) - 1) - width
    for at in reversed(range(len(widths))):
        if table.columns[at].is_flexible:
            given_up = max(0, min(excess, widths[at] - LEAST_FLEXIBLE))
            widths[at] -= given_up
            excess -= given_up
    return widths


def cut(text: str, length: int) -> str:
    """The beginning of a text, on one line, with a mark where there is more of it."""
    text = " ".join(text[: 8 * length].split())
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}{MARK}"


def _harmless(what: Table | Sheet, encoding: str | None) -> Table | Sheet:
    def plain(text: str, length: int) -> str:
        text = cut(writable(text, "utf-8"), length)
        return text if is_unicode(encoding) else writable(text.replace(MARK, "."), encoding)

    if isinstance(what, Table):
        rows = [[plain(cell, LONGEST_CELL) for cell in row] for row in what.rows]
        return what._replace(rows=rows, foot=plain(what.foot, LONGEST_VALUE))
    values = [(name, plain(value, LONGEST_VALUE)) for name, value in what.rows]
    return Sheet(plain(what.title, LONGEST_CELL), values)


def _table(table: Table, width: int | None) -> Iterator[str]:
    widths = fitting(table, width, _cells)
    for cells in ([column.heading for column in table.columns], *table.rows):
        line = []
        for column, cell, size in zip(table.columns, cells, widths, strict=True):
            text = _shortened(cell, size)
            space = " " * (size - _cells(text))
            line.append(space + text if column.is_number else text + space)
        yield (" " * GAP).join(line).rstrip()
    yield f"\n{table.foot}"


def _shortened(text: str, width: int) -> str:
    """As much of a text as fits into so many columns."""
    if _cells(text) <= width:
        return text
    room = accumulate(map(_cell, text))
    return "".join(char for char, end in zip(text, room, strict=True) if end < width) + "."


def _sheet(sheet: Sheet, width: int | None) -> Iterator[str]:
    yield sheet.title
    indent = max((len(name) for name, _ in sheet.rows), default=0) + 2 * GAP
    for name, value in sheet.rows:
        beginning = f"{'':{GAP}}{name:<{indent - GAP}}"
        if width is None or width - indent < LEAST_FLEXIBLE:
            yield f"{beginning}{value}".rstrip()
        else:
            lines = textwrap.wrap(value, width - indent) or [""]
            yield f"{beginning}{lines[0]}".rstrip()
            yield from (f"{'':{indent}}{line}" for line in lines[1:])


def _cells(text: str) -> int:
    """How many columns a text takes in a terminal."""
    return sum(_cell(character) for character in text) if not text.isascii() else len(text)


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _draw(what: Table | Sheet, out: TextIO) -> None:
    """Prints it by rich. All that it shows is plain text: markup and links in it mean nothing.

    Raises:
        ImportError: rich is not installed; nothing was printed.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False)
    console.print(_drawn_table(what, console) if isinstance(what, Table) else _drawn_sheet(what))
    if isinstance(what, Table):
        console.print(Text(f"\n{what.foot}", "dim"))


def _drawn_table(table: Table, console: Console) -> Grid:
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    overflow: Literal["crop", "ellipsis"] = "ellipsis" if is_unicode(console.encoding) else "crop"
    grid = Grid(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    widths = fitting(table, console.width, cell_len)
    for column, width in zip(table.columns, widths, strict=True):
        grid.add_column(
            Text(column.heading),
            justify="right" if column.is_number else "left",
            style=column.style,
            width=width,
            no_wrap=True,
            overflow=overflow,
        )
    for row in table.rows:
        grid.add_row(*map(Text, row))
    return grid


def _drawn_sheet(sheet: Sheet) -> Panel:
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in sheet.rows:
        grid.add_row(Text(name), Text(value))
    title = Text(sheet.title, "bold")
    return Panel(
        Padding(grid, (0, 1)), title=title, title_align="left", border_style="dim", expand=False
    )
