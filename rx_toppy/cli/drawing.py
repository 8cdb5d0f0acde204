"""Tables and sheets, drawn for terminals. They need rich: import this only to draw them."""

from __future__ import annotations

from typing import Literal, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from .tables import GAP, Sheet, Table, fitting
from .text import is_unicode

__all__ = ["draw"]


def draw(what: Table | Sheet, out: TextIO) -> None:
    """Prints it, as wide as the terminal at the most.

    All that it shows is taken as plain text: markup, links and emoji names in it mean nothing.
    """
    console = Console(file=out, highlight=False)
    console.print(_table(what, console) if isinstance(what, Table) else _sheet(what))
    if isinstance(what, Table):
        console.print(Text(f"\n{what.foot}", "dim"))


def _table(table: Table, console: Console) -> Grid:
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


def _sheet(sheet: Sheet) -> Panel:
    grid = Grid.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in sheet.rows:
        grid.add_row(Text(name), Text(value))
    title = Text(sheet.title, "bold")
    return Panel(
        Padding(grid, (0, 1)), title=title, title_align="left", border_style="dim", expand=False
    )
