"""A marble diagram as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..display.html import shorten
from .checks import needed
from .marble_layout import BEAD, MARBLE, Crowd, Lane, Mark, Place, arrange
from .pictures import COLOURS, DPI, GREY, RED, any_characters, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Pixels.
WIDTH = 800
RIGHT = 36  # beside the last moment
SIDE = 16  # beside a name
ABOVE, BELOW = 18, 18  # over and under a line
AXIS = 34
PADDING = 9  # of a label in its marble
LEGEND = 24
LONGEST = 12  # characters of a label
LONGEST_NAME = 24
MOST = 8  # labels of the legend

SMALL, NORMAL = 8.0, 10.0  # points


def draw(lanes: Sequence[Lane], seconds: float) -> Figure:
    """One line for each stream, over an axis of seconds."""
    with any_characters():
        sheet = Sheet(lanes, seconds)
        for row in sheet.rows:
            row.draw(sheet)
        sheet.draw_axis()
        sheet.draw_legend()
    return sheet.figure


class Sheet:
    """The whole diagram. Its coordinates are pixels, from the lower left."""

    def __init__(self, lanes: Sequence[Lane], seconds: float) -> None:
        self.figure = new_figure(WIDTH, 100)
        self._renderer: Any = self.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        self._fonts = needed("matplotlib.font_manager")
        self._widths: dict[tuple[str, float], float] = {}
        self._seconds = seconds
        self.names = SIDE + max(self.width_of(_name(lane), NORMAL) for lane in lanes)
        self.left = self.names + SIDE + self._overhang(lanes, 0.0)
        self.right = WIDTH - max(RIGHT, self._overhang(lanes, seconds))
        self.rows = [Row(lane, self) for lane in lanes]
        self.colours = _colours(self.rows)
        small = [text for row in self.rows for is_small, text in row.marbles() if is_small]
        self._legend = sorted(set(small), key=list(self.colours).index)
        if len(self._legend) > MOST:
            self._legend = []
        self._below = AXIS + (LEGEND if self._legend else 0)
        height = self._below + sum(row.height for row in self.rows)
        self.figure.set_size_inches(WIDTH / DPI, height / DPI)
        self.axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(0, height))
        self.axes.set_axis_off()
        self._height = height
        for row in self.rows:
            height -= row.height
            row.y = height + BELOW

    def x(self, seconds: float) -> float:
        """Where a moment is."""
        share = seconds / self._seconds if self._seconds else 0.0
        return self.left + share * (self.right - self.left)

    def width_of(self, text: str, size: float) -> float:
        """How wide a text is."""
        known = self._widths.get((text, size))
        if known is None:
            font = self._fonts.FontProperties(size=size)
            known = self._renderer.get_text_width_height_descent(text, font, ismath=False)[0]
            self._widths[text, size] = known
        return known

    def marble_width(self, mark: Mark) -> float:
        """How wide a marble with its label is."""
        return max(MARBLE.height, self.width_of(shown(mark.text), SMALL) + PADDING)

    def _overhang(self, lanes: Sequence[Lane], moment: float) -> float:
        """How far marbles may reach over the edge that is this moment."""
        near = self._seconds * 0.05
        marks = [mark for lane in lanes for mark in lane.marks if mark.kind == "next"]
        widths = [self.marble_width(m) for m in marks if abs(m.seconds - moment) <= near]
        return max(widths, default=0.0) / 2

    def text(self, x: float, y: float, text: str, color: str, size: float, **how: Any) -> None:
        """A text; what is TeX in it is none here."""
        how = {"ha": "center", "va": "center_baseline", "parse_math": False} | how
        self.axes.text(x, y, text, color=color, size=size, **how)

    def line(self, xs: Sequence[float], ys: Sequence[float], **how: Any) -> None:
        """A line, grey unless told otherwise."""
        how = {"color": GREY, "linewidth": 1.2, "solid_capstyle": "round", "zorder": 1} | how
        self.axes.plot(xs, ys, **how)

    def marble(self, place: Place, y: float, text: str) -> None:
        """A marble with its label; where that is long, the marble is."""
        reach = (place.width - place.height) / 2
        if reach > 0:  # a thick line with round ends
            xs, thickness = [place.x - reach, place.x + reach], place.height * 72 / DPI
            colour = self.colours[text]
            self.line(xs, [y + place.y] * 2, color=colour, linewidth=thickness, zorder=3)
        else:
            self.beads([place], y, [text], 3)
        self.text(place.x, y + place.y, shown(text), "white", SMALL, zorder=4, weight="bold")

    def beads(
        self, places: Sequence[Place], y: float, texts: Sequence[str], zorder: float = 2
    ) -> None:
        """Round marbles, without labels."""
        self.axes.scatter(
            [place.x for place in places],
            [y + place.y for place in places],
            s=[(place.height * 72 / DPI) ** 2 for place in places],
            c=[self.colours[text] for text in texts],
            linewidths=0,
            zorder=zorder,
        )

    def draw_axis(self) -> None:
        """The seconds, and faint lines up from them through all streams."""
        ticker = needed("matplotlib.ticker")
        y = self._below - 8
        self.line([self.x(0), self.x(self._seconds)], [y, y], linewidth=0.8)
        for tick in ticker.MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(0, self._seconds):
            if 0 <= tick <= self._seconds * 1.0001:
                x = self.x(tick)
                self.line([x, x], [y, self._height - 4], linewidth=0.6, alpha=0.3, zorder=0)
                self.text(x, y - 13, f"{tick:g}", GREY, SMALL)
        self.text(self.names, y - 13, "seconds", GREY, SMALL, ha="right")

    def draw_legend(self) -> None:
        """What colours mean, where there was no room to say it."""
        x = self.left
        for text in self._legend:
            self.beads([Place(0, x, 0, BEAD.height, BEAD.height)], LEGEND / 2, [text])
            self.text(x + 10, LEGEND / 2, shown(text), GREY, SMALL, ha="left")
            x += self.width_of(shown(text), SMALL) + 30


class Row:
    """One stream on the sheet; `y` is where its line is."""

    def __init__(self, lane: Lane, sheet: Sheet) -> None:
        self.y = 0.0
        self._lane = lane
        self._marks = [mark for mark in lane.marks if mark.kind == "next"]
        widths = [sheet.marble_width(mark) for mark in self._marks]
        self._end = None if lane.end is None else sheet.x(lane.end.seconds)
        middles = [sheet.x(mark.seconds) for mark in self._marks]
        self._places, self._crowds = arrange(middles, widths, self._end)
        tops = [place.y + place.height / 2 - 11 for place in self._places]
        self.height = ABOVE + BELOW + max([0.0, *tops, *(crowd.y + 4 for crowd in self._crowds)])

    def marbles(self) -> Iterator[tuple[bool, str]]:
        """The text of each marble, and whether there is no room for it."""
        return ((not one.has_text, self._marks[one.number].text) for one in self._places)

    def draw(self, sheet: Sheet) -> None:
        """Draws it."""
        sheet.text(sheet.names, self.y, _name(self._lane), GREY, NORMAL, ha="right")
        self._draw_line(sheet)
        for place in self._places:
            if place.has_text:
                if place.y:
                    sheet.line([place.x] * 2, [self.y, self.y + place.y], linewidth=1)
                sheet.marble(place, self.y, self._marks[place.number].text)
        small = [place for place in self._places if not place.has_text]
        if small:
            sheet.beads(small, self.y, [self._marks[place.number].text for place in small])
        for crowd in self._crowds:
            self._draw_crowd(sheet, crowd)

    def _draw_crowd(self, sheet: Sheet, crowd: Crowd) -> None:
        sheet.text(crowd.x, self.y + crowd.y + 4, f"×{crowd.size:,}", GREY, SMALL)

    def _draw_line(self, sheet: Sheet) -> None:
        first, y = sheet.x(0), self.y
        if self._lane.end is None or self._end is None:
            last = WIDTH - RIGHT / 3
            sheet.line([first, last], [y, y])
            sheet.line([last - 6, last, last - 6], [y - 4, y, y + 4])
            return
        sheet.line([first, self._end], [y, y])
        if self._lane.end.kind == "completed":
            sheet.line([self._end] * 2, [y - 11, y + 11], linewidth=2.2, solid_capstyle="butt")
            return
        self._draw_cross(sheet, self._lane.end, self._end)

    def _draw_cross(self, sheet: Sheet, mark: Mark, x: float) -> None:
        y = self.y
        for slope in (-6, 6):
            sheet.line([x - 6, x + 6], [y - slope, y + slope], color=RED, linewidth=2.2, zorder=2)
        name = shorten(mark.text, LONGEST_NAME)
        if x + 12 + sheet.width_of(name, SMALL) < WIDTH:
            sheet.text(x + 11, y, name, RED, SMALL, ha="left")
        else:
            sheet.text(WIDTH - 2, y - 15, name, RED, SMALL, ha="right")


def shown(text: str) -> str:
    """A label in as many characters as a marble has room for."""
    return shorten(text, LONGEST)


def _name(lane: Lane) -> str:
    return shorten(lane.name, LONGEST_NAME)


def _colours(rows: Sequence[Row]) -> Mapping[str, str]:
    """A colour for each label, line by line; after the last one they begin anew.

    Those that can be read come first, so that a crowd does not use up the colours.
    """
    marbles = [marble for row in rows for marble in row.marbles()]
    texts = dict.fromkeys(text for _, text in sorted(marbles, key=lambda marble: marble[0]))
    return {text: COLOURS[place % len(COLOURS)] for place, text in enumerate(texts)}
