"""A study's report as PDF: the same sections as the page, for print and for an ethics committee's file."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace, TTFFont

from cutis.files import replacing
from cutis.report.drawing import Figure
from cutis.report.report_table import ReportTable
from cutis.report.study_report_blocks import Block, Section

_MARGIN, _WIDTH, _HEIGHT = 18, 174, 297  # mm of A4
_QUIET, _ACCENT, _RAISED, _WARN = (60, 70, 77), (10, 104, 112), (243, 246, 247), (255, 243, 223)
_WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)  # in every figure, so that one made again is the same file
_WHOLE = 130  # mm: a table less high than this stands on one page
_SIDES = {"whole": 1, "half": 2, "small": 3}  # figures in a row
_FONT = "sans-serif"  # by this name the figures ask for it


def write_study_pdf(
    path: Path, title: str, subtitle: str, sections: Sequence[Section], notice: str, now: datetime
) -> list[str]:
    """Write the report as PDF, whole or not at all.

    Returns:
        What must be known of it: letters that its font lacks and that stand as boxes.

    Raises:
        CutisError: the file cannot be written.
    """
    pdf = _Document(notice)
    pdf.set_title(title)
    pdf.set_lang("en")
    pdf.set_creator("cutis")
    pdf.set_producer("cutis")
    pdf.set_creation_date(now)
    pdf.add_page()
    pdf.say(title, 19, bold=True)
    pdf.say(subtitle, 9, colour=_QUIET)
    for section in sections:
        pdf.begin(section.title, drawn=section.blocks[0].kind == "figures")
        for block in section.blocks:
            pdf.add(block)
    with replacing(path) as temporary, _quiet_svg():
        pdf.output(str(temporary))
    if not pdf.lacking:
        return []
    return [f"report.pdf has no letter for {' '.join(sorted(pdf.lacking))}: print report.html instead."]


def figure_pdf(figure: Figure) -> bytes:
    """A figure as a PDF of its own size, in vectors, for a paper."""
    pdf = FPDF(unit="pt", format=(figure.width, figure.height))
    _add_fonts(pdf)
    pdf.set_margin(0)
    pdf.set_auto_page_break(False)
    pdf.set_title(figure.title)
    pdf.set_creation_date(_WRITTEN)
    pdf.add_page()
    with _quiet_svg():
        pdf.image(_svg(figure), x=0, y=0, w=figure.width)
    return bytes(pdf.output())


class _Document(FPDF):
    def __init__(self, notice: str) -> None:
        super().__init__(format="A4")
        self.notice = notice
        self.lacking: set[str] = set()
        _add_fonts(self)
        self.set_margin(_MARGIN)
        self.set_auto_page_break(True, _MARGIN)
        self.set_font(_FONT, size=9)
        self.known = _letters(self)

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(_FONT, size=7)
        self.set_text_color(*_QUIET)
        self.cell(0, 4, f"{self.notice}     {self.page_no()}", align="C")
        self.set_text_color(0)

    def say(
        self,
        text: str,
        size: float = 9,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = (0, 0, 0),
        indent: float = 0,
    ) -> None:
        """A paragraph over the whole width."""
        self._check(text)
        self.set_font(_FONT, style="B" if bold else "", size=size)
        self.set_text_color(*colour)
        self.set_x(_MARGIN + indent)
        self.multi_cell(_WIDTH - indent, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.set_text_color(0)
        self.ln(size * 0.17)

    def begin(self, title: str, *, drawn: bool) -> None:
        """A section's heading, with an entry in the outline; ``drawn``: it begins with figures."""
        self.need(110 if drawn else 34)
        self.ln(3)
        self.start_section(title)
        self.set_draw_color(*_ACCENT)
        self.line(_MARGIN, self.get_y(), _MARGIN + _WIDTH, self.get_y())
        self.set_draw_color(0)
        self.ln(1.5)
        self.say(title, 13, bold=True)

    def need(self, height: float) -> None:
        """Go to the next page where less than so much of this one is left, in mm."""
        if self.get_y() + height > _HEIGHT - _MARGIN:
            self.add_page()

    def add(self, block: Block) -> None:
        """A block, as its kind is shown on paper."""
        {
            "paragraph": self._paragraph,
            "heading": self._heading,
            "items": self._items,
            "facts": self._facts,
            "note": self._note,
            "tiles": self._tiles,
            "table": self._table,
            "figures": self._figures,
            "pasted": self._pasted,
        }[block.kind](block)

    def _paragraph(self, block: Any) -> None:
        self.say(block.text, colour=_QUIET if block.quiet else (0, 0, 0))

    def _heading(self, block: Any) -> None:
        self.need(28)
        self.ln(1.5)
        self.say(block.text, 10, bold=True)

    def _items(self, block: Any) -> None:
        for text in block.texts:
            self.say(f"•  {text}", indent=3)

    def _facts(self, block: Any) -> None:
        for name, text in block.rows:
            self._check(name + text)
            self.need(14)
            self.set_font(_FONT, style="B", size=9)
            top = self.get_y()
            self.multi_cell(42, 4.5, name, align="L", new_x="LMARGIN", new_y="NEXT")
            left = self.get_y()
            self.set_font(_FONT, size=9)
            self.set_xy(_MARGIN + 44, top)
            self.multi_cell(_WIDTH - 44, 4.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
            self.set_y(max(left, self.get_y()) + 1.2)

    def _note(self, block: Any) -> None:
        text = "\n".join(block.texts if len(block.texts) == 1 else [f"•  {each}" for each in block.texts])
        self._check(block.title + text)
        self.need(20)
        self.set_fill_color(*(_RAISED if not block.tone else _WARN))
        for words, bold in ((block.title, True), (text, False)):
            self.set_font(_FONT, style="B" if bold else "", size=9)
            self.multi_cell(_WIDTH, 4.8, words, align="L", fill=True, new_x="LMARGIN", new_y="NEXT", padding=(1, 3))
        self.ln(2)

    def _tiles(self, block: Any) -> None:
        self.need(22)
        width, top = (_WIDTH - 3 * (len(block.rows) - 1)) / len(block.rows), self.get_y()
        for place, (name, value, beside) in enumerate(block.rows):
            x = _MARGIN + place * (width + 3)
            self.set_fill_color(*_RAISED)
            self.rect(x, top, width, 19, style="F")
            for words, size, bold, y in ((value, 13, True, 2), (name, 7.5, False, 8.5), (beside, 7, False, 14)):
                self.set_font(_FONT, style="B" if bold else "", size=size)
                self.set_xy(x + 1.5, top + y)
                self.multi_cell(width - 3, size * 0.38, words, align="L", new_x="LMARGIN", new_y="NEXT")
        self.set_y(top + 22)

    def _pasted(self, block: Any) -> None:
        for text in block.texts:
            self.say(text, 8.5)

    def _figures(self, block: Any) -> None:
        count = min(_SIDES[block.side], max(len(block.figures), 1)) if block.side != "half" else _SIDES["half"]
        width = (_WIDTH - 6 * (count - 1)) / count
        for start in range(0, len(block.figures), count):
            row = block.figures[start : start + count]
            # A drawing keeps its own scale where it is small: letters of neighbours are then of one size.
            sizes = [min(width, figure.width * 0.3) for _, figure in row]
            tall = max(size * figure.height / figure.width for size, (_, figure) in zip(sizes, row, strict=True))
            self.need(tall + 14)
            top = self.get_y()
            for place, (name, _) in enumerate(row):
                self._check(name)
                self.set_font(_FONT, style="B", size=8)
                self.set_xy(_MARGIN + place * (width + 6), top)
                self.multi_cell(width, 3.8, name, align="L", new_x="LMARGIN", new_y="NEXT")
            below = top + 9
            for place, (size, (_, figure)) in enumerate(zip(sizes, row, strict=True)):
                with _quiet_svg():
                    self.image(
                        _svg(figure), x=_MARGIN + place * (width + 6), y=below, w=size, alt_text=figure.description
                    )
            self.set_y(below + tall + 2)
        self._key(block.marks)
        self.ln(1)

    def _key(self, marks: Sequence[tuple[Figure, str]]) -> None:
        self.set_font(_FONT, size=8)
        for figure, text in marks:
            self._check(text)
            wide = 11 + self.get_string_width(text) + 5
            if self.get_x() + wide > _MARGIN + _WIDTH:
                self.ln(5)
            with _quiet_svg():
                self.image(_svg(figure), x=self.get_x(), y=self.get_y(), w=9)
            self.set_x(self.get_x() + 10.5)
            self.cell(self.get_string_width(text) + 5, 4.8, text)
        if marks:
            self.ln(6)

    def _table(self, block: Any) -> None:
        table: ReportTable = block.table
        rows = [[f"{each.main}\n{each.beside}" if each.beside else each.main for each in row] for row in table.told()]
        heads = [each.head for each in table.columns]
        size = 8 if len(heads) <= 8 else 7
        tall = 24 + sum(max(cell.count("\n") for cell in row) * size * 0.47 + size * 0.47 + 1.5 for row in rows)
        self.need(tall if tall < _WHOLE else 40)
        self.say(table.caption, 8, colour=_QUIET)
        self.set_font(_FONT, style="B", size=size)  # heads are bold, and some rows
        widths = [self._column_width([head, *(row[k] for row in rows)]) for k, head in enumerate(heads)]
        self.set_font(_FONT, size=size)
        # At the table's own width where it is narrow, so that figures stand near their names.
        total = min(_WIDTH, sum(widths))
        scale = total / sum(widths)
        alignment = ["LEFT" if column.kind == "words" else "RIGHT" for column in table.columns]
        self.set_draw_color(184, 195, 200)
        self.set_fill_color(255)  # cells take the colour of the last note otherwise
        with self.table(
            width=total,
            col_widths=[each * scale for each in widths],
            text_align=tuple(alignment),
            align="LEFT",
            line_height=size * 0.47,
            padding=(0.7, 1.1),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD"),
        ) as drawn:
            drawn.row(heads)
            for place, row in enumerate(rows):
                self._check("".join(row))
                drawn.row(row, style=FontFace(emphasis="BOLD") if place in table.strong else None)
        self.set_draw_color(0)
        self.ln(3)

    def _column_width(self, cells: Sequence[str]) -> float:
        """What its longest line needs, heads broken at spaces, up to a third of the page."""
        lines = [line for cell in cells[1:] for line in cell.split("\n")] + cells[0].split()
        return min(max(self.get_string_width(f"{line}n") for line in lines) + 2.4, _WIDTH / 3)

    def _check(self, text: str) -> None:
        self.lacking |= {each for each in text if not each.isspace() and ord(each) not in self.known}


class _quiet_svg:  # noqa: N801 - used as a function
    """fpdf2 warns that it passes over a drawing's title and description, which paper has no use for."""

    def __enter__(self) -> None:
        self.logger = logging.getLogger("fpdf.svg")
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.level)


def _add_fonts(pdf: FPDF) -> None:
    from matplotlib import get_data_path  # noqa: PLC0415 - it has a font with Latin, Greek and Cyrillic letters

    fonts = Path(get_data_path()) / "fonts" / "ttf"
    pdf.add_font(_FONT, fname=fonts / "DejaVuSans.ttf")
    pdf.add_font(_FONT, style="B", fname=fonts / "DejaVuSans-Bold.ttf")


def _letters(pdf: FPDF) -> set[int]:
    font = pdf.fonts[_FONT]
    assert isinstance(font, TTFFont)
    return set(font.cmap)


def _svg(figure: Figure) -> BytesIO:
    """The drawing; fpdf2 knows rules of classes alone, so what is said of all text is said of each."""
    drawing = figure.svg().replace("<text ", '<text font-size="11" fill="#182026" ')
    return BytesIO(drawing.encode())
