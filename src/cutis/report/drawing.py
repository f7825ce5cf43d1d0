"""A figure: its drawing for the page and for a paper, and its numbers; and the plot that curves are drawn into."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from cutis.report.page_environment import TEMPLATES
from cutis.report.points import Axes, Cell, points_json

Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Figure:
    """A drawing and the numbers in it.

    Attributes:
        name: what its files are called, without ending.
        kind: its class in the style sheet.
        width: in units of the drawing, which are pixels for a paper.
        height: likewise.
        title: what it shows.
        description: the same for one who cannot see it, with its main figures.
        body: SVG elements; nothing in them comes unescaped from outside.
        columns: names of the numbers.
        rows: the numbers, one row a point.
        axes: where a curve's field lies, so that the page can tell its points; None for a drawing that only stands.
        prevalence: of a ROC curve the share of positives, with which the page tells predictive values; None tells none.
    """

    name: str
    kind: str
    width: float
    height: float
    title: str
    description: str
    body: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    axes: Axes | None = None
    prevalence: float | None = None

    def __html__(self) -> str:
        """For the page: in the page's own colours, so that it follows light, dark and print."""
        label = escape(f"{self.title}. {self.description}")
        start = (
            f'<svg class="{self.kind}" viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{label}">'
        )
        drawing = f"{start}{self._told()}{self.body}</svg>"
        if self.axes is None:
            return drawing
        points = points_json(self.columns, self.rows, self.axes, self.prevalence)
        return f'{drawing}<script type="application/json" class="points">{points}</script>'

    def svg(self) -> str:
        """For a paper: a file of its own, in the light colours."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" role="img">{self._told()}'
            f"<style>{_paper_style()}</style>{self.body}</svg>\n"
        )

    def csv(self) -> str:
        """The numbers; an empty field where there is none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def _told(self) -> str:
        return f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc>"


class Plot:
    """A field with axes. Drawing adds to ``body``; what lies outside the field is cut to it."""

    def __init__(
        self,
        x: tuple[float, float] = (0, 1),
        y: tuple[float, float] = (0, 1),
        *,
        width: float = 200,
        height: float = 200,
        left: float = 40,
    ) -> None:
        self.range_x, self.range_y, self.size, self.left, self.top = x, y, (width, height), left, 8.0
        self.width, self.height = left + width + 14, self.top + height + 38
        self.parts: list[str] = []

    @property
    def axes_at(self) -> Axes:
        """Where the field lies and what its axes reach from and to."""
        return (self.left, self.top, *self.size, *self.range_x, *self.range_y)

    @property
    def body(self) -> str:
        """All that was drawn."""
        return "".join(self.parts)

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        low, high = self.range_x
        return self.left + self.size[0] * (min(max(value, low), high) - low) / (high - low)

    def y(self, value: float) -> float:
        """Where a value lies from top to bottom."""
        low, high = self.range_y
        return self.top + self.size[1] * (1 - (min(max(value, low), high) - low) / (high - low))

    def axes(self, x_ticks: Ticks, y_ticks: Ticks, x_label: str, y_label: str) -> None:
        """Grid lines at the ticks, their words (none where empty) and the axes' names."""
        (left, right), (low, high) = self.range_x, self.range_y
        for value, word in x_ticks:
            self.stroke("grid", (value, low), (value, high))
            self.text(self.x(value), self.y(low) + 14, word)
        for value, word in y_ticks:
            self.stroke("grid", (left, value), (right, value))
            self.text(self.x(left) - 5, self.y(value) + 4, word, "end")
        self.text(self.left + self.size[0] / 2, self.y(low) + 31, x_label)
        middle = f"{11:g} {self.top + self.size[1] / 2:g}"
        self.parts.append(
            f'<text transform="translate({middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
        )

    def shares(self, x_label: str, y_label: str) -> None:
        """The axes of two shares from 0 to 100 %."""
        ticks = [(0.0, "0"), (0.25, ""), (0.5, "50"), (0.75, ""), (1.0, "100")]
        self.axes(ticks, ticks, x_label, y_label)

    def text(self, x: float, y: float, word: str, anchor: str = "middle", kind: str = "") -> None:
        """Words at a place of the drawing (not of the axes)."""
        if word:
            css = f' class="{kind}"' if kind else ""
            self.parts.append(f'<text{css} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(word)}</text>')

    def stroke(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A straight line between two points of the axes."""
        (a, b), (c, d) = start, end
        ends = f'x1="{self.x(a):.1f}" y1="{self.y(b):.1f}" x2="{self.x(c):.1f}" y2="{self.y(d):.1f}"'
        self.parts.append(f'<line class="{kind}" {ends}/>')

    def line(self, kind: str, x: Sequence[float], y: Sequence[float]) -> None:
        """A line through points."""
        self.parts.append(f'<polyline class="{kind}" points="{self._points(x, y)}"/>')

    def area(self, kind: str, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
        """The area between two lines."""
        around = self._points([*x, *reversed(x)], [*high, *reversed(low)])
        self.parts.append(f'<polygon class="{kind}" points="{around}"/>')

    def dot(self, kind: str, x: float, y: float, radius: float = 4.5) -> None:
        """A dot at a point."""
        self.parts.append(f'<circle class="{kind}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius:g}"/>')

    def diamond(self, kind: str, x: float, y: float, radius: float = 5.5) -> None:
        """A square on its corner, at a point."""
        a, b, r = self.x(x), self.y(y), radius
        self.parts.append(f'<path class="{kind}" d="M{a:.1f} {b - r:.1f}l{r:g} {r:g}l-{r:g} {r:g}l-{r:g} -{r:g}z"/>')

    def bar(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A filled rectangle between two corners."""
        left, right = sorted((self.x(start[0]), self.x(end[0])))
        top, bottom = sorted((self.y(start[1]), self.y(end[1])))
        size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
        self.parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" {size}/>')

    def _points(self, x: Sequence[float], y: Sequence[float]) -> str:
        return " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(x, y, strict=True))


def small_svg(kind: str, width: int, height: int, label: str, parts: list[str]) -> Markup:
    """A drawing within a table's cell; ``parts`` hold numbers and fixed words only, ``label`` is escaped."""
    start = f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(start + "".join(parts) + "</svg>")  # noqa: S704 - nothing in it comes unescaped from outside


def _paper_style() -> str:
    """The figures' own rules with the page's light colours in place: drawing programs know no CSS variables."""
    page = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    light = re.search(r":root \{(.*?)\}", page, re.DOTALL)
    assert light is not None
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", light.group(1)))
    rules = (TEMPLATES / "figures.css").read_text(encoding="utf-8").replace("svg ", "").replace("inherit", "sans-serif")
    return " ".join(re.sub(r"var\(--([\w-]+)\)", lambda found: colours[found.group(1)], rules).split())
